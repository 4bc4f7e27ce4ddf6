//! Platforms: which machine an image is for.
//!
//! Owns reading `os/arch[/variant]` and choosing among the platforms that an image has. Pure. Never picks one of
//! several that fit: that is the user's choice.

use std::fmt;

use serde::{Deserialize, Serialize, Serializer};

use crate::oci::object::read_by_member;

/// A platform as image-spec's index has it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default, remote = "Self")]
pub struct Platform {
    /// Go's name of the operating system: `linux`.
    #[serde(deserialize_with = "crate::oci::null_is_none")]
    pub os: String,
    /// Go's name of the processor: `amd64`.
    #[serde(deserialize_with = "crate::oci::null_is_none")]
    pub architecture: String,
    /// The processor's variant: `v7`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
    /// The operating system's version; Windows images have one.
    #[serde(rename = "os.version", skip_serializing_if = "Option::is_none")]
    pub os_version: Option<String>,
}

read_by_member!(Platform);

impl Serialize for Platform {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // The inherent function is what serde derived.
        Self::serialize(self, serializer)
    }
}

/// Processor names that people write, and what Go and the registries call them.
const ALIASES: &[(&str, &str)] = &[
    ("x86_64", "amd64"),
    ("x86-64", "amd64"),
    ("x64", "amd64"),
    ("aarch64", "arm64"),
    ("arm64e", "arm64"),
    ("i386", "386"),
    ("i686", "386"),
    ("x86", "386"),
    ("armhf", "arm/v7"),
    ("armv7l", "arm/v7"),
    ("armel", "arm/v6"),
    ("arm32v5", "arm/v5"),
    ("arm32v6", "arm/v6"),
    ("arm32v7", "arm/v7"),
    ("powerpc64le", "ppc64le"),
];

const PROCESSORS: &[&str] = &[
    "386", "amd64", "arm", "arm64", "loong64", "mips", "mips64", "mips64le", "mipsle", "ppc64", "ppc64le", "riscv64",
    "s390x", "wasm",
];

const SYSTEMS: &[&str] = &["linux", "windows", "darwin", "freebsd", "netbsd", "openbsd", "wasip1"];

/// How many characters of a platform's name are shown.
const LONGEST: usize = 200;

/// What [`select`] found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selection {
    /// The candidate at this index.
    One(usize),
    /// Several fit equally: the candidates at these indices.
    Ambiguous(Vec<usize>),
    /// None fits.
    Absent,
}

impl Platform {
    /// Reads `os/arch[/variant]` or `os(version)/arch[/variant]`; fails with one sentence that says how to mend it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let lower = text.trim().to_ascii_lowercase();
        let parts: Vec<&str> = lower.split('/').collect();
        let platform = match parts.as_slice() {
            [os, architecture] => Self::of(os, architecture, None),
            [os, architecture, variant] => Self::of(os, architecture, Some(variant)),
            _ => None,
        };
        let meant = suggestion(&parts).filter(|meant| *meant != lower);
        match (platform, meant) {
            (Some(platform), None) => Ok(platform),
            (_, meant) => {
                let hint = meant.map_or_else(String::new, |meant| format!("; did you mean `{meant}`?"));
                Err(format!("`{}` is not an OS/ARCH[/VARIANT]{hint}", crate::text::quote::quote(text.trim())))
            }
        }
    }

    fn of(os: &str, architecture: &str, variant: Option<&str>) -> Option<Self> {
        let (os, os_version) = match os.split_once('(') {
            Some((os, version)) => (os, Some(version.strip_suffix(')')?)),
            None => (os, None),
        };
        let word = |text: &str| {
            !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.'))
        };
        let all_words = [Some(os), Some(architecture), variant, os_version].into_iter().flatten().all(word);
        all_words.then(|| Self {
            os: os.to_owned(),
            architecture: architecture.to_owned(),
            variant: variant.map(str::to_owned),
            os_version: os_version.map(str::to_owned),
        })
    }

    /// The same platform with the variant left out where it says nothing.
    ///
    /// Source: containerd/platforms, `normalizeArch`: every arm64 is `v8`, every amd64 `v1`.
    #[must_use]
    pub fn normalised(&self) -> Self {
        let variant = match (self.architecture.as_str(), self.variant()) {
            ("arm64", Some("v8" | "8")) | ("amd64", Some("v1")) => None,
            (_, variant) => variant.map(str::to_owned),
        };
        Self { variant, ..self.clone() }
    }

    /// Whether this is not a platform but an attestation's place in an index, `unknown/unknown`.
    pub fn is_unknown(&self) -> bool {
        self.os == "unknown" && self.architecture == "unknown"
    }

    /// Whether `candidate` is what this request asks for; what the request leaves out may be anything.
    pub fn matches(&self, candidate: &Self) -> bool {
        let version_fits = match (self.os_version.as_deref(), candidate.os_version.as_deref()) {
            (None | Some(""), _) => true,
            (Some(wanted), Some(has)) => {
                // `10.0.20348` is every build of it, and not `10.0.203481`.
                has.strip_prefix(wanted).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
            }
            (Some(_), None) => false,
        };
        self.os == candidate.os
            && self.architecture == candidate.architecture
            && version_fits
            && (self.variant().is_none() || self.effective_variant() == candidate.effective_variant())
    }

    /// An empty string in an index means none.
    fn variant(&self) -> Option<&str> {
        self.variant.as_deref().filter(|variant| !variant.is_empty())
    }

    fn effective_variant(&self) -> Option<String> {
        match (self.architecture.as_str(), self.variant()) {
            // Source: containerd/platforms, `normalizeArch`: an arm without a variant is v7.
            ("arm", None) => Some("v7".to_owned()),
            _ => self.normalised().variant,
        }
    }
}

