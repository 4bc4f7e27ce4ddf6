//! Text: from outside made safe to show, words of choices, numbers as words.
//!
//! Owns the only ways by which foreign text gets into a log, a summary or a sentence. Never knows anything of images, and
//! never drops a word that a person could read.

pub mod blank;
pub mod choice;
pub mod json;
pub mod nearest;
pub mod quote;
pub mod sanitise;
pub mod tone;
pub mod units;
