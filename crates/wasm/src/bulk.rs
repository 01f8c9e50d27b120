//! Leaves in batches: one `LeafIssuer` a worker.

use crate::random::HostRng;
use crate::scrub::scrubbed;
use crate::{Thrown, thrown};
use js_sys::Uint8Array;
use pki::{Certificate, Check, KeyType, LaneChoice, LeafProfile, TableSize};
use wasm_bindgen::prelude::*;
use zeroize::Zeroizing;

/// Profiles, the engine's table, and the memory of a batch; `free` wipes the CAs' keys.
#[wasm_bindgen]
pub struct LeafIssuer(pki::LeafIssuer);

#[wasm_bindgen]
impl LeafIssuer {
    /// `lanes` is `auto`, `fma`, `simd` or `scalar`; `many` asks for the table that pays from some thousand rows on.
    #[wasm_bindgen(constructor)]
    pub fn new(lanes: &str, many: bool, check_all: bool) -> Thrown<Self> {
        let lanes = match lanes {
            "auto" => LaneChoice::Auto,
            "fma" => LaneChoice::Fma,
            "simd" => LaneChoice::Simd,
            "scalar" => LaneChoice::Scalar,
            _ => {
                return Err(JsError::new(
                    "unsupported: lanes that are not auto, fma, simd or scalar",
                ));
            }
        };
        let table = if many {
            TableSize::Large
        } else {
            TableSize::Small
        };
        let check = if check_all { Check::All } else { Check::Sample };
        Ok(Self(pki::LeafIssuer::new(lanes, table, check)))
    }

    /// Adds a profile and returns its index. `ca` is DER, `ca_key` PEM.
    #[wasm_bindgen(js_name = addProfile)]
    pub fn add_profile(
        &mut self,
        ca: &[u8],
        ca_key: Vec<u8>,
        key_usage: Vec<String>,
        extended_key_usage: Vec<String>,
        key_type: &str,
    ) -> Thrown<usize> {
        let ca_key = Zeroizing::new(ca_key);
        let profile = LeafProfile {
            ca: Certificate::from_der(ca).map_err(thrown)?,
            ca_key: scrubbed(|| pki::open_key(&ca_key, None)).map_err(thrown)?,
            key_usage,
            extended_key_usage,
            key_type: KeyType::parse(key_type).map_err(thrown)?,
        };
        scrubbed(|| self.0.add_profile(profile)).map_err(thrown)
    }

    /// Issues a batch into `memory`, or into new memory where that is too small, and returns the part that it filled. Layouts:
    /// the module `leaf` of the crate `pki`.
    pub fn issue(
        &mut self,
        profile: usize,
        rows: &[u8],
        memory: Option<Uint8Array>,
    ) -> Thrown<Uint8Array> {
        let batch = scrubbed(|| self.0.issue(profile, rows, &mut HostRng)).map_err(thrown)?;
        let batch = batch.as_bytes();
        // Both lengths are a JavaScript array's: far below 2^32.
        let length = u32::try_from(batch.len()).unwrap_or(u32::MAX);
        // A batch of as many rows differs by the few octets that its signatures and names take more.
        let memory = memory
            .filter(|memory| memory.length() >= length)
            .unwrap_or_else(|| Uint8Array::new_with_length(length + (length >> 4)));
        let filled = memory.subarray(0, length);
        filled.copy_from(batch);
        Ok(filled)
    }

    /// A new key for each SHA-256 digest and the digest's signature by the profile's CA, to be measured: 138 octets each,
    /// see `LeafIssuer` of the crate `pki`.
    #[wasm_bindgen(js_name = signWithNewKeys)]
    pub fn sign_with_new_keys(&mut self, profile: usize, digests: &[u8]) -> Thrown<Vec<u8>> {
        let (digests, rest) = digests.as_chunks();
        if !rest.is_empty() {
            return Err(JsError::new("malformed: digests that are not of 32 octets"));
        }
        scrubbed(|| self.0.sign_with_new_keys(profile, digests, &mut HostRng)).map_err(thrown)
    }

    /// The lanes in use, as the constructor names them.
    pub fn lanes(&self) -> String {
        let name = match self.0.lanes() {
            LaneChoice::Auto => "auto",
            LaneChoice::Fma => "fma",
            LaneChoice::Simd => "simd",
            LaneChoice::Scalar => "scalar",
        };
        name.to_owned()
    }
}
