//! The report on access: what is as wanted in a line, what differs in rows, and what a person must do.
//!
//! Owns its words and its layout. A sentence of a check stays as it is; never a character from outside that was not escaped.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;

use crate::github::findings::{Check, Checked, Findings, Status};
use crate::text::sanitise::{cell_code, markdown, markdown_text, one_line, plain_code};
use crate::text::units::count;

/// So many packages are named of which the same is to be done.
const NAMED: usize = 12;

/// With more packages than this, one that is as wanted is no group of the log.
const MANY: usize = 5;

/// Bytes of the rows, and of what is to be done.
const ROWS: usize = 64 * 1024;

const TO_DO: usize = 64 * 1024;

/// `access: 3 OK, 1 NEEDS-TOKEN`; nothing where nothing was checked.
pub fn headline(findings: &Findings) -> Option<String> {
    let shown: Vec<&Check> = subjects(findings).into_iter().flat_map(|subject| subject.checks).collect();
    let mut parts = Vec::new();
    for status in [
        Status::Ok,
        Status::Applied,
        Status::Pending,
        Status::Unverifiable,
        Status::Drift,
        Status::Manual,
        Status::NeedsToken,
        Status::Error,
        Status::Skipped,
    ] {
        let checks = shown.iter().filter(|check| check.status == status).count();
        if checks > 0 {
            parts.push(format!("{checks} {}", status.name()));
        }
    }
    (!parts.is_empty()).then(|| format!("access: {}", parts.join(", ")))
}

/// Whether a package can be pulled only with a login.
pub fn is_private(findings: &Findings, package: &str) -> bool {
    let says = |check: &&Check| check.subject == package && check.what == Checked::Visibility;
    let visibility = findings.checks.iter().find(says).and_then(|check| check.found.as_deref());
    matches!(visibility, Some("private" | "internal"))
}

/// The page where a package's access and visibility are set, where one was named.
pub fn settings<'a>(findings: &'a Findings, package: &str) -> Option<&'a str> {
    findings.checks.iter().filter(|check| check.subject == package).find_map(|check| check.link.as_deref())
}

/// One line for packages of which the same is so and nothing is to be looked at.
pub fn as_wanted(findings: &Findings) -> Vec<String> {
    let mut alike: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for subject in subjects(findings).iter().filter(|subject| !subject.differs()) {
        alike.entry(subject.describe()).or_default().push(subject.name);
    }
    let line = |(so, names): (&String, &Vec<&str>)| match &**names {
        [name] => format!("`{name}`: {so}"),
        _ => format!("{}: {so}", count(names.len() as u64, "package")),
    };
    alike.iter().map(line).collect()
}

/// The groups of the log: a title and its lines. Of many packages, those that are as wanted are in one line together.
pub fn groups(findings: &Findings) -> Vec<(String, Vec<String>)> {
    let subjects = subjects(findings);
    let many = subjects.len() > MANY;
    let together = ("access as wanted".to_owned(), if many { as_wanted(findings) } else { Vec::new() });
    let groups = subjects.iter().filter(|subject| !many || subject.differs()).map(|subject| {
        let width = subject.checks.iter().map(|check| check.status.name().len()).max().unwrap_or(0);
        let text = |check: &&Check| {
            let link = check.link.as_ref().filter(|_| check.to_do);
            let link = link.map_or(String::new(), |link| format!(": {link}"));
            format!("{:width$}  {}: {}{link}", check.status.name(), check.what, check.sentence)
        };
        (format!("access of {}", subject.name), subject.checks.iter().map(text).collect())
    });
    [together].into_iter().filter(|(_, lines)| !lines.is_empty()).chain(groups).collect()
}

/// The annotations: title and message of each check that fails the run, or of all that is left over together.
pub fn annotations(findings: &Findings) -> Vec<(String, String)> {
    let link = |check: &Check| check.link.as_ref().map_or(String::new(), |link| format!("\n{link}"));
    if findings.strict {
        let left = findings.left_over().map(|check| {
            let title = format!("access: {} of {}", check.what, check.subject);
            (title, format!("{}: {}{}", check.status.name(), check.sentence, link(check)))
        });
        return left.collect();
    }
    let lines: Vec<String> =
        findings.left_over().map(|check| format!("{}: {}: {}", check.subject, check.what, check.sentence)).collect();
    if lines.is_empty() { Vec::new() } else { vec![("access: left to do".to_owned(), lines.join("\n"))] }
}

