//! One function for each target: input in any shape, no panic, and what must hold of what was read. `libFuzzer` calls
//! them with inputs without end, `crates/pki/tests/fuzz_seeds.rs` with the kept ones.

mod blank;

use blank::{Blank, COMMON_NAME, ED25519, FOURTH, LEAF, OTHER, ROOT, extension, key, spki, tlv};
use pkcs5::EncryptionScheme;
use pkcs5::der::Decode;
use pkcs5::der::asn1::{AnyRef, OctetStringRef};
use pkcs5::pbes2::Kdf;
use pki::{
    Attribute, Certificate, CertificateRequest, Check, Content, Curve, Form, KeyFacts, KeyType,
    LaneChoice, LeafIssuer, LeafProfile, Link, PrivateKey, PublicKey, Request, Spec, Style,
    SystemRng, TableSize, pem,
};
use std::cell::RefCell;
use std::sync::OnceLock;

/// Runs one input.
pub type Target = fn(&[u8]);

/// Name and function of every target.
pub const TARGETS: [(&str, Target); 11] = [
    ("pem", pem),
    ("certificate", certificate),
    ("names", names),
    ("name_constraints", name_constraints),
    ("chains", chains),
    ("public_key", public_key),
    ("private_key", private_key),
    ("encrypted_key", encrypted_key),
    ("request", request),
    ("issue", issue),
    ("rows", rows),
];

/// A PEM file: its blocks lie in it, in order, and one that was read is written again with the same content.
pub fn pem(file: &[u8]) {
    let mut last = 0;
    for (block, _) in pki::inspect(file) {
        assert!(last <= block.start && block.start < block.end && block.end <= file.len());
        assert!(block.line >= 1);
        last = block.end;
        let Ok(content) = &block.content else {
            continue;
        };
        let text = pem::encode(&block.label, content);
        let [again] = pem::scan(&text)
            .try_into()
            .unwrap_or_else(|_| panic!("not one block"));
        assert!(again.label == block.label && again.content.as_ref() == Ok(content));
    }
    for passphrase in [None, Some(&b"other"[..])] {
        if let Ok(key) = pki::open_key(file, passphrase) {
            key_again(&key);
        }
    }
}

/// A certificate in DER.
pub fn certificate(der: &[u8]) {
    let Ok(read) = Certificate::from_der(der) else {
        return;
    };
    assert_eq!(read.der, der);
    assert!(is_plain(&read.subject) && is_plain(&read.issuer));
    let _ = read.key_usage_names();
    let _ = read.check_signature_of(&read);
    let found = pki::inspect(&pem::encode("CERTIFICATE", der));
    assert!(matches!(
        found.as_slice(),
        [(_, Content::Certificate(again))] if again.sha256 == read.sha256
    ));
    let roots = [read.clone()];
    let _ = pki::chains(&Request {
        leaf: &read,
        roots: &roots,
        intermediates: &roots,
        at: read.not_before,
        usages: &[],
    });
}

/// A Name, or the value of one attribute behind its tag, as subject and issuer of a certificate.
pub fn names(data: &[u8]) {
    let Some((mode, rest)) = data.split_first() else {
        return;
    };
    let name = match (mode & 1, rest) {
        (1, [tag, value @ ..]) => {
            let pair = tlv(0x30, &[COMMON_NAME, &tlv(*tag, &[value])]);
            tlv(0x30, &[&tlv(0x31, &[&pair])])
        }
        _ => rest.to_vec(),
    };
    let blank = Blank {
        subject: &name,
        issuer: &name,
        ..Blank::default()
    };
    if let Ok(read) = Certificate::from_der(&blank.der(key(0))) {
        assert_eq!(read.subject_der, name);
        assert_eq!(read.subject, read.issuer);
        assert!(is_plain(&read.subject));
    }
}

