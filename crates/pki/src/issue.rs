//! Certificates made and signed.

use crate::asn1;
use crate::certificate::{Certificate, EXTENDED_KEY_USAGES, KEY_USAGES};
use crate::error::{Error, internal, malformed};
use crate::name::{self, Attribute};
use crate::private_key::PrivateKey;
use crate::public_key::PublicKey;
use ::time::OffsetDateTime;
use rand_core::CryptoRng;
use rcgen::{
    CertificateParams, CustomExtension, DistinguishedName, PublicKeyData, SerialNumber,
    SignatureAlgorithm, SigningKey,
};
use std::net::IpAddr;

/// Whose certificates are imitated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Style {
    /// K3s's script, which calls OpenSSL: every attribute an RDN of UTF8String; subjectKeyIdentifier,
    /// authorityKeyIdentifier, basicConstraints, keyUsage, extendedKeyUsage, subjectAltName.
    #[default]
    Script,
    /// K3s itself, which calls Go's x509.CreateCertificate: names as `name::push_leaf` has them; keyUsage,
    /// extendedKeyUsage, basicConstraints, subjectKeyIdentifier, authorityKeyIdentifier where the issuer has a
    /// subjectKeyIdentifier, subjectAltName. Source: Go, crypto/x509 buildCertExtensions.
    K3s,
}

/// A certificate to be made: `CertificateSpec` in `packages/core`, which states the order of the extensions.
#[derive(Debug, Clone, Default)]
pub struct Spec {
    /// In encoded order, UTF8String each.
    pub subject: Vec<(Attribute, String)>,
    /// Seconds since 1970.
    pub not_before: i64,
    /// Seconds since 1970.
    pub not_after: i64,
    /// Big endian, positive, at most 20 octets as encoded.
    pub serial: Vec<u8>,
    /// basicConstraints with cA when present; the number is pathLenConstraint.
    pub ca: Option<Option<u32>>,
    /// RFC 5280 names.
    pub key_usage: Vec<String>,
    /// Names or dotted OIDs; none means no extension.
    pub extended_key_usage: Vec<String>,
    /// dNSName.
    pub dns: Vec<String>,
    /// iPAddress as text.
    pub ip: Vec<String>,
    /// Whether subjectKeyIdentifier is written.
    pub subject_key_id: bool,
    /// Whether authorityKeyIdentifier is written.
    pub authority_key_id: bool,
    /// Encoding of the subject and order of the extensions.
    pub style: Style,
}

const SUBJECT_KEY_ID: &[u64] = &[2, 5, 29, 14];
const KEY_USAGE: &[u64] = &[2, 5, 29, 15];
const SUBJECT_ALT_NAME: &[u64] = &[2, 5, 29, 17];
const BASIC_CONSTRAINTS: &[u64] = &[2, 5, 29, 19];
const AUTHORITY_KEY_ID: &[u64] = &[2, 5, 29, 35];
const EXTENDED_KEY_USAGE: &[u64] = &[2, 5, 29, 37];

/// Makes and signs a certificate. Without `issuer` it is self-signed and `issuer_key` is the subject's own key.
///
/// rcgen writes version, serial, validity and the extensions. The signature algorithm, both names and the subject's
/// key are put into its TBSCertificate afterwards: rcgen knows no P-521 with ring, keeps one attribute of a type per
/// name, and would encode the issuer's name anew, where RFC 5280 4.1.2.4 wants the issuer's own octets. The result is
/// parsed again, compared with the request, and its signature verified with the issuer's public key.
///
/// Errors: `Malformed` for a request that cannot be met, `SelfCheckFailed`.
pub fn issue(
    spec: &Spec,
    subject_key: &PublicKey,
    issuer_key: &PrivateKey,
    issuer: Option<&Certificate>,
    rng: &mut dyn CryptoRng,
) -> Result<Certificate, Error> {
    let tbs = to_be_signed(spec, subject_key, issuer_key, issuer)?;
    let algorithm = issuer_key.signature_algorithm().identifier()?;
    let signature = issuer_key.sign(&tbs, rng)?;
    let der = asn1::sequence(&[&tbs, &algorithm, &asn1::bit_string(&signature)]);
    check(&der, spec, subject_key, issuer_key, issuer)
}

