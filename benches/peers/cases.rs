//! What is compared: an image, what the target has of it, and the network between.

use std::time::Duration;

use crate::images::Kind;
use crate::proxy::Network;

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Target {
    Empty,
    /// It has everything already.
    Same,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    pub(crate) target: Target,
    pub(crate) network: Network,
    /// How often every tool is run, unless told.
    pub(crate) rounds: usize,
    /// Gigabytes, or minutes: only where asked for.
    pub(crate) large: bool,
}

const LOOPBACK: Network = Network { round_trip: Duration::ZERO, source_rate: None };
const FAR: Network = Network { round_trip: Duration::from_millis(30), source_rate: None };
const THROTTLED: Network = Network { round_trip: Duration::ZERO, source_rate: Some(20_000_000) };

const fn case(name: &'static str, kind: Kind, target: Target, network: Network, rounds: usize) -> Case {
    Case { name, kind, target, network, rounds, large: false }
}

pub(crate) const CASES: [Case; 12] = [
    case("platforms-cold", Kind::Platforms, Target::Empty, FAR, 5),
    case("platforms-unchanged", Kind::Platforms, Target::Same, FAR, 5),
    case("tags-cold", Kind::Tags, Target::Empty, FAR, 3),
    case("tags-unchanged", Kind::Tags, Target::Same, FAR, 3),
    case("throttled-layers", Kind::Large, Target::Empty, THROTTLED, 3),
    case("throttled-one-layer", Kind::Single, Target::Empty, THROTTLED, 3),
    case("loopback-layers", Kind::Large, Target::Empty, LOOPBACK, 5),
    case("loopback-tags", Kind::Tags, Target::Empty, LOOPBACK, 5),
    Case { large: true, ..case("memory-4-gib", Kind::Huge, Target::Empty, LOOPBACK, 1) },
    Case { large: true, ..case("unchanged-3000-tags", Kind::ManyTags, Target::Same, FAR, 3) },
    Case { large: true, ..case("unchanged-10000-tags", Kind::MostTags, Target::Same, FAR, 3) },
    Case { large: true, ..case("memory-3000-tags", Kind::ManyTags, Target::Empty, LOOPBACK, 1) },
];

impl Case {
    pub(crate) fn describe(&self) -> String {
        let target = match self.target {
            Target::Empty => "cold",
            Target::Same => "unchanged",
        };
        let network = match (self.network.round_trip.as_millis(), self.network.source_rate) {
            (0, None) => "loopback".to_owned(),
            (delay, None) => format!("{delay} ms round trip"),
            (_, Some(rate)) => format!("the source gives each connection {} MB/s", rate / 1_000_000),
        };
        format!("{network}, {target}: {}", self.kind.describe())
    }
}
