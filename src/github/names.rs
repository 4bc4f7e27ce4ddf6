//! How GitHub names teams, accounts and repositories.
//!
//! Pure. Keeps what is no name out of the addresses of GitHub's API and pages.

/// A team's slug, as it stands in the address of the team's page. Slugs are lower case; a team's name may not be.
pub fn team_slug(text: &str) -> Option<String> {
    is_segment(text).then(|| text.to_ascii_lowercase())
}

/// Whether `text` can be the name of an account: alphanumerics and single hyphens, none of them first; a managed account's
/// ends with an underscore and the short code of its enterprise. Older accounts may end with a hyphen.
pub fn is_login(text: &str) -> bool {
    let is_good = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    !text.is_empty() && text.bytes().all(is_good) && !text.starts_with('-') && !text.contains("--")
}

/// Whether `text` is `OWNER/REPO`.
pub fn is_repository(text: &str) -> bool {
    text.split_once('/').is_some_and(|(owner, name)| is_login(owner) && is_segment(name))
}

/// What a repository's name and a team's slug have in common: letters, digits, `-`, `_` and `.`, and never what an address
/// takes for a step to another place.
fn is_segment(text: &str) -> bool {
    let is_good = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    !matches!(text, "" | "." | "..") && text.bytes().all(is_good)
}

#[cfg(test)]
mod tests {
    use super::{is_login, is_repository, team_slug};

    #[test]
    fn slugs_are_lower_case_and_no_steps_to_another_place() {
        for (text, expected) in [
            ("ids-admin", Some("ids-admin")),
            ("IDS_Admin.2", Some("ids_admin.2")),
            ("...", Some("...")),
            ("", None),
            (".", None),
            ("..", None),
            ("a b", None),
            ("a/b", None),
            ("a%2Fb", None),
            ("équipe", None),
        ] {
            assert_eq!(team_slug(text).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn logins_have_letters_digits_and_single_hyphens() {
        for text in ["mona", "Mona-Lisa", "mona_acme", "a", "1", "mona-"] {
            assert!(is_login(text), "{text}");
        }
        for text in ["", "-mona", "mona--lisa", "mona.lisa", "..", ".", "mona/x", "mona lisa", "mona[bot]", "møna"] {
            assert!(!is_login(text), "{text}");
        }
    }

    #[test]
    fn a_repository_is_an_owner_and_a_name() {
        for text in ["acme/mirror", "Acme-2/Mirror_x.y", "acme/.github"] {
            assert!(is_repository(text), "{text}");
        }
        for text in ["acme", "acme/", "/mirror", "acme/..", "../mirror", "acme/.", "acme/a/b", "ac.me/x", "acme/a b"] {
            assert!(!is_repository(text), "{text}");
        }
    }
}
