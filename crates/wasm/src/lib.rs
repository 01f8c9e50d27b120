//! wasm-bindgen exports of the core: copy in, call, copy out, wipe.
//!
//! A failure is thrown as an `Error` whose message is `code: text`, the code one of `CoreErrorCode`.
#![forbid(unsafe_code)]

mod bulk;
mod json;
pub mod primes;
mod random;
pub mod request;
mod scrub;

use crate::random::HostRng;
use crate::scrub::scrubbed;
use js_sys::Uint8Array;
use pki::{Attribute, Certificate, Form, KeyType, PrivateKey, Request, Spec};
use std::alloc::System;
use wasm_bindgen::prelude::*;
use zeroize::Zeroizing;
use zeroizing_alloc::ZeroAlloc;

/// Memory is wiped when it is freed, whoever held it: the libraries' temporaries (inverses, remainders, base64) are not
/// wiped by themselves.
#[global_allocator]
static ALLOCATOR: ZeroAlloc<System> = ZeroAlloc(System);

type Thrown<T> = Result<T, JsError>;

fn thrown(error: pki::Error) -> JsError {
    JsError::new(&format!("{}: {error}", error.code()))
}

/// A private key in WebAssembly memory; `free` wipes it.
#[wasm_bindgen]
pub struct Key(PrivateKey);

#[wasm_bindgen]
impl Key {
    /// `KeyFacts` as JSON.
    pub fn facts(&self) -> String {
        json::key_facts(&self.0.public().facts())
    }

    /// PEM in `pkcs1`, `sec1` or `pkcs8`, the usual form of the algorithm when none is named.
    pub fn pem(&self, form: Option<String>) -> Thrown<Uint8Array> {
        let form = self.form(form)?;
        // Copied straight into JavaScript's memory: a returned Vec would be freed without being wiped.
        scrubbed(|| {
            let pem = self.0.to_pem(form).map_err(thrown)?;
            Ok(Uint8Array::from(pem.as_slice()))
        })
    }

    fn form(&self, name: Option<String>) -> Thrown<Form> {
        match name {
            None => Ok(self.0.usual_form()),
            Some(name) => [Form::Pkcs1, Form::Sec1, Form::Pkcs8]
                .into_iter()
                .find(|form| form.name() == name)
                .ok_or_else(|| JsError::new("unsupported: no such form of a private key")),
        }
    }
}

/// Opens the one private key in PEM bytes.
#[wasm_bindgen(js_name = openKey)]
pub fn open_key(pem: Vec<u8>, passphrase: Option<Vec<u8>>) -> Thrown<Key> {
    let pem = Zeroizing::new(pem);
    let passphrase = passphrase.map(Zeroizing::new);
    let passphrase = passphrase.as_ref().map(|octets| octets.as_slice());
    scrubbed(|| pki::open_key(&pem, passphrase).map(Key).map_err(thrown))
}

/// Makes a key, on this thread.
#[wasm_bindgen(js_name = generateKey)]
pub fn generate_key(key_type: &str) -> Thrown<Key> {
    let key_type = KeyType::parse(key_type).map_err(thrown)?;
    scrubbed(|| pki::generate(key_type, &mut HostRng))
        .map(Key)
        .map_err(thrown)
}

/// Checks a key type without making a key.
#[wasm_bindgen(js_name = checkKeyType)]
pub fn check_key_type(key_type: &str) -> Thrown<()> {
    KeyType::parse(key_type).map(|_| ()).map_err(thrown)
}

/// `PemBlock[]` as JSON.
#[wasm_bindgen]
pub fn inspect(file: Vec<u8>) -> String {
    // The file may hold private keys.
    let file = Zeroizing::new(file);
    scrubbed(|| json::blocks(&pki::inspect(&file)))
}

/// Whether `issuer`'s key made the signature of `certificate`; both in DER.
#[wasm_bindgen(js_name = signatureHolds)]
pub fn signature_holds(certificate: &[u8], issuer: &[u8]) -> bool {
    match (
        Certificate::from_der(certificate),
        Certificate::from_der(issuer),
    ) {
        (Ok(certificate), Ok(issuer)) => issuer.check_signature_of(&certificate).is_ok(),
        _ => false,
    }
}

/// PEM of a certificate's DER.
#[wasm_bindgen(js_name = certificatePem)]
pub fn certificate_pem(der: &[u8]) -> String {
    String::from_utf8_lossy(&pki::pem::encode("CERTIFICATE", der)).into_owned()
}

