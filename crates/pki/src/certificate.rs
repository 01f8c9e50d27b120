//! Certificates parsed into plain facts. Source: RFC 5280; what Go's crypto/x509 refuses to parse is refused here
//! where K3s would meet it: negative serials, repeated extensions, inner and outer algorithms that differ.

use crate::asn1::{self, Reader};
use crate::error::{Error, malformed};
use crate::name;
use crate::public_key::{KeyFacts, PublicKey, sha256};
use crate::signature::{self, Algorithm, Refusal};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::{GeneralName, ParsedExtension};
use x509_parser::prelude::FromDer;

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
    pub(crate) version: u32,
    pub(crate) spki: Vec<u8>,
    pub(crate) tbs: Vec<u8>,
    pub(crate) signature: Vec<u8>,
    pub(crate) algorithm: Option<Algorithm>,
    /// The extension's value, for the test whether a certificate is already in a chain.
    pub(crate) alt_names_der: Option<Vec<u8>>,
    /// A critical extension that Go's verifier does not handle, dotted.
    pub(crate) unhandled_critical: Option<String>,
    pub(crate) name_constraints: bool,
    /// requireExplicitPolicy or a policy mapping: Go then builds the policy graph, we do not.
    pub(crate) policy_constraints: bool,
}

impl Certificate {
    /// Parses one DER certificate that fills `der`. Errors: `Malformed`.
    pub fn from_der(der: &[u8]) -> Result<Self, Error> {
        let outer = Outer::read(der)?;
        let (rest, parsed) = X509Certificate::from_der(der)
            .map_err(|_| malformed("not a certificate: its DER is damaged"))?;
        if !rest.is_empty() {
            return Err(malformed("a certificate with octets after its end"));
        }
        let tbs = &parsed.tbs_certificate;
        let spki = tbs.subject_pki.raw;
        let key = KeyFacts::of_spki(spki)?;
        let mut certificate = Self {
            der: der.to_vec(),
            sha256: sha256(der),
            serial: outer.serial.to_vec(),
            subject: name::text(tbs.subject.as_raw())?,
            issuer: name::text(tbs.issuer.as_raw())?,
            subject_der: tbs.subject.as_raw().to_vec(),
            issuer_der: tbs.issuer.as_raw().to_vec(),
            not_before: tbs.validity.not_before.timestamp(),
            not_after: tbs.validity.not_after.timestamp(),
            key,
            public_key: PublicKey::from_spki(spki).ok(),
            subject_key_id: None,
            authority_key_id: None,
            basic_constraints: None,
            key_usage: None,
            extended_key_usage: None,
            alt_names: None,
            signature_algorithm: signature::name(outer.algorithm)?,
            version: tbs.version.0 + 1,
            spki: spki.to_vec(),
            tbs: outer.tbs.to_vec(),
            signature: outer.signature.to_vec(),
            algorithm: Algorithm::from_identifier(outer.algorithm),
            alt_names_der: None,
            unhandled_critical: None,
            name_constraints: false,
            policy_constraints: false,
        };
        let mut seen: Vec<&[u8]> = Vec::new();
        for extension in parsed.extensions() {
            let oid = extension.oid.as_bytes();
            if seen.contains(&oid) {
                return Err(malformed("a certificate with the same extension twice"));
            }
            seen.push(oid);
            let handled = certificate.take(
                extension.parsed_extension(),
                extension.value,
                extension.critical,
            )?;
            if extension.critical && !handled {
                let id = crate::public_key::dotted(oid);
                certificate.unhandled_critical.get_or_insert(id);
            }
        }
        Ok(certificate)
    }

