//! OpenShift for cluster administrators: `ImageDigestMirrorSet` and `ImageTagMirrorSet`.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::emit::files::EmittedFile;
use crate::emit::format::{Format, Run, file, header, quoted};

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
        Ok(vec![
            file(
                "openshift/idms.yaml",
                "yaml",
                set(&digest, &notes, "ImageDigestMirrorSet", "imageDigestMirrors", run, &sets),
            ),
            file("openshift/itms.yaml", "yaml", set(&tag, &notes, "ImageTagMirrorSet", "imageTagMirrors", run, &sets)),
        ])
    }
}

fn set(
    about: &[&str],
    notes: &[String],
    kind: &str,
    field: &str,
    run: &Run,
    sets: &BTreeMap<&str, Vec<&str>>,
) -> String {
    let mut text = header(about, notes);
    let name = quoted(&format!("mirror-{}", run.name));
    let _ = writeln!(
        text,
        "apiVersion: config.openshift.io/v1\nkind: {kind}\nmetadata:\n  name: {name}\nspec:\n  {field}:"
    );
    for (source, mirrors) in sets {
        let _ = writeln!(text, "  - source: {}\n    mirrors:", quoted(source));
        for mirror in mirrors {
            let _ = writeln!(text, "    - {}", quoted(mirror));
        }
        text += "    mirrorSourcePolicy: AllowContactingSource\n";
    }
    text
}
