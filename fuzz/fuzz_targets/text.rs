//! Text from outside, on its way to a log and to Markdown.
#![no_main]

libfuzzer_sys::fuzz_target!(|text: &str| mirror_image::properties::text(text));
