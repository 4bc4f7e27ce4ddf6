//! Lines with tones: what a terminal shows in colour, and everything else as the same words.
//!
//! Owns how a line is coloured and where it is broken. Never knows what it says, and never takes a character away.

use anstyle::{AnsiColor, Style};

/// How a part of a line sounds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tone {
    /// As it is.
    #[default]
    Plain,
    /// It went well.
    Good,
    /// It failed.
    Bad,
    /// It wants to be looked at.
    Notable,
    /// It matters less.
    Quiet,
    /// It matters most.
    Strong,
}

impl Tone {
    fn style(self) -> Style {
        match self {
            Self::Plain => Style::new(),
            Self::Good => AnsiColor::Green.on_default(),
            Self::Bad => AnsiColor::Red.on_default(),
            Self::Notable => AnsiColor::Yellow.on_default(),
            Self::Quiet => Style::new().dimmed(),
            Self::Strong => Style::new().bold(),
        }
    }
}

/// Whether tones become colours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Paint {
    /// Words alone.
    #[default]
    Plain,
    /// ANSI's colours.
    Colour,
}

/// One line, part by part.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Line {
    parts: Vec<(Tone, String)>,
    indent: usize,
}

impl Line {
    /// A line that begins so many blanks in; where it is broken, what follows does too.
    pub fn indented(indent: usize) -> Self {
        Self { parts: Vec::new(), indent }
    }

    /// The line with `text` at its end.
    #[must_use]
    pub fn then(mut self, tone: Tone, text: impl Into<String>) -> Self {
        self.parts.push((tone, text.into()));
        self
    }

    /// The same with each text changed: made safe.
    #[must_use]
    pub fn map(mut self, change: impl Fn(&str) -> String) -> Self {
        for (_, text) in &mut self.parts {
            *text = change(text);
        }
        self
    }

    /// Its characters, without the blanks that it begins with.
    pub fn width(&self) -> usize {
        self.parts.iter().map(|(_, text)| text.chars().count()).sum()
    }

    /// The line as it is printed, without its end; broken between words where it is wider than `width`, if that is given.
    pub fn render(&self, paint: Paint, width: Option<usize>) -> String {
        let mut text = " ".repeat(self.indent);
        let room = width.unwrap_or(usize::MAX).saturating_sub(self.indent).max(20);
        let mut column = 0;
        for (tone, part) in &self.parts {
            let style = if paint == Paint::Colour { tone.style() } else { Style::new() };
            text.push_str(&style.render().to_string());
            for word in words(part) {
                let letters = word.trim_end().chars().count();
                if column > 0 && column + letters > room {
                    text.truncate(text.trim_end_matches(' ').len());
                    text.push('\n');
                    // One step further in, so that what is one stays one.
                    text.push_str(&" ".repeat(self.indent + 2));
                    column = 2;
                }
                text.push_str(word);
                column += word.chars().count();
            }
            text.push_str(&style.render_reset().to_string());
        }
        text
    }
}

/// The words of a text, each with the blanks behind it; a number and its unit are one.
fn words(text: &str) -> impl Iterator<Item = &str> {
    const UNITS: [&str; 8] = ["B", "KiB", "MiB", "GiB", "TiB", "ms", "s", "min"];
    let mut rest = text;
    std::iter::from_fn(move || {
        let mut end = rest.find(' ').map_or(rest.len(), |blank| blank + 1);
        let next = rest[end..].split(|letter: char| !letter.is_ascii_alphabetic()).next().unwrap_or_default();
        if UNITS.contains(&next) && rest[..end].trim_end().ends_with(|letter: char| letter.is_ascii_digit()) {
            end += rest[end..].find(' ').map_or(rest.len() - end, |blank| blank + 1);
        }
        let (word, after) = rest.split_at(end);
        rest = after;
        (!word.is_empty()).then_some(word)
    })
}

#[cfg(test)]
mod tests {
    use super::{Line, Paint, Tone};

    #[test]
    fn tones_are_colours_where_they_are_wanted_and_nothing_elsewhere() {
        let line = Line::indented(2).then(Tone::Good, "✓ copied").then(Tone::Plain, " a").then(Tone::Strong, " b");
        assert_eq!(line.render(Paint::Plain, None), "  ✓ copied a b");
        assert_eq!(line.render(Paint::Colour, None), "  \u{1b}[32m✓ copied\u{1b}[0m a\u{1b}[1m b\u{1b}[0m");
        assert_eq!(line.width(), 12);
    }

    #[test]
    fn a_line_is_broken_between_words_and_loses_no_letter() {
        let line = Line::indented(2).then(Tone::Bad, "error: ").then(Tone::Plain, "a sentence of some words and");
        let line = line.then(Tone::Plain, " one_that_is_longer_than_the_line_has_room_for");
        let text = line.render(Paint::Plain, Some(24));
        assert_eq!(
            text,
            "  error: a sentence of\n    some words and\n    one_that_is_longer_than_the_line_has_room_for"
        );
        assert_eq!(line.render(Paint::Plain, None).lines().count(), 1);
    }

    #[test]
    fn a_number_stays_with_its_unit() {
        let line = Line::default().then(Tone::Plain, "1 request, 0 bytes, 3.9 s · 295.6 KiB, 12 ms");
        assert_eq!(line.render(Paint::Plain, Some(23)), "1 request, 0 bytes,\n  3.9 s · 295.6 KiB,\n  12 ms");
        assert_eq!(line.render(Paint::Plain, None), "1 request, 0 bytes, 3.9 s · 295.6 KiB, 12 ms");
    }
}
