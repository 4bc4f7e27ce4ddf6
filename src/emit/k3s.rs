//! k3s and RKE2: `registries.yaml`, anchored rewrites.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::emit::files::EmittedFile;
use crate::emit::format::{Format, Run, file, header, quoted};

pub(super) struct Registries;

/// A registry's mirror: its host, and repositories as they are named at either end.
type Rewrites<'a> = (&'a str, Vec<(&'a str, &'a str)>);

impl Format for Registries {
    fn name(&self) -> &'static str {
        "k3s"
    }

    fn files(&self, run: &Run) -> Result<Vec<EmittedFile>, String> {
        let (repositories, notes) = run.single_repositories()?;
        // A registry's rewrites are applied at each of its endpoints.
        let mut registries: BTreeMap<&str, Rewrites<'_>> = BTreeMap::new();
        for repository in &repositories {
            let Some(image) = repository.images.first() else { continue };
            let (source, target) = (&image.source, &image.target);
            let (host, rewrites) =
                registries.entry(source.registry()).or_insert_with(|| (target.registry(), Vec::new()));
            if *host != target.registry() {
                return Err(format!(
                    "{} is mirrored at two registries, {host} and {}",
                    source.registry(),
                    target.registry()
                ));
            }
            rewrites.push((source.repository(), target.repository()));
        }
        let mut text = header(
            &[
                "Merge into /etc/rancher/k3s/registries.yaml (RKE2: /etc/rancher/rke2/) and restart. The registry itself is",
                "asked last. Repositories without a rewrite are asked at the mirror's host under their own name first, and",
                "what a stranger has there would be believed for tags.",
                "Needs a release that asks for the right token scope with rewrites (containerd/containerd#9648); on others",
                "a private or strict mirror is passed over silently. An imagePullSecret replaces the credential below.",
            ],
            &notes,
        );
        text += "mirrors:\n";
        for (registry, (host, rewrites)) in &registries {
            let _ = writeln!(
                text,
                "  {}:\n    endpoint:\n    - {}\n    rewrite:",
                quoted(registry),
                quoted(&run.url(host))
            );
            for (from, to) in rewrites {
                let pattern = format!("^{}$", from.replace('.', "\\."));
                let _ = writeln!(text, "      {}: {}", quoted(&pattern), quoted(to));
            }
        }
        text += "# Private mirrors:\n# configs:\n";
        for host in run.targets() {
            let _ =
                writeln!(text, "#   {}:\n#     auth:\n#       username: USER\n#       password: TOKEN", quoted(host));
        }
        Ok(vec![file("k3s/registries.yaml", "yaml", text)])
    }
}
