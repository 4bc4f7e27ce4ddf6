//! `compose.override.yaml`: the mirror's images for the services of the compose files that `images-from` named.
//!
//! Compose reads it beside `compose.yaml` by itself, or by `--file`.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_saphyr::DoubleQuoted as Quoted;

use crate::emit::document::{file, header, yaml};
use crate::emit::files::EmittedFile;
use crate::emit::format::{Format, Run};
use crate::oci::reference::Reference;
use crate::text::quote::quote;

pub(super) struct Override;

impl Format for Override {
    fn name(&self) -> &'static str {
        "compose-override"
    }

    fn on_request(&self) -> bool {
        true
    }

    fn files(&self, run: &Run) -> Result<Vec<EmittedFile>, String> {
        let mut services = BTreeMap::new();
        // Which of several images is meant depends on the files that compose is given.
        let has_another = |service: &str, source: &Reference| {
            run.services.iter().any(|(name, other)| name == service && other != source)
        };
        let mut ambiguous = BTreeSet::new();
        for (service, source) in &run.services {
            if has_another(service, source) {
                ambiguous.insert(service.as_str());
            } else if let Some(image) = run.images.iter().find(|image| image.source == *source) {
                services.insert(service.as_str(), Service { image: Quoted(image.pinned()) });
            }
        }
        let left_out = ambiguous.iter().map(|service| {
            format!(
                "Left out is `{}`: the files have different images for it; name those of one project.",
                quote(service)
            )
        });
        let left_out: Vec<String> = left_out.collect();
        if let (true, [first, ..]) = (services.is_empty(), left_out.as_slice()) {
            return Err(first.clone());
        }
        if services.is_empty() {
            return Err("no service of a compose file that `images-from` names has one of these images".to_owned());
        }
        let about = [
            "Put it beside your compose.yaml, or name it by a further --file. Services that are not here stay as they are.",
        ];
        let text = header(&about, &left_out) + &yaml(&Compose { services })?;
        Ok(vec![file("compose/compose.override.yaml", "yaml", text)])
    }
}

#[derive(Serialize)]
struct Compose<'a> {
    services: BTreeMap<&'a str, Service>,
}

#[derive(Serialize)]
struct Service {
    image: Quoted<String>,
}
