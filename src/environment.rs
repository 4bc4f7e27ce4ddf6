//! The process's variables, read once, so that nothing else looks at them.
//!
//! Owns what counts as set. Never shows a value.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;

/// The environment variables, so that nothing else looks at the process's own.
#[derive(Clone, Default)]
pub struct Environment {
    values: BTreeMap<String, String>,
    /// Names of variables whose values are not Unicode.
    unreadable: BTreeSet<String>,
}

impl std::fmt::Debug for Environment {
    /// Names only: the values hold secrets.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.values.keys().chain(&self.unreadable)).finish()
    }
}

impl Environment {
    /// This process's.
    pub fn of_process() -> Self {
        std::env::vars_os().collect()
    }

    /// A variable without surrounding blanks; one that is empty or blank counts as not set, and so does one that is not
    /// Unicode ([`Environment::is_unreadable`]).
    pub fn get(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(|value| value.trim_matches(is_blank)).filter(|value| !value.is_empty())
    }

    /// Whether a variable is set to something that is not Unicode.
    pub(crate) fn is_unreadable(&self, name: &str) -> bool {
        self.unreadable.contains(name)
    }

    pub(crate) fn inputs(&self) -> impl Iterator<Item = &str> {
        self.values.keys().filter(|name| self.get(name).is_some()).filter_map(|name| name.strip_prefix("INPUT_"))
    }
}

/// The mark that Windows editors put before a text is as blank as a space.
fn is_blank(character: char) -> bool {
    character.is_whitespace() || character == '\u{feff}'
}

impl FromIterator<(OsString, OsString)> for Environment {
    /// A variable whose name is not Unicode is left out: nothing asks for it.
    fn from_iter<T: IntoIterator<Item = (OsString, OsString)>>(variables: T) -> Self {
        let mut environment = Self::default();
        for (name, value) in variables {
            let Ok(name) = name.into_string() else { continue };
            match value.into_string() {
                Ok(value) => _ = environment.values.insert(name, value),
                Err(_) => _ = environment.unreadable.insert(name),
            }
        }
        environment
    }
}

impl From<BTreeMap<String, String>> for Environment {
    fn from(values: BTreeMap<String, String>) -> Self {
        Self { values, unreadable: BTreeSet::new() }
    }
}

impl From<&[(&str, &str)]> for Environment {
    fn from(variables: &[(&str, &str)]) -> Self {
        let values = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        values.collect::<BTreeMap<_, _>>().into()
    }
}
