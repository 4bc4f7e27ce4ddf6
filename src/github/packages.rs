//! Versions of a package, deleted: GitHub's registry deletes no manifest itself.
//!
//! Owns which version is which manifest, and GitHub's reasons against deleting one in words. A version is deleted only where
//! GitHub names the same tags for it that are to go, or fewer: a tag that it knows of and the registry has not listed would go too.

use std::collections::{BTreeSet, HashMap};

use futures_util::future::{BoxFuture, FutureExt as _};

use crate::engine::prune::delete::{Removal, Remover};
use crate::engine::prune::graph::Doomed;
use crate::github::api::{Api, Lookup, Version};
use crate::github::server::{Owner, Server};
use crate::http::clients::Transport;
use crate::oci::digest::Digest;
use crate::oci::reference::Reference;
use crate::secret::Secret;
use crate::text::sanitise;

/// GitHub's API as far as it deletes.
pub struct Packages<'a> {
    api: Result<Api, String>,
    server: &'a Server,
    token: Option<&'a Secret>,
}

/// What of one package may be deleted.
pub struct Package<'a> {
    packages: &'a Packages<'a>,
    api: &'a Api,
    token: &'a Secret,
    kind: Owner,
    owner: String,
    name: String,
    versions: HashMap<Digest, u64>,
}

impl<'a> Packages<'a> {
    /// Contacts nothing.
    pub fn new(
        server: &'a Server,
        transport: &Transport,
        token: Option<&'a Secret>,
        patience: std::time::Duration,
    ) -> Self {
        let api = server.api().and_then(|base| Api::new(base, transport, patience));
        Self { api, server, token }
    }

    /// Looks for the versions that are the manifests of `doomed`; a sentence where they cannot be deleted.
    pub async fn open(&'a self, repository: &Reference, doomed: &Doomed) -> Result<Package<'a>, String> {
        let subject = repository.name();
        let api = self.api.as_ref().map_err(Clone::clone)?;
        let Some(token) = self.token else {
            return Err(format!("{subject}: versions are deleted by GitHub's API, which needs `github-token`"));
        };
        let Some((owner, name)) = repository.repository().split_once('/') else {
            return Err(format!("{subject} is no package's name"));
        };
        let kind = match api.owner(Some(token), owner).await {
            Lookup::Found(kind) => kind,
            Lookup::Absent => return Err(format!("GitHub knows no account `{owner}`")),
            Lookup::Refused(words) | Lookup::Failed(words) => return Err(words),
        };
        let found = match api.versions(token, kind, owner, name).await {
            Lookup::Found(found) => found,
            Lookup::Absent => {
                return Err(format!(
                    "GitHub shows no package {subject} to this token: its versions are listed for whoever has the role Admin on it"
                ));
            }
            Lookup::Refused(words) | Lookup::Failed(words) => return Err(format!("{subject}: {words}")),
        };
        let versions = matching(&found, doomed).map_err(|problem| format!("{subject}: {problem}"))?;
        Ok(Package { packages: self, api, token, kind, owner: owner.to_owned(), name: name.to_owned(), versions })
    }
}

/// The version of each manifest that goes.
fn matching(found: &[Version], doomed: &Doomed) -> Result<HashMap<Digest, u64>, String> {
    let mut versions = HashMap::new();
    for digest in &doomed.manifests {
        let all: Vec<&Version> = found.iter().filter(|version| version.name == digest.as_str()).collect();
        let [version] = all.as_slice() else {
            return Err(format!(
                "GitHub lists {} versions of it that are {digest}, and the registry has it: its list lags, run again later",
                all.len()
            ));
        };
        let going: BTreeSet<&str> = doomed.tags_of(digest).collect();
        if let Some(other) = version.tags.iter().find(|tag| !going.contains(tag.as_str())) {
            return Err(format!(
                "GitHub knows the tag `{}` of {digest}, which the registry has not listed with it: run again later",
                sanitise::one_line(other, 128)
            ));
        }
        versions.insert(digest.clone(), version.id);
    }
    Ok(versions)
}

impl Package<'_> {
    /// GitHub's words, and what they mean.
    fn advice(&self, words: &str) -> String {
        let settings = self.packages.server.package_settings(self.kind, &self.owner, &self.name);
        let lower = words.to_ascii_lowercase();
        if lower.contains("5000 downloads") || lower.contains("5,000 downloads") {
            return format!("{words}; only GitHub's support deletes it, so name its tag by `prune-keep`");
        }
        if lower.contains("last tagged version") || lower.contains("last version") {
            return format!("{words}; delete the package itself, if it is to go: {settings}");
        }
        format!(
            "{words}; deleting needs the role Admin on the package: {settings} → Manage Actions access, or a classic token with \
             `delete:packages`"
        )
    }
}

impl Remover for Package<'_> {
    fn remove<'a>(&'a self, digest: &'a Digest) -> BoxFuture<'a, Result<Removal, String>> {
        async move {
            let Some(version) = self.versions.get(digest) else {
                return Err(format!("no version of the package is {digest}"));
            };
            match self.api.delete_version(self.token, self.kind, &self.owner, &self.name, *version).await {
                Lookup::Found(()) => Ok(Removal::Done),
                // It was deleted already, for lists lag; or this token may not.
                Lookup::Absent => Ok(Removal::Unseen),
                Lookup::Refused(words) | Lookup::Failed(words) => Err(self.advice(&words)),
            }
        }
        .boxed()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::matching;
    use crate::engine::prune::graph::Doomed;
    use crate::github::api::Version;
    use crate::oci::digest::Digest;

    #[test]
    fn a_version_goes_only_with_the_tags_that_were_decided_on() {
        let (one, two) = (Digest::of(b"one"), Digest::of(b"two"));
        let version = |id, digest: &Digest, tags: &[&str]| Version {
            id,
            name: digest.to_string(),
            tags: tags.iter().map(|tag| (*tag).to_owned()).collect(),
        };
        let doomed = Doomed {
            tags: BTreeMap::from([("1.0".to_owned(), one.clone())]),
            manifests: vec![one.clone(), two.clone()],
            ..Doomed::default()
        };
        let found = [version(7, &two, &[]), version(8, &one, &["1.0"]), version(9, &Digest::of(b"other"), &["2.0"])];
        let versions = matching(&found, &doomed).unwrap();
        assert_eq!((versions[&one], versions[&two], versions.len()), (8, 7, 2));
        for (found, problem) in [
            (vec![version(7, &two, &[])], "lists 0 versions"),
            (vec![version(7, &two, &[]), version(8, &one, &["1.0", "prod"])], "knows the tag `prod`"),
            (vec![version(7, &two, &["1.0"]), version(8, &one, &["1.0"])], "knows the tag `1.0`"),
            (vec![version(7, &two, &[]), version(8, &one, &[]), version(9, &one, &["x"])], "lists 2 versions"),
        ] {
            let found = matching(&found, &doomed).unwrap_err();
            assert!(found.contains(problem), "{found}");
        }
    }
}
