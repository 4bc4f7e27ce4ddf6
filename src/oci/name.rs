//! The grammar of the parts of an image's name.

/// Whether the first component of a name is a host: the rule every client follows.
///
/// Source: distribution/reference, `splitDockerDomain`.
pub fn is_host(component: &str) -> bool {
    component.contains(['.', ':']) || component.eq_ignore_ascii_case("localhost")
}

/// Whether what stands before the port, if anything does, is written as a host's name is; a port is `check_port`'s, an
/// IPv6 address too.
pub fn is_host_name(host: &str) -> bool {
    let name = host.split_once(':').map_or(host, |(name, _)| name);
    let label = |label: &str| {
        !(label.is_empty() || label.starts_with('-') || label.ends_with('-'))
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    host.is_empty() || host.starts_with('[') || name.split('.').all(label)
}

/// Whether one component of a repository's name is well formed: `[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*`
/// (distribution-spec, "Pulling manifests").
///
/// The same grammar as oci-client's; a test holds the two together.
pub fn is_component(component: &str) -> bool {
    let is_word = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let separator = |run: &[u8]| matches!(run, b"." | b"_" | b"__") || run.iter().all(|byte| *byte == b'-');
    let bytes = component.as_bytes();
    bytes.first().is_some_and(is_word)
        && bytes.last().is_some_and(is_word)
        && bytes.split(is_word).filter(|run| !run.is_empty()).all(separator)
}
