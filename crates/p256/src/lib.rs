//! P-256 in batches: field, points, fixed-base tables, ECDSA.
#![forbid(unsafe_code)]

mod bases;
mod batch;
mod curve;
mod engine;
mod error;
mod field;
mod inverse;
mod modulus;
mod nonce;
mod sha256;
mod sign;
#[cfg(all(test, not(target_arch = "wasm32")))]
mod trace;
mod u256;

pub use engine::{DerSignature, Engine, KeyPair, LaneChoice, Random, Secret, Signature, TableSize};
pub use error::P256Error;
