//! The command line, made from the table.
//!
//! Owns flags, positional words and the sentence about what cannot be parsed. Never repeats a value: it may be a password in
//! the wrong place.

use std::collections::BTreeMap;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, ArgAction, ValueHint};

use crate::error::Error;
use crate::inputs::table::{INPUTS, Kind, known};
use crate::text::blank::trimmed;
use crate::text::nearest::nearest;
use crate::text::quote::quote;

/// The positional words, of which there are up to three.
const WORDS: &str = "words";

/// The command that prints what shells and `man` know of the command line. No input: it is for nobody's workflow.
pub const COMPLETIONS: &str = "completions";

/// What follows it.
pub const FORMS: &str = "bash|zsh|fish|man";

/// A flag only, no input: the runner has a variable of its own for it.
const VERBOSE: &str = "verbose";

/// The command line, made from the table.
pub fn command_line() -> clap::Command {
    let mut command = clap::Command::new("mirror-image")
        .version(env!("CARGO_PKG_VERSION"))
        .about("Mirrors a container image from one registry to another, its digests kept")
        .override_usage(format!(
            "mirror-image [copy|inspect|verify|access [SOURCE [TARGET]]] [--INPUT VALUE]...\n       mirror-image {COMPLETIONS} \
             {FORMS}"
        ))
        .after_help(
            "Every flag can be given as a variable instead: INPUT_DRY_RUN=true is --dry-run. Give passwords and tokens \
             that way.",
        )
        .no_binary_name(true)
        .arg(Arg::new(WORDS).num_args(0..).hide(true))
        .arg(Arg::new(VERBOSE).short('v').long(VERBOSE).action(ArgAction::Count).help(
            "Print every request that is sent, without anything secret (in Actions: RUNNER_DEBUG=1; RUST_LOG=debug does the \
             same)",
        ));
    for input in INPUTS {
        let mut help = input.help.to_owned();
        if let Kind::Choice(words) = input.kind {
            help = format!("{help}: {}", words().join(", "));
        }
        if let Some(default) = input.literal_default() {
            help = format!("{help} [default: {default}]");
        }
        let arg = Arg::new(input.name).long(input.name).help(help);
        command = command.arg(match input.kind {
            // `--dry-run` must not swallow the word after it.
            Kind::Boolean => arg.num_args(0..=1).require_equals(true).default_missing_value("true").value_name("BOOL"),
            Kind::File => arg.value_hint(ValueHint::AnyPath).value_name(value_name(input.kind)),
            Kind::List | Kind::SecretLines => arg.action(ArgAction::Append).value_name(value_name(input.kind)),
            _ => arg.value_name(value_name(input.kind)),
        });
    }
    command
}

pub fn value_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Reference => "IMAGE",
        Kind::Text => "TEXT",
        Kind::Choice(_) => "WORD",
        Kind::Boolean => "BOOL",
        Kind::List => "LIST",
        Kind::Digest => "DIGEST",
        Kind::File => "FILE",
        Kind::Secret => "SECRET",
        Kind::SecretLines => "LINES",
        Kind::Duration => "TIME",
    }
}

/// The words behind `completions`, where that is the command.
pub fn completions(matches: &clap::ArgMatches) -> Option<Vec<&str>> {
    let mut words = matches.get_many::<String>(WORDS)?.map(String::as_str);
    (words.next() == Some(COMPLETIONS)).then(|| words.collect())
}

/// What the command line says, by input; values that are blank are left out.
pub struct Flags {
    pub values: BTreeMap<&'static str, String>,
    /// `--verbose`.
    pub verbose: bool,
}

impl Flags {
    pub fn of(matches: &clap::ArgMatches) -> Result<Self, Error> {
        let mut values = BTreeMap::new();
        for input in INPUTS {
            let Some(given) = matches.get_many::<String>(input.name) else { continue };
            let value = given.map(|value| trimmed(value)).collect::<Vec<_>>().join("\n");
            if !value.trim().is_empty() {
                values.insert(input.name, value);
            }
        }
        let mut flags = Self { values, verbose: matches.get_count(VERBOSE) > 0 };
        flags.take_words(matches.get_many::<String>(WORDS).unwrap_or_default().map(String::as_str).collect())?;
        Ok(flags)
    }

    /// Sorts the positional words: a command, the source, the target.
    fn take_words(&mut self, words: Vec<&str>) -> Result<(), Error> {
        if let Some(word) = words.iter().find(|word| matches!(word.to_ascii_lowercase().as_str(), "true" | "false")) {
            let problem = format!("`{word}` stands alone; write it with the flag it belongs to, `--dry-run={word}`");
            return Err(Error::input("arguments", problem));
        }
        // A first word that is no command is judged as one, so that a mistyped command never becomes an image.
        let names = ["command", "source", "target"];
        if words.len() > names.len() {
            // The words are not repeated: one of them may be a password in the wrong place.
            let problem = "are too many; write `mirror-image copy|inspect|verify|access SOURCE [TARGET]` and everything else as \
                           flags or variables";
            return Err(Error::input("arguments", problem));
        }
        for (name, word) in names.iter().zip(words).filter(|(_, word)| !word.trim().is_empty()) {
            if self.values.insert(name, word.trim().to_owned()).is_some_and(|flag| flag != word.trim()) {
                let problem = format!("is given twice, as a word and as `--{name}`; leave one of them out");
                return Err(Error::input(*name, problem));
            }
        }
        Ok(())
    }
}

/// A sentence of ours for what the command line's parser refused. Its own may quote values, and so secrets.
pub fn explain(error: &clap::Error) -> Error {
    let argument = match error.get(ContextKind::InvalidArg) {
        Some(ContextValue::String(argument)) => argument.as_str(),
        Some(ContextValue::Strings(arguments)) => arguments.first().map_or("", String::as_str),
        _ => "",
    };
    let is_long = argument.starts_with("--");
    let name = argument.trim_start_matches('-').split([' ', '=', '[', '<']).next().unwrap_or_default();
    match error.kind() {
        // Something else that begins with dashes may be a password, and is not repeated.
        ErrorKind::UnknownArgument if is_long && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-') => {
            let hint = nearest(name, INPUTS.iter().map(|input| input.name));
            let hint = hint.map_or_else(String::new, |name| format!("; did you mean `--{name}`?"));
            Error::input(format!("--{}", quote(name)), format!("is not known{hint} (`mirror-image --help` lists all)"))
        }
        ErrorKind::UnknownArgument => Error::input(
            "arguments",
            "have something that begins with `-`; flags begin with `--` (`mirror-image --help`)",
        ),
        ErrorKind::ArgumentConflict => Error::input(name, "is given more than once; give it once"),
        _ if known(name).is_some_and(|input| matches!(input.kind, Kind::Boolean)) => {
            Error::input(name, format!("takes its value after an equals sign, `--{name}=true`, or none"))
        }
        _ if known(name).is_some() => Error::input(
            name,
            format!("has no value; write `--{name} VALUE`, or `--{name}=VALUE` if it begins with `-`"),
        ),
        _ => Error::input("arguments", "cannot be read; `mirror-image --help` says how they are written"),
    }
}
