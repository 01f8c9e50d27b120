//! SHA-256 against the independent crate `sha2`.

mod common;

use common::engines;
use pki_p256::TableSize;
use sha2::Digest;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

#[test]
fn lengths_from_0_to_300_in_any_company() {
    let text: Vec<u8> = (0..=255u8)
        .cycle()
        .map(|x| x.wrapping_mul(37) ^ 5)
        .take(300)
        .collect();
    for engine in engines(TableSize::Small) {
        for stride in [1, 7, 101] {
            let messages: Vec<&[u8]> = (0..=300).map(|i| &text[..i * stride % 301]).collect();
            let digests = engine.sha256_many(&messages);
            for (message, digest) in messages.iter().zip(digests) {
                assert_eq!(digest[..], sha2::Sha256::digest(message)[..]);
            }
        }
    }
}
