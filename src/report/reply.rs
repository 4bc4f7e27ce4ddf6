//! The answer to a request in free text: Markdown for a comment, which whoever asked reads, and who may own nothing here.
//!
//! Owns its words. What is not written here stands in a code span or in a line of a fence, without back-ticks: there GitHub
//! makes nothing of a mention, a number, a link, HTML or a picture. A name without a code span is never from outside.

use std::fmt::Write as _;

use crate::emit::format::familiar;
use crate::engine::outcome::{ImageOutcome, Outcome};
use crate::error::kind::Kind;
use crate::error::{Error, Side};
use crate::oci::reference::{ImageReference, Reference};
use crate::plan::ask::{Declined, Why};
use crate::report::Report;
use crate::report::figures::attachments;
use crate::report::package_access::{is_private, settings};
use crate::report::pulling::{needs_login, place};
use crate::text::sanitise::one_line;
use crate::text::units::count;

/// The file of the answer, below the workspace.
pub const FILE: &str = "mirror-image-reply.md";

/// Bytes of the answer: GitHub takes comments of 65,536 characters.
const MOST: usize = 60 * 1024;

/// Bytes that are kept for how it ends.
const END: usize = 1024;

/// Characters of a sentence, of what somebody has written, and of a title.
const SENTENCE: usize = 1_000;

const TITLE: usize = 100;

/// So many lines of a request are answered one by one.
const LINES: usize = 20;

/// So many images are in a title.
const NAMED: usize = 3;

/// So many platforms are named, each by so many characters: what an image calls them is not to be read as a text of ours.
const PLATFORMS: usize = 12;

const PLATFORM: usize = 48;

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// What it says.
    pub markdown: String,
    /// How it ended, in a word.
    pub state: &'static str,
    /// What was asked for, in a few words.
    pub title: String,
}

impl Reply {
    /// The outputs by which a workflow finds and labels it.
    pub fn outputs(&self) -> [(&'static str, String); 3] {
        [("reply", FILE.to_owned()), ("reply-state", self.state.to_owned()), ("reply-title", self.title.clone())]
    }
}

/// The answer of a run; none where nothing was asked for in free text.
pub fn of(report: &Report) -> Option<Reply> {
    let declined = report.asked.as_ref()?;
    let well = report.images.iter().filter(|image| is_well(image)).count();
    let left = report.images.len() - well + declined.iter().filter(|declined| declined.is_image()).count();
    let (state, headline) = match (well, left) {
        (0, _) => ("failed", "❌ **Nothing was mirrored** · 同步失败".to_owned()),
        (_, 0) => ("mirrored", format!("✅ **{} mirrored** · 已同步", count(well as u64, "image"))),
        _ => ("partly", format!("🟡 **{well} of {} mirrored** · 部分已同步", well + left)),
    };
    let mut text = Text(format!("{headline}\n\n"));
    let mut sections: Vec<String> = report.images.iter().map(|image| section(report, image)).collect();
    sections.extend(not_done(declined));
    text.add(&sections);
    if left > 0 || !declined.is_empty() {
        text.0.push_str(AGAIN);
    }
    Some(Reply { markdown: text.0, state, title: title(report.images.iter().map(|image| &image.source)) })
}

/// The answer where nothing was contacted: every part is declined, or `error` is in the way of all.
pub fn declined(declined: &[Declined], error: &Error) -> Reply {
    let mut text = Text("🚫 **Nothing was mirrored, and no registry was asked** · 未执行同步\n\n".to_owned());
    let sections = not_done(declined);
    if sections.is_empty() {
        let mut section = fence("text", &[one_line(&error.to_string(), SENTENCE)]);
        section
            .push_str("Write an image a line, for example `docker.io/library/nginx:1.27`. · 每行只写一个镜像名。\n\n");
        text.add(&[section]);
    } else {
        text.add(&sections);
    }
    text.0.push_str(AGAIN);
    let images = declined.iter().filter_map(|declined| match &declined.why {
        Why::Unread(_) => None,
        Why::NotAllowed(image) | Why::TooMany(image, _) => Some(image),
    });
    Reply { markdown: text.0, state: "declined", title: title(images) }
}

const AGAIN: &str = "Edit the text above, and it is read again; that the issue is closed does not matter. · 修改上面的内容即可重试，issue 已关闭也可以。\n";

/// Text up to a limit.
struct Text(String);

impl Text {
    /// As many sections as there is room for, and how many are left.
    fn add(&mut self, sections: &[String]) {
        for (number, section) in sections.iter().enumerate() {
            if self.0.len() + section.len() > MOST - END {
                let left = count((sections.len() - number) as u64, "more part");
                let _ =
                    writeln!(self.0, "… and {left}, for which a comment has no room; the page of the run has all.\n");
                return;
            }
            self.0.push_str(section);
        }
    }
}

/// Whether what was asked for is at the target.
fn is_well(image: &ImageOutcome) -> bool {
    matches!(image.result, Outcome::Copied | Outcome::Unchanged | Outcome::Kept | Outcome::WouldCopy)
}

fn title<'a>(images: impl Iterator<Item = &'a ImageReference>) -> String {
    let mut names: Vec<String> = images.map(short).collect();
    names.dedup();
    let more = names.len().saturating_sub(NAMED);
    names.truncate(NAMED);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    let names = if names.is_empty() { "no image".to_owned() } else { names.join(", ") };
    one_line(&format!("{}{more}", one_line(&names, TITLE)), TITLE + more.len())
}

