//! JSON objects as manifests have them.
//!
//! Owns that an object is read in one way by all: serde takes a list for a struct too, by the order of the fields, and readers
//! in Go (registries and runtimes) take `Layers` for `layers`. What could be read in two ways has two contents under one digest
//! (CVE-2021-41190 is of the same kind), and is refused. Manifests, descriptors and platforms, by which readers choose among
//! descriptors, are read so.

use std::fmt;
use std::marker::PhantomData;

use serde::Deserializer;
use serde::de::value::MapAccessDeserializer;
use serde::de::{DeserializeSeed, Error as _, IntoDeserializer as _, MapAccess, Visitor};

use crate::text::quote::quote;

/// The members that manifests, descriptors and platforms have (image-spec; Docker's schemas 1 and 2).
const MEMBERS: [&str; 21] = [
    "schemaVersion",
    "mediaType",
    "artifactType",
    "manifests",
    "config",
    "layers",
    "blobs",
    "subject",
    "annotations",
    "digest",
    "size",
    "platform",
    "urls",
    "data",
    "fsLayers",
    "blobSum",
    "os",
    "architecture",
    "variant",
    "os.version",
    "os.features",
];

/// What is read member by member.
pub trait FromMembers<'de>: Sized {
    /// As serde derives it.
    fn from_members<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error>;
}

/// Has a struct of which serde derives the reading with `remote = "Self"` be read member by member.
macro_rules! read_by_member {
    ($($name:ty),+) => {$(
        impl<'de> crate::oci::object::FromMembers<'de> for $name {
            fn from_members<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                // The inherent function is what serde derived.
                Self::deserialize(deserializer)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                crate::oci::object::object(deserializer)
            }
        }
    )+};
}
pub(crate) use read_by_member;

/// Reads an object, whose members have their exact names.
pub fn object<'de, T: FromMembers<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
    deserializer.deserialize_map(Object(PhantomData))
}

struct Object<T>(PhantomData<T>);

impl<'de, T: FromMembers<'de>> Visitor<'de> for Object<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
        T::from_members(MapAccessDeserializer::new(Members(map)))
    }
}

/// The members of an object, none of which is spelled so that another reader takes it for another.
struct Members<A>(A);

impl<'de, A: MapAccess<'de>> MapAccess<'de> for Members<A> {
    type Error = A::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, A::Error> {
        let Some(name) = self.0.next_key::<String>()? else { return Ok(None) };
        if let Some(member) = taken_for(&name) {
            let name = quote(&name);
            return Err(A::Error::custom(format!("has `{name}`, which some readers take for `{member}`")));
        }
        seed.deserialize(name.into_deserializer()).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, A::Error> {
        self.0.next_value_seed(seed)
    }

    fn size_hint(&self) -> Option<usize> {
        self.0.size_hint()
    }
}

/// The member that `encoding/json` takes this one for, where it is not its name: it folds the case, and two letters more.
fn taken_for(name: &str) -> Option<&'static str> {
    let fold = |letter| match letter {
        '\u{17f}' => 's',
        '\u{212a}' => 'k',
        other => other.to_ascii_lowercase(),
    };
    let is_folded = |member: &&&str| {
        **member != name && name.chars().map(fold).eq(member.chars().map(|letter| letter.to_ascii_lowercase()))
    };
    MEMBERS.iter().find(is_folded).copied()
}

#[cfg(test)]
mod tests {
    use super::{MEMBERS, taken_for};

    #[test]
    fn a_member_has_one_spelling() {
        for (name, member) in [
            ("Layers", Some("layers")),
            ("LAYERS", Some("layers")),
            ("layer\u{17f}", Some("layers")),
            ("mediatype", Some("mediaType")),
            ("Digest", Some("digest")),
            ("layers ", None),
            ("layer", None),
            ("com.example.layers", None),
        ] {
            assert_eq!(taken_for(name), member, "{name}");
        }
        assert!(MEMBERS.iter().all(|member| taken_for(member).is_none()));
    }
}
