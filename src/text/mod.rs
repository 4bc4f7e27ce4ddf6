//! Text from outside made safe, numbers as words.
//!
//! Never knows anything of images.

pub mod choice;
pub mod json;
pub mod quote;
pub mod sanitise;
pub mod units;
