//! Lines to copy and paste: how to pull what is there, by tag and by digest.
//!
//! Owns the spellings of other programs. Never offers what is not there, what is no image, or a directory. A line that is
//! wider than a page goes on in the next, in a way that a shell and YAML read as one word.

use std::fmt::Write as _;

use crate::engine::outcome::{ImageOutcome, Outcome, PlatformOutcome};
use crate::oci::reference::Reference;
use crate::report::Report;
use crate::report::package_access::{is_private, settings};
use crate::report::pulling::{needs_login, place};
use crate::report::summary::markup::{fold, no_room};
use crate::text::sanitise::one_line;

/// Characters of a line that has room at 900 pixels.
const WIDTH: usize = 100;

/// Bytes of the lines for many images.
const LINES: usize = 48 * 1024;

/// The platform that most people pull.
const USUAL: &str = "linux/amd64";

/// How one image is pulled, right after its name.
pub fn one(text: &mut String, report: &Report, image: &ImageOutcome) {
    let Some((name, digest)) = place(image).and_then(|name| Some((name, image.digest.clone()?))) else { return };
    let pinned = name.pinned(digest.clone());
    let by_digest = format!("{}@{digest}", name.name());
    let mut lines = login(report, [(image, &name)].into_iter());
    lines.extend(name.tag().map(|tag| shell(&format!("docker pull {}:{tag}", name.name()))));
    lines.push(shell(&format!("docker pull {by_digest}")));
    if image.result == Outcome::Inspected
        && let Some(platform) = usual(image)
    {
        lines.push(format!("# {} alone", platform.platform));
        lines.push(shell(&format!("docker pull {}@{}", name.name(), platform.digest)));
    }
    block(text, "sh", &lines);
    private(text, report, &[&name]);
    fold(text, "podman, containerd, Kubernetes", |text| {
        let mut lines = Vec::new();
        if needs_login(report, image, &name) {
            lines.push(format!("podman login {}", name.registry()));
        }
        lines.push(shell(&format!("podman pull {by_digest}")));
        lines.push(shell(&format!("ctr images pull {by_digest}")));
        lines.push(shell(&format!("crictl pull {by_digest}")));
        block(text, "sh", &lines);
        block(text, "yaml", &[yaml(&pinned)]);
    });
}

/// How the images of a run are pulled.
pub fn all(text: &mut String, report: &Report) {
    let names: Vec<(&ImageOutcome, Reference, Reference)> = report
        .images
        .iter()
        .filter_map(|image| Some((image, place(image)?, image.digest.clone()?)))
        .map(|(image, name, digest)| (image, name.clone(), name.pinned(digest)))
        .collect();
    if names.is_empty() {
        return;
    }
    fold(text, "Pull exactly these images", |text| {
        let mut lines = login(report, names.iter().map(|(image, name, _)| (*image, name)));
        let mut left = LINES;
        let mut shown = 0;
        for line in names.iter().map(|(_, _, pinned)| shell(&format!("docker pull {pinned}"))) {
            let Some(less) = left.checked_sub(line.len() + 1) else { break };
            (shown, left) = (shown + 1, less);
            lines.push(line);
        }
        block(text, "sh", &lines);
        private(text, report, &names.iter().map(|(_, name, _)| name).collect::<Vec<_>>());
        if shown < names.len() {
            let _ = writeln!(text, "{}\n", no_room(names.len() - shown, "image"));
        }
    });
}

/// One line for each registry that is not read by everybody.
fn login<'a>(report: &Report, images: impl Iterator<Item = (&'a ImageOutcome, &'a Reference)>) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for (_, name) in images.filter(|(image, name)| needs_login(report, image, name)) {
        let line = format!("docker login {}", name.registry());
        if !lines.contains(&line) {
            lines.push(line);
        }
    }
    lines
}

/// What the login takes at GitHub, whose password it is not; and how it is spared.
fn private(text: &mut String, report: &Report, names: &[&Reference]) {
    let mut private = names.iter().filter(|name| is_private(&report.access, &name.name()));
    let Some(first) = private.next() else { return };
    let is_one = private.all(|other| other.name() == first.name());
    let page = settings(&report.access, &first.name()).filter(|_| is_one);
    let page = page.map_or_else(|| "the settings of each package".to_owned(), |page| format!("[its settings]({page})"));
    let _ = writeln!(
        text,
        "🔑 Private: the login takes a GitHub name and, as its password, a classic token with `read:packages` (*Settings → \
         Developer settings* of your account). Or make it public, for good, in {page}.\n"
    );
}

/// The usual platform, or the first; none where there is one only.
fn usual(image: &ImageOutcome) -> Option<&PlatformOutcome> {
    let platforms = Some(&image.platforms).filter(|platforms| platforms.len() > 1)?;
    platforms.iter().find(|platform| platform.platform == USUAL).or(platforms.first())
}

fn block(text: &mut String, language: &str, lines: &[String]) {
    let _ = writeln!(text, "```{language}\n{}\n```\n", lines.join("\n"));
}

/// A command, its name continued in the next line where it would be too wide.
fn shell(command: &str) -> String {
    continued(&one_line(command, usize::MAX), "\\\n")
}

/// Kubernetes' spelling; YAML puts a quoted word together again.
fn yaml(pinned: &Reference) -> String {
    let name = pinned.to_string();
    if name.len() + "image: ".len() <= WIDTH {
        return format!("image: {name}");
    }
    // What stands before the name has room, because a name is broken before it is as long as that.
    let (place, digest) = name.split_once('@').unwrap_or((&name, ""));
    format!("image: \"{}\\\n  @{digest}\"", continued(place, "\\\n  "))
}

/// `line` with `by` before its digest, and after a slash where that is not enough.
fn continued(line: &str, by: &str) -> String {
    if line.len() <= WIDTH {
        return line.to_owned();
    }
    let (name, digest) = line.split_once('@').map_or((line, None), |(name, digest)| (name, Some(digest)));
    let mut rest = name;
    let mut lines = Vec::new();
    while rest.len() > WIDTH {
        let Some(at) = rest[..WIDTH].rfind('/') else { break };
        lines.push(&rest[..=at]);
        rest = &rest[at + 1..];
    }
    lines.push(rest);
    let name = lines.join(by);
    digest.map_or(name.clone(), |digest| format!("{name}{by}@{digest}"))
}

#[cfg(test)]
mod tests {
    use super::{WIDTH, continued, shell};

    #[test]
    fn a_line_that_is_too_wide_is_one_word_to_a_shell() {
        let digest = format!("sha256:{}", "0".repeat(64));
        let long = format!("docker pull ghcr.io/{}app:1", "department/".repeat(12));
        for line in ["docker pull alpine:3".to_owned(), format!("docker pull ghcr.io/acme/mirror/app@{digest}"), long] {
            let written = shell(&line);
            assert!(written.lines().all(|line| line.len() <= WIDTH + 1), "{written}");
            let echo = std::process::Command::new("sh").arg("-c").arg(format!("echo {written}")).output().unwrap();
            assert_eq!(String::from_utf8(echo.stdout).unwrap().trim_end(), line);
        }
        assert_eq!(continued("short@sha256:1", "\\\n"), "short@sha256:1");
    }
}