/// As people write it: Docker Hub's images without its name.
fn short(image: &ImageReference) -> String {
    let name = image.to_string();
    let familiar = image.registry().and_then(|source| Some(familiar(source) + name.strip_prefix(&source.name())?));
    familiar.unwrap_or(name)
}

/// Its name, and where it goes to several registries the one that is told of.
fn heading(report: &Report, image: &ImageOutcome) -> String {
    let name = span(&image.source.to_string());
    let is_one = report.images.iter().filter(|other| other.source == image.source).count() == 1;
    match image.target.as_ref().and_then(ImageReference::registry).filter(|_| !is_one) {
        Some(target) => format!("{name} → {}", span(target.registry())),
        None => name,
    }
}

fn section(report: &Report, image: &ImageOutcome) -> String {
    match (image.error.as_deref(), image.target.as_ref().and_then(ImageReference::registry), &image.digest) {
        (None, Some(target), Some(digest)) if is_well(image) => {
            mirrored(report, image, &format!("{}@{digest}", target.name()), target)
        }
        (Some(error), ..) => failed(report, image, error),
        _ => format!(
            "### {} {}\n\n{}\n\n",
            if is_well(image) { "✅" } else { "⏳" },
            heading(report, image),
            if is_well(image) { "It is there." } else { "It is left for another run." }
        ),
    }
}

/// Where it is, what it is, and how it is pulled in place of the original.
fn mirrored(report: &Report, image: &ImageOutcome, pinned: &str, target: &Reference) -> String {
    let mut text = format!("### ✅ {}\n\n", heading(report, image));
    let mut facts = vec![same_digest(image).to_owned()];
    if !image.platforms.is_empty() {
        let names: Vec<String> =
            image.platforms.iter().take(PLATFORMS).map(|one| span(&one_line(&one.platform, PLATFORM))).collect();
        let more = image.platforms.len().saturating_sub(PLATFORMS);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        facts.push(format!("Platforms: {}{more}", names.join(" ")));
    }
    facts.extend(attachments(image).map(|along| format!("Came along: {along}")));
    if report.dry_run {
        facts.push("**Dry run: it is not there yet**".to_owned());
    }
    if is_private(&report.access, &target.name()) {
        facts.push(private(report, target));
    }
    for fact in facts {
        let _ = writeln!(text, "- {fact}");
    }
    text.push('\n');
    let Some(place) = place(image) else { return text };
    let login = |tool: &str| needs_login(report, image, &place).then(|| format!("{tool} login {}", place.registry()));
    let docker = [format!("docker pull {pinned}"), format!("docker tag {pinned} {}", original(image))];
    text.push_str(&fence("sh", &login("docker").into_iter().chain(docker).collect::<Vec<_>>()));
    text.push_str("<details>\n<summary>podman, containerd, rename it in files</summary>\n\n");
    let original = image.source.registry().map_or_else(String::new, |source| tagged(source, &source.name()));
    let mut lines: Vec<String> = login("podman").into_iter().collect();
    lines.extend([
        format!("podman pull {pinned}"),
        format!("podman tag {pinned} {original}"),
        format!("crictl pull {pinned}"),
        format!("ctr -n k8s.io images pull {pinned}"),
        format!("ctr -n k8s.io images tag {pinned} {original}"),
    ]);
    lines.extend(image.source.registry().map(|source| rename(source, pinned)));
    text.push_str(&fence("sh", &lines));
    text.push_str("</details>\n\n");
    text
}

