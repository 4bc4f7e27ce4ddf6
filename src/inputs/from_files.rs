//! What the inputs say of files that name images: which files, what is known besides them, and what is done with them.

use std::path::Path;

use crate::environment::Environment;
use crate::error::Error;
use crate::inputs::config;
use crate::inputs::files::{self, NamedFile, OfFiles};
use crate::inputs::lock;
use crate::inputs::typed::{Checked, FileTask, FilesRequest, Naming, Task};
use crate::inputs::values::Values;
use crate::inputs::words::items;
use crate::oci::reference::ImageReference;
use crate::plan::find::found::Settings;
use crate::plan::find::listed::{FileNote, Unresolved, mirrors};
use crate::plan::find::rewrite::Digests;
use crate::plan::find::variables;
use crate::plan::list::coverage::Coverage;
use crate::plan::list::lock::{Lock, Update};
use crate::plan::template;
use crate::runner::Surroundings;
use crate::runner::talk::Format;
use crate::text::choice::Choice as _;
use crate::text::quote::quote;

impl Values {
    /// The images that files name; what they leave open is said.
    pub fn images_of_files(&self, environment: &Environment, surroundings: &Surroundings) -> Result<OfFiles, Error> {
        let files = self.named_files(environment, surroundings)?;
        let listed = files::listed(
            &files,
            &self.find_settings(environment, surroundings)?,
            &self.mirrored(environment, surroundings),
        );
        if let Some(note) = listed.notes.iter().find(|note| note.is_broken && note.is_named) {
            return Err(Error::input("images-from", note.sentence()));
        }
        let lines = listed.lines();
        if lines.is_empty() {
            let (of_a_kind, all) = listed.files;
            let problem =
                format!("names no image for sure: {of_a_kind} of {all} files are of a kind that names images");
            return Err(Error::input("images-from", problem));
        }
        let unresolved = listed.unresolved.iter().map(Unresolved::sentence);
        let read_as = unresolved.chain(listed.notes.iter().map(FileNote::sentence)).collect();
        Ok(OfFiles { lines, read_as, services: listed.services() })
    }

    fn named_files(&self, environment: &Environment, surroundings: &Surroundings) -> Result<Vec<NamedFile>, Error> {
        let words = items(self.get("images-from").unwrap_or_default());
        files::named("images-from", &words, surroundings, surroundings.workspace(environment).as_ref())
    }

    /// How the names begin of what is in the mirror already.
    fn mirrored(&self, environment: &Environment, surroundings: &Surroundings) -> Vec<String> {
        mirrors(&self.possible_targets(surroundings), surroundings.project(environment))
    }

    /// Where images go, as far as that is known: nobody is asked for what is not needed.
    fn possible_targets(&self, surroundings: &Surroundings) -> Vec<String> {
        match (self.0.get("target"), surroundings.gitlab()) {
            (None, Some(project)) => project.default_target().into_iter().collect(),
            _ => items(self.get("target").unwrap_or_default()).into_iter().map(str::to_owned).collect(),
        }
    }

    /// What is known besides the files that name images.
    fn find_settings(&self, environment: &Environment, surroundings: &Surroundings) -> Result<Settings, Error> {
        let workspace: &Path = surroundings.workspace(environment).as_ref();
        let mut settings = Settings { guess: self.boolean("guess")?, ..Settings::default() };
        for item in items(self.get("build-arg").unwrap_or_default()) {
            let Some((name, value)) = item.split_once('=') else {
                let problem = format!("`{}` has no value; write `NAME=VALUE`", quote(item));
                return Err(Error::input("build-arg", problem));
            };
            settings.build_arguments.insert(name.trim().to_owned(), value.trim().to_owned());
        }
        let names = items(self.get("env-file").unwrap_or_default());
        for file in files::named("env-file", &names, surroundings, workspace)? {
            let problem = |problem: String| Error::input("env-file", format!("`{}` {problem}", quote(&file.name)));
            settings.variables.extend(variables::env_file(&file.text().map_err(problem)?));
        }
        Ok(settings)
    }

