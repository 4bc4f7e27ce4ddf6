//! Versions as tags have them, and ranges of them.
//!
//! Owns what of a tag is its version, its pre-release and its variant. Lenient where people are: `v1`, `24.04`,
//! `1.27.5-alpine3.20` and `3.14.0rc3-slim` are versions, `latest` and `bookworm` are none. Pure.

/// How many numbers a version may have.
const MOST_NUMBERS: usize = 4;

/// The words that make a pre-release of a version; digits may follow.
const PRE_RELEASES: [&str; 9] = ["rc", "alpha", "beta", "pre", "preview", "dev", "snapshot", "nightly", "canary"];

/// A version; those numbers that a tag does not have are 0.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    /// Its numbers.
    pub numbers: [u64; MOST_NUMBERS],
    /// A version comes after its own pre-releases.
    pub rank: Rank,
    /// What is left of the suffix: `alpine3.20`, `slim-bookworm`; empty for none.
    pub variant: String,
}

/// Whether a version is one, or is on the way to be.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rank {
    /// `rc.2`: the word and its number.
    PreRelease(String, u64),
    /// It is released.
    Release,
}

impl Version {
    /// The version that a tag names.
    pub fn of(tag: &str) -> Option<Self> {
        let (numbers, _, suffix) = numbers(without_v(tag))?;
        let (rank, variant) = match suffix.strip_prefix(['-', '_', '+']) {
            Some(suffix) => match pre_release(suffix) {
                Some((rank, rest)) => (rank, rest),
                None => (Rank::Release, suffix),
            },
            None if suffix.is_empty() => (Rank::Release, ""),
            // Python's way, without anything between.
            None => pre_release(suffix)?,
        };
        Some(Self { numbers, rank, variant: variant.to_owned() })
    }

    /// How many numbers a tag has that names a version.
    pub fn length(tag: &str) -> usize {
        numbers(without_v(tag)).map_or(0, |(_, count, _)| count)
    }

    /// Whether it is not released yet.
    pub fn is_pre_release(&self) -> bool {
        self.rank != Rank::Release
    }
}

/// Without the `v` that many write before a version.
fn without_v(text: &str) -> &str {
    text.strip_prefix(['v', 'V']).unwrap_or(text)
}

/// The numbers that a text begins with, how many they are, and the rest.
fn numbers(text: &str) -> Option<([u64; MOST_NUMBERS], usize, &str)> {
    let mut numbers = [0; MOST_NUMBERS];
    let (mut count, mut rest) = (0, text);
    loop {
        let end = rest.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(rest.len());
        let (digits, after) = rest.split_at(end);
        *numbers.get_mut(count)? = digits.parse().ok()?;
        count += 1;
        rest = after;
        match rest.strip_prefix('.').filter(|next| next.starts_with(|letter: char| letter.is_ascii_digit())) {
            Some(next) => rest = next,
            None => return Some((numbers, count, rest)),
        }
    }
}

/// A pre-release that a suffix begins with, and the variant behind it.
fn pre_release(suffix: &str) -> Option<(Rank, &str)> {
    let (first, rest) = suffix.split_once(['-', '_', '+']).unwrap_or((suffix, ""));
    let letters = first.find(|letter: char| !letter.is_ascii_alphabetic()).unwrap_or(first.len());
    let (word, behind) = first.split_at(letters);
    let word = word.to_ascii_lowercase();
    let number = behind.trim_start_matches('.');
    let digits = number.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(number.len());
    // `a1` and `b2` are Python's alpha and beta; `a` alone is a variant.
    let short = matches!(&*word, "a" | "b") && digits > 0 && behind == number;
    let known = PRE_RELEASES.contains(&&*word) || short;
    known.then(|| (Rank::PreRelease(word, number[..digits].parse().unwrap_or(0)), rest))
}

/// Versions from the first number on, up to the second.
type Interval = ([u64; MOST_NUMBERS], [u64; MOST_NUMBERS]);

/// Higher than all.
const END: [u64; MOST_NUMBERS] = [u64::MAX; MOST_NUMBERS];

/// A range: one of several, each of which is several that all must hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Range(Vec<Alternative>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Alternative {
    intervals: Vec<Interval>,
    names_pre_release: bool,
}

impl Range {
    /// Reads `>=1.26 <2`, `^1.4`, `~1.4`, `1.x`, `1.2 - 1.4`, with `||` between alternatives. A version that is cut short
    /// stands for all that begin so: `1.26` is any `1.26.x`, and `>1.26` begins with `1.27`.
    pub fn parse(text: &str) -> Result<Self, String> {
        text.split("||").map(Alternative::parse).collect::<Result<_, _>>().map(Self)
    }

    /// Whether the range has the version, as far as its numbers go. Its pre-releases only where the range names one, or
    /// where they are `wanted`.
    pub fn has(&self, version: &Version, wanted: bool) -> bool {
        self.0.iter().any(|alternative| {
            (!version.is_pre_release() || wanted || alternative.names_pre_release)
                && alternative.intervals.iter().all(|(low, high)| *low <= version.numbers && version.numbers < *high)
        })
    }
}

