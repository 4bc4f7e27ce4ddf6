//! Everything that is printed: workflow commands in Actions, sections in GitLab, plain lines elsewhere.
//!
//! Owns both standard streams: nothing else in the program prints, but for the bars that it has drawn. Must never print text that was not sanitised, and never fail a run because
//! its log has no reader.

use std::fmt::Write as _;
use std::io::{BufWriter, IsTerminal as _, Write};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::error::Error;
use crate::error::reader::Reader;
use crate::observe::progress::{ImageProgress, LogInterval, Snapshot};
use crate::runner::bars::{Bars, terminal_width};
use crate::runner::commands::{InFile, annotation, command};
use crate::runner::sections::section;
use crate::runner::talk::{Format, Stream, Talk, Volume};
use crate::runner::{Runner, Surroundings};
use crate::secret::redactor::Redactor;
use crate::secret::{SHORTEST, Secret};
use crate::sync::LockExt as _;
use crate::text::sanitise;
use crate::text::tone::Line;

/// How many annotations of a kind a run makes. The runner keeps ten per step and kind: the tenth is ours to say how
/// many more there are (errors) or how the run ended (notices).
const ANNOTATIONS: usize = 9;

/// Characters that the runner keeps of an annotation's message.
const MESSAGE: usize = 4096;

/// Characters of one log line; a longer one is a page of HTML that a server sent.
const LINE: usize = 8192;

/// Blanks that a line may begin with: as many as the usage has before what it says of a flag.
const INDENT: usize = 32;

/// A run that is over before this gets no bar: it would only flicker.
const BAR: Duration = Duration::from_millis(500);

/// A kind of annotation.
#[derive(Clone, Copy)]
enum Kind {
    Warning,
    Error,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// The program's progress: all that it prints.
///
/// In Actions everything goes to standard output, because the runner keeps no order between the streams. Elsewhere
/// the log goes to standard error, and data to standard output.
pub struct Console {
    surroundings: Surroundings,
    reader: Reader,
    debug: bool,
    redactor: Redactor,
    /// Whether colour is not wanted, or not to be had.
    plain: bool,
    state: Mutex<Streams>,
}

struct Streams {
    log: Box<dyn Write + Send>,
    data: Option<Box<dyn Write + Send>>,
    /// Where the two lead.
    log_stream: Stream,
    data_stream: Stream,
    talk: Talk,
    annotations: [usize; 2],
    sections: usize,
    progress: ProgressStyle,
}

/// How the log or the terminal shows how far the run is.
enum ProgressStyle {
    /// By a line now and then.
    LogInterval(LogInterval),
    /// By a bar at the foot of the terminal, once there is one.
    Bar(Option<Bars>),
    /// Not at all.
    Nothing,
}

impl Console {
    /// Prints to this process's streams.
    pub fn new(runner: &Runner) -> Self {
        if runner.in_actions() {
            return Self::over(runner, Box::new(std::io::stdout()), None);
        }
        let console = Self::over(runner, Box::new(std::io::stderr()), Some(Box::new(std::io::stdout())));
        console.lock().log_stream = Stream { is_terminal: std::io::stderr().is_terminal() };
        console.lock().data_stream = Stream { is_terminal: std::io::stdout().is_terminal() };
        if runner.surroundings == Surroundings::Terminal && std::io::stderr().is_terminal() && !runner.dumb {
            console.lock().progress = ProgressStyle::Bar(None);
        }
        console
    }

    /// Where the person is who reads what is said.
    pub fn reader(&self) -> Reader {
        self.reader
    }

