//! Where the images of a run went, said once where they all went by the same rule.

use std::collections::BTreeMap;

use crate::engine::outcome::ImageOutcome;
use crate::report::Report;

/// The rule by which most targets are made of their sources: `ghcr.io/acme/mirror/{registry}/{repository}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Destination(pub String);

impl Destination {
    /// The rule of a run; none where no two targets have one in common.
    pub fn of(report: &Report) -> Option<Self> {
        let mut rules: BTreeMap<(std::cmp::Reverse<usize>, String), usize> = BTreeMap::new();
        for image in &report.images {
            for (rank, rule) in rules_of(image).into_iter().enumerate() {
                *rules.entry((std::cmp::Reverse(rank), rule)).or_default() += 1;
            }
        }
        // Of rules that say as many targets, the one with the most placeholders: it comes last.
        let ((_, rule), images) = rules.into_iter().max_by_key(|(_, images)| *images)?;
        (images > 1).then_some(Self(rule))
    }

    /// Whether it says this image's target.
    pub fn says(&self, image: &ImageOutcome) -> bool {
        rules_of(image).contains(&self.0)
    }
}

/// The rules that make this target of its source, the one with the most placeholders first.
fn rules_of(image: &ImageOutcome) -> Vec<String> {
    let source = image.source.registry();
    let target = image.target.as_ref().and_then(|target| target.registry());
    let Some((source, target)) = source.zip(target) else { return Vec::new() };
    if source.tag() != target.tag() {
        return Vec::new();
    }
    let name = target.name();
    let forms = [
        (format!("/{}/{}", source.registry(), source.repository()), "/{registry}/{repository}"),
        (format!("/{}", source.repository()), "/{repository}"),
        (format!("/{}", source.base_name()), "/{name}"),
    ];
    let rule =
        |(end, placeholders): &(String, &str)| Some(format!("{}{placeholders}", name.strip_suffix(end.as_str())?));
    forms.iter().filter_map(rule).collect()
}

#[cfg(test)]
mod tests {
    use super::Destination;
    use crate::engine::outcome::ImageOutcome;
    use crate::report::json::tests::{named, report};

    #[test]
    fn the_rule_of_most_targets_is_said_and_those_that_differ_are_known() {
        let image = |source: &str, target: &str| ImageOutcome::new(named(source), Some(named(target)));
        let images = vec![
            image("quay.io/team/app:1", "ghcr.io/acme/m/quay.io/team/app:1"),
            image("docker.io/library/alpine:3", "ghcr.io/acme/m/docker.io/library/alpine:3"),
            image("docker.io/library/alpine:3", "ghcr.io/acme/m/docker.io/library/alpine:4"),
            image("docker.io/library/debian:3", "oci:here:3"),
        ];
        let rule = Destination::of(&report(images.clone())).unwrap();
        assert_eq!(rule.0, "ghcr.io/acme/m/{registry}/{repository}");
        assert_eq!(images.iter().map(|image| rule.says(image)).collect::<Vec<_>>(), [true, true, false, false]);
        assert_eq!(Destination::of(&report(images[..1].to_vec())), None);
        let flat = vec![image("quay.io/a/x:1", "r.example/m/x:1"), image("quay.io/b/y:1", "r.example/m/y:1")];
        assert_eq!(Destination::of(&report(flat)).unwrap().0, "r.example/m/{name}");
    }
}
