//! What a PEM file holds, block by block.

use crate::certificate::Certificate;
use crate::encrypted;
use crate::error::{Error, malformed};
use crate::pem::{self, Block};
use crate::private_key::{Form, PrivateKey};
use crate::public_key::{KeyFacts, PublicKey};

/// What one block is: `PemBlock` in `packages/core`.
#[derive(Debug)]
#[allow(missing_docs)]
pub enum Content {
    Certificate(Box<Certificate>),
    PrivateKey {
        form: Form,
        key: KeyFacts,
    },
    /// `legacy` for RFC 1421 headers, else PKCS#8.
    EncryptedPrivateKey {
        legacy: bool,
    },
    PublicKey(KeyFacts),
    Other,
    Broken(String),
}

/// Every block of a PEM file with what it is. Never fails: what cannot be read is `Broken`, with its reason.
pub fn inspect(file: &[u8]) -> Vec<(Block, Content)> {
    pem::scan(file)
        .into_iter()
        .map(|block| {
            let content =
                content(&block).unwrap_or_else(|error| Content::Broken(error.to_string()));
            (block, content)
        })
        .collect()
}

fn content(block: &Block) -> Result<Content, Error> {
    let der = match &block.content {
        Ok(der) => der.as_slice(),
        Err(reason) => return Ok(Content::Broken(reason.clone())),
    };
    if block.encrypted {
        return Ok(Content::EncryptedPrivateKey { legacy: true });
    }
    if let Some(form) = Form::of_label(&block.label) {
        let key = match PrivateKey::from_der(form, der) {
            Ok(key) => key.public().facts(),
            Err(Error::Unsupported(_)) if form == Form::Pkcs8 => PrivateKey::pkcs8_facts(der)?,
            Err(error) => return Err(error),
        };
        return Ok(Content::PrivateKey { form, key });
    }
    Ok(match block.label.as_str() {
        "CERTIFICATE" => Content::Certificate(Box::new(Certificate::from_der(der)?)),
        "ENCRYPTED PRIVATE KEY" => Content::EncryptedPrivateKey { legacy: false },
        "PUBLIC KEY" => Content::PublicKey(KeyFacts::of_spki(der)?),
        "RSA PUBLIC KEY" => Content::PublicKey(PublicKey::from_pkcs1(der)?.facts()),
        _ => Content::Other,
    })
}

/// Opens the private key of a PEM file that holds exactly one; other blocks are passed over. Errors: `Malformed`,
/// `Unsupported`, `PassphraseNeeded`, `WrongPassphrase`.
pub fn open_key(file: &[u8], passphrase: Option<&[u8]>) -> Result<PrivateKey, Error> {
    let blocks = pem::scan(file);
    let mut keys = blocks.iter().filter(|block| {
        Form::of_label(&block.label).is_some() || block.label == "ENCRYPTED PRIVATE KEY"
    });
    let block = keys
        .next()
        .ok_or_else(|| malformed("no private key found"))?;
    if keys.next().is_some() {
        return Err(malformed("more than one private key found"));
    }
    let der = block
        .content
        .as_ref()
        .map_err(|reason| malformed(reason.as_str()))?;
    if block.encrypted {
        return Err(Error::Unsupported(
            "a key in OpenSSL's old encrypted form: convert it with openssl pkcs8 -topk8".into(),
        ));
    }
    match Form::of_label(&block.label) {
        Some(form) => PrivateKey::from_der(form, der),
        None => {
            let opened = encrypted::open(der, passphrase.ok_or(Error::PassphraseNeeded)?)?;
            PrivateKey::from_der(Form::Pkcs8, &opened)
        }
    }
}
