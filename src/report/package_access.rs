//! The report on access: a group of the log and a table of the summary for each package and repository.
//!
//! Owns its words and its layout. A sentence of a check stays as it is; never a character from outside that was not escaped.

use std::fmt::Write as _;

use crate::github::findings::{Check, Findings, Status};
use crate::text::sanitise::{code, markdown, markdown_text, one_line};

/// `access: 3 OK, 1 NEEDS-TOKEN`; nothing where nothing was checked.
pub fn headline(findings: &Findings) -> Option<String> {
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
        let checks = subjects(findings).iter().flat_map(|(_, checks)| checks).filter(|c| c.status == status).count();
        if checks > 0 {
            parts.push(format!("{checks} {}", status.name()));
        }
    }
    (!parts.is_empty()).then(|| format!("access: {}", parts.join(", ")))
}

/// The groups of the log: a title and its lines.
pub fn groups(findings: &Findings) -> Vec<(String, Vec<String>)> {
    let subjects = subjects(findings);
    let groups = subjects.iter().map(|(subject, checks)| {
        let width = checks.iter().map(|check| check.status.name().len()).max().unwrap_or(0);
        let text = |check: &&Check| {
            let link = check.link.as_ref().filter(|_| check.is_to_do());
            let link = link.map_or(String::new(), |link| format!(": {link}"));
            format!("{:width$}  {}: {}{link}", check.status.name(), check.name, check.sentence)
        };
        (format!("access of {subject}"), checks.iter().map(text).collect())
    });
    groups.collect()
}

/// The annotations: title and message of each check that fails the run, or of all that is left over together.
pub fn annotations(findings: &Findings) -> Vec<(String, String)> {
    let link = |check: &Check| check.link.as_ref().map_or(String::new(), |link| format!("\n{link}"));
    if findings.strict {
        let left = findings.left_over().map(|check| {
            let title = format!("access: {} of {}", check.name, check.subject);
            (title, format!("{}: {}{}", check.status.name(), check.sentence, link(check)))
        });
        return left.collect();
    }
    let lines: Vec<String> =
        findings.left_over().map(|check| format!("{}: {}: {}", check.subject, check.name, check.sentence)).collect();
    if lines.is_empty() { Vec::new() } else { vec![("access: left to do".to_owned(), lines.join("\n"))] }
}

/// The summary's section: a table for each package and repository, then what is left to do.
pub fn summary(findings: &Findings) -> String {
    let subjects = subjects(findings);
    if subjects.is_empty() {
        return String::new();
    }
    let mut text = "### Access\n\n".to_owned();
    let cell =
        |value: &Option<String>| value.as_deref().map_or_else(|| "–".to_owned(), |value| code(&one_line(value, 80)));
    for (subject, checks) in &subjects {
        let _ = writeln!(text, "**{}**\n", code(subject).replace("\\|", "|"));
        text.push_str("| Check | Wanted | Found | Status |\n| --- | --- | --- | --- |\n");
        for check in checks {
            let _ = writeln!(
                text,
                "| {} | {} | {} | {} {} |",
                markdown(&check.name),
                cell(&check.wanted),
                cell(&check.found),
                sign(check.status),
                check.status.name(),
            );
        }
        text.push('\n');
    }
    let to_do: Vec<&Check> = subjects.iter().flat_map(|(_, checks)| checks.iter().copied()).collect();
    let to_do: Vec<&Check> = to_do.into_iter().filter(|check| check.is_to_do()).collect();
    if !to_do.is_empty() {
        text.push_str("**To do**\n\n");
        for check in to_do {
            // The link is made of our own server's address and percent-encoded names.
            let link = check.link.as_ref().map_or(String::new(), |link| format!(" [Open the page]({link})"));
            let subject = code(&check.subject).replace("\\|", "|");
            let _ = writeln!(text, "- [ ] {subject}: {}.{link}", markdown_text(check.sentence.trim_end_matches('.')));
        }
        text.push('\n');
    }
    text
}

/// The checks to show, one list a subject, in order.
fn subjects(findings: &Findings) -> Vec<(&str, Vec<&Check>)> {
    let mut subjects: Vec<(&str, Vec<&Check>)> = Vec::new();
    for check in findings.checks.iter().filter(|check| findings.asked || check.status != Status::Skipped) {
        match subjects.iter_mut().find(|(subject, _)| *subject == check.subject) {
            Some((_, checks)) => checks.push(check),
            None => subjects.push((&check.subject, vec![check])),
        }
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
    use crate::github::findings::{Check, Findings, Status};

    fn findings(strict: bool) -> Findings {
        let checks = vec![
            Check::new("ghcr.io/a/b", "link", Status::Ok, "linked to `a/m`").wanted(&"a/m").found(&"a/m"),
            Check::new("ghcr.io/a/b", "visibility", Status::Drift, "it is `private`")
                .wanted(&"public")
                .found(&"private")
                .link("https://github.com/orgs/a/packages/container/b/settings".to_owned()),
            Check::new("a/m", "team x|y", Status::NeedsToken, "no `admin-token` is given"),
            Check::new("quay.io/a/b", "package", Status::Skipped, "not a GitHub registry"),
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
    fn the_summary_has_a_table_a_subject_and_the_links() {
        let text = summary(&findings(false));
        assert_eq!(text.matches("| Check |").count(), 2);
        assert!(text.contains("| visibility | `public` | `private` | ⚠️ DRIFT |"), "{text}");
        assert!(text.contains("| team x\\|y | – | – | ⚠️ NEEDS-TOKEN |"), "{text}");
        assert!(
            text.contains(
                "- [ ] `ghcr.io/a/b`: it is `private`. [Open the \
                 page](https://github.com/orgs/a/packages/container/b/settings)"
            ),
            "{text}"
        );
        assert!(!text.contains("quay.io"), "{text}");
        assert_eq!(summary(&Findings::default()), "");
        assert_eq!(groups(&findings(false))[0].1[1].split("  ").next(), Some("DRIFT"));
        assert_eq!(serde_json::to_value(&findings(false).checks).unwrap()[2]["status"], "NEEDS-TOKEN");
    }
}
