//! A refusal: status, `Retry-After`, a request's id, body.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| mirror_image::properties::retry_after(data));
