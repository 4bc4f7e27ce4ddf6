//! OpenShift for users of one project, and Kubernetes: image streams, a pull secret, a service account, deployments.
//!
//! `PreserveOriginal`, because the default imports one platform under another digest. The mirrored digest, because a tag
//! moves.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::emit::files::EmittedFile;
use crate::emit::format::{Format, Image, Run, file, header, object_name, quoted};

pub(super) struct ImageStreams;

/// What the secret and the service account are called.
const SECRET: &str = "mirror-pull";

const ACCOUNT: &str = "mirror-puller";

impl Format for ImageStreams {
    fn name(&self) -> &'static str {
        "imagestream"
    }

    fn files(&self, run: &Run) -> Result<Vec<EmittedFile>, String> {
        let streams = streams(run);
        let stream_header = header(
            &[
                "No cluster rights needed: oc -n PROJECT apply -f imagestream.yaml. Then `NAME:TAG` in this project is the",
                "mirrored image, pulled through the cluster's own registry. Private images need pull-secret.sh first.",
            ],
            &[],
        );
        let objects: Vec<String> = streams.iter().map(|(name, images)| stream(name, images)).collect();
        let mut project = header(
            &[
                "Everything that a project user needs: oc -n PROJECT apply -f project.yaml, after USER and TOKEN below are",
                "filled in (never commit that file; pull-secret.sh does the same without a file). The deployments are",
                "examples: one image each, by digest, with what the restricted security context asks for.",
            ],
            &[],
        );
        project += &secret(run);
        project += "---\n";
        project += &account();
        for (name, images) in &streams {
            project += "---\n";
            project += &stream(name, images);
            if let Some(image) = images.first() {
                project += "---\n";
                project += &deployment(name, image);
            }
        }
        Ok(vec![
            file("openshift/imagestream.yaml", "yaml", stream_header + &objects.join("---\n")),
            file("openshift/pull-secret.sh", "sh", commands(run)),
            file("openshift/project.yaml", "yaml", project),
        ])
    }
}

/// The images by stream: one a target repository, named by its last component where that is enough.
fn streams(run: &Run) -> BTreeMap<String, Vec<&Image>> {
    let mut repositories: BTreeMap<String, Vec<&Image>> = BTreeMap::new();
    for image in &run.images {
        repositories.entry(image.target.name()).or_default().push(image);
    }
    let short =
        |images: &[&Image]| images.first().map_or_else(String::new, |image| object_name(image.target.base_name()));
    let mut uses: BTreeMap<String, usize> = BTreeMap::new();
    for images in repositories.values() {
        *uses.entry(short(images)).or_default() += 1;
    }
    let mut streams: BTreeMap<String, Vec<&Image>> = BTreeMap::new();
    for (repository, mut images) in repositories {
        images.dedup_by_key(|image| image.label());
        let mut name = short(&images);
        if uses.get(&name).is_some_and(|uses| *uses > 1) {
            // The end of the name tells more than its beginning, and both may be cut.
            let path: Vec<&str> = repository.split('/').rev().take(3).collect();
            name = object_name(&path.into_iter().rev().collect::<Vec<_>>().join("-"));
        }
        while streams.contains_key(&name) {
            name += "-x";
        }
        streams.insert(name, images);
    }
    streams
}

fn stream(name: &str, images: &[&Image]) -> String {
    let mut text = format!(
        "apiVersion: image.openshift.io/v1\nkind: ImageStream\nmetadata:\n  name: {}\nspec:\n  lookupPolicy:\n    local: true\n  \
         tags:\n",
        quoted(name)
    );
    for image in images {
        let _ = write!(
            text,
            "  - name: {}\n    from:\n      kind: DockerImage\n      name: {}\n    importPolicy:\n      importMode: \
             PreserveOriginal\n    referencePolicy:\n      type: Local\n",
            quoted(&image.label()),
            quoted(&image.target.with_digest(image.digest.clone()).to_string())
        );
    }
    text
}

fn secret(run: &Run) -> String {
    let auths: serde_json::Map<String, serde_json::Value> = run
        .targets()
        .into_iter()
        .map(|host| (host.to_owned(), serde_json::json!({ "username": "USER", "password": "TOKEN" })))
        .collect();
    format!(
        "apiVersion: v1\nkind: Secret\nmetadata:\n  name: {SECRET}\ntype: kubernetes.io/dockerconfigjson\nstringData:\n  \
         .dockerconfigjson: {}\n",
        quoted(&serde_json::json!({ "auths": auths }).to_string())
    )
}

fn account() -> String {
    format!("apiVersion: v1\nkind: ServiceAccount\nmetadata:\n  name: {ACCOUNT}\nimagePullSecrets:\n- name: {SECRET}\n")
}

fn deployment(name: &str, image: &Image) -> String {
    let (name, image) = (quoted(name), quoted(&image.target.with_digest(image.digest.clone()).to_string()));
    format!(
        "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: {name}\nspec:\n  replicas: 1\n  selector:\n    \
         matchLabels:\n      app: {name}\n  template:\n    metadata:\n      labels:\n        app: {name}\n    spec:\n      \
         serviceAccountName: {ACCOUNT}\n      containers:\n      - name: {name}\n        image: {image}\n        \
         securityContext:\n          allowPrivilegeEscalation: false\n          runAsNonRoot: true\n          \
         capabilities:\n            drop:\n            - ALL\n          seccompProfile:\n            type: \
         RuntimeDefault\n"
    )
}

/// What the user runs; the token is a variable, so that it is in no file and no history.
fn commands(run: &Run) -> String {
    let mut text = "#!/bin/sh\n".to_owned();
    text += &header(
        &[
            "USER=… TOKEN=… sh pull-secret.sh PROJECT: lets the project's default account pull from the mirror. For",
            "ghcr.io the token is a classic one with `read:packages`. Public packages need none of this.",
        ],
        &[],
    );
    text += "set -eu\nproject=${1:?name the project}\n: \"${USER:?the user name at the registry}\" \"${TOKEN:?the token}\"\n";
    for (number, host) in run.targets().into_iter().enumerate() {
        let name = if number == 0 { SECRET.to_owned() } else { format!("{SECRET}-{}", number + 1) };
        let _ = write!(
            text,
            "\noc -n \"$project\" create secret docker-registry {name} --docker-server={host} \\\n  \
             --docker-username=\"$USER\" --docker-password=\"$TOKEN\"\noc -n \"$project\" secrets link default {name} \
             --for=pull\n"
        );
    }
    text += "\n# On Kubernetes without OpenShift, instead of the last line:\n";
    let _ = writeln!(
        text,
        "# kubectl -n \"$project\" patch serviceaccount default -p '{{\"imagePullSecrets\":[{{\"name\":\"{SECRET}\"}}]}}'"
    );
    text
}
