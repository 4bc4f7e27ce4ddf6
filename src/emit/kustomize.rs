//! A kustomize component that rewrites image names.
//!
//! kustomize compares names as text, so every spelling is there.

use std::fmt::Write as _;

use crate::emit::files::EmittedFile;
use crate::emit::format::{Format, Run, file, header, quoted, spellings};

pub(super) struct Component;

impl Format for Component {
    fn name(&self) -> &'static str {
        "kustomize"
    }

    fn files(&self, run: &Run) -> Result<Vec<EmittedFile>, String> {
        let (repositories, notes) = run.single_repositories()?;
        let mut text = header(
            &[
                "Add the directory to `components:` of a kustomization. Every image of a repository below is taken from the",
                "mirror, whatever its tag: a repository of which the run has one image is PINNED to it, and of the others",
                "only the tags that were mirrored can be pulled.",
            ],
            &notes,
        );
        text += "apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\nimages:\n";
        for repository in &repositories {
            let Some(first) = repository.images.first() else { continue };
            for name in spellings(&first.source) {
                let _ = writeln!(text, "- name: {}\n  newName: {}", quoted(&name), quoted(&repository.target));
                if let [image] = repository.images.as_slice() {
                    if let Some(tag) = image.target.tag() {
                        let _ = writeln!(text, "  newTag: {}", quoted(tag));
                    }
                    let _ = writeln!(text, "  digest: {}", quoted(image.digest.as_str()));
                }
            }
        }
        Ok(vec![file("kustomize/kustomization.yaml", "yaml", text)])
    }
}
