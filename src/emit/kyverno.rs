//! A Kyverno policy that rewrites exact image names at admission, on request.

use serde::Serialize;
use serde_saphyr::{DoubleQuoted as Quoted, LitString};

use crate::emit::document::{file, header, yaml};
use crate::emit::files::EmittedFile;
use crate::emit::format::{Format, Run};
use crate::oci::vendor::DOCKER_HUB;

pub(super) struct Policy;

impl Format for Policy {
    fn name(&self) -> &'static str {
        "kyverno"
    }

    fn on_request(&self) -> bool {
        true
    }

    fn files(&self, run: &Run) -> Result<Vec<EmittedFile>, String> {
        let mut expression = "{{element.image}}".to_owned();
        for image in &run.images {
            let pattern = pattern(image);
            let inner = if expression.starts_with("{{") { format!("'{expression}'") } else { expression };
            expression = format!("regex_replace_all('{pattern}', {inner}, '{}')", image.pinned());
        }
        let text = header(
            &[
                "kubectl apply -f policy.yaml, with Kyverno 1.x. Names change visibly, so that imagePullSecrets for the",
                "mirror count. Not executed by this project's tests; only its form is checked.",
            ],
            &[],
        );
        let image = format!("{{{{ {expression} }}}}");
        let rules = [("containers", "containers"), ("initcontainers", "initContainers")];
        let policy = ClusterPolicy {
            api_version: "kyverno.io/v1",
            kind: "ClusterPolicy",
            metadata: Annotated {
                name: Quoted(format!("mirror-{}", run.name)),
                annotations: Annotations { autogen_controllers: "none" },
            },
            spec: Spec {
                background: false,
                rules: rules.map(|(name, list)| rule(name, list, &image)).into_iter().collect::<Result<_, _>>()?,
            },
        };
        Ok(vec![file("kyverno/policy.yaml", "yaml", text + &yaml(&policy)?)])
    }
}

fn rule(name: &'static str, list: &str, image: &str) -> Result<Rule, String> {
    let key = format!("{{{{ request.object.spec.{list}[] || `[]` | length(@) }}}}");
    let at = format!("/spec/{list}/{{{{elementIndex}}}}/image");
    let patch = yaml(&[Patch { op: "replace", path: at, value: Quoted(image) }])?;
    Ok(Rule {
        name,
        r#match: Match { any: [Resources { resources: Kinds { kinds: ["Pod"] } }] },
        preconditions: Preconditions {
            all: [Condition { key: Quoted(key), operator: "GreaterThanOrEquals", value: 1 }],
        },
        mutate: Mutate {
            foreach: [Foreach {
                list: format!("request.object.spec.{list}"),
                patches_json6902: LitString(patch.trim_end().to_owned()),
            }],
        },
    })
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ClusterPolicy {
    api_version: &'static str,
    kind: &'static str,
    metadata: Annotated,
    spec: Spec,
}

#[derive(Serialize)]
struct Annotated {
    name: Quoted<String>,
    annotations: Annotations,
}

#[derive(Serialize)]
struct Annotations {
    #[serde(rename = "pod-policies.kyverno.io/autogen-controllers")]
    autogen_controllers: &'static str,
}

#[derive(Serialize)]
struct Spec {
    background: bool,
    rules: Vec<Rule>,
}

#[derive(Serialize)]
struct Rule {
    name: &'static str,
    r#match: Match,
    preconditions: Preconditions,
    mutate: Mutate,
}

#[derive(Serialize)]
struct Match {
    any: [Resources; 1],
}

#[derive(Serialize)]
struct Resources {
    resources: Kinds,
}

#[derive(Serialize)]
struct Kinds {
    kinds: [&'static str; 1],
}

#[derive(Serialize)]
struct Preconditions {
    all: [Condition; 1],
}

#[derive(Serialize)]
struct Condition {
    key: Quoted<String>,
    operator: &'static str,
    value: u8,
}

#[derive(Serialize)]
struct Mutate {
    foreach: [Foreach; 1],
}

#[derive(Serialize)]
struct Foreach {
    list: String,
    /// YAML within YAML.
    #[serde(rename = "patchesJson6902")]
    patches_json6902: LitString,
}

#[derive(Serialize)]
struct Patch<'a> {
    op: &'static str,
    path: String,
    value: Quoted<&'a str>,
}

/// A regular expression for every spelling of one image.
fn pattern(image: &crate::emit::format::Image) -> String {
    let source = &image.source;
    // Inside the expression's string a backslash is written twice.
    let escaped = |text: &str| text.replace('.', "\\\\.").replace('+', "\\\\+");
    let name = if source.registry() == DOCKER_HUB {
        let repository = source.repository();
        let (library, rest) = match repository.strip_prefix("library/") {
            Some(rest) => ("(?:library/)?", rest),
            None => ("", repository),
        };
        format!("(?:(?:index\\\\.)?docker\\\\.io/)?{library}{}", escaped(rest))
    } else {
        escaped(&source.name())
    };
    let suffix = match source.tag() {
        Some("latest") => format!("(?::latest)?(?:@{})?", image.digest),
        Some(tag) => format!(":{}(?:@{})?", escaped(tag), image.digest),
        None => format!("@{}", image.digest),
    };
    format!("^{name}{suffix}$")
}
