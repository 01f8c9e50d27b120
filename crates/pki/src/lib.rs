//! Certificates and keys: rcgen and ring for the ordinary, PEM and DER in and out.
//!
//! - [`inspect`] and [`open_key`] read files, [`Certificate`] and [`PrivateKey`] are what they hold.
//! - [`issue`] makes a certificate and checks it, [`generate`] a key.
//! - [`chains`] judges as the verifier of K3s does, Go's crypto/x509; [`Certificate::from_der`] reads what it reads.
//!
//! Who does what: ring signs and verifies P-256, P-384 and Ed25519 and verifies RSA; the crate `pki-rsa` makes RSA keys
//! and signs with them from 2048 bits on; the crates p521, rsa, p256 and p384 do what ring lacks (P-521, other sizes of
//! RSA, other hashes, public keys that a file leaves out); `pkcs5` opens encrypted keys; rcgen writes the template of a
//! certificate.
//!
//! Secrets are wiped when dropped, and so are the buffers that they pass through here. Libraries leave some: ring does
//! not wipe its key pairs, pkcs5 not the key that it derives, the crate `rsa` not all of its temporaries. On the stack
//! that is taken care of in `crates/wasm`, which overwrites it after each call.
#![forbid(unsafe_code)]

mod asn1;
mod base64;
mod certificate;
mod chain;
mod encrypted;
mod error;
mod inspect;
mod issue;
mod leaf;
mod name;
mod name_constraints;
pub mod pem;
mod private_key;
mod public_key;
mod request;
mod rng;
mod rsa_key;
pub mod signature;
mod time;

pub use certificate::{AltNames, BasicConstraints, Certificate};
pub use chain::{Failure, Link, NoChain, Request, chains};
pub use error::Error;
pub use inspect::{Content, inspect, open_key};
pub use issue::{Spec, Style, issue};
pub use leaf::{Check, IssuedBatch, LeafIssuer, LeafProfile};
pub use name::Attribute;
pub use pem::Block;
pub use pki_p256::{LaneChoice, TableSize};
pub use pki_rsa as rsa_engine;
pub use private_key::{Form, KeyType, PrivateKey, generate, rsa_from_primes};
pub use public_key::{Curve, KeyFacts, PublicKey};
pub use request::CertificateRequest;
pub use rng::SystemRng;
