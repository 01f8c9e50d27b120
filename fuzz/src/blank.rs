//! Certificates built octet by octet, so that a fuzzer decides what stands where.

use ring::signature::{Ed25519KeyPair, KeyPair};
use std::sync::OnceLock;

/// AlgorithmIdentifier of Ed25519. Source: RFC 8410 section 3.
pub(crate) const ED25519: &[u8] = b"\x30\x05\x06\x03\x2b\x65\x70";
pub(crate) const COMMON_NAME: &[u8] = b"\x06\x03\x55\x04\x03";
pub(crate) const ROOT: [u8; 14] = *b"\x30\x0c\x31\x0a\x30\x08\x06\x03\x55\x04\x03\x0c\x01a";
pub(crate) const LEAF: [u8; 14] = *b"\x30\x0c\x31\x0a\x30\x08\x06\x03\x55\x04\x03\x0c\x01b";
pub(crate) const OTHER: [u8; 14] = *b"\x30\x0c\x31\x0a\x30\x08\x06\x03\x55\x04\x03\x0c\x01c";
pub(crate) const FOURTH: [u8; 14] = *b"\x30\x0c\x31\x0a\x30\x08\x06\x03\x55\x04\x03\x0c\x01d";

/// A certificate built octet by octet.
pub(crate) struct Blank<'a> {
    pub(crate) subject: &'a [u8],
    pub(crate) issuer: &'a [u8],
    pub(crate) extensions: &'a [u8],
    /// Whose it is.
    pub(crate) key: usize,
}

impl Default for Blank<'_> {
    fn default() -> Self {
        Self {
            subject: &LEAF,
            issuer: &ROOT,
            extensions: &[],
            key: 1,
        }
    }
}

impl Blank<'_> {
    pub(crate) fn der(&self, issuer: &Ed25519KeyPair) -> Vec<u8> {
        let validity = tlv(
            0x30,
            &[
                &tlv(0x17, &[b"250101000000Z"]),
                &tlv(0x17, &[b"270101000000Z"]),
            ],
        );
        let extensions = tlv(0xa3, &[&tlv(0x30, &[self.extensions])]);
        let with: &[u8] = if self.extensions.is_empty() {
            &[]
        } else {
            &extensions
        };
        let version: &[u8] = b"\xa0\x03\x02\x01\x02";
        let parts = [
            version,
            b"\x02\x01\x01",
            ED25519,
            self.issuer,
            &validity,
            self.subject,
            &spki(self.key),
            with,
        ];
        let tbs = tlv(0x30, &parts);
        let signature = issuer.sign(&tbs);
        tlv(0x30, &[&tbs, ED25519, &tlv(3, &[&[0], signature.as_ref()])])
    }
}

pub(crate) fn extension(oid: &[u8], value: &[u8]) -> Vec<u8> {
    tlv(0x30, &[&tlv(6, &[oid]), &tlv(4, &[value])])
}

pub(crate) fn spki(index: usize) -> Vec<u8> {
    tlv(
        0x30,
        &[ED25519, &tlv(3, &[&[0], key(index).public_key().as_ref()])],
    )
}

/// Four keys for everybody to know.
pub(crate) fn key(index: usize) -> &'static Ed25519KeyPair {
    static KEYS: OnceLock<[Ed25519KeyPair; 4]> = OnceLock::new();
    let made = |seed: u8| {
        Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).unwrap_or_else(|why| panic!("{why}"))
    };
    &KEYS.get_or_init(|| [1, 2, 3, 4].map(made))[index & 3]
}

pub(crate) fn tlv(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    let octets = length.to_be_bytes();
    let skip = octets.iter().take_while(|octet| **octet == 0).count();
    let mut der = vec![tag];
    match u8::try_from(length) {
        Ok(short) if short < 0x80 => der.push(short),
        _ => {
            der.push(0x80 | u8::try_from(octets.len() - skip).unwrap_or(8));
            der.extend_from_slice(&octets[skip..]);
        }
    }
    parts.iter().for_each(|part| der.extend_from_slice(part));
    der
}