impl fmt::Display for Platform {
    /// As it is parsed, the version of the operating system included. An index and a config may say anything here, so it
    /// is made fit to be shown where it becomes text.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let version = self.os_version.as_deref().filter(|version| !version.is_empty());
        let version = version.map(|version| format!("({version})")).unwrap_or_default();
        let variant = self.variant().map(|variant| format!("/{variant}")).unwrap_or_default();
        let whole = format!("{}{version}/{}{variant}", self.os, self.architecture);
        f.write_str(&crate::text::sanitise::one_line(&whole, LONGEST))
    }
}

/// Finds the candidate that `requested` asks for.
pub fn select(requested: &Platform, candidates: &[Platform]) -> Selection {
    let mut fitting: Vec<usize> =
        (0..candidates.len()).filter(|&index| requested.matches(&candidates[index])).collect();
    if requested.variant().is_none() && fitting.len() > 1 {
        let plain: Vec<usize> =
            fitting.iter().copied().filter(|&index| candidates[index].normalised().variant.is_none()).collect();
        if !plain.is_empty() {
            fitting = plain;
        }
    }
    match fitting.as_slice() {
        [] => Selection::Absent,
        // Entries of the very same platform cannot be told apart by asking more closely; clients take the first.
        [first, rest @ ..]
            if rest.iter().all(|&index| candidates[index].normalised() == candidates[*first].normalised()) =>
        {
            Selection::One(*first)
        }
        _ => Selection::Ambiguous(fitting),
    }
}

/// What was probably meant, where that can be told.
fn suggestion(parts: &[&str]) -> Option<String> {
    match parts {
        [one] if SYSTEMS.contains(one) => Some(format!("{one}/amd64")),
        [one] => known_processor(one).map(|processor| format!("linux/{processor}")),
        [first, second] if known_processor(first).is_some() && SYSTEMS.contains(second) => {
            known_processor(first).map(|processor| format!("{second}/{processor}"))
        }
        [first, variant] if known_processor(first).is_some() && is_variant(variant) => {
            known_processor(first).map(|processor| format!("linux/{processor}/{variant}"))
        }
        [os, processor] => known_processor(processor).map(|processor| format!("{os}/{processor}")),
        [os, processor, variant] => {
            let known = known_processor(processor)?;
            // `armhf/v7` has said its variant already.
            let known = known.split('/').next().unwrap_or_default();
            let v = if variant.bytes().all(|byte| byte.is_ascii_digit()) { "v" } else { "" };
            (!variant.is_empty()).then(|| format!("{os}/{known}/{v}{variant}"))
        }
        _ => None,
    }
}

fn is_variant(text: &str) -> bool {
    text.strip_prefix('v').is_some_and(|digits| !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()))
}

/// The registries' spelling of a processor, its variant included where `name` has one glued on.
fn known_processor(name: &str) -> Option<String> {
    if let Some((_, processor)) = ALIASES.iter().find(|(alias, _)| *alias == name) {
        return Some((*processor).to_owned());
    }
    if PROCESSORS.contains(&name) {
        return Some(name.to_owned());
    }
    let (processor, variant) = name.split_at(name.rfind('v')?);
    (PROCESSORS.contains(&processor) && is_variant(variant)).then(|| format!("{processor}/{variant}"))
}

#[cfg(test)]
mod tests {
    use super::{Platform, Selection, select};

    fn platform(text: &str) -> Platform {
        Platform::parse(text).unwrap()
    }

    #[test]
    fn platforms_are_read_and_written() {
        for (text, written) in [
            ("linux/amd64", "linux/amd64"),
            (" Linux/ARM64 ", "linux/arm64"),
            ("linux/arm/v7", "linux/arm/v7"),
            ("linux/arm64/v8", "linux/arm64/v8"),
            ("windows(10.0.20348)/amd64", "windows(10.0.20348)/amd64"),
            ("linux/386", "linux/386"),
            ("plan9/sparc", "plan9/sparc"),
            ("unknown/unknown", "unknown/unknown"),
        ] {
            assert_eq!(Platform::parse(text).map(|platform| platform.to_string()), Ok(written.to_owned()));
        }
    }

