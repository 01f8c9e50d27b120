//! The engine behind wasm-bindgen, for `bench/bench.ts` alone.
#![cfg(target_arch = "wasm32")]
#![allow(missing_docs, reason = "a bench's exports")]

use pki_p256::{Engine, LaneChoice, P256Error, Random, Secret, TableSize};
use wasm_bindgen::prelude::wasm_bindgen;

struct Repeatable(u64);

impl Random for Repeatable {
    fn fill(&mut self, out: &mut [u8]) -> Result<(), P256Error> {
        for chunk in out.chunks_mut(8) {
            self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut z = self.0;
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            chunk.copy_from_slice(&(z ^ (z >> 31)).to_le_bytes()[..chunk.len()]);
        }
        Ok(())
    }
}

#[wasm_bindgen]
pub struct Bench {
    engine: Engine,
    random: Repeatable,
    ca: Secret,
    digests: Vec<[u8; 32]>,
    publics: Vec<u8>,
    signatures: Vec<u8>,
}

#[wasm_bindgen]
impl Bench {
    #[wasm_bindgen(constructor)]
    pub fn new(lanes: &str, large: bool, seed: u32) -> Self {
        let lanes = match lanes {
            "fma" => LaneChoice::Fma,
            "simd" => LaneChoice::Simd,
            "scalar" => LaneChoice::Scalar,
            _ => LaneChoice::Auto,
        };
        let table = if large {
            TableSize::Large
        } else {
            TableSize::Small
        };
        let mut engine = Engine::new(lanes, table).expect("lanes");
        let mut random = Repeatable(seed.into());
        let ca = engine
            .generate_keys(1, &mut random)
            .expect("a key")
            .remove(0);
        Self {
            engine,
            random,
            ca: ca.secret,
            digests: Vec::new(),
            publics: ca.public.to_vec(),
            signatures: Vec::new(),
        }
    }

    pub fn lanes(&self) -> String {
        format!("{:?}", self.engine.lanes())
    }

    /// Public keys of the last call; of the signing key before the first.
    pub fn publics(&self) -> Vec<u8> {
        self.publics.clone()
    }

    /// DER signatures of the last call, each after its length.
    pub fn signatures(&self) -> Vec<u8> {
        self.signatures.clone()
    }

    pub fn digests(&self) -> Vec<u8> {
        self.digests.as_flattened().to_vec()
    }

    pub fn keys(&mut self, count: usize) {
        let keys = self
            .engine
            .generate_keys(count, &mut self.random)
            .expect("keys");
        self.publics.clear();
        for key in &keys {
            self.publics.extend_from_slice(&key.public);
        }
    }

    pub fn draw_digests(&mut self, count: usize) {
        self.digests.resize(count, [0; 32]);
        self.random
            .fill(self.digests.as_flattened_mut())
            .expect("digests");
    }

    pub fn sign(&mut self) {
        let signatures = self
            .engine
            .sign(&self.ca, &self.digests, &mut self.random)
            .expect("signatures");
        self.signatures.clear();
        for signature in &signatures {
            let der = signature.to_der();
            self.signatures.push(der.as_bytes().len().to_le_bytes()[0]);
            self.signatures.extend_from_slice(der.as_bytes());
        }
    }

    /// Multiplies the generator by scalars of 32 bytes each, big endian.
    pub fn multiply(&mut self, scalars: &[u8]) -> u8 {
        let keys = self
            .engine
            .public_keys(scalars.as_chunks::<32>().0)
            .expect("scalars");
        keys[0][1]
    }

    /// Hashes `count` messages of `length` bytes.
    pub fn hash(&mut self, count: usize, length: usize) -> u8 {
        let message = vec![7; length];
        let messages = vec![&message[..]; count];
        self.engine.sha256_many(&messages)[count - 1][0]
    }
}
