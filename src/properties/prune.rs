//! Deleting what nobody wants never takes what somebody does.

use std::collections::{BTreeMap, BTreeSet};

use crate::engine::prune::graph::{Node, State};
use crate::oci::artifact::{after_digest, cosign_tags};
use crate::oci::digest::Digest;

/// A repository made of numbers: each manifest lists earlier ones, may be attached to one, and may have tags of its own and one
/// that is made of an earlier manifest's digest.
pub fn repository(numbers: &[u8]) -> (State, BTreeSet<String>) {
    let mut state = State::default();
    let mut digests: Vec<Digest> = Vec::new();
    let mut unwanted = BTreeSet::new();
    for (number, piece) in numbers.chunks_exact(6).enumerate() {
        let digest = Digest::of(&number.to_be_bytes());
        let earlier = |by: u8| (!digests.is_empty()).then(|| digests[usize::from(by) % digests.len()].clone());
        let mut node = Node::default();
        node.children.extend(earlier(piece[0]).filter(|_| piece[1] & 1 == 1));
        node.children.extend(earlier(piece[1]).filter(|_| piece[1] & 2 == 2));
        node.subject = earlier(piece[2]).filter(|_| piece[1] & 0b1100 == 0b0100);
        for tag in 0..piece[3] % 3 {
            let tag = format!("{number}.{tag}");
            if piece[3] & (0x20 << (tag.len() % 2)) == 0 {
                unwanted.insert(tag.clone());
            }
            state.tags.insert(tag, digest.clone());
        }
        if let Some(subject) = earlier(piece[4]).filter(|_| piece[5] & 1 == 1) {
            let made = std::iter::once(subject.fallback_tag()).chain(cosign_tags(&subject).map(|(tag, _)| tag));
            let made: Vec<String> = made.collect();
            state.tags.insert(made[usize::from(piece[5] >> 1) % made.len()].clone(), digest.clone());
        }
        // One that the registry does not have.
        if piece[5] < 250 {
            state.manifests.insert(digest.clone(), node);
        } else {
            state.tags.retain(|_, named| *named != digest);
        }
        digests.push(digest);
    }
    unwanted.retain(|tag| state.tags.contains_key(tag));
    (state, unwanted)
}

/// What `roots` reach, by the definition and step by step: children, subject, and what is attached in each of the three ways.
fn reach(state: &State, roots: impl Iterator<Item = Digest>) -> BTreeSet<Digest> {
    let mut all: BTreeSet<Digest> = roots.collect();
    loop {
        let mut more = all.clone();
        for (digest, node) in &state.manifests {
            if all.contains(digest) {
                more.extend(node.children.iter().chain(&node.subject).cloned());
            }
            if node.subject.as_ref().is_some_and(|subject| all.contains(subject)) {
                more.insert(digest.clone());
            }
        }
        for (tag, digest) in &state.tags {
            let is_made_of =
                |subject: &Digest| tag == &subject.fallback_tag() || cosign_tags(subject).any(|(made, _)| *tag == made);
            if after_digest(tag).is_some() && all.iter().any(is_made_of) {
                more.insert(digest.clone());
            }
        }
        if more == all {
            return all;
        }
        all = more;
    }
}

/// What a tag that stays reaches stays, a tag goes only if it is unwanted or made of what goes, a manifest goes only with all of
/// its tags, and after each step of the deletion every tag still has all that it had, or nothing at all.
pub fn kept(state: &State, unwanted: &BTreeSet<String>, kept: &BTreeSet<Digest>) {
    let doomed = state.doomed(unwanted, kept);
    let gone: BTreeSet<&Digest> = doomed.manifests.iter().collect();
    assert_eq!(gone.len(), doomed.manifests.len(), "each goes once");
    let tags: BTreeMap<&String, &Digest> = doomed.tags.iter().chain(&doomed.aliases).collect();
    let stays = |tag: &&String| !tags.contains_key(*tag);
    let roots = state.tags.iter().filter(|(tag, _)| stays(tag)).map(|(_, digest)| digest.clone());
    let reached = reach(state, roots.chain(kept.iter().cloned()));
    for digest in &doomed.manifests {
        assert!(!reached.contains(digest), "{digest} goes, and something that stays reaches it");
        assert!(state.manifests.contains_key(digest), "{digest} is not there");
    }
    let may_go = reach(state, unwanted.iter().filter_map(|tag| state.tags.get(tag).cloned()));
    for (tag, digest) in &tags {
        assert_eq!(state.tags.get(*tag), Some(*digest));
        let is_made = || {
            gone.iter()
                .any(|subject| **tag == subject.fallback_tag() || cosign_tags(subject).any(|(made, _)| made == **tag))
        };
        assert!(unwanted.contains(*tag) || is_made(), "{tag} goes, and nobody asked for that");
        assert_eq!(doomed.tags.contains_key(*tag), gone.contains(digest), "{tag}");
    }
    for digest in &gone {
        assert!(may_go.contains(*digest), "{digest} goes, and no unwanted tag reaches it");
        assert!(state.tags.iter().filter(|(_, named)| named == digest).all(|(tag, _)| tags.contains_key(tag)));
    }
    // An unwanted tag goes, alone or with its image.
    assert!(unwanted.iter().all(|tag| tags.contains_key(tag)));
    whole_at_each_step(state, &doomed.manifests);
}

fn whole_at_each_step(state: &State, order: &[Digest]) {
    let below = |digest: &Digest| {
        let mut below = BTreeSet::from([digest.clone()]);
        let mut next = vec![digest.clone()];
        while let Some(digest) = next.pop() {
            for child in state.manifests.get(&digest).into_iter().flat_map(|node| &node.children) {
                if below.insert(child.clone()) {
                    next.push(child.clone());
                }
            }
        }
        below
    };
    let place: BTreeMap<&Digest, usize> = order.iter().enumerate().map(|(place, digest)| (digest, place)).collect();
    for digest in state.tags.values() {
        let own = place.get(digest).copied().unwrap_or(usize::MAX);
        for part in below(digest) {
            assert!(place.get(&part).is_none_or(|place| *place >= own), "{part} goes before {digest}, which has a tag");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::{kept, repository};

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1_000))]
        #[test]
        fn what_a_tag_that_stays_reaches_stays(numbers in vec(any::<u8>(), 6..160), pinned in any::<u8>()) {
            let (state, unwanted) = repository(&numbers);
            let some = state.manifests.keys().nth(usize::from(pinned)).cloned();
            kept(&state, &unwanted, &some.into_iter().collect());
        }
    }

    #[test]
    fn the_cases_are_not_idle() {
        let (mut deleted, mut alone, mut attachments, mut spared) = (0, 0, 0, 0);
        for seed in 0..1_000_u64 {
            let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
            let numbers = std::iter::repeat_with(|| {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                state.to_be_bytes()[3]
            });
            let (repository, unwanted) = repository(&numbers.take(90).collect::<Vec<u8>>());
            let doomed = repository.doomed(&unwanted, &BTreeSet::new());
            deleted += doomed.manifests.len();
            alone += doomed.aliases.len();
            attachments += doomed.tags.keys().filter(|tag| !unwanted.contains(*tag)).count();
            spared += repository.reached(&unwanted).len() - doomed.manifests.len();
        }
        assert!(
            deleted > 1_000 && alone > 100 && attachments > 100 && spared > 1_000,
            "{deleted} {alone} {attachments} {spared}"
        );
    }
}
