//! Certificates parsed into plain facts, by the rules of the parser that K3s uses: what it reads is read here, what
//! it refuses is refused. Sources: RFC 5280; Go 1.26, `src/crypto/x509/parser.go`.

use crate::asn1::{self, Reader};
use crate::error::{Error, malformed};
use crate::name_constraints::{NameConstraints, ia5};
use crate::public_key::{KeyFacts, PublicKey, dotted, sha256};
use crate::signature::{self, Algorithm, Refusal};
use crate::{name, time};
use std::net::IpAddr;

/// Names of the key usage bits, bit 0 first. Source: RFC 5280 4.2.1.3.
pub(crate) const KEY_USAGES: [&str; 9] = [
    "digitalSignature",
    "nonRepudiation",
    "keyEncipherment",
    "dataEncipherment",
    "keyAgreement",
    "keyCertSign",
    "cRLSign",
    "encipherOnly",
    "decipherOnly",
];

/// Names of extended key usages. Source: RFC 5280 4.2.1.12.
pub(crate) const EXTENDED_KEY_USAGES: [(&str, &str); 7] = [
    ("serverAuth", "1.3.6.1.5.5.7.3.1"),
    ("clientAuth", "1.3.6.1.5.5.7.3.2"),
    ("codeSigning", "1.3.6.1.5.5.7.3.3"),
    ("emailProtection", "1.3.6.1.5.5.7.3.4"),
    ("timeStamping", "1.3.6.1.5.5.7.3.8"),
    ("OCSPSigning", "1.3.6.1.5.5.7.3.9"),
    ("anyExtendedKeyUsage", "2.5.29.37.0"),
];

/// The basicConstraints extension.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BasicConstraints {
    /// cA.
    pub ca: bool,
    /// pathLenConstraint.
    pub path_length: Option<u32>,
}

/// The names of a subjectAltName extension that K3s uses.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AltNames {
    /// dNSName.
    pub dns: Vec<String>,
    /// iPAddress as text.
    pub ip: Vec<String>,
}

/// A parsed certificate: `Certificate` in `packages/core`, and what path building needs besides.
#[derive(Debug, Clone)]
pub struct Certificate {
    /// The whole certificate.
    pub der: Vec<u8>,
    /// SHA-256 of `der`.
    pub sha256: [u8; 32],
    /// The serial without a leading zero octet.
    pub serial: Vec<u8>,
    /// Text in the encoded order.
    pub subject: String,
    /// Text in the encoded order.
    pub issuer: String,
    /// The encoded Name.
    pub subject_der: Vec<u8>,
    /// The encoded Name.
    pub issuer_der: Vec<u8>,
    /// Seconds since 1970.
    pub not_before: i64,
    /// Seconds since 1970.
    pub not_after: i64,
    /// Facts of the subject's key.
    pub key: KeyFacts,
    /// The subject's key, when its algorithm is known.
    pub public_key: Option<PublicKey>,
    /// subjectKeyIdentifier.
    pub subject_key_id: Option<Vec<u8>>,
    /// The keyid of authorityKeyIdentifier.
    pub authority_key_id: Option<Vec<u8>>,
    /// basicConstraints.
    pub basic_constraints: Option<BasicConstraints>,
    /// keyUsage, bit 0 of the number is digitalSignature.
    pub key_usage: Option<u16>,
    /// extendedKeyUsage, by name or dotted OID.
    pub extended_key_usage: Option<Vec<String>>,
    /// subjectAltName.
    pub alt_names: Option<AltNames>,
    /// OpenSSL's name or a dotted OID.
    pub signature_algorithm: String,
    /// Why Go's parser, and so K3s, refuses the certificate although it can be described: the curve of its key.
    pub refusal: Option<String>,
    pub(crate) version: u32,
    pub(crate) spki: Vec<u8>,
    pub(crate) tbs: Vec<u8>,
    pub(crate) signature: Vec<u8>,
    pub(crate) algorithm: Option<Algorithm>,
    /// The extension's value, for the test whether a certificate is already in a chain.
    pub(crate) alt_names_der: Option<Vec<u8>>,
    /// A critical extension that Go's verifier does not handle, dotted.
    pub(crate) unhandled_critical: Option<String>,
    pub(crate) name_constraints: Option<NameConstraints>,
    /// Whether there is an alternative name of the kinds email or URI.
    pub(crate) other_alt_names: bool,
    /// requireExplicitPolicy or a policy mapping: Go then builds the policy graph, we do not.
    pub(crate) policy_constraints: bool,
}

