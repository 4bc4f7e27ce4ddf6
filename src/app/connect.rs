//! The registries of a run, and the credentials that go with them.
//!
//! Owns the wiring between what was given, what a person's helper programs have, and who may be asked with it.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::credentials::Credentials;
use crate::engine::options::OnBudget;
use crate::error::Side;
use crate::http::clients::{Rest, Transport};
use crate::inputs::typed::Inputs;
use crate::observe::pulls::Shortage;
use crate::oci::reference::Reference;
use crate::plan::Plan;
use crate::plan::request::{Images, Request};
use crate::runner::console::Console;
use crate::store::registry::connections::Connections;
use crate::store::registry::host::RegistrySettings;
use crate::store::registry::registries::Registries;

/// The credentials of the run, with those that a person's helper programs have for what it will ask.
pub async fn credentials(inputs: &Inputs, console: &Console, asked: &[(Side, Reference)]) -> Credentials {
    let mut credentials = inputs.credentials.clone();
    let lacking = asked.iter().filter(|(side, _)| !inputs.credentials.has_one_for(*side));
    let lacking: Vec<&Reference> = lacking.map(|(_, reference)| reference).collect();
    let notices = credentials.ask_helpers(&lacking).await;
    for secret in &credentials.secrets() {
        console.mask(secret);
    }
    for notice in notices {
        console.warning("mirror-image", &notice);
    }
    credentials
}

/// Both ends of every job, as far as they are at registries; of a list whose tags are not known yet, what is selected from,
/// and the registries that it goes to.
pub fn ends(request: &Request, plan: &Plan) -> Vec<(Side, Reference)> {
    let sides = [Side::Source, Side::Target];
    let of_jobs = plan.jobs.iter().flat_map(|job| sides.map(|side| Some((side, job.end(side)?.clone())))).flatten();
    let entries = match &request.images {
        Images::List(list) => &list.entries[..],
        Images::One(_) | Images::Listed(_) => &[],
    };
    let sources = entries.iter().filter_map(|entry| Some((Side::Source, entry.source.registry()?.clone())));
    let targets = entries.iter().flat_map(|entry| {
        entry.settings.targets.iter().flatten().map(String::as_str).chain(request.targets.iter().map(String::as_str))
    });
    let hosts = targets.filter_map(|target| target.split_once('/')).map(|(host, _)| host);
    let targets = hosts.filter_map(|host| Some((Side::Target, Reference::parse(&format!("{host}/any")).ok()?)));
    of_jobs.chain(sources).chain(targets).collect()
}

/// The clients of the run, and how many connections they may have.
pub fn transport(inputs: &Inputs) -> (Transport, Connections) {
    let connections = Connections::within(most_files());
    let rest = if connections.are_few() { Rest::Closed } else { Rest::Kept };
    (Transport::new(inputs.ca_certificates.clone(), &inputs.proxies, rest), connections)
}

/// How many files this process may open, once it has allowed itself as many as it may; none where that has no end.
fn most_files() -> Option<u64> {
    let limit = getrlimit(Resource::Nofile);
    // What a program gets to begin with is for programs that wait for files by a list of a fixed length.
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    if setrlimit(Resource::Nofile, raised).is_ok() { limit.maximum } else { limit.current }
}

/// What is done where pulls are too few. A plan does not wait for hours: it says how long that will be.
fn shortage(inputs: &Inputs) -> Shortage {
    match inputs.on_budget {
        OnBudget::Wait if !inputs.dry_run => Shortage::Wait,
        OnBudget::Wait | OnBudget::Defer | OnBudget::Fail => Shortage::Leave,
    }
}

/// The registries of the run, with its credentials.
pub fn registries(
    inputs: &Inputs,
    credentials: Credentials,
    transport: &Transport,
    connections: Connections,
) -> Registries {
    let settings = RegistrySettings {
        insecure: inputs.insecure_registries.clone(),
        patience: inputs.patience,
        most_requests: inputs.at_once.requests,
        connections,
        token_services: inputs.token_services.clone(),
        missing_repositories: inputs.missing_repositories,
        github: inputs.server.registry().map(str::to_owned),
        pulls: (inputs.pull_budget, shortage(inputs)),
    };
    Registries::new(transport.clone(), settings, credentials)
}
