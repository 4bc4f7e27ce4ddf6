//! What is worth saying about a package before anything is sent to it.
//!
//! Owns those sentences. Pure. Never says that there is no package: GitHub answers for "none" and for "not for you" alike.

use crate::error::Side;
use crate::error::reader::Reader;
use crate::github::api::{Lookup, Package};
use crate::github::assess::{PackageContext, Wanted, link};
use crate::github::findings::Status;
use crate::github::token::PushToken;

/// What is worth saying about a package before anything is sent, a sentence each.
pub(super) fn before_push(
    place: &PackageContext<'_>,
    wanted: &Wanted<'_>,
    seen: Option<&Lookup<Package>>,
    token: PushToken,
    workflow: Option<&str>,
) -> Vec<String> {
    let mut sentences = Vec::new();
    let subject = place.subject;
    if token == PushToken::None {
        let registry = place.server.registry().unwrap_or_default();
        let how = match place.reader {
            Reader::Action | Reader::Button(_) => place.reader.give_token("write"),
            reader => reader.log_in(Side::Target, registry),
        };
        sentences.push(format!("{subject}: no credential to push with; {how}"));
    }
    let workflow_owner = workflow.and_then(|workflow| workflow.split_once('/')).map(|(owner, _)| owner);
    if let (PushToken::App, Some(owner)) = (token, workflow_owner)
        && !owner.eq_ignore_ascii_case(place.owner)
    {
        sentences.push(format!(
            "{subject} belongs to `{}` and this workflow to `{owner}`, whose GITHUB_TOKEN is for packages of `{owner}` \
             only; write the target below `{owner}`, or give `target-username` and `target-password` with a classic \
             token of somebody in `{}`",
            place.owner, place.owner
        ));
    }
    match seen {
        // 404 is "absent" and "not for you" alike, so no sentence says that there is none.
        Some(Lookup::Absent) if !place.there => match (token, workflow, wanted.repository) {
            (PushToken::App, Some(workflow), Some(repository)) if !workflow.eq_ignore_ascii_case(repository) => {
                sentences.push(format!(
                    "GitHub shows no package {subject}: if there is none yet, GITHUB_TOKEN links what it creates to \
                     `{workflow}`, not to `{repository}`; run the workflow in `{repository}`, or connect the package on \
                     {} afterwards",
                    place.settings()
                ));
            }
            (PushToken::Classic, ..) => {
                let first = if place.reader == Reader::Action {
                    "push it first with `github-token: ${{ github.token }}`, or "
                } else {
                    ""
                };
                sentences.push(format!(
                    "GitHub shows no package {subject}: if there is none yet, a personal token creates it linked to no \
                     repository; {first}connect it on {} afterwards",
                    place.settings()
                ));
            }
            _ => {}
        },
        Some(Lookup::Found(package)) => {
            for check in link(place, wanted.repository, package) {
                if check.status == Status::Manual {
                    sentences.push(format!("{subject}: {}: {}", check.sentence, place.settings()));
                }
            }
        }
        _ => {}
    }
    sentences
}
