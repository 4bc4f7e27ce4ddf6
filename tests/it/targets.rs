//! Where the form of mirror.yml sends an image: what is typed, and the name that is chosen for it.

use std::process::Command;

/// The step's output of `scripts/targets`.
fn targets(typed: &str, names: &str) -> String {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/targets");
    let output = Command::new("bash").arg(script).env("TARGET", typed).env("NAMES", names).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let said = String::from_utf8(output.stdout).unwrap();
    said.strip_prefix("targets=").and_then(|said| said.strip_suffix('\n')).expect("one output").to_owned()
}

#[test]
fn the_chosen_name_is_added_to_each_place_that_is_typed() {
    let below = "ghcr.io/{owner}/{repo}";
    for (typed, names, expected) in [
        ("", "as written", String::new()),
        ("", "name only", format!("{below}/{{name}}")),
        (" , ", "with registry", format!("{below}/{{registry}}/{{repository}}")),
        ("a.b/c", "as written", "a.b/c".to_owned()),
        ("a.b/c/", "with namespace", "a.b/c/{repository}".to_owned()),
        (
            &format!("{below}, a.b:5000/c，d.e/f"),
            "name only",
            format!("{below}/{{name}}, a.b:5000/c/{{name}}, d.e/f/{{name}}"),
        ),
        // What says itself what the image is called there.
        ("a.b/c:1, d.e/{name}, oci:out", "name only", "a.b/c:1, d.e/{name}, oci:out".to_owned()),
        // No other output, and no command.
        ("a.b/c\ntargets=x", "as written", "a.b/c, targets=x".to_owned()),
        ("$(touch x)`touch x`", "name only", "$(touch x)`touch x`/{name}".to_owned()),
    ] {
        assert_eq!(targets(typed, names), expected, "{typed:?}, {names}");
    }
}
