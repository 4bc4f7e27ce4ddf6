//! What a person at a terminal may say about what is printed: data in which form, in colour or not, how much talk.
//!
//! Pure: words to choices, and what follows from them and from where the streams lead.

use crate::text::choice::Choice;
use crate::text::tone::Paint;

/// The form of a command's data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// For people.
    Text,
    /// The whole report.
    Json,
    /// Digests alone.
    Digest,
    /// What a dry run over a list would change, as Markdown.
    Plan,
    /// Nothing.
    None,
    /// `repository:tag@digest` a line, for the next command.
    Names,
}

impl Choice for Format {
    // What is for the next command is no word: it is what a pipe gets.
    const ALL: &'static [(&'static str, Self)] = &[
        ("text", Self::Text),
        ("json", Self::Json),
        ("digest", Self::Digest),
        ("plan", Self::Plan),
        ("none", Self::None),
    ];
}

/// Whether to use colour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Colour {
    /// On a terminal that has some, unless `NO_COLOR` is set (no-color.org).
    #[default]
    Auto,
    /// Whatever the stream leads to.
    Always,
    /// Nowhere.
    Never,
}

impl Choice for Colour {
    const ALL: &'static [(&'static str, Self)] =
        &[("auto", Self::Auto), ("always", Self::Always), ("never", Self::Never)];
}

/// How much is said besides the data.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Volume {
    /// What happens, as it happens.
    #[default]
    Normal,
    /// What failed or wants to be looked at.
    Quiet,
}

/// What was said about it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Talk {
    /// The form of the data; none: by where it goes.
    pub format: Option<Format>,
    /// Colour.
    pub colour: Colour,
    /// How much else.
    pub volume: Volume,
}

/// What is known of one stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stream {
    /// Whether it leads to a terminal.
    pub is_terminal: bool,
}

impl Talk {
    /// The form of the data on a stream.
    pub fn format_on(self, data: Stream) -> Format {
        self.format.unwrap_or(if data.is_terminal { Format::Text } else { Format::Names })
    }

    /// Whether a stream gets colour; `plain`: the person or the terminal wants none.
    pub fn paint_on(self, stream: Stream, plain: bool) -> Paint {
        match self.colour {
            Colour::Always => Paint::Colour,
            Colour::Auto if stream.is_terminal && !plain => Paint::Colour,
            Colour::Auto | Colour::Never => Paint::Plain,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Colour, Format, Stream, Talk};
    use crate::text::tone::Paint;

    #[test]
    fn a_pipe_gets_names_and_no_colour_unless_it_is_asked_for() {
        let (pipe, terminal) = (Stream { is_terminal: false }, Stream { is_terminal: true });
        let talk = Talk::default();
        assert_eq!((talk.format_on(pipe), talk.format_on(terminal)), (Format::Names, Format::Text));
        let json = Talk { format: Some(Format::Json), ..talk };
        assert_eq!((json.format_on(pipe), json.format_on(terminal)), (Format::Json, Format::Json));
        for (colour, stream, plain, expected) in [
            (Colour::Auto, terminal, false, Paint::Colour),
            (Colour::Auto, terminal, true, Paint::Plain),
            (Colour::Auto, pipe, false, Paint::Plain),
            (Colour::Always, pipe, true, Paint::Colour),
            (Colour::Never, terminal, false, Paint::Plain),
        ] {
            assert_eq!(Talk { colour, ..talk }.paint_on(stream, plain), expected, "{colour:?} {stream:?} {plain}");
        }
    }
}
