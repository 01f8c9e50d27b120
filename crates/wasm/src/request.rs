//! Certification requests: what they ask for, and certificates for their keys.

use crate::random::HostRng;
use crate::scrub::scrubbed;
use crate::{Blank, Key, Thrown, json, thrown};
use pki::{Certificate, CertificateRequest, Spec, Style};
use wasm_bindgen::prelude::*;

/// `CertificateRequest` as JSON, from DER. Its signature was verified.
#[wasm_bindgen(js_name = inspectRequest)]
pub fn inspect_request(der: &[u8]) -> Thrown<String> {
    CertificateRequest::from_der(der)
        .map(|request| json::request(&request))
        .map_err(thrown)
}

#[wasm_bindgen]
impl Blank {
    /// Signs it, as K3s signs leaves, for the key of a request (DER), whose signature is verified again. Returns the
    /// `Certificate` as JSON.
    #[wasm_bindgen(js_name = issueForRequest)]
    pub fn issue_for_request(
        &self,
        request: &[u8],
        issuer_key: &Key,
        issuer: &[u8],
    ) -> Thrown<String> {
        let request = CertificateRequest::from_der(request).map_err(thrown)?;
        let issuer = Certificate::from_der(issuer).map_err(thrown)?;
        let spec = Spec {
            style: Style::K3s,
            ..self.0.clone()
        };
        scrubbed(|| {
            pki::issue(
                &spec,
                &request.public_key,
                &issuer_key.0,
                Some(&issuer),
                &mut HostRng,
            )
        })
        .map(|made| json::certificate(&made))
        .map_err(thrown)
    }
}
