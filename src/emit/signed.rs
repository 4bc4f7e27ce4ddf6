//! The policies that images were held against, for those who pull: the same signatures, checked under the mirror's name.
//!
//! Owns that a signature which names the original's repository is looked for at the mirror's. A repository of the target that has
//! images of two sources or of two policies is left out: it would be held against one of them. Never loosens a policy: what a
//! consumer cannot say is left out, with a note.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use serde_json::{Value, json};
use serde_saphyr::DoubleQuoted as Quoted;

use crate::emit::document::{file, header, yaml};
use crate::emit::files::EmittedFile;
use crate::emit::format::{Format, Run, Signed};
use crate::policy::{Log, Matcher, Policy, PublicKey, Signer};

/// How the images of a repository are signed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    /// Under cosign's tags.
    Tag,
    /// By bundles, which are referrers.
    Bundle,
    /// Some so, some so.
    Both,
    /// This run could not look.
    Unknown,
}

impl Form {
    fn of(all: &[&Signed]) -> Self {
        let any = |form| all.iter().any(|signed| signed.is_bundle == form);
        match (any(None), any(Some(false)), any(Some(true))) {
            // Of one image nothing is known: a policy for what the others have may refuse it.
            (true, ..) | (_, false, false) => Self::Unknown,
            (_, true, false) => Self::Tag,
            (_, false, true) => Self::Bundle,
            (_, true, true) => Self::Both,
        }
    }
}

/// By name: by what its images are checked, and how they are signed.
type Repositories<'a> = BTreeMap<&'a str, (&'a Signed, Form)>;

/// The signed repositories of a target; and what is left out.
fn repositories(run: &Run) -> Result<(Repositories<'_>, Vec<String>), String> {
    let mut found: BTreeMap<&str, Vec<&Signed>> = BTreeMap::new();
    for signed in &run.signed {
        found.entry(&signed.target).or_default().push(signed);
    }
    let mut notes = Vec::new();
    let mut clear = BTreeMap::new();
    for (target, all) in found {
        let first = all[0];
        if all.iter().all(|signed| signed.source == first.source && signed.policy == first.policy) {
            clear.insert(target, (first, Form::of(&all)));
        } else {
            notes.push(format!("{target} holds images of several sources or policies: it is left out here"));
        }
    }
    if clear.is_empty() && notes.is_empty() {
        return Err("no image was held against a policy; write one (`verify` of a list, or `verify-key`)".to_owned());
    }
    Ok((clear, notes))
}

/// Each reader looks for one form of signature: a guess would refuse what is signed.
const NOT_LOOKED_AT: &str = "how its images are signed could not be looked at in this run";

/// What a signer is to a reader of containers/image, which Podman and OpenShift have: keys, or an address.
enum Root {
    Keys(Vec<String>),
    Address { email: String, issuer: String, authorities: String },
}

/// The same, or why that reader cannot say it, or would refuse what is signed.
fn root(policy: &Policy, form: Form) -> Result<Root, String> {
    match form {
        Form::Tag => {}
        Form::Bundle => return Err("its images are signed by bundles, and bundles are not read there".to_owned()),
        Form::Both => return Err("some of its images are signed by bundles, and bundles are not read there".to_owned()),
        Form::Unknown => return Err(NOT_LOOKED_AT.to_owned()),
    }
    if policy.predicate.is_some() {
        return Err("it wants an attestation, and attestations are not read there".to_owned());
    }
    match &policy.signer {
        Signer::Keys(keys) => Ok(Root::Keys(keys.iter().map(PublicKey::to_pem).collect())),
        Signer::Identity { identity: Matcher::Exact(email), issuer: Matcher::Exact(issuer) }
            if email.contains('@') && !email.contains("://") =>
        {
            let authorities = policy.authorities().ok_or("the authorities of its root cannot be written")?;
            Ok(Root::Address { email: email.clone(), issuer: issuer.clone(), authorities })
        }
        Signer::Identity { .. } => {
            Err("it names an identity that is no address, and only addresses are known there".to_owned())
        }
    }
}

/// The key of the log, where it must be looked at.
fn log_key(policy: &Policy) -> Result<Option<String>, String> {
    match (policy.log, &policy.signer) {
        (Log::Ignore, Signer::Keys(_)) => Ok(None),
        _ => policy.log_key().map(Some).ok_or_else(|| "the key of its log cannot be written".to_owned()),
    }
}

fn base64(text: &str) -> String {
    STANDARD.encode(text)
}

pub(super) struct Podman;

impl Format for Podman {
    fn name(&self) -> &'static str {
        "podman-policy"
    }

    fn on_request(&self) -> bool {
        true
    }

    fn needs_signatures(&self) -> bool {
        true
    }

    fn files(&self, run: &Run) -> Result<Vec<EmittedFile>, String> {
        let (repositories, mut notes) = repositories(run)?;
        let (mut scopes, mut attachments) = (BTreeMap::new(), BTreeMap::new());
        for (target, (signed, form)) in repositories {
            match requirement(signed, form) {
                Ok(requirement) => {
                    scopes.insert(target, json!([requirement]));
                    attachments.insert(target, Attachments { use_sigstore_attachments: true });
                }
                Err(why) => notes.push(left_out(target, &signed.policy, &why)),
            }
        }
        if scopes.is_empty() {
            return Err(notes.join("; "));
        }
        let policy = json!({
            "default": [{ "type": "insecureAcceptAnything" }],
            "transports": { "docker": scopes, "docker-daemon": { "": [{ "type": "insecureAcceptAnything" }] } },
        });
        let policy = serde_json::to_string_pretty(&policy).map_err(|error| error.to_string())? + "\n";
        let text = header(
            &[
                "For Podman, Buildah, Skopeo and CRI-O: cp this file to /etc/containers/registries.d/, and policy.json, or what of",
                "it is not in yours yet, to /etc/containers/policy.json. What is pulled from these repositories must be signed as",
                "the original was; everything else is as before. Signatures under cosign's tags are read, bundles are not; of an",
                "image for several platforms the platform's own is wanted (cosign sign --recursive).",
            ],
            &notes,
        ) + &yaml(&RegistriesD { docker: attachments })?;
        let name = format!("podman/registries.d/{}.yaml", run.name);
        Ok(vec![file("podman/policy.json", "json", policy), file(name, "yaml", text)])
    }
}

