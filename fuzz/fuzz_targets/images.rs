//! The list of images.
#![no_main]

libfuzzer_sys::fuzz_target!(|text: &str| mirror_image::properties::images(text));
