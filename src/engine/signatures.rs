//! Whether a source is signed as it should be: asked once its digest is known, before anything of it is written.
//!
//! Owns where signatures are looked for: under cosign's tag of the digest, and in everything that names it as its subject,
//! whatever marks that has. Bounded in how many are looked at and in their bytes. Judges nothing: the policy does. What cannot
//! be read does not count as a signature, and a listing that fails is a failure.

use crate::engine::answers::{Answers, Keep};
use crate::engine::job::Job;
use crate::engine::outcome::Verification;
use crate::engine::resolve::Resolved;
use crate::engine::session::Session;
use crate::error::Error;
use crate::error::signature::{Claim, RejectedSignature, Rejection, Unsigned};
use crate::oci::artifact::{Kind, bundle, cosign_tags};
use crate::oci::digest::Digest;
use crate::oci::manifest::{Content, Descriptor, Manifest};
use crate::policy::{Evidence, LARGEST_BUNDLE, LARGEST_PAYLOAD, Marks, Mode, Policy, Verified, judge};
use crate::store::Source;
use crate::store::content::TagOrDigest;

/// Signatures of one image that are looked at.
const MOST: usize = 1_000;

/// What they may have in bytes together: thousands of what signers write.
const MOST_BYTES: u64 = 64 * 1024 * 1024;

/// Signatures that are named where none is what is wanted.
const NAMED: usize = 10;

/// What cosign's signatures are under without a tag, since OCI 1.1.
const COSIGN_REFERRER: &str = "application/vnd.dev.cosign.artifact.sig.v1+json";

/// What Notation's signatures are.
const NOTATION: &str = "application/vnd.cncf.notary.signature";

/// The digests of which one must be signed: what the source's name stands for, which is the index that names the platform
/// where one was chosen, and what is copied of it.
///
/// A signature of the index is one of what the index lists; one of something that it lists is none of the index.
pub fn subjects(resolved: &Resolved) -> Vec<Digest> {
    let mut subjects = vec![resolved.named.clone()];
    let root = resolved.root.digest();
    // What was made here of an index, nobody has signed.
    if *root != resolved.named && resolved.chosen.is_some() {
        subjects.push(root.clone());
    }
    subjects
}

/// Looks for the signature that `policy` wants, over one of `subjects`.
pub async fn check(
    source: &Source,
    answers: &Answers,
    policy: &Policy,
    subjects: &[Digest],
) -> Result<Result<Verified, Unsigned>, Error> {
    let mut search = Search { source, answers, policy, subjects, rejected: Vec::new(), found: 0, bytes: 0, left: None };
    for subject in subjects {
        if let Some(verified) = search.under_tag(subject).await? {
            return Ok(Ok(verified));
        }
        if let Some(verified) = search.among_referrers(subject).await? {
            return Ok(Ok(verified));
        }
    }
    Ok(Err(Unsigned {
        subjects: subjects.to_vec(),
        policy: Some(policy.called().to_owned()),
        rejected: search.rejected,
        found: search.found,
        left: search.left,
    }))
}

struct Search<'a> {
    source: &'a Source,
    answers: &'a Answers,
    policy: &'a Policy,
    subjects: &'a [Digest],
    rejected: Vec<RejectedSignature>,
    found: usize,
    bytes: u64,
    left: Option<String>,
}

