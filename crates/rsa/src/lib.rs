//! RSA keys: sieve, primality, generation, CRT signing.
//!
//! [`Search`] makes a [`KeyPair`] in bounded steps; [`PrimeSearch`] is one half of it, for two
//! workers. Randomness is an argument, and equal randomness gives equal keys on every
//! [`LaneChoice`]. The bias of the search, what it leaks by timing, and what is wiped are told in
//! `docs/search.md`.
//!
//! The pairwise consistency test of FIPS 186-5 (sign with the new key, verify) is left to the
//! caller, who has an independent verifier.
#![doc = include_str!("../docs/search.md")]
#![forbid(unsafe_code)]

mod der;
mod error;
mod key;
mod lanes;
mod number;
mod primality;
mod primes;
mod random;
mod search;
mod sieve;
mod sign;
#[cfg(test)]
mod trace;
#[cfg(test)]
mod vectors;

pub use error::RsaError;
pub use key::KeyPair;
pub use lanes::LaneChoice;
pub use random::Random;
pub use search::{Prime, PrimeSearch, Progress, Search};
