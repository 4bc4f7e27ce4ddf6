//! Free text as whoever reads the issue sees it.
//!
//! Owns what GitHub does not show: comments of HTML outside of code. Lines stay where they are, and nothing is looked at more than
//! a few times, whatever is opened and never closed.

const OPENS: &str = "<!--";
const CLOSES: &str = "-->";

/// `text` without its comments, and with what a shell reads as one line as one. As many lines as before.
pub fn visible(text: &str) -> String {
    let text = text.replace("\r\n", "\n");
    let mut shown = String::with_capacity(text.len());
    let (mut at, mut line_end, mut is_code, mut open_until) = (0, 0, false, 0);
    while at < text.len() {
        if at >= line_end {
            line_end = text[at..].find('\n').map_or(text.len(), |end| at + end + 1);
        }
        let line = &text[at..line_end];
        let begins_line = at == 0 || text[..at].ends_with('\n');
        is_code ^= begins_line && is_fence(line);
        let Some(found) = line.find(OPENS).filter(|_| !is_code) else {
            shown.push_str(line);
            at += line.len();
            continue;
        };
        shown.push_str(&line[..found]);
        at += found + OPENS.len();
        let body = &text[at..];
        let end = if begins_line && line[..found].trim().is_empty() {
            // A block of its own, which only its end ends.
            Some(body.find(CLOSES).map_or(body.len(), |end| end + CLOSES.len()))
        } else if at < open_until {
            None
        } else {
            // Among words it ends with them, or is none.
            let words = body.split("\n\n").next().unwrap_or_default();
            open_until = at + words.len();
            words.find(CLOSES).map(|end| end + CLOSES.len())
        };
        match end {
            Some(end) => {
                shown.extend(body[..end].matches('\n'));
                at += end;
                open_until = at;
            }
            None => shown.push_str(OPENS),
        }
    }
    joined(&shown)
}

fn is_fence(line: &str) -> bool {
    line.trim().strip_prefix("```").is_some_and(|rest| !rest.contains("```"))
}

/// `text` with the lines of one command on one, and empty ones in their places.
fn joined(text: &str) -> String {
    let (mut joined, mut behind) = (String::with_capacity(text.len()), 0);
    for line in text.lines() {
        joined.push_str(line);
        if joined.ends_with(" \\") {
            joined.pop();
            behind += 1;
        } else {
            joined.extend(std::iter::repeat_n('\n', behind + 1));
            behind = 0;
        }
    }
    joined
}

#[cfg(test)]
mod tests {
    use super::visible;

    #[test]
    fn what_is_not_shown_goes_and_lines_stay_where_they_are() {
        for (text, expected) in [
            ("a\nb", "a\nb\n"),
            ("<!-- x -->\nb", "\nb\n"),
            ("  <!-- x\n\ny --> z\nb", "  \n\n z\nb\n"),
            ("a <!-- x\ny --> z", "a \n z\n"),
            // Nothing ends it, and it is no comment; a block of its own has no other end than that of the text.
            ("--> <!--\n\nb -->", "--> <!--\n\nb -->\n"),
            ("a <!--\nb <!--\n\nc", "a <!--\nb <!--\n\nc\n"),
            ("a\n<!-- b\n\nc", "a\n\n\n"),
            ("```\n<!-- x\n```\n<!-- y -->b", "```\n<!-- x\n```\nb\n"),
            ("<!--\n```\n-->\n<!-- x -->b", "\n\n\nb\n"),
            ("a \\\r\n -b \\\r\n c\r\nd", "a  -b  c\n\n\nd\n"),
        ] {
            assert_eq!(visible(text), expected, "{text:?}");
        }
        let many = "a <!-- ".repeat(100_000);
        assert_eq!(visible(&many), format!("{many}\n"));
    }
}
