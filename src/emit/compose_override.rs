//! `compose.override.yaml`: the mirror's images for the services of the compose files that `images-from` named.
//!
//! Compose reads it beside `compose.yaml` by itself, or by `--file`.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_saphyr::DoubleQuoted as Quoted;

use crate::emit::document::{file, header, yaml};
use crate::emit::files::EmittedFile;
use crate::emit::format::{Format, Run};

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
        for (service, source) in &run.services {
            if let Some(image) = run.images.iter().find(|image| image.source == *source) {
                services.insert(service.as_str(), Service { image: Quoted(image.pinned()) });
            }
        }
        if services.is_empty() {
            return Err("no service of a compose file that `images-from` names has one of these images".to_owned());
        }
        let about = [
            "Put it beside your compose.yaml, or name it by a further --file. Services that are not here stay as they are.",
        ];
        let text = header(&about, &[]) + &yaml(&Compose { services })?;
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