/// How a private package is pulled, and who can spare everybody that.
fn private(report: &Report, target: &Reference) -> String {
    let page = settings(&report.access, &target.name());
    let [its, own] =
        ["its settings", "包的设置页"].map(|name| page.map_or(name.to_owned(), |page| format!("[{name}]({page})")));
    format!(
        "The package is private: log in at {} with a GitHub name and a classic token with `read:packages`, of somebody who may \
         read this repository. Its owner makes it public in {its} · 包是私有的：先用 GitHub 用户名和带 `read:packages` 的 classic token \
         登录；仓库所有者可以在{own}把它公开",
        span(target.registry())
    )
}

/// What the digest proves.
fn same_digest(image: &ImageOutcome) -> &'static str {
    match (&image.source_digest, &image.digest) {
        _ if image.result == Outcome::Kept => {
            "Under this name another image was there before, and it stays · 目标中已有的镜像保持不变"
        }
        (Some(source), Some(digest)) if source == digest => "Same digest as upstream · 摘要与上游一致",
        (Some(_), Some(_)) => {
            "Only what was chosen of it: the digest is not that of the whole image upstream · 只含所选平台，摘要与上游整个镜像不同"
        }
        _ => "It was there before · 之前已同步",
    }
}

/// The name under which other files know it, as `docker` writes it: a digest cannot be a name's.
fn original(image: &ImageOutcome) -> String {
    image.source.registry().map_or_else(String::new, |source| tagged(source, &familiar(source)))
}

fn tagged(source: &Reference, name: &str) -> String {
    format!("{name}:{}", source.tag().unwrap_or("mirrored"))
}

/// The command that puts `pinned` in place of the name in a file, however much of it is spelled out there.
fn rename(source: &Reference, pinned: &str) -> String {
    let escaped = |text: &str| text.replace('.', "\\.");
    let repository = source.repository();
    let name = match (source.registry(), repository.strip_prefix("library/")) {
        ("docker.io", Some(name)) => format!("(docker\\.io/)?(library/)?{}", escaped(name)),
        ("docker.io", None) => format!("(docker\\.io/)?{}", escaped(repository)),
        (registry, _) => format!("{}/{}", escaped(registry), escaped(repository)),
    };
    let tag = match source.tag() {
        Some("latest") => "(:latest)?".to_owned(),
        Some(tag) => format!(":{}", escaped(tag)),
        None => String::new(),
    };
    let digest = source.digest().map_or_else(String::new, |digest| format!("@{digest}"));
    format!(
        "sed -i -E \"s#(^|[[:space:]\\\"'=]){name}{tag}{digest}([[:space:]\\\"',]|$)#\\1{pinned}\\{}#\" FILE",
        groups(&name, &tag)
    )
}

/// The number of the group behind those of the name and the tag.
fn groups(name: &str, tag: &str) -> usize {
    2 + name.matches('(').count() + tag.matches('(').count()
}

/// The cause, and what whoever asked can do.
fn failed(report: &Report, image: &ImageOutcome, error: &Error) -> String {
    let mut text = format!("### ❌ {}\n\n", heading(report, image));
    text.push_str(&fence("text", &[one_line(&error.to_string(), SENTENCE)]));
    let _ = writeln!(text, "{}\n", what_to_do(error));
    text
}

