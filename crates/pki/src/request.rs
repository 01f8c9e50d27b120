//! Certification requests. Source: RFC 2986 (PKCS#10), RFC 2985 5.4.2 (extensionRequest).

use crate::asn1::{self, Reader};
use crate::certificate::{EXTENDED_KEY_USAGES, KEY_USAGES};
use crate::error::{Error, malformed, unsupported};
use crate::name;
use crate::public_key::{PublicKey, dotted};
use crate::signature::{self, Algorithm};
use std::net::{Ipv4Addr, Ipv6Addr};

/// What a request asks for: `CertificateRequest` in `packages/core`. What is not understood is named in `other`, so that
/// a caller can refuse what it would not grant.
#[derive(Debug, Clone)]
pub struct CertificateRequest {
    /// The key to be certified; the request is signed with it.
    pub public_key: PublicKey,
    /// The subject for people.
    pub subject: String,
    /// Values of commonName in the subject.
    pub common_names: Vec<String>,
    /// Values of organizationName in the subject.
    pub organizations: Vec<String>,
    /// dNSName.
    pub dns: Vec<String>,
    /// iPAddress as text.
    pub ip: Vec<String>,
    /// RFC 5280 names.
    pub key_usage: Vec<String>,
    /// Names or dotted OIDs.
    pub extended_key_usage: Vec<String>,
    /// Whether it asks to be a CA.
    pub ca: bool,
    /// Other attributes of the subject, other kinds of alternative names and other extensions: OIDs and kinds.
    pub other: Vec<String>,
}

impl CertificateRequest {
    /// Reads a DER CertificationRequest and verifies its signature, which proves that whoever asks has the private key.
    ///
    /// Errors: `Malformed`, also for a signature that its own key did not make; `Unsupported` for a key or a signature
    /// algorithm that is not known here, SHA-1 among them.
    pub fn from_der(der: &[u8]) -> Result<Self, Error> {
        asn1::whole_sequence(der, |reader| {
            let info = reader.expect(asn1::SEQUENCE)?;
            let identifier = reader.expect(asn1::SEQUENCE)?.raw;
            let (signature, unused) = reader.loose_bit_string()?;
            if unused != 0 {
                return Err(malformed("a request whose signature is not whole octets"));
            }
            let request = Self::from_info(info.value)?;
            let algorithm = Algorithm::from_identifier(identifier)
                .filter(|algorithm| !algorithm.is_sha1())
                .ok_or_else(|| {
                    unsupported("a request signed with an algorithm that is unknown or broken")
                })?;
            signature::verify(algorithm, &request.public_key, info.raw, signature)
                .map_err(|_| malformed("a request whose signature was not made by its own key"))?;
            Ok(request)
        })
    }

    fn from_info(info: &[u8]) -> Result<Self, Error> {
        let mut reader = Reader::new(info);
        // v1 is 0, which the reader gives without octets.
        if !reader.unsigned()?.is_empty() {
            return Err(malformed("a request of a version that is not 1"));
        }
        let subject = reader.expect(asn1::SEQUENCE)?.raw;
        let spki = reader.expect(asn1::SEQUENCE)?.raw;
        let mut request = Self {
            public_key: PublicKey::from_spki(spki)?,
            subject: name::text(subject)?,
            common_names: Vec::new(),
            organizations: Vec::new(),
            dns: Vec::new(),
            ip: Vec::new(),
            key_usage: Vec::new(),
            extended_key_usage: Vec::new(),
            ca: false,
            other: Vec::new(),
        };
        request.read_subject(subject)?;
        // RFC 2986 4.1 makes the attributes mandatory, an empty set at least; some programs leave them out.
        if let Some(attributes) = reader.optional(asn1::explicit(0))? {
            let mut attributes = Reader::new(attributes.value);
            while !attributes.is_empty() {
                request.read_attribute(attributes.sequence()?)?;
            }
        }
        reader.end()?;
        Ok(request)
    }

    fn read_subject(&mut self, subject: &[u8]) -> Result<(), Error> {
        let mut names = Reader::new(subject).sequence()?;
        while !names.is_empty() {
            let mut set = Reader::new(names.expect(asn1::SET)?.value);
            while !set.is_empty() {
                let mut attribute = set.sequence()?;
                let oid = attribute.oid()?;
                let value = attribute.element()?;
                attribute.end()?;
                let text = name::string(value.tag, value.value);
                match (oid, text) {
                    (COMMON_NAME, Some(text)) => self.common_names.push(text),
                    (ORGANIZATION, Some(text)) => self.organizations.push(text),
                    _ => self
                        .other
                        .push(format!("subject attribute {}", dotted(oid))),
                }
            }
        }
        Ok(())
    }

