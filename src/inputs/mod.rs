//! From flags and variables to typed inputs.
//!
//! Owns what is read and which of two wins. Contacts nothing. Never quotes the value of a secret, and never takes one from a
//! positional word.

pub mod command_line;
pub mod table;
pub mod typed;
pub mod values;
pub mod words;

use std::collections::BTreeMap;

use clap::error::ErrorKind;

use crate::environment::Environment;
use crate::error::Error;
use crate::inputs::command_line::{Flags, command_line, explain};
use crate::inputs::table::{INPUTS, known};
use crate::inputs::typed::Invocation;
use crate::inputs::values::{Values, without};
use crate::inputs::words::nearest;
use crate::text::quote::shown;

/// Reads the arguments (without the program's own name) and the environment.
///
/// A flag wins over `INPUT_FOO-BAR`, that over `INPUT_FOO_BAR`, that over the default.
pub fn read(arguments: Vec<String>, environment: &Environment) -> Result<Invocation, Error> {
    let flags = match command_line().try_get_matches_from(arguments) {
        Ok(matches) => Flags::of(&matches)?,
        Err(error) if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) => {
            return Ok(Invocation::Print(error.render().to_string()));
        }
        Err(error) => return Err(explain(&error)),
    };
    let mut notices = unknown_variables(environment);
    let mut given = BTreeMap::new();
    for input in INPUTS {
        let upper = input.name.to_ascii_uppercase();
        let flag = flags.values.get(input.name).map(String::as_str);
        if flag.is_some() && input.kind.is_secret() {
            notices.push(format!(
                "`--{}` can be read by everyone who can list processes; give it as the variable INPUT_{}",
                input.name,
                upper.replace('-', "_")
            ));
        }
        let variable = || environment.get(&format!("INPUT_{upper}"));
        let posix_variable = || environment.get(&format!("INPUT_{}", upper.replace('-', "_")));
        if let Some(value) = flag.or_else(variable).or_else(posix_variable) {
            given.insert(input.name, value.to_owned());
        }
    }
    let values = Values(given);
    let secrets = values.secrets();
    values.refuse_misplaced(&secrets)?;
    let mut inputs = values.inputs(environment, notices).map_err(|error| without(error, &secrets))?;
    inputs.debug_log |= flags.verbose;
    Ok(Invocation::Run(Box::new(inputs)))
}

/// Notices about variables that look like inputs and are not.
pub fn unknown_variables(environment: &Environment) -> Vec<String> {
    let mut notices = Vec::new();
    for variable in environment.inputs() {
        let name = variable.to_ascii_lowercase().replace('_', "-");
        // The runner sets these two for every container action that has them.
        if matches!(name.as_str(), "args" | "entrypoint") || known(&name).is_some() {
            continue;
        }
        let hint = nearest(&name, INPUTS.iter().map(|input| input.name));
        let hint = hint.map_or_else(String::new, |name| format!("; did you mean `{name}`?"));
        notices.push(format!("input `{}` is not known and has no effect{hint}", shown(&name)));
    }
    notices
}

#[cfg(test)]
mod tests {
    use super::read;
    use crate::credentials::Given;
    use crate::environment::Environment;
    use crate::inputs::typed::Invocation;
    use crate::observe::events::Event;
    use crate::secret::{Credential, Secret};

    #[test]
    fn nothing_that_holds_a_secret_shows_it_to_who_prints_it_whole() {
        let environment = Environment::from(
            &[
                ("INPUT_SOURCE", "a/b"),
                ("INPUT_SOURCE_USERNAME", "me"),
                ("INPUT_SOURCE_PASSWORD", "hunter2-1"),
                ("INPUT_TARGET_USERNAME", "me"),
                ("INPUT_TARGET_PASSWORD", "hunter2-2"),
                ("INPUT_REGISTRY_AUTH", "x.io me hunter2-3"),
                ("INPUT_GITHUB_TOKEN", "hunter2-4"),
                ("INPUT_ADMIN_TOKEN", "hunter2-5"),
                ("CNB_REGISTRY_AUTH", r#"{"y.io": "Bearer hunter2-6"}"#),
            ][..],
        );
        let invocation = read(Vec::new(), &environment).unwrap();
        let Invocation::Run(inputs) = &invocation else { panic!("not a run") };
        assert_eq!(inputs.credentials.secrets().len(), 10, "each, and the pair of each in a Basic header");
        let credential = Credential { username: "me".to_owned(), password: Secret::new("hunter2") };
        let given = Given { registry_auth: Some(Secret::new("x.io me hunter2")), ..Given::default() };
        let event = Event::Mask(Secret::new("hunter2"));
        for text in [
            format!("{environment:?}"),
            format!("{invocation:?}"),
            format!("{credential:?} {:?} {:?}", credential.basic(), credential.pair()),
            format!("{given:?} {event:?}"),
        ] {
            assert!(!text.contains("hunter2") && !text.contains("aHVudGVy"), "{text}");
        }
    }
}
