#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| hourbook_fuzz::tokens(data));
