//! The command line, made from the table: a subcommand for each command, with the flags that it looks at.
//!
//! Owns subcommands, flags, positional words and the sentence about what cannot be parsed. Never repeats a value: it may be a
//! password in the wrong place.

use std::collections::BTreeMap;

use clap::builder::PossibleValuesParser;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, ArgAction, ArgMatches, ValueHint};

use crate::engine::options::Command;
use crate::error::Error;
use crate::inputs::elsewhere;
use crate::inputs::table::{Group, INPUTS, Input, Kind, known};
use crate::inputs::typed::{FileTask, Task};
use crate::runner::talk::{Colour, Format, Talk, Volume};
use crate::text::blank::trimmed;
use crate::text::choice::{Choice, words};
use crate::text::nearest::nearest;
use crate::text::quote::quote;

/// The subcommand that prints what shells and `man` know of the command line. No input: it is for nobody's workflow.
pub const COMPLETIONS: &str = "completions";

/// The subcommand that says what `--version` does.
pub const VERSION: &str = "version";

/// Flags only, no inputs: they are about a terminal, and the runner has variables of its own for it.
const VERBOSE: &str = "verbose";
const QUIET: &str = "quiet";
const OUTPUT: &str = "output";
const COLOUR: &str = "color";

/// What a subcommand is told by position; each is an input, but for those of `completions`.
const SOURCE: Word = Word { id: "SOURCE", input: "source", count: Count::One };
const REPOSITORY: Word = Word { id: "REPOSITORY", input: "source", count: Count::One };
const TARGET: Word = Word { id: "TARGET", input: "target", count: Count::AtMostOne };
const FILES: Word = Word { id: "FILE", input: "images-from", count: Count::Several };

/// A positional word.
struct Word {
    /// As the usage shows it.
    id: &'static str,
    /// The input that it stands for.
    input: &'static str,
    count: Count,
}

/// How many of a word the usage shows. It may come from a variable all the same.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Count {
    One,
    AtMostOne,
    Several,
}

/// One that asks registries.
struct Subcommand {
    task: Task,
    about: &'static str,
    words: &'static [Word],
    /// What it does, and how that is written.
    examples: &'static [(&'static str, &'static str)],
}

const SUBCOMMANDS: [Subcommand; 8] = [
    Subcommand {
        task: Task::Images(Command::Copy),
        about: "Copy images from one registry to another, their digests kept",
        words: &[SOURCE, TARGET],
        examples: &[
            ("An image with all its platforms", "mirror-image copy alpine:3.20 registry.example.com/mirror/alpine"),
            (
                "What would be copied, and how much of it",
                "mirror-image copy alpine:3.20 registry.example.com/mirror/alpine --dry-run",
            ),
            (
                "Many, each below one path",
                "mirror-image copy --images alpine:3.20,busybox:1.37 --target 'registry.example.com/mirror/{name}'",
            ),
        ],
    },
    Subcommand {
        task: Task::Images(Command::Inspect),
        about: "Show an image's digest, and that of each of its platforms",
        words: &[SOURCE],
        examples: &[
            ("Every platform with its digest", "mirror-image inspect alpine:3.20"),
            ("The digest of one platform", "mirror-image inspect alpine:3.20 --platforms linux/arm64"),
        ],
    },
    Subcommand {
        task: Task::Images(Command::Verify),
        about: "Compare a copy with its source, part by part; write nothing",
        words: &[SOURCE, TARGET],
        examples: &[("A mirror", "mirror-image verify alpine:3.20 registry.example.com/mirror/alpine")],
    },
    Subcommand {
        task: Task::Images(Command::Access),
        about: "Check or grant access to a package on GitHub; copy nothing",
        words: &[SOURCE, TARGET],
        examples: &[(
            "Let a team read what is mirrored below a repository",
            "INPUT_ADMIN_TOKEN=… mirror-image access --target ghcr.io/octo/mirrors/alpine:3.20 \\\n      --access-repository \
             octo/mirrors --teams developers=read",
        )],
    },
    Subcommand {
        task: Task::Tags,
        about: "List the tags of a repository, sorted as versions",
        words: &[REPOSITORY],
        examples: &[
            ("The newest one", "mirror-image tags registry.example.com/team/app | tail --lines 1"),
            ("As JSON", "mirror-image tags alpine --output json"),
        ],
    },
    Subcommand {
        task: Task::Files(FileTask::Images),
        about: "List the images that files name: Dockerfiles, compose files, Kubernetes, workflows",
        words: &[FILES],
        examples: &[
            ("Of a whole project, as a list for `config`", "mirror-image images . > images.txt"),
            ("Of a chart, as it is installed", "helm template ./chart | mirror-image images -"),
            (
                "Whether a list mirrors what a project needs",
                "mirror-image images --check --config images.yml k8s Dockerfile",
            ),
        ],
    },
    Subcommand {
        task: Task::Files(FileTask::Rewrite),
        about: "Write the mirror's names into files, and nothing else",
        words: &[FILES],
        examples: &[
            ("What would change", "mirror-image rewrite k8s --target 'registry.example.com/mirror/{name}' --dry-run"),
            (
                "Only what a list mirrors, each with the digest of its lock",
                "mirror-image rewrite k8s --config images.yml --lock images.lock --digests add",
            ),
            (
                "In a pipe",
                "helm template ./chart | mirror-image rewrite - --target 'registry.example.com/mirror/{name}'",
            ),
        ],
    },
    Subcommand {
        task: Task::Files(FileTask::Import),
        about: "Make a mirror list of another tool's list",
        words: &[FILES],
        examples: &[
            ("Of regsync", "mirror-image import regsync.yml > images.yml"),
            (
                "Of `skopeo sync`, whose destination is on its command line",
                "mirror-image import sync.yml --target 'registry.example.com/mirror/{name}' > images.yml",
            ),
        ],
    },
];

