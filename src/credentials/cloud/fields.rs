//! One login of `registry-identities`: a registry, a type, and the fields that the type has.
//!
//! Owns the sentence about a field that is missing, empty or not known. Values are names, and are quoted: no field is secret.

use crate::error::Error;
use crate::text::nearest::nearest;
use crate::text::quote::quote;

/// The input.
pub const INPUT: &str = "registry-identities";

/// The fields of one login, as they were written; their names with hyphens, in whichever way they were written.
#[derive(Clone, Debug, Default)]
pub struct Fields {
    /// The line that it begins at.
    pub line: usize,
    /// In the order written.
    pub all: Vec<Field>,
}

/// One field.
#[derive(Clone, Debug)]
pub struct Field {
    pub name: String,
    pub value: String,
    pub line: usize,
}

impl Fields {
    /// A problem with this login as a whole.
    pub fn problem(&self, what: impl std::fmt::Display) -> Error {
        problem_at(self.line, what)
    }

    /// A problem with its field `name`.
    pub fn problem_in(&self, name: &str, what: impl std::fmt::Display) -> Error {
        let field = self.all.iter().find(|field| field.name == name);
        problem_at(field.map_or(self.line, |field| field.line), what)
    }

    /// A field; none where it is not there. One that is there and empty is a variable that is not set.
    pub fn get(&self, name: &str) -> Result<Option<String>, Error> {
        let mut fields = self.all.iter().filter(|field| field.name == name);
        let Some(field) = fields.next() else { return Ok(None) };
        if let Some(second) = fields.next() {
            return Err(problem_at(second.line, format_args!("has `{name}` twice; leave one out")));
        }
        if field.value.trim().is_empty() {
            let what = format_args!(
                "has an empty `{name}` (a variable or secret that is not set is empty); fill it in, or leave the login out"
            );
            return Err(problem_at(field.line, what));
        }
        Ok(Some(field.value.trim().to_owned()))
    }

    /// A field that must be there.
    pub fn need(&self, name: &str, example: &str) -> Result<String, Error> {
        let value = self.get(name)?;
        value.ok_or_else(|| self.problem(format_args!("has no `{name}`; write one like `{example}`")))
    }

    /// A field that must be there, and of a form.
    pub fn need_like(&self, name: &str, example: &str, is: fn(&str) -> bool) -> Result<String, Error> {
        let value = self.need(name, example)?;
        if is(&value) {
            return Ok(value);
        }
        Err(self.problem_in(name, format_args!("`{name}` is `{}`; write one like `{example}`", quote(&value))))
    }

    /// Nothing may be there that is none of `known`, the names that the type has. Asked before a field is missed: one that is
    /// written wrong is both.
    pub fn only(&self, kind: &str, known: &[&str]) -> Result<(), Error> {
        let Some(Field { name, line, .. }) = self.all.iter().find(|field| !known.contains(&field.name.as_str())) else {
            return Ok(());
        };
        let hint = match nearest(name, known.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("it has {}", known.join(", ")),
        };
        Err(problem_at(*line, format_args!("`{}` is not a field of `{kind}`; {hint}", quote(name))))
    }
}

fn problem_at(line: usize, what: impl std::fmt::Display) -> Error {
    Error::input(INPUT, format!("line {line}: {what}"))
}

/// Letters, digits, `.`, `_` and `-`: what names have everywhere.
pub fn is_name(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 255
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
}

/// Eight, four, four, four and twelve hexadecimal digits.
pub fn is_uuid(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    parts.iter().map(|part| part.len()).eq([8, 4, 4, 4, 12])
        && parts.iter().all(|part| part.bytes().all(|byte| byte.is_ascii_hexdigit()))
}
