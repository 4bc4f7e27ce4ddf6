//! What was asked for, typed: all that a plan is made of.

use std::sync::Arc;

use crate::engine::options::{Command, Options, Subset};
use crate::oci::reference::ImageReference;
use crate::plan::history::History;
use crate::plan::images::Line;
use crate::plan::list::lock::Lock;
use crate::plan::list::schema::List;

/// Which images are asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Images {
    /// The one of the input `source`.
    One(ImageReference),
    /// Those of the input `images`.
    Listed(Vec<Line>),
    /// Those of the lists that the input `config` names.
    List(List),
}

impl Images {
    /// Whether an image has no target of its own.
    pub fn need_a_target(&self) -> bool {
        match self {
            Self::One(_) => true,
            Self::Listed(lines) => lines.iter().any(|line| line.target.is_none()),
            Self::List(list) => list.entries.iter().any(|entry| entry.settings.targets.is_none()),
        }
    }

    /// Whether there is none. What a list has is not known before its tags are.
    pub fn is_empty(&self) -> bool {
        matches!(self, Self::Listed(lines) if lines.is_empty())
    }

    /// The image, where there is but one.
    pub fn only(&self) -> Option<&ImageReference> {
        match self {
            Self::One(source) => Some(source),
            Self::Listed(lines) => match lines.as_slice() {
                [line] => Some(&line.source),
                _ => None,
            },
            Self::List(_) => None,
        }
    }
}

/// Which images are wanted where, and what is to be done with them.
#[derive(Clone, Debug)]
pub struct Request {
    /// What to do.
    pub command: Command,
    /// Which images.
    pub images: Images,
    /// Where they go, each of them to each, as templates that the plan expands; none for `inspect`.
    pub targets: Vec<String>,
    /// How each of them is wanted; `expected_digest` is that of the one source, besides the digest that it may have itself.
    pub options: Arc<Options>,
    /// What each tag of a list must be, as far as that is held.
    pub lock: Option<Lock>,
    /// What earlier comparisons have seen, where that is kept.
    pub history: Option<History>,
    /// Whether a stranger asks: then nothing is replaced that may be another image, or more of the same.
    pub is_strangers: bool,
    /// What becomes of an index of which only some platforms are copied, for those that name their own.
    pub subset: Subset,
    /// The repository or project that the run belongs to: what `{owner}` and `{repo}` of a template stand for.
    pub project: Option<String>,
}
