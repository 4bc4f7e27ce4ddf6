//! What hangs on an image, by the marks that its manifest carries.
//!
//! Owns the kinds of attachments and the grammar of the tags that they are kept under. Asks no registry.

use crate::oci::digest::Digest;
use crate::oci::manifest::Manifest;

/// What an attachment is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Proves who published the subject.
    Signature,
    /// Says how it was made.
    Attestation,
    /// Says what is in it.
    Sbom,
    /// Anything else.
    Artifact,
}

impl Kind {
    /// The kind's name in `json` and for people.
    pub fn name(self) -> &'static str {
        match self {
            Self::Signature => "signature",
            Self::Attestation => "attestation",
            Self::Sbom => "sbom",
            Self::Artifact => "artifact",
        }
    }

    /// From the artifact type, and from the annotation by which sigstore tells its bundles apart.
    pub fn of(manifest: &Manifest) -> Self {
        let artifact_type = manifest.artifact_type().unwrap_or_default();
        if artifact_type.starts_with("application/vnd.dev.sigstore.bundle") {
            let content = manifest.annotations.get("dev.sigstore.bundle.content").map(String::as_str);
            return if content == Some("dsse-envelope") { Self::Attestation } else { Self::Signature };
        }
        let contains = |words: &[&str]| words.iter().any(|word| artifact_type.contains(word));
        if contains(&["signature", "cosign.artifact.sig", "simplesigning"]) {
            Self::Signature
        } else if contains(&["spdx", "cyclonedx", "sbom", "syft"]) {
            Self::Sbom
        } else if contains(&["in-toto", "attestation", "slsa", "dsse"]) {
            Self::Attestation
        } else {
            Self::Artifact
        }
    }
}

/// What cosign writes behind a digest in its tags, and what they hold.
const COSIGN: [(&str, Kind); 3] = [("sig", Kind::Signature), ("att", Kind::Attestation), ("sbom", Kind::Sbom)];

/// cosign's tags for a digest, and what they hold.
pub fn cosign_tags(subject: &Digest) -> [(String, Kind); 3] {
    let name = format!("{}-{}", subject.algorithm(), subject.hex());
    COSIGN.map(|(suffix, kind)| (format!("{name}.{suffix}"), kind))
}

/// What follows the digest in a tag that is made of one: nothing in a fallback tag, `.sig` and the like in cosign's; none for
/// other tags.
///
/// The one grammar of such tags: `<algorithm>-<hex>[.<what>]`, the hex whole or, in a fallback tag, cut at 64 digits.
pub fn after_digest(tag: &str) -> Option<&str> {
    let (algorithm, rest) = tag.split_once('-')?;
    let (hex, what) = rest.split_at(rest.find('.').unwrap_or(rest.len()));
    let is_digest = matches!(algorithm, "sha256" | "sha512")
        && matches!(hex.len(), 64 | 128)
        && hex.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_digest.then_some(what)
}

/// Whether attachments are kept under `tag`: a fallback tag, or one of cosign's.
pub fn is_attachment_tag(tag: &str) -> bool {
    let is_cosign = |what: &str| COSIGN.iter().any(|(suffix, _)| what.strip_prefix('.') == Some(suffix));
    after_digest(tag).is_some_and(|what| what.is_empty() || is_cosign(what))
}

#[cfg(test)]
mod tests {
    use super::{after_digest, cosign_tags, is_attachment_tag};
    use crate::oci::digest::Digest;

    #[test]
    fn tags_are_computed_from_the_digest() {
        let digest = Digest::of(b"");
        let hex = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(digest.fallback_tag(), format!("sha256-{hex}"));
        let long: Digest = format!("sha512:{}", "a".repeat(128)).parse().unwrap();
        assert_eq!(long.fallback_tag(), format!("sha512-{}", "a".repeat(64)));
        assert_eq!(
            cosign_tags(&digest).map(|(tag, _)| tag),
            ["sig", "att", "sbom"].map(|suffix| format!("sha256-{hex}.{suffix}"))
        );
    }

    #[test]
    fn tags_that_are_made_of_a_digest_are_known() {
        let hex = "a".repeat(64);
        let long: Digest = format!("sha512:{}", "a".repeat(128)).parse().unwrap();
        let made = cosign_tags(&long).map(|(tag, _)| tag);
        for tag in made.into_iter().chain([long.fallback_tag(), format!("sha256-{hex}"), format!("sha256-{hex}.att")]) {
            assert!(is_attachment_tag(&tag), "{tag}");
        }
        assert_eq!(after_digest(&format!("sha256-{hex}.own")), Some(".own"));
        assert!(!is_attachment_tag(&format!("sha256-{hex}.own")));
        for tag in [
            "v1",
            "sha256-",
            "sha256-abc.sig",
            &format!("sha256-{hex}0"),
            &format!("md5-{hex}"),
            &format!("sha256-é{hex}"),
        ] {
            assert_eq!(after_digest(tag), None, "{tag}");
        }
    }
}
