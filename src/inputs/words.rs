//! How lists, time spans, sizes and hosts are written.
//!
//! Pure functions over text; they do not know which input it is from.

use std::time::Duration;

use crate::engine::options::{AtOnce, SizeLimit};
use crate::observe::pulls::PullLimit;
use crate::oci::reference::Reference;
use crate::text::blank::trimmed;
use crate::text::quote::quote;
use crate::text::units;

/// Splits a list at newlines and commas; a line that begins with `#` is a comment.
pub fn items(text: &str) -> Vec<&str> {
    let lines = text.lines().map(trimmed).filter(|line| !line.starts_with('#'));
    lines.flat_map(|line| line.split(',')).map(str::trim).filter(|item| !item.is_empty()).collect()
}

/// Reads `auto`, or a number of pulls.
pub fn pull_limit(text: &str) -> Result<PullLimit, String> {
    let count = || text.parse().map(PullLimit::Count);
    let unknown = |_| format!("`{}` is neither `auto` nor a number of pulls", quote(text));
    if text == "auto" { Ok(PullLimit::Left) } else { count().map_err(unknown) }
}

/// Reads `90s`, `5m`, `1m30s`, `1h`; a number alone is seconds.
pub fn duration(text: &str) -> Result<Duration, String> {
    const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);
    let longer = || format!("`{}` is longer than a day; write at most `24h`", quote(text));
    let number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    // Fractions of a second are no patience, and humantime panics where one is added to the longest time there is.
    let plain = text.bytes().all(|byte| byte.is_ascii_digit() || b"wdhms".contains(&byte)) && !text.contains("ms");
    let read = match plain {
        true if number => humantime::parse_duration(&format!("{text}s")),
        true => humantime::parse_duration(text),
        false => Err(humantime::DurationError::Empty),
    };
    match read {
        Ok(Duration::ZERO) => Err(format!("`{}` is no time at all; write at least `1s`", quote(text))),
        Ok(time) if time <= LONGEST => Ok(time),
        Ok(_) | Err(humantime::DurationError::NumberOverflow) => Err(longer()),
        Err(_) => Err(format!("`{}` is not a time span; write it like `90s`, `5m`, `1m30s` or `1h`", quote(text))),
    }
}

/// Reads `7d`, `36h`, `2w`.
pub fn age(text: &str) -> Result<Duration, String> {
    units::age(text).ok_or_else(|| format!("`{}` is not a time span; write it like `7d`, `36h` or `2w`", quote(text)))
}

/// Reads `IMAGES` or `IMAGES/REQUESTS`.
pub fn at_once(text: &str) -> Result<AtOnce, String> {
    let problem =
        |what: String| format!("`{}` {what}; write `IMAGES` or `IMAGES/REQUESTS`, like `8` or `8/16`", quote(text));
    let number = |part: &str, what: &str, least: usize, most: usize| match part.trim().parse::<usize>() {
        Ok(number) if (least..=most).contains(&number) => Ok(number),
        Ok(_) => Err(problem(format!("has a number of {what} that is not between {least} and {most}"))),
        Err(_) => Err(problem(format!("has no number of {what}"))),
    };
    let (images, requests) = match text.split_once('/') {
        Some((images, requests)) => (images, Some(number(requests, "requests", AtOnce::LEAST_REQUESTS, 1000)?)),
        None => (text, None),
    };
    Ok(AtOnce { images: number(images, "images", 1, AtOnce::MOST_IMAGES)?, beside_still: 0, requests })
}

/// The host, with its port where there is one, in lower case.
pub fn host(text: &str) -> Option<String> {
    // A reference with a stand-in for the repository has exactly the hosts that are allowed here.
    let probe = Reference::parse(&format!("{text}/x"));
    let is_host = probe.is_ok_and(|probe| probe.registry() == text.to_ascii_lowercase());
    // A host without a dot is a name in this network, which a reference cannot tell from a path.
    let is_label = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    (is_host || is_label).then(|| text.to_ascii_lowercase())
}

/// Reads how many images a request may have.
pub fn request_limit(text: &str) -> Result<usize, String> {
    const MOST: usize = 1000;
    let limit = text.parse().ok().filter(|limit| (1..=MOST).contains(limit));
    limit.ok_or_else(|| format!("`{}` is not a number from 1 to {MOST}", quote(text)))
}

