//! Cloud Native Buildpacks, pack and kaniko: a registry is replaced, repository names are kept.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::Serialize;

use crate::emit::document::{file, header, toml};
use crate::emit::files::EmittedFile;
use crate::emit::format::{Format, Run};
use crate::oci::reference::Reference;
use crate::oci::vendor::{DOCKER_HUB_INDEX, Vendor};

pub(super) struct Buildpacks;

/// pack and kaniko look up the name that their library gives Docker Hub, and no other.
fn ggcr_name(registry: &str) -> &str {
    if Vendor::of(registry) == Vendor::DockerHub { DOCKER_HUB_INDEX } else { registry }
}

impl Format for Buildpacks {
    fn name(&self) -> &'static str {
        "cnb"
    }

    fn files(&self, run: &Run) -> Result<Vec<EmittedFile>, String> {
        let bases = run.bases()?;
        let join = |parts: Vec<String>| parts.join(";");
        let cnb = join(
            bases
                .iter()
                .map(|(registry, base)| {
                    let host = base.split('/').next().unwrap_or_default();
                    let scheme = if run.is_insecure(host) { "http" } else { "https" };
                    format!("{registry}={scheme}://{base}")
                })
                .collect(),
        );
        let kaniko = join(bases.iter().map(|(registry, base)| format!("{}={base}", ggcr_name(registry))).collect());
        let mut env = header(
            &[
                "CNB_REGISTRY_MIRRORS: buildpacks/rfcs#285, a draft; mirror-image reads it, the lifecycle does not yet.",
                "KANIKO_REGISTRY_MAP: kaniko; the original is its fallback. Both send every image of a registry there.",
            ],
            &[],
        );
        let _ = writeln!(env, "CNB_REGISTRY_MIRRORS={cnb}\nKANIKO_REGISTRY_MAP={kaniko}");
        let mut pack = header(
            &[
                "Merge into ~/.pack/config.toml. pack has no fallback: every image of a registry below is taken from the",
                "mirror, and one that is not there fails. As run image mirrors, with a fallback:",
            ],
            &[],
        );
        for (source, target) in run_images(run) {
            let _ = writeln!(pack, "#   pack config run-image-mirrors add {source} --mirror {target}");
        }
        let registry_mirrors = bases.iter().map(|(registry, base)| (ggcr_name(registry), base.as_str())).collect();
        pack += &toml(&PackConfig { registry_mirrors })?;
        Ok(vec![file("cnb/mirrors.env", "sh", env), file("cnb/pack-config.toml", "toml", pack)])
    }

    /// pack's run image mirrors name images, so that renamed ones have them too.
    fn files_by_image(&self, run: &Run) -> Vec<EmittedFile> {
        if run.images.is_empty() {
            return Vec::new();
        }
        let mut text = "#!/bin/sh\n".to_owned();
        text += &header(&["Tells pack of the mirror of each run image; the original is the fallback."], &[]);
        for (source, target) in run_images(run) {
            let _ = writeln!(text, "pack config run-image-mirrors add {source} --mirror {target}");
        }
        vec![file("cnb/run-image-mirrors.sh", "sh", text)]
    }
}

/// Source and target of each image, by tag where it has one.
fn run_images(run: &Run) -> impl Iterator<Item = (String, String)> {
    let name = |reference: &Reference| match reference.tag() {
        Some(tag) => format!("{}:{tag}", reference.name()),
        None => reference.to_string(),
    };
    run.images.iter().map(move |image| (name(&image.source), name(&image.target)))
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct PackConfig<'a> {
    registry_mirrors: BTreeMap<&'a str, &'a str>,
}
