//! An image's name.
#![no_main]

libfuzzer_sys::fuzz_target!(|text: &str| mirror_image::properties::reference(text));