impl Certificate {
    /// Parses one DER certificate that fills `der`. Errors: `Malformed`.
    pub fn from_der(der: &[u8]) -> Result<Self, Error> {
        let mut file = Reader::new(der);
        let mut outer = file.sequence()?;
        file.end()?;
        let tbs = outer.expect(asn1::SEQUENCE)?;
        let mut reader = Reader::new(tbs.value);
        let version = version(&mut reader)?;
        let serial = reader.unsigned()?.to_vec();
        let algorithm = reader.expect(asn1::SEQUENCE)?.raw;
        if outer.expect(asn1::SEQUENCE)?.raw != algorithm {
            return Err(malformed(
                "a certificate whose two signature algorithms differ",
            ));
        }
        let issuer = reader.expect(asn1::SEQUENCE)?.raw;
        let mut validity = reader.sequence()?;
        let (not_before, not_after) = (time::read(&mut validity)?, time::read(&mut validity)?);
        let subject = reader.expect(asn1::SEQUENCE)?.raw;
        let spki = reader.expect(asn1::SEQUENCE)?.raw;
        let (public_key, refusal) = subject_key(spki)?;
        let mut certificate = Self {
            der: der.to_vec(),
            sha256: sha256(der),
            serial,
            subject: name::text(subject)?,
            issuer: name::text(issuer)?,
            subject_der: subject.to_vec(),
            issuer_der: issuer.to_vec(),
            not_before,
            not_after,
            key: KeyFacts::of_spki(spki)?,
            public_key,
            subject_key_id: None,
            authority_key_id: None,
            basic_constraints: None,
            key_usage: None,
            extended_key_usage: None,
            alt_names: None,
            signature_algorithm: signature::name(algorithm)?,
            refusal,
            version,
            spki: spki.to_vec(),
            tbs: tbs.raw.to_vec(),
            signature: Vec::new(),
            algorithm: Algorithm::from_identifier(algorithm),
            alt_names_der: None,
            unhandled_critical: None,
            name_constraints: None,
            other_alt_names: false,
            policy_constraints: false,
        };
        if version > 1 {
            reader.optional(asn1::implicit(1))?;
            reader.optional(asn1::implicit(2))?;
        }
        if version == 3
            && let Some(extensions) = reader.optional(asn1::explicit(3))?
        {
            certificate.extensions(Reader::new(extensions.value).sequence()?)?;
        }
        certificate.signature = asn1::right_aligned(outer.loose_bit_string()?);
        Ok(certificate)
    }

    fn extensions(&mut self, mut extensions: Reader<'_>) -> Result<(), Error> {
        let mut seen: Vec<&[u8]> = Vec::new();
        while !extensions.is_empty() {
            let mut extension = extensions.sequence()?;
            let oid = extension.oid()?;
            let critical = extension.peek() == Some(asn1::BOOLEAN) && extension.boolean()?;
            let value = extension.expect(asn1::OCTET_STRING)?.value;
            if seen.contains(&oid) {
                return Err(malformed("a certificate with the same extension twice"));
            }
            seen.push(oid);
            let handled = self.extension(oid, critical, value)?;
            if critical && !handled {
                self.unhandled_critical.get_or_insert(dotted(oid));
            }
        }
        Ok(())
    }

