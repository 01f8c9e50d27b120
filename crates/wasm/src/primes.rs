//! The search for the primes of RSA keys, so that workers can share one key.

use js_sys::Uint8Array;
use pki::rsa_engine::{LaneChoice, Prime, PrimeSearch, Progress, Random, RsaError, Search};
use pki::rsa_from_primes;
use rand_core::Rng;
use wasm_bindgen::prelude::*;
use zeroize::Zeroizing;

use crate::random::HostRng;
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
        PrimeSearch::new(key_bits, lane_choice(lanes)?)
            .map(Self)
            .map_err(|error| search_failed(&error))
    }

    /// One bounded step; big-endian bytes once a prime is found, and the next step begins another search. Called in a
    /// loop: V8 replaces a function by its faster tier only between two calls.
    pub fn step(&mut self) -> Thrown<Option<Uint8Array>> {
        let prime = self
            .0
            .step(&mut Host)
            .map_err(|error| search_failed(&error))?;
        // Copied straight into JavaScript's memory: a returned Vec would be freed without being wiped.
        Ok(prime.map(|prime| Uint8Array::from(prime.to_be_bytes().as_slice())))
    }

    /// Candidates tested so far.
    pub fn tests(&self) -> f64 {
        tests(self.0.progress())
    }
}

/// The key of two primes; `undefined` when they do not make one together.
#[wasm_bindgen(js_name = rsaKeyFromPrimes)]
pub fn rsa_key_from_primes(p: Vec<u8>, q: Vec<u8>) -> Thrown<Option<Key>> {
    let (p, q) = (Zeroizing::new(p), Zeroizing::new(q));
    let prime = |bytes: &[u8]| Prime::from_be_bytes(bytes).map_err(|error| search_failed(&error));
    scrubbed(|| {
        rsa_from_primes(&prime(&p)?, &prime(&q)?, &mut HostRng)
            .map(|key| key.map(Key))
            .map_err(thrown)
    })
}

/// A search for both primes of a key: its final tests take two at once, which saves a tenth of two searches for one.
#[wasm_bindgen]
pub struct RsaPairSearch(Search);

#[wasm_bindgen]
impl RsaPairSearch {
    /// As `RsaPrimeSearch`.
    #[wasm_bindgen(constructor)]
    pub fn new(key_bits: u32, lanes: &str) -> Thrown<Self> {
        Search::new(key_bits, lane_choice(lanes)?)
            .map(Self)
            .map_err(|error| search_failed(&error))
    }

    /// One bounded step; big-endian bytes of one prime and then the other once both are found, and the next step begins
    /// another search.
    pub fn step(&mut self) -> Thrown<Option<Uint8Array>> {
        let primes = self
            .0
            .step_primes(&mut Host)
            .map_err(|error| search_failed(&error))?;
        Ok(primes.map(|[p, q]| {
            let (p, q) = (p.to_be_bytes(), q.to_be_bytes());
            Uint8Array::from(Zeroizing::new([p.as_slice(), q.as_slice()].concat()).as_slice())
        }))
    }

    /// Candidates tested so far.
    pub fn tests(&self) -> f64 {
        tests(self.0.progress())
    }
}

fn tests(progress: Progress) -> f64 {
    #[allow(clippy::cast_precision_loss, reason = "far below 2^53")]
    let tests = progress.tests as f64;
    tests
}

fn lane_choice(name: &str) -> Thrown<LaneChoice> {
    match name {
        "auto" => Ok(LaneChoice::Auto),
        "fma" => Ok(LaneChoice::Fma),
        "simd" => Ok(LaneChoice::Simd),
        "scalar" => Ok(LaneChoice::Scalar),
        _ => Err(JsError::new(
            "unsupported: lanes are auto, fma, simd or scalar",
        )),
    }
}

struct Host;

impl Random for Host {
    fn fill(&mut self, out: &mut [u8]) -> Result<(), RsaError> {
        HostRng.fill_bytes(out);
        Ok(())
    }
}

fn search_failed(error: &RsaError) -> JsError {
    JsError::new(&format!("internal: the search for a prime failed: {error}"))
}
