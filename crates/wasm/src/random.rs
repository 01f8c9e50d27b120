//! Randomness of the host.

use rand_core::{TryCryptoRng, TryRng};
use std::convert::Infallible;
use wasm_bindgen::prelude::*;

// Not `crypto.getRandomValues`: Node loads the whole of Web Crypto for it, 2 to 9 ms of a thread's start.
#[wasm_bindgen(module = "node:crypto")]
extern "C" {
    #[wasm_bindgen(js_name = randomFillSync)]
    fn fill_random(octets: &mut [u8]);
}

/// Node's randomness in one call a request; `pki::SystemRng` takes it 256 octets at a time, which was 5 % of a batch of
/// leaves. A host that gives none throws.
pub(crate) struct HostRng;

impl TryRng for HostRng {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        let mut octets = [0; 4];
        fill_random(&mut octets);
        Ok(u32::from_le_bytes(octets))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let mut octets = [0; 8];
        fill_random(&mut octets);
        Ok(u64::from_le_bytes(octets))
    }

    fn try_fill_bytes(&mut self, octets: &mut [u8]) -> Result<(), Infallible> {
        fill_random(octets);
        Ok(())
    }
}

impl TryCryptoRng for HostRng {}
