//! P-256 in batches: field, points, fixed-base tables, ECDSA.
#![forbid(unsafe_code)]

mod bases;
mod batch;
mod curve;
mod error;
mod field;
mod modulus;
mod u256;

pub use error::P256Error;
