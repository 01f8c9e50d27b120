//! Certification requests: what rcgen writes is read, and what is built by hand, octet by octet, is read or refused.

use pki::{CertificateRequest, Error, PublicKey};
use rcgen::{CertificateParams, DnType, ExtendedKeyUsagePurpose, SanType};
use rcgen::{KeyPair as MadeKey, PublicKeyData};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair};

#[test]
fn what_rcgen_writes_is_read() {
    for algorithm in [
        &rcgen::PKCS_ECDSA_P256_SHA256,
        &rcgen::PKCS_ECDSA_P384_SHA384,
        &rcgen::PKCS_ED25519,
    ] {
        let key = MadeKey::generate_for(algorithm).unwrap();
        let mut params =
            CertificateParams::new(["node-1".to_owned(), "*.example.org".to_owned()]).unwrap();
        let subject = &mut params.distinguished_name;
        subject.remove(DnType::CommonName);
        subject.push(DnType::OrganizationName, "system:nodes");
        subject.push(DnType::CommonName, "system:node:node-1");
        params.subject_alt_names.extend([
            SanType::IpAddress([192, 0, 2, 1].into()),
            SanType::IpAddress([0x2001, 0xdb8, 0, 0, 0, 0, 0, 7].into()),
            SanType::Rfc822Name("a@example.org".try_into().unwrap()),
            SanType::URI("spiffe://example.org/a".try_into().unwrap()),
        ]);
        params.key_usages = vec![
            rcgen::KeyUsagePurpose::DigitalSignature,
            rcgen::KeyUsagePurpose::KeyEncipherment,
        ];
        params.extended_key_usages = vec![
            ExtendedKeyUsagePurpose::ClientAuth,
            ExtendedKeyUsagePurpose::Other(vec![1, 3, 6, 1, 4, 1, 9, 9]),
        ];
        let made = params.serialize_request(&key).unwrap();
        let read = CertificateRequest::from_der(made.der()).unwrap();
        assert_eq!(read.subject, "O=system:nodes,CN=system:node:node-1");
        assert_eq!(read.common_names, ["system:node:node-1"]);
        assert_eq!(read.organizations, ["system:nodes"]);
        assert_eq!(read.dns, ["node-1", "*.example.org"]);
        assert_eq!(read.ip, ["192.0.2.1", "2001:db8::7"]);
        assert_eq!(read.key_usage, ["digitalSignature", "keyEncipherment"]);
        assert_eq!(
            read.extended_key_usage,
            ["clientAuth", "1.3.6.1.4.1.9.9"],
            "an OID where there is no name"
        );
        assert!(!read.ca);
        assert_eq!(read.other, ["an email address", "a URI"]);
        let spki = key.subject_public_key_info();
        assert_eq!(read.public_key, PublicKey::from_spki(&spki).unwrap());
    }
}

#[test]
fn nothing_asked_for_is_nothing_read() {
    for attributes in [Some(vec![]), None] {
        let read = Request {
            attributes,
            ..Request::default()
        }
        .read()
        .unwrap();
        assert_eq!(read.subject, "");
        assert!(read.common_names.is_empty() && read.organizations.is_empty());
        assert!(read.dns.is_empty() && read.ip.is_empty());
        assert!(read.key_usage.is_empty() && read.extended_key_usage.is_empty());
        assert!(!read.ca && read.other.is_empty());
    }
}