/// The TBSCertificate that [`issue`] signs.
pub(crate) fn to_be_signed(
    spec: &Spec,
    subject_key: &PublicKey,
    issuer_key: &PrivateKey,
    issuer: Option<&Certificate>,
) -> Result<Vec<u8>, Error> {
    match issuer {
        Some(issuer) if issuer.public_key.as_ref() != Some(issuer_key.public()) => {
            return Err(malformed("the issuer's key is not that of its certificate"));
        }
        None if subject_key != issuer_key.public() => {
            return Err(malformed(
                "a self-signed certificate is signed with its own key",
            ));
        }
        _ => {}
    }
    let subject = encode_subject(spec)?;
    if spec.subject.is_empty() && spec.dns.is_empty() && spec.ip.is_empty() {
        return Err(malformed(
            "a certificate without a subject and without alternative names",
        ));
    }
    let issuer_name = issuer.map_or(subject.as_slice(), |issuer| &issuer.subject_der);
    if spec.style == Style::K3s && issuer.is_some() && subject == issuer_name {
        return Err(malformed(
            "a leaf with the name of its issuer, which would pass for self-signed",
        ));
    }
    let authority = issuer.and_then(|issuer| issuer.subject_key_id.clone());
    let authority = match spec.style {
        _ if !spec.authority_key_id => None,
        Style::Script => {
            Some(authority.unwrap_or_else(|| issuer_key.public().key_identifier().to_vec()))
        }
        Style::K3s => authority,
    };
    let algorithm = issuer_key.signature_algorithm().identifier()?;
    let template = template(spec, subject_key, authority.as_deref())?;
    fill(&template, &algorithm, issuer_name, &subject, subject_key)
}

fn encode_subject(spec: &Spec) -> Result<Vec<u8>, Error> {
    if spec.style == Style::Script {
        return name::encode(&spec.subject);
    }
    let values = |wanted| {
        let found = spec.subject.iter().filter(move |(kind, _)| *kind == wanted);
        found.map(|(_, value)| value).collect::<Vec<_>>()
    };
    let [common_name] = values(Attribute::CommonName)[..] else {
        return Err(malformed("a leaf must have one common name"));
    };
    let mut subject = Vec::new();
    name::push_leaf(&mut subject, &values(Attribute::Organization), common_name)?;
    Ok(subject)
}

/// Parses a new certificate, compares it with the request, and verifies its signature.
pub(crate) fn check(
    der: &[u8],
    spec: &Spec,
    subject_key: &PublicKey,
    issuer_key: &PrivateKey,
    issuer: Option<&Certificate>,
) -> Result<Certificate, Error> {
    let failed = |what: &str| Error::SelfCheckFailed(format!("a new certificate {what}"));
    let made = Certificate::from_der(der).map_err(|_| failed("cannot be parsed again"))?;
    let subject = encode_subject(spec)?;
    let as_asked = made.subject_der == subject
        && made.issuer_der
            == issuer
                .map_or(&subject, |issuer| &issuer.subject_der)
                .as_slice()
        && made.not_before == spec.not_before
        && made.not_after == spec.not_after
        && made.serial == without_zeros(&spec.serial)
        && made.public_key.as_ref() == Some(subject_key);
    if !as_asked {
        return Err(failed("does not say what was asked for"));
    }
    let algorithm = made
        .algorithm
        .ok_or_else(|| failed("has an unknown algorithm"))?;
    crate::signature::verify(algorithm, issuer_key.public(), &made.tbs, &made.signature)
        .map_err(|_| failed("has a signature that does not verify"))?;
    Ok(made)
}

