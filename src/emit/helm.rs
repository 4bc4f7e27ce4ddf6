//! Helm values, on request: there is no standard, only what many charts share.

use std::fmt::Write as _;

use crate::emit::files::EmittedFile;
use crate::emit::format::{Format, Run, file, header, quoted};

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
            ],
            &[],
        );
        let _ = writeln!(
            text,
            "global:\n  imageRegistry: {}\n  security:\n    allowInsecureImages: true # Bitnami's word for other registries",
            quoted(base)
        );
        for image in &run.images {
            let _ = write!(
                text,
                "# {}\n# image:\n#   registry: {}\n#   repository: {}\n",
                image.source,
                quoted(image.target.registry()),
                quoted(image.target.repository())
            );
            if let Some(tag) = image.target.tag() {
                let _ = writeln!(text, "#   tag: {}", quoted(tag));
            }
            let _ = writeln!(text, "#   digest: {}", quoted(image.digest.as_str()));
        }
        Ok(vec![file("helm/values.yaml", "yaml", text)])
    }
}
