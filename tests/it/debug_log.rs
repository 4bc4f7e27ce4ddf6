//! What `-v`, `RUST_LOG` or a runner's debug mode shows of each request: enough to help from outside.

use std::collections::BTreeSet;

use regex::Regex;

use crate::support::{Fault, Registry, Run, What, images};

#[tokio::test]
async fn each_request_says_its_status_attempt_connection_and_duration() {
    let (source, target) = (Registry::start(), Registry::start());
    source.seed(&images::many_layers(3), "library/app:1");
    source.fault(Fault::on("HEAD", "/manifests/1", What::status(500)).times(1));
    let run = Run::copy(&source.name("library/app:1"), &target.name("mirror/app:1")).env("RUNNER_DEBUG", "1");
    let outcome = run.succeeds().await;
    let line = Regex::new(
        r"(?m)^::debug::(HEAD|GET|POST|PATCH|PUT) http://([0-9.:]+)/v2/\S+?( \(attempt (\d+)\))?: (\d{3})[^\n]*, connection (\d+) \(\d+ ms\)$",
    )
    .unwrap();
    let lines: Vec<_> = line.captures_iter(&outcome.log).collect();
    let asked = [&source, &target].map(|registry| registry.log().len()).iter().sum::<usize>();
    assert_eq!(lines.len(), asked, "{outcome}");
    let again: Vec<_> = lines.iter().filter_map(|line| Some((line.get(4)?.as_str(), &line[1], &line[5]))).collect();
    assert_eq!(again, [("2", "HEAD", "200")], "{outcome}");
    let connections: BTreeSet<_> =
        lines.iter().map(|line| (&line[2], &line[6])).map(|(a, b)| (a.to_owned(), b.to_owned())).collect();
    assert!(connections.len() < lines.len(), "some requests went over a connection that was there\n{outcome}");
}
