//! A drop-in of `containers-registries.conf`: Podman, Buildah, Skopeo, CRI-O.
//!
//! A table for each repository, never for a whole registry: that would also send images there which the mirror does not
//! have. Prefix and location both, because before `*.domain` prefixes the location is required.

use serde::Serialize;

use crate::emit::document::{file, header, toml};
use crate::emit::files::EmittedFile;
use crate::emit::format::{Format, Image, Run};

pub(super) struct RegistriesConf {
    /// The mirror answers tags too, not only digests.
    pub(super) tags: bool,
}

impl Format for RegistriesConf {
    fn name(&self) -> &'static str {
        if self.tags { "registries-conf-tags" } else { "registries-conf" }
    }

    fn on_request(&self) -> bool {
        self.tags
    }

    fn files(&self, run: &Run) -> Result<Vec<EmittedFile>, String> {
        // Several places of one repository are one table: a second table would replace the first.
        let (repositories, notes) = run.repositories();
        if repositories.is_empty() {
            return Err(notes.join("; "));
        }
        let about: &[&str] = if self.tags {
            &[
                "Copy to /etc/containers/registries.conf.d/. Tags and digests come from the mirror first, then from the",
                "registry itself; a tag is what the mirror has, as old as its last run.",
            ]
        } else {
            &[
                "Copy to /etc/containers/registries.conf.d/. Pulls by digest come from the mirror first, then from the",
                "registry itself; pulls by tag go to the registry itself (emit `registries-conf-tags` to change that).",
            ]
        };
        let mut text = header(about, &notes);
        text += "# A private mirror needs a login: `podman login HOST`, or a key `HOST/PATH` in auth.json.\n\n";
        let mut registry: Vec<Registry<'_>> = Vec::new();
        for repository in &repositories {
            let insecure =
                |host: fn(&Image) -> &str| repository.images.first().is_some_and(|image| run.is_insecure(host(image)));
            let mirror = Mirror {
                location: &repository.target,
                insecure: insecure(|image| image.target.registry()),
                pulls: if self.tags { None } else { Some("digest-only") },
            };
            match registry.last_mut() {
                Some(last) if last.prefix == repository.source => last.mirror.push(mirror),
                _ => registry.push(Registry {
                    prefix: &repository.source,
                    location: &repository.source,
                    insecure: insecure(|image| image.source.registry()),
                    mirror: vec![mirror],
                }),
            }
        }
        text += &toml(&Configuration { registry })?;
        // The later file of the two replaces the tables of the other.
        let path = if self.tags { format!("51-{}-tags.conf", run.name) } else { format!("50-{}.conf", run.name) };
        Ok(vec![file(format!("registries.conf.d/{path}"), "toml", text)])
    }
}

#[derive(Serialize)]
struct Configuration<'a> {
    registry: Vec<Registry<'a>>,
}

#[derive(Serialize)]
struct Registry<'a> {
    prefix: &'a str,
    location: &'a str,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    insecure: bool,
    mirror: Vec<Mirror<'a>>,
}

#[derive(Serialize)]
struct Mirror<'a> {
    location: &'a str,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    insecure: bool,
    #[serde(rename = "pull-from-mirror", skip_serializing_if = "Option::is_none")]
    pulls: Option<&'static str>,
}
