//! The annotations of a manifest or a descriptor, held in little more memory than they have bytes.
//!
//! Owns their form. A manifest may hold hundreds of thousands that are a few bytes each, and many manifests are held at once: a
//! map of strings would take many times as much.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Keys and values, in the order of the keys.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Annotations {
    /// Key, value, key, value.
    text: Box<str>,
    /// Where each of them ends.
    ends: Box<[u32]>,
}

impl Annotations {
    /// The value of one.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.iter().find(|(name, _)| *name == key).map(|(_, value)| value)
    }

    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        let part = |start: u32, end: u32| self.text.get(start as usize..end as usize).unwrap_or_default();
        self.ends.chunks_exact(2).scan(0, move |start, ends| {
            let &[key, value] = ends else { return None };
            let pair = (part(*start, key), part(key, value));
            *start = value;
            Some(pair)
        })
    }
}

impl<K: AsRef<str>, V: AsRef<str>> From<BTreeMap<K, V>> for Annotations {
    fn from(map: BTreeMap<K, V>) -> Self {
        let (mut text, mut ends) = (String::new(), Vec::with_capacity(2 * map.len()));
        for (key, value) in map {
            for part in [key.as_ref(), value.as_ref()] {
                text.push_str(part);
                // They come from a document of some MiB.
                ends.push(u32::try_from(text.len()).unwrap_or(u32::MAX));
            }
        }
        Self { text: text.into(), ends: ends.into() }
    }
}

/// Go programs write one without a value as `null`.
impl<'de> Deserialize<'de> for Annotations {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let read = BTreeMap::<String, Option<String>>::deserialize(deserializer)?;
        Ok(read.into_iter().map(|(key, value)| (key, value.unwrap_or_default())).collect::<BTreeMap<_, _>>().into())
    }
}

impl Serialize for Annotations {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::Annotations;

    #[test]
    fn they_are_what_was_written_and_take_a_few_bytes_more() {
        let text = r#"{"":"empty","a":null,"b":"ü\n","bb":"","c":"x"}"#;
        let read: Annotations = serde_json::from_str(text).unwrap();
        for (key, value) in [("", Some("empty")), ("a", Some("")), ("b", Some("ü\n")), ("bb", Some("")), ("d", None)] {
            assert_eq!(read.get(key), value, "{key}");
        }
        assert_eq!(serde_json::to_string(&read).unwrap(), text.replace("null", "\"\""));
        assert!(!read.is_empty() && serde_json::from_str::<Annotations>("{}").unwrap().is_empty());
        assert!(serde_json::from_str::<Annotations>(r#"{"a":1}"#).is_err());
        let many: BTreeMap<String, &str> = (0..10_000).map(|number| (format!("{number:x}"), "")).collect();
        let text = serde_json::to_string(&many).unwrap();
        let read: Annotations = serde_json::from_str(&text).unwrap();
        let held = read.text.len() + size_of_val(&*read.ends);
        assert!(held < 2 * text.len(), "{held} bytes of {}", text.len());
    }
}
