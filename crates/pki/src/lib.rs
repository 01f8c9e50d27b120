//! Certificates and keys: rcgen and ring for the ordinary, PEM and DER in and out.
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