fn left_out(target: &str, policy: &Policy, why: &str) -> String {
    format!("{target} is left out: the policy `{}` cannot be said here: {why}", policy.called())
}

/// What must hold of one repository. The signature names the original's, without a tag, as cosign writes it.
fn requirement(signed: &Signed, form: Form) -> Result<Value, String> {
    let mut requirement = json!({
        "type": "sigstoreSigned",
        "signedIdentity": { "type": "exactRepository", "dockerRepository": signed.source },
    });
    match root(&signed.policy, form)? {
        Root::Keys(keys) => match keys.as_slice() {
            [key] => requirement["keyData"] = json!(base64(key)),
            keys => requirement["keyDatas"] = json!(keys.iter().map(|key| base64(key)).collect::<Vec<_>>()),
        },
        Root::Address { email, issuer, authorities } => {
            requirement["fulcio"] =
                json!({ "caData": base64(&authorities), "oidcIssuer": issuer, "subjectEmail": email });
        }
    }
    if let Some(key) = log_key(&signed.policy)? {
        requirement["rekorPublicKeyData"] = json!(base64(&key));
    }
    Ok(requirement)
}

#[derive(Serialize)]
struct RegistriesD<'a> {
    docker: BTreeMap<&'a str, Attachments>,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Attachments {
    use_sigstore_attachments: bool,
}

pub(super) struct Openshift;

impl Format for Openshift {
    fn name(&self) -> &'static str {
        "openshift-policy"
    }

    fn on_request(&self) -> bool {
        true
    }

    fn needs_signatures(&self) -> bool {
        true
    }

    fn files(&self, run: &Run) -> Result<Vec<EmittedFile>, String> {
        let (repositories, mut notes) = repositories(run)?;
        let mut specs = Vec::new();
        for (target, (signed, form)) in repositories {
            match image_policy(target, signed, form) {
                Ok(spec) => specs.push(spec),
                Err(why) => notes.push(left_out(target, &signed.policy, &why)),
            }
        }
        if specs.is_empty() {
            return Err(notes.join("; "));
        }
        let about = "What is pulled from these repositories must be signed as the original was. Signatures under cosign's tags are read.";
        let documents = |kind: &'static str, how: &str| {
            let mut text = header(&[how, about], &notes);
            for (number, spec) in (1..).zip(&specs) {
                let metadata = Named { name: Quoted(format!("mirror-{}-{number}", run.name)) };
                let policy = Document { api_version: "config.openshift.io/v1", kind, metadata, spec };
                text = text + "---\n" + &yaml(&policy)?;
            }
            Ok::<_, String>(text)
        };
        let cluster = documents(
            "ClusterImagePolicy",
            "Needs cluster-admin, OpenShift 4.20 or later: oc apply -f cluster-image-policy.yaml.",
        )?;
        let project = documents("ImagePolicy", "For one project: oc apply -n PROJECT -f image-policy.yaml.")?;
        Ok(vec![
            file("openshift/cluster-image-policy.yaml", "yaml", cluster),
            file("openshift/image-policy.yaml", "yaml", project),
        ])
    }
}