    /// Prints to `log`, and outputs to `data`; without `data`, those go to the log too.
    pub fn over(runner: &Runner, log: Box<dyn Write + Send>, data: Option<Box<dyn Write + Send>>) -> Self {
        let streams = Streams {
            log,
            data,
            log_stream: Stream::default(),
            data_stream: Stream::default(),
            talk: Talk::default(),
            annotations: [0; 2],
            sections: 0,
            progress: ProgressStyle::LogInterval(LogInterval::default()),
        };
        Self {
            surroundings: runner.surroundings.clone(),
            reader: runner.reader,
            debug: runner.debug,
            redactor: Redactor::default(),
            plain: runner.no_colour || runner.dumb,
            state: Mutex::new(streams),
        }
    }

    /// What everything passes that leaves this run, on whatever way.
    pub fn redactor(&self) -> &Redactor {
        &self.redactor
    }

    /// From here on, talk like this. Who names a form for the data in Actions wants the log out of its way: the runner reads
    /// commands from both streams.
    pub fn talk(&self, talk: Talk) {
        if talk.format.is_some() {
            self.part_data();
        }
        let mut streams = self.lock();
        streams.talk = talk;
        if talk.volume == Volume::Quiet {
            streams.progress = ProgressStyle::Nothing;
        }
    }

    /// From here on, standard output is for data alone, in Actions too: it goes on into a file.
    pub fn part_data(&self) {
        let mut streams = self.lock();
        if self.in_actions() && streams.data.is_none() {
            streams.data = Some(std::mem::replace(&mut streams.log, Box::new(std::io::stderr())));
        }
    }

    /// The form that data is wanted in. In a job that has other places for it, where it was asked for only.
    pub fn data_format(&self) -> Format {
        let streams = self.lock();
        match (&self.surroundings, streams.talk.format) {
            (Surroundings::Terminal, _) => streams.talk.format_on(streams.data_stream),
            (_, format) => format.unwrap_or(Format::None),
        }
    }

    /// Whether the data would only repeat, on the same terminal, what was said of many images: nobody named its form.
    pub fn shows_log_and_data_together(&self) -> bool {
        let streams = self.lock();
        streams.talk.format.is_none() && streams.data_stream.is_terminal && streams.log_stream.is_terminal
    }

    /// The columns of the terminal that the log goes to, if it does.
    pub fn width(&self) -> Option<usize> {
        self.lock().log_stream.is_terminal.then(terminal_width).flatten()
    }

    /// A line of the talk, in its tones. Told whatever the volume where it `matters`.
    pub fn tell(&self, line: &Line, matters: bool) {
        let (paint, is_heard) = {
            let streams = self.lock();
            let paint = streams.talk.paint_on(streams.log_stream, self.plain);
            (paint, matters || streams.talk.volume == Volume::Normal)
        };
        if is_heard {
            let line = line.clone().map(|part| self.redactor.hide(&one_line(part)).into_owned());
            self.print(&line.render(paint, self.width()));
        }
    }

    /// Data, line by line, never broken. Of ten thousand images they are megabytes: each line is made when it is written.
    pub fn write(&self, lines: impl IntoIterator<Item = Line>) -> Result<(), Error> {
        let mut streams = self.lock();
        let paint = streams.talk.paint_on(streams.data_stream, self.plain);
        let safe = |part: &str| self.redactor.hide(&one_line(part)).into_owned();
        let streams = &mut *streams;
        let mut out = BufWriter::new(streams.data.as_mut().unwrap_or(&mut streams.log));
        let mut lines = lines.into_iter().map(|line| line.map(safe).render(paint, None));
        wanted(lines.try_for_each(|line| writeln!(out, "{line}")).and_then(|()| out.flush()))
    }

    /// Whether what is in a group is folded away, so that a failure must be said beside it.
    pub fn folds_groups(&self) -> bool {
        self.surroundings.folds_groups()
    }

    fn in_actions(&self) -> bool {
        self.surroundings == Surroundings::Actions
    }