    /// Takes one extension in; whether Go's verifier would handle it.
    fn take(
        &mut self,
        extension: &ParsedExtension<'_>,
        value: &[u8],
        critical: bool,
    ) -> Result<bool, Error> {
        match extension {
            ParsedExtension::SubjectKeyIdentifier(id) if !critical => {
                self.subject_key_id = Some(id.0.to_vec());
            }
            ParsedExtension::AuthorityKeyIdentifier(id) if !critical => {
                self.authority_key_id = id.key_identifier.as_ref().map(|id| id.0.to_vec());
            }
            ParsedExtension::SubjectKeyIdentifier(_)
            | ParsedExtension::AuthorityKeyIdentifier(_)
            | ParsedExtension::AuthorityInfoAccess(_)
                if critical =>
            {
                return Err(malformed(
                    "a certificate with an identifier extension that is marked critical",
                ));
            }
            ParsedExtension::BasicConstraints(constraints) => {
                self.basic_constraints = Some(BasicConstraints {
                    ca: constraints.ca,
                    path_length: constraints.path_len_constraint,
                });
            }
            ParsedExtension::KeyUsage(usage) => self.key_usage = Some(usage.flags & 0x1ff),
            ParsedExtension::ExtendedKeyUsage(_) => {
                self.extended_key_usage = Some(extended_key_usages(value)?);
            }
            ParsedExtension::SubjectAlternativeName(names) => {
                self.alt_names_der = Some(value.to_vec());
                self.alt_names = Some(alt_names(&names.general_names)?);
                return Ok(names.general_names.iter().any(|name| {
                    matches!(
                        name,
                        GeneralName::DNSName(_)
                            | GeneralName::RFC822Name(_)
                            | GeneralName::URI(_)
                            | GeneralName::IPAddress(_)
                    )
                }));
            }
            ParsedExtension::NameConstraints(constraints) => {
                self.name_constraints = true;
                let subtrees = [
                    &constraints.permitted_subtrees,
                    &constraints.excluded_subtrees,
                ];
                return Ok(subtrees.into_iter().flatten().flatten().all(|subtree| {
                    matches!(
                        subtree.base,
                        GeneralName::DNSName(_)
                            | GeneralName::RFC822Name(_)
                            | GeneralName::URI(_)
                            | GeneralName::IPAddress(_)
                    )
                }));
            }
            ParsedExtension::PolicyConstraints(constraints) => {
                self.policy_constraints |= constraints.require_explicit_policy.is_some();
            }
            ParsedExtension::PolicyMappings(_) => self.policy_constraints = true,
            ParsedExtension::CertificatePolicies(_)
            | ParsedExtension::InhibitAnyPolicy(_)
            | ParsedExtension::CRLDistributionPoints(_)
            | ParsedExtension::AuthorityInfoAccess(_) => {}
            ParsedExtension::ParseError { .. } => {
                return Err(malformed("a certificate with an extension that is damaged"));
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

/// The parts that are kept as octets.
struct Outer<'a> {
    tbs: &'a [u8],
    serial: &'a [u8],
    algorithm: &'a [u8],
    signature: &'a [u8],
}

impl<'a> Outer<'a> {
    fn read(der: &'a [u8]) -> Result<Self, Error> {
        asn1::whole_sequence(der, |reader| {
            let tbs = reader.expect(asn1::SEQUENCE)?;
            let algorithm = reader.expect(asn1::SEQUENCE)?.raw;
            let signature = reader.bit_string()?;
            let mut inner = Reader::new(tbs.value);
            inner.optional(asn1::explicit(0))?;
            let serial = inner.unsigned()?;
            if inner.expect(asn1::SEQUENCE)?.raw != algorithm {
                return Err(malformed(
                    "a certificate whose two signature algorithms differ",
                ));
            }
            Ok(Self {
                tbs: tbs.raw,
                serial,
                algorithm,
                signature,
            })
        })
    }
}

fn extended_key_usages(value: &[u8]) -> Result<Vec<String>, Error> {
    asn1::whole_sequence(value, |reader| {
        let mut usages = Vec::new();
        while !reader.is_empty() {
            let oid = crate::public_key::dotted(reader.expect(asn1::OID)?.value);
            let name = EXTENDED_KEY_USAGES.iter().find(|(_, known)| *known == oid);
            usages.push(name.map_or(oid, |(name, _)| (*name).to_owned()));
        }
        Ok(usages)
    })
}

fn alt_names(names: &[GeneralName<'_>]) -> Result<AltNames, Error> {
    let mut found = AltNames::default();
    for name in names {
        match name {
            GeneralName::DNSName(dns) => found.dns.push((*dns).to_owned()),
            GeneralName::IPAddress(octets) => {
                let address = if let Ok(v4) = <[u8; 4]>::try_from(*octets) {
                    IpAddr::V4(Ipv4Addr::from(v4))
                } else if let Ok(v6) = <[u8; 16]>::try_from(*octets) {
                    IpAddr::V6(Ipv6Addr::from(v6))
                } else {
                    return Err(malformed(
                        "a certificate with an IP address that is not 4 or 16 octets",
                    ));
                };
                found.ip.push(address.to_string());
            }
            _ => {}
        }
    }
    Ok(found)
}
