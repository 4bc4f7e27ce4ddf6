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
use crate::store::Target;
use crate::store::blob::{BlobPushRequest, BlobSource, BlobStream};
use crate::store::content::{OnFailure, Presence, TagOrDigest};

/// What tells the statements about several tags of one digest apart: the name that it is about.
const TITLE: &str = "org.opencontainers.image.title";

/// Bundles whose marks are asked for where a list has none.
const LOOKED_AT: usize = 20;

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
    /// Whether the target lacks a statement about `digest` under this name. Marks are believed: nothing is proven by them, but
    /// that somebody says that there is one.
    pub async fn is_lacking(&self, digest: &Digest) -> Result<bool, Error> {
        let entries = match TargetList::read(self.target, digest).await? {
            TargetList::Entries(entries) => entries,
            TargetList::NotKept(reason) => return Err(self.not_listed(digest, &reason)),
        };
        let name = self.name.to_string();
        let is_it = |mark: &dyn Fn(&str) -> Option<String>| {
            mark(BUNDLE_PREDICATE).as_deref() == Some(PREDICATE) && mark(TITLE).as_ref() == Some(&name)
        };
        let mut unmarked = 0;
        for entry in entries.iter().filter(|entry| entry.artifact_type.as_deref().is_none_or(|kind| kind == BUNDLE)) {
            let is_there = match &entry.annotations {
                Some(_) => is_it(&|key| entry.annotation(key).map(str::to_owned)),
                None if unmarked < LOOKED_AT => {
                    unmarked += 1;
                    match self.target.get_manifest(TagOrDigest::Digest(&entry.digest)).await {
                        Ok(manifest) => is_it(&|key| manifest.annotations.get(key).map(str::to_owned)),
                        Err(error) if error.is_absent() => false,
                        Err(error) => return Err(error),
                    }
                }
                None => false,
            };
            if is_there {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Signs the statement about `image`, which is whole at the target, and puts it there.
    pub async fn attest(&self, image: &ImageOutcome, digest: &Digest, outcome: Outcome) -> Result<Attestation, Error> {
        let at = TagOrDigest::Digest(digest);
        let object = self.target.object(at);
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
            (Descriptor::new("application/vnd.oci.empty.v1+json", Digest::of(&config), config.len() as u64), config),
            (Descriptor::new(BUNDLE, Digest::of(&layer), layer.len() as u64), layer),
        ];
        for (descriptor, bytes) in &pieces {
            let source = Held(bytes.clone());
            let request =
                BlobPushRequest { descriptor, mount_from: None, presence: Presence::Possible, source: &source };
            self.target.push_blob(request).await?;
        }
        let manifest = self.manifest(&found, &pieces.map(|(descriptor, _)| descriptor));
        let manifest =
            manifest.map_err(|problem| failed(object, Cause::Protocol(Violation::FallbackIndex(problem))))?;
        let own = TagOrDigest::Digest(&manifest.digest);
        let pushed = self.target.put_manifest(own, &manifest, OnFailure::Wait).await?;
        let attestation = Attestation { digest: manifest.digest.clone(), log_index };
        if !pushed.lists_referrers {
            let list = FallbackList { target: self.target, tags: &self.shared.attachment_tags, meter: self.meter };
            let manifest = PackedManifest::from(manifest);
            if let Some(reason) = list.add(digest, &[&manifest], true).await? {
                return Err(self.not_listed(digest, &reason));
            }
        }
        let entry = log_index.map_or_else(String::new, |index| format!(", entry {index} of the log"));
        self.meter.say(format!("{}: attested by {}{entry}", self.name, attestation.digest));
        Ok(attestation)
    }

    fn not_listed(&self, digest: &Digest, reason: &str) -> Error {
        let why = format!("the target keeps no list of what is attached, so nobody would find it ({reason})");
        failed(self.target.object(TagOrDigest::Digest(digest)), Cause::Protocol(Violation::FallbackIndex(why)))
    }

    /// The referrer, in cosign's form.
    fn manifest(&self, subject: &Descriptor, pieces: &[Descriptor; 2]) -> Result<Manifest, String> {
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
        None => Value::Null,
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
