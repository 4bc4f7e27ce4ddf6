//! What the sources of a run stand for: each is resolved once, however many images are made of it and however it is spelled.
//!
//! Owns that a tag which moves in between gives one image, not two: who comes later takes the digest that the first was
//! told. Never shares a failure: another spelling may have another credential, so each is told its own.

use std::collections::HashMap;
use std::sync::Mutex;

use futures_util::future::BoxFuture;

use crate::engine::resolve::Resolved;
use crate::error::Error;
use crate::oci::digest::Digest;
use crate::store::place::Place;
use crate::sync::{LockExt as _, OnceMap};

/// The sources that were asked so far.
#[derive(Default)]
pub struct Sources {
    /// The first that wants a source asks, the others wait for it.
    asked: OnceMap<Place, ()>,
    /// What it was told.
    named: Mutex<HashMap<Place, Digest>>,
}

impl Sources {
    /// What `place` stands for. `ask` resolves it by its name, or by the digest that it is known to name.
    pub async fn resolve<'a>(
        &self,
        place: &Place,
        ask: impl Fn(Option<Digest>) -> BoxFuture<'a, Result<Resolved, Error>>,
    ) -> Result<Resolved, Error> {
        let mut first = None;
        let by_name = ask(None);
        let once = self.asked.entry(place.clone());
        once.get_or_init(|| async { first = Some(by_name.await.map(|resolved| self.note(place, resolved))) }).await;
        let resolved = match (first, self.named(place)) {
            (Some(result), _) => result?,
            (None, Some(digest)) => return ask(Some(digest)).await,
            // The first has failed: all others ask at once, not one after the other.
            (None, None) => self.note(place, ask(None).await?),
        };
        match self.named(place).filter(|digest| *digest != resolved.named) {
            Some(digest) => ask(Some(digest)).await,
            None => Ok(resolved),
        }
    }

    fn named(&self, place: &Place) -> Option<Digest> {
        self.named.locked().get(place).cloned()
    }

    /// The first answer counts.
    fn note(&self, place: &Place, resolved: Resolved) -> Resolved {
        self.named.locked().entry(place.clone()).or_insert_with(|| resolved.named.clone());
        resolved
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use futures_util::future::{FutureExt as _, join_all};

    use super::Sources;
    use crate::engine::resolve::{Resolved, Root};
    use crate::error::Error;
    use crate::oci::digest::Digest;
    use crate::oci::reference::ImageReference;
    use crate::store::place::Place;
    use crate::sync::LockExt as _;

    /// Answers in order to those who ask by name; none is a failure.
    async fn told(answers: &[Option<&str>], readers: usize) -> (Vec<Option<Digest>>, usize) {
        let (sources, place) = (Sources::default(), Place::of(&ImageReference::parse("a").unwrap(), &[]));
        let left = Mutex::new(answers.iter());
        let ask = |known: Option<Digest>| {
            let left = &left;
            async move {
                tokio::task::yield_now().await;
                let next = || left.locked().next().unwrap().map(|text| Digest::of(text.as_bytes()));
                let found = known.or_else(next).map(|digest| Resolved::whole(Root::Known(digest)));
                found.ok_or_else(|| Error::Local(String::new()))
            }
            .boxed()
        };
        let all = join_all((0..readers).map(|_| sources.resolve(&place, ask))).await;
        let all = all.into_iter().map(|result| result.ok().map(|resolved| resolved.named)).collect();
        let asked = answers.len() - left.locked().len();
        (all, asked)
    }

    #[tokio::test]
    async fn a_source_is_asked_once_and_a_failure_is_that_of_one() {
        let (a, b) = (Some(Digest::of(b"a")), Some(Digest::of(b"b")));
        assert_eq!(told(&[Some("a"), Some("b")], 3).await, (vec![a.clone(); 3], 1));
        // Two ask after the failure, and go with what the first of them was told.
        let (all, asked) = told(&[None, Some("b"), Some("a")], 3).await;
        assert_eq!((all, asked), (vec![None, b.clone(), b], 3));
        assert_eq!(told(&[None, None, Some("a")], 3).await, (vec![None, None, a], 3));
    }
}
