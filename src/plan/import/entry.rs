//! What an import comes to: entries of a list with comments, and the logins that they need.
//!
//! Owns how the list is written. Each entry is read by the reader of lists before it is given out; one that the reader refuses
//! becomes a comment that says why.

use std::collections::{BTreeMap, HashSet};

use serde::{Serialize, Serializer};

use crate::plan::list::schema::List;
use crate::plan::list::yaml::{Key, Node};
use crate::text::quote::quote;
use crate::text::sanitise;

/// What is known besides the file.
pub struct Settings<'a> {
    /// Where images go that have no target of their own; none: as the input `target` says.
    pub target: Option<String>,
    /// What `env-file` says, for lists that name variables. Never the environment's: a file would choose which of them is printed.
    pub variables: &'a BTreeMap<String, String>,
}

impl Settings<'_> {
    /// What the name of a target begins with whose registry was on another tool's command line.
    pub fn base(&self) -> String {
        let target = self.target.as_deref().unwrap_or("ghcr.io/{owner}/{repo}/{registry}/{repository}");
        let differs = ["{registry}", "{repository}", "{namespace}", "{name}", "{tag}"];
        let end = differs.iter().filter_map(|name| target.find(name)).min().unwrap_or(target.len());
        let base = target[..end].trim_end_matches([':', '/']);
        format!("{base}/")
    }
}

/// An item of `tags`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Tag {
    /// Exact, or a pattern.
    Text(String),
    /// All of this.
    Rules(Rules),
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Rules {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub semver: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub glob: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub regex: Option<String>,
    #[serde(rename = "pre-releases", skip_serializing_if = "Option::is_none")]
    pub pre_releases: Option<bool>,
}

/// So many of the newest tags, whatever their variants.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Newest {
    pub count: usize,
    pub across_variants: bool,
}

/// One entry.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Entry {
    #[serde(skip)]
    pub comments: Vec<String>,
    pub source: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<Tag>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub exclude: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty", serialize_with = "one_or_several")]
    pub target: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub newest: Option<Newest>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub platforms: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subset: Option<&'static str>,
    /// The signature that it must have.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub verify: BTreeMap<&'static str, String>,
}

impl Entry {
    pub fn of(source: impl Into<String>) -> Self {
        Self { source: source.into(), ..Self::default() }
    }

    /// That something is left out, said with its name alone.
    pub fn leave_out(&mut self, what: &str, why: &str) {
        self.comments.push(left_out(what, why));
    }
}

/// How such a comment begins.
const NOT_CARRIED_OVER: &str = "not carried over";

/// The comment about what is not carried over.
pub fn left_out(what: &str, why: &str) -> String {
    let why = if why.is_empty() { String::new() } else { format!(": {why}") };
    format!("{NOT_CARRIED_OVER}: {what}{why}")
}

/// A login that the list needs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Login {
    pub user: Option<String>,
    /// The variable that the password was read from.
    pub variable: Option<String>,
}

/// What lists come to.
#[derive(Clone, Debug, Default)]
pub struct Imported {
    pub tool: &'static str,
    /// About the list as a whole.
    pub comments: Vec<String>,
    pub entries: Vec<Entry>,
    /// By host.
    pub logins: BTreeMap<String, Login>,
    /// Hosts that were spoken to without TLS, or with a certificate that nobody checked.
    pub insecure: Vec<String>,
}

impl Imported {
    pub fn leave_out(&mut self, what: &str, why: &str) {
        self.comments.push(left_out(what, why));
    }

    /// Says of each key that is not one of `known` that it is left out: its name, and nothing of its value.
    pub fn leave_out_others(&mut self, members: &[(Key, Node)], known: &[&str], of: &str) {
        for (key, _) in members.iter().filter(|(key, _)| !known.contains(&&*key.text) && !key.text.starts_with("x-")) {
            self.leave_out(&format!("`{}` of {of}", quote(&key.text)), "");
        }
    }

