//! Values of `Link`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| mirror_image::properties::link(data));