/// Name constraints of a root and alternative names of a leaf below: octets 1 and 2 are the length of the former. What
/// the constraints allow is allowed without them too.
pub fn name_constraints(data: &[u8]) {
    let Some((length, rest)) = data.split_first_chunk::<2>() else {
        return;
    };
    let length = usize::from(u16::from_be_bytes(*length));
    let Some((constraints, names)) = rest.split_at_checked(length) else {
        return;
    };
    let judge = |constraints: Option<&[u8]>| {
        let with = constraints.map(|value| extension(&[0x55, 0x1d, 0x1e], value));
        let ca = [
            extension(&[0x55, 0x1d, 0x13], &[0x30, 3, 1, 1, 0xff]),
            with.unwrap_or_default(),
        ]
        .concat();
        let root = Blank {
            subject: &ROOT,
            issuer: &ROOT,
            extensions: &ca,
            key: 0,
        };
        let alt_names = extension(&[0x55, 0x1d, 0x11], &tlv(0x30, &[names]));
        let leaf = Blank {
            subject: &LEAF,
            issuer: &ROOT,
            extensions: &alt_names,
            key: 1,
        };
        let root = Certificate::from_der(&root.der(key(0))).ok()?;
        let leaf = Certificate::from_der(&leaf.der(key(0))).ok()?;
        let usages = ["any".to_owned()];
        let found = pki::chains(&Request {
            leaf: &leaf,
            roots: &[root],
            intermediates: &[],
            at: NOW,
            usages: &usages,
        });
        Some(found.is_ok())
    };
    if judge(Some(constraints)) == Some(true) {
        assert_eq!(judge(None), Some(true));
    }
}

/// Up to 8 certificates of four names and four keys, signed by any of the keys, four octets each; the first is the
/// leaf. Every chain that is found holds.
pub fn chains(data: &[u8]) {
    let (rows, _) = data.as_chunks::<4>();
    let mut all: Vec<(bool, Certificate)> = Vec::new();
    for [place, ca, usage, version] in rows.iter().take(8) {
        let pick = |shift: u8| usize::from(place >> shift & 3);
        let mut extensions = Vec::new();
        match ca & 7 {
            0 => {}
            1 => extensions.extend(extension(&[0x55, 0x1d, 0x13], &[0x30, 0])),
            2 | 3 => {
                let length = [0x30, 6, 1, 1, 0xff, 2, 1, ca >> 3 & 3];
                extensions.extend(extension(&[0x55, 0x1d, 0x13], &length));
            }
            _ => extensions.extend(extension(&[0x55, 0x1d, 0x13], &[0x30, 3, 1, 1, 0xff])),
        }
        if usage & 1 == 1 {
            extensions.extend(extension(&[0x55, 0x1d, 0x0f], &[3, 2, 0, usage & 0xfc]));
        }
        if usage & 2 == 2 {
            let purpose = [
                0x30,
                10,
                6,
                8,
                0x2b,
                6,
                1,
                5,
                5,
                7,
                3,
                1 + (version >> 5 & 1),
            ];
            extensions.extend(extension(&[0x55, 0x1d, 0x25], &purpose));
        }
        if version & 4 == 4 {
            // An authority key identifier that is wrong.
            extensions.extend(extension(&[0x55, 0x1d, 0x23], &[0x30, 3, 0x80, 1, 1]));
        }
        let name = |index: usize| [ROOT, LEAF, OTHER, FOURTH][index];
        let blank = Blank {
            subject: &name(pick(0)),
            issuer: &name(pick(2)),
            extensions: &extensions,
            key: pick(4),
        };
        let made = Certificate::from_der(&blank.der(key(pick(6))));
        all.push((
            version & 1 == 1,
            made.unwrap_or_else(|why| panic!("the template: {why}")),
        ));
    }
    let Some(((_, leaf), others)) = all.split_first() else {
        return;
    };
    let of = |is_root| {
        let found = others.iter().filter(|(root, _)| *root == is_root);
        found
            .map(|(_, certificate)| certificate.clone())
            .collect::<Vec<_>>()
    };
    let (roots, intermediates) = (of(true), of(false));
    let usages = [String::from(if data[0] & 1 == 1 {
        "any"
    } else {
        "serverAuth"
    })];
    let request = Request {
        leaf,
        roots: &roots,
        intermediates: &intermediates,
        at: NOW,
        usages: &usages,
    };
    let Ok(found) = pki::chains(&request) else {
        return;
    };
    assert!(!found.is_empty());
    for chain in found {
        let at = |link: &Link| match link {
            Link::Leaf => leaf,
            Link::Intermediate(index) => &intermediates[*index],
            Link::Root(index) => &roots[*index],
        };
        assert!(matches!(chain[0], Link::Leaf));
        match chain.last() {
            Some(Link::Root(_)) => {}
            _ => assert!(chain.len() == 1 && roots.iter().any(|root| root.der == leaf.der)),
        }
        for pair in chain.windows(2) {
            let (child, parent) = (at(&pair[0]), at(&pair[1]));
            assert_eq!(child.issuer_der, parent.subject_der);
            assert!(parent.check_signature_of(child).is_ok());
            assert!(parent.basic_constraints.is_some_and(|it| it.ca));
        }
    }
}

