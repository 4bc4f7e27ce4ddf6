//! `mirror.sed`: a script for sed that puts the mirror's names in the place of others, for files that nothing else rewrites.
//!
//! Only a name with its tag or its digest is replaced: a bare word may be anything.

use std::fmt::Write as _;

use crate::emit::document::{file, header};
use crate::emit::files::EmittedFile;
use crate::emit::format::{Format, Image, Run};
use crate::oci::vendor::DOCKER_HUB;

pub(super) struct Script;

impl Format for Script {
    fn name(&self) -> &'static str {
        "sed"
    }

    fn on_request(&self) -> bool {
        true
    }

    fn files(&self, run: &Run) -> Result<Vec<EmittedFile>, String> {
        let about = [
            "sed -E -i -f mirror.sed FILE (of BSD: -i ''). A name without a tag stays as it is: `mirror-image rewrite`",
            "reads files by their grammar and knows which words are images.",
        ];
        let mut text = header(&about, &[]);
        for image in &run.images {
            let _ = writeln!(text, "{}", rule(image));
        }
        Ok(vec![file("mirror.sed", "sed", text)])
    }
}

fn rule(image: &Image) -> String {
    let escaped = |text: &str| text.replace('.', "\\.").replace('[', "\\[").replace(']', "\\]");
    let (source, repository) = (&image.source, image.source.repository());
    let name = match (source.registry(), repository.strip_prefix("library/")) {
        (DOCKER_HUB, Some(name)) => format!("((index\\.)?docker\\.io/)?(library/)?{}", escaped(name)),
        (DOCKER_HUB, None) => format!("((index\\.)?docker\\.io/)?{}", escaped(repository)),
        (registry, _) => format!("{}/{}", escaped(registry), escaped(repository)),
    };
    let tag = source.tag().map_or_else(String::new, |tag| format!(":{}", escaped(tag)));
    let digest = source.digest().map_or_else(String::new, |digest| format!("@{digest}"));
    // The groups of the name stand between the first and the last.
    let last = 2 + name.matches('(').count();
    format!("s#(^|[[:space:]\"'=]|docker://){name}{tag}{digest}([[:space:]\"',}}]|$)#\\1{}\\{last}#g", image.pinned())
}
