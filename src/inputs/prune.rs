//! How a list is pruned: the inputs `prune`, `prune-plan`, `prune-keep` and `prune-limit`.

use std::path::Path;

use crate::engine::options::Command;
use crate::error::Error;
use crate::inputs::config;
use crate::inputs::values::{Values, parsed};
use crate::inputs::words::{items, request_limit};
use crate::plan::list::pattern::Pattern;
use crate::plan::list::prune::{Prune, Pruning};
use crate::plan::request::Images;

impl Values {
    /// How the list is pruned; none where it is not.
    pub(super) fn prune(&self, command: Command, images: &Images, workspace: &str) -> Result<Option<Prune>, Error> {
        let pruning: Pruning = self.choice("prune")?;
        let keep = items(self.get("prune-keep").unwrap_or_default());
        let keep = keep.into_iter().map(Pattern::parse).collect();
        let keep = parsed("prune-keep", keep)?;
        let limit = parsed("prune-limit", request_limit(self.get("prune-limit").unwrap_or_default()))?;
        if pruning == Pruning::Off || command != Command::Copy {
            return Ok(None);
        }
        if !matches!(images, Images::List(_)) {
            return Err(Error::input("prune", "is for what a list has made; name the list by `config`"));
        }
        if self.get("shard").is_some() {
            let problem =
                "leaves a part of the list out, whose tags `prune` would take for unwanted; leave one of them out";
            return Err(Error::input("shard", problem));
        }
        let workspace = Path::new(workspace);
        let file = self.get("prune-plan").unwrap_or_default();
        let plan = match pruning {
            Pruning::Apply => Some(config::prune_plan(workspace, file)?),
            Pruning::Off | Pruning::Plan => None,
        };
        let file = config::prune_plan_place(workspace, file)?;
        Ok(Some(Prune { plan, file, limit, keep }))
    }
}
