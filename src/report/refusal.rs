//! A run that was refused before its images: bad input, or a machine that cannot run it.
//!
//! Owns the words of it for log and summary, and that both say the same. Knows no values: the sentence about a bad one comes
//! with its secrets taken out.

use std::fmt::Write as _;

use crate::error::Error;
use crate::error::reader::Reader;
use crate::text::sanitise::markdown_text;

/// What is said of it.
#[derive(Debug)]
pub struct Refusal {
    is_input: bool,
    /// What is wrong.
    pub sentence: String,
    /// What to do, where the sentence leaves that open.
    pub hints: Vec<String>,
}

impl Refusal {
    /// In the words of the place where it is read.
    pub fn of(error: &Error, reader: Reader) -> Self {
        let mut hints = error.hints(reader);
        if let Error::Input { name, .. } = error {
            hints.extend(reader.mend(name));
        }
        Self { is_input: error.is_input(), sentence: error.to_string(), hints }
    }

    /// In a few words, for an annotation's title.
    pub fn title(&self) -> &'static str {
        if self.is_input { "Bad input" } else { "mirror-image" }
    }

    /// The whole of the job summary.
    pub fn summary(&self) -> String {
        let headline =
            if self.is_input { "Bad input: nothing was contacted" } else { "The run ended before its images" };
        let mut text = format!("## ❌ {headline}\n\n> {}\n\n", markdown_text(&self.sentence));
        for hint in &self.hints {
            let _ = writeln!(text, "- {}", markdown_text(hint));
        }
        if !self.hints.is_empty() {
            text.push('\n');
        }
        let _ = writeln!(text, "<sub>mirror-image {}</sub>", env!("CARGO_PKG_VERSION"));
        text
    }
}

#[cfg(test)]
mod tests {
    use super::Refusal;
    use crate::error::Error;
    use crate::error::reader::{Form, Reader};

    #[test]
    fn bad_input_is_said_with_where_it_is_mended() {
        let error = Error::input("source", "`<b>` is no `image`");
        let text = Refusal::of(&error, Reader::Button(Form::Inspect)).summary();
        let expected = "## ❌ Bad input: nothing was contacted\n\n> input `source`: `<b>` is no `image`\n\n- start it again with \
                        another `source`: Actions → Inspect an image → Run workflow\n\n<sub>mirror-image ";
        assert!(text.starts_with(expected), "{text}");
        assert!(Refusal::of(&error, Reader::Action).hints.is_empty());
        let local = Refusal::of(&Error::Local("no disk".to_owned()), Reader::Action);
        assert_eq!((local.title(), local.hints.len()), ("mirror-image", 0));
        assert!(local.summary().starts_with("## ❌ The run ended before its images\n\n> no disk\n\n<sub>"));
    }
}
