//! Compose files: `services.*.image`, with the defaults of variables.
//!
//! A service that is built names by `image` what it builds, and nothing to be pulled; nor does another that runs the same.

use std::collections::BTreeSet;

use crate::plan::find::found::Collector;
use crate::plan::find::variables::{Escape, Lookup, fill};
use crate::plan::list::yaml::Node;
use crate::text::quote::quote;

pub fn read(root: &Node, collector: &mut Collector<'_>) {
    let services = root.get("services").map(Node::members).unwrap_or_default();
    let name_of = |image: &Node| image.text().map(|text| text.trim().to_owned());
    let built: BTreeSet<String> = services
        .iter()
        .filter(|(_, service)| service.get("build").is_some())
        .filter_map(|(_, service)| service.get("image").and_then(name_of))
        .collect();
    let is_pulled = |image: &Node| name_of(image).is_none_or(|name| !built.contains(&name));
    for (name, service) in services {
        collector.service = Some(name.text.clone());
        let is_built = service.get("build").is_some();
        if let Some(image) = service.get("image").filter(|image| !is_built && is_pulled(image)) {
            text(image, collector);
        }
        collector.service = None;
        for volume in service.get("volumes").map(Node::items).unwrap_or_default() {
            let is_image = volume.text_of("type") == Some("image");
            if let Some(source) = volume.get("source").filter(|source| is_image && is_pulled(source)) {
                text(source, collector);
            }
        }
        contexts(service, collector);
        if let Some(file) = service.get("extends").and_then(|extends| extends.get("file")) {
            collector.note(file.place, format!("{} is not followed: name it too", shown(file)));
        }
    }
    for include in root.get("include").into_iter().flat_map(|include| match include.items() {
        [] => std::slice::from_ref(include),
        items => items,
    }) {
        let path = include.get("path").unwrap_or(include);
        collector.note(path.place, format!("{} is not followed: name it too", shown(path)));
    }
}

/// `build.additional_contexts` of the form `docker-image://IMAGE`.
fn contexts(service: &Node, collector: &mut Collector<'_>) {
    let contexts = service.get("build").and_then(|build| build.get("additional_contexts"));
    let Some(contexts) = contexts else { return };
    let values = contexts.members().iter().map(|(_, value)| value).chain(contexts.items());
    for value in values {
        let Some(image) = value.text().and_then(|text| text.split_once("docker-image://")).map(|(_, image)| image)
        else {
            continue;
        };
        let node = Node { value: crate::plan::list::yaml::Value::Quoted(image.to_owned()), ..value.clone() };
        text(&node, collector);
    }
}

fn text(node: &Node, collector: &mut Collector<'_>) {
    let Some(written) = node.text().map(str::trim).filter(|text| !text.is_empty()) else { return };
    if written.contains("{{") {
        return collector.literal(node);
    }
    let variables = &collector.settings.variables;
    let lookup = |name: &str| variables.get(name).map_or(Lookup::Unset, |value| Lookup::Value(value.clone()));
    match fill(written, Escape::Dollar, &lookup) {
        Ok(value) => collector.resolved(node, written, &value),
        Err(reason) => collector.unresolved(node.place, written, reason),
    }
}

fn shown(node: &Node) -> String {
    node.text().map_or_else(|| "another file".to_owned(), |text| format!("`{}`", quote(text)))
}

#[cfg(test)]
mod tests {
    use crate::plan::find::found::{Named, Settings};
    use crate::plan::find::{Origin, read};

    #[test]
    fn what_a_service_builds_is_pulled_by_no_other() {
        let text = "services:\n  worker: {image: 'acme/app:dev'}\n  web: {build: ., image: acme/app:dev }\n  \
                    other: {image: 'acme/app:1', volumes: [{type: image, source: 'acme/app:dev', target: /x}]}\n";
        let reading = read("compose.yml", text, Origin::Named, &Settings::default());
        let found: Vec<String> = reading
            .found
            .iter()
            .map(|found| match &found.named {
                Named::Certain(reference) => reference.to_string(),
                other => format!("{other:?}"),
            })
            .collect();
        assert_eq!(found, ["docker.io/acme/app:1"]);
    }
}