    /// What is to be done with files; none where something else is.
    pub fn files(&self, environment: &Environment, format: Option<Format>) -> Result<Option<FilesRequest>, Error> {
        let Task::Files(task) = self.choice("command")? else { return Ok(None) };
        if self.boolean("dry-run")? && task != FileTask::Rewrite {
            let problem = "makes no sense with a command that never writes; leave it out";
            return Err(Error::input("dry-run", problem));
        }
        if let Some(format @ (Format::Digest | Format::Plan)) = format {
            let problem = format!("is `{}`, and files have none; write `text`, `json` or `none`", format.word());
            return Err(Error::input("output", problem));
        }
        let surroundings = Surroundings::of(environment);
        let is_checked = task == FileTask::Images && self.choice::<Checked>("check")? == Checked::List;
        let list = match self.get("config") {
            Some(files) => Some(config::read(surroundings.workspace(environment).as_ref(), &items(files))?),
            None if is_checked => {
                let problem = "is `list`, and no list is named; name one by `config`";
                return Err(Error::input("check", problem));
            }
            None => None,
        };
        let files = self.named_files(environment, &surroundings)?;
        if files.is_empty() && self.get("images-from").is_none() {
            let problem = "is missing; name files or directories, or `-` for standard input";
            return Err(Error::input("images-from", problem));
        }
        let project = surroundings.project(environment).map(str::to_owned);
        let targets = self.possible_targets(&surroundings);
        if task == FileTask::Rewrite && list.is_none() {
            refuse_targets(&targets, project.as_deref())?;
        }
        let is_held_against = is_checked || task == FileTask::Rewrite;
        let coverage = list.filter(|_| is_held_against).map(|list| Coverage {
            list,
            targets: targets.clone(),
            project: project.clone(),
        });
        let naming = Naming {
            own_target: self
                .0
                .get("target")
                .map(|target| items(target).first().map_or_else(String::new, |one| (*one).to_owned())),
            targets,
            project,
            digests: self.choice("digests")?,
            lock: self.known_digests(surroundings.workspace(environment).as_ref())?,
            is_dry_run: self.boolean("dry-run")?,
        };
        Ok(Some(FilesRequest {
            task,
            files,
            settings: self.find_settings(environment, &surroundings)?,
            // The list says itself what it makes.
            mirrors: if coverage.is_some() { Vec::new() } else { self.mirrored(environment, &surroundings) },
            form: self.choice("format")?,
            only_unpinned: self.boolean("unpinned")?,
            coverage,
            is_strict: self.boolean("strict")?,
            naming,
        }))
    }

    /// The lock whose digests are added; nothing of it changes.
    fn known_digests(&self, workspace: &Path) -> Result<Option<Lock>, Error> {
        let is_needed = self.choice::<Digests>("digests")? == Digests::Add;
        match self.get("lock") {
            Some(path) if is_needed => lock::file(workspace, path, Update::None).map(Some),
            None if is_needed => {
                let problem = "is `add`, and where digests are known from is not said; name a lock file by `lock`";
                Err(Error::input("digests", problem))
            }
            _ => Ok(None),
        }
    }
}

/// Refuses targets that give no one name: a file has room for one.
fn refuse_targets(targets: &[String], project: Option<&str>) -> Result<(), Error> {
    let [target] = targets else {
        return Err(Error::input("target", "names several places, or none, and a file has room for one name"));
    };
    let any = ImageReference::parse("registry.example.com/namespace/name:1")
        .map_err(|problem| Error::input("target", problem))?;
    let (made, _) = template::target(target, &any, project).map_err(|problem| Error::input("target", problem))?;
    match made.registry() {
        Some(_) => Ok(()),
        None => Err(Error::input("target", "is a directory, from which no file can pull; name a registry")),
    }
}
