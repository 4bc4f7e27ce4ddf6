//! `tags`: what a repository has, in the order of versions.

use std::sync::Arc;

use futures_util::future::FutureExt as _;
use serde::Serialize;
use tokio::time::Instant;

use crate::app::connect::{credentials, registries, transport};
use crate::app::deliver::{Data, deliver};
use crate::app::publish::refuse;
use crate::app::watch::Watch;
use crate::error::{Error, Side};
use crate::inputs::typed::Inputs;
use crate::observe::debug_log;
use crate::observe::events::Events;
use crate::observe::meter::Meter;
use crate::oci::reference::{Reference, is_tag};
use crate::plan::list::version::Version;
use crate::report::code_of;
use crate::runner::console::Console;
use crate::runner::files::Files;
use crate::store::registry::repository::Purpose;
use crate::text::json::to_line;
use crate::text::units::count;

/// What `--output json` prints, and the output `json` in a job.
#[derive(Serialize)]
struct Tags {
    repository: String,
    tags: Vec<String>,
}

/// Lists the tags and gives the exit code.
pub async fn run(
    files: Files,
    console: &Console,
    inputs: &Inputs,
    repository: &Reference,
    shutdown: impl Future<Output = &'static str>,
) -> u8 {
    let (events, heard) = Events::new();
    if inputs.debug_log {
        debug_log::start(events.clone());
    }
    let mut watch = Watch::new(console, heard, None, Instant::now(), Box::pin(shutdown.fuse()));
    let tags = match watch.until(list(console, inputs, repository, events)).await {
        Ok(Ok(tags)) => Tags { repository: repository.name(), tags },
        Ok(Err(error)) => return refuse(Some(files), console, &error),
        Err(signal) => {
            console.error("mirror-image", &format!("cancelled by {signal}"));
            return code_of(signal);
        }
    };
    let json = to_line(&tags);
    deliver(files, console, (Data::Lines(tags.tags), json), Vec::new(), 0)
}

async fn list(
    console: &Console,
    inputs: &Inputs,
    repository: &Reference,
    events: Events,
) -> Result<Vec<String>, Error> {
    let (transport, connections) = transport(inputs);
    let credentials = credentials(inputs, console, &[(Side::Source, repository.clone())]).await;
    let registries = registries(inputs, credentials, &transport, connections);
    let listed =
        registries.open(Side::Source, repository, Purpose::Read, Arc::new(Meter::new(events)))?.list_tags().await?;
    let all = listed.len();
    // Scripts take these lines for tags.
    let mut tags: Vec<String> = listed.into_iter().filter(|tag| is_tag(tag)).map(String::from).collect();
    if let left @ 1.. = all - tags.len() {
        let entries = count(left as u64, "line");
        console.warning("mirror-image", &format!("{entries} of the registry's list left out: no tag is written so"));
    }
    // What is no version comes first, so that the newest one is what one sees last.
    tags.sort_by_cached_key(|tag| (Version::of(tag), tag.clone()));
    Ok(tags)
}