/// What a command line is made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// It is read: every input is a flag everywhere, shown or not, and its words are judged with those of the variables.
    Read,
    /// It is described, to shells and to `man`: only what a command looks at, with the words of each choice.
    Describe,
}

/// The whole command line.
pub fn command_line(purpose: Purpose) -> clap::Command {
    let mut command = clap::Command::new("mirror-image")
        .version(env!("CARGO_PKG_VERSION"))
        .about("Mirrors container images from one registry to another, their digests kept")
        .override_usage("mirror-image COMMAND [SOURCE [TARGET]] [OPTIONS]")
        .after_help(
            "`mirror-image help COMMAND` lists the options of a command, with examples.\nEvery option can be given as a \
             variable instead: INPUT_DRY_RUN=true is --dry-run. Give passwords that way.",
        )
        .max_term_width(100)
        .no_binary_name(purpose == Purpose::Read)
        // A first word that is no command is judged by whoever reads `command`.
        .allow_external_subcommands(true)
        .args(of_a_terminal(purpose));
    // Without a subcommand, and before one, as `--command=inspect --source=…`.
    for input in INPUTS.iter().filter(|_| purpose == Purpose::Read) {
        command = command.arg(flag(input, purpose).hide(true));
    }
    for subcommand in &SUBCOMMANDS {
        command = command.subcommand(subcommand.parser(purpose));
    }
    let version =
        clap::Command::new(VERSION).about("Print the version").override_usage(format!("mirror-image {VERSION}"));
    command.subcommand(completions(purpose)).subcommand(version)
}

/// The usage, for those who wrote nothing at all.
pub fn usage() -> String {
    command_line(Purpose::Read).render_help().to_string()
}

impl Subcommand {
    /// What is said of more words than it takes.
    fn too_many(&self) -> String {
        let words = self.words.iter().map(|word| word.id).collect::<Vec<_>>().join(" and ");
        let name = self.task.word();
        let more = match self.task {
            Task::Tags | Task::Files(_) => "run it once for each",
            Task::Images(Command::Inspect) => "give several images by `--images IMAGE,IMAGE`",
            Task::Images(_) => {
                "give several sources by `--images IMAGE,IMAGE`, and several targets with commas between them"
            }
        };
        format!("are too many: `{name}` takes {words} and flags; {more}")
    }

