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
    let message = escape_message(message);
    match title {
        Some(title) if !title.is_empty() => format!("::{name} title={}::{message}", escape_property(title)),
        _ => format!("::{name}::{message}"),
    }
}

#[cfg(test)]
mod tests {
    use super::command;

    #[test]
    fn commands_are_escaped_as_the_runner_reads_them() {
        assert_eq!(command("debug", None, "100%\r\na:b,c"), "::debug::100%25%0D%0Aa:b,c");
        assert_eq!(command("error", Some("a:b,c%"), "x"), "::error title=a%3Ab%2Cc%25::x");
        assert_eq!(command("notice", Some(""), "x"), "::notice::x");
    }
}
