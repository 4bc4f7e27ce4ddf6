//! From flags and variables to typed inputs.
//!
//! Owns what is read and which of two wins. Contacts nothing. Never quotes the value of a secret, and never takes one from a
//! positional word.

pub mod access;
mod attest;
pub mod command_line;
pub mod completions;
pub mod config;
mod consumers;
mod elsewhere;
pub mod files;
pub mod from_files;
pub mod globs;
mod identities;
mod lock;
pub mod outputs;
mod paths;
mod prune;
mod row;
mod signatures;
pub mod table;
pub mod typed;
pub mod values;
pub mod words;

use std::collections::BTreeMap;
use std::ffi::OsString;

use clap::error::ErrorKind;

use crate::credentials::cnb::CNB_REGISTRY_AUTH;
use crate::environment::Environment;
use crate::error::Error;
use crate::inputs::command_line::{Asked, Purpose, command_line, explain};
use crate::inputs::table::{INPUTS, known};
use crate::inputs::typed::{Invocation, Task};
use crate::inputs::values::{Named, Values};
use crate::plan::request::Images;
use crate::regular_file;
use crate::runner::talk::Format;
use crate::runner::{Surroundings, gitlab};
use crate::store::mirrors::rules::CNB_REGISTRY_MIRRORS;
use crate::text::choice::Choice as _;
use crate::text::nearest::nearest;
use crate::text::quote::quote;

/// Reads the arguments (without the program's own name) and the environment.
///
/// A flag wins over `INPUT_FOO-BAR`, that over `INPUT_FOO_BAR`, that over the default.
pub fn read(arguments: Vec<OsString>, environment: &Environment) -> Result<Invocation, Error> {
    refuse_unreadable(&arguments, environment)?;
    refuse_endless(environment)?;
    let command = arguments.iter().find_map(|word| Task::parse(word.to_str()?));
    let matches = match command_line(Purpose::Read).try_get_matches_from(arguments) {
        Ok(matches) => matches,
        Err(error) if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) => {
            return Ok(Invocation::Print(error.render().to_string()));
        }
        Err(error) => return Err(explain(&error, command)),
    };
    let flags = match Asked::of(&matches)? {
        Asked::Run(flags) => flags,
        Asked::Completions(words) => return completions::render(&words).map(Invocation::Print),
        Asked::Version => return Ok(Invocation::Print(command_line(Purpose::Read).render_version())),
    };
    let mut notices = unknown_variables(environment);
    notices.extend(flags.notices);
    let mut given = BTreeMap::new();
    for input in INPUTS {
        let variables = variables_of(input.name);
        let flag = flags.values.get(input.name).map(String::as_str);
        if flag.is_some() && input.kind.is_secret() {
            notices.push(format!(
                "`--{}` can be read by everyone who can list processes; give it as the variable {}",
                input.name, variables[1]
            ));
        }
        if let Some(value) = flag.or_else(|| variables.iter().find_map(|name| environment.get(name))) {
            given.insert(input.name, value.to_owned());
        }
    }
    let values = Values(given);
    let mut secrets = values.secrets();
    if let Some((_, login)) = Surroundings::of(environment).gitlab().and_then(|_| gitlab::registry_login(environment)) {
        secrets.push((gitlab::PASSWORD, login.password));
    }
    values.refuse_misplaced(&secrets)?;
    let mut inputs = values.inputs(environment, notices).map_err(|error| without(error, &secrets))?;
    inputs.debug_log |= flags.verbose;
    inputs.talk = flags.talk;
    let repository = values.repository(flags.talk.format).map_err(|error| without(error, &secrets))?;
    let files = values.files(environment, flags.talk.format).map_err(|error| without(error, &secrets))?;
    if flags.talk.format == Some(Format::Plan) && !(inputs.dry_run && matches!(inputs.request.images, Images::List(_)))
    {
        let problem = "is `plan`, which a dry run over a list has; name the list by `config`, and add `--dry-run`";
        return Err(Error::input("output", problem));
    }
    let inputs = Box::new(inputs);
    Ok(match (repository, files) {
        (Some(repository), _) => Invocation::Tags(inputs, repository),
        (None, Some(files)) => Invocation::Files(inputs, Box::new(files)),
        (None, None) => Invocation::Run(inputs),
    })
}

