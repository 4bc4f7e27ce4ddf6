//! The words that users choose from, listed once: on the enum of the part that acts on them.
//!
//! Owns how a word becomes a value and back. Never knows what a word means.

/// A value that users write as one of a few words.
pub trait Choice: Copy + PartialEq + 'static {
    /// Each word with its value, in the order in which they are documented.
    const ALL: &'static [(&'static str, Self)];

    /// The value of `word`; nothing where it is none of [`Choice::ALL`].
    fn parse(word: &str) -> Option<Self> {
        Self::ALL.iter().find(|(known, _)| *known == word).map(|(_, value)| *value)
    }

    /// The word that users write for this value.
    fn word(self) -> &'static str {
        Self::ALL.iter().find(|(_, value)| *value == self).map_or("", |(word, _)| word)
    }
}

/// The words of `T`, in the order in which they are documented.
pub fn words<T: Choice>() -> Vec<&'static str> {
    T::ALL.iter().map(|(word, _)| *word).collect()
}