fn image_policy(target: &str, signed: &Signed, form: Form) -> Result<Value, String> {
    let log = log_key(&signed.policy)?;
    let trust = match root(&signed.policy, form)? {
        Root::Keys(keys) => {
            let [key] = keys.as_slice() else { return Err("it has several keys, and one is known there".to_owned()) };
            let mut key = json!({ "keyData": base64(key) });
            if let Some(log) = log {
                key["rekorKeyData"] = json!(base64(&log));
            }
            json!({ "policyType": "PublicKey", "publicKey": key })
        }
        Root::Address { email, issuer, authorities } => json!({
            "policyType": "FulcioCAWithRekor",
            "fulcioCAWithRekor": {
                "fulcioCAData": base64(&authorities),
                "rekorKeyData": base64(&log.unwrap_or_default()),
                "fulcioSubject": { "oidcIssuer": issuer, "signedEmail": email },
            },
        }),
    };
    Ok(json!({
        "scopes": [target],
        "policy": {
            "rootOfTrust": trust,
            "signedIdentity": { "matchPolicy": "ExactRepository", "exactRepository": { "repository": signed.source } },
        },
    }))
}

pub(super) struct Kyverno;

impl Format for Kyverno {
    fn name(&self) -> &'static str {
        "kyverno-policy"
    }

    fn on_request(&self) -> bool {
        true
    }

    fn needs_signatures(&self) -> bool {
        true
    }

    fn files(&self, run: &Run) -> Result<Vec<EmittedFile>, String> {
        let (repositories, mut notes) = repositories(run)?;
        let mut rules = Vec::new();
        for (target, (signed, form)) in repositories {
            let kind = match kyverno_type(&signed.policy, form) {
                Ok(kind) => kind,
                Err(why) => {
                    notes.push(left_out(target, &signed.policy, why));
                    continue;
                }
            };
            rules.push(json!({
                "name": format!("signed-{}", rules.len() + 1),
                "match": { "any": [{ "resources": { "kinds": ["Pod"] } }] },
                "verifyImages": [{
                    "imageReferences": [format!("{target}:*"), format!("{target}@*")],
                    "failureAction": "Enforce",
                    "type": kind,
                    "attestors": [{ "count": 1, "entries": attestors(&signed.policy) }],
                }],
            }));
        }
        if rules.is_empty() {
            return Err(notes.join("; "));
        }
        let metadata = Named { name: Quoted(format!("mirror-{}-signed", run.name)) };
        let spec = json!({ "background": false, "webhookConfiguration": { "timeoutSeconds": 30 }, "rules": rules });
        let policy = Document { api_version: "kyverno.io/v1", kind: "ClusterPolicy", metadata, spec: &spec };
        let about = [
            "kubectl apply -f signed.yaml. Pods whose images come from these repositories must be signed as the originals were.",
            "A mutating policy that renames images to the mirror's runs before it.",
        ];
        Ok(vec![file("kyverno/signed.yaml", "yaml", header(&about, &notes) + &yaml(&policy)?)])
    }
}

/// What a rule calls the form of the signatures; or why there is no rule.
fn kyverno_type(policy: &Policy, form: Form) -> Result<&'static str, &'static str> {
    if policy.predicate.is_some() || policy.root.is_some() {
        return Err("it wants an attestation, or has a root of its own");
    }
    match form {
        Form::Tag => Ok("Cosign"),
        Form::Bundle => Ok("SigstoreBundle"),
        Form::Both => {
            Err("some of its images are signed under cosign's tags and some by bundles, and one form is known there")
        }
        Form::Unknown => Err(NOT_LOOKED_AT),
    }
}

fn attestors(policy: &Policy) -> Vec<Value> {
    let ignored = policy.log == Log::Ignore;
    match &policy.signer {
        Signer::Keys(keys) => keys
            .iter()
            .map(|key| {
                let mut key = json!({ "publicKeys": key.to_pem() });
                if ignored {
                    key["rekor"] = json!({ "ignoreTlog": true });
                }
                json!({ "keys": key })
            })
            .collect(),
        Signer::Identity { identity, issuer } => {
            let mut keyless = json!({ "rekor": { "url": "https://rekor.sigstore.dev", "ignoreTlog": ignored } });
            for (matcher, exact, regex) in [(identity, "subject", "subjectRegExp"), (issuer, "issuer", "issuerRegExp")]
            {
                match matcher {
                    Matcher::Exact(text) => keyless[exact] = json!(text),
                    Matcher::Regex(_, text) => keyless[regex] = json!(format!("^(?:{text})$")),
                }
            }
            vec![json!({ "keyless": keyless })]
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document<'a> {
    api_version: &'static str,
    kind: &'static str,
    metadata: Named,
    spec: &'a Value,
}

#[derive(Serialize)]
struct Named {
    name: Quoted<String>,
}