    /// Needs a login at `host`.
    pub fn login(&mut self, host: &str, user: Option<&str>, variable: Option<&str>) {
        let login = self.logins.entry(quote(login_and_name(host).1)).or_default();
        login.user = login.user.take().or_else(|| user.map(quote));
        login.variable = login.variable.take().or_else(|| variable.map(str::to_owned));
    }

    /// Adds another file's.
    pub fn join(&mut self, other: Self) {
        self.comments.extend(other.comments);
        self.entries.extend(other.entries);
        for (host, login) in other.logins {
            self.login(&host, login.user.as_deref(), login.variable.as_deref());
        }
        self.insecure.extend(other.insecure);
    }

    /// The list's text, and how many things of it are not carried over.
    pub fn render(&self, target: Option<&str>) -> (String, usize) {
        let mut lines = vec!["# Made by `mirror-image import`; look it over.".to_owned()];
        let mut missing = 0;
        let comment = |text: &str| format!("# {}", sanitise::one_line(text, 1000));
        if !self.logins.is_empty() {
            lines.push(
                "# Logins are never in a list. These registries had one; give it by the input `registry-auth`:"
                    .to_owned(),
            );
            for (host, login) in &self.logins {
                let stem: String = host
                    .chars()
                    .map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' })
                    .collect();
                let is_plain = |text: &&String| !text.is_empty() && !text.contains(char::is_whitespace);
                let user = login
                    .user
                    .as_ref()
                    .filter(is_plain)
                    .cloned()
                    .unwrap_or_else(|| format!("${{{{ secrets.{stem}_USERNAME }}}}"));
                let secret = login.variable.clone().unwrap_or_else(|| format!("{stem}_PASSWORD"));
                lines.push(comment(&format!("  {host} {user} ${{{{ secrets.{secret} }}}}")));
            }
        }
        let mut insecure: Vec<&str> = self.insecure.iter().map(|host| login_and_name(host).1).collect();
        insecure.sort_unstable();
        insecure.dedup();
        if !insecure.is_empty() {
            lines.push(comment(&format!(
                "These were spoken to without TLS, or without a look at their certificate: `insecure-registries: {}` for plain HTTP, \
                 `ca-certificates` for an authority of your own.",
                insecure.join(", ")
            )));
        }
        let mut said = HashSet::new();
        let comments: Vec<&String> = self.comments.iter().filter(|text| said.insert(text.as_str())).collect();
        lines.extend(comments.iter().map(|text| comment(text)));
        let of_all = self.said_of_all();
        lines.extend(of_all.iter().map(|text| comment(&format!("of every entry: {text}"))));
        lines.push("version: 1".to_owned());
        if let Some(target) = target {
            lines.push("defaults:".to_owned());
            lines.push(indented(&yaml(&BTreeMap::from([("target", target)]))));
        }
        missing += comments.iter().filter(|text| text.starts_with(NOT_CARRIED_OVER)).count();
        let mut written: Vec<(Vec<String>, String)> = Vec::new();
        let mut known = HashSet::new();
        for entry in &self.entries {
            let own = entry.comments.iter().filter(|text| !of_all.contains(text));
            let mut comments: Vec<String> = own.map(|text| comment(text)).collect();
            let text = entry.text();
            match entry.refuse_login().and_then(|()| refuse_command(&text)).and_then(|()| check(&text)) {
                Ok(()) if known.contains(&text) => comments.clear(),
                Ok(()) => {
                    known.insert(text.clone());
                    written.push((std::mem::take(&mut comments), text));
                    missing += entry.comments.iter().filter(|text| text.starts_with(NOT_CARRIED_OVER)).count();
                }
                Err(problem) => {
                    comments
                        .push(comment(&left_out(&format!("`{}`", quote(login_and_name(&entry.source).1)), &problem)));
                    missing += 1;
                    written.push((std::mem::take(&mut comments), String::new()));
                }
            }
        }
        lines.push(if written.iter().all(|(_, text)| text.is_empty()) {
            "images: []".to_owned()
        } else {
            "images:".to_owned()
        });
        for (comments, text) in written {
            lines.extend(comments.iter().map(|comment| format!("  {comment}")));
            lines.extend((!text.is_empty()).then(|| indented(&text)));
        }
        (lines.join("\n") + "\n", missing)
    }
}

