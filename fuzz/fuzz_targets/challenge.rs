//! A registry's address and its challenges.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| mirror_image::properties::challenge(data));
