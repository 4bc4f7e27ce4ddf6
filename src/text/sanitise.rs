//! Text from outside, made safe to show.
//!
//! Owns the only way by which registry bodies, headers, tags and annotations get into a log line, an error, an output
//! or the summary. Must never let through what a terminal, the runner or a Markdown renderer would act on; must never
//! drop a word that a person could read.

use std::iter::Peekable;
use std::str::Chars;

/// What a line break becomes.
const BREAK: char = '⏎';

/// `text` as one line of at most `limit` characters.
///
/// The runner looks for `##[` anywhere in a line and for `::` at its start (runner: `ActionCommand.cs`), on both
/// streams: a registry that could put either there could set this action's outputs.
pub fn one_line(text: &str, limit: usize) -> String {
    let mut clean = String::with_capacity(text.len().min(4096));
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '\u{1b}' => skip_escape(&mut characters),
            '\u{9b}' => skip_control_sequence(&mut characters),
            '\u{90}' | '\u{98}' | '\u{9d}' | '\u{9e}' | '\u{9f}' => skip_control_string(&mut characters),
            '\n' | '\r' | '\u{b}' | '\u{c}' | '\u{85}' | '\u{2028}' | '\u{2029}' => push_break(&mut clean),
            '\t' => clean.push(' '),
            // One mark is enough to show that bytes were not text.
            char::REPLACEMENT_CHARACTER if clean.ends_with(char::REPLACEMENT_CHARACTER) => {}
            _ if is_unseen(character) => {}
            // No line may start with `::` and no `##[` may stand anywhere, whatever was dropped in between: so the
            // check is on what is already written.
            '[' if clean.ends_with("##") => clean.push_str(" ["),
            ':' if clean.ends_with(':') && starts_line(&clean[..clean.len() - 1]) => clean.push_str(" :"),
            _ => clean.push(character),
        }
    }
    let clean = clean.trim_matches(|character: char| character == BREAK || character.is_whitespace());
    cut(clean, limit)
}

/// Whether what follows `before` would be the first thing on its line.
fn starts_line(before: &str) -> bool {
    let before = before.trim_end();
    before.is_empty() || before.ends_with(BREAK)
}

fn push_break(clean: &mut String) {
    let length = clean.trim_end().len();
    clean.truncate(length);
    if !clean.is_empty() && !clean.ends_with(BREAK) {
        clean.push(' ');
        clean.push(BREAK);
    }
    clean.push(' ');
}

fn cut(text: &str, limit: usize) -> String {
    if text.chars().nth(limit).is_none() {
        return text.to_owned();
    }
    let mut short: String = text.chars().take(limit.saturating_sub(1)).collect();
    short.truncate(short.trim_end().len());
    short.push('…');
    short
}

/// Characters that nobody sees: controls, line breaks of any kind, and those that only change how others look.
pub(crate) fn is_unseen(character: char) -> bool {
    character.is_control() || matches!(character, '\u{2028}' | '\u{2029}') || is_invisible(character)
}

/// Characters that take no room or turn the reading direction: they make one text look like another. Among them all that
/// Unicode calls ignorable by default, which a comparison by culture, such as the runner's, does not see.
fn is_invisible(character: char) -> bool {
    matches!(character,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
        | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}'
        | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}'
        | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

/// Skips what follows an ESC (ECMA-48).
fn skip_escape(characters: &mut Peekable<Chars<'_>>) {
    match characters.peek() {
        Some('[') => {
            characters.next();
            skip_control_sequence(characters);
        }
        Some(']' | 'P' | 'X' | '^' | '_') => {
            characters.next();
            skip_control_string(characters);
        }
        Some(' '..='~') => {
            while characters.next_if(|next| matches!(next, ' '..='/')).is_some() {}
            characters.next_if(|next| matches!(next, '0'..='~'));
        }
        _ => {}
    }
}

/// Skips the parameters and the final byte of a control sequence.
fn skip_control_sequence(characters: &mut Peekable<Chars<'_>>) {
    while characters.next_if(|next| matches!(next, ' '..='?')).is_some() {}
    characters.next_if(|next| matches!(next, '@'..='~'));
}

/// Skips a control string to its terminator. One that does not end takes its line with it and no more.
fn skip_control_string(characters: &mut Peekable<Chars<'_>>) {
    while let Some(next) = characters.next_if(|next| !matches!(next, '\n' | '\r')) {
        match next {
            '\u{7}' | '\u{9c}' => return,
            '\u{1b}' => {
                characters.next_if_eq(&'\\');
                return;
            }
            _ => {}
        }
    }
}