impl Alternative {
    fn parse(text: &str) -> Result<Self, String> {
        let mut found = Self { intervals: Vec::new(), names_pre_release: false };
        let text = text.replace(',', " ");
        let mut words: Vec<&str> = text.split_whitespace().collect();
        // `>= 1.26` is `>=1.26`.
        let joined: Vec<String> = {
            let mut joined: Vec<String> = Vec::new();
            let mut operator = None;
            for word in words.drain(..) {
                if word.chars().all(|letter| "<>=^~".contains(letter)) {
                    operator = Some(word);
                } else {
                    joined
                        .push(operator.take().map_or_else(|| word.to_owned(), |operator| format!("{operator}{word}")));
                }
            }
            if let Some(operator) = operator {
                return Err(format!("has nothing behind `{operator}`"));
            }
            joined
        };
        let mut at = 0;
        while let Some(word) = joined.get(at) {
            if joined.get(at + 1).is_some_and(|next| next == "-") {
                let Some(last) = joined.get(at + 2) else { return Err("has nothing behind ` - `".to_owned()) };
                let (low, high) = (found.partial(word)?, found.partial(last)?);
                found.intervals.push((low.lowest(), high.beyond()));
                at += 3;
            } else {
                let interval = found.comparator(word)?;
                found.intervals.push(interval);
                at += 1;
            }
        }
        if found.intervals.is_empty() { Err("has an empty range".to_owned()) } else { Ok(found) }
    }

    fn comparator(&mut self, word: &str) -> Result<Interval, String> {
        let end = word.find(|letter: char| !"<>=^~".contains(letter)).unwrap_or(word.len());
        let (operator, version) = word.split_at(end);
        let version = self.partial(version)?;
        let lowest = version.lowest();
        Ok(match operator {
            "" | "=" | "==" => (lowest, version.beyond()),
            ">=" | "=>" => (lowest, END),
            ">" => (version.beyond(), END),
            "<" => ([0; MOST_NUMBERS], lowest),
            "<=" | "=<" => ([0; MOST_NUMBERS], version.beyond()),
            "~" | "~>" => (lowest, version.bumped(version.count.min(2))),
            "^" => {
                let significant = version.numbers[..version.count].iter().position(|number| *number > 0);
                (lowest, version.bumped(significant.map_or(version.count, |at| at + 1)))
            }
            other => return Err(format!("has an operator that is not known, `{other}`")),
        })
    }

    fn partial(&mut self, text: &str) -> Result<Partial, String> {
        let bare = without_v(text);
        if matches!(bare, "*" | "x" | "X") {
            return Ok(Partial { numbers: [0; MOST_NUMBERS], count: 0 });
        }
        let bad = || format!("has `{}`, which is no version", crate::text::quote::quote(text));
        let (numbers, count, mut rest) = numbers(bare).ok_or_else(bad)?;
        while let Some(after) = [".x", ".X", ".*"].iter().find_map(|wild| rest.strip_prefix(wild)) {
            rest = after;
        }
        if let Some(suffix) = rest.strip_prefix('-') {
            if pre_release(suffix).is_none() {
                return Err(format!(
                    "{}: `{}` is a variant; say it by `variant`",
                    bad(),
                    crate::text::quote::quote(suffix)
                ));
            }
            self.names_pre_release = true;
        } else if !rest.is_empty() {
            return Err(bad());
        }
        Ok(Partial { numbers, count })
    }
}

/// A version that may be cut short.
struct Partial {
    numbers: [u64; MOST_NUMBERS],
    count: usize,
}

impl Partial {
    fn lowest(&self) -> [u64; MOST_NUMBERS] {
        self.numbers
    }

    /// The first that does not begin so.
    fn beyond(&self) -> [u64; MOST_NUMBERS] {
        self.bumped(self.count)
    }

    /// The next of those that differ in the first `count` numbers.
    fn bumped(&self, count: usize) -> [u64; MOST_NUMBERS] {
        let mut next = [0; MOST_NUMBERS];
        let Some(last) = count.checked_sub(1) else { return END };
        next[..count].copy_from_slice(&self.numbers[..count]);
        next[last] = next[last].saturating_add(1);
        next
    }
}

#[cfg(test)]
mod tests {
    use super::{Range, Version};