    fn parser(&self, purpose: Purpose) -> clap::Command {
        let name = self.task.word();
        let shown = |word: &Word| match word.count {
            Count::One => word.id.to_owned(),
            Count::AtMostOne => format!("[{}]", word.id),
            Count::Several => format!("{}…", word.id),
        };
        let words = match self.task {
            // It is about the target, whatever the source was.
            Task::Images(Command::Access) => "--target IMAGE".to_owned(),
            _ => self.words.iter().map(shown).collect::<Vec<_>>().join(" "),
        };
        let examples: Vec<String> = self.examples.iter().map(|(what, line)| format!("  {what}:\n    {line}")).collect();
        let examples = format!("Examples:\n{}", examples.join("\n"));
        let mut parser = clap::Command::new(name)
            .about(self.about)
            .override_usage(format!("mirror-image {name} {words} [OPTIONS]"))
            .after_help(format!("{examples}\n\n`mirror-image {name} --help` has every option."))
            .after_long_help(examples)
            .max_term_width(100);
        for word in self.words {
            let about = match self.task {
                Task::Tags => "`[registry/]repository`, without a tag. Docker Hub's short names work.",
                Task::Files(_) => "A file, a directory, a glob, or `-` for standard input.",
                Task::Images(_) => known(word.input).map_or("", |input| input.help),
            };
            let arg = Arg::new(word.id).value_name(word.id).help(first_sentence(about)).long_help(about);
            parser = parser.arg(match word.count {
                Count::Several => arg.num_args(0..).value_hint(ValueHint::AnyPath),
                Count::One | Count::AtMostOne => arg,
            });
        }
        for input in INPUTS {
            let is_word = self.words.iter().any(|word| word.input == input.name);
            let is_shown = !is_word && input.tasks.contains(&self.task);
            if is_shown || purpose == Purpose::Read {
                let mut flag = flag(input, purpose).hide(!is_shown);
                if let (Task::Files(_), Some(about)) = (self.task, of_files(input.name)) {
                    flag = flag.help(first_sentence(about)).long_help(about).help_heading("Files");
                }
                // Which list is said by `config`, and a file behind it is a file.
                if input.name == "check" && matches!(self.task, Task::Files(_)) {
                    flag = flag.num_args(0..=1).require_equals(true).default_missing_value("list");
                }
                parser = parser.arg(flag);
            }
        }
        parser.args(of_a_terminal(purpose))
    }
}

/// What an input means where files are read and no image is copied.
fn of_files(input: &str) -> Option<&'static str> {
    Some(match input {
        "target" => {
            "Where an image is in the mirror: a name with `{registry}` `{repository}` `{namespace}` `{name}` `{tag}` of the \
             source. [default: ghcr.io/{owner}/{repo}/{registry}/{repository}]"
        }
        "dry-run" => "Say what would change, and write nothing. [default: false]",
        "check" => "Fail where a file names an image that the list in `config` does not mirror, and print those.",
        "strict" => "Fail where an image is unresolved, stays as it is, or is not carried over. [default: false]",
        _ => return None,
    })
}

fn completions(purpose: Purpose) -> clap::Command {
    let form = Arg::new("form").value_name("FORM").num_args(0..).help("`bash`, `zsh`, `fish` or `man`");
    clap::Command::new(COMPLETIONS)
        .about("Print what a shell completes with, or a manual page")
        .override_usage(format!("mirror-image {COMPLETIONS} bash|zsh|fish\n       mirror-image {COMPLETIONS} man [COMMAND]"))
        .after_help(
            "Examples:\n  For this bash:\n    source <(mirror-image completions bash)\n  The manual page of a command:\n    \
             mirror-image completions man copy | man --local-file -",
        )
        .arg(match purpose {
            Purpose::Read => form,
            Purpose::Describe => form.value_parser(["bash", "zsh", "fish", "man"]),
        })
}

