//! A statement of what was copied, and its place beside the image at the target.
//!
//! Owns what the statement says: only what this run has seen, in the words of its report. It is written after the tag, as a
//! referrer of the image. Who signs it is `attest`'s. Never touches the image.

use std::time::SystemTime;

use bytes::Bytes;
use futures_util::future::{BoxFuture, FutureExt as _};
use futures_util::stream::{self, StreamExt as _};
use serde_json::{Map, Value, json};

use crate::attest::{Attestor, BUNDLE, PREDICATE, Signed};
use crate::engine::attachments::TargetList;
use crate::engine::copy::fallback_list::FallbackList;
use crate::engine::outcome::{Attestation, ImageOutcome, Outcome, Verification};
use crate::engine::session::Shared;
use crate::error::action::Action;
use crate::error::cause::Cause;
use crate::error::object::Object;
use crate::error::violation::Violation;
use crate::error::{Error, Side};
use crate::observe::meter::Meter;
use crate::oci::artifact::{BUNDLE_CONTENT, BUNDLE_PREDICATE};
use crate::oci::digest::Digest;
use crate::oci::manifest::{Descriptor, Manifest, PackedManifest};
use crate::oci::reference::{ImageReference, Reference};
use crate::policy::SignedBy;
use crate::store::blob::{BlobPushRequest, BlobSource, BlobStream};
use crate::store::content::{OnFailure, Presence, TagOrDigest};
use crate::store::{Target, present};

/// What tells the statements about several tags of one digest apart: the name that it is about.
const TITLE: &str = "org.opencontainers.image.title";

/// What tells the statements about one name apart: where the image came from.
const SOURCE: &str = "org.opencontainers.image.base.name";

/// The type of a manifest's configuration where there is none to have; old lists have it as the type of what they list.
const EMPTY: &str = "application/vnd.oci.empty.v1+json";

/// Manifests whose marks are asked for where a list does not have them.
const LOOKED_AT: usize = 100;

/// What is written beside an image, and by whom.
pub struct Attesting<'a> {
    pub attestor: &'a Attestor,
    pub shared: &'a Shared,
    pub meter: &'a Meter,
    pub target: &'a Target,
    /// The image there, as it is called.
    pub name: &'a ImageReference,
}

