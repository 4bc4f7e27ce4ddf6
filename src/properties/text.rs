//! What must hold of text from outside, wherever it is shown.

use crate::properties::actions;
use crate::text::sanitise;

/// Text from outside. It becomes one line that neither terminal nor runner acts on, and Markdown that shows what that line
/// says and is nothing else: no link, no picture, no markup, no further cell.
pub fn text(text: &str) {
    let line = sanitise::one_line(text, usize::MAX);
    assert_eq!(sanitise::one_line(&line, usize::MAX), line, "what is safe stays as it is");
    for limit in [1, 2, 7, 63] {
        assert!(sanitise::one_line(text, limit).chars().count() <= limit);
    }
    for shown in [
        &line,
        &sanitise::one_line(text, 7),
        &sanitise::markdown(text),
        &sanitise::markdown_text(text),
        &sanitise::code(text),
    ] {
        assert!(!shown.contains(|c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}')), "{shown:?}");
        assert_eq!(actions::commands(shown), [], "{shown:?}");
    }
    assert!(line.split('⏎').all(|part| !part.trim_start().starts_with("::")), "{line:?}");
    assert_eq!(rendered(&sanitise::markdown(text)), Ok(unspaced(&line)));
    // Its pairs of back-ticks are markup on purpose.
    let without_ticks = |text: String| unspaced(&text.replace('`', ""));
    assert_eq!(rendered(&sanitise::markdown_text(text)).map(without_ticks), Ok(without_ticks(line.clone())));
    if !line.is_empty() {
        let said = |shown: String| unspaced(&shown.replace(['`', '\''], "'"));
        let cell = |text: &str| rendered(&format!("| a | b |\n| --- | --- |\n| {text} | end |\n"));
        assert_eq!(cell(&sanitise::markdown(text)).map(said), Ok(said(format!("ab{line}end"))));
        assert_eq!(cell(&sanitise::code(text)).map(said), Ok(said(format!("ab{line}end"))));
    }
}

/// Blanks do not count: renderers trim and join them.
pub fn unspaced(text: &str) -> String {
    text.split_whitespace().collect()
}

/// The text of `markdown` as a reader sees it; the first thing in it that is more than text, as an error.
pub fn rendered(markdown: &str) -> Result<String, String> {
    use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};
    let extensions = Options::ENABLE_TABLES
        | Options::ENABLE_STRIKETHROUGH
        | Options::ENABLE_FOOTNOTES
        | Options::ENABLE_TASKLISTS
        | Options::ENABLE_GFM;
    let mut text = String::new();
    for event in Parser::new_ext(markdown, extensions) {
        match event {
            Event::Text(part) | Event::Code(part) => text.push_str(&part),
            Event::Start(Tag::Paragraph | Tag::Table(_) | Tag::TableHead | Tag::TableRow | Tag::TableCell)
            | Event::End(
                TagEnd::Paragraph | TagEnd::Table | TagEnd::TableHead | TagEnd::TableRow | TagEnd::TableCell,
            ) => {}
            other => return Err(format!("{other:?} in {markdown:?}")),
        }
    }
    // What GitHub makes links of besides (GFM, "Autolinks (extension)"); escaped, or in a code span, it stays text.
    let mut bare = String::new();
    let (mut characters, mut in_code) = (markdown.chars(), false);
    while let Some(character) = characters.next() {
        match character {
            // What stands before a code span and what stands behind it are not one word.
            '`' => {
                in_code = !in_code;
                bare.push(' ');
            }
            _ if in_code => {}
            '\\' => bare.extend(characters.next().map(|_| ' ')),
            _ => bare.push(character.to_ascii_lowercase()),
        }
    }
    if bare.contains("://") || bare.contains("www.") {
        return Err(format!("a link in {markdown:?}"));
    }
    Ok(unspaced(&text))
}
