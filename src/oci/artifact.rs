//! What hangs on an image, by the marks that its manifest carries.
//!
//! Owns the kinds of attachments and the grammar of the tags that they are kept under. Asks no registry.

use crate::oci::digest::Digest;
use crate::oci::manifest::{Content, Descriptor, Manifest};
use crate::oci::reference::LONGEST_TAG;

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

    /// From the artifact type, and from the annotations by which sigstore tells its bundles apart; none for a bundle
    /// without them: what is in it tells ([`Kind::of_bundle`]).
    ///
    /// cosign 3 signs with a DSSE envelope as it attests; only the predicate's type says that it is a signature (sigstore,
    /// "Cosign Bundle Specification").
    pub fn of(manifest: &Manifest) -> Option<Self> {
        let artifact_type = manifest.artifact_type().unwrap_or_default();
        if is_bundle(artifact_type) || bundle(manifest).is_some() {
            let annotation = |name: &str| manifest.annotations.get(name);
            return match annotation(BUNDLE_CONTENT) {
                Some("message-signature") => Some(Self::Signature),
                _ => annotation(BUNDLE_PREDICATE).map(Self::of_predicate),
            };
        }
        let contains = |words: &[&str]| words.iter().any(|word| artifact_type.contains(word));
        Some(if contains(&["signature", "cosign.artifact.sig", "simplesigning"]) {
            Self::Signature
        } else if contains(&["spdx", "cyclonedx", "sbom", "syft"]) {
            Self::Sbom
        } else if contains(&["in-toto", "attestation", "slsa", "dsse"]) {
            Self::Attestation
        } else {
            Self::Artifact
        })
    }

    /// What a sigstore bundle holds: a signature, or a statement about its subject. What cannot be read counts as a
    /// signature: left behind, it would be missed more than anything else.
    pub fn of_bundle(bytes: &[u8]) -> Self {
        Self::in_bundle(bytes).unwrap_or(Self::Signature)
    }

    fn in_bundle(bytes: &[u8]) -> Option<Self> {
        use base64::Engine as _;
        #[derive(serde::Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Bundle {
            #[serde(default)]
            dsse_envelope: Option<Envelope>,
        }
        #[derive(serde::Deserialize)]
        struct Envelope {
            payload: String,
        }
        #[derive(serde::Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Statement {
            predicate_type: String,
        }
        let bundle: Bundle = serde_json::from_slice(bytes).ok()?;
        let payload = base64::engine::general_purpose::STANDARD.decode(bundle.dsse_envelope?.payload).ok()?;
        let statement: Statement = serde_json::from_slice(&payload).ok()?;
        Some(Self::of_predicate(&statement.predicate_type))
    }

    fn of_predicate(predicate_type: &str) -> Self {
        if predicate_type.starts_with("https://sigstore.dev/cosign/sign/") {
            Self::Signature
        } else {
            Self::Attestation
        }
    }
}

/// What tells what a sigstore bundle holds before it is read (sigstore, "Cosign Bundle Specification").
pub const BUNDLE_CONTENT: &str = "dev.sigstore.bundle.content";

/// The type of the statement in it.
pub const BUNDLE_PREDICATE: &str = "dev.sigstore.bundle.predicateType";

fn is_bundle(media_type: &str) -> bool {
    media_type.starts_with("application/vnd.dev.sigstore.bundle")
}

/// The sigstore bundle that a manifest holds, where it is nothing else.
pub fn bundle(manifest: &Manifest) -> Option<&Descriptor> {
    let Content::Image { layers, .. } = &manifest.content else { return None };
    layers.first().filter(|layer| layers.len() == 1 && is_bundle(&layer.media_type))
}

/// What cosign writes behind a digest in its tags, and what they hold.
const COSIGN: [(&str, Kind); 3] = [("sig", Kind::Signature), ("att", Kind::Attestation), ("sbom", Kind::Sbom)];

