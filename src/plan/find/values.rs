//! A chart's values, looked at only where guesses are asked for: there is no grammar, only a habit that many charts share.
//!
//! The habit as Renovate reads it: a key that ends in `image`, with a text, or with `repository` and `tag` or `version`, and
//! often `registry`.

use crate::plan::find::found::Collector;
use crate::plan::find::variables;
use crate::plan::list::yaml::{Node, Value};

const DEEPEST: usize = 32;

pub fn read(root: &Node, collector: &mut Collector<'_>) {
    let global = root.get("global").and_then(|global| global.text_of("imageRegistry")).unwrap_or_default().to_owned();
    walk(root, &global, 0, collector);
}

fn walk(node: &Node, global: &str, depth: usize, collector: &mut Collector<'_>) {
    if depth > DEEPEST {
        return;
    }
    match &node.value {
        Value::List(items) => items.iter().for_each(|item| walk(item, global, depth + 1, collector)),
        Value::Map(members) => {
            for (key, value) in members {
                let is_image = key.text.to_ascii_lowercase().ends_with("image");
                match &value.value {
                    Value::Plain(_) | Value::Quoted(_) if is_image => text(value, collector),
                    Value::Map(_) if is_image && value.get("repository").is_some() => image(value, global, collector),
                    _ => walk(value, global, depth + 1, collector),
                }
            }
        }
        _ => {}
    }
}

/// A text that has a tag, a digest or a path; a word alone may be anything.
fn text(value: &Node, collector: &mut Collector<'_>) {
    if value.text().is_some_and(|text| text.contains([':', '/', '@'])) {
        collector.literal(value);
    }
}

fn image(value: &Node, global: &str, collector: &mut Collector<'_>) {
    let of = |name: &str| value.text_of(name).map(str::trim).filter(|text| !text.is_empty());
    let Some(repository) = of("repository") else { return };
    let registry = Some(global).filter(|global| !global.is_empty()).or_else(|| of("registry"));
    let name = registry.map_or_else(|| repository.to_owned(), |registry| format!("{registry}/{repository}"));
    let at = value.get("repository").map_or(value.place, |node| node.place);
    let (tag, digest) = (of("tag").or_else(|| of("version")), of("digest"));
    let tagged = tag.map_or_else(|| name.clone(), |tag| format!("{name}:{tag}"));
    let whole = digest.map_or_else(|| tagged.clone(), |digest| format!("{tagged}@{digest}"));
    if let Some(reason) = variables::unknown(&whole) {
        collector.unresolved(at, &whole, reason);
    } else if tag.is_none() && digest.is_none() {
        collector.unresolved(
            at,
            &name,
            "its tag is empty: charts take their `appVersion` then; render the chart to know it",
        );
    } else {
        collector.image(at, &whole, None);
    }
}