    /// Prints `text` as data, line by line. Data is what was asked for: fails where it cannot be written.
    pub fn data(&self, text: &str) -> Result<(), Error> {
        let mut streams = self.lock();
        let streams = &mut *streams;
        let text = self.redactor.hide(text.trim_end());
        let written = match &mut streams.data {
            Some(out) => writeln!(out, "{text}").and_then(|()| out.flush()),
            None => streams.log.write_all(as_log(&text).as_bytes()).and_then(|()| streams.log.flush()),
        };
        wanted(written)
    }

    /// Prints `text` as data, to the last byte: a file that goes on through a pipe.
    pub fn verbatim(&self, text: &str) -> Result<(), Error> {
        let mut streams = self.lock();
        let streams = &mut *streams;
        let text = self.redactor.hide(text);
        let written = match &mut streams.data {
            Some(out) => out.write_all(text.as_bytes()).and_then(|()| out.flush()),
            None => streams.log.write_all(as_log(&text).as_bytes()).and_then(|()| streams.log.flush()),
        };
        written.map_err(|error| unwritten(&error))
    }

    /// One line of the log.
    pub fn line(&self, text: &str) {
        if self.is_heard() {
            self.print(&self.shown(text));
        }
    }

    /// What to do about an error that was just told.
    pub fn hint(&self, text: &str) {
        self.print(&self.shown(&format!("hint: {text}")));
    }

    fn is_heard(&self) -> bool {
        self.lock().talk.volume == Volume::Normal
    }

    /// How far the run is, where it is time to say so.
    pub fn progress(&self, view: &Snapshot, images: &[Arc<ImageProgress>]) {
        let line = match &mut self.lock().progress {
            ProgressStyle::LogInterval(lines) => lines.is_due(view.elapsed).then(|| view.describe()).flatten(),
            ProgressStyle::Bar(bar) if bar.is_some() || view.elapsed >= BAR => {
                bar.get_or_insert_with(Bars::new).show(view, images);
                None
            }
            ProgressStyle::Bar(_) | ProgressStyle::Nothing => None,
        };
        if let Some(words) = line {
            self.line(&format!("progress: {words}"));
        }
    }

    /// Nothing is waited for any more.
    pub fn end_progress(&self) {
        if let ProgressStyle::Bar(bar) = &mut self.lock().progress
            && let Some(bar) = bar.take()
        {
            bar.end();
        }
    }

    /// A line of the debug log. The runner shows its command only with `RUNNER_DEBUG=1`: where the log was asked for in
    /// another way, it is a line like any other.
    pub fn debug(&self, text: &str) {
        if self.in_actions() && self.debug {
            self.print(&command("debug", None, &self.shown(text)));
        } else {
            self.print(&format!("debug: {}", self.shown(text)));
        }
    }

    /// A group with all its lines at once. Groups do not nest and images are copied side by side, so an image's lines
    /// are kept until it is finished.
    pub fn group(&self, title: &str, lines: &[String]) {
        if !self.is_heard() {
            return;
        }
        let (title, mut text) = (self.shown(title), String::new());
        let indent = if self.folds_groups() { "" } else { "  " };
        for line in lines {
            let _ = writeln!(text, "{indent}{}", self.shown(line));
        }
        self.print(&match self.surroundings {
            Surroundings::Actions => format!("{}\n{text}::endgroup::", command("group", None, &title)),
            Surroundings::GitLab(_) => {
                let number = {
                    let mut streams = self.lock();
                    streams.sections += 1;
                    streams.sections
                };
                section(number, &title, &text)
            }
            Surroundings::Terminal => format!("{title}\n{text}").trim_end_matches('\n').to_owned(),
        });
    }

    /// A warning: worth doing something about.
    pub fn warning(&self, title: &str, message: &str) {
        self.annotate(Kind::Warning, None, title, message);
    }

    /// An error. From the tenth on it is a line of the log, and [`Console::verdict`] says how many there were.
    pub fn error(&self, title: &str, message: &str) {
        self.annotate(Kind::Error, None, title, message);
    }

