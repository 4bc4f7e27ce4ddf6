//! The files of an OCI image layout.
#![no_main]

use std::path::PathBuf;
use std::sync::LazyLock;

/// One for each process; `scripts/fuzz` removes it.
static SCRATCH: LazyLock<PathBuf> =
    LazyLock::new(|| std::env::temp_dir().join(format!("mirror-image-fuzz-{}", std::process::id())));

libfuzzer_sys::fuzz_target!(|data: &[u8]| mirror_image::properties::layout(data, &SCRATCH));
