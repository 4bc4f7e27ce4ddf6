//! What must hold of workflow commands and outputs, whatever is said with them.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use crate::environment::Environment;
use crate::properties::actions;
use crate::runner::Runner;
use crate::runner::console::Console;
use crate::runner::files::{self, Files};
use crate::secret::Secret;
use crate::sync::LockExt as _;
use crate::text::sanitise;

/// A tape that is written to and read.
#[derive(Clone, Default)]
pub struct Tape(Arc<Mutex<Vec<u8>>>);

impl Tape {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.locked()).into_owned()
    }
}

impl Write for Tape {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.locked().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What a run says: acts, each a letter and its texts, one after the other by `\u{1e}`, a title parted from the rest by
/// `\u{1f}`.
///
/// The runner sees the commands that were issued, in their order, and no other; elsewhere nobody sees one.
pub fn commands(acts: &str) {
    for in_actions in [true, false] {
        let actions = if in_actions { "true" } else { "false" };
        let runner = Runner::new(&Environment::from(&[("GITHUB_ACTIONS", actions), ("RUNNER_DEBUG", "1")][..]), false);
        let (log, data) = (Tape::default(), Tape::default());
        let second: Option<Box<dyn Write + Send>> = if in_actions { None } else { Some(Box::new(data.clone())) };
        let console = Console::over(&runner, Box::new(log.clone()), second);
        let mut issued = Vec::new();
        let mut annotations = BTreeMap::<&str, usize>::new();
        for act in acts.split('\u{1e}') {
            let (letter, texts) = act.split_at(act.chars().next().map_or(0, char::len_utf8));
            let (title, message) = texts.split_once('\u{1f}').unwrap_or(("", texts));
            let mut annotated = |name: &'static str| {
                let count = annotations.entry(name).or_default();
                *count += 1;
                if *count <= 9 {
                    let shown = console.redactor().hide(&sanitise::one_line(title, 256)).into_owned();
                    issued.push((name, Some(shown)));
                }
            };
            match letter {
                "g" => {
                    console.group(title, &message.lines().map(str::to_owned).collect::<Vec<_>>());
                    issued.extend([("group", None), ("endgroup", None)]);
                }
                "w" => {
                    console.warning(title, message);
                    annotated("warning");
                }
                "e" => {
                    console.error(title, message);
                    annotated("error");
                }
                "d" => {
                    console.debug(message);
                    issued.push(("debug", None));
                }
                "m" => {
                    console.mask(&Secret::new(message));
                    let masked = message.lines().filter(|line| line.trim().chars().count() >= 4);
                    issued.extend(masked.map(|_| ("add-mask", None)));
                }
                "o" => {
                    // Names are ours, values may hold what is not.
                    let outputs = [("json", message.to_owned()), ("image", title.to_owned())];
                    let written =
                        Files::open(&runner, false, None).and_then(|mut files| files.write_outputs(&console, &outputs));
                    assert!(written.is_ok());
                }
                _ => console.line(message),
            }
        }
        let seen = actions::commands(&log.text());
        if !in_actions {
            assert_eq!(seen, [], "{}", log.text());
            continue;
        }
        let names = |name: &str, title: Option<&String>| format!("{name} {}", title.map_or("", String::as_str));
        let seen: Vec<String> = seen.iter().map(|seen| names(&seen.name, seen.properties.get("title"))).collect();
        let issued: Vec<String> = issued.iter().map(|(name, title)| names(name, title.as_ref())).collect();
        assert_eq!(seen, issued, "{}", log.text());
    }
}

/// Values for `GITHUB_OUTPUT`, parted by `\u{1e}`, beside a delimiter, which comes first: the runner reads back each as it
/// was, or nothing is written.
pub fn outputs(text: &str) {
    let mut parts = text.split('\u{1e}');
    let delimiter = parts.next().filter(|text| !text.is_empty() && !text.contains('\n')).unwrap_or("EOF");
    let mut file = String::new();
    let mut given = BTreeMap::new();
    for (number, value) in parts.enumerate() {
        let name = format!("output-{number}");
        if let Ok(written) = files::heredoc(&name, value, delimiter) {
            file.push_str(&written);
            given.insert(name, value.to_owned());
        }
    }
    assert_eq!(actions::outputs(&file), Ok(given), "{file:?}");
}
