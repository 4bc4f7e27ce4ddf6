//! OpenShift for users of one project, and Kubernetes: image streams, a pull secret, a service account, deployments.
//!
//! Everything by the mirrored digest, because a tag moves.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_saphyr::DoubleQuoted as Quoted;

use crate::emit::document::{file, header, yaml};
use crate::emit::files::EmittedFile;
use crate::emit::format::{Format, Image, Run, object_name};
use crate::emit::objects::{Deployment, ImageStream, Name, Secret, ServiceAccount, StreamTag};

pub(super) struct ImageStreams;

/// What the secret and the service account are called.
const SECRET: &str = "mirror-pull";

const ACCOUNT: &str = "mirror-puller";

impl Format for ImageStreams {
    fn name(&self) -> &'static str {
        "imagestream"
    }

    fn needs_source(&self) -> bool {
        false
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
        let objects =
            streams.iter().map(|(name, images)| yaml(&stream(name, images))).collect::<Result<Vec<_>, _>>()?;
        let project_header = header(
            &[
                "Everything that a project user needs: oc -n PROJECT apply -f project.yaml, after USER and TOKEN below are",
                "filled in (never commit that file; pull-secret.sh does the same without a file). As it is, it takes the",
                "place of a secret that works: for later runs apply imagestream.yaml alone. The deployments are examples:",
                "one image each, by digest, with what the restricted security context asks for.",
            ],
            &[],
        );
        let mut project = vec![yaml(&secret(run))?, yaml(&account())?];
        for ((name, images), stream) in streams.iter().zip(&objects) {
            project.push(stream.clone());
            if let Some(image) = images.first() {
                project.push(yaml(&Deployment::new(name, by_digest(image), ACCOUNT))?);
            }
        }
        Ok(vec![
            file("openshift/imagestream.yaml", "yaml", stream_header + &objects.join("---\n")),
            file("openshift/pull-secret.sh", "sh", commands(run)),
            file("openshift/project.yaml", "yaml", project_header + &project.join("---\n")),
        ])
    }
}

/// The images by stream: one a target repository, named by its last component where that is enough.
fn streams(run: &Run) -> BTreeMap<String, Vec<&Image>> {
    let mut repositories: BTreeMap<String, Vec<&Image>> = BTreeMap::new();
    for image in &run.published {
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

fn stream<'a>(name: &'a str, images: &[&Image]) -> ImageStream<'a> {
    ImageStream::new(name, images.iter().map(|image| StreamTag::new(image.label(), by_digest(image))).collect())
}

fn by_digest(image: &Image) -> String {
    image.target.with_digest(image.digest.clone()).to_string()
}

fn secret(run: &Run) -> Secret {
    let auths: serde_json::Map<String, serde_json::Value> = run
        .targets()
        .into_iter()
        .map(|host| (host.to_owned(), serde_json::json!({ "username": "USER", "password": "TOKEN" })))
        .collect();
    Secret {
        api_version: "v1",
        kind: "Secret",
        metadata: Name { name: SECRET },
        r#type: "kubernetes.io/dockerconfigjson",
        string_data: [(".dockerconfigjson", Quoted(serde_json::json!({ "auths": auths }).to_string()))].into(),
    }
}

fn account() -> ServiceAccount {
    ServiceAccount {
        api_version: "v1",
        kind: "ServiceAccount",
        metadata: Name { name: ACCOUNT },
        image_pull_secrets: [Name { name: SECRET }],
    }
}

/// What the user runs; the token is a variable, so that it is in no file and no history.
fn commands(run: &Run) -> String {
    let mut text = "#!/bin/sh\n".to_owned();
    text += &header(
        &[
            "REGISTRY_USER=… REGISTRY_TOKEN=… sh pull-secret.sh PROJECT: lets the project's default account pull from the",
            "mirror. For ghcr.io the token is a classic one with `read:packages`. Public packages need none of this.",
            "Run it again for a new token: the secret that is there is replaced.",
        ],
        &[],
    );
    text += "set -eu\nproject=${1:?name the project}\n";
    text += ": \"${REGISTRY_USER:?the user name at the registry}\" \"${REGISTRY_TOKEN:?the token}\"\n";
    for (number, host) in run.targets().into_iter().enumerate() {
        let name = if number == 0 { SECRET.to_owned() } else { format!("{SECRET}-{}", number + 1) };
        let _ = write!(
            text,
            "\noc -n \"$project\" create secret docker-registry {name} --docker-server={host} \\\n  \
             --docker-username=\"$REGISTRY_USER\" --docker-password=\"$REGISTRY_TOKEN\" \\\n  \
             --dry-run=client --output=yaml | oc -n \"$project\" apply -f -\n\
             oc -n \"$project\" secrets link default {name} --for=pull\n"
        );
    }
    text += "\n# On Kubernetes without OpenShift, instead of the last line:\n";
    let _ = writeln!(
        text,
        "# kubectl -n \"$project\" patch serviceaccount default -p '{{\"imagePullSecrets\":[{{\"name\":\"{SECRET}\"}}]}}'"
    );
    text
}
