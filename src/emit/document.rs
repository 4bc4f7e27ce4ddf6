//! What the text of a file is made of: comments in front, then data through serde.
//!
//! Owns that every value is written so that its readers take it for what it is. Samples, which are comments, are text.

use serde::Serialize;

use crate::emit::files::EmittedFile;

pub fn file(path: impl Into<String>, language: &'static str, text: String) -> EmittedFile {
    EmittedFile { path: path.into(), language, text }
}

/// The first lines of a file: what it is, what it does not do. `#` comments.
pub fn header(about: &[&str], notes: &[String]) -> String {
    let mut text = "# Written by mirror-image; the next run writes it anew.\n".to_owned();
    for line in about.iter().copied().chain(notes.iter().map(String::as_str)) {
        text += "# ";
        text += line;
        text += "\n";
    }
    text
}

/// One document of YAML, its values on one line each. What comes from outside is to be `DoubleQuoted`: readers of YAML 1.1
/// take a tag like `1e3` or `on` for something else.
pub fn yaml<T: Serialize>(value: &T) -> Result<String, String> {
    let options = serde_saphyr::ser_options! { prefer_block_scalars: false, compact_list_indent: true };
    serde_saphyr::to_string_with_options(value, options).map_err(|error| error.to_string())
}

/// Tables of TOML.
pub fn toml<T: Serialize>(value: &T) -> Result<String, String> {
    toml::to_string(value).map_err(|error| error.to_string())
}
