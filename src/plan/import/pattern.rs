//! Regular expressions of other tools, which are searched for, made into ours, which are for the whole tag.

/// What is searched for in a tag, as a pattern for all of it. `^a|b$` holds either end only, and stays so.
pub fn searched(expression: &str) -> String {
    let (flags, rest) = flags(expression);
    let parts: Vec<String> = alternatives(rest).into_iter().map(whole).collect();
    match parts.as_slice() {
        [one] if one == ".*" && flags.is_empty() => "*".to_owned(),
        [one] => format!("/{flags}{one}/"),
        several => {
            let grouped: Vec<String> = several.iter().map(|part| format!("(?:{part})")).collect();
            format!("/{flags}{}/", grouped.join("|"))
        }
    }
}

/// The same of a tool that puts `^` before and `$` behind what is written, without a group.
pub fn anchored(expression: &str) -> String {
    let (flags, rest) = flags(expression);
    searched(&format!("{flags}^{rest}$"))
}

/// `(?i)` at the beginning, which is for all that follows.
fn flags(expression: &str) -> (&str, &str) {
    let end = expression.strip_prefix("(?").and_then(|rest| Some((rest.find(')')?, rest)));
    match end {
        Some((at, rest)) if rest[..at].bytes().all(|byte| byte.is_ascii_lowercase()) => expression.split_at(at + 3),
        _ => ("", expression),
    }
}

/// One alternative for the whole tag.
fn whole(part: &str) -> String {
    let (before, rest) = match part.trim_start_matches('^') {
        rest if rest.len() < part.len() => ("", rest),
        rest => (".*", rest),
    };
    let bare = rest.trim_end_matches('$');
    let slashes = bare.len() - bare.trim_end_matches('\\').len();
    let (rest, behind) = if bare.len() < rest.len() && slashes % 2 == 0 { (bare, "") } else { (rest, ".*") };
    // What says of itself that anything may follow needs no more.
    let behind = if rest.ends_with(".*") && !rest.ends_with("\\.*") { "" } else { behind };
    let before = if rest.starts_with(".*") { "" } else { before };
    match (before, rest, behind) {
        (".*", "", ".*") => ".*".to_owned(),
        _ => format!("{before}{rest}{behind}"),
    }
}

/// What stands between the bars that are in no group and no class.
fn alternatives(expression: &str) -> Vec<&str> {
    let (mut parts, mut start, mut depth, mut in_class, mut letters) =
        (Vec::new(), 0, 0_usize, false, expression.char_indices());
    while let Some((at, letter)) = letters.next() {
        match letter {
            '\\' => _ = letters.next(),
            '[' if !in_class => in_class = true,
            ']' => in_class = false,
            '(' if !in_class => depth += 1,
            ')' if !in_class => depth = depth.saturating_sub(1),
            '|' if !in_class && depth == 0 => {
                parts.push(&expression[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&expression[start..]);
    parts
}

#[cfg(test)]
mod tests {
    use super::{anchored, searched};
    use crate::plan::list::pattern::Pattern;

    #[test]
    fn what_is_searched_for_becomes_a_pattern_for_the_whole_tag() {
        for (expression, pattern) in [
            (r"^1\.13\.[12]-alpine-perl$", r"/1\.13\.[12]-alpine-perl/"),
            ("^2024", "/2024.*/"),
            ("rc$", "/.*rc/"),
            ("rc", "/.*rc.*/"),
            ("^a$|^b", "/(?:a)|(?:b.*)/"),
            ("(a|b)", "/.*(a|b).*/"),
            (r"a\$", r"/.*a\$.*/"),
            (".*", "*"),
            ("", "*"),
            ("(?i)^v1|x$", "/(?i)(?:v1.*)|(?:.*x)/"),
            ("[|]", "/.*[|].*/"),
        ] {
            assert_eq!(searched(expression), pattern, "{expression}");
            assert!(Pattern::parse(pattern).is_ok(), "{pattern}");
        }
        for (expression, pattern) in [("3.9", "/3.9/"), ("a|b", "/(?:a.*)|(?:.*b)/"), ("(a|b)", "/(a|b)/"), (".*", "*")]
        {
            assert_eq!(anchored(expression), pattern, "{expression}");
        }
    }
}