/// SubjectPublicKeyInfo, or RSAPublicKey, in DER.
pub fn public_key(der: &[u8]) {
    let _ = KeyFacts::of_spki(der);
    for read in [PublicKey::from_spki(der), PublicKey::from_pkcs1(der)]
        .into_iter()
        .flatten()
    {
        assert_eq!(PublicKey::from_spki(&read.spki()).as_ref(), Ok(&read));
        let _ = read.key_identifier();
    }
}

/// A private key in DER behind an octet that chooses the form.
pub fn private_key(data: &[u8]) {
    let Some((form, der)) = data.split_first() else {
        return;
    };
    let form = [Form::Pkcs1, Form::Sec1, Form::Pkcs8][usize::from(form % 3)];
    match PrivateKey::from_der(form, der) {
        Ok(key) => key_again(&key),
        Err(error) => assert!(error.to_string().len() < 200),
    }
    let _ = PrivateKey::pkcs8_facts(der);
}

/// An EncryptedPrivateKeyInfo in DER; not one whose derivation takes long.
pub fn encrypted_key(der: &[u8]) {
    if derivation_takes_long(der) {
        return;
    }
    let file = pem::encode("ENCRYPTED PRIVATE KEY", der);
    if let Ok(key) = pki::open_key(&file, Some(b"passphrase")) {
        key_again(&key);
    }
}

fn derivation_takes_long(der: &[u8]) -> bool {
    let scheme = AnyRef::from_der(der).and_then(|outer| {
        outer.sequence(|reader| {
            let scheme = EncryptionScheme::decode(reader)?;
            <&OctetStringRef>::decode(reader)?;
            Ok::<_, pkcs5::der::Error>(scheme)
        })
    });
    match scheme {
        Ok(EncryptionScheme::Pbes2(parameters)) => match &parameters.kdf {
            Kdf::Pbkdf2(kdf) => kdf.iteration_count > 100,
            Kdf::Scrypt(kdf) => {
                let work = u64::from(kdf.block_size) * u64::from(kdf.parallelization);
                // What is over the limits of the core is refused before anything is derived.
                kdf.cost_parameter.saturating_mul(work) > 512 && kdf.cost_parameter < 1 << 22
            }
            _ => false,
        },
        _ => false,
    }
}

/// A certification request in DER; behind an odd octet only its attributes, which are then signed.
pub fn request(data: &[u8]) {
    let Some((mode, rest)) = data.split_first() else {
        return;
    };
    let der = if mode & 1 == 0 {
        rest.to_vec()
    } else {
        let spki = spki(1);
        let info = tlv(0x30, &[&[2, 1, 0], &LEAF, &spki, &tlv(0xa0, &[rest])]);
        let signature = key(1).sign(&info);
        tlv(
            0x30,
            &[&info, ED25519, &tlv(3, &[&[0], signature.as_ref()])],
        )
    };
    let Ok(read) = CertificateRequest::from_der(&der) else {
        return;
    };
    assert!(is_plain(&read.subject));
    assert!(read.dns.iter().all(|name| name.is_ascii()));
    assert!(
        read.ip
            .iter()
            .all(|ip| ip.parse::<std::net::IpAddr>().is_ok())
    );
}