/// `text` as one line of Markdown that shows the characters themselves, in a table's cell or in running text.
pub fn markdown(text: &str) -> String {
    escape(&one_line(text, usize::MAX))
}

/// `text` between tags of HTML that stand in Markdown: there it may be read as Markdown and may not be, as after `<summary>`,
/// where a backslash would show.
pub fn html(text: &str) -> String {
    escape_as(&one_line(text, usize::MAX), |character| format!("&#{};", u32::from(character)))
}

fn escape(text: &str) -> String {
    escape_as(text, |character| format!("\\{character}"))
}

/// `literal` writes a character of which Markdown would make something.
fn escape_as(text: &str, literal: fn(char) -> String) -> String {
    let mut escaped = String::with_capacity(text.len() + 16);
    for (at, character) in text.char_indices() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '|' | '`' | '[' | ']' | '*' | '_' | '~' | '\\' => {
                escaped.push_str(&literal(character));
            }
            // Only a heading or a list at the start of the text; elsewhere these are ordinary.
            '.' | ')' if at > 0 && text[..at].bytes().all(|byte| byte.is_ascii_digit()) => {
                escaped.push_str(&literal(character));
            }
            '#' | '-' | '+' if at == 0 => {
                escaped.push_str(&literal(character));
            }
            // A bare address from a registry must not become a link to click.
            ':' if text[at..].starts_with("://") => escaped.push_str(&literal(character)),
            '.' if text.get(at.wrapping_sub(3)..at).is_some_and(|www| www.eq_ignore_ascii_case("www")) => {
                escaped.push_str(&literal(character));
            }
            _ => escaped.push(character),
        }
    }
    escaped
}

/// `text` as a code span for a table's cell.
pub fn code(text: &str) -> String {
    // A pipe ends the cell even inside a code span (GFM, "Tables"), unless a backslash of ours, not of the text's, stands
    // before it; a back-tick ends the span.
    format!("`{}`", one_line(text, usize::MAX).replace('`', "'").replace("\\|", "\\ |").replace('|', "\\|"))
}

/// A code span outside a table, where a pipe is a pipe.
pub fn plain_code(text: &str) -> String {
    code(text).replace("\\|", "|")
}

/// Characters of a word that stands in any column.
const WORD: usize = 32;

/// `text` as code for a cell that is to be no wider than a page: a long name may break after each of its parts.
pub fn cell_code(text: &str) -> String {
    let text = one_line(text, usize::MAX);
    if text.chars().count() <= WORD { code(&text) } else { format!("<code>{}</code>", breakable(&text)) }
}

/// A sentence as Markdown for such a cell.
pub fn cell_text(text: &str) -> String {
    let text = one_line(text, usize::MAX);
    let parts: Vec<&str> = text.split('`').collect();
    let plain = |part: &str| part.split(' ').map(breakable).collect::<Vec<_>>().join(" ");
    if parts.len().is_multiple_of(2) || parts.iter().skip(1).step_by(2).any(|part| part.trim().is_empty()) {
        return plain(&text);
    }
    let part = |(at, part): (usize, &&str)| if at % 2 == 1 { cell_code(part) } else { plain(part) };
    parts.iter().enumerate().map(part).collect()
}

/// A word, escaped, with places where its line may end: after what parts a name, and after so many characters at the latest.
fn breakable(word: &str) -> String {
    if word.chars().count() <= WORD {
        return escape(word);
    }
    let mut pieces = vec![String::new()];
    for character in word.chars() {
        let piece = pieces
            .last_mut()
            .filter(|piece| piece.chars().count() < WORD && !piece.ends_with(['/', ':', '@', '=', '&', '?']));
        match piece {
            Some(piece) => piece.push(character),
            None => pieces.push(character.to_string()),
        }
    }
    pieces.iter().map(|piece| escape(piece)).collect::<Vec<_>>().join("<wbr>")
}

/// A sentence as Markdown outside a table: back-ticks in pairs stay code, everything else is escaped.
pub fn markdown_text(text: &str) -> String {
    let text = one_line(text, usize::MAX);
    let parts: Vec<&str> = text.split('`').collect();
    if parts.len().is_multiple_of(2) || parts.iter().skip(1).step_by(2).any(|part| part.trim().is_empty()) {
        return escape(&text);
    }
    let mut written = String::with_capacity(text.len() + 16);
    for (at, part) in parts.iter().enumerate() {
        if at % 2 == 1 {
            written.push('`');
            written.push_str(part);
            written.push('`');
        } else {
            written.push_str(&escape(part));
        }
    }
    written
}

