//! Reading an image from wherever it is: mirrors first, the original last.
//!
//! A mirror is believed about content, because content is checked, and about tags only as far as the user said.

pub mod rules;
pub mod source;
