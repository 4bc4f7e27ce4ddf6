//! GitHub's runner, as far as it reads what a step prints and writes: which commands it finds in a log, which outputs in
//! a file. Written after the runner's source (actions/runner: `ActionCommand.cs`, `FileCommandManager.cs`), not after
//! ours, and stricter where the runner depends on the machine it runs on.

use std::collections::BTreeMap;

/// A command that the runner would carry out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    /// Lower case: the runner's names have no case.
    pub name: String,
    pub properties: BTreeMap<String, String>,
    pub message: String,
}

/// What the runner has registered, the ones that need an opt-in included.
const REGISTERED: [&str; 18] = [
    "add-mask",
    "add-matcher",
    "add-path",
    "debug",
    "echo",
    "endgroup",
    "error",
    "group",
    "internal-set-repo-path",
    "notice",
    "remove-matcher",
    "save-state",
    "set-env",
    "set-output",
    "set-secret",
    "stop-commands",
    "warning",
    "workflow",
];

/// Every command in `log`, in order.
pub fn commands(log: &str) -> Vec<Command> {
    log.split(['\n', '\r']).filter_map(command).collect()
}

/// The command of one line, in the form `::name key=value::message` or in the old one, `##[name key=value]message`.
fn command(line: &str) -> Option<Command> {
    // The runner compares by culture, and with ICU a comparison does not see characters that are ignorable.
    let line: String = line.chars().filter(|character| !is_ignorable(*character)).collect();
    new_form(line.trim_start()).or_else(|| old_form(&line))
}

fn new_form(line: &str) -> Option<Command> {
    let (head, message) = line.strip_prefix("::")?.split_once("::")?;
    let unescape = |text: &str| text.replace("%0D", "\r").replace("%0A", "\n").replace("%25", "%");
    let property = |text: &str| {
        let text = text.replace("%0D", "\r").replace("%0A", "\n").replace("%3A", ":").replace("%2C", ",");
        text.replace("%25", "%")
    };
    registered(head, ',', property, unescape(message))
}

fn old_form(line: &str) -> Option<Command> {
    let (head, message) = line.split_once("##[")?.1.split_once(']')?;
    registered(head, ';', str::to_owned, message.to_owned())
}

fn registered(head: &str, comma: char, unescape: impl Fn(&str) -> String, message: String) -> Option<Command> {
    let (name, properties) = head.split_once(' ').unwrap_or((head, ""));
    let name = name.to_ascii_lowercase();
    let pairs = properties.trim().split(comma).filter_map(|pair| pair.split_once('='));
    let properties = pairs.map(|(key, value)| (key.to_owned(), unescape(value))).collect();
    REGISTERED.contains(&name.as_str()).then_some(Command { name, properties, message })
}

/// Unicode's `Default_Ignorable_Code_Point`, and the controls that no collation gives a weight.
fn is_ignorable(character: char) -> bool {
    matches!(u32::from(character),
        0x00..=0x08 | 0x0e..=0x1f | 0x7f..=0x84 | 0x86..=0x9f
        | 0xad | 0x34f | 0x61c | 0x115f..=0x1160 | 0x17b4..=0x17b5 | 0x180b..=0x180f | 0x200b..=0x200f
        | 0x202a..=0x202e | 0x2060..=0x206f | 0x3164 | 0xfe00..=0xfe0f | 0xfeff | 0xffa0 | 0xfff0..=0xfff8
        | 0x1bca0..=0x1bca3 | 0x1d173..=0x1d17a | 0xe0000..=0xe0fff)
}

/// `GITHUB_OUTPUT` by the rules of the runner: `name=value` or `name<<delimiter`, whichever sign comes first. A line ends
/// with a line feed and nothing else.
pub fn outputs(text: &str) -> Result<BTreeMap<String, String>, String> {
    let mut outputs = BTreeMap::new();
    let mut lines = text.strip_suffix('\n').unwrap_or(text).split('\n');
    while let Some(line) = lines.next() {
        let (equals, heredoc) = (line.find('='), line.find("<<"));
        match (equals, heredoc) {
            _ if line.is_empty() => {}
            (Some(at), None) => drop(outputs.insert(line[..at].to_owned(), line[at + 1..].to_owned())),
            (Some(at), Some(other)) if at < other => {
                drop(outputs.insert(line[..at].to_owned(), line[at + 1..].to_owned()));
            }
            (_, Some(at)) => {
                let (name, delimiter) = (&line[..at], &line[at + 2..]);
                if name.is_empty() || delimiter.is_empty() {
                    return Err(format!("invalid line `{line}`"));
                }
                let mut value = Vec::new();
                loop {
                    match lines.next() {
                        Some(line) if line == delimiter => break,
                        Some(line) => value.push(line),
                        None => return Err(format!("the delimiter `{delimiter}` never comes")),
                    }
                }
                outputs.insert(name.to_owned(), value.join("\n"));
            }
            (None, None) => return Err(format!("invalid line `{line}`")),
        }
    }
    Ok(outputs)
}
