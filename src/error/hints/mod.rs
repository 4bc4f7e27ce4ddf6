//! Hints: what the user can do about a failure, most likely first.
//!
//! Owns the advice and the knowledge of registries behind it, as one table of rules. Must never guess at a cause that the
//! answer does not show, never advise to weaken a check that just did its work, and never name what does not exist where it
//! is read. Each piece of advice has an example in [`crate::examples`], of which `docs/errors.md` is made.

mod answers;
mod logins;
mod others;
mod rule;

use crate::error::Error;
use crate::error::failure::Failure;
use crate::error::hints::rule::Rule;
use crate::error::reader::Reader;

impl Error {
    /// What the user can do, most likely first, in the words of the place where it is read; empty where the message itself
    /// says it.
    pub fn hints(&self, reader: Reader) -> Vec<String> {
        let failure = Failure::of(self);
        let rule = rules().find(|rule| (rule.is)(&failure));
        let hints = rule.map_or(&[][..], |rule| rule.hints).iter();
        hints.filter(|hint| (hint.fits)(&failure, reader)).map(|hint| (hint.text)(&failure, reader)).collect()
    }
}

/// What is advised about what, in the order in which a failure is judged.
fn rules() -> impl Iterator<Item = &'static Rule> {
    logins::RULES.iter().chain(answers::RULES).chain(others::RULES)
}

#[cfg(test)]
mod tests {
    use super::rules;
    use crate::error::failure::Failure;
    use crate::error::reader::Reader;
    use crate::examples::examples;

    #[test]
    fn every_rule_and_every_advice_has_an_example() {
        let examples = examples();
        let failures: Vec<Failure<'_>> = examples.iter().map(|example| Failure::of(&example.error)).collect();
        let first = |failure: &&Failure<'_>| rules().position(|rule| (rule.is)(failure));
        for (number, rule) in rules().enumerate() {
            let here: Vec<_> = failures.iter().filter(|failure| first(failure) == Some(number)).collect();
            assert!(!here.is_empty(), "rule {number} of src/error/hints has no example in src/examples.rs");
            for (place, hint) in rule.hints.iter().enumerate() {
                let given = here.iter().any(|failure| Reader::ALL.iter().any(|reader| (hint.fits)(failure, *reader)));
                assert!(given, "advice {place} of rule {number} of src/error/hints has no example in src/examples.rs");
            }
        }
    }
}
