//! Helm values, on request: there is no standard, only what many charts share.

use std::fmt::Write as _;

use serde::Serialize;
use serde_saphyr::DoubleQuoted as Quoted;

use crate::emit::document::{file, header, yaml};
use crate::emit::files::EmittedFile;
use crate::emit::format::{Format, Run};

pub(super) struct Values;

impl Format for Values {
    fn name(&self) -> &'static str {
        "helm"
    }

    fn on_request(&self) -> bool {
        true
    }

    fn files(&self, run: &Run) -> Result<Vec<EmittedFile>, String> {
        let bases = run.bases()?;
        let mut bases_of = bases.iter();
        let (Some((registry, base)), None) = (bases_of.next(), bases_of.next()) else {
            let registries: Vec<&str> = bases.keys().map(String::as_str).collect();
            let registries = registries.join(" and ");
            return Err(format!("a chart's values name one registry, and the run mirrors from {registries}"));
        };
        let mut text = header(
            &[
                "For charts in Bitnami's manner. Valid only if every image of the chart comes from",
                &format!("{registry} and is mirrored; charts with other keys take the values of the images below."),
                "`allowInsecureImages` is Bitnami's word for other registries.",
            ],
            &[],
        );
        let security = Security { allow_insecure_images: true };
        text += &yaml(&Chart { global: Global { image_registry: Quoted(base), security } })?;
        for image in &run.images {
            let _ = write!(
                text,
                "# {}\n# image:\n#   registry: \"{}\"\n#   repository: \"{}\"\n",
                image.source,
                image.target.registry(),
                image.target.repository()
            );
            if let Some(tag) = image.target.tag() {
                let _ = writeln!(text, "#   tag: \"{tag}\"");
            }
            let _ = writeln!(text, "#   digest: \"{}\"", image.digest);
        }
        Ok(vec![file("helm/values.yaml", "yaml", text)])
    }
}

#[derive(Serialize)]
struct Chart<'a> {
    global: Global<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Global<'a> {
    image_registry: Quoted<&'a str>,
    security: Security,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Security {
    allow_insecure_images: bool,
}