impl Search<'_> {
    async fn under_tag(&mut self, subject: &Digest) -> Result<Option<Verified>, Error> {
        for (tag, _) in cosign_tags(subject).filter(|(_, kind)| *kind == Kind::Signature) {
            if let Some(manifest) = self.answers.tagged(self.source, &tag, Keep::Yes).await?
                && let Some(verified) = self.layers(&manifest, &tag).await?
            {
                return Ok(Some(verified));
            }
        }
        Ok(None)
    }

    async fn among_referrers(&mut self, subject: &Digest) -> Result<Option<Verified>, Error> {
        for digest in self.answers.listed(self.source, subject, Keep::Yes).await? {
            if self.is_full() {
                return Ok(None);
            }
            let referrer = self.answers.referrer(self.source, subject, &digest, Keep::Yes).await?;
            let Some((manifest, _)) = referrer else { continue };
            let verified = match manifest.artifact_type() {
                Some(COSIGN_REFERRER) => self.layers(&manifest, digest.as_str()).await?,
                Some(NOTATION) => {
                    self.reject(digest.as_str(), (None, Rejection::NotChecked("a Notation signature")));
                    None
                }
                _ => match bundle(&manifest) {
                    Some(bundle) => self.bundle(bundle, digest.as_str()).await?,
                    None => None,
                },
            };
            if verified.is_some() {
                return Ok(verified);
            }
        }
        Ok(None)
    }

    /// The signatures in a manifest of cosign's, a layer each.
    async fn layers(&mut self, manifest: &Manifest, found: &str) -> Result<Option<Verified>, Error> {
        let Content::Image { layers, .. } = &manifest.content else { return Ok(None) };
        for layer in layers {
            let mark = |name: &str| layer.annotation(name);
            let Some(signature) = mark("dev.cosignproject.cosign/signature") else { continue };
            if self.is_full() {
                return Ok(None);
            }
            let marks = Marks {
                signature: Some(signature),
                certificate: mark("dev.sigstore.cosign/certificate"),
                chain: mark("dev.sigstore.cosign/chain"),
                log: mark("dev.sigstore.cosign/bundle"),
                timestamp: mark("dev.sigstore.cosign/rfc3161timestamp"),
            };
            let Some(payload) = self.read(layer, LARGEST_PAYLOAD, found).await? else { continue };
            let verified = self.judge(&Evidence::Payload { payload: &payload, marks }, found);
            if verified.is_some() {
                return Ok(verified);
            }
            // Thousands of them keep no other image waiting.
            tokio::task::yield_now().await;
        }
        Ok(None)
    }

    async fn bundle(&mut self, bundle: &Descriptor, found: &str) -> Result<Option<Verified>, Error> {
        let Some(bytes) = self.read(bundle, LARGEST_BUNDLE, found).await? else { return Ok(None) };
        let verified = self.judge(&Evidence::Bundle(&bytes), found);
        tokio::task::yield_now().await;
        Ok(verified)
    }

    fn judge(&mut self, evidence: &Evidence<'_>, found: &str) -> Option<Verified> {
        match judge(self.policy, evidence, self.subjects) {
            Ok(verified) => Some(verified),
            Err(rejected) => {
                self.reject(found, rejected);
                None
            }
        }
    }

    fn reject(&mut self, found: &str, (by, reason): (Option<Claim>, Rejection)) {
        self.found += 1;
        if self.rejected.len() < NAMED {
            self.rejected.push(RejectedSignature { found: found.to_owned(), by, reason });
        }
    }

    /// Whether no more is looked at.
    fn is_full(&mut self) -> bool {
        let is_full = self.found >= MOST || self.bytes >= MOST_BYTES;
        if is_full {
            self.left = Some(format!("no more are looked at than {MOST}, of 64 MiB together"));
        }
        is_full
    }

    /// A blob with a signature; none, and rejected, where the source does not have it or it is too large.
    async fn read(&mut self, blob: &Descriptor, limit: u64, found: &str) -> Result<Option<bytes::Bytes>, Error> {
        if blob.size > limit {
            self.reject(found, (None, Rejection::TooLarge { bytes: blob.size, limit }));
            return Ok(None);
        }
        self.bytes += blob.size;
        match self.answers.blob(self.source, blob, limit).await {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.is_absent() => {
                self.reject(found, (None, Rejection::Unreadable("the source does not have all of it".to_owned())));
                Ok(None)
            }
            Err(error @ (Error::DigestMismatch { .. } | Error::Content { .. })) => {
                self.reject(found, (None, Rejection::Unreadable(error.to_string())));
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }
}

/// What comes of asking whether the image may come in: nothing where nobody asks; an error where it may not.
pub async fn admit(
    session: &Session<'_>,
    job: &Job,
    answers: &Answers,
    (source, at): (&Source, TagOrDigest<'_>),
    resolved: &Resolved,
) -> Result<Option<Verification>, Error> {
    let Some(requirement) = job.options.requirement.as_ref().filter(|wanted| wanted.is_asked()) else {
        return Ok(None);
    };
    let subjects = subjects(resolved);
    let judged = match &requirement.policy {
        None => Ok(Err(Unsigned { subjects, policy: None, rejected: Vec::new(), found: 0, left: None })),
        Some(policy) => {
            let check = || check(source, answers, policy, &subjects);
            match &job.shared_source {
                Some(place) => {
                    let once = session.shared.verdicts.entry((place.clone(), subjects.clone(), policy.fingerprint()));
                    once.get_or_try_init(check).await.cloned()
                }
                None => check().await,
            }
        }
    };
    let unsigned = match judged {
        Ok(Ok(verified)) => return Ok(Some(Verification::Signed(Box::new(verified)))),
        Ok(Err(unsigned)) => unsigned,
        // What cannot be asked is no reason to leave it out, where that it is unsigned is none.
        Err(error) if requirement.mode == Mode::Warn && !error.is_crowded() => {
            source.meter().warn(format!("whether it is signed cannot be told: {error}"));
            return Ok(None);
        }
        Err(error) => return Err(error),
    };
    let reference = source.object(at);
    let unsigned = Box::new(unsigned);
    let error = Error::Unsigned { reference, unsigned: unsigned.clone() };
    if requirement.mode == Mode::Require {
        return Err(error);
    }
    source.meter().warn(error.to_string());
    Ok(Some(Verification::Unsigned(unsigned)))
}