#[test]
fn what_is_not_granted_is_named() {
    // A country, an e-mail address as PKCS#9 has it, and a common name twice.
    let subject = [
        attribute(b"\x55\x04\x06", 0x13, b"JP"),
        attribute(b"\x55\x04\x03", 0x0c, b"a"),
        attribute(b"\x2a\x86\x48\x86\xf7\x0d\x01\x09\x01", 0x16, b"a@b"),
        attribute(b"\x55\x04\x03", 0x13, b"b"),
    ]
    .concat();
    // Digital signature, and the bit 9 that RFC 5280 does not know; a CA; a name as a registered ID; a policy.
    let extensions = [
        extension(b"\x55\x1d\x0f", &tlv(3, &[&[6, 0x80, 0x40]])),
        extension(b"\x55\x1d\x13", &tlv(0x30, &[&[1, 1, 0xff, 2, 1, 0]])),
        extension(b"\x55\x1d\x11", &tlv(0x30, &[&[0x88, 2, 0x2a, 3]])),
        extension(b"\x55\x1d\x20", &tlv(0x30, &[])),
        // The issuer writes a key identifier of its own.
        extension(b"\x55\x1d\x0e", &tlv(4, &[&[7; 20]])),
    ]
    .concat();
    let read = Request {
        subject,
        attributes: Some([challenge_password(), extension_request(&extensions)].concat()),
        ..Request::default()
    }
    .read()
    .unwrap();
    assert_eq!(read.common_names, ["a", "b"]);
    assert_eq!(read.key_usage, ["digitalSignature"]);
    assert!(read.ca);
    assert_eq!(
        read.other,
        [
            "subject attribute 2.5.4.6",
            "subject attribute 1.2.840.113549.1.9.1",
            "key usage 9",
            "an alternative name of another kind",
            "extension 2.5.29.32",
        ]
    );
}

#[test]
fn a_request_proves_that_its_key_is_there() {
    let der = Request::default().der();
    assert!(CertificateRequest::from_der(&der).is_ok());
    let other = Request {
        signer: Some(new_key()),
        ..Request::default()
    };
    refused(
        &other.der(),
        "a request whose signature was not made by its own key",
    );
    // Every octet counts: those of the information by the signature, the others by their form.
    for at in 0..der.len() {
        let mut changed = der.clone();
        changed[at] ^= 1;
        assert!(
            CertificateRequest::from_der(&changed).is_err(),
            "octet {at}"
        );
    }
    for length in 0..der.len() {
        assert!(CertificateRequest::from_der(&der[..length]).is_err());
    }
    assert!(CertificateRequest::from_der(&[&der[..], &[0]].concat()).is_err());
}

#[test]
fn malformed_requests() {
    let with = |extensions: Vec<u8>| Request {
        attributes: Some(extension_request(&extensions)),
        ..Request::default()
    };
    let alt = |names: &[u8]| with(extension(b"\x55\x1d\x11", &tlv(0x30, &[names]))).der();
    let version = Request {
        version: 1,
        ..Request::default()
    };
    refused(&version.der(), "a request of a version that is not 1");
    let name = "a request with a DNS name that is not ASCII";
    refused(&alt(&tlv(0x82, &["grün".as_bytes()])), name);
    refused(&alt(&tlv(0x82, &[b"\xff"])), name);
    let address = "a request with an IP address that is not 4 or 16 octets";
    for length in [0, 3, 5, 8, 17] {
        refused(&alt(&tlv(0x87, &[&vec![1; length]])), address);
    }
    // Data behind a value, behind an extension, and behind the attributes.
    let usage = [tlv(3, &[&[7, 0x80]]), vec![5, 0]].concat();
    assert!(with(extension(b"\x55\x1d\x0f", &usage)).read().is_err());
    let longer = [extension(b"\x55\x1d\x20", &tlv(0x30, &[])), vec![5, 0]].concat();
    assert!(with(longer).read().is_err());
    let set = tlv(0x31, &[&tlv(0x30, &[])]);
    let two_sets = tlv(0x30, &[EXTENSION_REQUEST, &set, &set]);
    let twice = Request {
        attributes: Some(two_sets),
        ..Request::default()
    };
    assert!(twice.read().is_err());
}

#[test]
fn algorithms_that_are_broken_or_unknown() {
    let sha1_with_rsa = b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x05".as_slice();
    let ecdsa_with_sha1 = b"\x2a\x86\x48\xce\x3d\x04\x01".as_slice();
    let unknown = b"\x2a\x03\x04".as_slice();
    for algorithm in [sha1_with_rsa, ecdsa_with_sha1, unknown] {
        let request = Request {
            algorithm,
            ..Request::default()
        };
        assert!(matches!(request.read(), Err(Error::Unsupported(_))));
    }
}