/// A certificate's fields, separated by zeros: common name, organization, then names and addresses by turns. What is
/// made holds what was asked for.
pub fn issue(data: &[u8]) {
    let Some((mode, rest)) = data.split_first() else {
        return;
    };
    let Ok(text) = std::str::from_utf8(rest) else {
        return;
    };
    let mut fields = text.split('\0').map(str::to_owned);
    let mut spec = Spec {
        subject: vec![(Attribute::CommonName, fields.next().unwrap_or_default())],
        not_before: NOW - i64::from(*mode),
        not_after: NOW + i64::from(*mode),
        serial: vec![1, *mode],
        key_usage: vec!["digitalSignature".to_owned()],
        subject_key_id: true,
        authority_key_id: true,
        style: if mode & 1 == 1 {
            Style::K3s
        } else {
            Style::Script
        },
        ..Spec::default()
    };
    if let Some(organization) = fields.next() {
        spec.subject
            .insert(0, (Attribute::Organization, organization));
    }
    for (index, field) in fields.enumerate() {
        if index & 1 == 0 {
            spec.dns.push(field)
        } else {
            spec.ip.push(field)
        }
    }
    static CA: OnceLock<(PrivateKey, Certificate)> = OnceLock::new();
    let (key, ca) = CA.get_or_init(|| authority(KeyType::Ed25519));
    match pki::issue(
        &spec,
        key.public(),
        key,
        Some(ca),
        &mut SystemRng::default(),
    ) {
        Ok(made) => {
            let names = made.alt_names.unwrap_or_default();
            assert_eq!(names.dns, spec.dns);
            assert_eq!(names.ip.len(), spec.ip.len());
            assert_eq!(
                (made.not_before, made.not_after),
                (spec.not_before, spec.not_after)
            );
        }
        Err(error) => assert_eq!(error.code(), "malformed", "{error}"),
    }
}

/// Packed rows of a batch.
pub fn rows(data: &[u8]) {
    thread_local! {
        static ISSUER: RefCell<LeafIssuer> = RefCell::new({
            let mut issuer = LeafIssuer::new(LaneChoice::Auto, TableSize::Small, Check::Sample);
            let (ca_key, ca) = authority(KeyType::Ec(Curve::P256));
            let profile = LeafProfile {
                ca,
                ca_key,
                key_usage: vec!["digitalSignature".to_owned()],
                extended_key_usage: vec!["clientAuth".to_owned()],
                key_type: KeyType::Ec(Curve::P256),
            };
            issuer.add_profile(profile).unwrap_or_else(|why| panic!("the profile: {why}"));
            issuer
        });
    }
    ISSUER.with_borrow_mut(
        |issuer| match issuer.issue(0, data, &mut SystemRng::default()) {
            Ok(batch) => check_batch(batch.as_bytes(), number(data, 0)),
            Err(error) => assert_eq!(error.code(), "malformed", "{error}"),
        },
    );
}

/// Certificate and key of every row. Source: the layout at `IssuedBatch`.
fn check_batch(octets: &[u8], count: usize) {
    for row in 0..count {
        for (at, is_key) in [(16 * row, false), (16 * row + 8, true)] {
            let pem = &octets[number(octets, at)..][..number(octets, at + 4)];
            let found = pki::inspect(pem);
            let [(_, content)] = found.as_slice() else {
                panic!("not one block")
            };
            assert!(match content {
                Content::Certificate(_) => !is_key,
                Content::PrivateKey { .. } => is_key,
                _ => false,
            });
        }
    }
}

fn number(octets: &[u8], at: usize) -> usize {
    let octets = octets[at..].first_chunk::<4>().copied();
    octets.map_or(0, |it| u32::from_le_bytes(it) as usize)
}

/// A key that was read is written in every form that it has, and read again as the same.
fn key_again(key: &PrivateKey) {
    for form in [Form::Pkcs1, Form::Sec1, Form::Pkcs8] {
        let Ok(der) = key.to_der(form) else { continue };
        let again =
            PrivateKey::from_der(form, &der).unwrap_or_else(|why| panic!("not read again: {why}"));
        assert!(again.public() == key.public());
    }
}

/// Whether a name can't deceive on a terminal.
fn is_plain(text: &str) -> bool {
    !text.chars().any(|it| it.is_control() || matches!(it, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}'))
}

fn authority(key_type: KeyType) -> (PrivateKey, Certificate) {
    let made = new_authority(key_type, &mut SystemRng::default());
    made.unwrap_or_else(|why| panic!("the CA: {why}"))
}

fn new_authority(
    key_type: KeyType,
    rng: &mut SystemRng,
) -> Result<(PrivateKey, Certificate), pki::Error> {
    let key = pki::generate(key_type, rng)?;
    let spec = Spec {
        subject: vec![(Attribute::CommonName, "ca".to_owned())],
        not_before: NOW - 1_000_000,
        not_after: NOW + 1_000_000,
        serial: vec![1],
        ca: Some(None),
        key_usage: vec!["keyCertSign".to_owned()],
        subject_key_id: true,
        ..Spec::default()
    };
    let ca = pki::issue(&spec, key.public(), &key, None, rng)?;
    Ok((key, ca))
}

const NOW: i64 = 1_767_225_600;
