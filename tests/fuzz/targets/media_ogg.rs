#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| scribed_fuzz::media_ogg(input));