    #[test]
    fn tags_are_versions_with_numbers_a_pre_release_and_a_variant() {
        for (tag, numbers, pre, variant) in [
            ("1", [1, 0, 0, 0], false, ""),
            ("v1.30.2", [1, 30, 2, 0], false, ""),
            ("24.04", [24, 4, 0, 0], false, ""),
            ("10.0.20348.2849", [10, 0, 20348, 2849], false, ""),
            ("1.27.5-alpine3.20-slim", [1, 27, 5, 0], false, "alpine3.20-slim"),
            ("3.12-bookworm", [3, 12, 0, 0], false, "bookworm"),
            ("1.28.3_r3", [1, 28, 3, 0], false, "r3"),
            ("1.5.0-rc.1", [1, 5, 0, 0], true, ""),
            ("1.5.0-RC2-alpine", [1, 5, 0, 0], true, "alpine"),
            ("3.14.0rc3-slim-bookworm", [3, 14, 0, 0], true, "slim-bookworm"),
            ("3.14.0a7", [3, 14, 0, 0], true, ""),
            ("v1.31.0-alpha.0", [1, 31, 0, 0], true, ""),
            ("2.0-SNAPSHOT", [2, 0, 0, 0], true, ""),
            ("1.2-prealpine", [1, 2, 0, 0], false, "prealpine"),
            ("2-a", [2, 0, 0, 0], false, "a"),
            ("20240101", [20_240_101, 0, 0, 0], false, ""),
        ] {
            let version = Version::of(tag).expect(tag);
            assert_eq!(
                (version.numbers, version.is_pre_release(), &*version.variant),
                (numbers, pre, variant),
                "{tag}"
            );
        }
        for tag in [
            "latest",
            "bookworm",
            "stable-alpine",
            "1.2.3.4.5",
            "v",
            "1.27alpine",
            "sha-1a2b",
            "99999999999999999999999",
            "",
        ] {
            assert_eq!(Version::of(tag), None, "{tag}");
        }
    }

    #[test]
    fn versions_are_in_order() {
        let tags = [
            "1.5.0-alpha.2",
            "1.5.0-beta.1",
            "1.5.0-rc.1",
            "1.5.0-rc.2",
            "1.5.0-rc.10",
            "1.5.0",
            "1.5.1",
            "1.10",
            "v2",
        ];
        let versions: Vec<Version> = tags.iter().filter_map(|tag| Version::of(tag)).collect();
        assert!(versions.is_sorted() && versions.len() == tags.len());
    }

    #[test]
    fn ranges_compare_numbers_only() {
        for (range, inside, outside) in [
            (
                ">=1.26 <2",
                &["1.26", "1.26.0-alpine", "v1.99.99"][..],
                &["1.25.9", "2", "2.0.0-alpine", "1.27.0-rc1", "latest"][..],
            ),
            (">= 1.26, < 2", &["1.26"], &["2"]),
            ("^1.4", &["1.4", "1.9.9"], &["1.3.9", "2.0"]),
            ("^0.2.3", &["0.2.3", "0.2.99"], &["0.2.2", "0.3", "1"]),
            ("^0.0", &["0.0.1"], &["0.1"]),
            ("^0", &["0.9"], &["1.0"]),
            ("~1.4", &["1.4.0", "1.4.9"], &["1.5", "1.3"]),
            ("~1.4.2", &["1.4.2", "1.4.9"], &["1.4.1", "1.5"]),
            ("~1", &["1.9"], &["2"]),
            ("1.x", &["1", "1.9.9-slim"], &["2", "0.9"]),
            ("1.2.*", &["1.2.7"], &["1.3"]),
            ("1.26", &["1.26", "1.26.3"], &["1.27", "1.25"]),
            ("=1.26.3", &["1.26.3", "1.26.3-alpine"], &["1.26.4", "1.26"]),
            (">1.26", &["1.27"], &["1.26.9"]),
            ("<=1.26", &["1.26.9", "0.1"], &["1.27"]),
            ("*", &["0", "99.9"], &["1.0-rc1"]),
            ("1.x || 3.x", &["1.2", "3.4"], &["2.0"]),
            ("v3.1.1 - v3.4", &["3.1.1", "3.4.9"], &["3.1.0", "3.5"]),
            (">=1.5.0-rc.1", &["1.5.0-alpha", "1.5.0-rc.2", "1.6.0-beta"], &["1.4.9"]),
        ] {
            let parsed = Range::parse(range).expect(range);
            let has = |tag: &&str| Version::of(tag).is_some_and(|version| parsed.has(&version, false));
            for tag in inside {
                assert!(has(tag), "{range} has {tag}");
            }
            for tag in outside {
                assert!(!has(tag), "{range} has not {tag}");
            }
        }
        let wanted = Range::parse("1.x").unwrap();
        assert!(wanted.has(&Version::of("1.5.0-rc.1").unwrap(), true));
    }

    #[test]
    fn a_range_that_is_none_is_told() {
        for (range, part) in [
            ("", "an empty range"),
            ("1.x ||", "an empty range"),
            (">=", "nothing behind `>=`"),
            (">=latest", "`latest`, which is no version"),
            ("1.2 -", "nothing behind ` - `"),
            ("!=1.2", "no version"),
            ("><1", "an operator that is not known, `><`"),
            (">=1.26-alpine", "say it by `variant`"),
            ("1.2.3.4.5", "no version"),
        ] {
            let problem = Range::parse(range).expect_err(range);
            assert!(problem.contains(part), "{range}: {problem}");
        }
    }
}