/// The flags that are no inputs.
fn of_a_terminal(purpose: Purpose) -> [Arg; 4] {
    let choice = |name: &'static str, words: Vec<&'static str>| {
        let arg = Arg::new(name).long(name).value_name("WORD");
        if purpose == Purpose::Describe { arg.value_parser(PossibleValuesParser::new(words)) } else { arg }
    };
    let data = "What to print to standard output: `text` (on a terminal), `json` (the whole report), `digest`, `plan` (of a \
                dry run over a list, Markdown) or `none`; into a pipe, unless this is given, goes `REPOSITORY:TAG@DIGEST`, a line for each image";
    [
        choice(OUTPUT, words::<Format>()).help(data),
        choice(COLOUR, words::<Colour>())
            .help("Colour: `auto` (on a terminal, unless `NO_COLOR` is set), `always` or `never`"),
        Arg::new(QUIET)
            .short('q')
            .long(QUIET)
            .action(ArgAction::Count)
            .help("Say only what failed or wants to be looked at"),
        Arg::new(VERBOSE)
            .short('v')
            .long(VERBOSE)
            .action(ArgAction::Count)
            .help("Print every request that is sent, without anything secret"),
    ]
}

/// The word that is meant by `--name`, where it is given.
fn word<T: Choice>(matches: &ArgMatches, name: &str) -> Result<Option<T>, Error> {
    let Some(word) = matches.get_one::<String>(name).map(|word| word.trim()).filter(|word| !word.is_empty()) else {
        return Ok(None);
    };
    let problem = || Error::input(name, format!("`{}` is not one of {}", quote(word), words::<T>().join(", ")));
    T::parse(word).map(Some).ok_or_else(problem)
}

/// The flag of an input.
fn flag(input: &Input, purpose: Purpose) -> Arg {
    let with_more = |text: &str| {
        let default = input.literal_default().map(|default| format!(" [default: {default}]"));
        format!("{text}{}", default.unwrap_or_default())
    };
    let mut short = first_sentence(input.help).trim_end_matches('.').to_owned();
    if let Kind::Choice(words) = input.kind
        && !words().iter().all(|word| short.contains(&format!("`{word}`")))
    {
        short = format!("{short}: {}", words().join(", "));
    }
    let arg = Arg::new(input.name)
        .long(input.name)
        .help(with_more(&short))
        .long_help(with_more(input.help))
        .help_heading(input.group.heading())
        // Set up once, and looked up then.
        .hide_short_help(matches!(input.group, Group::Registries | Group::Access));
    let arg = match (purpose, input.kind) {
        (Purpose::Describe, Kind::Choice(words)) => arg.value_parser(PossibleValuesParser::new(words())),
        (Purpose::Describe, Kind::Boolean) => arg.value_parser(["true", "false"]),
        _ => arg,
    };
    match input.kind {
        // `--dry-run` must not swallow the word after it.
        Kind::Boolean => arg.num_args(0..=1).require_equals(true).default_missing_value("true").value_name("BOOL"),
        Kind::File => arg.value_hint(ValueHint::AnyPath).value_name(value_name(input.kind)),
        Kind::List | Kind::SecretLines => arg.action(ArgAction::Append).value_name(value_name(input.kind)),
        _ => arg.value_name(value_name(input.kind)),
    }
}

/// What stands before the first full stop, with it.
fn first_sentence(text: &str) -> &str {
    text.split_once(". ").map_or(text, |(first, _)| &text[..=first.len()])
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
        Kind::Concurrency => "IMAGES[/REQUESTS]",
    }
}

/// What the command line asks for.
pub enum Asked<'a> {
    /// A run.
    Run(Flags),
    /// What stands behind `completions`.
    Completions(Vec<&'a str>),
    /// The version.
    Version,
}

impl<'a> Asked<'a> {
    /// Sorts what was written by its first word.
    pub fn of(matches: &'a ArgMatches) -> Result<Self, Error> {
        Ok(match matches.subcommand() {
            Some((COMPLETIONS, words)) => {
                Self::Completions(words.get_many::<String>("form").unwrap_or_default().map(String::as_str).collect())
            }
            Some((VERSION, _)) => Self::Version,
            Some((name, of_it)) => Self::Run(Flags::behind(name, of_it, matches)?),
            None => Self::Run(Flags::of(matches)?),
        })
    }
}

