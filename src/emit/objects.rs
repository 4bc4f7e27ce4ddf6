//! Objects of Kubernetes and OpenShift, as far as formats need them.
//!
//! Owns the fields and their order; what comes from outside is quoted, because a tag may look like a number.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_saphyr::DoubleQuoted as Quoted;

#[derive(Serialize)]
pub struct Metadata<'a> {
    pub name: Quoted<&'a str>,
}

#[derive(Serialize)]
pub struct Name {
    pub name: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Secret {
    pub api_version: &'static str,
    pub kind: &'static str,
    pub metadata: Name,
    pub r#type: &'static str,
    pub string_data: BTreeMap<&'static str, Quoted<String>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ServiceAccount {
    pub api_version: &'static str,
    pub kind: &'static str,
    pub metadata: Name,
    pub image_pull_secrets: [Name; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ImageStream<'a> {
    api_version: &'static str,
    kind: &'static str,
    metadata: Metadata<'a>,
    spec: StreamSpec,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct StreamSpec {
    lookup_policy: LookupPolicy,
    tags: Vec<StreamTag>,
}

#[derive(Serialize)]
struct LookupPolicy {
    local: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct StreamTag {
    name: Quoted<String>,
    from: From,
    import_policy: ImportPolicy,
    reference_policy: Typed,
}

#[derive(Serialize)]
struct From {
    kind: &'static str,
    name: Quoted<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ImportPolicy {
    import_mode: &'static str,
}

/// An object of one field, `type`.
#[derive(Serialize)]
struct Typed {
    r#type: &'static str,
}

impl<'a> ImageStream<'a> {
    pub fn new(name: &'a str, tags: Vec<StreamTag>) -> Self {
        Self {
            api_version: "image.openshift.io/v1",
            kind: "ImageStream",
            metadata: Metadata { name: Quoted(name) },
            spec: StreamSpec { lookup_policy: LookupPolicy { local: true }, tags },
        }
    }
}

impl StreamTag {
    /// `PreserveOriginal`, because the default imports one platform under another digest.
    pub fn new(name: String, image: String) -> Self {
        Self {
            name: Quoted(name),
            from: From { kind: "DockerImage", name: Quoted(image) },
            import_policy: ImportPolicy { import_mode: "PreserveOriginal" },
            reference_policy: Typed { r#type: "Local" },
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Deployment<'a> {
    api_version: &'static str,
    kind: &'static str,
    metadata: Metadata<'a>,
    spec: DeploymentSpec<'a>,
}

#[derive(Serialize)]
struct DeploymentSpec<'a> {
    replicas: u8,
    selector: Selector<'a>,
    template: Template<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Selector<'a> {
    match_labels: Labels<'a>,
}

#[derive(Serialize)]
struct Labels<'a> {
    app: Quoted<&'a str>,
}

#[derive(Serialize)]
struct Template<'a> {
    metadata: Labelled<'a>,
    spec: PodSpec<'a>,
}

#[derive(Serialize)]
struct Labelled<'a> {
    labels: Labels<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PodSpec<'a> {
    service_account_name: &'static str,
    containers: [Container<'a>; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Container<'a> {
    name: Quoted<&'a str>,
    image: Quoted<String>,
    security_context: SecurityContext,
}

/// What the restricted security context asks for.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SecurityContext {
    allow_privilege_escalation: bool,
    run_as_non_root: bool,
    capabilities: Capabilities,
    seccomp_profile: Typed,
}

#[derive(Serialize)]
struct Capabilities {
    drop: [&'static str; 1],
}

impl<'a> Deployment<'a> {
    /// One container of `image`.
    pub fn new(name: &'a str, image: String, account: &'static str) -> Self {
        let security_context = SecurityContext {
            allow_privilege_escalation: false,
            run_as_non_root: true,
            capabilities: Capabilities { drop: ["ALL"] },
            seccomp_profile: Typed { r#type: "RuntimeDefault" },
        };
        let containers = [Container { name: Quoted(name), image: Quoted(image), security_context }];
        Self {
            api_version: "apps/v1",
            kind: "Deployment",
            metadata: Metadata { name: Quoted(name) },
            spec: DeploymentSpec {
                replicas: 1,
                selector: Selector { match_labels: Labels { app: Quoted(name) } },
                template: Template {
                    metadata: Labelled { labels: Labels { app: Quoted(name) } },
                    spec: PodSpec { service_account_name: account, containers },
                },
            },
        }
    }
}
