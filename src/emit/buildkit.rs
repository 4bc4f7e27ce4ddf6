//! BuildKit: a source policy and named contexts, exact and pinned; the daemon's mirrors on request.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::json;

use crate::emit::document::{file, header, toml};
use crate::emit::files::EmittedFile;
use crate::emit::format::{Format, Run, familiar};

pub(super) struct SourcePolicy;

impl Format for SourcePolicy {
    fn name(&self) -> &'static str {
        "buildkit"
    }

    fn files(&self, run: &Run) -> Result<Vec<EmittedFile>, String> {
        // An image in two places is taken from the first.
        let mut rules: BTreeMap<String, String> = BTreeMap::new();
        let mut contexts: BTreeMap<String, String> = BTreeMap::new();
        for image in &run.images {
            let (name, to) = (image.source.name(), format!("docker-image://{}", image.pinned()));
            // `FROM x:tag`, `FROM x:tag@digest` and `FROM x@digest` are three names.
            let mut names = vec![format!("@{}", image.digest)];
            if let Some(tag) = image.source.tag() {
                names.extend([format!(":{tag}"), format!(":{tag}@{}", image.digest)]);
            }
            for suffix in &names {
                // A context is looked up as Docker's tools print the name, which ends before a last `:latest`.
                let name = format!("{}{suffix}", familiar(&image.source));
                let name = name.strip_suffix(":latest").unwrap_or(&name).to_owned();
                contexts.entry(name).or_insert_with(|| to.clone());
            }
            for suffix in names {
                rules.entry(format!("docker-image://{name}{suffix}")).or_insert_with(|| to.clone());
            }
        }
        let rules: Vec<serde_json::Value> = rules
            .into_iter()
            .map(|(from, to)| {
                json!({
                    "action": "CONVERT",
                    "selector": { "identifier": from, "match_type": "EXACT" },
                    "updates": { "identifier": to },
                })
            })
            .collect();
        let policy = json!({ "version": 1, "rules": rules });
        let contexts: Vec<String> = contexts.into_iter().map(|(name, to)| format!("{name}={to}")).collect();
        Ok(vec![
            file("buildkit/source-policy.json", "json", format!("{policy:#}\n")),
            file("buildkit/build-contexts.txt", "text", contexts.join("\n") + "\n"),
        ])
    }
}

pub(super) struct Daemon;

impl Format for Daemon {
    fn name(&self) -> &'static str {
        "buildkitd"
    }

    fn on_request(&self) -> bool {
        true
    }

    fn files(&self, run: &Run) -> Result<Vec<EmittedFile>, String> {
        let bases = run.bases()?;
        let text = header(
            &[
                "Merge into buildkitd.toml (`buildkitd-config-inline` of docker/setup-buildx-action).",
                "WARNING: BuildKit asks a path mirror for a token with the wrong scope (containerd/containerd#9648). A",
                "registry that is strict about that, ghcr.io among them, is then passed over silently, and the original is",
                "used. `buildkit/source-policy.json` does not have that fault.",
            ],
            &[],
        );
        let mut registry: BTreeMap<&str, Registry<'_>> = BTreeMap::new();
        for (name, base) in &bases {
            registry.entry(name).or_default().mirrors.push(base);
        }
        for target in run.targets().into_iter().filter(|target| run.is_insecure(target)) {
            registry.entry(target).or_default().http = true;
        }
        let text = text + "\n" + &toml(&Configuration { registry })?;
        Ok(vec![file("buildkit/buildkitd.toml", "toml", text)])
    }
}

#[derive(Serialize)]
struct Configuration<'a> {
    registry: BTreeMap<&'a str, Registry<'a>>,
}

/// A registry that has mirrors, or is one.
#[derive(Default, Serialize)]
struct Registry<'a> {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    mirrors: Vec<&'a str>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    http: bool,
}
