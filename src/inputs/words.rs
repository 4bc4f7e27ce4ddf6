//! How lists and time spans are written, and which word was meant.

use std::time::Duration;

use crate::text::quote::shown;

/// Splits a list at newlines and commas; a line that begins with `#` is a comment.
pub fn items(text: &str) -> Vec<&str> {
    let lines = text.lines().map(str::trim).filter(|line| !line.starts_with('#'));
    lines.flat_map(|line| line.split(',')).map(str::trim).filter(|item| !item.is_empty()).collect()
}

/// Reads `90s`, `5m`, `1m30s`, `1h`; a number alone is seconds.
pub fn duration(text: &str) -> Result<Duration, String> {
    const LONGEST: u64 = 24 * 60 * 60;
    let problem = || format!("`{}` is not a time span; write it like `90s`, `5m`, `1m30s` or `1h`", shown(text));
    let mut seconds: u64 = 0;
    // Units must come in falling order, each once: `30s1m` is a slip of the pen.
    let mut largest = u64::MAX;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let number: u64 = rest[..digits].parse().map_err(|_| problem())?;
        let (unit, after) = match rest[digits..].chars().next() {
            None if digits == text.len() => (1, ""),
            Some('h') => (3600, &rest[digits + 1..]),
            Some('m') => (60, &rest[digits + 1..]),
            Some('s') => (1, &rest[digits + 1..]),
            _ => return Err(problem()),
        };
        if unit >= largest {
            return Err(problem());
        }
        (largest, rest) = (unit, after);
        seconds = seconds.saturating_add(number.saturating_mul(unit));
    }
    match seconds {
        0 if text.is_empty() => Err(problem()),
        0 => Err(format!("`{}` is no time at all; write at least `1s`", shown(text))),
        1..=LONGEST => Ok(Duration::from_secs(seconds)),
        _ => Err(format!("`{}` is longer than a day; write at most `24h`", shown(text))),
    }
}

/// The word that `text` was probably meant to be.
pub fn nearest<'a>(text: &str, words: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let text = text.to_ascii_lowercase().replace('_', "-");
    let (distance, word) = words.map(|word| (distance(&text, word), word)).min_by_key(|(distance, _)| *distance)?;
    (distance <= 2.min(word.len() / 2)).then_some(word)
}

/// How many letters must be added, removed or changed (Levenshtein).
pub fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (i, a) in one.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, b) in other.iter().enumerate() {
            let changed = diagonal + usize::from(a != *b);
            diagonal = row[j + 1];
            row[j + 1] = changed.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[other.len()]
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::duration;

    #[test]
    fn time_spans_are_read() {
        for (text, seconds) in
            [("90s", 90), ("5m", 300), ("1m30s", 90), ("1h", 3600), ("1h30m", 5400), ("45", 45), ("24h", 86400)]
        {
            assert_eq!(duration(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for (text, part) in [
            ("soon", "is not a time span"),
            ("5 m", "is not a time span"),
            ("1m30", "is not a time span"),
            ("30s1m", "is not a time span"),
            ("-5m", "is not a time span"),
            ("m", "is not a time span"),
            ("99999999999999999999h", "is not a time span"),
            ("9999999999999999999h", "longer than a day"),
            ("0", "no time at all"),
        ] {
            let problem = duration(text).expect_err(text);
            assert!(problem.contains(part), "{text}: {problem}");
        }
    }
}