/// For somebody who owns nothing here; those who do find their advice on the page of the run.
fn what_to_do(error: &Error) -> &'static str {
    match (error.kind(), error.side()) {
        (Kind::Absent, Some(Side::Source)) => {
            "There is no such image or tag upstream. Look for its name on the registry's page, and edit this issue. · 上游没有这个镜像或标签：\
             请核对名字，再修改此 issue。"
        }
        (Kind::TooLarge, _) => {
            "Ask for one platform of it, which is smaller; only the owners of this repository can allow more. · 镜像太大：可以只选一个平台。"
        }
        (Kind::Platform, _) => {
            "Choose one of the platforms that the image has, and edit this issue. · 镜像没有这个平台：请换一个。"
        }
        (Kind::Denied, Some(Side::Source)) => {
            "The registry gives it only to those who log in, or there is no such repository. Check the name; of an image that \
             is private, only the owners of this repository can add the login. · 名字不对，或者镜像是私有的：私有镜像要由仓库所有者配置登录信息。"
        }
        (Kind::Unreachable, Some(Side::Source)) => {
            "Check the name of the registry. If it is right, this is most likely over soon: edit the text above in an hour, by a \
             blank too, to try again. · 请先核对仓库地址；没写错的话多半是暂时的：一小时后再编辑一次（加个空格也行）。"
        }
        (Kind::Throttled | Kind::Unreachable | Kind::Failing, _) => {
            "This is most likely over soon: edit the text above in an hour, by a blank too, to try again. · 多半是暂时的：一小时后再编辑一次（加个空格也行）。"
        }
        (Kind::Conflict, _) => {
            "Under its name here there is another image already, and only owners, members and collaborators of this repository replace \
             it: ask one of them. · 这个名字下已有另一个镜像，只有仓库的所有者、成员或协作者可以替换。"
        }
        (_, Some(Side::Target)) => {
            "The fault is not in your request. The owners of this repository find what to do on the page of the run. · 不是你的问题：\
             仓库所有者在运行页面可以看到原因。"
        }
        (Kind::Input, _) => "Edit this issue so that it says otherwise.",
        _ => "The owners of this repository find what to do on the page of the run.",
    }
}

/// What was declined, by reason.
fn not_done(declined: &[Declined]) -> Vec<String> {
    let mut sections = Vec::new();
    let not_allowed: Vec<&ImageReference> = declined
        .iter()
        .filter_map(|declined| match &declined.why {
            Why::NotAllowed(image) => Some(image),
            Why::Unread(_) | Why::TooMany(..) => None,
        })
        .collect();
    if let [first, ..] = &*not_allowed {
        let lines: Vec<String> = not_allowed.iter().map(ToString::to_string).collect();
        let glob = first.registry().map_or_else(String::new, Reference::name);
        sections.push(format!(
            "### 🚫 Not among the images that may be asked for · 不在允许列表中\n\n{}An owner, member or collaborator of this \
             repository may ask for it: ask one of them to open such an issue, or to add a line like {} to the repository's \
             variable `REQUEST_ALLOW` (Settings → Secrets and variables → Actions → Variables). In a copy of this repository of \
             your own (*Use this template*, or *Fork*) you ask for anything.\n\n仓库的所有者、成员或协作者可以提这个 issue，或者把上面的名字加进变量 \
             `REQUEST_ALLOW`。在自己的副本（*Use this template* 或 *Fork*）里没有这个限制。\n\n",
            fence("text", &some(lines)),
            span(&glob),
        ));
    }
    let too_many: Vec<String> = declined
        .iter()
        .filter_map(|declined| match &declined.why {
            Why::TooMany(image, _) => Some(image.to_string()),
            Why::Unread(_) | Why::NotAllowed(_) => None,
        })
        .collect();
    if !too_many.is_empty() {
        sections.push(format!(
            "### 🚫 More images than one request may have · 超出数量上限\n\n{}Open another issue for these. · 请另开一个 issue。\n\n",
            fence("text", &some(too_many))
        ));
    }
    let unread: Vec<String> = declined
        .iter()
        .filter_map(|declined| match &declined.why {
            Why::Unread(problem) => Some(one_line(&format!("line {}: {problem}", declined.number), SENTENCE)),
            Why::NotAllowed(_) | Why::TooMany(..) => None,
        })
        .collect();
    if !unread.is_empty() {
        sections.push(format!(
            "### ❔ Not read as an image · 无法识别\n\n{}Write an image a line, for example `docker.io/library/nginx:1.27`. · \
             每行只写一个镜像名。\n\n",
            fence("text", &some(unread))
        ));
    }
    sections
}

/// Text from anywhere as code.
fn span(text: &str) -> String {
    match &*line(text) {
        "" => "–".to_owned(),
        text => format!("`{text}`"),
    }
}

/// Lines from anywhere as a block of code. None of them can end it.
fn fence(language: &str, lines: &[String]) -> String {
    let lines: Vec<String> = lines.iter().map(|text| line(text)).collect();
    format!("```{language}\n{}\n```\n\n", lines.join("\n"))
}

/// The first of many lines of which each has its sentence.
fn some(lines: Vec<String>) -> Vec<String> {
    let more = lines.len().saturating_sub(LINES);
    let more = (more > 0).then(|| format!("… and {}", count(more as u64, "more line")));
    lines.into_iter().take(LINES).chain(more).collect()
}

fn line(text: &str) -> String {
    one_line(text, usize::MAX).replace('`', "'")
}

#[cfg(test)]
mod tests;