/// rcgen's TBSCertificate with stand-ins for both names, the key and the algorithm.
fn template(
    spec: &Spec,
    subject_key: &PublicKey,
    authority: Option<&[u8]>,
) -> Result<Vec<u8>, Error> {
    let serial = without_zeros(&spec.serial);
    // RFC 5280 4.1.2.2: positive, not more than 20 octets; a set top bit costs one more.
    let encoded = serial.len() + usize::from(serial.first().is_some_and(|octet| octet & 0x80 != 0));
    if serial.is_empty() || encoded > 20 {
        return Err(malformed(
            "a serial that is not positive or takes more than 20 octets",
        ));
    }
    if spec.not_before > spec.not_after {
        return Err(malformed("a certificate that ends before it begins"));
    }
    let time = |seconds| {
        OffsetDateTime::from_unix_timestamp(seconds)
            .ok()
            // UTCTime begins with 1950; RFC 5280 4.1.2.5 has no form for years before.
            .filter(|time| time.year() >= 1950)
            .ok_or_else(|| malformed("a validity outside the years 1950 to 9999"))
    };
    let mut params = CertificateParams::default();
    params.serial_number = Some(SerialNumber::from_slice(serial));
    params.not_before = time(spec.not_before)?;
    params.not_after = time(spec.not_after)?;
    params.distinguished_name = DistinguishedName::new();
    params.custom_extensions = extensions(spec, subject_key, authority)?;
    let made = params
        .self_signed(&StandIn)
        .map_err(|error| internal(format!("rcgen wrote no certificate: {error}")))?;
    asn1::whole_sequence(made.der(), |reader| {
        let tbs = reader.expect(asn1::SEQUENCE)?.raw.to_vec();
        reader.element()?;
        reader.element()?;
        Ok(tbs)
    })
}

/// The template with everything that rcgen cannot write. Source: RFC 5280 4.1, the order of TBSCertificate.
fn fill(
    template: &[u8],
    algorithm: &[u8],
    issuer_name: &[u8],
    subject: &[u8],
    subject_key: &PublicKey,
) -> Result<Vec<u8>, Error> {
    asn1::whole_sequence(template, |reader| {
        let version = reader.expect(asn1::explicit(0))?.raw;
        let serial = reader.expect(asn1::INTEGER)?.raw;
        reader.expect(asn1::SEQUENCE)?;
        reader.expect(asn1::SEQUENCE)?;
        let validity = reader.expect(asn1::SEQUENCE)?.raw;
        reader.expect(asn1::SEQUENCE)?;
        reader.expect(asn1::SEQUENCE)?;
        // A request without any extension has none of this.
        let extensions = reader.optional(asn1::explicit(3))?;
        let extensions = extensions.map_or(&[][..], |element| element.raw);
        let key = subject_key.spki();
        let parts = [
            version,
            serial,
            algorithm,
            issuer_name,
            validity,
            subject,
            &key,
            extensions,
        ];
        Ok(asn1::sequence(&parts).to_vec())
    })
}

struct StandIn;

impl PublicKeyData for StandIn {
    fn der_bytes(&self) -> &[u8] {
        &[]
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        &rcgen::PKCS_ED25519
    }
}

impl SigningKey for StandIn {
    fn sign(&self, _: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        Ok(Vec::new())
    }
}

