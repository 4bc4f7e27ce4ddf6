//! OpenShift for cluster administrators: `ImageDigestMirrorSet` and `ImageTagMirrorSet`.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_saphyr::DoubleQuoted as Quoted;

use crate::emit::document::{file, header, yaml};
use crate::emit::files::EmittedFile;
use crate::emit::format::{Format, Run};
use crate::emit::objects::Metadata;

pub(super) struct MirrorSets;

impl Format for MirrorSets {
    fn name(&self) -> &'static str {
        "openshift"
    }

    fn files(&self, run: &Run) -> Result<Vec<EmittedFile>, String> {
        let (repositories, notes) = run.repositories();
        // All mirrors of one source in one list: the order across objects is unspecified.
        let mut sets: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for repository in &repositories {
            // The CRD's pattern knows names and IPv4 addresses.
            if repository.source.starts_with('[') || repository.target.starts_with('[') {
                return Err(format!("{} has an IPv6 address, which the API refuses", repository.source));
            }
            sets.entry(&repository.source).or_default().push(&repository.target);
        }
        if sets.is_empty() {
            return Err(notes.join("; "));
        }
        let auth =
            "A private mirror needs its credential in the cluster's global pull secret; project secrets do not count.";
        let digest = [
            "Needs cluster-admin, OpenShift 4.13 or later: oc apply -f idms.yaml. Pulls by digest come from the mirror first.",
            "Creating it does not drain nodes; changing or deleting it drains and reboots them.",
            auth,
        ];
        let tag = [
            "Needs cluster-admin, OpenShift 4.13 or later: oc apply -f itms.yaml. Pulls by TAG come from the mirror first.",
            "WARNING: creating, changing and deleting it DRAINS AND REBOOTS NODES. Apply it only if tags must come from there.",
            auth,
        ];
        let name = format!("mirror-{}", run.name);
        let set = |about: &[&str], kind, field| {
            let set = MirrorSet {
                api_version: "config.openshift.io/v1",
                kind,
                metadata: Metadata { name: Quoted(&name) },
                spec: BTreeMap::from([(field, entries(&sets))]),
            };
            Ok::<_, String>(header(about, &notes) + &yaml(&set)?)
        };
        let digest = set(&digest, "ImageDigestMirrorSet", "imageDigestMirrors")?;
        let tag = set(&tag, "ImageTagMirrorSet", "imageTagMirrors")?;
        Ok(vec![file("openshift/idms.yaml", "yaml", digest), file("openshift/itms.yaml", "yaml", tag)])
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct MirrorSet<'a> {
    api_version: &'static str,
    kind: &'static str,
    metadata: Metadata<'a>,
    spec: BTreeMap<&'static str, Vec<Entry<'a>>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Entry<'a> {
    source: Quoted<&'a str>,
    mirrors: Vec<Quoted<&'a str>>,
    mirror_source_policy: &'static str,
}

fn entries<'a>(sets: &BTreeMap<&'a str, Vec<&'a str>>) -> Vec<Entry<'a>> {
    let entry = |(source, mirrors): (&&'a str, &Vec<&'a str>)| Entry {
        source: Quoted(*source),
        mirrors: mirrors.iter().map(|mirror| Quoted(*mirror)).collect(),
        mirror_source_policy: "AllowContactingSource",
    };
    sets.iter().map(entry).collect()
}
