//! The search for the primes of RSA keys, so that workers can share one key.

use js_sys::Uint8Array;
use pki::rsa_engine::{LaneChoice, Prime, PrimeSearch, Random, RsaError};
use pki::{SystemRng, rsa_from_primes};
use rand_core::Rng;
use wasm_bindgen::prelude::*;
use zeroize::Zeroizing;

use crate::scrub::scrubbed;
use crate::{Key, Thrown, thrown};

/// A search for primes of one size.
#[wasm_bindgen]
pub struct RsaPrimeSearch(PrimeSearch);

#[wasm_bindgen]
impl RsaPrimeSearch {
    /// For keys of `key_bits` bits. `lanes`: `auto`, `fma`, `simd` or `scalar`.
    #[wasm_bindgen(constructor)]
    pub fn new(key_bits: u32, lanes: &str) -> Thrown<Self> {
        let lanes = match lanes {
            "auto" => LaneChoice::Auto,
            "fma" => LaneChoice::Fma,
            "simd" => LaneChoice::Simd,
            "scalar" => LaneChoice::Scalar,
            _ => {
                return Err(JsError::new(
                    "unsupported: lanes are auto, fma, simd or scalar",
                ));
            }
        };
        PrimeSearch::new(key_bits, lanes)
            .map(Self)
            .map_err(|error| search_failed(&error))
    }

    /// One bounded step; big-endian bytes once a prime is found, and the next step begins another search. Called in a
    /// loop: V8 replaces a function by its faster tier only between two calls.
    pub fn step(&mut self) -> Thrown<Option<Uint8Array>> {
        let prime = self
            .0
            .step(&mut System(SystemRng::default()))
            .map_err(|error| search_failed(&error))?;
        // Copied straight into JavaScript's memory: a returned Vec would be freed without being wiped.
        Ok(prime.map(|prime| Uint8Array::from(prime.to_be_bytes().as_slice())))
    }

    /// Candidates tested so far.
    pub fn tests(&self) -> f64 {
        #[allow(clippy::cast_precision_loss, reason = "far below 2^53")]
        let tests = self.0.progress().tests as f64;
        tests
    }
}

/// The key of two primes; `undefined` when they do not make one together.
#[wasm_bindgen(js_name = rsaKeyFromPrimes)]
pub fn rsa_key_from_primes(p: Vec<u8>, q: Vec<u8>) -> Thrown<Option<Key>> {
    let (p, q) = (Zeroizing::new(p), Zeroizing::new(q));
    let prime = |bytes: &[u8]| Prime::from_be_bytes(bytes).map_err(|error| search_failed(&error));
    scrubbed(|| {
        rsa_from_primes(&prime(&p)?, &prime(&q)?, &mut SystemRng::default())
            .map(|key| key.map(Key))
            .map_err(thrown)
    })
}

struct System(SystemRng);

impl Random for System {
    fn fill(&mut self, out: &mut [u8]) -> Result<(), RsaError> {
        self.0.fill_bytes(out);
        Ok(())
    }
}

fn search_failed(error: &RsaError) -> JsError {
    JsError::new(&format!("internal: the search for a prime failed: {error}"))
}
