//! What a failure is about: a repository or a directory, and a tag or a digest in it.
//!
//! Hints and reports read its parts; only [`fmt::Display`] makes it a text.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use crate::oci::digest::Digest;
use crate::oci::reference::{ImageReference, Reference};
use crate::text::sanitise;

/// An image, a manifest, a blob, or the whole of the place where they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object {
    place: Place,
    tag: Option<String>,
    digest: Option<Digest>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Place {
    /// The reference's own tag and digest do not count.
    Repository(Arc<Reference>),
    /// An OCI layout.
    Directory(Arc<Path>),
}

impl Object {
    /// The repository that `reference` is in.
    pub fn repository(reference: impl Into<Arc<Reference>>) -> Self {
        Self { place: Place::Repository(reference.into()), tag: None, digest: None }
    }

    /// The layout in `directory`.
    pub fn directory(directory: &Path) -> Self {
        Self { place: Place::Directory(directory.into()), tag: None, digest: None }
    }

    /// What has this tag there.
    #[must_use]
    pub fn with_tag(self, tag: &str) -> Self {
        Self { tag: Some(tag.to_owned()), ..self }
    }

    /// What has this digest there.
    #[must_use]
    pub fn with_digest(self, digest: &Digest) -> Self {
        Self { digest: Some(digest.clone()), ..self }
    }

    /// The repository, where it is one; its tag and digest are not the object's.
    pub fn reference(&self) -> Option<&Reference> {
        match &self.place {
            Place::Repository(reference) => Some(reference),
            Place::Directory(_) => None,
        }
    }

    /// The tag, where it is one.
    pub fn tag(&self) -> Option<&str> {
        self.tag.as_deref()
    }

    /// Whether it is in a directory.
    pub fn is_in_directory(&self) -> bool {
        matches!(self.place, Place::Directory(_))
    }
}

impl From<&ImageReference> for Object {
    fn from(image: &ImageReference) -> Self {
        let place = match image {
            ImageReference::Registry(reference) => Place::Repository(Arc::new(reference.clone())),
            ImageReference::Layout(layout) => Place::Directory(layout.directory.as_path().into()),
        };
        let tag = match image {
            // The whole of what it is called there.
            ImageReference::Layout(layout) if let Some(repository) = &layout.repository => {
                Some(layout.tag.as_ref().map_or(repository.name(), |tag| format!("{}:{tag}", repository.name())))
            }
            _ => image.tag().map(str::to_owned),
        };
        Self { place, tag, digest: image.digest().cloned() }
    }
}

impl fmt::Display for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Place::Repository(reference) => f.write_str(&reference.name())?,
            Place::Directory(directory) => write!(f, "oci:{}", sanitise::one_line(&directory.to_string_lossy(), 300))?,
        }
        if let Some(tag) = &self.tag {
            write!(f, ":{}", sanitise::one_line(tag, 200))?;
        }
        if let Some(digest) = &self.digest {
            write!(f, "@{digest}")?;
        }
        Ok(())
    }
}