/// cosign's tags for a digest, and what they hold; none for a digest whose tags no registry would take (SHA-512).
pub fn cosign_tags(subject: &Digest) -> impl Iterator<Item = (String, Kind)> + use<> {
    let name = format!("{}-{}", subject.algorithm(), subject.hex());
    let tags = COSIGN.into_iter().map(move |(suffix, kind)| (format!("{name}.{suffix}"), kind));
    tags.filter(|(tag, _)| tag.len() <= LONGEST_TAG)
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
    use super::{Kind, after_digest, cosign_tags, is_attachment_tag};
    use crate::oci::digest::Digest;
    use crate::oci::manifest::Manifest;

    const BUNDLE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";

    #[test]
    fn tags_are_computed_from_the_digest() {
        let digest = Digest::of(b"");
        let hex = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(digest.fallback_tag(), format!("sha256-{hex}"));
        let long: Digest = format!("sha512:{}", "a".repeat(128)).parse().unwrap();
        assert_eq!(long.fallback_tag(), format!("sha512-{}", "a".repeat(64)));
        assert_eq!(
            cosign_tags(&digest).map(|(tag, _)| tag).collect::<Vec<_>>(),
            ["sig", "att", "sbom"].map(|suffix| format!("sha256-{hex}.{suffix}"))
        );
        assert_eq!(cosign_tags(&long).count(), 0);
    }

    fn bundle(predicate: &str) -> String {
        use base64::Engine as _;
        let payload = base64::engine::general_purpose::STANDARD.encode(format!(r#"{{"predicateType":"{predicate}"}}"#));
        format!(r#"{{"mediaType":"{BUNDLE}","dsseEnvelope":{{"payload":"{payload}"}}}}"#)
    }

    #[test]
    fn a_bundle_is_what_its_predicate_says_and_a_signature_where_nothing_does() {
        for (text, kind) in [
            (bundle("https://sigstore.dev/cosign/sign/v1"), Kind::Signature),
            (bundle("https://slsa.dev/provenance/v1"), Kind::Attestation),
            (r#"{"messageSignature":{"signature":"x"}}"#.to_owned(), Kind::Signature),
            (r#"{"dsseEnvelope":{"payload":"!"}}"#.to_owned(), Kind::Signature),
            ("x".to_owned(), Kind::Signature),
        ] {
            assert_eq!(Kind::of_bundle(text.as_bytes()), kind, "{text}");
        }
    }

    #[test]
    fn annotations_tell_a_bundle_before_it_is_read() {
        let empty = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        let of = |artifact_type: &str, annotations: &str| {
            let text = format!(
                r#"{{"config":{{"digest":"{empty}","size":0}},"artifactType":"{artifact_type}","annotations":{{{annotations}}},
                "layers":[{{"mediaType":"{BUNDLE}","digest":"{empty}","size":0}}]}}"#
            );
            let digest = Digest::of(text.as_bytes());
            Kind::of(&Manifest::parse(text.into(), None, digest).unwrap())
        };
        let dsse = r#""dev.sigstore.bundle.content":"dsse-envelope""#;
        let says = |predicate: &str| format!(r#"{dsse},"dev.sigstore.bundle.predicateType":"{predicate}""#);
        let sign = says("https://sigstore.dev/cosign/sign/v1");
        for (artifact_type, annotations, kind) in [
            (BUNDLE, sign.as_str(), Some(Kind::Signature)),
            ("", sign.as_str(), Some(Kind::Signature)),
            (BUNDLE, &says("https://slsa.dev/provenance/v1"), Some(Kind::Attestation)),
            (BUNDLE, r#""dev.sigstore.bundle.content":"message-signature""#, Some(Kind::Signature)),
            (BUNDLE, dsse, None),
            (BUNDLE, "", None),
        ] {
            assert_eq!(of(artifact_type, annotations), kind, "{artifact_type} {annotations}");
        }
    }

    #[test]
    fn tags_that_are_made_of_a_digest_are_known() {
        let hex = "a".repeat(64);
        let long: Digest = format!("sha512:{}", "a".repeat(128)).parse().unwrap();
        let made = ["sig", "att", "sbom"].map(|suffix| format!("sha512-{}.{suffix}", long.hex()));
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
