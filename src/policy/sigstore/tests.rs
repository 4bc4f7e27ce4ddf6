use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use crate::error::signature::Rejection;
use crate::oci::digest::Digest;
use crate::policy::{Evidence, Log, Matcher, Policy, SignedBy, Signer, Verified, judge};

/// What npm's registry has of `sigstore@2.0.0`: made by a workflow of GitHub, certified and logged by the public instance.
const NPM: &str = include_str!("../../../tests/it/fixtures/signatures/npm-sigstore-2.0.0.json");

/// What GitHub says of a release: certified by its own instance, which keeps no log.
const GITHUB: &str = include_str!("../../../tests/it/fixtures/signatures/github-release.json");

const WORKFLOW: &str = "https://github.com/sigstore/sigstore-js/.github/workflows/release.yml@refs/heads/main";
const ACTIONS: &str = "https://token.actions.githubusercontent.com";

fn policy(identity: &str, issuer: &str, predicate: &str) -> Policy {
    let signer =
        Signer::Identity { identity: Matcher::parse(identity).unwrap(), issuer: Matcher::parse(issuer).unwrap() };
    Policy { name: None, signer, log: Log::Require, root: None, predicate: Some(predicate.to_owned()) }
}

/// What a bundle's statement names.
fn subject(bundle: &str, number: usize) -> Digest {
    let bundle: Value = serde_json::from_str(bundle).unwrap();
    let payload = STANDARD.decode(bundle["dsseEnvelope"]["payload"].as_str().unwrap()).unwrap();
    let statement: Value = serde_json::from_slice(&payload).unwrap();
    let (algorithm, hex) = statement["subject"][number]["digest"].as_object().unwrap().iter().next().unwrap();
    format!("{algorithm}:{}", hex.as_str().unwrap()).parse().unwrap()
}

fn judged(policy: &Policy, bundle: &str, subject: &Digest) -> Result<Verified, Rejection> {
    judge(policy, &Evidence::Bundle(bundle.as_bytes()), std::slice::from_ref(subject)).map_err(|(_, why)| why)
}

#[test]
fn a_public_bundle_holds_against_the_root_that_is_built_in() {
    let slsa = "https://slsa.dev/provenance/v1";
    let named = subject(NPM, 0);
    let verified = judged(&policy(WORKFLOW, ACTIONS, slsa), NPM, &named).unwrap();
    let SignedBy::Identity(claim) = &verified.by else { panic!("{verified:?}") };
    assert_eq!((&*claim.identity, &*claim.issuer), (WORKFLOW, ACTIONS));
    assert_eq!(
        (verified.signed_at, verified.kind, verified.root),
        (Some(1_692_374_735), "attestation", Some(super::BUILT_IN_DATE))
    );
    for (policy, subject, reason) in [
        (policy("/.*\\/sigstore-js/", ACTIONS, slsa), &named, Rejection::OtherIdentity),
        (policy(WORKFLOW, "https://evil.example", slsa), &named, Rejection::OtherIssuer),
        (policy(WORKFLOW, ACTIONS, slsa), &Digest::of(b"x"), Rejection::OtherImage(named.to_string())),
        (
            Policy { predicate: None, ..policy(WORKFLOW, ACTIONS, slsa) },
            &named,
            Rejection::Attestation { predicate: slsa.to_owned(), wanted: None },
        ),
    ] {
        assert_eq!(judged(&policy, NPM, subject), Err(reason));
    }
}

#[test]
fn whatever_is_changed_of_a_public_bundle_it_holds_no_more() {
    let policy = policy(WORKFLOW, ACTIONS, "https://slsa.dev/provenance/v1");
    let named = subject(NPM, 0);
    let change = |pointer: &str, value: Value| {
        let mut bundle: Value = serde_json::from_str(NPM).unwrap();
        *bundle.pointer_mut(pointer).unwrap_or_else(|| panic!("{pointer}")) = value;
        judged(&policy, &bundle.to_string(), &named)
    };
    let entry = "/verificationMaterial/tlogEntries/0";
    for (pointer, value) in [
        (format!("{entry}/integratedTime"), "1692374736".into()),
        (format!("{entry}/logIndex"), "1".into()),
        (format!("{entry}/inclusionPromise/signedEntryTimestamp"), STANDARD.encode("x").into()),
        (format!("{entry}/canonicalizedBody"), STANDARD.encode("{}").into()),
        ("/verificationMaterial/tlogEntries".to_owned(), serde_json::json!([])),
        ("/dsseEnvelope/signatures/0/sig".to_owned(), STANDARD.encode("x").into()),
        ("/dsseEnvelope/payloadType".to_owned(), "text/plain".into()),
        ("/dsseEnvelope/signatures".to_owned(), serde_json::json!([])),
    ] {
        let judged = change(&pointer, value);
        assert!(judged.is_err(), "{pointer}: {judged:?}");
    }
}

#[test]
fn githubs_own_instance_is_known_and_no_log_is_asked_of_it() {
    let release = "https://in-toto.io/attestation/release/v0.2";
    let identity = "https://dotcom.releases.github.com";
    let named = subject(GITHUB, 1);
    let policy = policy(identity, "/.*/", release);
    // Chain and signed time hold; a release's certificate names no issuer, so there is none whom a policy could name.
    let reason = Rejection::Certificate("it names nobody for whom an issuer vouches".to_owned());
    assert_eq!(judged(&policy, GITHUB, &named), Err(reason));
    let mut changed: Value = serde_json::from_str(GITHUB).unwrap();
    changed["dsseEnvelope"]["signatures"][0]["sig"] = STANDARD.encode("x").into();
    let other = judged(&policy, &changed.to_string(), &named);
    assert!(matches!(other, Err(Rejection::NoTime(_))), "{other:?}");
}

#[test]
fn the_day_of_the_built_in_roots_is_that_of_the_release_that_is_pinned() {
    let lock = include_str!("../../../Cargo.lock");
    assert!(
        lock.contains("name = \"sigstore-trust-root\"\nversion = \"0.15.1\""),
        "another release: BUILT_IN_DATE is its day"
    );
    assert!(super::PUBLIC.is_some() && super::GITHUB.is_some());
}
