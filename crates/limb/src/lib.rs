//! Multi-word arithmetic over vector lanes.
//!
//! This is the only crate of the workspace that contains intrinsics and `unsafe`, and both live in
//! [`arch`] alone. Algorithms are written once, generically over [`lanes::Lanes`].
#![deny(unsafe_code)]

#[allow(unsafe_code)]
pub mod arch;
pub mod lanes;
pub mod montgomery;
pub mod residues;
#[cfg(feature = "trace")]
pub mod trace;
