//! The plan: what goes where.
//!
//! Owns the step from inputs to jobs. Pure: a plan that can be made contacts nothing, and a plan that cannot be made
//! is bad input.

use crate::digest::Digest;
use crate::error::Error;
use crate::inputs::{Command, Environment, Inputs, OnConflict, Platforms};
use crate::reference::ImageReference;
use crate::template;

/// One image to work on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Job {
    /// Where the image is read from.
    pub source: ImageReference,
    /// Where it goes; nothing for `inspect`.
    pub target: Option<ImageReference>,
    /// Which platforms are wanted.
    pub platforms: Platforms,
    /// What the source must resolve to.
    pub expected_digest: Option<Digest>,
    /// What to do when the target tag exists with another digest.
    pub on_conflict: OnConflict,
    /// What the user should know about this image, a sentence each.
    pub notices: Vec<String>,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The images, in order.
    pub jobs: Vec<Job>,
}

impl Plan {
    /// Works out the target and refuses what cannot end well.
    pub fn new(inputs: &Inputs, environment: &Environment) -> Result<Self, Error> {
        let mut notices = Vec::new();
        let mut target = None;
        if let Some(text) = &inputs.target {
            let (expanded, lowered) = template::target(text, &inputs.source, environment.get("GITHUB_REPOSITORY"))
                .map_err(|problem| Error::input("target", problem))?;
            // Access writes nothing to the target, and without a source the target stands for it.
            if inputs.command != Command::Access {
                refuse_same(&inputs.source, &expanded)?;
                if let Some(reference) = expanded.registry() {
                    inputs.credentials.check_target(reference)?;
                }
            }
            notices.extend(lowered);
            target = Some(expanded);
        }
        notices.extend(helper_notices(inputs, target.as_ref()));
        let job = Job {
            source: inputs.source.clone(),
            target,
            platforms: inputs.platforms.clone(),
            expected_digest: inputs.expected_digest.clone(),
            on_conflict: inputs.on_conflict,
            notices,
        };
        Ok(Self { jobs: vec![job] })
    }
}

/// A source with a digest may well be its own repository's target: that is how a tag is moved back.
fn refuse_same(source: &ImageReference, target: &ImageReference) -> Result<(), Error> {
    if source == target {
        return Err(Error::input("target", format!("`{target}` is the source itself; name another place")));
    }
    Ok(())
}

fn helper_notices(inputs: &Inputs, target: Option<&ImageReference>) -> Vec<String> {
    let mut notices = Vec::new();
    if let Some(source) = inputs.source.registry()
        && inputs.credentials.for_source(source).is_none()
    {
        notices.extend(inputs.credentials.helper_notice(source));
    }
    if let Some(target) = target.and_then(ImageReference::registry)
        && inputs.credentials.for_target(target).is_none()
    {
        notices.extend(inputs.credentials.helper_notice(target));
    }
    notices.dedup();
    notices
}

#[cfg(test)]
mod tests {
    use super::Plan;
    use crate::error::Error;
    use crate::inputs::{Environment, Invocation, read};

    fn plan(arguments: &[&str], variables: &[(&str, &str)]) -> Result<Plan, Error> {
        let environment = Environment::from(variables);
        match read(arguments.iter().map(ToString::to_string).collect(), &environment)? {
            Invocation::Run(inputs) => Plan::new(&inputs, &environment),
            Invocation::Print(text) => panic!("{text}"),
        }
    }

    #[test]
    fn the_default_target_is_below_the_repository() {
        let made = plan(&["copy", "alpine:3.20"], &[("GITHUB_REPOSITORY", "Acme/Mirror")]).unwrap();
        let target = made.jobs[0].target.as_ref().map(ToString::to_string);
        assert_eq!(target.as_deref(), Some("ghcr.io/acme/mirror/docker.io/library/alpine:3.20"));
        assert!(made.jobs[0].notices.is_empty());
        assert_eq!(plan(&["inspect", "alpine"], &[]).unwrap().jobs[0].target, None);
    }

    #[test]
    fn a_lowered_target_is_noticed() {
        let made = plan(&["copy", "alpine", "ghcr.io/ACME/x"], &[]).unwrap();
        assert!(made.jobs[0].notices[0].contains("lower case"), "{:?}", made.jobs[0].notices);
    }

    #[test]
    fn a_plan_that_cannot_end_well_is_bad_input() {
        for (arguments, variables, sentence) in [
            (&["copy", "alpine"][..], &[][..], "input `target`: `{owner}` is taken from GITHUB_REPOSITORY"),
            (&["copy", "alpine", "index.docker.io/library/alpine"], &[], "is the source itself"),
            (&["copy", "oci:a:1", "oci:a"], &[], "is the source itself"),
            (&["copy", "oci:a:1"], &[("GITHUB_REPOSITORY", "a/b")], "input `target`: `{registry}` has no value"),
            (
                &["copy", "alpine", "ghcr.io/a/b"],
                &[("INPUT_GITHUB-TOKEN", "github_pat_x")],
                "input `github-token`: is a fine-grained",
            ),
        ] {
            let problem = plan(arguments, variables).expect_err(sentence);
            assert!(problem.is_input() && problem.to_string().contains(sentence), "{arguments:?}: {problem}");
        }
    }
}
