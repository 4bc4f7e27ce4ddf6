//! The runner's workflow commands and how text is escaped in them.

/// A message as the runner reads it back.
pub fn escape_message(text: &str) -> String {
    // The percent sign first: the others add some.
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// A property's value as the runner reads it back.
pub fn escape_property(text: &str) -> String {
    escape_message(text).replace(':', "%3A").replace(',', "%2C")
}

/// `::name key=value::message`.
pub fn command(name: &str, title: Option<&str>, message: &str) -> String {
    annotation(name, None, title, message)
}

/// A line of a file that an annotation is about, counted from one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InFile {
    /// Its path below the workspace.
    pub file: String,
    pub line: usize,
    pub column: usize,
}

/// A command whose message is shown at a line of a file.
pub fn annotation(name: &str, place: Option<&InFile>, title: Option<&str>, message: &str) -> String {
    let mut properties = Vec::new();
    if let Some(InFile { file, line, column }) = place {
        properties.push(format!("file={}", escape_property(file)));
        properties.push(format!("line={line}"));
        properties.push(format!("col={column}"));
    }
    let title = title.filter(|title| !title.is_empty());
    properties.extend(title.map(|title| format!("title={}", escape_property(title))));
    let space = if properties.is_empty() { "" } else { " " };
    format!("::{name}{space}{}::{}", properties.join(","), escape_message(message))
}

#[cfg(test)]
mod tests {
    use super::{InFile, annotation, command};

    #[test]
    fn commands_are_escaped_as_the_runner_reads_them() {
        assert_eq!(command("debug", None, "100%\r\na:b,c"), "::debug::100%25%0D%0Aa:b,c");
        assert_eq!(command("error", Some("a:b,c%"), "x"), "::error title=a%3Ab%2Cc%25::x");
        assert_eq!(command("notice", Some(""), "x"), "::notice::x");
        let place = InFile { file: "a,b:c.yml".to_owned(), line: 3, column: 9 };
        let expected = "::error file=a%2Cb%3Ac.yml,line=3,col=9,title=t::x";
        assert_eq!(annotation("error", Some(&place), Some("t"), "x"), expected);
    }
}
