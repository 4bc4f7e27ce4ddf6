//! Which known word was probably meant.

/// The word that `text` was probably meant to be.
pub fn nearest<'a>(text: &str, words: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let text = text.to_ascii_lowercase().replace('_', "-");
    let (distance, word) =
        words.map(|word| (strsim::levenshtein(&text, word), word)).min_by_key(|(distance, _)| *distance)?;
    (distance <= 2.min(word.len() / 2)).then_some(word)
}