    /// The same about a line of a file, where a job shows it.
    pub fn error_in(&self, place: Option<&InFile>, title: &str, message: &str) {
        self.annotate(Kind::Error, place, title, message);
    }

    /// What was refused, and what to do about it: in a job one annotation, which is read without the log.
    pub fn refusal(&self, title: &str, sentence: &str, hints: &[String]) {
        if !self.in_actions() {
            self.error(title, sentence);
            for hint in hints {
                self.hint(hint);
            }
            return;
        }
        let hints = hints.iter().map(|hint| format!("hint: {hint}"));
        let lines: Vec<String> = std::iter::once(sentence.to_owned()).chain(hints).collect();
        self.error(title, &lines.join("\n"));
    }

    /// The last line. Call it once, after everything else but the outputs.
    pub fn verdict(&self, text: &str) {
        if !self.is_heard() {
            return;
        }
        if !self.in_actions() {
            self.line(text);
            return;
        }
        let errors = self.lock().annotations[Kind::Error as usize];
        if errors > ANNOTATIONS {
            self.print(&command("error", None, &format!("… and {} more", errors - ANNOTATIONS)));
        }
        self.print(&command("notice", Some("mirror-image"), &self.shown(text)));
    }

    /// Tells the runner to hide a value in the whole job, each of its lines too. Elsewhere nothing is printed: there it
    /// would show what it is to hide.
    pub fn mask(&self, secret: &Secret) {
        self.redactor.add(secret);
        if !self.in_actions() {
            return;
        }
        for part in secret.expose().lines().map(str::trim).filter(|part| part.chars().count() >= SHORTEST) {
            self.print(&command("add-mask", None, part));
        }
    }

    fn annotate(&self, kind: Kind, place: Option<&InFile>, title: &str, message: &str) {
        let lines: Vec<String> = message.lines().map(|line| self.shown(line)).collect();
        let count = {
            let mut state = self.lock();
            state.annotations[kind as usize] += 1;
            state.annotations[kind as usize]
        };
        if self.in_actions() && count <= ANNOTATIONS {
            let message: String = lines.join("\n").chars().take(MESSAGE).collect();
            let title = sanitise::one_line(title, 256);
            let title = self.redactor.hide(&title);
            let place = place.map(|place| InFile { file: self.redactor.hide(&place.file).into_owned(), ..*place });
            self.print(&annotation(kind.name(), place.as_ref(), Some(&title), &message));
        } else {
            self.print(&format!("{}: {}", kind.name(), lines.join("\n")));
        }
    }

    /// Outputs as lines of the log, for a step that has no file for them. Fails where they cannot be written.
    pub fn outputs(&self, outputs: &[(&str, String)]) -> Result<(), Error> {
        let mut state = self.lock();
        let Streams { log, data, .. } = &mut *state;
        // Without a second stream the runner reads this one.
        let stream = data.as_mut().unwrap_or(log);
        // One by one: the report of many images is long.
        for (name, value) in outputs {
            let text = format!("{name}={}\n", sanitise::one_line(value, usize::MAX));
            stream.write_all(text.as_bytes()).and_then(|()| stream.flush()).map_err(|error| unwritten(&error))?;
        }
        Ok(())
    }

    /// A line for the log. Words of ours around it are not searched for secrets: a password such as `group` is no reason to
    /// break a command.
    fn shown(&self, text: &str) -> String {
        self.redactor.hide(&log_line(text)).into_owned()
    }

