//! What cannot be mended is told in plain words. What can be is in the fault matrix.

use crate::support::images;
use crate::support::{Fault, Registry, Run, What};

#[tokio::test]
async fn an_absent_source_is_said_with_its_name() {
    let (source, target) = (Registry::start(), Registry::start());
    source.seed(&images::single(), "library/app:1");
    let name = source.name("library/app:2");
    let outcome = Run::copy(&name, &target.name("mirror/app:2")).fails_with(1).await;
    for word in ["source", &name, "404"] {
        assert!(outcome.says(word), "{word}\n{outcome}");
    }
    assert_eq!(target.writes(), 0);
}

#[tokio::test]
async fn a_refused_connection_is_said() {
    let target = Registry::start();
    let outcome = Run::copy("127.0.0.1:9/a:1", &target.name("a:1")).fails_with(1).await;
    assert!(outcome.says("127.0.0.1:9") && outcome.says("source"), "{outcome}");
}

/// The registry's words are shown, but the runner must see no command in them.
#[tokio::test]
async fn what_a_registry_says_never_becomes_a_command() {
    let words = "no\n::set-output name=a::b\r\n::add-mask::x\u{1b}[31m%0A::error::fake";
    let hostile = What::error(403, "DENIED", words);
    let (source, target) = (Registry::start(), Registry::start());
    source.seed(&images::single(), "library/app:1");
    source.fault(Fault::on("*", "/manifests/", hostile).always());
    let outcome = Run::copy(&source.name("library/app:1"), &target.name("mirror/app:1")).fails_with(1).await;
    for line in outcome.log.lines() {
        let line = line.trim_start();
        assert!(!line.starts_with("::set-output") && !line.starts_with("::add-mask::x"), "{line}");
        assert!(!line.starts_with("::error::fake") && !line.contains('\u{1b}'), "{line}");
    }
}
