//! What may go of a repository when some of its tags are not wanted any more. Pure.
//!
//! Owns the one rule: a manifest goes only if a tag that goes reaches it, and nothing that stays does. A tag reaches its
//! manifest, the children of an index however deep, the subject of an attachment, and what is attached: by a subject of its
//! own, under a fallback tag, under one of cosign's. All other tags stay, whoever made them.

use std::collections::{BTreeMap, BTreeSet};

use crate::oci::artifact::cosign_tags;
use crate::oci::digest::Digest;
use crate::oci::manifest::Manifest;

/// A manifest, as far as it points at others.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Node {
    /// What it lists.
    pub children: BTreeSet<Digest>,
    /// What it is attached to.
    pub subject: Option<Digest>,
}

impl Node {
    /// What `manifest` points at.
    pub fn of(manifest: &Manifest) -> Self {
        Self {
            children: manifest.children().map(|child| child.digest.clone()).collect(),
            subject: manifest.subject.as_ref().map(|subject| subject.digest.clone()),
        }
    }
}

/// A repository, as it was read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    /// Every tag, with what it names.
    pub tags: BTreeMap<String, Digest>,
    /// Every manifest that a tag reaches, or what is kept without one; one that is named and is not here is not in the repository either.
    pub manifests: BTreeMap<Digest, Node>,
}

/// What goes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Doomed {
    /// Tags whose manifest goes with them.
    pub tags: BTreeMap<String, Digest>,
    /// Tags that go alone: something that stays needs their manifest.
    pub aliases: BTreeMap<String, Digest>,
    /// Manifests, what lists another or is its subject before that one: a run that is killed leaves no tag on half an image.
    pub manifests: Vec<Digest>,
}

impl Doomed {
    /// Whether nothing goes.
    pub fn is_empty(&self) -> bool {
        self.tags.is_empty() && self.aliases.is_empty() && self.manifests.is_empty()
    }

    /// The tags that go with the manifest `digest`.
    pub fn tags_of<'a>(&'a self, digest: &'a Digest) -> impl Iterator<Item = &'a str> {
        self.tags.iter().filter(move |(_, named)| *named == digest).map(|(tag, _)| tag.as_str())
    }
}

/// The tags under which attachments of `subject` are kept.
fn attachment_tags(subject: &Digest) -> impl Iterator<Item = String> {
    std::iter::once(subject.fallback_tag()).chain(cosign_tags(subject).map(|(tag, _)| tag))
}

impl State {
    /// What is attached to what by its own word.
    fn attached(&self) -> BTreeMap<&Digest, Vec<&Digest>> {
        let mut attached: BTreeMap<&Digest, Vec<&Digest>> = BTreeMap::new();
        for (digest, node) in &self.manifests {
            if let Some(subject) = &node.subject {
                attached.entry(subject).or_default().push(digest);
            }
        }
        attached
    }

    /// What the tags `unwanted` reach downwards: what might go, if nothing else needed it.
    ///
    /// Of a list of attachments only those count that name its subject themselves: the others belong to somebody else.
    pub fn reached(&self, unwanted: &BTreeSet<String>) -> BTreeSet<Digest> {
        let attached = self.attached();
        let mut reached = BTreeSet::new();
        let (mut next, mut lists) = (Vec::new(), Vec::new());
        next.extend(unwanted.iter().filter_map(|tag| self.tags.get(tag)));
        // Lists last: one that is reached as an index too is followed as one.
        while let Some((digest, is_list)) =
            next.pop().map(|digest| (digest, false)).or_else(|| Some((lists.pop()?, true)))
        {
            let Some(node) = self.manifests.get(digest).filter(|_| reached.insert(digest.clone())) else { continue };
            next.extend(node.children.iter().filter(|_| !is_list));
            next.extend(attached.get(digest).into_iter().flatten());
            lists.extend(self.tags.get(&digest.fallback_tag()));
            next.extend(cosign_tags(digest).filter_map(|(tag, _)| self.tags.get(&tag)));
        }
        reached
    }

    /// What `roots` need, in every direction.
    fn needed<'a>(&'a self, roots: impl Iterator<Item = &'a Digest>) -> BTreeSet<&'a Digest> {
        let attached = self.attached();
        let mut needed = BTreeSet::new();
        let mut next: Vec<&Digest> = roots.collect();
        while let Some(digest) = next.pop() {
            if !needed.insert(digest) {
                continue;
            }
            next.extend(attached.get(digest).into_iter().flatten());
            next.extend(attachment_tags(digest).filter_map(|tag| self.tags.get(&tag)));
            if let Some(node) = self.manifests.get(digest) {
                next.extend(node.children.iter().chain(&node.subject));
            }
        }
        needed
    }

    /// What goes when the tags `unwanted` do. `kept`: what stays without a tag.
    pub fn doomed(&self, unwanted: &BTreeSet<String>, kept: &BTreeSet<Digest>) -> Doomed {
        let reached = self.reached(unwanted);
        // They go with what they are attached to, unless that stays: then it brings them back in.
        let attachments: BTreeSet<String> = reached.iter().flat_map(attachment_tags).collect();
        let stays = |tag: &String| !unwanted.contains(tag) && !attachments.contains(tag);
        let roots = self.tags.iter().filter(|(tag, _)| stays(tag)).map(|(_, digest)| digest);
        let needed = self.needed(roots.chain(kept));
        let goes = |digest: &Digest| reached.contains(digest) && !needed.contains(digest);
        let of_what_goes: BTreeSet<String> =
            reached.iter().filter(|digest| goes(digest)).flat_map(attachment_tags).collect();
        let mut doomed = Doomed::default();
        for (tag, digest) in &self.tags {
            if !unwanted.contains(tag) && !of_what_goes.contains(tag) {
                continue;
            }
            let list = if goes(digest) { &mut doomed.tags } else { &mut doomed.aliases };
            list.insert(tag.clone(), digest.clone());
        }
        doomed.manifests = self.in_order(reached.iter().filter(|digest| goes(digest)).collect());
        doomed
    }

    /// What these list, and what that lists.
    fn below<'a>(&'a self, these: &BTreeSet<&'a Digest>) -> BTreeSet<&'a Digest> {
        let mut below = BTreeSet::new();
        let mut next: Vec<&Digest> = these.iter().copied().collect();
        while let Some(digest) = next.pop() {
            let children = self.manifests.get(digest).into_iter().flat_map(|node| &node.children);
            next.extend(children.filter(|child| below.insert(*child)));
        }
        below
    }

    /// What lists another, or is its subject, comes before it.
    fn in_order(&self, mut left: BTreeSet<&Digest>) -> Vec<Digest> {
        let mut ordered = Vec::new();
        while !left.is_empty() {
            let listed = self.below(&left);
            // Never empty: what lists another has its digest in its own bytes, so there is no circle of those.
            let unlisted: Vec<&Digest> = left.iter().copied().filter(|digest| !listed.contains(digest)).collect();
            let subject = |digest: &Digest| self.manifests.get(digest).and_then(|node| node.subject.as_ref());
            let is_attached = |digest: &&Digest| subject(digest).is_some_and(|subject| left.contains(subject));
            let mut free: Vec<&Digest> = unlisted.iter().copied().filter(|digest| !is_attached(digest)).collect();
            // An index may list its own subject: then it goes first.
            if free.is_empty() {
                free = if unlisted.is_empty() { left.iter().copied().collect() } else { unlisted };
            }
            for digest in free {
                left.remove(digest);
                ordered.push(digest.clone());
            }
        }
        ordered
    }
}
