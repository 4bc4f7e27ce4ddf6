//! What became of the tags that a list selects no more: the summary's section.

use std::fmt::Write as _;

use crate::error::reader::Reader;
use crate::report::prune::{PruneReport, PrunedRepository};
use crate::report::summary::markup::within;
use crate::text::sanitise::{cell_code, cell_text, markdown_text};

/// Bytes of the table, and of the sentences above it.
const ROWS: usize = 48 * 1024;

/// A row: of which repository, the tag, what becomes of it, its digest or why it stays.
type Row<'a> = (&'a PrunedRepository, &'a str, &'static str, String);

/// The section.
pub fn section(prune: &PruneReport, reader: Reader) -> String {
    let mut text = format!("### Prune: {}\n", markdown_text(&prune.state()));
    let lines: Vec<String> = prune.problems(reader).into_iter().chain(prune.notices()).collect();
    if !lines.is_empty() {
        text.push('\n');
    }
    within(&mut text, ROWS, "sentence", lines.into_iter(), |text, line| {
        let _ = writeln!(text, "- {}", markdown_text(&line));
    });
    let of = |one| rows(prune, one);
    let rows: Vec<Row<'_>> = prune.repositories.iter().flat_map(of).collect();
    if !rows.is_empty() {
        text.push_str("\n| Tag | | Digest, or why it stays |\n| --- | --- | --- |\n");
        within(&mut text, ROWS, "tag", rows.into_iter(), |text, (one, tag, word, what)| {
            let _ = writeln!(text, "| {} | {word} | {what} |", cell_code(&format!("{}:{tag}", one.name)));
        });
    }
    text.push('\n');
    text
}

fn rows<'a>(prune: &'a PruneReport, one: &'a PrunedRepository) -> Vec<Row<'a>> {
    let goes = one.tags.iter().map(|(tag, digest)| (one, &**tag, prune.word(one, tag), cell_code(digest.as_str())));
    let stays = one.stays.iter().map(|(tag, why)| (one, &**tag, "kept", cell_text(why.reason())));
    goes.chain(stays).collect()
}