/// The summary's section: what is as wanted in a line, what differs in rows, and what a person must do.
pub fn summary(findings: &Findings) -> String {
    let mut text = String::new();
    for line in as_wanted(findings) {
        let _ = writeln!(text, "🔐 {}\n", markdown_text(&line));
    }
    differences(&mut text, findings);
    to_dos(&mut text, findings);
    by_hand(&mut text, findings);
    text
}

fn differences(text: &mut String, findings: &Findings) {
    let subjects = subjects(findings);
    let rows: Vec<&Check> =
        subjects.iter().flat_map(|subject| subject.checks.iter().copied()).filter(|check| differs(check)).collect();
    if rows.is_empty() {
        return;
    }
    let cell = |value: &Option<String>| {
        value.as_deref().map_or_else(|| "–".to_owned(), |value| cell_code(&one_line(value, 80)))
    };
    text.push_str(
        "**Access that is not as wanted**\n\n| | Of | Check | Wanted | Found |\n| --- | --- | --- | --- | --- |\n",
    );
    let end = text.len() + ROWS;
    for (number, check) in rows.iter().enumerate() {
        if text.len() > end {
            let _ = writeln!(text, "\n**… and {}.**", count((rows.len() - number) as u64, "more check"));
            break;
        }
        let _ = writeln!(
            text,
            "| {}&nbsp;{} | {} | {} | {} | {} |",
            sign(check.status),
            check.status.name(),
            cell_code(&check.subject),
            markdown(&check.what.to_string()),
            cell(&check.wanted),
            cell(&check.found),
        );
    }
    text.push('\n');
}

/// What a person must do, each sentence once with the packages that it is about.
fn to_dos(text: &mut String, findings: &Findings) {
    let mut alike: Vec<(&str, Vec<&Check>)> = Vec::new();
    let mut places: HashMap<&str, usize> = HashMap::new();
    let subjects = subjects(findings);
    for check in subjects.iter().flat_map(|subject| &subject.checks).filter(|check| check.to_do) {
        let place = *places.entry(&check.sentence).or_insert_with(|| {
            alike.push((&check.sentence, Vec::new()));
            alike.len() - 1
        });
        alike[place].1.push(check);
    }
    if alike.is_empty() {
        return;
    }
    text.push_str("**To do**\n\n");
    let end = text.len() + TO_DO;
    for (number, (sentence, checks)) in alike.iter().enumerate() {
        if text.len() > end {
            let _ = writeln!(text, "\n**… and {}.**", count((alike.len() - number) as u64, "more thing"));
            break;
        }
        let sentence = markdown_text(sentence.trim_end_matches('.'));
        // The link is made of our own server's address and percent-encoded names.
        if let [check] = &**checks {
            let link = check.link.as_ref().map_or(String::new(), |link| format!(" [Open the page]({link})"));
            let _ = writeln!(text, "- [ ] {}: {sentence}.{link}", plain_code(&check.subject));
            continue;
        }
        let name = |check: &&Check| match &check.link {
            Some(link) => format!("[{}]({link})", plain_code(&check.subject)),
            None => plain_code(&check.subject),
        };
        let mut names: Vec<String> = checks.iter().take(NAMED).map(name).collect();
        if checks.len() > NAMED {
            names.push(format!("… and {} more", checks.len() - NAMED));
        }
        let _ = writeln!(text, "- [ ] {sentence}: {}", names.join(", "));
    }
    text.push('\n');
}

/// The pages on which a person is given access, of packages that are new or not as wanted: GitHub has no call for it. Those
/// that are to be opened for another reason are not named again.
fn by_hand(text: &mut String, findings: &Findings) {
    let subjects = subjects(findings);
    let page = |subject: &Subject<'_>, to_do: bool| {
        let checks = subject.checks.iter().filter(|check| check.to_do || !to_do);
        checks.filter_map(|check| check.link.clone()).find(|link| is_settings(link))
    };
    let is_named = |subject: &Subject<'_>| page(subject, true).is_some();
    let link = |subject: &Subject<'_>| Some(format!("[{}]({})", plain_code(subject.name), page(subject, false)?));
    let left = subjects.iter().filter(|subject| subject.differs() && !is_named(subject));
    let mut names: Vec<String> = left.filter_map(link).collect();
    if names.len() > NAMED {
        let more = names.len() - NAMED;
        names.truncate(NAMED);
        names.push(format!("… and {more} more"));
    }
    if subjects.iter().any(is_named) {
        names.insert(0, "the pages above".to_owned());
    }
    if !names.is_empty() {
        let _ = writeln!(text, "Access for a person or a team is given by hand on {}\n", names.join(", "));
    }
}