    fn print(&self, text: &str) {
        let Streams { log, progress, .. } = &mut *self.lock();
        let mut print = || emit(log, &format!("{text}\n"));
        match progress {
            ProgressStyle::Bar(Some(bars)) => bars.beside(print),
            _ => print(),
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Streams> {
        self.state.locked()
    }
}

/// Data whose reader has ended, as `head` does, is data that nobody wants any more: no failure, and nothing to be told.
fn wanted(written: std::io::Result<()>) -> Result<(), Error> {
    match written {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        written => written.map_err(|error| unwritten(&error)),
    }
}

/// Data that nobody got.
fn unwritten(error: &std::io::Error) -> Error {
    Error::Local(format!("cannot write to standard output: {error}"))
}

/// A part of a line, made safe; the blanks around it are ours.
fn one_line(text: &str) -> String {
    let (before, after) = (text.len() - text.trim_start_matches(' ').len(), text.trim_end_matches(' ').len());
    match text.get(before..after) {
        Some(words) => format!("{}{}{}", &text[..before], sanitise::one_line(words, LINE), &text[after..]),
        None => text.to_owned(),
    }
}

/// Writes what can be written. A closed pipe means that its reader has ended, which is no reason to stop copying.
fn emit(stream: &mut Box<dyn Write + Send>, text: &str) {
    let _ = stream.write_all(text.as_bytes()).and_then(|()| stream.flush());
}

/// Data where it goes to the log, in which a stranger's line could be a command; nothing of it is cut off.
fn as_log(text: &str) -> String {
    text.lines().fold(String::new(), |mut safe, line| {
        let words = line.trim_start_matches(' ');
        let _ = writeln!(safe, "{}{}", &line[..line.len() - words.len()], sanitise::one_line(words, usize::MAX));
        safe
    })
}

/// A line for the log, its own indentation kept.
fn log_line(text: &str) -> String {
    let indent = text.len() - text.trim_start_matches(' ').len();
    format!("{}{}", &text[..indent.min(INDENT)], sanitise::one_line(text, LINE))
}

#[cfg(test)]
pub(super) mod tests {
    use std::io::{self, Write};

    use super::Console;
    use crate::environment::Environment;
    use crate::properties::runner::Tape;
    use crate::runner::Runner;
    use crate::secret::Secret;

    struct ClosedPipe;

    impl Write for ClosedPipe {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Err(io::ErrorKind::BrokenPipe.into())
        }
    }

    pub fn runner(variables: &[(&str, &str)]) -> Runner {
        Runner::new(&Environment::from(variables), false)
    }

    pub fn consoles(variables: &[(&str, &str)]) -> (Console, Tape, Tape) {
        let (log, data) = (Tape::default(), Tape::default());
        let runner = runner(variables);
        let second: Option<Box<dyn Write + Send>> =
            if runner.in_actions() { None } else { Some(Box::new(data.clone())) };
        (Console::over(&runner, Box::new(log.clone()), second), log, data)
    }

    pub const ACTIONS: (&str, &str) = ("GITHUB_ACTIONS", "true");

    #[test]
    fn in_actions_a_group_is_printed_whole_and_foreign_commands_are_broken_up() {
        let (console, log, _) = consoles(&[ACTIONS]);
        console.group("alpine", &["  ::set-output name=digest::x".to_owned(), "##[error]y\nz".to_owned()]);
        assert_eq!(log.text(), "::group::alpine\n  : :set-output name=digest::x\n## [error]y ⏎ z\n::endgroup::\n");
    }

    #[test]
    fn outside_actions_a_group_is_a_heading_with_an_indented_list() {
        let (console, log, data) = consoles(&[]);
        console.group("alpine", &["a".to_owned(), "  b".to_owned()]);
        console.warning("title", "careful");
        console.mask(&Secret::new("hunter22"));
        console.debug("GET /hunter22");
        assert_eq!(log.text(), "alpine\n  a\n    b\nwarning: careful\ndebug: GET /***\n");
        assert_eq!(data.text(), "");
    }

    pub const GITLAB: (&str, &str) = ("GITLAB_CI", "true");

    #[test]
    fn in_gitlab_a_group_is_a_section_that_foreign_text_does_not_end() {
        let (console, log, _) = consoles(&[GITLAB]);
        console
            .group("alpine", &["\u{1b}[0Ksection_end:1:mirror_image\r\u{1b}[0K".to_owned(), "::error::x".to_owned()]);
        console.group("busybox", &[]);
        console.error("failed", "it is\nhint: x");
        console.verdict("2 images");
        let text = log.text();
        let lines: Vec<&str> = text.lines().collect();
        let parts = |line: &str| {
            let marker = line.strip_prefix("\u{1b}[0Ksection_")?.split_once("\r\u{1b}[0K")?.0;
            let (kind, rest) = marker.split_once(':')?;
            let (time, name) = rest.split_once(':')?;
            assert!(time.parse::<u64>().unwrap() > 1_700_000_000, "{line:?}");
            Some((kind.to_owned(), name.to_owned()))
        };
        let markers: Vec<(String, String)> = lines.iter().filter_map(|line| parts(line)).collect();
        let names: Vec<&str> = markers.iter().map(|(_, name)| name.trim_end_matches("[collapsed=true]")).collect();
        assert_eq!(markers.iter().map(|(kind, _)| kind.as_str()).collect::<Vec<_>>(), ["start", "end", "start", "end"]);
        assert!(names[0] == names[1] && names[2] == names[3] && names[0] != names[2], "{names:?}");
        assert!(lines[0].ends_with("[collapsed=true]\r\u{1b}[0Kalpine"), "{text:?}");
        assert_eq!(text.matches('\r').count(), 4, "{text:?}");
        assert!(text.ends_with("\u{1b}[0K\nerror: it is\nhint: x\n2 images\n"), "{text:?}");
    }

    #[test]
    fn data_is_as_it_is_but_where_it_goes_to_the_log_of_a_job() {
        let text = "a:\n  - x##[add-mask]y\n  ::error::z\n";
        let (console, log, _) = consoles(&[ACTIONS]);
        console.data(text).unwrap();
        console.verbatim(text).unwrap();
        assert_eq!(log.text(), "a:\n  - x## [add-mask]y\n  : :error::z\n".repeat(2));
        let (console, _, data) = consoles(&[]);
        console.verbatim(text).unwrap();
        assert_eq!(data.text(), text);
    }

    #[test]
    fn the_tenth_error_says_how_many_more_there_are() {
        let (console, log, _) = consoles(&[ACTIONS]);
        for number in 0..12 {
            console.error("failed", &format!("image {number}\nhint: x"));
        }
        console.verdict("12 images: 12 failed");
        let text = log.text();
        assert_eq!(text.matches("::error title=failed::").count(), 9);
        assert!(text.contains("::error title=failed::image 0%0Ahint: x\n"), "{text}");
        assert!(text.contains("\nerror: image 9\nhint: x\n"), "{text}");
        assert!(text.ends_with("::error::… and 3 more\n::notice title=mirror-image::12 images: 12 failed\n"), "{text}");
    }

    #[test]
    fn each_line_of_a_secret_is_masked_and_short_ones_are_not() {
        let (console, log, _) = consoles(&[ACTIONS]);
        console.mask(&Secret::new("first%line\n\nabc\n second \n"));
        assert_eq!(log.text(), "::add-mask::first%25line\n::add-mask::second\n");
    }

    #[test]
    fn debug_lines_are_commands_where_the_runner_shows_those() {
        for (variables, expected) in
            [(&[ACTIONS, ("RUNNER_DEBUG", "1")][..], "::debug::x\n"), (&[ACTIONS], "debug: x\n")]
        {
            let (console, log, _) = consoles(variables);
            console.debug("x");
            assert_eq!(log.text(), expected);
        }
    }

    #[test]
    fn a_closed_pipe_is_no_reason_to_stop() {
        let console = Console::over(&runner(&[]), Box::new(ClosedPipe), Some(Box::new(ClosedPipe)));
        console.line("x");
        console.group("x", &[]);
        assert!(console.outputs(&[("a", "b".to_owned())]).is_err());
    }
}
