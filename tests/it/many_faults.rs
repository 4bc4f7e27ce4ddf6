//! Many images over a bad network: one request in a hundred fails at both ends, and every image arrives.

use crate::support::images::{self, Image};
use crate::support::{Fault, Registry, Run, What};

/// What goes wrong, each kind as often as any other.
fn kinds() -> Vec<What> {
    vec![
        What::status(500),
        What::Status { status: 502, headers: vec![], body: "<html>Bad Gateway</html>".to_owned() },
        What::status(503).header("retry-after", "1"),
        What::error(429, "TOOMANYREQUESTS", "slow down"),
        What::status(429).header("retry-after", "0"),
        What::ResetRequestAfter(0),
        What::NoAnswer,
        What::CutBodyAfter(7),
    ]
}

/// One in a hundred, at times that no two kinds share.
fn worsen(registry: &Registry) {
    for (what, every) in kinds().into_iter().zip([761, 769, 773, 787, 797, 809, 811, 821]) {
        registry.fault(Fault::on("*", "", what).every(every));
    }
}

async fn all_arrive(count: u64) {
    let (source, target) = (Registry::start(), Registry::start());
    source.switch(|switches| switches.referrers = Some(10));
    let place = |number: u64| (format!("app{}", number % 20), format!("t{number}"));
    let images: Vec<Image> = (0..count).map(images::release).collect();
    let mut lines = Vec::new();
    for (number, image) in (0..).zip(&images) {
        let (name, tag) = place(number);
        source.seed(image, &format!("library/{name}:{tag}"));
        if number % 10 == 0 {
            source.seed(&images::referrer_of(image, "application/vnd.example.sbom"), &format!("library/{name}"));
        }
        lines.push(source.name(&format!("library/{name}:{tag}")));
    }
    worsen(&source);
    worsen(&target);
    let run = Run::new().input("target", &target.name("mirror/{name}")).input("patience", "20s");
    let outcome = run.input("images", &lines.join("\n")).run().await;
    for (number, image) in (0..).zip(&images) {
        let (name, tag) = place(number);
        let there = target.tag(&format!("mirror/{name}"), &tag);
        assert_eq!(there.as_deref(), Some(image.digest()), "{name}:{tag}\n{}{}", outcome.stdout, outcome.stderr);
    }
    assert_eq!(outcome.code, 0, "{}{}", outcome.stdout, outcome.stderr);
    target.everything_visible_is_whole().unwrap();
    let (requests, faults) = (source.requests() + target.requests(), source.fired() + target.fired());
    assert!(faults * 150 > requests, "{faults} faults in {requests} requests");
}

#[tokio::test]
async fn three_hundred_images_arrive_where_one_request_in_a_hundred_fails() {
    all_arrive(300).await;
}

#[tokio::test]
#[ignore = "takes a minute; `cargo test --locked --test it many_faults -- --ignored`"]
async fn two_thousand_images_arrive_where_one_request_in_a_hundred_fails() {
    all_arrive(2000).await;
}