/// What the command line says, by input; values that are blank are left out.
#[derive(Default)]
pub struct Flags {
    pub values: BTreeMap<&'static str, String>,
    /// What was given and does nothing, a sentence each.
    pub notices: Vec<String>,
    /// `--verbose`.
    pub verbose: bool,
    /// `--output`, `--color`, `--quiet`.
    pub talk: Talk,
}

impl Flags {
    fn of(matches: &ArgMatches) -> Result<Self, Error> {
        let volume = if matches.get_count(QUIET) > 0 { Volume::Quiet } else { Volume::Normal };
        let talk = Talk { format: word(matches, OUTPUT)?, colour: word(matches, COLOUR)?.unwrap_or_default(), volume };
        let mut flags = Self { verbose: matches.get_count(VERBOSE) > 0, talk, ..Self::default() };
        for input in INPUTS {
            let Some(given) = matches.get_many::<String>(input.name) else { continue };
            flags.take(input, given.map(|value| trimmed(value)).collect::<Vec<_>>().join("\n"))?;
        }
        Ok(flags)
    }

    /// The flags before the word `name`, and those and the words behind it.
    fn behind(name: &str, matches: &ArgMatches, before: &ArgMatches) -> Result<Self, Error> {
        let mut flags = Self::of(before)?;
        refuse_lonely_boolean(name)?;
        let Some(subcommand) = SUBCOMMANDS.iter().find(|subcommand| subcommand.task.word() == name) else {
            if let Some(sentence) = elsewhere::command(name) {
                return Err(Error::input("command", format!("`{}` is no command here; {sentence}", quote(name))));
            }
            // Judged as a command, so that a mistyped one never becomes an image.
            flags.take_word("command", name)?;
            return Ok(flags);
        };
        flags.take_word("command", name)?;
        let own = Self::of(matches)?;
        flags.join(own.verbose, own.talk)?;
        for input in INPUTS {
            let Some(value) = own.values.get(input.name) else { continue };
            flags.take(input, value.clone())?;
            if !input.tasks.contains(&subcommand.task) && !matches!(input.name, "command" | "dry-run") {
                flags.notices.push(format!("`--{}` has no effect with `{name}`", input.name));
            }
        }
        for word in subcommand.words {
            let values = matches.get_many::<String>(word.id).unwrap_or_default();
            values.clone().try_for_each(|value| refuse_lonely_boolean(value))?;
            match (word.count, known(word.input)) {
                (Count::Several, Some(input)) => {
                    flags.take(input, values.map(String::as_str).collect::<Vec<_>>().join("\n"))?;
                }
                _ => values.into_iter().try_for_each(|value| flags.take_word(word.input, value))?,
            }
        }
        Ok(flags)
    }

    /// The flags that are no inputs, behind the command; each says more than what stands before it.
    fn join(&mut self, verbose: bool, talk: Talk) -> Result<(), Error> {
        self.verbose |= verbose;
        self.talk.format = talk.format.or(self.talk.format);
        if talk.colour != Colour::Auto {
            self.talk.colour = talk.colour;
        }
        if talk.volume == Volume::Quiet {
            self.talk.volume = Volume::Quiet;
        }
        if self.verbose && self.talk.volume == Volume::Quiet {
            return Err(Error::input("arguments", "have `--quiet` and `--verbose`; leave one of them out"));
        }
        Ok(())
    }

    /// A flag's value.
    fn take(&mut self, input: &Input, value: String) -> Result<(), Error> {
        if value.trim().is_empty() {
            return Ok(());
        }
        match self.values.get_mut(input.name) {
            Some(list) if matches!(input.kind, Kind::List | Kind::SecretLines) => *list = format!("{list}\n{value}"),
            Some(_) => return Err(given_twice(input.name)),
            None => _ = self.values.insert(input.name, value),
        }
        Ok(())
    }