impl Imported {
    /// What every entry would say by itself, once is enough; of what is not carried over each is counted, and says so.
    fn said_of_all(&self) -> Vec<&String> {
        let [first, others @ ..] = self.entries.as_slice() else { return Vec::new() };
        let is_of_all = |text: &&String| {
            !text.starts_with(NOT_CARRIED_OVER) && others.iter().all(|other| other.comments.contains(text))
        };
        if others.is_empty() { Vec::new() } else { first.comments.iter().filter(is_of_all).collect() }
    }
}

impl Entry {
    /// The item of `images`: a text where that says it all.
    fn text(&self) -> String {
        let is_plain = self.tags.is_empty()
            && self.platforms.is_empty()
            && self.newest.is_none()
            && self.verify.is_empty()
            && self.target.len() < 2;
        if is_plain {
            let text = match self.target.first() {
                Some(target) => format!("{} => {target}", self.source),
                None => self.source.clone(),
            };
            return yaml(&[text]);
        }
        yaml(&[self])
    }

    /// Refuses a name that has a login in it, which the reader of lists takes for a part of a target.
    fn refuse_login(&self) -> Result<(), String> {
        for (what, name) in self.target.iter().map(|target| ("target", target)).chain([("source", &self.source)]) {
            if let (Some(_), rest) = login_and_name(name) {
                let rest = quote(rest);
                return Err(format!(
                    "its {what} `{rest}` has a login before an `@`; give that by the input `registry-auth`"
                ));
            }
        }
        Ok(())
    }
}

/// Refuses what a runner takes for a command wherever it is printed, as in the log of a job that shows the list.
fn refuse_command(text: &str) -> Result<(), String> {
    if text.contains("##[") {
        return Err("it has `##` before a `[`, which is a command to the runner of a job".to_owned());
    }
    Ok(())
}

/// What stands before the `@` of a login, and the name behind it; the `@` before a digest is none.
fn login_and_name(text: &str) -> (Option<&str>, &str) {
    let is_digest = |after: &str| ["sha256:", "sha512:"].iter().any(|algorithm| after.starts_with(algorithm));
    let end = text.rfind('@').filter(|at| is_digest(&text[at + 1..])).unwrap_or(text.len());
    match text[..end].rfind('@') {
        Some(at) => (Some(&text[..at]), &text[at + 1..]),
        None => (None, text),
    }
}

/// One target is a text, as people write it.
fn one_or_several<S: Serializer>(targets: &[String], serializer: S) -> Result<S::Ok, S::Error> {
    match targets {
        [one] => serializer.serialize_str(one),
        several => several.serialize(serializer),
    }
}

/// A public key, in place of those that are not here.
const A_KEY: &str = "-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE2G2Y+2tabdTV5BcGiBIx0a9fAFwr\n\
                     kBbmLSGtks4L3qX6yYY0zufBnhC8Ur/iy55GhWP/9A/bY2LhC30M9+RYtw==\n-----END PUBLIC KEY-----\n";

/// Whether the reader of lists takes the entry.
fn check(entry: &str) -> Result<(), String> {
    let text = format!("images:\n{}\n", indented(entry));
    // The files of keys are wherever the list will be used.
    List::default().read("x.yml", &text, &|_| Ok(A_KEY.to_owned())).map_err(|error| {
        let problem = error.to_string();
        let sentence = problem.split_once("x.yml:").map_or(&*problem, |(_, rest)| rest);
        sentence.splitn(3, ':').last().unwrap_or_default().trim().to_owned()
    })
}

fn yaml<T: Serialize>(value: &T) -> String {
    let options = serde_saphyr::ser_options! { prefer_block_scalars: false, compact_list_indent: true };
    serde_saphyr::to_string_with_options(value, options).unwrap_or_default()
}

fn indented(text: &str) -> String {
    text.trim_end().lines().map(|line| format!("  {line}")).collect::<Vec<_>>().join("\n")
}
