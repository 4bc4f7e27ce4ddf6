//! containerd and Docker's containerd store: `hosts.toml`, on request.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::emit::document::{file, header, toml};
use crate::emit::files::EmittedFile;
use crate::emit::format::{Format, Run};
use crate::oci::vendor::{DOCKER_HUB_SERVER, Vendor};

pub(super) struct HostsToml;

impl Format for HostsToml {
    fn name(&self) -> &'static str {
        "containerd"
    }

    fn on_request(&self) -> bool {
        true
    }

    fn files(&self, run: &Run) -> Result<Vec<EmittedFile>, String> {
        let bases = run.bases()?;
        let mut files = Vec::new();
        for (registry, base) in &bases {
            let (host, path) = base.split_once('/').unwrap_or((base, ""));
            let is_hub = Vendor::of(registry) == Vendor::DockerHub;
            let server = if is_hub { DOCKER_HUB_SERVER } else { registry };
            let mirror = format!("{}/v2/{path}", run.url(host));
            let mirror = mirror.trim_end_matches('/');
            let is_github = Vendor::of(host) == Vendor::Github;
            let mut about = vec![
                "Copy to /etc/containerd/certs.d/ (Docker with the containerd store: /etc/docker/certs.d/). Tags are",
                "resolved by the registry itself, content comes from the mirror; add \"resolve\" to change that.",
                "WARNING: containerd asks a path mirror for a token with the wrong scope (containerd/containerd#9648).",
            ];
            about.extend(if is_github {
                [
                    "A registry that is strict about that, ghcr.io among them, is passed over silently, unless the header",
                    "below avoids the token. It is for public packages of ghcr.io only, and was tried against a double.",
                ]
                .as_slice()
            } else {
                &["A registry that is strict about that is passed over silently."]
            });
            let text = header(&about, &[]);
            let hosts = Hosts {
                server: run.url(server),
                host: BTreeMap::from([(
                    mirror,
                    Host {
                        capabilities: ["pull"],
                        override_path: true,
                        header: is_github.then(|| BTreeMap::from([("Authorization", "Bearer QQ==")])),
                    },
                )]),
            };
            // containerd's own form of a directory for a host with a port.
            let directory = registry.replacen(':', "_", 1) + if registry.contains(':') { "_" } else { "" };
            files.push(file(format!("containerd/certs.d/{directory}/hosts.toml"), "toml", text + &toml(&hosts)?));
        }
        Ok(files)
    }
}

#[derive(Serialize)]
struct Hosts<'a> {
    server: String,
    host: BTreeMap<&'a str, Host>,
}

#[derive(Serialize)]
struct Host {
    capabilities: [&'static str; 1],
    override_path: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    header: Option<BTreeMap<&'static str, &'static str>>,
}
