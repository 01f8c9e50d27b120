#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| k3s_pki_fuzz::public_key(data));
