//! Which tokens GitHub's registry takes, told by the letters that they begin with.
//!
//! Pure. Never quotes a token.

use crate::credentials::Credentials;
use crate::engine::job::Job;
use crate::error::{Error, Side};
use crate::github::server::Server;
use crate::oci::vendor::Vendor;

/// What a target is pushed with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PushToken {
    /// None.
    None,
    /// `ghs_`: the workflow's own token, or another GitHub App's, which nothing tells apart.
    App,
    /// `ghp_`: a classic personal token.
    Classic,
    /// Something else.
    Other,
}

impl PushToken {
    pub(super) fn of(text: Option<&str>) -> Self {
        match text {
            None => Self::None,
            Some(text) if text.starts_with("ghs_") => Self::App,
            Some(text) if text.starts_with("ghp_") => Self::Classic,
            Some(_) => Self::Other,
        }
    }
}

/// Refuses a push that GitHub's registry would refuse after everything was uploaded.
pub fn refuse_unusable_tokens(jobs: &[Job], credentials: &Credentials, server: &Server) -> Result<(), Error> {
    for target in jobs.iter().filter_map(|job| job.end(Side::Target)) {
        let registry = target.registry();
        if Vendor::of(registry) != Vendor::Github && server.registry() != Some(registry) {
            continue;
        }
        if let Some(login) = credentials.for_target(target)
            && let Some(credential) = login.credential()
            && credential.password.expose().starts_with("github_pat_")
        {
            return Err(Error::input(
                login.origin,
                format!(
                    "is a fine-grained token (`github_pat_`), and {registry} accepts only the workflow's GITHUB_TOKEN \
                     and classic tokens with `write:packages`; give one of those"
                ),
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::refuse_unusable_tokens;
    use crate::credentials::{Credentials, GithubLogin, Given};
    use crate::engine::behind::Tolerance;
    use crate::engine::job::Job;
    use crate::engine::options::{
        Attachments, Check, ForeignLayers, Mode, OnConflict, Operation, Options, Platforms, SourceTag, Statement,
        UnchangedDetail,
    };
    use crate::environment::Environment;
    use crate::error::{Error, Pin, WrittenIn};
    use crate::github::server::Server;
    use crate::oci::reference::ImageReference;
    use crate::secret::{Credential, Secret};

    fn job(target: &str) -> Job {
        Job {
            source: ImageReference::parse("alpine").unwrap(),
            shared_source: None,
            target: Some(ImageReference::parse(target).unwrap()),
            options: Arc::new(Options {
                operation: Operation::Copy(Mode::Write),
                platforms: Platforms::All,
                attachments: Attachments::All,
                foreign_layers: ForeignLayers::Skip,
                check: Check::Quick,
                unchanged: UnchangedDetail::Digest,
                on_conflict: OnConflict::Overwrite,
                conflict_in: WrittenIn::Input,
                expected_digest: None,
                pin: Pin::Input,
                source_tag: SourceTag::MayMove,
                requirement: None,
                statement: Statement::Unsaid,
                size_limit: None,
                tolerance: Tolerance::default(),
                patience: Duration::ZERO,
            }),
            same_repository_count: 1,
            notices: Vec::new(),
        }
    }

    fn login(token: &str) -> Given {
        let login =
            GithubLogin { host: Some("ghcr.io".to_owned()), username: "mona".to_owned(), token: Secret::new(token) };
        Given { github: Some(login), ..Given::default() }
    }

    #[test]
    fn a_fine_grained_token_is_refused_for_a_push_to_githubs_registry_only() {
        let credential = Credential { username: "me".to_owned(), password: Secret::new("github_pat_hunter2") };
        let target = || Given { target: Some(credential.clone()), ..Given::default() };
        let line = Given { registry_auth: Some(Secret::new("ghcr.io me github_pat_hunter2")), ..Given::default() };
        let elsewhere = &[("GITHUB_SERVER_URL", "https://git.example.com")][..];
        for (given, variables, reference, refused) in [
            (login("github_pat_hunter2"), &[][..], "ghcr.io/a/b", Some("github-token")),
            (login("ghs_hunter2"), &[], "ghcr.io/a/b", None),
            (login("github_pat_hunter2"), &[], "docker.io/a/b", None),
            (target(), &[], "ghcr.io/a/b", Some("target-password")),
            (target(), &[], "containers.git.example.com/a/b", None),
            (target(), elsewhere, "containers.git.example.com/a/b", Some("target-password")),
            (line, &[], "ghcr.io/a/b", Some("registry-auth")),
        ] {
            let credentials = Credentials::collect(given, &Environment::default()).unwrap();
            let server = Server::of(&Environment::from(variables));
            let problem = refuse_unusable_tokens(&[job(reference)], &credentials, &server).err();
            assert!(!problem.iter().any(|problem| problem.to_string().contains("hunter2")));
            let name = problem.map(|problem| match problem {
                Error::Input { name, .. } => name,
                other => panic!("{other}"),
            });
            assert_eq!(name.as_deref(), refused, "{reference}");
        }
    }
}
