//! hauler's manifests: `kind: Images`.

use crate::plan::import::entry::{Entry, Imported, Settings};
use crate::plan::import::pattern::searched;
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
        let of = |key: &str| image.text_of(key).or_else(|| annotation(key));
        signature(&of, &mut entry);
        let known: Vec<&str> = ["name", "platform"].into_iter().chain(SIGNATURE).collect();
        imported.leave_out_others(image.members(), &known, "an image");
        imported.entries.push(entry);
    }
}

/// What it must be signed by, as an image's own `verify`.
fn signature<'a>(of: &dyn Fn(&str) -> Option<&'a str>, entry: &mut Entry) {
    let whole = |exact: &str, searched_for: &str| match (of(exact), of(searched_for)) {
        (Some(text), _) => Some(text.to_owned()),
        // There it is searched for, here it is for the whole of it.
        (None, Some(expression)) => {
            Some(searched(expression)).map(|all| if all == "*" { "/.*/".to_owned() } else { all })
        }
        (None, None) => None,
    };
    let identity = whole("certificate-identity", "certificate-identity-regexp");
    let issuer = whole("certificate-oidc-issuer", "certificate-oidc-issuer-regexp");
    match (of("key"), identity, issuer) {
        (Some(key), ..) if key.contains("://") => {
            entry.leave_out("`key`", "it is not in a file; give the public key in one, by `verify: { key: FILE }`");
        }
        (Some(key), ..) => {
            entry.verify.insert("key", key.to_owned());
            // There the log is asked only by a flag.
            entry.verify.insert("log", "ignore".to_owned());
        }
        (None, Some(identity), Some(issuer)) => {
            entry.verify.insert("identity", identity);
            entry.verify.insert("issuer", issuer);
        }
        (None, None, None) => {}
        (None, ..) => {
            let why = "an identity is worth what its issuer is; name both by `verify: { identity: …, issuer: … }`";
            entry.leave_out("a part of an identity", why);
        }
    }
    if of("certificate-github-workflow-repository").is_some() {
        entry.leave_out(
            "`certificate-github-workflow-repository`",
            "an identity of GitHub Actions begins with its repository: `/https://github\\.com/OWNER/NAME/.*/`",
        );
    }
}
