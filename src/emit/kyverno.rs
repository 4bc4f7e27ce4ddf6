//! A Kyverno policy that rewrites exact image names at admission, on request.

use std::fmt::Write as _;

use crate::emit::files::EmittedFile;
use crate::emit::format::{Format, Run, file, header, quoted};
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
        let image = quoted(&format!("{{{{ {expression} }}}}"));
        let mut text = header(
            &[
                "kubectl apply -f policy.yaml, with Kyverno 1.x. Names change visibly, so that imagePullSecrets for the",
                "mirror count. Not executed by this project's tests; only its form is checked.",
            ],
            &[],
        );
        let name = quoted(&format!("mirror-{}", run.name));
        let _ = write!(
            text,
            "apiVersion: kyverno.io/v1\nkind: ClusterPolicy\nmetadata:\n  name: {name}\n  annotations:\n    \
             pod-policies.kyverno.io/autogen-controllers: none\nspec:\n  background: false\n  rules:\n"
        );
        for (rule, list) in [("containers", "containers"), ("initcontainers", "initContainers")] {
            let _ = write!(
                text,
                "  - name: {rule}\n    match:\n      any:\n      - resources:\n          kinds:\n          - Pod\n    \
                 preconditions:\n      all:\n      - key: \"{{{{ request.object.spec.{list}[] || `[]` | length(@) \
                 }}}}\"\n        operator: GreaterThanOrEquals\n        value: 1\n    mutate:\n      foreach:\n      - \
                 list: request.object.spec.{list}\n        patchesJson6902: |-\n          - op: replace\n            \
                 path: /spec/{list}/{{{{elementIndex}}}}/image\n            value: {image}\n"
            );
        }
        Ok(vec![file("kyverno/policy.yaml", "yaml", text)])
    }
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
