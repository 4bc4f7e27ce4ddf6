//! Trims blanks, and the byte order mark that Windows editors put before a text.

/// U+FEFF, the byte order mark: at the beginning of a file, and inside where files were joined.
const MARK: char = '\u{feff}';

/// `text` without blanks and marks around it.
pub fn trimmed(text: &str) -> &str {
    text.trim_matches(|c: char| c.is_whitespace() || c == MARK)
}

/// The bytes of a text file without the mark.
pub fn unmarked(bytes: &[u8]) -> &[u8] {
    bytes.strip_prefix(MARK.encode_utf8(&mut [0; 3]).as_bytes()).unwrap_or(bytes)
}

#[cfg(test)]
mod tests {
    use super::{trimmed, unmarked};

    #[test]
    fn a_mark_is_nothing() {
        assert_eq!(trimmed("\u{feff} \u{feff}a b\t"), "a b");
        assert_eq!(trimmed("\u{feff}\n"), "");
        assert_eq!(unmarked("\u{feff}{}".as_bytes()), b"{}");
        assert_eq!(unmarked(b"\xef\xbb"), b"\xef\xbb");
    }
}
