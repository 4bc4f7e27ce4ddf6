//! Notices about what lies where a person works: a directory or a file that was written in place of an image, a file of logins.
//!
//! Owns those sentences. Looks only whether something is there; reads nothing, and takes no name for anything else than it says.

use std::path::Path;

use crate::environment::Environment;
use crate::error::Error;
use crate::runner::Surroundings;
use crate::store::layout::files::MARK;
use crate::text::quote::quote;

/// Set in the images of this program, whose files are not a person's.
pub(super) const IN_OUR_IMAGE: &str = "MIRROR_IMAGE_CONTAINER";

/// At a shell, what may be meant by a source that is no image and something that lies there.
pub(super) fn or_path(error: Error, text: &str, surroundings: &Surroundings) -> Error {
    match error {
        Error::Input { name, problem } if name == "source" && surroundings.is_shell() => {
            let (path, shown) = (Path::new(text), quote(text));
            let more = if path.is_file() {
                format!(
                    "; there is a file of this name: a list is named by `--config {shown}`, and an archive is unpacked \
                     first: `oci:DIRECTORY`"
                )
            } else if is_path(text) {
                format!("; a directory in the OCI image layout is `oci:{shown}`")
            } else {
                String::new()
            };
            Error::Input { name, problem: format!("{problem}{more}") }
        }
        other => other,
    }
}

/// At a shell, the names of Docker Hub's that are also those of directories here.
pub(super) fn directories_by_name(
    source: Option<&str>,
    target: Option<&str>,
    surroundings: &Surroundings,
) -> Vec<String> {
    let is_bare = |text: &&str| surroundings.is_shell() && !text.is_empty() && !text.contains(['/', ':', '@']);
    let source = source.filter(|text| Path::new(text).join(MARK).is_file());
    let target = target.filter(|text| Path::new(text).is_dir());
    let sentence = |text: &str| {
        let text = quote(text);
        format!("`{text}` is an image of Docker Hub here; the directory is `oci:{text}`")
    };
    source.into_iter().chain(target).filter(is_bare).map(sentence).collect()
}

/// At a shell, that the file with the logins is not where it is said to be.
pub(super) fn lost_login_file(environment: &Environment, surroundings: &Surroundings) -> Option<String> {
    let file = environment.get("REGISTRY_AUTH_FILE").filter(|_| surroundings.is_shell())?;
    let is_read = environment.get(IN_OUR_IMAGE).is_none();
    (is_read && !Path::new(file).exists())
        .then(|| format!("`REGISTRY_AUTH_FILE` names `{}`, which is not there: it has no login", quote(file)))
}

/// Whether a text is written as the path of a file or a directory, which no image is.
pub(super) fn is_path(text: &str) -> bool {
    ["/", "./", "../", "~/"].iter().any(|start| text.starts_with(start))
}
