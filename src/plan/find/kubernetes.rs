//! Objects of Kubernetes and OpenShift, and kustomizations.
//!
//! Certain is what is in the lists of containers, in image volumes, and in the fields that are images by an object's own
//! definition. In an object that is not known, a key `image` counts where its text says that it is one: by a registry, a tag
//! or a digest. Environment variables, annotations and texts within texts are never taken for images.

use crate::oci::reference::Reference;
use crate::plan::find::found::{Collector, Kustomization, Rename, Written, name_of};
use crate::plan::find::variables;
use crate::plan::list::yaml::{Node, Value};

/// Lists whose members are containers.
pub const CONTAINERS: [&str; 3] = ["containers", "initContainers", "ephemeralContainers"];

/// How deep an object is looked into; no object is deeper that names an image.
const DEEPEST: usize = 64;

pub fn read(root: &Node, collector: &mut Collector<'_>) {
    let api = root.text_of("apiVersion").unwrap_or_default();
    match root.text_of("kind").unwrap_or_default() {
        // What they hold is for other programs: a text there is no image of this cluster.
        "ConfigMap" | "Secret" | "CustomResourceDefinition" => {}
        "ImageSetConfiguration" => {
            let mirror = root.get("mirror");
            let images = mirror.and_then(|mirror| mirror.get("additionalImages")).map(Node::items).unwrap_or_default();
            images.iter().filter_map(|image| image.get("name")).for_each(|name| collector.literal(name));
        }
        "OCIRepository" => oci_repository(root, collector),
        "List" | "PodList" => all(root.get("items"), collector),
        "Template" => all(root.get("objects"), collector),
        kind => {
            collector.remark = is_test_hook(root).then_some("a Helm test hook");
            let object = Object {
                is_stream: kind == "ImageStream",
                is_tekton: api.starts_with("tekton.dev/"),
                is_argo: api.starts_with("argoproj.io/"),
            };
            object.walk(root, 0, collector);
            collector.remark = None;
        }
    }
}

fn all(objects: Option<&Node>, collector: &mut Collector<'_>) {
    for object in objects.map(Node::items).unwrap_or_default() {
        read(object, collector);
    }
}

fn is_test_hook(root: &Node) -> bool {
    let annotations = root.get("metadata").and_then(|metadata| metadata.get("annotations"));
    let hook = annotations.and_then(|annotations| annotations.text_of("helm.sh/hook")).unwrap_or_default();
    hook.split(',').any(|hook| hook.trim().starts_with("test"))
}

struct Object {
    is_stream: bool,
    is_tekton: bool,
    is_argo: bool,
}

impl Object {
    fn walk(&self, node: &Node, depth: usize, collector: &mut Collector<'_>) {
        if depth > DEEPEST {
            return;
        }
        match &node.value {
            Value::List(items) => items.iter().for_each(|item| self.walk(item, depth + 1, collector)),
            Value::Map(members) => {
                // `{kind: DockerImage, name: …}`, as builds, streams and deployments of OpenShift refer to an image.
                if node.text_of("kind") == Some("DockerImage") {
                    if let Some(name) = node.get("name") {
                        collector.literal(name);
                    }
                    return;
                }
                for (key, value) in members {
                    self.member(&key.text, value, depth, collector);
                }
            }
            _ => {}
        }
    }

    fn member(&self, key: &str, value: &Node, depth: usize, collector: &mut Collector<'_>) {
        let is_containers = CONTAINERS.contains(&key) || self.is_tekton && matches!(key, "steps" | "sidecars");
        match key {
            _ if is_containers && !value.items().is_empty() => {
                for container in value.items() {
                    self.container(container, depth, collector);
                }
            }
            "container" | "script" if self.is_argo && value.get("image").is_some() => {
                self.container(value, depth, collector);
            }
            "volumes" => {
                let images = value.items().iter().filter_map(|volume| volume.get("image")?.get("reference"));
                images.for_each(|reference| collector.literal(reference));
                self.walk_without(value, "image", depth, collector);
            }
            // What a build makes; and what the cluster says of itself.
            "output" | "status" | "annotations" => {}
            "image" if value.text().is_some_and(says_that_it_is_one) && !self.is_stream => collector.literal(value),
            _ => self.walk(value, depth + 1, collector),
        }
    }

    fn container(&self, container: &Node, depth: usize, collector: &mut Collector<'_>) {
        // Istio fills it in.
        if let Some(image) = container.get("image").filter(|image| image.text() != Some("auto")) {
            collector.literal(image);
        }
        for (key, value) in container.members().iter().filter(|(key, _)| key.text != "image") {
            self.member(&key.text, value, depth + 1, collector);
        }
    }

