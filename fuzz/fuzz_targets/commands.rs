//! What a run says, as the runner reads it.
#![no_main]

libfuzzer_sys::fuzz_target!(|text: &str| mirror_image::properties::commands(text));
