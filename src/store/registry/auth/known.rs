//! How a host, and each of its repositories, wants to be asked.
//!
//! What one repository taught holds for that repository: one host may have repositories that want Basic beside others that
//! want a token, of another service each (Nexus behind one name). For a repository that was not asked yet it is a guess,
//! which saves the request that would only be answered 401; so is what is known of a vendor beforehand, which may change it.

use std::collections::HashMap;

use url::Url;

use crate::error::cause::Cause;
use crate::store::registry::auth::token::Scopes;

/// How a registry wants to be asked.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Scheme {
    Basic,
    Bearer { realm: Url, service: Option<String> },
}

/// What the challenges of one answer ask for.
pub(crate) struct Asked {
    pub(crate) scheme: Scheme,
    /// The scopes that it names.
    pub(crate) scopes: Vec<String>,
}

/// How a request is to be authorized.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Approach {
    pub(super) scheme: Option<Scheme>,
    /// Taught by another repository, or known beforehand: it need not hold here.
    pub(super) is_guess: bool,
    /// The scopes to ask for.
    pub(super) scopes: Vec<String>,
}

/// What is known of one host.
#[derive(Default)]
pub(super) struct Known {
    /// What any of its repositories, or the host itself, has last asked for, or what is known beforehand.
    host: Option<Scheme>,
    repositories: HashMap<String, Repository>,
}

#[derive(Default)]
struct Repository {
    scheme: Option<Scheme>,
    /// The scopes that it named where those that were meant for it were refused, as a gateway's that rewrites paths.
    renamed: Vec<String>,
    /// A request with its present scopes was let in: they are right.
    is_proven: bool,
    /// What was guessed for it in vain.
    misguess: Option<Misguess>,
}

/// A guess that the token service has refused.
struct Misguess {
    /// With the scopes that were asked for: a right that is refused says nothing of another.
    approach: Approach,
    cause: Cause,
}

impl Known {
    pub(super) fn beforehand(scheme: Option<Scheme>) -> Self {
        Self { host: scheme, repositories: HashMap::new() }
    }

    /// How a request with `scopes` is authorized now.
    pub(super) fn approach(&self, scopes: &Scopes) -> Approach {
        let own = self.repositories.get(scopes.repository());
        let taught = own.and_then(|own| own.scheme.clone());
        let is_guess = taught.is_none();
        let scopes = scopes.asked(own.map_or(&[], |own| own.renamed.as_slice()));
        let is_misguess =
            own.and_then(|own| own.misguess.as_ref()).is_some_and(|known| known.approach.scopes == scopes);
        let guess = || self.host.clone().filter(|_| !is_misguess);
        Approach { scheme: taught.or_else(guess), is_guess, scopes }
    }

    /// The token service that was named last, or is known beforehand.
    pub(super) fn realm(&self) -> Option<&Url> {
        match self.host.as_ref()? {
            Scheme::Bearer { realm, .. } => Some(realm),
            Scheme::Basic => None,
        }
    }

    /// Whether nothing has said how the host wants to be asked.
    pub(super) fn is_silent(&self) -> bool {
        self.host.is_none()
    }

    /// The host itself was asked.
    pub(super) fn learn_host(&mut self, scheme: Scheme) {
        self.host = Some(scheme);
    }

    /// A repository was asked and has answered 401.
    pub(super) fn learn(&mut self, scopes: &Scopes, asked: Asked, sent_token: bool) {
        let own = self.repositories.entry(scopes.repository().to_owned()).or_default();
        if sent_token && !own.is_proven && matches!(asked.scheme, Scheme::Bearer { .. }) && scopes.misses(&asked.scopes)
        {
            own.renamed = asked.scopes;
        }
        own.scheme = Some(asked.scheme.clone());
        self.host = Some(asked.scheme);
    }

    /// A request with `scopes` was let in with what it carried.
    pub(super) fn prove(&mut self, scopes: &Scopes) {
        if let Some(own) = self.repositories.get_mut(scopes.repository()) {
            own.is_proven = true;
        }
    }

    /// The token service that was guessed for this repository refuses it.
    pub(super) fn misguessed(&mut self, scopes: &Scopes, approach: Approach, cause: Cause) {
        let own = self.repositories.entry(scopes.repository().to_owned()).or_default();
        own.misguess = Some(Misguess { approach, cause });
    }

    /// How `approach` was refused when it was a guess: it need not be asked again to hear the same.
    pub(super) fn heard(&self, scopes: &Scopes, approach: &Approach) -> Option<Cause> {
        let Misguess { approach: guess, cause } = self.repositories.get(scopes.repository())?.misguess.as_ref()?;
        let is_same = guess.scheme == approach.scheme && guess.scopes == approach.scopes;
        (is_same && !approach.is_guess).then(|| cause.clone())
    }
}

#[cfg(test)]
mod tests {
    use url::Url;

    use super::{Asked, Known, Scheme};
    use crate::error::cause::{Cause, ErrorResponse};
    use crate::store::registry::auth::token::Scopes;

    #[test]
    fn a_right_that_is_refused_says_nothing_of_another_and_is_not_asked_for_again() {
        let realm = Url::parse("https://auth.example/token").expect("an address");
        let scheme = Scheme::Bearer { realm, service: None };
        let mut known = Known::beforehand(Some(scheme.clone()));
        let (pull, mount) = (Scopes::pull("a/b"), Scopes::push("a/b").and_pull("c/d"));
        let refusal = Cause::Refused(ErrorResponse { status: 403, ..Default::default() });
        known.misguessed(&mount, known.approach(&mount), refusal);
        assert_eq!(known.approach(&mount).scheme, None, "the registry itself is asked what it wants");
        assert_eq!(known.approach(&pull).scheme.as_ref(), Some(&scheme));

        known.learn(&mount, Asked { scheme: scheme.clone(), scopes: Vec::new() }, false);
        for (scopes, is_heard) in [(&pull, false), (&mount, true), (&mount, true)] {
            let approach = known.approach(scopes);
            assert_eq!(approach.scheme.as_ref(), Some(&scheme));
            assert_eq!(known.heard(scopes, &approach).is_some(), is_heard, "{scopes:?}");
        }
    }
}