/// Reads `IMAGE` or `IMAGE/LAYER`, each a size.
pub fn size_limit(text: &str) -> Result<SizeLimit, String> {
    let (image, layer) = text.split_once('/').unwrap_or((text, text));
    match (size(image.trim()), size(layer.trim())) {
        (Some(image), Some(layer)) => Ok(SizeLimit { image, layer }),
        _ => {
            Err(format!("`{}` is not a size; write `IMAGE` or `IMAGE/LAYER`, like `10GiB` or `10GiB/2GB`", quote(text)))
        }
    }
}

/// Bytes; with `i` by powers of 1024, without by powers of 1000.
fn size(text: &str) -> Option<u64> {
    let digits = text.trim_end_matches(|c: char| !c.is_ascii_digit());
    let unit = match text[digits.len()..].trim_start().to_ascii_lowercase().as_str() {
        "kb" => 1_000,
        "mb" => 1_000_000,
        "gb" => 1_000_000_000,
        "tb" => 1_000_000_000_000,
        "kib" => 1 << 10,
        "mib" => 1 << 20,
        "gib" => 1 << 30,
        "tib" => 1 << 40,
        _ => return None,
    };
    let number = Some(digits).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))?;
    number.parse::<u64>().ok()?.checked_mul(unit).filter(|bytes| *bytes > 0)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{at_once, duration, size_limit};
    use crate::engine::options::{AtOnce, SizeLimit};

    #[test]
    fn a_size_limit_is_one_size_or_two() {
        for (text, image, layer) in [
            ("10GiB", 10 << 30, 10 << 30),
            ("10GB / 2 mib", 10_000_000_000, 2 << 20),
            ("1kb", 1000, 1000),
            ("1TiB/1TB", 1 << 40, 1_000_000_000_000),
        ] {
            assert_eq!(size_limit(text), Ok(SizeLimit { image, layer }), "{text}");
        }
        for text in [
            "",
            "10",
            "10G",
            "GiB",
            "0GiB",
            "-1GiB",
            "1.5GiB",
            "1GiB/",
            "1GiB/2GiB/3GiB",
            "99999999999999999999GiB",
            "18446744073709551615TiB",
        ] {
            let problem = size_limit(text).expect_err(text);
            assert!(problem.contains("is not a size"), "{text}: {problem}");
        }
    }

    #[test]
    fn how_much_at_once_is_one_number_or_two() {
        for (text, images, requests) in [("8", 8, None), ("8/16", 8, Some(16)), (" 1 / 3 ", 1, Some(3))] {
            assert_eq!(at_once(text), Ok(AtOnce { images, beside_still: 0, requests }), "{text}");
        }
        for (text, part) in [
            ("0", "a number of images that is not between 1 and"),
            ("8/2", "a number of requests that is not between 3 and 1000"),
            ("many", "has no number of images"),
            ("8/", "has no number of requests"),
            ("-1", "has no number of images"),
            ("8/9/10", "has no number of requests"),
        ] {
            let problem = at_once(text).expect_err(text);
            assert!(problem.contains(part), "{text}: {problem}");
        }
    }

    #[test]
    fn time_spans_are_read() {
        for (text, seconds) in [
            ("90s", 90),
            ("5m", 300),
            ("1m30s", 90),
            ("1h", 3600),
            ("1h30m", 5400),
            ("45", 45),
            ("24h", 86400),
            ("1d", 86400),
        ] {
            assert_eq!(duration(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for (text, part) in [
            ("soon", "is not a time span"),
            ("5 m", "is not a time span"),
            ("1m30", "is not a time span"),
            ("-5m", "is not a time span"),
            ("m", "is not a time span"),
            ("1.5h", "is not a time span"),
            ("1000ms", "is not a time span"),
            ("18446744073709551615s1000ms", "is not a time span"),
            ("", "is not a time span"),
            ("90d", "longer than a day"),
            ("25h", "longer than a day"),
            ("99999999999999999999", "longer than a day"),
            ("99999999999999999999h", "longer than a day"),
            ("9999999999999999999h", "longer than a day"),
            ("0", "no time at all"),
            ("0h0s", "no time at all"),
        ] {
            let problem = duration(text).expect_err(text);
            assert!(problem.contains(part), "{text}: {problem}");
        }
    }
}
