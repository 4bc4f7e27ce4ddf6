//! JSON that names images: `devcontainer.json`, which may have comments, and what `docker buildx bake` builds.

use crate::plan::find::found::Collector;
use crate::plan::list::yaml::{Node, Value};

/// How a bake file writes an image that is a context of a build.
const DOCKER_IMAGE: &str = "docker-image://";

/// Whether a file of this name is a development container's.
pub fn is_devcontainer(lower: &str) -> bool {
    matches!(lower, "devcontainer.json" | ".devcontainer.json")
}

/// `text` with spaces in place of comments, and of tabs outside of strings: all else stands where it stood.
pub fn without_comments(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let (length, is_kept) = match first {
            '"' => (string_length(rest), true),
            '/' if rest.starts_with("//") => (rest.find('\n').unwrap_or(rest.len()), false),
            '/' if rest.starts_with("/*") => (rest[2..].find("*/").map_or(rest.len(), |end| end + 4), false),
            '\t' => (1, false),
            other => (other.len_utf8(), true),
        };
        let (part, behind) = rest.split_at(length);
        if is_kept {
            plain.push_str(part);
        } else {
            plain.extend(part.bytes().map(|byte| if byte == b'\n' { '\n' } else { ' ' }));
        }
        rest = behind;
    }
    plain
}

/// How long the string is with which `text` begins, its quotes included.
fn string_length(text: &str) -> usize {
    let mut is_escaped = false;
    for (at, byte) in text.bytes().enumerate().skip(1) {
        match byte {
            b'"' if !is_escaped => return at + 1,
            b'\\' => is_escaped = !is_escaped,
            _ => is_escaped = false,
        }
    }
    text.len()
}

pub fn devcontainer(root: &Node, collector: &mut Collector<'_>) {
    if let Some(image) = root.get("image") {
        collector.literal(image);
    }
    let build = root.get("build");
    for key in ["dockerfile", "dockerFile", "dockerComposeFile"] {
        for file in root.get(key).into_iter().chain(build.and_then(|build| build.get(key))) {
            collector.note(file.place, format!("`{key}` is not followed: name what it names too"));
        }
    }
    if let Some(features) = root.get("features").filter(|features| !features.members().is_empty()) {
        collector.note(features.place, "`features` are no images, and are left out");
    }
}

/// Whether a document is a bake file: by its name, or as `docker buildx bake --print` has it.
pub fn is_bake(lower: &str, root: &Node) -> bool {
    let targets = root.get("target").map(Node::members).unwrap_or_default();
    lower.starts_with("docker-bake.")
        || root.get("group").is_some() && targets.iter().any(|(_, target)| !target.members().is_empty())
}

pub fn bake(root: &Node, collector: &mut Collector<'_>) {
    for (_, target) in root.get("target").map(Node::members).unwrap_or_default() {
        for (_, context) in target.get("contexts").map(Node::members).unwrap_or_default() {
            let Some(image) = context.text().and_then(|text| text.strip_prefix(DOCKER_IMAGE)) else { continue };
            collector.literal(&Node { value: Value::Quoted(image.to_owned()), ..context.clone() });
        }
        for key in ["dockerfile", "dockerfile-inline"] {
            if let Some(file) = target.get(key) {
                collector.note(file.place, format!("`{key}` is not followed: name the Dockerfile too"));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::without_comments;

    #[test]
    fn what_is_no_comment_stands_where_it_stood() {
        for (text, plain) in [
            ("{\"a\": \"x//y\"} // z\n\t1", "{\"a\": \"x//y\"}     \n 1"),
            ("/* é\n */ 1", "     \n    1"),
            (r#"{"a\"/*": 1} /* open"#, r#"{"a\"/*": 1}        "#),
            ("{\"open // ", "{\"open // "),
        ] {
            assert_eq!(without_comments(text), plain);
            assert_eq!(plain.len(), text.len());
        }
    }
}
