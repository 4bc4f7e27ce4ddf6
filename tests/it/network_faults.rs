//! The faults of a network between real registries: Debian's docker-registry behind a proxy that breaks connections.
//! A row a test, as in the fault matrix:
//!
//! ```text
//! name (patience): [the network before the source] / [the network before the target] => [what must hold];
//! ```
//!
//! Of every row, besides: the copy is right by the target's own files and by skopeo.

use std::path::PathBuf;

use crate::support::flaky_proxy::Break::{Cut, Reset, Stall};
use crate::support::flaky_proxy::Direction::{Answers, Requests};
use crate::support::flaky_proxy::{FlakyProxy, Plan};
use crate::support::real::{self, RealRegistry};
use crate::support::{Run, images};

const MIB: u64 = 1024 * 1024;

/// The layer: thirteen connections of five MiB where one at a time reads it, fewer that break where several do.
const SIZE: u64 = 64 * MIB;

/// What must hold.
#[derive(Debug)]
enum Holds {
    /// Connections broken at the source, at least.
    SourceBroken(usize),
    TargetBroken(usize),
    /// The source answered the image once, heads of answers and so much more at most: what was on its way when a
    /// connection broke, or when others began to help it.
    FetchedTwiceAtMost(u64),
}
use Holds::{FetchedTwiceAtMost, SourceBroken, TargetBroken};

macro_rules! rows {
    ($($name:ident ($patience:literal): [$($source:expr)?] / [$($target:expr)?] => [$($holds:expr),*];)*) => { $(
        #[tokio::test]
        async fn $name() {
            let source: Option<Plan> = None$(.or(Some($source)))?;
            let target: Option<Plan> = None$(.or(Some($target)))?;
            copy_through(source, target, $patience, &[$($holds),*]).await;
        }
    )* };
}

rows! {
    source_that_cuts_every_connection ("12s"):
        [Plan::every(Cut, Answers, 5 * MIB)] / []
        => [SourceBroken(5), FetchedTwiceAtMost(2 * MIB)];
    source_that_cuts_every_connection_somewhere_else ("12s"):
        [Plan::every(Cut, Answers, 2 * MIB).spread(20_261_124, 6 * MIB)] / []
        => [SourceBroken(5), FetchedTwiceAtMost(2 * MIB)];
    source_that_resets_every_connection ("12s"):
        // Each reset swallows what the kernel holds.
        [Plan::every(Reset, Answers, 5 * MIB)] / []
        => [SourceBroken(5), FetchedTwiceAtMost(6 * MIB)];
    source_that_stalls ("8s"):
        [Plan::every(Stall, Answers, 5 * MIB).times(3)] / []
        => [SourceBroken(3), FetchedTwiceAtMost(2 * MIB)];
    target_that_cuts_uploads ("20s"):
        [] / [Plan::every(Cut, Requests, 5 * MIB).times(3)]
        => [TargetBroken(3)];
    target_that_resets_uploads ("20s"):
        [] / [Plan::every(Reset, Requests, 5 * MIB).times(3)]
        => [TargetBroken(3)];
    target_that_stalls_in_an_upload ("12s"):
        [] / [Plan::every(Stall, Requests, 5 * MIB).times(1)]
        => [TargetBroken(1)];
    source_and_target_that_cut ("20s"):
        [Plan::every(Cut, Answers, 11 * MIB)] / [Plan::every(Cut, Requests, 7 * MIB).times(2)]
        => [SourceBroken(1), TargetBroken(2)];
}

async fn copy_through(before_source: Option<Plan>, before_target: Option<Plan>, patience: &str, holds: &[Holds]) {
    let image = images::big(usize::try_from(SIZE).unwrap(), 64);
    let (source, target) = (real::docker_registry(), real::docker_registry());
    real::push(&image, &source.name("library/app:1"), &[]);
    let before =
        |registry: &RealRegistry, plan: Option<Plan>| plan.map(|plan| FlakyProxy::before(registry.host(), plan));
    let (source_way, target_way) = (before(&source, before_source), before(&target, before_target));
    let name = |registry: &RealRegistry, way: &Option<FlakyProxy>, reference: &str| {
        way.as_ref().map_or_else(|| registry.name(reference), |way| way.name(reference))
    };
    let from = name(&source, &source_way, "library/app:1");
    let to = name(&target, &target_way, "mirror/app:1");
    let outcome = Run::copy(&from, &to).input("patience", patience).succeeds().await;

    assert_eq!(outcome.output("digest"), image.digest());
    assert_eq!(real::skopeo_raw(&target.name("mirror/app:1")), image.root().bytes);
    for blob in &image.blobs {
        let stored = std::fs::read(blob_file(&target, &blob.digest)).unwrap();
        assert_eq!(images::sha256(&stored), blob.digest);
    }
    let broken = |way: &Option<FlakyProxy>| way.as_ref().map_or(0, FlakyProxy::broken);
    for held in holds {
        let good = match held {
            SourceBroken(times) => broken(&source_way) >= *times,
            TargetBroken(times) => broken(&target_way) >= *times,
            FetchedTwiceAtMost(more) => {
                let heads_and_manifests = 64 * 1024;
                source_way.as_ref().is_some_and(|way| way.answered() <= SIZE + more + heads_and_manifests)
            }
        };
        let answered = source_way.as_ref().map(FlakyProxy::answered);
        let counts = format!("{} and {} broken, {answered:?} answered", broken(&source_way), broken(&target_way));
        assert!(good, "{held:?}: {counts}\n{outcome}\n{:#?}\n{:#?}", source.requests(), target.requests());
    }
}

/// Where docker-registry keeps a blob.
fn blob_file(registry: &RealRegistry, digest: &str) -> PathBuf {
    let hex = digest.trim_start_matches("sha256:");
    registry.storage().join("docker/registry/v2/blobs/sha256").join(&hex[..2]).join(hex).join("data")
}
