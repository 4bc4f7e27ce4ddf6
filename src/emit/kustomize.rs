//! A kustomize component that rewrites image names.
//!
//! kustomize compares names as text, so every spelling is there.

use serde::Serialize;
use serde_saphyr::DoubleQuoted as Quoted;

use crate::emit::document::{file, header, yaml};
use crate::emit::files::EmittedFile;
use crate::emit::format::{Format, Run, spellings};

pub(super) struct Component;

impl Format for Component {
    fn name(&self) -> &'static str {
        "kustomize"
    }

    fn files(&self, run: &Run) -> Result<Vec<EmittedFile>, String> {
        let (repositories, notes) = run.single_repositories()?;
        let text = header(
            &[
                "Add the directory to `components:` of a kustomization. Every image of a repository below is taken from the",
                "mirror, whatever its tag: a repository of which the run has one image is PINNED to it, and of the others",
                "only the tags that were mirrored can be pulled.",
            ],
            &notes,
        );
        let mut images = Vec::new();
        for repository in &repositories {
            let Some(first) = repository.images.first() else { continue };
            let only = if let [image] = repository.images.as_slice() { Some(image) } else { None };
            images.extend(spellings(&first.source).into_iter().map(|name| Image {
                name: Quoted(name),
                new_name: Quoted(&repository.target),
                new_tag: only.and_then(|image| image.target.tag()).map(Quoted),
                digest: only.map(|image| Quoted(image.digest.as_str())),
            }));
        }
        let component = Kustomization { api_version: "kustomize.config.k8s.io/v1alpha1", kind: "Component", images };
        Ok(vec![file("kustomize/kustomization.yaml", "yaml", text + &yaml(&component)?)])
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Kustomization<'a> {
    api_version: &'static str,
    kind: &'static str,
    images: Vec<Image<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Image<'a> {
    name: Quoted<String>,
    new_name: Quoted<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    new_tag: Option<Quoted<&'a str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    digest: Option<Quoted<&'a str>>,
}