    #[test]
    fn each_kind_of_bad_platform_gets_a_suggestion_where_there_is_one() {
        for (text, part) in [
            ("linux/arm64v8", "did you mean `linux/arm64/v8`?"),
            ("linux/armv7", "did you mean `linux/arm/v7`?"),
            ("linux/armhf", "did you mean `linux/arm/v7`?"),
            ("arm64", "did you mean `linux/arm64`?"),
            ("arm64/v8", "did you mean `linux/arm64/v8`?"),
            ("linux", "did you mean `linux/amd64`?"),
            ("amd64/linux", "did you mean `linux/amd64`?"),
            ("x86_64/linux", "did you mean `linux/amd64`?"),
            ("linux/x86_64", "did you mean `linux/amd64`?"),
            ("x86_64", "did you mean `linux/amd64`?"),
            ("aarch64", "did you mean `linux/arm64`?"),
            ("linux/aarch64/v8", "did you mean `linux/arm64/v8`?"),
            ("linux/arm/7", "did you mean `linux/arm/v7`?"),
            ("linux/", "is not an OS/ARCH[/VARIANT]"),
            ("a/b/c/d", "is not an OS/ARCH[/VARIANT]"),
            ("linux(/amd64", "is not an OS/ARCH[/VARIANT]"),
            ("lin ux/amd64", "is not an OS/ARCH[/VARIANT]"),
        ] {
            let problem = Platform::parse(text).expect_err(text);
            assert!(problem.contains(part), "{text}: {problem}");
        }
    }

    #[test]
    fn a_request_matches_what_it_does_not_contradict() {
        for (requested, candidate, expected) in [
            ("linux/amd64", "linux/amd64", true),
            ("linux/amd64", "linux/arm64", false),
            ("linux/amd64", "windows/amd64", false),
            ("linux/arm64", "linux/arm64/v8", true),
            ("linux/arm64/v8", "linux/arm64", true),
            ("linux/arm64/v9", "linux/arm64", false),
            ("linux/amd64/v1", "linux/amd64", true),
            ("linux/amd64", "linux/amd64/v3", true),
            ("linux/arm/v7", "linux/arm", true),
            ("linux/arm/v6", "linux/arm", false),
            ("linux/arm/v6", "linux/arm/v7", false),
            ("linux/arm", "linux/arm/v6", true),
            ("windows(10.0.20348)/amd64", "windows(10.0.20348.2113)/amd64", true),
            ("windows(10.0.2034)/amd64", "windows(10.0.20348.2113)/amd64", false),
            ("windows(10.0.20348)/amd64", "windows/amd64", false),
            ("windows/amd64", "windows(10.0.20348.2113)/amd64", true),
        ] {
            assert_eq!(platform(requested).matches(&platform(candidate)), expected, "{requested} {candidate}");
        }
    }

    #[test]
    fn one_candidate_is_selected_or_none() {
        for (requested, candidates, expected) in [
            ("linux/amd64", vec!["unknown/unknown", "linux/amd64"], Selection::One(1)),
            ("linux/amd64", vec!["linux/amd64/v3", "linux/amd64"], Selection::One(1)),
            ("linux/amd64", vec!["linux/amd64/v3", "linux/amd64/v1"], Selection::One(1)),
            ("linux/amd64/v3", vec!["linux/amd64/v3", "linux/amd64"], Selection::One(0)),
            ("linux/arm64", vec!["linux/arm64/v8"], Selection::One(0)),
            ("linux/arm", vec!["linux/arm/v6", "linux/arm/v7"], Selection::Ambiguous(vec![0, 1])),
            ("linux/arm/v7", vec!["linux/arm/v6", "linux/arm/v7"], Selection::One(1)),
            ("windows/amd64", vec!["windows(1.0)/amd64", "windows(2.0)/amd64"], Selection::Ambiguous(vec![0, 1])),
            ("windows(2)/amd64", vec!["windows(1.0)/amd64", "windows(2.0)/amd64"], Selection::One(1)),
            ("linux/amd64", vec!["linux/amd64", "linux/amd64"], Selection::One(0)),
            ("linux/s390x", vec!["linux/amd64"], Selection::Absent),
            ("linux/s390x", vec![], Selection::Absent),
        ] {
            let found = select(&platform(requested), &candidates.iter().copied().map(platform).collect::<Vec<_>>());
            assert_eq!(found, expected, "{requested} in {candidates:?}");
        }
    }

    #[test]
    fn the_json_is_that_of_an_oci_index() {
        let json = r#"{"architecture":"amd64","os":"windows","os.version":"10.0","os.features":["win32k"]}"#;
        let parsed: Platform = serde_json::from_str(json).unwrap();
        assert_eq!(parsed, platform("windows(10.0)/amd64"));
        assert_eq!(serde_json::to_string(&platform("linux/arm/v7")).unwrap(), {
            r#"{"os":"linux","architecture":"arm","variant":"v7"}"#
        });
        let empty: Platform = serde_json::from_str("{}").unwrap();
        assert_eq!(empty, Platform::default());
        assert!(platform("unknown/unknown").is_unknown() && !empty.is_unknown());
        let hostile = r#"{"architecture":"::error::x","os":"\n::error::x","variant":"\u001b[2J"}"#;
        let hostile: Platform = serde_json::from_str(hostile).unwrap();
        assert_eq!(hostile.to_string(), ": :error::x/::error::x/");
    }
}