    fn walk_without(&self, items: &Node, left_out: &str, depth: usize, collector: &mut Collector<'_>) {
        for item in items.items() {
            for (key, value) in item.members().iter().filter(|(key, _)| key.text != left_out) {
                self.member(&key.text, value, depth + 1, collector);
            }
        }
    }
}

/// Whether a text under a key `image`, of an object that is not known, can be nothing but an image.
fn says_that_it_is_one(text: &str) -> bool {
    if text.contains('$') {
        // A variable in the tag of what would be one without it.
        return name_of(text).len() < text.len() && !name_of(text).contains('$');
    }
    if text.contains("{{") {
        return true;
    }
    let has_host = text.split_once('/').is_some_and(|(host, _)| host.contains(['.', ':']) || host == "localhost");
    Reference::parse(text)
        .is_ok_and(|reference| has_host || reference.has_explicit_tag() || reference.digest().is_some())
}

/// Flux's: the address of a repository, and beside it a tag, a digest or a range.
fn oci_repository(root: &Node, collector: &mut Collector<'_>) {
    let Some(spec) = root.get("spec") else { return };
    let Some(url) = spec.get("url").filter(|url| url.text().is_some_and(|text| text.starts_with("oci://"))) else {
        return;
    };
    let text = url.text().unwrap_or_default();
    let name = text.trim_start_matches("oci://").trim_end_matches('/');
    if let Some(reason) = variables::unknown(name) {
        return collector.unresolved(url.place, text, reason);
    }
    let of = |key: &str| spec.get("ref").and_then(|reference| reference.get(key));
    if let Some(range) = of("semver").filter(|_| of("digest").is_none()) {
        let range = range.text().unwrap_or_default();
        return collector.unresolved(
            url.place,
            &format!("{name}:{range}"),
            "its tag is a range of versions; write a list entry with `semver`",
        );
    }
    let value = with(name, of("tag"), of("digest"));
    if let Some(reason) = variables::unknown(&value) {
        return collector.unresolved(url.place, &value, reason);
    }
    let written = collector.bytes(url, name).map(Written::Name);
    collector.image(url.place, &value, written);
}

fn with(name: &str, tag: Option<&Node>, digest: Option<&Node>) -> String {
    let text = |node: Option<&Node>| node.and_then(Node::text).filter(|text| !text.is_empty()).map(str::to_owned);
    let tag = text(tag).map_or_else(String::new, |tag| format!(":{tag}"));
    let digest = text(digest).map_or_else(String::new, |digest| format!("@{digest}"));
    format!("{name}{tag}{digest}")
}

/// What a kustomization may have and say nothing of images with.
const HARMLESS: [&str; 16] = [
    "apiVersion",
    "kind",
    "metadata",
    "resources",
    "images",
    "namespace",
    "namePrefix",
    "nameSuffix",
    "labels",
    "commonLabels",
    "commonAnnotations",
    "configMapGenerator",
    "secretGenerator",
    "generatorOptions",
    "replicas",
    "sortOptions",
];

/// What a kustomization makes of the names in its resources.
pub fn kustomization(root: &Node, collector: &mut Collector<'_>) {
    let is_alone = collector.reading.kustomization.is_none();
    let is_harmless = root.members().iter().all(|(key, _)| HARMLESS.contains(&key.text.as_str()));
    let resources = root.get("resources").map(Node::items).unwrap_or_default();
    let resources = resources.iter().map(|resource| resource.text().map(str::to_owned)).collect::<Option<Vec<_>>>();
    let mut renames = Vec::new();
    for image in root.get("images").map(Node::items).unwrap_or_default() {
        let Some(name) = image.get("name").or_else(|| image.get("newName")) else { continue };
        let node = image.get("newName").unwrap_or(name);
        let Some(text) = node.text().filter(|text| !text.is_empty()) else { continue };
        let (tag, digest) = (image.get("newTag"), image.get("digest"));
        let value = with(text, tag.filter(|_| digest.is_none()), digest);
        if let Some(reason) = variables::unknown(&value) {
            collector.unresolved(node.place, &value, reason);
            continue;
        }
        if tag.is_none() && digest.is_none() {
            let reason = "its tag is that of the resources; `kustomize build … | mirror-image images -` has it";
            let from = name.text().filter(|_| image.get("newName").is_some()).unwrap_or_default();
            if !from.is_empty() {
                let at = collector.reading.found.len();
                renames.push(Rename { at, from: from.to_owned(), to: text.to_owned() });
            }
            collector.unresolved(node.place, text, reason);
            continue;
        }
        // Of `name` nothing is written anew: it is what the resources have.
        let written =
            if image.get("newName").is_some() { collector.bytes(node, text).map(Written::Name) } else { None };
        collector.image(node.place, &value, written);
    }
    collector.reading.kustomization = Some(Kustomization {
        resources: resources.filter(|_| is_alone && is_harmless),
        has_images: root.get("images").is_some(),
        renames,
    });
}
