//! The two ends of an image, opened: where it is read, and where it goes.
//!
//! Owns which kind of place a reference is. Contacts nothing; of a directory, the names in it are read.

use std::sync::Arc;

use crate::engine::copy::fan_out::Subscriber;
use crate::engine::job::Job;
use crate::engine::options::{Mode, Operation};
use crate::engine::session::Session;
use crate::error::{Error, Side};
use crate::observe::meter::Meter;
use crate::oci::digest::Digest;
use crate::oci::reference::ImageReference;
use crate::store::content::TagOrDigest;
use crate::store::layout::Layout;
use crate::store::registry::repository::Purpose;
use crate::store::{Source, Target};

/// One end of the copy, and what of it is named.
pub struct Endpoint<S> {
    pub store: S,
    pub tag: Option<String>,
    pub digest: Option<Digest>,
}

impl<S> Endpoint<S> {
    /// The place that is named: the digest decides where tag and digest are.
    pub fn at(&self) -> TagOrDigest<'_> {
        match (&self.digest, &self.tag) {
            (Some(digest), _) => TagOrDigest::Digest(digest),
            (None, Some(tag)) => TagOrDigest::Tag(tag),
            // A parsed reference has one or the other.
            (None, None) => TagOrDigest::Tag("latest"),
        }
    }
}

/// Where a copy goes, and its part in what is read of its source. It takes part from when the image is begun, not from when it
/// is first worked on: the others are to know of it.
pub struct Way<'a> {
    pub target: Endpoint<Target>,
    pub reader: Subscriber<'a>,
}

impl<'a> Way<'a> {
    /// Opens it.
    pub fn open(session: &Session<'a>, job: &Job, meter: &Arc<Meter>) -> Result<Self, Error> {
        let target = target(session, job, meter, "is missing")?;
        let (source, account) = (job.source.to_string(), target.store.account());
        let reader = session.shared.fan_out.join(&source, account, job.options.patience);
        Ok(Self { target, reader })
    }
}

/// Where the image is read, and what of it is named.
pub async fn source(session: &Session<'_>, job: &Job, meter: &Arc<Meter>) -> Result<Endpoint<Source>, Error> {
    let (side, meter, reference) = (Side::Source, Arc::clone(meter), &job.source);
    let (tag, mut digest) = (reference.tag().map(str::to_owned), reference.digest().cloned());
    let Session { registries, mirrors, shared, .. } = session;
    let store = match reference {
        ImageReference::Registry(reference) => {
            match mirrors.store(registries, reference, job.end(Side::Target), &meter)? {
                Some(mirrors) => Source::Mirrors(mirrors),
                None => Source::Registry(registries.open(side, reference, Purpose::Read, meter)?),
            }
        }
        ImageReference::Layout(reference) => {
            let layout = Layout::open(&shared.layouts, side, &reference.directory, meter)?;
            let layout = match (&reference.repository, &digest, &tag) {
                (Some(repository), ..) => layout.of(Some(repository)),
                (None, Some(digest), _) => layout.of_entry(TagOrDigest::Digest(digest)).await?,
                (None, None, Some(tag)) => layout.of_entry(TagOrDigest::Tag(tag)).await?,
                (None, None, None) => {
                    let only = digest.insert(layout.default_root().await?.digest);
                    layout.of_entry(TagOrDigest::Digest(only)).await?
                }
            };
            Source::Layout(layout)
        }
    };
    Ok(Endpoint { store, tag, digest })
}

/// Where the image goes, and what it is called there; `missing` is said where no place is named.
pub fn target(session: &Session<'_>, job: &Job, meter: &Arc<Meter>, missing: &str) -> Result<Endpoint<Target>, Error> {
    let (side, meter) = (Side::Target, Arc::clone(meter));
    let Some(reference) = &job.target else { return Err(Error::input("target", missing)) };
    let (tag, mut digest) = (reference.tag().map(str::to_owned), reference.digest().cloned());
    let store = match reference {
        ImageReference::Registry(reference) => {
            let writes = job.options.operation == Operation::Copy(Mode::Write);
            let purpose = if writes { Purpose::Write } else { Purpose::Read };
            Target::Registry(session.registries.open(side, reference, purpose, meter)?)
        }
        ImageReference::Layout(reference) => {
            let layout = Layout::create(&session.shared.layouts, side, &reference.directory, meter)?;
            // Its name has the digest that it comes to, which may be that of one platform.
            digest = digest.filter(|_| reference.repository.is_none());
            Target::Layout(layout.of(reference.repository.as_ref()))
        }
    };
    Ok(Endpoint { store, tag, digest })
}
