//! The plain data that leaves WebAssembly, as JSON text in the shapes of `packages/core/src/types.ts`. Octets are
//! hex, but a certificate's `der` is base64, which Node decodes in native code.

use pki::{Block, Certificate, CertificateRequest, Content, KeyFacts, Link};
use std::fmt::Write;

/// One JSON object or array under construction.
struct Json(String);

impl Json {
    fn open(bracket: char) -> Self {
        Self(bracket.to_string())
    }

    fn separate(&mut self) {
        if self.0.len() > 1 {
            self.0.push(',');
        }
    }

    fn raw(&mut self, name: &str, value: &str) {
        self.separate();
        push_string(&mut self.0, name);
        self.0.push(':');
        self.0.push_str(value);
    }

    fn text(&mut self, name: &str, value: &str) {
        self.raw(name, &string(value));
    }

    fn number(&mut self, name: &str, value: impl ToString) {
        self.raw(name, &value.to_string());
    }

    fn hex(&mut self, name: &str, octets: &[u8]) {
        self.text(name, &hex(octets));
    }

    fn close(mut self, bracket: char) -> String {
        self.0.push(bracket);
        self.0
    }
}

fn hex(octets: &[u8]) -> String {
    octets.iter().fold(String::new(), |mut text, octet| {
        // Writing to a String does not fail.
        let _ = write!(text, "{octet:02x}");
        text
    })
}

fn push_string(json: &mut String, value: &str) {
    json.push('"');
    for character in value.chars() {
        match character {
            '"' => json.push_str("\\\""),
            '\\' => json.push_str("\\\\"),
            control if control < ' ' => {
                let _ = write!(json, "\\u{:04x}", u32::from(control));
            }
            other => json.push(other),
        }
    }
    json.push('"');
}

fn string(value: &str) -> String {
    let mut json = String::new();
    push_string(&mut json, value);
    json
}

fn array(items: impl IntoIterator<Item = String>) -> String {
    let items: Vec<String> = items.into_iter().collect();
    format!("[{}]", items.join(","))
}

fn strings<T: AsRef<str>>(items: &[T]) -> String {
    array(items.iter().map(|item| string(item.as_ref())))
}

/// `KeyFacts`; `spkiSha256` is empty when the public half is not known.
pub(crate) fn key_facts(key: &KeyFacts) -> String {
    let mut json = Json::open('{');
    json.text("algorithm", &key.algorithm);
    json.number("bits", key.bits);
    if let Some(curve) = &key.curve {
        json.text("curve", curve);
    }
    json.hex(
        "spkiSha256",
        key.spki_sha256
            .as_ref()
            .map_or(&[][..], |hash| hash.as_slice()),
    );
    json.close('}')
}

/// `Certificate`, `der` in base64.
pub(crate) fn certificate(certificate: &Certificate) -> String {
    let mut json = Json::open('{');
    json.text("der", &pki::pem::base64(&certificate.der));
    json.hex("sha256", &certificate.sha256);
    json.hex("serial", &certificate.serial);
    json.text("subject", &certificate.subject);
    json.text("issuer", &certificate.issuer);
    json.hex("subjectDer", &certificate.subject_der);
    json.hex("issuerDer", &certificate.issuer_der);
    json.number("notBefore", certificate.not_before);
    json.number("notAfter", certificate.not_after);
    json.raw("key", &key_facts(&certificate.key));
    if let Some(id) = &certificate.subject_key_id {
        json.hex("subjectKeyId", id);
    }
    if let Some(id) = &certificate.authority_key_id {
        json.hex("authorityKeyId", id);
    }
    if let Some(constraints) = certificate.basic_constraints {
        let mut inner = Json::open('{');
        inner.number("ca", constraints.ca);
        if let Some(length) = constraints.path_length {
            inner.number("pathLength", length);
        }
        json.raw("basicConstraints", &inner.close('}'));
    }
    if let Some(usages) = certificate.key_usage_names() {
        json.raw("keyUsage", &strings(&usages));
    }
    if let Some(usages) = &certificate.extended_key_usage {
        json.raw("extendedKeyUsage", &strings(usages));
    }
    if let Some(names) = &certificate.alt_names {
        let mut inner = Json::open('{');
        inner.raw("dns", &strings(&names.dns));
        inner.raw("ip", &strings(&names.ip));
        json.raw("subjectAltNames", &inner.close('}'));
    }
    json.text("signatureAlgorithm", &certificate.signature_algorithm);
    if let Some(why) = &certificate.refusal {
        json.text("refusal", why);
    }
    json.close('}')
}

/// `CertificateRequest`.
pub(crate) fn request(request: &CertificateRequest) -> String {
    let mut json = Json::open('{');
    json.raw("key", &key_facts(&request.public_key.facts()));
    json.text("subject", &request.subject);
    json.raw("commonNames", &strings(&request.common_names));
    json.raw("organizations", &strings(&request.organizations));
    json.raw("dns", &strings(&request.dns));
    json.raw("ip", &strings(&request.ip));
    json.raw("keyUsage", &strings(&request.key_usage));
    json.raw("extendedKeyUsage", &strings(&request.extended_key_usage));
    json.number("ca", request.ca);
    json.raw("other", &strings(&request.other));
    json.close('}')
}

/// `PemBlock[]`.
pub(crate) fn blocks(blocks: &[(Block, Content)]) -> String {
    array(blocks.iter().map(|(block, content)| {
        let mut json = Json::open('{');
        json.text("label", &block.label);
        json.number("line", block.line);
        json.number("start", block.start);
        json.number("end", block.end);
        match content {
            Content::Certificate(found) => {
                json.text("kind", "certificate");
                json.raw("certificate", &certificate(found));
            }
            Content::PrivateKey { form, key } => {
                json.text("kind", "private-key");
                json.text("form", form.name());
                json.raw("key", &key_facts(key));
            }
            Content::EncryptedPrivateKey { legacy } => {
                json.text("kind", "encrypted-private-key");
                json.text("scheme", if *legacy { "legacy" } else { "pkcs8" });
            }
            Content::PublicKey(key) => {
                json.text("kind", "public-key");
                json.raw("key", &key_facts(key));
            }
            Content::Other => json.text("kind", "other"),
            Content::Broken(reason) => {
                json.text("kind", "broken");
                json.text("reason", reason);
            }
        }
        json.close('}')
    }))
}

/// Chains as arrays of indices: 0 is the leaf, then the intermediates, then the roots, counted on.
pub(crate) fn chains(chains: &[Vec<Link>], intermediates: usize) -> String {
    let index = |link: &Link| match link {
        Link::Leaf => 0,
        Link::Intermediate(index) => 1 + index,
        Link::Root(index) => 1 + intermediates + index,
    };
    let mut json = Json::open('{');
    json.number("ok", true);
    json.raw(
        "chains",
        &array(
            chains
                .iter()
                .map(|chain| array(chain.iter().map(|link| index(link).to_string()))),
        ),
    );
    json.close('}')
}

/// A failed `ChainResult`.
pub(crate) fn no_chain(reason: &pki::NoChain) -> String {
    let mut json = Json::open('{');
    json.number("ok", false);
    json.text("failure", reason.failure.code());
    json.text("detail", &reason.detail);
    json.close('}')
}
