//! A target template, a source and a repository's name.
#![no_main]

libfuzzer_sys::fuzz_target!(|text: &str| mirror_image::properties::target(text));
