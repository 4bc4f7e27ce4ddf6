//! Runs the program as GitHub's runner runs it: inputs in the environment, command files in, log and files out.

use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tempfile::TempDir;

use super::redaction::redact;
use crate::support::actions;

/// No run of a test takes longer; one that does is killed and fails.
const LONGEST: Duration = Duration::from_secs(600);

/// A program to be run in place of the one that was built with the tests: the static one, whose memory is as small as
/// it is said to be.
const PROGRAM: &str = "MIRROR_IMAGE_BINARY";

/// Bytes of memory that a run may take, whatever is sent to it.
///
/// The program without optimisation has larger code and larger futures, and each row is made so that a program without
/// a bound takes several times as much as either limit.
pub fn memory_limit() -> u64 {
    if std::env::var_os(PROGRAM).is_some() { 64 << 20 } else { 128 << 20 }
}

/// The patience of a run that is to fail, and of one that is to go well.
const SHORT: &str = "3s";
const LONG: &str = "30s";

/// A run to be made. The environment holds nothing but what is set here.
#[derive(Clone, Debug)]
pub struct Run {
    environment: BTreeMap<String, String>,
    arguments: Vec<String>,
    /// The columns of the terminal that it runs at; without, its streams are files.
    terminal: Option<u16>,
    /// How many files it may open; as many as these tests without.
    files: Option<u32>,
    /// What it reads from standard input, which is empty without.
    stdin: Option<String>,
    /// What is in its workspace before it begins; nothing without.
    workspace: Option<PathBuf>,
}

impl Run {
    pub fn new() -> Self {
        let run = Self {
            environment: BTreeMap::new(),
            arguments: vec![],
            terminal: None,
            files: None,
            stdin: None,
            workspace: None,
        };
        run.env("PATH", &std::env::var("PATH").unwrap_or_default())
            .env("GITHUB_ACTIONS", "true")
            .env("GITHUB_REPOSITORY", "Owner/Repo")
            // Nothing listens there: a run that asks GitHub without being told where shows.
            .env("GITHUB_API_URL", "http://127.0.0.1:9")
            .input("patience", SHORT)
    }

    /// A copy of one image.
    pub fn copy(source: &str, target: &str) -> Self {
        Self::new().command("copy").input("source", source).input("target", target)
    }

    pub fn command(self, name: &str) -> Self {
        self.input("command", name)
    }