/// The certificates of a chain search.
#[wasm_bindgen]
#[derive(Default)]
pub struct Pool {
    roots: Vec<Certificate>,
    intermediates: Vec<Certificate>,
}

#[wasm_bindgen]
impl Pool {
    /// An empty pool.
    #[wasm_bindgen(constructor)]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a root's DER.
    pub fn root(&mut self, der: &[u8]) -> Thrown<()> {
        self.roots.push(Certificate::from_der(der).map_err(thrown)?);
        Ok(())
    }

    /// Adds an intermediate's DER.
    pub fn intermediate(&mut self, der: &[u8]) -> Thrown<()> {
        let certificate = Certificate::from_der(der).map_err(thrown)?;
        self.intermediates.push(certificate);
        Ok(())
    }

    /// `ChainResult` as JSON, with indices for certificates: 0 the leaf, then the intermediates, then the roots.
    pub fn chains(&self, leaf: &[u8], at: f64, usages: Vec<String>) -> Thrown<String> {
        let leaf = Certificate::from_der(leaf).map_err(thrown)?;
        let found = pki::chains(&Request {
            leaf: &leaf,
            roots: &self.roots,
            intermediates: &self.intermediates,
            at: seconds(at),
            usages: &usages,
        });
        Ok(match found {
            Ok(chains) => json::chains(&chains, self.intermediates.len()),
            Err(reason) => json::no_chain(&reason),
        })
    }
}

/// A certificate to be made, filled field by field: `CertificateSpec`.
#[wasm_bindgen]
pub struct Blank(Spec);

#[wasm_bindgen]
impl Blank {
    /// A certificate without names and extensions.
    #[wasm_bindgen(constructor)]
    pub fn new(serial: Vec<u8>, not_before: f64, not_after: f64) -> Self {
        Self(Spec {
            serial,
            not_before: seconds(not_before),
            not_after: seconds(not_after),
            ..Spec::default()
        })
    }

    /// Adds an attribute, `CN` or `O`.
    pub fn subject(&mut self, attribute: &str, value: String) -> Thrown<()> {
        let attribute = match attribute {
            "CN" => Attribute::CommonName,
            "O" => Attribute::Organization,
            _ => {
                return Err(JsError::new(
                    "unsupported: a subject attribute that is not CN or O",
                ));
            }
        };
        self.0.subject.push((attribute, value));
        Ok(())
    }

    /// Sets whether the two key identifiers are written.
    #[wasm_bindgen(js_name = keyIds)]
    pub fn key_ids(&mut self, subject: bool, authority: bool) {
        self.0.subject_key_id = subject;
        self.0.authority_key_id = authority;
    }

    /// Makes it a CA.
    pub fn ca(&mut self, path_length: Option<u32>) {
        self.0.ca = Some(path_length);
    }

    /// Sets key usage and extended key usage.
    pub fn usages(&mut self, key_usage: Vec<String>, extended: Vec<String>) {
        self.0.key_usage = key_usage;
        self.0.extended_key_usage = extended;
    }

    /// Sets the alternative names.
    #[wasm_bindgen(js_name = altNames)]
    pub fn alt_names(&mut self, dns: Vec<String>, ip: Vec<String>) {
        self.0.dns = dns;
        self.0.ip = ip;
    }

    /// Signs it; without `issuer` (DER) it is self-signed. Returns the `Certificate` as JSON.
    pub fn issue(
        &self,
        subject: &Key,
        issuer_key: &Key,
        issuer: Option<Vec<u8>>,
    ) -> Thrown<String> {
        let issuer = issuer
            .map(|der| Certificate::from_der(&der))
            .transpose()
            .map_err(thrown)?;
        scrubbed(|| {
            let (subject, issuer_key) = (subject.0.public(), &issuer_key.0);
            pki::issue(&self.0, subject, issuer_key, issuer.as_ref(), &mut HostRng)
        })
        .map(|made| json::certificate(&made))
        .map_err(thrown)
    }
}

/// Seconds since 1970; whole seconds, fractions are cut off.
#[allow(
    clippy::cast_possible_truncation,
    reason = "a float beyond i64 saturates, and no such time is accepted"
)]
fn seconds(time: f64) -> i64 {
    time.floor() as i64
}