fn refused(der: &[u8], reason: &str) {
    match CertificateRequest::from_der(der) {
        Err(Error::Malformed(text)) => assert_eq!(text, reason),
        other => panic!("{other:?}"),
    }
}

/// A request of version 1 without a name, signed with a P-256 key and SHA-256.
struct Request {
    version: u8,
    subject: Vec<u8>,
    attributes: Option<Vec<u8>>,
    algorithm: &'static [u8],
    key: EcdsaKeyPair,
    /// Who signs instead of the key.
    signer: Option<EcdsaKeyPair>,
}

impl Default for Request {
    fn default() -> Self {
        Self {
            version: 0,
            subject: Vec::new(),
            attributes: Some(Vec::new()),
            algorithm: b"\x2a\x86\x48\xce\x3d\x04\x03\x02",
            key: new_key(),
            signer: None,
        }
    }
}

impl Request {
    fn read(&self) -> Result<CertificateRequest, Error> {
        CertificateRequest::from_der(&self.der())
    }

    fn der(&self) -> Vec<u8> {
        let curve = tlv(
            0x30,
            &[
                b"\x06\x07\x2a\x86\x48\xce\x3d\x02\x01",
                b"\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07",
            ],
        );
        let point = tlv(3, &[&[0], self.key.public_key().as_ref()]);
        let attributes = self.attributes.as_ref();
        let info = tlv(
            0x30,
            &[
                &[2, 1, self.version],
                &tlv(0x30, &[&self.subject]),
                &tlv(0x30, &[&curve, &point]),
                &attributes.map_or(Vec::new(), |attributes| tlv(0xa0, &[attributes])),
            ],
        );
        let signer = self.signer.as_ref().unwrap_or(&self.key);
        let signature = signer.sign(&SystemRandom::new(), &info).unwrap();
        let algorithm = tlv(0x30, &[&tlv(6, &[self.algorithm])]);
        let signature = tlv(3, &[&[0], signature.as_ref()]);
        tlv(0x30, &[&info, &algorithm, &signature])
    }
}

fn new_key() -> EcdsaKeyPair {
    let rng = SystemRandom::new();
    let algorithm = &ECDSA_P256_SHA256_ASN1_SIGNING;
    let pkcs8 = EcdsaKeyPair::generate_pkcs8(algorithm, &rng).unwrap();
    EcdsaKeyPair::from_pkcs8(algorithm, pkcs8.as_ref(), &rng).unwrap()
}

const EXTENSION_REQUEST: &[u8] = b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x09\x0e";

fn extension_request(extensions: &[u8]) -> Vec<u8> {
    let set = tlv(0x31, &[&tlv(0x30, &[extensions])]);
    tlv(0x30, &[EXTENSION_REQUEST, &set])
}

fn challenge_password() -> Vec<u8> {
    let oid = b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x09\x07";
    tlv(0x30, &[oid, &tlv(0x31, &[&tlv(0x0c, &[b"secret"])])])
}

fn extension(oid: &[u8], value: &[u8]) -> Vec<u8> {
    tlv(0x30, &[&tlv(6, &[oid]), &tlv(4, &[value])])
}

fn attribute(oid: &[u8], tag: u8, value: &[u8]) -> Vec<u8> {
    tlv(0x31, &[&tlv(0x30, &[&tlv(6, &[oid]), &tlv(tag, &[value])])])
}

fn tlv(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let value = parts.concat();
    let length = u16::try_from(value.len()).unwrap();
    let [high, low] = length.to_be_bytes();
    let header: &[u8] = match length {
        0..=0x7f => &[tag, low],
        0x80..=0xff => &[tag, 0x81, low],
        _ => &[tag, 0x82, high, low],
    };
    [header, &value].concat()
}