    /// A positional word.
    fn take_word(&mut self, name: &'static str, word: &str) -> Result<(), Error> {
        let word = word.trim();
        if !word.is_empty() && self.values.insert(name, word.to_owned()).is_some_and(|flag| flag != word) {
            let problem = format!("is given twice, as a word and as `--{name}`; leave one of them out");
            return Err(Error::input(name, problem));
        }
        Ok(())
    }
}

fn given_twice(name: &str) -> Error {
    Error::input(name, "is given more than once; give it once")
}

fn refuse_lonely_boolean(word: &str) -> Result<(), Error> {
    if !matches!(word.to_ascii_lowercase().as_str(), "true" | "false") {
        return Ok(());
    }
    let problem = format!("`{word}` stands alone; write it with the flag it belongs to, `--dry-run={word}`");
    Err(Error::input("arguments", problem))
}

/// A sentence of ours for what the command line's parser refused. Its own may quote values, and so secrets. `command`: the
/// one that was written.
pub fn explain(error: &clap::Error, command: Option<Task>) -> Error {
    let argument = match error.get(ContextKind::InvalidArg) {
        Some(ContextValue::String(argument)) => argument.as_str(),
        Some(ContextValue::Strings(arguments)) => arguments.first().map_or("", String::as_str),
        _ => "",
    };
    let subcommand = SUBCOMMANDS.iter().find(|subcommand| Some(subcommand.task) == command);
    let is_long = argument.starts_with("--");
    let name = argument.trim_start_matches('-').split([' ', '=', '[', '<']).next().unwrap_or_default();
    match error.kind() {
        ErrorKind::UnknownArgument if argument.starts_with('-') && elsewhere::flag(name).is_some() => {
            let dashes = if is_long { "--" } else { "-" };
            let sentence = elsewhere::flag(name).unwrap_or_default();
            Error::input(format!("{dashes}{name}"), format!("is not known here; {sentence}"))
        }
        // Something else that begins with dashes may be a password, and is not repeated.
        ErrorKind::UnknownArgument if is_long && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-') => {
            let others = [OUTPUT, COLOUR, QUIET, VERBOSE, "help", VERSION];
            let known = INPUTS.iter().map(|input| input.name).chain(others);
            // `completions` and `version` have none of their own.
            if known.clone().any(|known| known == name) {
                return Error::input(format!("--{name}"), "is no flag of this command; leave it out");
            }
            let hint = nearest(name, known);
            let hint = hint.map_or_else(String::new, |name| format!("; did you mean `--{name}`?"));
            let command = subcommand.map_or("copy", |subcommand| subcommand.task.word());
            let problem = format!("is not known{hint} (`mirror-image help {command}` lists those of `{command}`)");
            Error::input(format!("--{}", quote(name)), problem)
        }
        ErrorKind::UnknownArgument if argument.starts_with('-') => Error::input(
            "arguments",
            "have something that begins with `-`; flags begin with `--`, and a value that begins so is written \
             `--FLAG=VALUE` (`mirror-image --help`)",
        ),
        ErrorKind::UnknownArgument => match (refuse_lonely_boolean(argument), subcommand) {
            (Err(lonely), _) => lonely,
            (Ok(()), Some(subcommand)) => Error::input("arguments", subcommand.too_many()),
            (Ok(()), None) => Error::input(
                "arguments",
                "are too many; write `mirror-image copy|inspect|verify|access SOURCE [TARGET]` or `mirror-image tags REPOSITORY` or \
                 `mirror-image images FILE…`, and everything else as flags or variables",
            ),
        },
        ErrorKind::InvalidSubcommand => {
            Error::input("arguments", "name no command to help with; `mirror-image --help` lists all")
        }
        ErrorKind::ArgumentConflict => given_twice(name),
        _ if known(name).is_some_and(|input| matches!(input.kind, Kind::Boolean)) => {
            Error::input(name, format!("takes its value after an equals sign, `--{name}=true`, or none"))
        }
        _ if known(name).is_some() || matches!(name, OUTPUT | COLOUR) => Error::input(
            name,
            format!("has no value; write `--{name} VALUE`, or `--{name}=VALUE` if it begins with `-`"),
        ),
        _ => Error::input("arguments", "cannot be read; `mirror-image --help` says how they are written"),
    }
}
