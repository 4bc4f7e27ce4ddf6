//! What must hold for anything that is printed.

use crate::properties::actions;
use crate::text::sanitise;

/// Asserts that `text` is one line of at most `most` characters that nothing acts on: what the sanitiser leaves alone.
pub fn assert_safe(text: &str, most: usize) {
    assert_eq!(sanitise::one_line(text, usize::MAX), text, "not fit to be printed");
    assert!(text.chars().count() <= most, "{} characters: {text}", text.chars().count());
}

/// Asserts the same of a sentence that was made of such parts; where two of them meet, it is the printing that breaks up
/// what the runner would act on.
pub fn assert_sentence(text: &str, most: usize) {
    assert!(!text.contains(|c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{202e}')), "{text:?}");
    assert!(text.chars().count() <= most, "{} characters: {text}", text.chars().count());
    assert_eq!(actions::commands(&sanitise::one_line(text, usize::MAX)), []);
}
