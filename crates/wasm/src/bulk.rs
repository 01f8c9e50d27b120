//! Leaves in batches: one `LeafIssuer` a worker.

use crate::{Thrown, thrown};
use js_sys::Uint8Array;
use pki::{Certificate, Check, KeyType, LaneChoice, LeafProfile, SystemRng, TableSize};
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
            ca_key: pki::open_key(&ca_key, None).map_err(thrown)?,
            key_usage,
            extended_key_usage,
            key_type: KeyType::parse(key_type).map_err(thrown)?,
        };
        self.0.add_profile(profile).map_err(thrown)
    }

    /// Issues a batch. Layouts: the module `leaf` of the crate `pki`.
    pub fn issue(&mut self, profile: usize, rows: &[u8]) -> Thrown<Uint8Array> {
        let batch = self
            .0
            .issue(profile, rows, &mut SystemRng::default())
            .map_err(thrown)?;
        Ok(Uint8Array::from(batch.as_bytes()))
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