impl Attesting<'_> {
    /// Whether the target lacks a statement about `digest` under this name that says it came from `source`. Marks are believed:
    /// nothing is proven by them, but that somebody says that there is one.
    pub async fn is_lacking(&self, digest: &Digest, source: &ImageReference) -> Result<bool, Error> {
        let entries = self.listed(digest).await?;
        let (name, source) = (self.name.to_string(), source.to_string());
        let marks = [(BUNDLE_PREDICATE, PREDICATE), (TITLE, name.as_str()), (SOURCE, source.as_str())];
        let may_be = |kind: &str| kind == BUNDLE || kind == EMPTY;
        let mut looked_at = 0;
        for entry in entries.iter().filter(|entry| entry.artifact_type.as_deref().is_none_or(may_be)) {
            // Lists leave marks out: then those of what is listed count.
            let is_it = match is_marked(&marks, |key| entry.annotation(key)) {
                Some(is_it) => is_it,
                None if looked_at == LOOKED_AT => {
                    self.meter.notice(format!(
                        "{}: more than {LOOKED_AT} things are attached to {digest} whose list does not say what they are: none is \
                         attested anew, whether it was before or not",
                        self.name
                    ));
                    return Ok(false);
                }
                None => {
                    looked_at += 1;
                    let manifest = present(self.target.get_manifest(TagOrDigest::Digest(&entry.digest)).await)?;
                    let said = manifest.and_then(|manifest| is_marked(&marks, |key| manifest.annotations.get(key)));
                    said == Some(true)
                }
            };
            if is_it {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// What the target lists as attached to `digest`. Where it keeps no list, or does not say whether it does, nothing is signed:
    /// an entry of the log is there for good.
    async fn listed(&self, digest: &Digest) -> Result<Vec<Descriptor>, Error> {
        let unlisted = match self.list().not_kept(digest).await {
            Some(known) => known,
            None => match TargetList::read(self.target, digest).await? {
                TargetList::Entries(entries) => return Ok(entries),
                TargetList::Unlisted(unlisted) => unlisted,
            },
        };
        Err(self.not_listed(digest, format!("{unlisted}: nobody would find the statement, and none was signed")))
    }

    fn list(&self) -> FallbackList<'_> {
        FallbackList { target: self.target, tags: &self.shared.attachment_tags, meter: self.meter }
    }

    /// Signs the statement about `image`, which is whole at the target, and puts it there.
    pub async fn attest(&self, image: &ImageOutcome, digest: &Digest, outcome: Outcome) -> Result<Attestation, Error> {
        let at = TagOrDigest::Digest(digest);
        let object = self.target.object(at);
        // What was not copied was asked for already.
        if outcome == Outcome::Copied {
            self.listed(digest).await?;
        }
        let statement = self.statement(image, digest, outcome);
        let signed = self.attestor.sign(&statement, &self.name.to_string(), self.meter).await;
        let Signed { bundle, log_index } = signed.map_err(|failure| failed(object.clone(), Cause::Login(failure)))?;
        let bundle = Bytes::from(bundle);
        let found = match self.target.head_manifest(at).await? {
            Some(found) if found.size > 0 => found,
            _ => self.target.get_manifest(at).await?.descriptor(),
        };
        let (config, layer) = (Bytes::from_static(b"{}"), bundle);
        let pieces = [
            (Descriptor::new(EMPTY, Digest::of(&config), config.len() as u64), config),
            (Descriptor::new(BUNDLE, Digest::of(&layer), layer.len() as u64), layer),
        ];
        for (descriptor, bytes) in &pieces {
            let source = Held(bytes.clone());
            let request =
                BlobPushRequest { descriptor, mount_from: None, presence: Presence::Possible, source: &source };
            self.target.push_blob(request).await?;
        }
        let manifest = self.manifest(&found, &image.source, &pieces.map(|(descriptor, _)| descriptor));
        let manifest =
            manifest.map_err(|problem| failed(object, Cause::Protocol(Violation::FallbackIndex(problem))))?;
        let own = TagOrDigest::Digest(&manifest.digest);
        let pushed = self.target.put_manifest(own, &manifest, OnFailure::Wait).await?;
        let attestation = Attestation { digest: manifest.digest.clone(), log_index };
        if !pushed.lists_referrers {
            let manifest = PackedManifest::from(manifest);
            if let Some(unlisted) = self.list().add(digest, &[&manifest], true).await? {
                let why = format!("{unlisted}: nobody finds the statement, {}", manifest.digest);
                return Err(self.not_listed(digest, why));
            }
        }
        let entry = log_index.map_or_else(String::new, |index| format!(", entry {index} of the log"));
        self.meter.say(format!("{}: attested by {}{entry}", self.name, attestation.digest));
        Ok(attestation)
    }

    fn not_listed(&self, digest: &Digest, why: String) -> Error {
        failed(self.target.object(TagOrDigest::Digest(digest)), Cause::Protocol(Violation::FallbackIndex(why)))
    }

    /// The referrer, in cosign's form.
    fn manifest(
        &self,
        subject: &Descriptor,
        source: &ImageReference,
        pieces: &[Descriptor; 2],
    ) -> Result<Manifest, String> {
        let pointer = |to: &Descriptor| json!({ "mediaType": to.media_type, "digest": to.digest, "size": to.size });
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": oci_client::manifest::OCI_IMAGE_MEDIA_TYPE,
            "artifactType": BUNDLE,
            "config": pointer(&pieces[0]),
            "layers": [pointer(&pieces[1])],
            "subject": pointer(subject),
            "annotations": {
                BUNDLE_CONTENT: "dsse-envelope",
                BUNDLE_PREDICATE: PREDICATE,
                TITLE: self.name.to_string(),
                SOURCE: source.to_string(),
                "org.opencontainers.image.created": now(),
            },
        });
        let bytes = Bytes::from(manifest.to_string());
        let digest = Digest::of(&bytes);
        Manifest::parse(bytes, Some(oci_client::manifest::OCI_IMAGE_MEDIA_TYPE), digest)
    }

    /// What is said: the image `digest` was made of the source's, by this step of this run.
    fn statement(&self, image: &ImageOutcome, digest: &Digest, outcome: Outcome) -> Value {
        let named =
            |name: String, digest: &Digest| json!({ "name": name, "digest": { digest.algorithm(): digest.hex() } });
        let repository = self.name.registry().map_or_else(|| self.name.to_string(), Reference::name);
        let source = image.source.to_string();
        let run: Map<String, Value> =
            self.attestor.run().parts.iter().map(|(name, text)| ((*name).to_owned(), json!(text))).collect();
        json!({
            "_type": "https://in-toto.io/Statement/v1",
            "subject": [named(repository, digest)],
            "predicateType": PREDICATE,
            "predicate": {
                "name": "mirror-image copy",
                "command": ["mirror-image", "copy", source, self.name.to_string()],
                "materials": image.source_digest.iter().map(|digest| named(source.clone(), digest)).collect::<Vec<_>>(),
                "byproducts": {
                    "source": source,
                    "target": self.name.to_string(),
                    "result": outcome.name(),
                    "at": now(),
                    "verified": verified(image),
                },
                "environment": run,
            },
        })
    }
}

/// Whether something is marked so; nothing where a mark is missing before one that is different.
fn is_marked<'m>(marks: &[(&str, &str)], mark: impl Fn(&str) -> Option<&'m str>) -> Option<bool> {
    for (key, wanted) in marks {
        if mark(key)? != *wanted {
            return Some(false);
        }
    }
    Some(true)
}

/// What was found of the signature that the source must have; null where nobody asked.
fn verified(image: &ImageOutcome) -> Value {
    let policy = image.policy.as_ref().map(|policy| policy.called());
    match &image.verified {
        Some(Verification::Signed(verified)) => {
            let mut found = json!({ "policy": verified.policy, "result": "signed", "kind": verified.kind });
            match &verified.by {
                SignedBy::Key(key) => found["key"] = json!(key),
                SignedBy::Identity(claim) => {
                    found["identity"] = json!(claim.identity);
                    found["issuer"] = json!(claim.issuer);
                }
            }
            found
        }
        Some(Verification::Unsigned(unsigned)) => json!({ "policy": unsigned.policy, "result": "not signed so" }),
        Some(Verification::Before) => json!({ "policy": policy, "result": "checked by an earlier run" }),
        None => policy.map_or(Value::Null, |policy| json!({ "policy": policy, "result": "could not be looked at" })),
    }
}

fn now() -> String {
    humantime::format_rfc3339_seconds(SystemTime::now()).to_string()
}

fn failed(object: Object, cause: Cause) -> Error {
    Error::Registry { side: Side::Target, action: Action::Attest, object, cause }
}

/// A blob that is in memory.
struct Held(Bytes);

impl BlobSource for Held {
    fn open(&self) -> BoxFuture<'_, Result<BlobStream, Error>> {
        let bytes = self.0.clone();
        async move { Ok(stream::iter([Ok(bytes)]).boxed()) }.boxed()
    }
}
