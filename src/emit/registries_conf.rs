//! A drop-in of `containers-registries.conf`: Podman, Buildah, Skopeo, CRI-O.
//!
//! A table for each repository, never for a whole registry: that would also send images there which the mirror does not
//! have. Prefix and location both, because before `*.domain` prefixes the location is required.

use std::fmt::Write as _;

use crate::emit::files::EmittedFile;
use crate::emit::format::{Format, Run, file, header, quoted};

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
        text += "# A private mirror needs a login: `podman login HOST`, or a key `HOST/PATH` in auth.json.\n";
        let mut last = "";
        for repository in &repositories {
            if repository.source != last {
                let _ = writeln!(text, "\n[[registry]]\nprefix = {0}\nlocation = {0}", quoted(&repository.source));
                if repository.images.first().is_some_and(|image| run.is_insecure(image.source.registry())) {
                    text += "insecure = true\n";
                }
                last = &repository.source;
            }
            let _ = writeln!(text, "\n[[registry.mirror]]\nlocation = {}", quoted(&repository.target));
            if repository.images.first().is_some_and(|image| run.is_insecure(image.target.registry())) {
                text += "insecure = true\n";
            }
            if !self.tags {
                text += "pull-from-mirror = \"digest-only\"\n";
            }
        }
        // The later file of the two replaces the tables of the other.
        let path = if self.tags { format!("51-{}-tags.conf", run.name) } else { format!("50-{}.conf", run.name) };
        Ok(vec![file(format!("registries.conf.d/{path}"), "toml", text)])
    }
}