/// A sentence about a bad value quotes it, and with it whatever was put there by mistake.
fn without(error: Error, secrets: &[Named]) -> Error {
    match error {
        Error::Input { name, problem } => {
            let problem = secrets.iter().fold(problem, |problem, (_, secret)| secret.hide(&problem));
            Error::Input { name, problem }
        }
        other => other,
    }
}

/// The usage, where nothing at all was asked for: neither by an argument nor by a variable.
pub fn usage(arguments: &[OsString], environment: &Environment) -> Option<String> {
    let is_asked = |name: &str| variables_of(name).iter().any(|name| environment.get(name).is_some());
    let is_person = Surroundings::of(environment) == Surroundings::Terminal;
    let asks_nothing = arguments.is_empty() && !INPUTS.iter().any(|input| is_asked(input.name));
    (is_person && asks_nothing).then(command_line::usage)
}

/// Whether a summary is wanted of a run whose inputs could not be read.
pub fn wants_summary(environment: &Environment) -> bool {
    let value = variables_of("summary").into_iter().find_map(|name| environment.get(&name));
    !value.is_some_and(|value| value.trim().eq_ignore_ascii_case("false"))
}

/// The variables that are read besides inputs. `HOME` is not among them: a home of any name may have no login in it.
const VARIABLES: [&str; 20] = [
    "ALL_PROXY",
    CNB_REGISTRY_AUTH,
    CNB_REGISTRY_MIRRORS,
    "DOCKER_CONFIG",
    "GITHUB_ACTOR",
    "GITHUB_API_URL",
    "GITHUB_OUTPUT",
    "GITHUB_REPOSITORY",
    "GITHUB_SERVER_URL",
    "GITHUB_STEP_SUMMARY",
    "GITHUB_WORKSPACE",
    "HTTPS_PROXY",
    "HTTP_PROXY",
    "NO_PROXY",
    "REGISTRY_AUTH_FILE",
    "XDG_RUNTIME_DIR",
    "all_proxy",
    "http_proxy",
    "https_proxy",
    "no_proxy",
];

/// Refuses what is not Unicode, in an argument or in a variable that would be read: a password that counts as not given
/// is a puzzle. The value is not repeated.
fn refuse_unreadable(arguments: &[OsString], environment: &Environment) -> Result<(), Error> {
    if let Some(before) = arguments.iter().position(|argument| argument.to_str().is_none()) {
        let problem = format!("are not all text: number {} is not Unicode; write it in UTF-8", before + 1);
        return Err(Error::input("arguments", problem));
    }
    let inputs = INPUTS.iter().flat_map(|input| variables_of(input.name));
    let of_gitlab = Surroundings::of(environment).gitlab().map_or(&[][..], |_| &gitlab::VARIABLES);
    let mut names = inputs.chain(VARIABLES.iter().chain(of_gitlab).map(|name| (*name).to_owned()));
    match names.find(|name| environment.is_unreadable(name)) {
        Some(name) => {
            Err(Error::input(name, "is a variable whose value is not Unicode; set it in UTF-8, or not at all"))
        }
        None => Ok(()),
    }
}

/// Refuses a bundle of certificates that is no file: what reads it waits for as long as a pipe has no other end.
fn refuse_endless(environment: &Environment) -> Result<(), Error> {
    const BUNDLE: &str = "SSL_CERT_FILE";
    match environment.get(BUNDLE).map(|path| regular_file::check(path.as_ref())) {
        Some(Err(error)) if regular_file::is_no_file(&error) => {
            Err(Error::input(BUNDLE, format!("names what cannot be read: {error}; name a file, or leave it out")))
        }
        // A file that is not there is said where a certificate is needed.
        _ => Ok(()),
    }
}

/// The variables that an input is read from, the one that wins first: as the runner writes it, and as a shell can.
fn variables_of(input: &str) -> [String; 2] {
    let upper = input.to_ascii_uppercase();
    [format!("INPUT_{upper}"), format!("INPUT_{}", upper.replace('-', "_"))]
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
        notices.push(format!("input `{}` is not known and has no effect{hint}", quote(&name)));
    }
    notices
}

#[cfg(test)]
mod tests;
