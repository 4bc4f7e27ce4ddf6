//! Numbers as people read and write them: counts with their noun, sizes, time spans.

use std::time::Duration;

/// `1 image`, `2 images`.
pub fn count(number: u64, noun: &str) -> String {
    format!("{number} {}", plural(usize::try_from(number).unwrap_or(usize::MAX), noun))
}

/// `image`, `images`; `day`, `days`; `entry`, `entries`.
pub fn plural(number: usize, noun: &str) -> String {
    match noun.strip_suffix('y') {
        _ if number == 1 => noun.to_owned(),
        Some(stem) if !stem.ends_with(['a', 'e', 'o', 'u']) => format!("{stem}ies"),
        _ => format!("{noun}s"),
    }
}

/// Bytes for people, by powers of 1024.
pub fn size(bytes: u64) -> String {
    const UNITS: [(&str, u64); 4] = [("TiB", 1 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];
    for (unit, one) in UNITS {
        if bytes >= one {
            // In tenths, without floating point: exact for every size there is.
            let tenths = u128::from(bytes) * 10 / u128::from(one);
            return format!("{}.{} {unit}", tenths / 10, tenths % 10);
        }
    }
    format!("{bytes} B")
}

/// Milliseconds for people.
pub fn duration(milliseconds: u64) -> String {
    let seconds = milliseconds / 1000;
    match seconds {
        0 => format!("{milliseconds} ms"),
        1..60 => format!("{seconds}.{} s", milliseconds % 1000 / 100),
        60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        _ => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
    }
}

/// An age as people write it, `180d`, `2w` or `36h`: at least a second and at most a hundred years.
pub fn age(text: &str) -> Option<Duration> {
    const LONGEST: Duration = Duration::from_secs(100 * 366 * 24 * 60 * 60);
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit() || b"ywdhms".contains(&byte)) && !text.contains("ms");
    let read = is_plain.then(|| humantime::parse_duration(text).ok()).flatten();
    read.filter(|time| (Duration::from_secs(1)..=LONGEST).contains(time))
}

#[cfg(test)]
mod tests {
    use super::{count, duration, size};

    #[test]
    fn numbers_have_the_words_that_go_with_them() {
        let shown = [(1, "image"), (2, "image"), (0, "day"), (1, "entry"), (2, "entry")];
        let shown = shown.map(|(number, noun)| count(number, noun));
        assert_eq!(shown, ["1 image", "2 images", "0 days", "1 entry", "2 entries"]);
    }

    #[test]
    fn sizes_and_durations_are_for_people() {
        for (bytes, expected) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.0 KiB"),
            (1536, "1.5 KiB"),
            (8_912_896, "8.5 MiB"),
            (u64::MAX, "16777215.9 TiB"),
        ] {
            assert_eq!(size(bytes), expected);
        }
        for (milliseconds, expected) in
            [(90, "90 ms"), (1900, "1.9 s"), (123_000, "2 min 3 s"), (3_660_000, "1 h 1 min")]
        {
            assert_eq!(duration(milliseconds), expected);
        }
    }
}
