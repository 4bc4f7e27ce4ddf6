//! Values on their way to `GITHUB_OUTPUT`.
#![no_main]

libfuzzer_sys::fuzz_target!(|text: &str| mirror_image::properties::outputs(text));
