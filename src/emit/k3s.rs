//! k3s and RKE2: `registries.yaml`, anchored rewrites.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::Serialize;
use serde_saphyr::DoubleQuoted as Quoted;

use crate::emit::document::{file, header, yaml};
use crate::emit::files::EmittedFile;
use crate::emit::format::{Format, Run};

pub(super) struct Registries;

#[derive(Serialize)]
struct Configuration<'a> {
    mirrors: BTreeMap<&'a str, Mirror<'a>>,
}

#[derive(Serialize)]
struct Mirror<'a> {
    /// The mirror's registry.
    #[serde(skip)]
    host: &'a str,
    endpoint: [Quoted<String>; 1],
    /// Repositories as they are named here, anchored, and as they are named there.
    rewrite: BTreeMap<String, Quoted<&'a str>>,
}

impl Format for Registries {
    fn name(&self) -> &'static str {
        "k3s"
    }

    fn files(&self, run: &Run) -> Result<Vec<EmittedFile>, String> {
        let (repositories, notes) = run.single_repositories()?;
        // A registry's rewrites are applied at each of its endpoints.
        let mut mirrors: BTreeMap<&str, Mirror<'_>> = BTreeMap::new();
        for repository in &repositories {
            let Some(image) = repository.images.first() else { continue };
            let (source, target) = (&image.source, &image.target);
            let mirror = mirrors.entry(source.registry()).or_insert_with(|| Mirror {
                host: target.registry(),
                endpoint: [Quoted(run.url(target.registry()))],
                rewrite: BTreeMap::new(),
            });
            if mirror.host != target.registry() {
                return Err(format!(
                    "{} is mirrored at two registries, {} and {}",
                    source.registry(),
                    mirror.host,
                    target.registry()
                ));
            }
            let pattern = format!("^{}$", source.repository().replace('.', "\\."));
            mirror.rewrite.insert(pattern, Quoted(target.repository()));
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
        text += &yaml(&Configuration { mirrors })?;
        text += "# Private mirrors:\n# configs:\n";
        for host in run.targets() {
            let _ = writeln!(text, "#   \"{host}\":\n#     auth:\n#       username: USER\n#       password: TOKEN");
        }
        Ok(vec![file("k3s/registries.yaml", "yaml", text)])
    }
}
