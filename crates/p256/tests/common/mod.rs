//! What the tests share. Nothing here judges: the judges are the crates `p256`, `sha2` and
//! `num-bigint`, and published vectors.
#![allow(dead_code, unreachable_pub, reason = "each test file uses a part")]

use pki_p256::{Engine, LaneChoice, P256Error, Random, TableSize};

/// SplitMix64: repeatable, of no cryptographic use.
pub struct Repeatable(pub u64);

impl Repeatable {
    pub fn word(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

impl Random for Repeatable {
    fn fill(&mut self, out: &mut [u8]) -> Result<(), P256Error> {
        for byte in out {
            *byte = self.word().to_le_bytes()[0];
        }
        Ok(())
    }
}

/// Every way to compute that this CPU has.
pub fn engines(table: TableSize) -> Vec<Engine> {
    [LaneChoice::Fma, LaneChoice::Simd, LaneChoice::Scalar]
        .into_iter()
        .filter_map(|lanes| match Engine::new(lanes, table) {
            Err(P256Error::NotFused) => None,
            engine => Some(engine.unwrap()),
        })
        .collect()
}

/// `32` bytes from hexadecimal digits.
pub fn hex(digits: &str) -> [u8; 32] {
    let digits = digits.as_bytes();
    assert_eq!(digits.len(), 64);
    core::array::from_fn(|i| {
        let pair = core::str::from_utf8(&digits[2 * i..2 * i + 2]).unwrap();
        u8::from_str_radix(pair, 16).unwrap()
    })
}

/// The order n, less `x`.
pub fn order_less(x: u64) -> [u8; 32] {
    let n = hex("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551");
    let n = num_bigint::BigUint::from_bytes_be(&n) - x;
    let bytes = n.to_bytes_be();
    core::array::from_fn(|i| bytes[i])
}