    /// Takes one extension in; whether Go's verifier handles it.
    fn extension(&mut self, oid: &[u8], critical: bool, value: &[u8]) -> Result<bool, Error> {
        let must_not_be_critical = || {
            if critical {
                Err(malformed(
                    "a certificate with an extension that is marked critical and must not be",
                ))
            } else {
                Ok(())
            }
        };
        let mut reader = Reader::new(value);
        match oid {
            SUBJECT_KEY_ID => {
                must_not_be_critical()?;
                self.subject_key_id = Some(reader.expect(asn1::OCTET_STRING)?.value.to_vec());
            }
            AUTHORITY_KEY_ID => {
                must_not_be_critical()?;
                let keyid = reader.sequence()?.optional(asn1::implicit(0))?;
                self.authority_key_id = keyid.map(|element| element.value.to_vec());
            }
            KEY_USAGE => {
                let (octets, unused) = reader.loose_bit_string()?;
                self.key_usage = Some(key_usage(octets, unused));
            }
            BASIC_CONSTRAINTS => {
                self.basic_constraints = Some(basic_constraints(reader.sequence()?)?);
            }
            SUBJECT_ALT_NAME => {
                self.alt_names_der = Some(value.to_vec());
                let names = alt_names(reader.sequence()?)?;
                self.other_alt_names = names.others;
                let known = &names.known;
                let handled = names.others || !(known.dns.is_empty() && known.ip.is_empty());
                self.alt_names = Some(names.known);
                return Ok(handled);
            }
            EXTENDED_KEY_USAGE => {
                self.extended_key_usage = Some(extended_key_usages(reader.sequence()?)?);
            }
            NAME_CONSTRAINTS => {
                let (constraints, handled) = NameConstraints::read(reader)?;
                self.name_constraints = Some(constraints);
                return Ok(handled);
            }
            CRL_DISTRIBUTION_POINTS => crl_distribution_points(reader.sequence()?)?,
            CERTIFICATE_POLICIES => policies(reader.sequence()?)?,
            POLICY_MAPPINGS => {
                self.policy_constraints = true;
                let mut mappings = reader.sequence()?;
                while !mappings.is_empty() {
                    let mut mapping = mappings.sequence()?;
                    mapping.expect(asn1::OID)?;
                    mapping.expect(asn1::OID)?;
                }
            }
            POLICY_CONSTRAINTS => {
                let mut constraints = reader.sequence()?;
                for n in [0, 1] {
                    if let Some(skip) = constraints.optional(asn1::implicit(n))? {
                        small(skip.value)?;
                        self.policy_constraints |= n == 0;
                    }
                }
            }
            INHIBIT_ANY_POLICY => {
                small(reader.expect(asn1::INTEGER)?.value)?;
            }
            AUTHORITY_INFORMATION_ACCESS => {
                must_not_be_critical()?;
                let mut descriptions = reader.sequence()?;
                while !descriptions.is_empty() {
                    let mut description = descriptions.sequence()?;
                    description.oid()?;
                    description.optional(asn1::implicit(6))?;
                }
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// Whether this certificate's key made the signature of `child`.
    pub fn check_signature_of(&self, child: &Self) -> Result<(), Refusal> {
        let (Some(algorithm), Some(key)) = (child.algorithm, &self.public_key) else {
            return Err(Refusal::Unknown);
        };
        signature::verify(algorithm, key, &child.tbs, &child.signature)
    }

    /// Names of the key usages, in bit order.
    pub fn key_usage_names(&self) -> Option<Vec<&'static str>> {
        self.key_usage.map(|flags| {
            KEY_USAGES
                .iter()
                .enumerate()
                .filter(|(bit, _)| flags >> bit & 1 == 1)
                .map(|(_, name)| *name)
                .collect()
        })
    }
}

const SUBJECT_KEY_ID: &[u8] = b"\x55\x1d\x0e";
const KEY_USAGE: &[u8] = b"\x55\x1d\x0f";
const SUBJECT_ALT_NAME: &[u8] = b"\x55\x1d\x11";
const BASIC_CONSTRAINTS: &[u8] = b"\x55\x1d\x13";
const NAME_CONSTRAINTS: &[u8] = b"\x55\x1d\x1e";
const CRL_DISTRIBUTION_POINTS: &[u8] = b"\x55\x1d\x1f";
const CERTIFICATE_POLICIES: &[u8] = b"\x55\x1d\x20";
const POLICY_MAPPINGS: &[u8] = b"\x55\x1d\x21";
const AUTHORITY_KEY_ID: &[u8] = b"\x55\x1d\x23";
const POLICY_CONSTRAINTS: &[u8] = b"\x55\x1d\x24";
const EXTENDED_KEY_USAGE: &[u8] = b"\x55\x1d\x25";
const INHIBIT_ANY_POLICY: &[u8] = b"\x55\x1d\x36";
const AUTHORITY_INFORMATION_ACCESS: &[u8] = b"\x2b\x06\x01\x05\x05\x07\x01\x01";

/// 1 to 3.
fn version(reader: &mut Reader<'_>) -> Result<u32, Error> {
    let Some(element) = reader.optional(asn1::explicit(0))? else {
        return Ok(1);
    };
    let mut inner = Reader::new(element.value);
    let version = inner.unsigned()?;
    inner.end()?;
    match version {
        [] => Ok(1),
        [1] => Ok(2),
        [2] => Ok(3),
        _ => Err(malformed(
            "a certificate of a version that is not 1, 2 or 3",
        )),
    }
}

/// The key, and why Go's parser refuses the certificate although its key can be described.
fn subject_key(spki: &[u8]) -> Result<(Option<PublicKey>, Option<String>), Error> {
    match PublicKey::from_spki(spki) {
        Ok(key) => Ok((Some(key), None)),
        Err(Error::Unsupported(why)) => {
            let facts = KeyFacts::of_spki(spki)?;
            // Go knows P-224 besides, which nobody should use; a key of another algorithm it passes over.
            Ok((None, (facts.algorithm == "ec").then_some(why)))
        }
        Err(error) => Err(error),
    }
}

fn key_usage(octets: &[u8], unused: u8) -> u16 {
    let bits = octets.len() * 8 - usize::from(unused);
    (0..bits.min(KEY_USAGES.len()))
        .filter(|bit| octets[bit >> 3] >> (7 - (bit & 7)) & 1 == 1)
        .fold(0, |flags, bit| flags | 1 << bit)
}

fn basic_constraints(mut reader: Reader<'_>) -> Result<BasicConstraints, Error> {
    let ca = reader.peek() == Some(asn1::BOOLEAN) && reader.boolean()?;
    let path_length = if reader.peek() == Some(asn1::INTEGER) {
        // Go reads 63 bits; beyond 32 no chain comes near.
        let length = reader.unsigned()?;
        if length.len() > 8 || (length.len() == 8 && length[0] & 0x80 != 0) {
            return Err(malformed("a certificate with a path length that cannot be"));
        }
        let length = length
            .iter()
            .fold(0u64, |sum, octet| sum << 8 | u64::from(*octet));
        Some(u32::try_from(length).unwrap_or(u32::MAX))
    } else {
        None
    };
    Ok(BasicConstraints { ca, path_length })
}

fn extended_key_usages(mut reader: Reader<'_>) -> Result<Vec<String>, Error> {
    let mut usages = Vec::new();
    while !reader.is_empty() {
        let oid = dotted(reader.oid()?);
        let name = EXTENDED_KEY_USAGES.iter().find(|(_, known)| *known == oid);
        usages.push(name.map_or(oid, |(name, _)| (*name).to_owned()));
    }
    Ok(usages)
}

pub(crate) const EMAIL: u8 = asn1::implicit(1);
pub(crate) const DNS: u8 = asn1::implicit(2);
pub(crate) const URI: u8 = asn1::implicit(6);
pub(crate) const IP: u8 = asn1::implicit(7);

struct FoundNames {
    known: AltNames,
    /// Email or URI.
    others: bool,
}

/// Go also refuses URIs that its net/url cannot parse; of that only the control characters are followed.
fn alt_names(mut reader: Reader<'_>) -> Result<FoundNames, Error> {
    let mut known = AltNames::default();
    let mut others = false;
    while !reader.is_empty() {
        let name = reader.element()?;
        match name.tag {
            DNS => known.dns.push(ia5(name.value)?.to_owned()),
            EMAIL => {
                ia5(name.value)?;
                others = true;
            }
            URI => {
                if ia5(name.value)?
                    .bytes()
                    .any(|octet| octet.is_ascii_control())
                {
                    return Err(malformed("a certificate with a damaged URI"));
                }
                others = true;
            }
            IP => {
                let address = if let Ok(v4) = <[u8; 4]>::try_from(name.value) {
                    IpAddr::from(v4)
                } else if let Ok(v6) = <[u8; 16]>::try_from(name.value) {
                    IpAddr::from(v6)
                } else {
                    return Err(malformed(
                        "a certificate with an IP address that is not 4 or 16 octets",
                    ));
                };
                known.ip.push(address.to_string());
            }
            _ => {}
        }
    }
    Ok(FoundNames { known, others })
}

fn crl_distribution_points(mut points: Reader<'_>) -> Result<(), Error> {
    while !points.is_empty() {
        let mut point = points.sequence()?;
        if let Some(name) = point.optional(asn1::explicit(0))? {
            let mut names = Reader::new(Reader::new(name.value).expect(asn1::explicit(0))?.value);
            while names.peek() == Some(URI) {
                names.element()?;
            }
        }
    }
    Ok(())
}

fn policies(mut policies: Reader<'_>) -> Result<(), Error> {
    let mut seen: Vec<&[u8]> = Vec::new();
    while !policies.is_empty() {
        let oid = policies.sequence()?.expect(asn1::OID)?.value;
        if seen.contains(&oid) || !asn1::is_oid(oid, u64::MAX) {
            return Err(malformed("a certificate with damaged policies"));
        }
        seen.push(oid);
    }
    Ok(())
}

/// The content of an INTEGER of at most 64 bits.
fn small(content: &[u8]) -> Result<(), Error> {
    let minimal = match content {
        [] => false,
        [0, second, ..] => second & 0x80 != 0,
        [0xff, second, ..] => second & 0x80 == 0,
        _ => true,
    };
    if minimal && content.len() <= 8 {
        Ok(())
    } else {
        Err(malformed("a certificate with a damaged policy constraint"))
    }
}
