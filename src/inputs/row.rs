//! What a row of the table of inputs is: a name, what its value looks like, who looks at it, and its help.

use crate::inputs::typed::Task;

/// What an input's value looks like.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// An image, or a template for one.
    Reference,
    /// Any text.
    Text,
    /// One of these words, which are listed with the type that they become.
    Choice(fn() -> Vec<&'static str>),
    /// `true` or `false`.
    Boolean,
    /// Several values, separated by newlines or commas.
    List,
    /// `algorithm:hex`.
    Digest,
    /// A path.
    File,
    /// A password or token.
    Secret,
    /// Lines that hold passwords; only newlines separate, because a password may have a comma.
    SecretLines,
    /// A time span: `90s`, `5m`, `1h`.
    Duration,
    /// `IMAGES` or `IMAGES/REQUESTS`.
    Concurrency,
}

impl Kind {
    /// Whether the value must never be shown.
    pub fn is_secret(self) -> bool {
        matches!(self, Self::Secret | Self::SecretLines)
    }
}

/// Under which heading an input stands in the help of the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group {
    /// Which images, and what of them.
    Images,
    /// How they are worked on.
    Run,
    /// Who may.
    Logins,
    /// Where else, and how it is spoken to.
    Registries,
    /// Access to packages on GitHub.
    Access,
    /// What is left behind.
    Results,
}

impl Group {
    /// The heading.
    pub fn heading(self) -> &'static str {
        match self {
            Self::Images => "Images",
            Self::Run => "Run",
            Self::Logins => "Logins",
            Self::Registries => "Registries and mirrors",
            Self::Access => "Access on GitHub",
            Self::Results => "Results",
        }
    }
}

/// One input.
#[derive(Clone, Copy, Debug)]
pub struct Input {
    /// Its heading in the help.
    pub group: Group,
    /// What looks at it. Others take it and do nothing with it: a workflow may switch `command` alone.
    pub tasks: &'static [Task],
    /// The name: an action's input, a flag, and with `INPUT_` a variable.
    pub name: &'static str,
    /// What its value looks like.
    pub kind: Kind,
    /// The value when none is given. One in `${{ }}` is the runner's to fill in, and no default elsewhere.
    pub default: Option<&'static str>,
    /// One line for the help, `action.yml` and `docs/inputs.md`.
    pub help: &'static str,
}

impl Input {
    /// The default, where it is a value and not the runner's expression.
    pub fn literal_default(&self) -> Option<&'static str> {
        self.default.filter(|default| !default.starts_with("${{"))
    }
}

pub const fn input(
    group: Group,
    tasks: &'static [Task],
    name: &'static str,
    kind: Kind,
    default: Option<&'static str>,
    help: &'static str,
) -> Input {
    Input { group, tasks, name, kind, default, help }
}