/// Whether it is the page of a package's settings.
fn is_settings(link: &str) -> bool {
    link.contains("/packages/") && link.ends_with("/settings")
}

/// A package or a repository, and what was checked of it.
struct Subject<'a> {
    name: &'a str,
    checks: Vec<&'a Check>,
}

impl Subject<'_> {
    fn differs(&self) -> bool {
        self.checks.iter().any(|check| differs(check))
    }

    /// `private, linked to `acme/mirror`, inheriting by default`.
    fn describe(&self) -> String {
        let found = |what: &Checked| {
            self.checks
                .iter()
                .find(|check| check.what == *what && check.status == Status::Ok)
                .map(|check| check.found.as_deref())
        };
        if let Some(absent) =
            self.checks.iter().find(|check| check.what == Checked::Package && check.status != Status::Ok)
        {
            return if absent.status == Status::Skipped { absent.sentence.clone() } else { "not there yet".to_owned() };
        }
        let mut parts: Vec<String> = found(&Checked::Visibility).flatten().map(str::to_owned).into_iter().collect();
        parts.extend(found(&Checked::Link).flatten().map(|repository| format!("linked to `{repository}`")));
        let inherits = self.checks.iter().any(|check| check.what == Checked::Inheritance);
        parts.extend(inherits.then(|| "inheriting by default".to_owned()));
        parts.extend(found(&Checked::AnonymousPull).is_some().then(|| "served to anybody".to_owned()));
        let is_grant = |check: &&&Check| matches!(check.what, Checked::Team(_) | Checked::User(_));
        parts.extend(self.checks.iter().filter(is_grant).map(|check| {
            let granted = if check.status == Status::Applied { ", granted now" } else { "" };
            format!("{} (`{}`{granted})", check.what, check.found.as_deref().unwrap_or_default())
        }));
        if parts.is_empty() { "as wanted".to_owned() } else { parts.join(", ") }
    }
}

/// Whether it is not as wanted, or not known.
fn differs(check: &Check) -> bool {
    match check.status {
        Status::Ok | Status::Applied | Status::Skipped => false,
        // That a package is not there yet, and that it inherits by default, is no fault.
        Status::Unverifiable => !matches!(check.what, Checked::Package | Checked::Inheritance),
        Status::Pending | Status::Drift | Status::Manual | Status::NeedsToken | Status::Error => true,
    }
}

/// The checks to show, by subject, in order.
fn subjects(findings: &Findings) -> Vec<Subject<'_>> {
    let mut subjects: Vec<Subject<'_>> = Vec::new();
    let mut places: HashMap<&str, usize> = HashMap::new();
    for check in findings.checks.iter().filter(|check| findings.asked || check.status != Status::Skipped) {
        let place = *places.entry(&check.subject).or_insert_with(|| {
            subjects.push(Subject { name: &check.subject, checks: Vec::new() });
            subjects.len() - 1
        });
        subjects[place].checks.push(check);
    }
    subjects
}

fn sign(status: Status) -> &'static str {
    match status {
        Status::Ok | Status::Applied => "✅",
        Status::Pending | Status::Unverifiable => "❔",
        Status::Skipped => "–",
        Status::Drift | Status::Manual | Status::NeedsToken | Status::Error => "⚠️",
    }
}
#[cfg(test)]
mod tests {
    use super::{annotations, groups, headline, summary};
    use crate::github::findings::{Check, Checked, Findings, Status};

    fn findings(strict: bool) -> Findings {
        let checks = vec![
            Check::new("ghcr.io/a/b", Checked::Link, Status::Ok, "linked to `a/m`").wanted(&"a/m").found(&"a/m"),
            Check::new("ghcr.io/a/b", Checked::Visibility, Status::Drift, "it is `private`")
                .wanted(&"public")
                .found(&"private")
                .link("https://github.com/orgs/a/packages/container/b/settings".to_owned()),
            Check::new("a/m", Checked::Team("x|y".to_owned()), Status::NeedsToken, "no `admin-token` is given"),
            Check::new("quay.io/a/b", Checked::Package, Status::Skipped, "not a GitHub registry"),
        ];
        Findings { checks, strict, asked: false }
    }