    /// Sets an input as the runner does: upper case, hyphens kept.
    pub fn input(self, name: &str, value: &str) -> Self {
        let name = format!("INPUT_{}", name.to_uppercase());
        self.env(&name, value)
    }

    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.environment.insert(name.to_owned(), value.to_owned());
        self
    }

    pub fn without(mut self, name: &str) -> Self {
        self.environment.remove(name);
        self
    }

    pub fn arg(mut self, argument: &str) -> Self {
        self.arguments.push(argument.to_owned());
        self
    }

    /// It may open so many files and no more.
    pub fn files(mut self, most: u32) -> Self {
        self.files = Some(most);
        self
    }

    /// Standard input has this text.
    pub fn reads(mut self, text: &str) -> Self {
        self.stdin = Some(text.to_owned());
        self
    }

    /// In a workspace that has what this directory has.
    pub fn in_copy_of(mut self, directory: &Path) -> Self {
        self.workspace = Some(directory.to_owned());
        self
    }

    /// A person's, who wrote this behind the program's name.
    pub fn line(arguments: &[&str]) -> Self {
        let run = Self::new().without("GITHUB_ACTIONS").without("GITHUB_REPOSITORY").env("TERM", "xterm-256color");
        let run = arguments.iter().fold(run, |run, argument| run.arg(argument));
        // Nothing by a variable: whoever writes nothing has asked for nothing.
        let run = run.without("INPUT_PATIENCE");
        if arguments.is_empty() { run } else { run.arg(&format!("--patience={SHORT}")) }
    }

    /// On a terminal of so many columns: both of its streams lead there, and what is typed comes from there.
    pub fn at_terminal(mut self, columns: u16) -> Self {
        self.terminal = Some(columns);
        self
    }

    pub async fn run(&self) -> Outcome {
        self.spawn().finish().await
    }

    pub async fn succeeds(&self) -> Outcome {
        self.unhurried().ends_with(0).await
    }

    /// With more patience, unless the test has set its own: nothing that goes well waits so long but on a busy machine.
    #[must_use]
    pub fn unhurried(&self) -> Self {
        let mut run = self.clone();
        let words = run.environment.values_mut().chain(&mut run.arguments);
        for word in words.filter(|word| word.strip_prefix("--patience=").unwrap_or(word) == SHORT) {
            *word = word.replace(SHORT, LONG);
        }
        run
    }

    pub async fn fails_with(&self, code: i32) -> Outcome {
        self.ends_with(code).await
    }

    async fn ends_with(&self, code: i32) -> Outcome {
        let outcome = self.run().await;
        assert_eq!(outcome.code, code, "exit code of {self:#?}\n{outcome}");
        outcome
    }

    /// Starts the program and does not wait.
    pub fn spawn(&self) -> Running {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let stdout = File::create(directory.path().join("stdout")).unwrap();
        self.spawn_in(directory, stdout.into())
    }

    /// The same with standard output going to `stdout`.
    pub fn spawn_into(&self, stdout: Stdio) -> Running {
        self.spawn_in(tempfile::tempdir().expect("a temporary directory"), stdout)
    }

    fn spawn_in(&self, directory: TempDir, stdout: Stdio) -> Running {
        let file = |name: &str| directory.path().join(name);
        let workspace = file("workspace");
        for folder in [&workspace, &file("tmp")] {
            std::fs::create_dir(folder).unwrap();
        }
        if let Some(from) = &self.workspace {
            let copied = std::process::Command::new("cp").arg("-r").arg(from.join(".")).arg(&workspace).status();
            assert!(copied.unwrap().success(), "{}", from.display());
        }
        let program = std::env::var_os(PROGRAM).unwrap_or_else(|| env!("CARGO_BIN_EXE_mirror-image").into());
        let mut command = match (self.terminal, self.files) {
            (None, None) => tokio::process::Command::new(program),
            (None, Some(most)) => {
                let mut shell = tokio::process::Command::new("sh");
                shell.args(["-c", &format!("ulimit -n {most}; exec \"$0\" \"$@\"")]).arg(program);
                shell
            }
            (Some(columns), _) => {
                // A terminal of its own, with this program in its foreground (util-linux, script(1)).
                let mut words = vec![program.to_string_lossy().into_owned()];
                words.extend(self.arguments.iter().cloned());
                let line = format!("stty cols {columns} rows 60; exec {}", quoted(&words));
                let mut script = tokio::process::Command::new("script");
                script.args(["--quiet", "--return", "--command", &line, "/dev/null"]);
                script
            }
        };
        command.env_clear().current_dir(&workspace).kill_on_drop(true);
        if self.terminal.is_none() {
            command.args(&self.arguments);
        }
        // One heap, however many processors there are: what is measured does not depend on the machine.
        command.env("MALLOC_ARENA_MAX", "1");
        command.env("HOME", directory.path()).env("TMPDIR", file("tmp")).env("GITHUB_WORKSPACE", &workspace);
        for (variable, name) in [("GITHUB_OUTPUT", "output"), ("GITHUB_STEP_SUMMARY", "summary")] {
            File::create(file(name)).unwrap();
            command.env(variable, file(name));
        }
        command.envs(&self.environment);
        command.stdin(match &self.stdin {
            Some(text) => {
                std::fs::write(file("stdin"), text).unwrap();
                File::open(file("stdin")).unwrap().into()
            }
            None if self.terminal.is_some() => Stdio::piped(),
            None => Stdio::null(),
        });
        if let Some(lines) = self.environment.get("INPUT_CA-CERTIFICATES") {
            let workspace = self.environment.get("GITHUB_WORKSPACE").map_or(&*workspace, Path::new);
            command.env("INPUT_CA-CERTIFICATES", in_workspace(workspace, lines));
        }
        command.stdout(stdout).stderr(File::create(file("stderr")).unwrap());
        let child = command.spawn().expect("the program starts");
        Running { child, directory }
    }
}

/// The lines of `ca-certificates`, with the files that are elsewhere copied to where a workflow has them.
fn in_workspace(workspace: &Path, lines: &str) -> String {
    let copied = lines.lines().enumerate().map(|(number, line)| {
        let (hosts, path) = line.rsplit_once('=').map_or(("", line), |(hosts, path)| (hosts, path.trim()));
        let name = format!("authority-{number}.pem");
        // A pipe would be waited for, and a device has no end.
        if !Path::new(path).is_file() || std::fs::copy(path, workspace.join(&name)).is_err() {
            line.to_owned()
        } else if hosts.is_empty() {
            name
        } else {
            format!("{hosts}= {name}")
        }
    });
    copied.collect::<Vec<_>>().join("\n")
}

/// A run under way; it is killed when this is dropped.
pub struct Running {
    child: tokio::process::Child,
    directory: TempDir,
}

impl Running {
    /// Sends a signal by name: `TERM`, `INT`, `KILL`. A run that has ended already is no error.
    pub fn signal(&self, name: &str) {
        if let Some(id) = self.id() {
            signal(id, name);
        }
    }

    /// Types something at its terminal.
    pub async fn types(&mut self, keys: &[u8]) {
        use tokio::io::AsyncWriteExt as _;
        let keyboard = self.child.stdin.as_mut().expect("it runs at a terminal");
        keyboard.write_all(keys).await.and(keyboard.flush().await).expect("it listens");
    }

    /// What every user of the machine can read of it in a process list; empty once it has ended.
    pub fn command_line(&self) -> String {
        let file = self.child.id().map(|id| format!("/proc/{id}/cmdline"));
        let bytes = file.and_then(|file| std::fs::read(file).ok()).unwrap_or_default();
        String::from_utf8_lossy(&bytes).replace('\0', " ")
    }

