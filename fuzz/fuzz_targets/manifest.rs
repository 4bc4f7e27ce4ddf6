//! A media type and a manifest's bytes.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| mirror_image::properties::manifest(data));
