//! What the tests share.
#![allow(dead_code, unreachable_pub, reason = "each test file uses a part")]

use pki_rsa::{KeyPair, LaneChoice, Random, RsaError, Search};

/// SplitMix64, so that a failure can be repeated; of no cryptographic use.
pub struct Repeatable(pub u64);

impl Random for Repeatable {
    fn fill(&mut self, out: &mut [u8]) -> Result<(), RsaError> {
        for byte in out {
            self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut z = self.0;
            z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
            *byte = (z >> 56) as u8;
        }
        Ok(())
    }
}

/// The first key that this randomness gives.
pub fn key(bits: u32, lanes: LaneChoice, seed: u64) -> KeyPair {
    let mut search = Search::new(bits, lanes).unwrap();
    next_key(&mut search, &mut Repeatable(seed))
}

/// Steps until there is a key.
pub fn next_key(search: &mut Search, rng: &mut dyn Random) -> KeyPair {
    loop {
        if let Some(key) = search.step(rng).unwrap() {
            return key;
        }
    }
}
