//! Verification of the signatures that certificates carry.

use crate::asn1::{self, Der, Reader};
use crate::error::{Error, unsupported};
use crate::public_key::{Curve, PublicKey, bit_length};
use ring::{digest, signature};
use rsa::{BoxedUint, pkcs1v15::Pkcs1v15Sign, pss::Pss};
use std::cell::RefCell;
use std::collections::VecDeque;

/// A hash that a signature is made over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Hash {
    Sha1,
    Sha256,
    Sha384,
    Sha512,
}

/// A signature algorithm of a certificate. Source: RFC 3279, RFC 4055, RFC 5758, RFC 8410.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// RSASSA-PKCS1-v1_5.
    RsaPkcs1(Hash),
    /// RSASSA-PSS with MGF1 of the same hash and a salt of the hash's length.
    RsaPss(Hash),
    /// ECDSA with any of the curves.
    Ecdsa(Hash),
    /// Ed25519.
    Ed25519,
}

/// Why a signature does not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// The key did not make it.
    Wrong,
    /// The algorithm, or the key's size for it, is not known here.
    Unknown,
}

const OIDS: [(&[u8], &str, Option<Algorithm>); 15] = {
    use Hash::{Sha1, Sha256, Sha384, Sha512};
    [
        (
            b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x04",
            "md5WithRSAEncryption",
            None,
        ),
        (
            b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x05",
            "sha1WithRSAEncryption",
            Some(Algorithm::RsaPkcs1(Sha1)),
        ),
        (
            b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0b",
            "sha256WithRSAEncryption",
            Some(Algorithm::RsaPkcs1(Sha256)),
        ),
        (
            b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0c",
            "sha384WithRSAEncryption",
            Some(Algorithm::RsaPkcs1(Sha384)),
        ),
        (
            b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0d",
            "sha512WithRSAEncryption",
            Some(Algorithm::RsaPkcs1(Sha512)),
        ),
        (
            b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0e",
            "sha224WithRSAEncryption",
            None,
        ),
        (b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0a", "rsassaPss", None),
        (
            b"\x2a\x86\x48\xce\x3d\x04\x01",
            "ecdsa-with-SHA1",
            Some(Algorithm::Ecdsa(Sha1)),
        ),
        (
            b"\x2a\x86\x48\xce\x3d\x04\x03\x01",
            "ecdsa-with-SHA224",
            None,
        ),
        (
            b"\x2a\x86\x48\xce\x3d\x04\x03\x02",
            "ecdsa-with-SHA256",
            Some(Algorithm::Ecdsa(Sha256)),
        ),
        (
            b"\x2a\x86\x48\xce\x3d\x04\x03\x03",
            "ecdsa-with-SHA384",
            Some(Algorithm::Ecdsa(Sha384)),
        ),
        (
            b"\x2a\x86\x48\xce\x3d\x04\x03\x04",
            "ecdsa-with-SHA512",
            Some(Algorithm::Ecdsa(Sha512)),
        ),
        (b"\x2b\x65\x70", "ed25519", Some(Algorithm::Ed25519)),
        (b"\x2b\x65\x71", "ed448", None),
        // The OIW's OID for the same algorithm; Go knows it too. It comes last: `identifier` takes the first.
        (
            b"\x2b\x0e\x03\x02\x1d",
            "sha1WithRSA",
            Some(Algorithm::RsaPkcs1(Sha1)),
        ),
    ]
};

const PSS: &[u8] = b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0a";
const MGF1: &[u8] = b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x08";

/// The name of a certificate's signature algorithm: OpenSSL's, or a dotted OID. `identifier` is the DER AlgorithmIdentifier.
pub(crate) fn name(identifier: &[u8]) -> Result<String, Error> {
    let oid = Reader::new(identifier).sequence()?.algorithm()?;
    Ok(OIDS.iter().find(|(known, _, _)| *known == oid).map_or_else(
        || crate::public_key::dotted(oid),
        |(_, name, _)| (*name).to_owned(),
    ))
}

impl Algorithm {
    /// Reads a DER AlgorithmIdentifier; `None` when it is not known. PSS counts only with equal hashes and a salt of
    /// their length, as Go's crypto/x509 has it (`getSignatureAlgorithmFromAI`).
    pub fn from_identifier(identifier: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(identifier).sequence().ok()?;
        let oid = reader.expect(asn1::OID).ok()?.value;
        if oid == PSS {
            return pss_hash(&mut reader).ok().flatten().map(Self::RsaPss);
        }
        let (_, _, algorithm) = OIDS.iter().find(|(known, _, _)| *known == oid)?;
        let algorithm = (*algorithm)?;
        // RFC 8410 3: no parameters; Go refuses any here and ignores them elsewhere.
        if algorithm == Self::Ed25519 && !reader.is_empty() {
            return None;
        }
        Some(algorithm)
    }

    /// The DER AlgorithmIdentifier. Errors: `Unsupported` for PSS, which is verified and never made.
    pub(crate) fn identifier(self) -> Result<Der, Error> {
        let (oid, _, _) = OIDS
            .iter()
            .find(|(_, _, algorithm)| *algorithm == Some(self))
            .ok_or_else(|| unsupported("a certificate signed with RSASSA-PSS"))?;
        let oid = asn1::tlv(asn1::OID, &[oid]);
        // RFC 4055 5: NULL for RSA; RFC 5758 3.2 and RFC 8410 3: absent for the others.
        Ok(match self {
            Self::RsaPkcs1(_) => asn1::sequence(&[&oid, &asn1::tlv(asn1::NULL, &[])]),
            _ => asn1::sequence(&[&oid]),
        })
    }

    /// Whether the hash is one that nothing new may rest on.
    pub fn is_sha1(self) -> bool {
        matches!(
            self,
            Self::RsaPkcs1(Hash::Sha1) | Self::RsaPss(Hash::Sha1) | Self::Ecdsa(Hash::Sha1)
        )
    }
}

/// RSASSA-PSS-params. Source: RFC 4055 3.1.
fn pss_hash(reader: &mut Reader<'_>) -> Result<Option<Hash>, Error> {
    let mut parameters = reader.sequence()?;
    let mut inner = |tag| {
        parameters
            .optional(asn1::explicit(tag))
            .map(|found| found.map(|element| Reader::new(element.value)))
    };
    let (Some(mut hash), Some(mut mask), Some(mut salt)) = (inner(0)?, inner(1)?, inner(2)?) else {
        // The defaults are SHA-1 and a salt of 20 octets.
        return Ok(None);
    };
    if let Some(mut trailer) = inner(3)?
        && trailer.unsigned()? != [1]
    {
        return Ok(None);
    }
    let hash = hash_of(&mut hash)?;
    let mut mask = mask.sequence()?;
    let is_mgf1 = mask.expect(asn1::OID)?.value == MGF1;
    let salt = salt.unsigned()?;
    Ok(hash.filter(|hash| {
        is_mgf1
            && hash_of(&mut mask).is_ok_and(|found| found == Some(*hash))
            && salt == [hash.salt_octet()]
    }))
}

fn hash_of(reader: &mut Reader<'_>) -> Result<Option<Hash>, Error> {
    let mut identifier = reader.sequence()?;
    let oid = identifier.expect(asn1::OID)?.value;
    if !identifier.is_empty() {
        identifier.expect(asn1::NULL)?;
    }
    Ok(match oid {
        b"\x60\x86\x48\x01\x65\x03\x04\x02\x01" => Some(Hash::Sha256),
        b"\x60\x86\x48\x01\x65\x03\x04\x02\x02" => Some(Hash::Sha384),
        b"\x60\x86\x48\x01\x65\x03\x04\x02\x03" => Some(Hash::Sha512),
        _ => None,
    })
}

impl Hash {
    fn salt_octet(self) -> u8 {
        match self {
            Self::Sha1 => 20,
            Self::Sha256 => 32,
            Self::Sha384 => 48,
            Self::Sha512 => 64,
        }
    }

    fn digest(self, message: &[u8]) -> digest::Digest {
        let algorithm = match self {
            Self::Sha1 => &digest::SHA1_FOR_LEGACY_USE_ONLY,
            Self::Sha256 => &digest::SHA256,
            Self::Sha384 => &digest::SHA384,
            Self::Sha512 => &digest::SHA512,
        };
        digest::digest(algorithm, message)
    }
}

/// Verifies a signature as a certificate carries it. RSA from 1024 to 8192 bits.
pub fn verify(
    algorithm: Algorithm,
    key: &PublicKey,
    message: &[u8],
    signature: &[u8],
) -> Result<(), Refusal> {
    match (algorithm, key) {
        (Algorithm::RsaPkcs1(hash), PublicKey::Rsa { modulus, exponent }) => {
            rsa(false, hash, (modulus, exponent), message, signature)
        }
        (Algorithm::RsaPss(hash), PublicKey::Rsa { modulus, exponent }) => {
            rsa(true, hash, (modulus, exponent), message, signature)
        }
        (Algorithm::Ecdsa(hash), PublicKey::Ec { curve, point }) => {
            ecdsa(*curve, hash, point, message, signature)
        }
        (Algorithm::Ed25519, PublicKey::Ed25519(point)) => {
            by_ring(&signature::ED25519, point, message, signature)
        }
        _ => Err(Refusal::Wrong),
    }
}

fn by_ring(
    algorithm: &'static dyn signature::VerificationAlgorithm,
    key: &[u8],
    message: &[u8],
    signature: &[u8],
) -> Result<(), Refusal> {
    signature::UnparsedPublicKey::new(algorithm, key)
        .verify(message, signature)
        .map_err(|_| Refusal::Wrong)
}

/// RSA signatures that are remembered; a set of CAs has less than twenty.
const REMEMBERED: usize = 64;

thread_local! {
    /// SHA-256 of everything that went into them.
    static HELD: RefCell<VecDeque<[u8; 32]>> = const { RefCell::new(VecDeque::new()) };
}

/// `rsa_anew` once for equal arguments: each certificate is verified when it was made, and in every chain that is judged
/// after it, and ring takes 2 ms for 4096 bits in WebAssembly.
fn rsa(
    pss: bool,
    hash: Hash,
    key: (&[u8], &[u8]),
    message: &[u8],
    signature: &[u8],
) -> Result<(), Refusal> {
    let mut context = digest::Context::new(&digest::SHA256);
    context.update(&[u8::from(pss), hash as u8]);
    for part in [key.0, key.1, message, signature] {
        context.update(&(part.len() as u64).to_be_bytes());
        context.update(part);
    }
    let mut what = [0; 32];
    what.copy_from_slice(context.finish().as_ref());
    if HELD.with_borrow(|held| held.contains(&what)) {
        return Ok(());
    }
    rsa_anew(pss, hash, key, message, signature)?;
    HELD.with_borrow_mut(|held| {
        held.truncate(REMEMBERED - 1);
        held.push_front(what);
    });
    Ok(())
}

fn rsa_anew(
    pss: bool,
    hash: Hash,
    (modulus, exponent): (&[u8], &[u8]),
    message: &[u8],
    signature: &[u8],
) -> Result<(), Refusal> {
    let bits = bit_length(modulus);
    if !(1024..=8192).contains(&bits) {
        return Err(Refusal::Unknown);
    }
    let components = signature::RsaPublicKeyComponents {
        n: modulus,
        e: exponent,
    };
    let algorithm = match (pss, hash) {
        (false, Hash::Sha1) => Some(&signature::RSA_PKCS1_1024_8192_SHA1_FOR_LEGACY_USE_ONLY),
        (false, Hash::Sha256) => Some(&signature::RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY),
        (false, Hash::Sha512) => Some(&signature::RSA_PKCS1_1024_8192_SHA512_FOR_LEGACY_USE_ONLY),
        (false, Hash::Sha384) if bits >= 2048 => Some(&signature::RSA_PKCS1_2048_8192_SHA384),
        (true, Hash::Sha256) if bits >= 2048 => Some(&signature::RSA_PSS_2048_8192_SHA256),
        (true, Hash::Sha384) if bits >= 2048 => Some(&signature::RSA_PSS_2048_8192_SHA384),
        (true, Hash::Sha512) if bits >= 2048 => Some(&signature::RSA_PSS_2048_8192_SHA512),
        _ => None,
    };
    // ring's own bounds on e: odd, at least 3, at most 33 bits.
    let ring_takes = (2..=33).contains(&bit_length(exponent));
    if let (Some(algorithm), true) = (algorithm, ring_takes) {
        return components
            .verify(algorithm, message, signature)
            .map_err(|_| Refusal::Wrong);
    }
    let integer = BoxedUint::from_be_slice_vartime;
    let key =
        rsa::PublicKey::new_with_size_limits(integer(modulus), integer(exponent), 1024..=8192)
            .map_err(|_| Refusal::Unknown)?;
    let digest = hash.digest(message);
    let digest = digest.as_ref();
    match (pss, hash) {
        (false, Hash::Sha1) => key.verify(Pkcs1v15Sign::new::<sha1::Sha1>(), digest, signature),
        (false, Hash::Sha256) => key.verify(Pkcs1v15Sign::new::<sha2::Sha256>(), digest, signature),
        (false, Hash::Sha384) => key.verify(Pkcs1v15Sign::new::<sha2::Sha384>(), digest, signature),
        (false, Hash::Sha512) => key.verify(Pkcs1v15Sign::new::<sha2::Sha512>(), digest, signature),
        (true, Hash::Sha256) => key.verify(Pss::<sha2::Sha256>::new(), digest, signature),
        (true, Hash::Sha384) => key.verify(Pss::<sha2::Sha384>::new(), digest, signature),
        (true, Hash::Sha512) => key.verify(Pss::<sha2::Sha512>::new(), digest, signature),
        (true, Hash::Sha1) => return Err(Refusal::Unknown),
    }
    .map_err(|_| Refusal::Wrong)
}

fn ecdsa(
    curve: Curve,
    hash: Hash,
    point: &[u8],
    message: &[u8],
    signature: &[u8],
) -> Result<(), Refusal> {
    let algorithm: Option<&'static dyn signature::VerificationAlgorithm> = match (curve, hash) {
        (Curve::P256, Hash::Sha256) => Some(&signature::ECDSA_P256_SHA256_ASN1),
        (Curve::P256, Hash::Sha384) => Some(&signature::ECDSA_P256_SHA384_ASN1),
        (Curve::P384, Hash::Sha256) => Some(&signature::ECDSA_P384_SHA256_ASN1),
        (Curve::P384, Hash::Sha384) => Some(&signature::ECDSA_P384_SHA384_ASN1),
        _ => None,
    };
    if let Some(algorithm) = algorithm {
        return by_ring(algorithm, point, message, signature);
    }
    let digest = hash.digest(message);
    // The crate refuses hashes shorter than half the order (SHA-1 and SHA-256 on P-521): SEC 1 4.1.4 takes a short
    // hash as the integer it is, so zeros in front change nothing.
    let size = digest.as_ref().len().max(curve.size());
    let mut prehash = vec![0; size];
    prehash[size - digest.as_ref().len()..].copy_from_slice(digest.as_ref());
    macro_rules! verify {
        ($curve:ident) => {{
            use $curve::ecdsa::signature::hazmat::PrehashVerifier;
            let key = $curve::ecdsa::VerifyingKey::from_sec1_bytes(point);
            let signature = $curve::ecdsa::DerSignature::from_bytes(signature);
            match (key, signature) {
                (Ok(key), Ok(signature)) => key
                    .verify_prehash(&prehash, &signature)
                    .map_err(|_| Refusal::Wrong),
                _ => Err(Refusal::Wrong),
            }
        }};
    }
    match curve {
        Curve::P256 => verify!(p256),
        Curve::P384 => verify!(p384),
        Curve::P521 => verify!(p521),
    }
}