/// In the order of the style; all through rcgen's custom extensions, whose order is kept.
fn extensions(
    spec: &Spec,
    subject_key: &PublicKey,
    authority: Option<&[u8]>,
) -> Result<Vec<CustomExtension>, Error> {
    let extension = |oid: &[u64], critical: bool, value: &[u8]| {
        let mut extension = CustomExtension::from_oid_content(oid, value.to_vec());
        extension.set_criticality(critical);
        extension
    };
    let subject_key_id = spec.subject_key_id.then(|| {
        let id = asn1::tlv(asn1::OCTET_STRING, &[&subject_key.key_identifier()]);
        extension(SUBJECT_KEY_ID, false, &id)
    });
    let authority_key_id = authority.map(|authority| {
        let keyid = asn1::sequence(&[&asn1::tlv(asn1::implicit(0), &[authority])]);
        extension(AUTHORITY_KEY_ID, false, &keyid)
    });
    let basic_constraints = spec.ca.map(|path_length| {
        let ca = asn1::tlv(asn1::BOOLEAN, &[&[0xff]]);
        let length = path_length.map(|length| asn1::unsigned(&length.to_be_bytes()));
        let length = length.as_ref().map_or(&[][..], |length| length.as_slice());
        extension(BASIC_CONSTRAINTS, true, &asn1::sequence(&[&ca, length]))
    });
    let mut usages = Vec::new();
    if !spec.key_usage.is_empty() {
        usages.push(extension(KEY_USAGE, true, &key_usage(&spec.key_usage)?));
    }
    if !spec.extended_key_usage.is_empty() {
        let extended = extended_key_usage(&spec.extended_key_usage)?;
        usages.push(extension(EXTENDED_KEY_USAGE, false, &extended));
    }
    let mut extensions = Vec::new();
    match spec.style {
        Style::Script => {
            extensions.extend(subject_key_id);
            extensions.extend(authority_key_id);
            extensions.extend(basic_constraints);
            extensions.extend(usages);
        }
        Style::K3s => {
            extensions.extend(usages);
            extensions.extend(basic_constraints);
            extensions.extend(subject_key_id);
            extensions.extend(authority_key_id);
        }
    }
    if !(spec.dns.is_empty() && spec.ip.is_empty()) {
        // RFC 5280 4.2.1.6: critical when the subject is empty.
        let critical = spec.subject.is_empty();
        let names = alt_names(&spec.dns, &spec.ip)?;
        extensions.push(extension(SUBJECT_ALT_NAME, critical, &names));
    }
    Ok(extensions)
}

/// A named bit list: trailing zero bits are dropped. Source: X.690 11.2.2.
fn key_usage(names: &[String]) -> Result<asn1::Der, Error> {
    let mut flags = [0u8; 2];
    let mut last = 0;
    for name in names {
        let bit = KEY_USAGES
            .iter()
            .position(|known| known == name)
            .ok_or_else(|| malformed(format!("the unknown key usage {name}")))?;
        flags[bit >> 3] |= 0x80 >> (bit & 7);
        last = last.max(bit);
    }
    let octets = &flags[..=last >> 3];
    // 0 to 7.
    let unused = [7 - (last & 7).to_le_bytes()[0]];
    Ok(asn1::tlv(asn1::BIT_STRING, &[&unused, octets]))
}

fn extended_key_usage(names: &[String]) -> Result<asn1::Der, Error> {
    let mut usages = Vec::new();
    for name in names {
        let known = EXTENDED_KEY_USAGES.iter().find(|(known, _)| known == name);
        let oid = asn1::oid_content(known.map_or(name, |(_, oid)| oid))
            .ok_or_else(|| malformed(format!("the unknown extended key usage {name}")))?;
        usages.extend_from_slice(&asn1::tlv(asn1::OID, &[&oid]));
    }
    Ok(asn1::sequence(&[&usages]))
}

fn alt_names(dns: &[String], ip: &[String]) -> Result<asn1::Der, Error> {
    let mut names = Vec::new();
    for name in dns {
        check_dns(name)?;
        names.extend_from_slice(&asn1::tlv(asn1::implicit(2), &[name.as_bytes()]));
    }
    for address in ip {
        let octets = match parse_ip(address)? {
            IpAddr::V4(address) => address.octets().to_vec(),
            IpAddr::V6(address) => address.octets().to_vec(),
        };
        names.extend_from_slice(&asn1::tlv(asn1::implicit(7), &[&octets]));
    }
    Ok(asn1::sequence(&[&names]))
}

/// Go writes an IPv4-mapped address in four octets (crypto/x509 marshalSANs), and so do we.
pub(crate) fn parse_ip(address: &str) -> Result<IpAddr, Error> {
    address
        .parse()
        .map(|address: IpAddr| address.to_canonical())
        .map_err(|_| malformed("an IP address that is not one"))
}

pub(crate) fn check_dns(name: &str) -> Result<(), Error> {
    if name.is_empty() || !name.bytes().all(|octet| octet.is_ascii_graphic()) {
        return Err(malformed("a DNS name that is empty or not plain ASCII"));
    }
    Ok(())
}

fn without_zeros(serial: &[u8]) -> &[u8] {
    let skip = serial.iter().take_while(|octet| **octet == 0).count();
    &serial[skip..]
}