    #[test]
    fn what_is_left_over_is_annotated_each_by_itself_where_it_fails_the_run() {
        assert_eq!(annotations(&findings(true)).len(), 2);
        assert_eq!(annotations(&findings(false)).len(), 1);
        assert_eq!(headline(&findings(false)).as_deref(), Some("access: 1 OK, 1 DRIFT, 1 NEEDS-TOKEN"));
    }

    #[test]
    fn what_differs_is_a_row_and_what_is_as_wanted_a_line() {
        let text = summary(&findings(false));
        assert!(text.contains("| ⚠️&nbsp;DRIFT | `ghcr.io/a/b` | visibility | `public` | `private` |\n"), "{text}");
        assert!(text.contains("| ⚠️&nbsp;NEEDS-TOKEN | `a/m` | team x\\|y | – | – |\n"), "{text}");
        assert!(!text.contains("| link |") && !text.contains("quay.io"), "{text}");
        let link = "https://github.com/orgs/a/packages/container/b/settings";
        assert!(text.contains(&format!("- [ ] `ghcr.io/a/b`: it is `private`. [Open the page]({link})\n")), "{text}");
        let by_hand = "Access for a person or a team is given by hand on ";
        assert!(text.ends_with(&format!("{by_hand}the pages above\n\n")), "{text}");
        let mut unseen = findings(false);
        (unseen.checks[1].to_do, unseen.checks[1].status) = (false, Status::Unverifiable);
        assert!(summary(&unseen).contains(&format!("{by_hand}[`ghcr.io/a/b`]({link})\n")), "{}", summary(&unseen));
        let fine =
            Findings { checks: vec![findings(false).checks[0].clone().link(link.to_owned())], ..Findings::default() };
        assert!(!summary(&fine).contains("by hand"));
        assert_eq!(summary(&Findings::default()), "");
        assert_eq!(groups(&findings(false))[0].1[1].split("  ").next(), Some("DRIFT"));
        assert_eq!(serde_json::to_value(&findings(false).checks).unwrap()[2]["status"], "NEEDS-TOKEN");
    }

    /// As many packages, each linked and private; `new` ones are to be looked at once.
    fn packages(number: usize, new: bool) -> Findings {
        let checks = |number| {
            let package = format!("ghcr.io/a/{number}");
            [
                Check::new(&package, Checked::Package, Status::Ok, "the package exists"),
                Check::new(&package, Checked::Link, Status::Ok, "linked").found(&"a/m"),
                Check::new(&package, Checked::Inheritance, Status::Unverifiable, "confirm it")
                    .link(format!("https://github.com/{number}"))
                    .with_to_do(new),
                Check::new(&package, Checked::Visibility, Status::Ok, "it is so").found(&"private"),
            ]
        };
        Findings { checks: (0..number).flat_map(checks).collect(), ..Findings::default() }
    }

    #[test]
    fn packages_that_are_alike_are_one_line_and_what_is_to_be_done_for_all_is_said_once() {
        let line = "🔐 40 packages: private, linked to `a/m`, inheriting by default\n\n";
        assert_eq!(summary(&packages(40, false)), line);
        let text = summary(&packages(40, true));
        assert!(
            text.starts_with(&format!("{line}**To do**\n\n- [ ] confirm it: [`ghcr.io/a/0`](https://github.com/0), "))
        );
        assert!(text.ends_with(", … and 28 more\n\n") && text.matches("confirm it").count() == 1, "{text}");
        let groups = groups(&packages(40, false));
        assert_eq!(groups.len(), 1);
        assert_eq!(groups[0].1, ["40 packages: private, linked to `a/m`, inheriting by default"]);
    }

    #[test]
    fn a_package_that_was_never_pushed_has_nothing_to_do() {
        let absent = Check::new("ghcr.io/a/b", Checked::Package, Status::Unverifiable, "GitHub's API answers 404");
        let findings = Findings { checks: vec![absent], ..Findings::default() };
        assert_eq!(summary(&findings), "🔐 `ghcr.io/a/b`: not there yet\n\n");
    }
}