    /// Only the extensions count; a challenge password or a friendly name asks for nothing.
    fn read_attribute(&mut self, mut attribute: Reader<'_>) -> Result<(), Error> {
        if attribute.oid()? != EXTENSION_REQUEST {
            return Ok(());
        }
        let mut values = Reader::new(attribute.expect(asn1::SET)?.value);
        let mut extensions = values.sequence()?;
        values.end()?;
        attribute.end()?;
        while !extensions.is_empty() {
            let mut extension = extensions.sequence()?;
            let oid = extension.oid()?;
            if extension.peek() == Some(asn1::BOOLEAN) {
                extension.boolean()?;
            }
            let value = extension.expect(asn1::OCTET_STRING)?.value;
            extension.end()?;
            self.read_extension(oid, value)?;
        }
        Ok(())
    }

    fn read_extension(&mut self, oid: &[u8], value: &[u8]) -> Result<(), Error> {
        let mut reader = Reader::new(value);
        match oid {
            KEY_USAGE => {
                let (octets, unused) = reader.loose_bit_string()?;
                let bits = octets.len() * 8 - usize::from(unused);
                let set = |bit: &usize| octets[bit >> 3] >> (7 - (bit & 7)) & 1 == 1;
                for bit in (0..bits).filter(set) {
                    match KEY_USAGES.get(bit) {
                        Some(name) => self.key_usage.push((*name).to_owned()),
                        None => self.other.push(format!("key usage {bit}")),
                    }
                }
            }
            EXTENDED_KEY_USAGE => {
                let mut usages = reader.sequence()?;
                while !usages.is_empty() {
                    let oid = dotted(usages.oid()?);
                    let name = EXTENDED_KEY_USAGES.iter().find(|(_, known)| *known == oid);
                    self.extended_key_usage
                        .push(name.map_or(oid, |(name, _)| (*name).to_owned()));
                }
            }
            BASIC_CONSTRAINTS => {
                let mut constraints = reader.sequence()?;
                self.ca |= constraints.peek() == Some(asn1::BOOLEAN) && constraints.boolean()?;
            }
            SUBJECT_ALT_NAME => {
                let mut names = reader.sequence()?;
                while !names.is_empty() {
                    self.read_alt_name(names.element()?)?;
                }
            }
            // The issuer writes its own, or none; a request for one asks for no right.
            SUBJECT_KEY_ID => return Ok(()),
            _ => {
                self.other.push(format!("extension {}", dotted(oid)));
                return Ok(());
            }
        }
        reader.end()
    }

    fn read_alt_name(&mut self, name: asn1::Element<'_>) -> Result<(), Error> {
        match name.tag {
            DNS => match std::str::from_utf8(name.value) {
                Ok(text) if text.is_ascii() => self.dns.push(text.to_owned()),
                _ => return Err(malformed("a request with a DNS name that is not ASCII")),
            },
            IP => {
                if let Ok(v4) = <[u8; 4]>::try_from(name.value) {
                    self.ip.push(Ipv4Addr::from(v4).to_string());
                } else if let Ok(v6) = <[u8; 16]>::try_from(name.value) {
                    self.ip.push(Ipv6Addr::from(v6).to_string());
                } else {
                    return Err(malformed(
                        "a request with an IP address that is not 4 or 16 octets",
                    ));
                }
            }
            EMAIL => self.other.push("an email address".to_owned()),
            URI => self.other.push("a URI".to_owned()),
            _ => self
                .other
                .push("an alternative name of another kind".to_owned()),
        }
        Ok(())
    }
}

const EXTENSION_REQUEST: &[u8] = b"\x2a\x86\x48\x86\xf7\x0d\x01\x09\x0e";
const COMMON_NAME: &[u8] = b"\x55\x04\x03";
const ORGANIZATION: &[u8] = b"\x55\x04\x0a";
const SUBJECT_KEY_ID: &[u8] = b"\x55\x1d\x0e";
const KEY_USAGE: &[u8] = b"\x55\x1d\x0f";
const SUBJECT_ALT_NAME: &[u8] = b"\x55\x1d\x11";
const BASIC_CONSTRAINTS: &[u8] = b"\x55\x1d\x13";
const EXTENDED_KEY_USAGE: &[u8] = b"\x55\x1d\x25";
const EMAIL: u8 = asn1::implicit(1);
const DNS: u8 = asn1::implicit(2);
const URI: u8 = asn1::implicit(6);
const IP: u8 = asn1::implicit(7);
