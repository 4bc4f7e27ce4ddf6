//! Kyverno policies that rewrite exact image names at admission, on request: of the kind that every 1.x has, and of the
//! one that takes its place.
//!
//! Regular expressions are written without a backslash. `patchesJson6902` is substituted as raw text and parsed only then,
//! so that a backslash there is written once, in CEL twice, and in YAML's quotes twice again.

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
        Ok(vec![
            file("kyverno/policy.yaml", "yaml", cluster_policy(run)?),
            file("kyverno/mutating-policy.yaml", "yaml", mutating_policy(run)?),
        ])
    }
}

const ONE_OF_TWO: &str =
    "Names change visibly, so that imagePullSecrets for the mirror count. Apply this file or its neighbour, not both.";

fn cluster_policy(run: &Run) -> Result<String, String> {
    let mut expression = "{{element.image}}".to_owned();
    for image in &run.images {
        let inner = if expression.starts_with("{{") { format!("'{expression}'") } else { expression };
        expression = format!("regex_replace_all('{}', {inner}, '{}')", pattern(image), image.pinned());
    }
    let text = header(
        &[
            "kubectl apply -f policy.yaml, with any Kyverno 1.x. Newer ones call this kind deprecated, and have",
            "mutating-policy.yaml.",
            ONE_OF_TWO,
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
    Ok(text + &yaml(&policy)?)
}

fn mutating_policy(run: &Run) -> Result<String, String> {
    let text = header(
        &[
            "kubectl apply -f mutating-policy.yaml, with a Kyverno that has policies.kyverno.io/v1 (1.19 does).",
            ONE_OF_TWO,
        ],
        &[],
    );
    // A list, not an expression within the next: CEL bounds how deep those go.
    let images =
        run.images.iter().map(|image| format!("  {{'from': '{}', 'to': '{}'}}", pattern(image), image.pinned()));
    let images = format!("[\n{}\n]", images.collect::<Vec<_>>().join(",\n"));
    let first = "(variables.mirrored.filter(m, c.image.matches(m.from)).map(m, m.to) + [c.image])[0]";
    let list = |name: &str, of: &str| {
        format!("    {name}: {of}.map(c, Object.spec.{name}{{\n      name: c.name,\n      image: {first}\n    }})")
    };
    let containers = list("containers", "object.spec.containers");
    let init = list("initContainers", "object.spec.?initContainers.orValue([])");
    let policy = MutatingPolicy {
        api_version: "policies.kyverno.io/v1",
        kind: "MutatingPolicy",
        metadata: Named { name: Quoted(format!("mirror-{}", run.name)) },
        spec: MutatingSpec {
            // The pods alone: what makes them keeps the names that its author wrote.
            autogen: Autogen { pod_controllers: Controllers { controllers: [] } },
            match_constraints: Constraints {
                resource_rules: [ResourceRule {
                    api_groups: [Quoted("")],
                    api_versions: ["v1"],
                    operations: ["CREATE", "UPDATE"],
                    resources: ["pods"],
                }],
            },
            variables: [Variable { name: "mirrored", expression: LitString(images) }],
            mutations: [Mutation {
                patch_type: "ApplyConfiguration",
                apply_configuration: Expression {
                    expression: LitString(format!("Object{{\n  spec: Object.spec{{\n{containers},\n{init}\n  }}\n}}")),
                },
            }],
        },
    };
    Ok(text + &yaml(&policy)?)
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

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct MutatingPolicy {
    api_version: &'static str,
    kind: &'static str,
    metadata: Named,
    spec: MutatingSpec,
}

#[derive(Serialize)]
struct Named {
    name: Quoted<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct MutatingSpec {
    autogen: Autogen,
    match_constraints: Constraints,
    variables: [Variable; 1],
    mutations: [Mutation; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Autogen {
    pod_controllers: Controllers,
}

#[derive(Serialize)]
struct Controllers {
    controllers: [&'static str; 0],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Constraints {
    resource_rules: [ResourceRule; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ResourceRule {
    api_groups: [Quoted<&'static str>; 1],
    api_versions: [&'static str; 1],
    operations: [&'static str; 2],
    resources: [&'static str; 1],
}

#[derive(Serialize)]
struct Variable {
    name: &'static str,
    expression: LitString,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Mutation {
    patch_type: &'static str,
    apply_configuration: Expression,
}

#[derive(Serialize)]
struct Expression {
    expression: LitString,
}

/// A regular expression for every spelling of one image: by tag, by digest, by both.
fn pattern(image: &crate::emit::format::Image) -> String {
    let source = &image.source;
    let escaped = |text: &str| text.replace('.', "[.]").replace('+', "[+]");
    let name = if source.registry() == DOCKER_HUB {
        let repository = source.repository();
        let (library, rest) = match repository.strip_prefix("library/") {
            Some(rest) => ("(?:library/)?", rest),
            None => ("", repository),
        };
        format!("(?:(?:index[.])?docker[.]io/)?{library}{}", escaped(rest))
    } else {
        escaped(&source.name())
    };
    let suffix = match source.tag() {
        Some("latest") => format!("(?::latest)?(?:@{})?", image.digest),
        Some(tag) => {
            let tag = escaped(tag);
            format!("(?::{tag}|:{tag}@{digest}|@{digest})", digest = image.digest)
        }
        None => format!("@{}", image.digest),
    };
    format!("^{name}{suffix}$")
}
