//! What a rule is, and the advice that more than one gives.

use crate::error::failure::Failure;
use crate::error::reader::Reader;

/// What is advised about one kind of failure; the first rule that fits counts.
pub struct Rule {
    pub is: fn(&Failure<'_>) -> bool,
    pub hints: &'static [Hint],
}

/// One piece of advice.
pub struct Hint {
    pub fits: fn(&Failure<'_>, Reader) -> bool,
    pub text: fn(&Failure<'_>, Reader) -> String,
}

pub const fn always(text: fn(&Failure<'_>, Reader) -> String) -> Hint {
    Hint { fits: |_, _| true, text }
}

pub const fn when(fits: fn(&Failure<'_>, Reader) -> bool, text: fn(&Failure<'_>, Reader) -> String) -> Hint {
    Hint { fits, text }
}

pub const RUN_AGAIN: Hint =
    always(|_, _| "run again: what is finished is kept and is not sent a second time".to_owned());

pub const FEWER_JOBS: Hint = always(|_, r| format!("spread the work: fewer {} at once", r.runs()));
