//! What the user asked for, typed, defaulted and free of contradictions: data, and nothing that acts on it.

use std::path::PathBuf;
use std::time::Duration;

use crate::attest;
use crate::credentials::Credentials;
use crate::emit::{self, directory};
use crate::engine::options::{AtOnce, Check, Command, OnBudget, OnFailure};
use crate::github::server::Server;
use crate::github::settings::AccessInputs;
use crate::http::proxies::Proxies;
use crate::http::roots::ExtraRoots;
use crate::inputs::files::NamedFile;
use crate::observe::pulls::PullLimit;
use crate::oci::reference::Reference;
use crate::plan::ask::Declined;
use crate::plan::find::found::Settings;
use crate::plan::find::rewrite::Digests;
use crate::plan::list::coverage::Coverage;
use crate::plan::list::lock::Lock;
use crate::plan::list::prune::Prune;
use crate::plan::list::shard::Shard;
use crate::plan::request::Request;
use crate::runner::files::ReportFile;
use crate::runner::talk::Talk;
use crate::store::mirrors::MirrorSettings;
use crate::store::registry::host::Missing;
use crate::text::choice::Choice;

/// What `command` may say, and the first word of the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Task {
    /// Something with images.
    Images(Command),
    /// List a repository's tags.
    Tags,
    /// Something with files that name images.
    Files(FileTask),
}

/// What is done with files that name images; no registry is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileTask {
    /// List the images.
    Images,
    /// Write the mirror's names in their place.
    Rewrite,
    /// Make a list of ours of another tool's.
    Import,
}

impl Task {
    /// What is done with images. A repository is asked as an image in it would be, and files ask for nothing.
    pub fn command(self) -> Command {
        match self {
            Self::Images(command) => command,
            Self::Tags | Self::Files(_) => Command::Inspect,
        }
    }
}

impl Choice for Task {
    const ALL: &'static [(&'static str, Self)] = &[
        ("copy", Self::Images(Command::Copy)),
        ("inspect", Self::Images(Command::Inspect)),
        ("verify", Self::Images(Command::Verify)),
        ("access", Self::Images(Command::Access)),
        ("tags", Self::Tags),
        ("images", Self::Files(FileTask::Images)),
        ("rewrite", Self::Files(FileTask::Rewrite)),
        ("import", Self::Files(FileTask::Import)),
    ];
}

/// What `check` may say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Checked {
    /// How closely an unchanged image is looked at.
    Image(Check),
    /// Whether a list mirrors what files name.
    List,
}

impl Choice for Checked {
    const ALL: &'static [(&'static str, Self)] =
        &[("quick", Self::Image(Check::Quick)), ("deep", Self::Image(Check::Deep)), ("list", Self::List)];
}

/// How the images of files are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// A list with comments: where each stands, and what is unresolved.
    List,
    /// The images alone.
    Lines,
    /// All that is known, as data.
    Json,
}

impl Choice for Form {
    const ALL: &'static [(&'static str, Self)] = &[("list", Self::List), ("lines", Self::Lines), ("json", Self::Json)];
}

/// What is done with which files.
#[derive(Clone, Debug)]
pub struct FilesRequest {
    pub task: FileTask,
    pub files: Vec<NamedFile>,
    /// What is known besides the files.
    pub settings: Settings,
    /// How the names begin of what is in the mirror already.
    pub mirrors: Vec<String>,
    pub form: Form,
    /// Whether only images without a digest are listed.
    pub only_unpinned: bool,
    /// The list that is to mirror what the files name, where that is checked.
    pub coverage: Option<Coverage>,
    /// Whether an image that is unresolved is a failure.
    pub is_strict: bool,
    pub naming: Naming,
}

/// Where images go, as far as files are written for it.
#[derive(Clone, Debug)]
pub struct Naming {
    /// As the input `target` says, or its default.
    pub targets: Vec<String>,
    /// The same, where somebody wrote it.
    pub own_target: Option<String>,
    pub project: Option<String>,
    pub digests: Digests,
    /// Where digests are known from.
    pub lock: Option<Lock>,
    /// Whether files stay as they are.
    pub is_dry_run: bool,
}

/// What the program was called for.
#[derive(Debug)]
pub enum Invocation {
    /// A run.
    Run(Box<Inputs>),
    /// A repository's tags; the inputs say how it is asked.
    Tags(Box<Inputs>, Reference),
    /// Something with files; the inputs say how it is told.
    Files(Box<Inputs>, Box<FilesRequest>),
    /// A text to print, and nothing else: `--help`, `--version`, `completions`.
    Print(String),
}

/// What the user asked for.
#[derive(Clone, Debug)]
pub struct Inputs {
    /// Which images are wanted where.
    pub request: Request,
    /// What of a request in free text is not done; none where there is no such request.
    pub asked: Option<Vec<Declined>>,
    /// The directory that files are named below.
    pub workspace: PathBuf,
    /// The same in a job, where others may have put links into it.
    pub checkout: Option<PathBuf>,
    /// Whether to stop before the first write.
    pub dry_run: bool,
    /// Which part of the images is worked on; none for all.
    pub shard: Option<Shard>,
    /// How tags are deleted that the list selects no more; none where they stay.
    pub prune: Option<Prune>,
    /// How long the run may take.
    pub time_limit: Option<Duration>,
    /// How many billed pulls the run may take of an account; none for as many as it needs.
    pub pull_budget: Option<PullLimit>,
    /// What is made of images that the limit has left for another run.
    pub on_budget: OnBudget,
    /// What becomes of the other images when one has failed.
    pub on_failure: OnFailure,
    /// How much is worked on at once.
    pub at_once: AtOnce,
    /// Which credential is for which host.
    pub credentials: Credentials,
    /// What becomes of a push to a repository that is not there.
    pub missing_repositories: Missing,
    /// Hosts (`host[:port]`, lower case) spoken to over plain HTTP; loopback is not among them and always is.
    pub insecure_registries: Vec<String>,
    /// Registries (`host[:port]`, lower case), and the token service of another owner that may see their credential.
    pub token_services: Vec<(String, String)>,
    /// Where images are read instead of their own registry.
    pub mirrors: MirrorSettings,
    /// Further certificate authorities.
    pub ca_certificates: ExtraRoots,
    /// The proxies that the environment names.
    pub proxies: Proxies,
    /// How long to go on while a registry makes no progress.
    pub patience: Duration,
    /// The GitHub server that the run belongs to.
    pub server: Server,
    /// `GITHUB_REPOSITORY`, the repository of the workflow; none in GitLab.
    pub workflow: Option<String>,
    /// Access on GitHub.
    pub access: AccessInputs,
    /// Who says what was copied, signed; none where nothing is said.
    pub attest: Option<attest::Settings>,
    /// The consumer configuration to write.
    pub emit: emit::Wanted,
    /// Where to write it; none where nothing is to be written.
    pub emit_directory: Option<directory::Directory>,
    /// Whether the debug log is on.
    pub debug_log: bool,
    /// The file that the whole report goes to.
    pub report_file: Option<ReportFile>,
    /// How the program is to talk.
    pub talk: Talk,
    /// Whether to write the job summary.
    pub summary: bool,
    /// What the user should know, a sentence each.
    pub notices: Vec<String>,
}
