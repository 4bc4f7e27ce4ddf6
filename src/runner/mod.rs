//! What runs the program, and how it is spoken to: GitHub Actions, GitLab CI or a person at a terminal.
//!
//! Owns every word that is printed, the files that later steps and jobs read, and what a platform says of its project.
//! Never copies.

mod bars;
pub mod commands;
pub mod console;
pub mod files;
pub mod gitlab;
pub mod sections;
pub mod talk;

use std::path::PathBuf;

use crate::environment::Environment;
use crate::error::reader::{Form, Reader};
use crate::runner::gitlab::Project;

/// Where the program runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Surroundings {
    /// A step of GitHub Actions.
    Actions,
    /// A job of GitLab CI, with what its variables say.
    GitLab(Project),
    /// Anywhere else: what is printed is read as it is.
    #[default]
    Terminal,
}

impl Surroundings {
    /// A step on a runner of GitHub's that a job of GitLab started is a step.
    pub fn of(environment: &Environment) -> Self {
        match (environment.get("GITHUB_ACTIONS"), environment.get("GITLAB_CI")) {
            (Some("true"), _) => Self::Actions,
            (_, Some("true")) => Self::GitLab(Project::of(environment)),
            _ => Self::Terminal,
        }
    }

    /// Where the person is who reads what is said. A button is known by the workflow's file and by its name: another's file
    /// may be called the same.
    fn reader(&self, environment: &Environment, has_arguments: bool) -> Reader {
        let name = environment.get("GITHUB_WORKFLOW");
        let file = environment.get("GITHUB_WORKFLOW_REF").and_then(|reference| reference.split('@').next());
        let is_form = |form: &Form| name == Some(form.name()) && file.is_some_and(|file| file.ends_with(form.file()));
        match self {
            Self::GitLab(_) => Reader::GitLab,
            Self::Actions => Form::ALL.into_iter().find(is_form).map_or(Reader::Action, Reader::Button),
            Self::Terminal if !has_arguments && environment.inputs().next().is_some() => Reader::Container,
            Self::Terminal => Reader::CommandLine,
        }
    }

    /// What GitLab says, in a job of its.
    pub fn gitlab(&self) -> Option<&Project> {
        match self {
            Self::GitLab(project) => Some(project),
            Self::Actions | Self::Terminal => None,
        }
    }

    /// Whether a person, or a script of theirs, has called the program.
    pub fn is_shell(&self) -> bool {
        *self == Self::Terminal
    }

    /// The project that the run belongs to: what `{owner}` and `{repo}` stand for.
    pub fn project<'a>(&'a self, environment: &'a Environment) -> Option<&'a str> {
        match self {
            Self::GitLab(project) => project.path.as_deref(),
            Self::Actions | Self::Terminal => environment.get("GITHUB_REPOSITORY"),
        }
    }

    /// The directory that files are written below; where nothing names one, the current directory.
    pub fn workspace<'a>(&'a self, environment: &'a Environment) -> &'a str {
        let named = match self {
            Self::GitLab(project) => project.directory.as_deref(),
            Self::Actions | Self::Terminal => environment.get("GITHUB_WORKSPACE"),
        };
        named.unwrap_or(".")
    }

    /// The same in a job: what is checked out there may hold links that nobody looked at.
    pub fn checkout<'a>(&'a self, environment: &'a Environment) -> Option<&'a str> {
        (*self != Self::Terminal).then(|| self.workspace(environment))
    }

    /// Whether what is in a group is folded away, so that a failure must be said beside it.
    pub fn folds_groups(&self) -> bool {
        *self != Self::Terminal
    }
}

/// What the environment says about the runner.
#[derive(Clone, Debug, Default)]
pub struct Runner {
    surroundings: Surroundings,
    debug: bool,
    /// A terminal that cannot go back on its line.
    dumb: bool,
    /// A person who wants no colour (no-color.org).
    no_colour: bool,
    output: Option<PathBuf>,
    summary: Option<PathBuf>,
    reader: Reader,
}

impl Runner {
    /// Reads the runner's variables; `has_arguments`: whether the program was called with any.
    pub fn new(environment: &Environment, has_arguments: bool) -> Self {
        let surroundings = Surroundings::of(environment);
        let file = |name: &str| environment.get(name).map(PathBuf::from);
        Self {
            reader: surroundings.reader(environment, has_arguments),
            surroundings,
            debug: environment.get("RUNNER_DEBUG") == Some("1"),
            dumb: environment.get("TERM") == Some("dumb"),
            no_colour: environment.get("NO_COLOR").is_some(),
            output: file("GITHUB_OUTPUT"),
            summary: file("GITHUB_STEP_SUMMARY"),
        }
    }

    fn in_actions(&self) -> bool {
        self.surroundings == Surroundings::Actions
    }
}

#[cfg(test)]
mod tests {
    use super::Runner;
    use crate::environment::Environment;
    use crate::error::reader::{Form, Reader};

    #[test]
    fn the_reader_is_told_by_the_variables_and_by_whether_there_are_arguments() {
        let actions = ("GITHUB_ACTIONS", "true");
        let named = ("GITHUB_WORKFLOW", "Mirror an image");
        let file = ("GITHUB_WORKFLOW_REF", "octo/mirror/.github/workflows/mirror.yml@refs/heads/main");
        let list = ("GITHUB_WORKFLOW", "Mirror the list");
        let list_file = ("GITHUB_WORKFLOW_REF", "octo/mirror/.github/workflows/sync.yml@refs/heads/main");
        let other = ("GITHUB_WORKFLOW_REF", "octo/mirror/.github/workflows/nightly.yml@refs/heads/mirror.yml");
        let source = ("INPUT_SOURCE", "alpine");
        for (variables, has_arguments, reader) in [
            (&[actions, source][..], false, Reader::Action),
            (&[actions, named, file][..], false, Reader::Button(Form::Mirror)),
            (&[actions, list, list_file][..], false, Reader::Button(Form::List)),
            (&[actions, list, file][..], false, Reader::Action),
            (&[actions, named, other][..], false, Reader::Action),
            (&[actions, file][..], false, Reader::Action),
            (&[("GITLAB_CI", "true"), source][..], false, Reader::GitLab),
            (&[source][..], false, Reader::Container),
            (&[source][..], true, Reader::CommandLine),
            (&[][..], false, Reader::CommandLine),
            (&[named, file][..], true, Reader::CommandLine),
        ] {
            assert_eq!(Runner::new(&Environment::from(variables), has_arguments).reader, reader, "{variables:?}");
        }
    }
}