#[cfg(test)]
mod tests {
    use super::{code, html, markdown, markdown_text, one_line};

    #[test]
    fn each_kind_of_foreign_text_becomes_one_harmless_line() {
        for (what, text, expected) in [
            ("plain text stays", "manifest unknown", "manifest unknown"),
            ("words of other scripts stay", "héllo 世界 🙂", "héllo 世界 🙂"),
            ("line breaks are shown", "a\r\nb\n\nc", "a ⏎ b ⏎ c"),
            ("line breaks at the ends go", "\n a \n", "a"),
            ("Unicode line breaks count", "a\u{2028}b\u{85}c", "a ⏎ b ⏎ c"),
            ("a tab is a blank", "a\tb", "a b"),
            ("colours go whole", "\u{1b}[1;31mred\u{1b}[0m", "red"),
            ("titles go whole", "\u{1b}]0;owned\u{7}text", "text"),
            ("links go whole", "\u{1b}]8;;http://evil\u{1b}\\text\u{1b}]8;;\u{1b}\\", "text"),
            ("an unfinished title takes its line", "\u{1b}]0;owned\nnext", "next"),
            ("C1 sequences too", "\u{9b}31mred", "red"),
            ("character sets too", "\u{1b}(Btext", "text"),
            ("controls go", "a\u{0}\u{8}\u{7f}b", "ab"),
            ("bidi overrides go", "a\u{202e}b\u{2066}c\u{200f}", "abc"),
            ("zero-width characters go", "a\u{200b}\u{feff}b\u{2060}", "ab"),
            (
                "so does what a comparison by culture does not see",
                ":\u{fe0f}:error::x #\u{1d173}#[error]",
                ": :error::x ## [error]",
            ),
            ("a command at the start is broken up", "::set-output name=x::y", ": :set-output name=x::y"),
            ("after blanks too", "  ::error::x", ": :error::x"),
            ("after a line break too", "a\n ::error::x", "a ⏎  : :error::x"),
            ("after something invisible too", "\u{200b}:\u{200b}:error::x", ": :error::x"),
            ("an old command is broken up anywhere", "x ##[set-output name=a]b", "x ## [set-output name=a]b"),
            ("with something invisible inside too", "##\u{1b}[0m\u{200b}[error]", "## [error]"),
            ("an address in the middle stays", "dial tcp [::1]:5000", "dial tcp [::1]:5000"),
            ("broken bytes leave one mark", "a\u{fffd}\u{fffd}\u{fffd}b", "a\u{fffd}b"),
        ] {
            assert_eq!(one_line(text, 200), expected, "{what}");
        }
    }

    #[test]
    fn long_text_is_cut_at_the_limit_with_a_mark() {
        assert_eq!(one_line("abcdef", 6), "abcdef");
        assert_eq!(one_line("abcdefg", 6), "abcde…");
        assert_eq!(one_line("世界世界", 3), "世界…");
    }

    #[test]
    fn markdown_shows_the_characters_themselves() {
        for (text, expected) in [
            ("a|b", "a\\|b"),
            ("<img src=x>&amp;", "&lt;img src=x&gt;&amp;amp;"),
            ("[x](y) *z* _w_ `v`", "\\[x\\](y) \\*z\\* \\_w\\_ \\`v\\`"),
            ("# title", "\\# title"),
            ("- item", "\\- item"),
            ("see https://evil.example", "see https\\://evil.example"),
            ("see www.evil.example", "see www\\.evil.example"),
            ("1. item", "1\\. item"),
            ("v1.2 (3)", "v1.2 (3)"),
            ("a\nb", "a ⏎ b"),
        ] {
            assert_eq!(markdown(text), expected);
        }
        assert_eq!(html("1.a_b <x> https://y"), "1&#46;a&#95;b &lt;x&gt; https&#58;//y");
        assert_eq!(code("a`b|c"), "`a'b\\|c`");
        assert_eq!(code("a\\|c"), "`a\\ \\|c`");
    }

    #[test]
    fn prose_keeps_pairs_of_back_ticks() {
        assert_eq!(markdown_text("set `a_b` for <x>"), "set `a_b` for &lt;x&gt;");
        assert_eq!(markdown_text("a ` b <x>"), "a \\` b &lt;x&gt;");
        assert_eq!(markdown_text("``` a"), "\\`\\`\\` a");
    }
}
