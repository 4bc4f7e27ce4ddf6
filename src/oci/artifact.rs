//! What hangs on an image, by the marks that its manifest carries.
//!
//! Owns the kinds of attachments and cosign's tags for them. Asks no registry.

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

/// cosign's tags for a digest, and what they hold.
pub fn cosign_tags(subject: &Digest) -> [(String, Kind); 3] {
    let name = format!("{}-{}", subject.algorithm(), subject.hex());
    [("sig", Kind::Signature), ("att", Kind::Attestation), ("sbom", Kind::Sbom)]
        .map(|(suffix, kind)| (format!("{name}.{suffix}"), kind))
}

#[cfg(test)]
mod tests {
    use super::cosign_tags;
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
}
