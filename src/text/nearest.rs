//! Which known word was probably meant, and which of many names.

/// The word that `text` was probably meant to be.
pub fn nearest<'a>(text: &str, words: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let text = text.to_ascii_lowercase().replace('_', "-");
    let (distance, word) =
        words.map(|word| (strsim::levenshtein(&text, word), word)).min_by_key(|(distance, _)| *distance)?;
    (distance <= 2.min(word.len() / 2)).then_some(word)
}

/// Names that are less alike have nothing to do with each other.
const ALIKE: f64 = 0.8;

/// The names that are most like `wanted`, at most `most`; where none is, the newest of those that are numbers alone, or any.
pub fn alike<'a>(wanted: &str, names: impl Iterator<Item = &'a str>, most: usize) -> Vec<String> {
    // Attachments are no image that anybody means.
    let names: Vec<&str> = names.filter(|name| !name.starts_with("sha256-")).collect();
    let alike = |name: &&&str| strsim::jaro_winkler(wanted, name);
    let mut near: Vec<&&str> = names.iter().filter(|name| alike(name) >= ALIKE).collect();
    near.sort_by(|one, other| alike(other).total_cmp(&alike(one)).then_with(|| numbers(other).cmp(&numbers(one))));
    if near.is_empty() {
        near = names.iter().filter(|name| numbers(name).is_some()).collect();
        near.sort_by_key(|name| std::cmp::Reverse(numbers(name)));
    }
    if near.is_empty() {
        near = names.iter().collect();
        near.sort();
    }
    near.into_iter().take(most).map(|name| (*name).to_owned()).collect()
}

/// `v1.20.3` as numbers.
fn numbers(name: &str) -> Option<Vec<u64>> {
    name.trim_start_matches('v').split('.').map(|part| part.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::alike;

    #[test]
    fn a_tag_that_is_not_there_has_neighbours_or_the_newest_are_named() {
        let tags = ["1.9", "1.10.2", "1.10", "1.11", "bullseye", "bullseye-slim", "sha256-1111", "edge"];
        for (wanted, expected) in [
            ("1.10.", &["1.10.2", "1.10"][..]),
            ("bulseye", &["bullseye", "bullseye-slim"][..]),
            ("latest", &["1.11", "1.10.2", "1.10"][..]),
            ("sha256-1112", &["1.11", "1.10.2", "1.10"][..]),
        ] {
            let near = alike(wanted, tags.into_iter(), 3);
            assert_eq!(near[..expected.len()], *expected, "{wanted}: {near:?}");
        }
        assert!(alike("1", ["sha256-1"].into_iter(), 3).is_empty());
        assert_eq!(alike("1", ["nightly", "edge"].into_iter(), 3), ["edge", "nightly"]);
    }
}