    /// The process, unless it is known to have ended.
    pub fn id(&self) -> Option<u32> {
        self.child.id()
    }

    /// The most memory that it has had so far, in bytes.
    fn memory(&self) -> Option<u64> {
        let process = format!("/proc/{}", self.id()?);
        // Between its birth and its `exec` a process has the memory of these tests, hundreds of MiB, for its own.
        if std::fs::read_link(format!("{process}/exe")).ok()? == std::env::current_exe().ok()? {
            return None;
        }
        let status = std::fs::read_to_string(format!("{process}/status")).ok()?;
        let most = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
        Some(most.trim().strip_suffix(" kB")?.parse::<u64>().ok()? * 1024)
    }

    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().expect("the child can be asked").is_some()
    }

    pub async fn finish(mut self) -> Outcome {
        let mut peak = 0;
        let ended = async {
            loop {
                peak = self.memory().unwrap_or_default().max(peak);
                if let Ok(status) = tokio::time::timeout(Duration::from_millis(20), self.child.wait()).await {
                    return status;
                }
            }
        };
        let status = tokio::time::timeout(LONGEST, ended).await;
        let read = |name: &str| {
            let bytes = std::fs::read(self.directory.path().join(name)).unwrap_or_default();
            String::from_utf8_lossy(&bytes).into_owned()
        };
        let (stdout, stderr) = (read("stdout"), read("stderr"));
        let Ok(status) = status else { panic!("the run took more than {LONGEST:?}\n{stdout}\n{stderr}") };
        let status = status.expect("the child can be waited for");
        let output_file = read("output");
        Outcome {
            code: status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or_default()),
            log: format!("{stdout}{stderr}"),
            stdout,
            stderr,
            outputs: actions::outputs(&output_file)
                .unwrap_or_else(|problem| panic!("GITHUB_OUTPUT: {problem}\n{output_file}")),
            output_file,
            summary: read("summary"),
            files: files(self.directory.path()),
            peak,
            directory: self.directory.path().to_owned(),
        }
    }
}

/// The words as a shell reads them back.
fn quoted(words: &[String]) -> String {
    words.iter().map(|word| format!("'{}'", word.replace('\'', r"'\''"))).collect::<Vec<_>>().join(" ")
}

/// Sends a signal to a process of ours.
pub fn signal(id: u32, name: &str) {
    let mut kill = std::process::Command::new("kill");
    let _ = kill.arg(format!("-{name}")).arg(id.to_string()).stderr(Stdio::null()).status();
}

/// What a run left behind.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The exit code; 128 + the signal for a run that was killed by one.
    pub code: i32,
    /// Standard output, then standard error.
    pub log: String,
    pub stdout: String,
    pub stderr: String,
    pub outputs: BTreeMap<String, String>,
    pub output_file: String,
    pub summary: String,
    /// Every file and folder in the run's home, workspace and temporary directory when it was over: by path, with what is
    /// in it. The runner's own files are among them.
    pub files: BTreeMap<String, String>,
    /// The most memory that it had, in bytes.
    pub peak: u64,
    directory: PathBuf,
}

/// Everything below `directory`; folders hold nothing.
fn files(directory: &Path) -> BTreeMap<String, String> {
    let (mut found, mut folders) = (BTreeMap::new(), vec![directory.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
            let path = entry.path();
            let name = path.strip_prefix(directory).unwrap().display().to_string();
            let content = std::fs::read(&path).unwrap_or_default();
            found.insert(name, String::from_utf8_lossy(&content).into_owned());
            if entry.file_type().unwrap().is_dir() {
                folders.push(path);
            }
        }
    }
    found
}

impl Outcome {
    pub fn output(&self, name: &str) -> &str {
        self.outputs.get(name).map_or("", String::as_str)
    }

    /// The `json` output.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(self.output("json")).unwrap_or_else(|e| panic!("the output json: {e}\n{self}"))
    }

    /// Everything that a person or a later step can read.
    pub fn everything(&self) -> String {
        format!("{}\n{}\n{}", self.log, self.output_file, self.summary)
    }

    /// The same without the masking commands, which the runner swallows.
    pub fn visible(&self) -> String {
        let lines = self.everything();
        lines.lines().filter(|line| !line.starts_with("::add-mask::")).map(|line| format!("{line}\n")).collect()
    }

    pub fn says(&self, text: &str) -> bool {
        self.log.contains(text)
    }

    /// `text` fit for a snapshot: digests, ports, durations and temporary paths replaced.
    pub fn redact(&self, text: &str) -> String {
        redact(text, &self.directory)
    }
}

impl std::fmt::Display for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { code, stdout, stderr, output_file, summary, .. } = self;
        write!(
            f,
            "code {code}\n── stdout\n{stdout}\n── stderr\n{stderr}\n── outputs\n{output_file}\n── summary\n{summary}"
        )
    }
}
