//! The catalogue: one HTML page for people, with its data beside it.
//!
//! Owns that the page asks for nothing from elsewhere and that no text of a registry is markup: its policy allows the
//! page's own style and script by their hashes and nothing else, and the data is JSON without a `<`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};

use crate::emit::document::file;
use crate::emit::files::EmittedFile;
use crate::emit::format::{Format, Run};
use crate::text::json::to_line;

const PAGE: &str = include_str!("catalogue/page.html");
const STYLE: &str = include_str!("catalogue/style.css");
const SCRIPT: &str = include_str!("catalogue/script.js");

pub(super) struct Catalogue;

impl Format for Catalogue {
    fn name(&self) -> &'static str {
        "catalogue"
    }

    fn on_request(&self) -> bool {
        true
    }

    fn needs_exact(&self) -> bool {
        false
    }

    fn files(&self, run: &Run) -> Result<Vec<EmittedFile>, String> {
        let data = to_line(&run.listing);
        // Within `<script>` only `</script` and `<!--` mean anything (HTML, "Restrictions for contents of script elements").
        let page = PAGE
            .replace("{style-hash}", &hash(STYLE))
            .replace("{script-hash}", &hash(SCRIPT))
            .replace("{style}", STYLE)
            .replace("{script}", SCRIPT)
            .replace("{data}", &data.replace('<', "\\u003c"));
        Ok(vec![file("catalogue/index.html", "html", page), file("catalogue/catalogue.json", "json", data + "\n")])
    }
}

/// As a Content Security Policy names what stands in the page.
fn hash(text: &str) -> String {
    format!("sha256-{}", STANDARD.encode(Sha256::digest(text)))
}
