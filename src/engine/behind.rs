//! For how long a target has not been what its source is, and whether that is too long.
//!
//! Owns what that can be known from. A comparison knows nothing of yesterday: what earlier runs have seen does, where it is kept,
//! and an image cannot have been under a tag before it was made. Never guesses: what is not known to be young is too old.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::oci::reference::ImageReference;

/// By target, since when earlier runs have seen that it is not what its source is.
pub type Seen = BTreeMap<String, SystemTime>;

/// How long a target may be behind its source, and what is known of that.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tolerance {
    /// So long; none: not at all.
    pub max_age: Option<Duration>,
    /// What earlier runs have seen; none where nothing keeps it.
    pub seen: Option<Arc<Seen>>,
}

/// A target that is not what its source is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Behind {
    /// The first time that it was seen so; none where nothing keeps that.
    pub since: Option<SystemTime>,
    /// When that was looked at.
    pub now: SystemTime,
}

/// What is made of it: a sentence each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is young enough.
    Young(String),
    /// It is not, or not known to be.
    Late(Option<String>),
}

impl Behind {
    /// For how many days it has been seen so; none where that is not known, and on the first.
    pub fn days(&self) -> Option<u64> {
        let days = age(self.since?, self.now)?.as_secs() / (24 * 60 * 60);
        (days > 0).then_some(days)
    }
}

impl Tolerance {
    /// `target` as it is looked at `now`. What is seen for the first time is seen since now.
    pub fn behind(&self, target: Option<&ImageReference>, now: SystemTime) -> Behind {
        let first = |seen: &Arc<Seen>| seen.get(&target?.to_string()).copied();
        let since = self.seen.as_ref().map(|seen| first(seen).unwrap_or(now).min(now));
        Behind { since, now }
    }

    /// Whether it is worth to ask when the source's image was made.
    pub fn needs_time(&self) -> bool {
        self.max_age.is_some() && self.seen.is_none()
    }

    /// What is made of `behind`, of a source whose image was made at `made`.
    pub fn verdict(&self, behind: &Behind, made: Option<SystemTime>) -> Verdict {
        let Behind { since, now } = *behind;
        let Some(max_age) = self.max_age else {
            return Verdict::Late(since.map(|since| format!("seen so since {}", day(since))));
        };
        let is_young = |time| age(time, now).is_some_and(|age| age < max_age);
        match (since, made) {
            (Some(since), _) if is_young(since) => Verdict::Young(format!(
                "the target is behind its source; it is seen so since {}, for less than `max-age`",
                day(since)
            )),
            (Some(since), _) => Verdict::Late(Some(format!("seen so since {}, for longer than `max-age`", day(since)))),
            (None, Some(made)) if is_young(made) => Verdict::Young(format!(
                "the target is behind its source, whose image was made on {}, less than `max-age` ago; for how long the target has not followed the images \
                 before it is not known without `history`",
                day(made)
            )),
            (None, Some(made)) => Verdict::Late(Some(format!(
                "since when is not known without `history`: the source's image was made on {}, and may have got its tag at any \
                 time since",
                day(made)
            ))),
            (None, None) => Verdict::Late(Some(
                "since when is not known without `history`: the source's image does not say when it was made"
                    .to_owned(),
            )),
        }
    }
}

/// None for what is yet to come: a clock is wrong, and nothing is known.
fn age(time: SystemTime, now: SystemTime) -> Option<Duration> {
    now.duration_since(time).ok()
}

/// The day, in UTC.
pub fn day(time: SystemTime) -> String {
    let text = humantime::format_rfc3339_seconds(time).to_string();
    text.split('T').next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::{Duration, SystemTime};

    use super::{Seen, Tolerance, Verdict};
    use crate::oci::reference::ImageReference;

    const DAY: Duration = Duration::from_secs(24 * 60 * 60);

    fn named(text: &str) -> Option<ImageReference> {
        ImageReference::parse(text).ok()
    }

    #[test]
    fn what_is_known_to_be_young_is_let_be_and_nothing_else() {
        let now = SystemTime::UNIX_EPOCH + DAY * 20_000;
        let seen = |days: u32| Some(Arc::new(Seen::from([("r.example/a:1".to_owned(), now - DAY * days)])));
        for (seen, made, is_young, part) in [
            (seen(6), None, true, "seen so since 2024-09-28, for less than"),
            (seen(7), None, false, "seen so since 2024-09-27, for longer than"),
            // What earlier runs have seen is better than what an image says.
            (seen(77), Some(1), false, "for longer than"),
            (Some(Arc::default()), Some(400), true, "seen so since 2024-10-04"),
            (None, Some(6), true, "made on 2024-09-28, less than `max-age` ago"),
            (None, Some(7), false, "made on 2024-09-27, and may have got its tag at any time since"),
            (None, None, false, "does not say when it was made"),
        ] {
            let tolerance = Tolerance { max_age: Some(DAY * 7), seen };
            let behind = tolerance.behind(named("r.example/a:1").as_ref(), now);
            let verdict = tolerance.verdict(&behind, made.map(|days| now - DAY * days));
            let (young, sentence) = match &verdict {
                Verdict::Young(sentence) => (true, sentence.as_str()),
                Verdict::Late(sentence) => (false, sentence.as_deref().unwrap_or_default()),
            };
            assert!(young == is_young && sentence.contains(part), "{verdict:?}");
        }
    }

    #[test]
    fn a_clock_that_is_ahead_excuses_nothing() {
        let now = SystemTime::UNIX_EPOCH + DAY * 20_000;
        let tolerance = Tolerance { max_age: Some(DAY * 7), seen: None };
        let behind = tolerance.behind(named("r.example/a:1").as_ref(), now);
        assert!(matches!(tolerance.verdict(&behind, Some(now + DAY)), Verdict::Late(Some(_))));
        let seen = Seen::from([("r.example/a:1".to_owned(), now + DAY)]);
        let tolerance = Tolerance { max_age: Some(DAY * 7), seen: Some(Arc::new(seen)) };
        assert_eq!(tolerance.behind(named("r.example/a:1").as_ref(), now).since, Some(now));
    }

    #[test]
    fn days_are_whole_and_without_a_limit_nothing_is_excused() {
        let now = SystemTime::UNIX_EPOCH + DAY * 20_000;
        let seen = Seen::from([("r.example/a:1".to_owned(), now - DAY * 77 - DAY / 2)]);
        let tolerance = Tolerance { max_age: None, seen: Some(Arc::new(seen)) };
        assert_eq!(tolerance.behind(named("r.example/a:1").as_ref(), now).days(), Some(77));
        assert_eq!(tolerance.behind(named("r.example/b:1").as_ref(), now).days(), None);
        assert_eq!(Tolerance::default().behind(named("r.example/a:1").as_ref(), now).days(), None);
        assert!(matches!(
            tolerance.verdict(&tolerance.behind(named("r.example/b:1").as_ref(), now), Some(now)),
            Verdict::Late(Some(_))
        ));
        assert_eq!(
            Tolerance::default().verdict(&Tolerance::default().behind(named("r.example/a:1").as_ref(), now), None),
            Verdict::Late(None)
        );
    }
}
