//! hauler's manifests: `kind: Images`.

use crate::plan::import::entry::{Entry, Imported, Settings};
use crate::plan::list::yaml::Node;
use crate::text::quote::quote;

/// What a signature is checked with there.
const SIGNATURE: [&str; 6] = [
    "key",
    "certificate-identity",
    "certificate-identity-regexp",
    "certificate-oidc-issuer",
    "certificate-oidc-issuer-regexp",
    "certificate-github-workflow-repository",
];

pub fn read(root: &Node, _settings: &Settings<'_>, imported: &mut Imported) {
    imported.tool = "hauler";
    let kind = root.text_of("kind").unwrap_or_default();
    if kind != "Images" {
        let why = match kind {
            "Charts" => {
                "a chart in a registry is an image like any other; its images are found by `helm template … | mirror-image images -`"
            }
            _ => "",
        };
        imported.leave_out(&format!("an object of kind `{}`", quote(kind)), why);
        return;
    }
    let annotation = |name: &str| root.get("metadata")?.get("annotations")?.text_of(&format!("hauler.dev/{name}"));
    for image in root.get("spec").and_then(|spec| spec.get("images")).map(Node::items).unwrap_or_default() {
        let Some(name) = image.text_of("name").or_else(|| image.text()) else { continue };
        let has_host = name.split_once('/').is_some_and(|(host, _)| host.contains(['.', ':']));
        let source = match annotation("registry").filter(|_| !has_host) {
            Some(registry) => format!("{registry}/{name}"),
            None => name.to_owned(),
        };
        let mut entry = Entry::of(source);
        entry.platforms =
            image.text_of("platform").or_else(|| annotation("platform")).map(str::to_owned).into_iter().collect();
        for key in SIGNATURE {
            if image.get(key).is_some() || annotation(key).is_some() {
                entry.leave_out(
                    &format!("`{key}`"),
                    "signatures come along; which an image must have, say by `policies` and `verify`",
                );
            }
        }
        let known: Vec<&str> = ["name", "platform"].into_iter().chain(SIGNATURE).collect();
        imported.leave_out_others(image.members(), &known, "an image");
        imported.entries.push(entry);
    }
}
