use crate::asn1::{self, Der, Reader};
use crate::error::{Error, malformed, unsupported};
use ring::digest;

pub(crate) const RSA_ENCRYPTION: &[u8] = b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01";
pub(crate) const EC_PUBLIC_KEY: &[u8] = b"\x2a\x86\x48\xce\x3d\x02\x01";
pub(crate) const ED25519: &[u8] = b"\x2b\x65\x70";

/// The curves that keys may lie on. Source: SEC 2, RFC 5480.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Curve {
    /// secp256r1.
    P256,
    /// secp384r1.
    P384,
    /// secp521r1.
    P521,
}

impl Curve {
    const ALL: [Self; 3] = [Self::P256, Self::P384, Self::P521];

    /// The name as the command line writes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::P256 => "p256",
            Self::P384 => "p384",
            Self::P521 => "p521",
        }
    }

    /// Size of the order in bits.
    pub fn bits(self) -> u32 {
        match self {
            Self::P256 => 256,
            Self::P384 => 384,
            Self::P521 => 521,
        }
    }

    /// Octets of a scalar, and of a coordinate.
    pub(crate) fn size(self) -> usize {
        match self {
            Self::P256 => 32,
            Self::P384 => 48,
            Self::P521 => 66,
        }
    }

    pub(crate) fn oid(self) -> &'static [u8] {
        match self {
            Self::P256 => b"\x2a\x86\x48\xce\x3d\x03\x01\x07",
            Self::P384 => b"\x2b\x81\x04\x00\x22",
            Self::P521 => b"\x2b\x81\x04\x00\x23",
        }
    }

    pub(crate) fn from_oid(oid: &[u8]) -> Option<Self> {
        Self::ALL.into_iter().find(|curve| curve.oid() == oid)
    }
}

/// A public key that signatures can be verified with. Integers are big endian without leading zeros; points are
/// uncompressed (04, x, y).
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum PublicKey {
    Rsa { modulus: Vec<u8>, exponent: Vec<u8> },
    Ec { curve: Curve, point: Vec<u8> },
    Ed25519([u8; 32]),
}

/// What can be said of a key without its secret: `KeyFacts` in `packages/core`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyFacts {
    /// `rsa`, `ec`, `ed25519` or a dotted OID.
    pub algorithm: String,
    /// Bits of the modulus or of the curve's order; 0 when the algorithm is not known.
    pub bits: u32,
    /// `p256`, `p384`, `p521` or the curve's dotted OID, for `ec`.
    pub curve: Option<String>,
    /// SHA-256 of the DER SubjectPublicKeyInfo; `None` when the public half is not known.
    pub spki_sha256: Option<[u8; 32]>,
}

pub(crate) fn sha256(octets: &[u8]) -> [u8; 32] {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest::digest(&digest::SHA256, octets).as_ref());
    hash
}

/// Bits of a big-endian integer without leading zeros.
pub(crate) fn bit_length(octets: &[u8]) -> u32 {
    match octets {
        [] => 0,
        [first, rest @ ..] => {
            // No integer here is near 2^29 octets.
            let rest = u32::try_from(rest.len()).unwrap_or(u32::MAX >> 3);
            u8::BITS - first.leading_zeros() + 8 * rest
        }
    }
}

impl PublicKey {
    /// Reads a DER SubjectPublicKeyInfo. Errors: `Malformed`; `Unsupported` for an algorithm, a curve or a point form
    /// that is not known here. Source: RFC 5280 4.1.2.7, RFC 3279 2.3, RFC 5480, RFC 8410.
    pub fn from_spki(spki: &[u8]) -> Result<Self, Error> {
        let mut reader = Reader::new(spki).sequence()?;
        let mut algorithm = reader.sequence()?;
        let oid = algorithm.algorithm()?;
        let bits = asn1::right_aligned(reader.loose_bit_string()?);
        match oid {
            RSA_ENCRYPTION => {
                // RFC 3279 2.3.1: the parameters are NULL. Go refuses a key without them, so it is refused here.
                algorithm.expect(asn1::NULL)?;
                Self::from_pkcs1(&bits)
            }
            EC_PUBLIC_KEY => {
                let curve = named_curve(&mut algorithm)?;
                let key = Self::from_point(curve, &bits)?;
                key.check_point()?;
                Ok(key)
            }
            ED25519 => {
                algorithm.end()?;
                let point = bits
                    .as_slice()
                    .try_into()
                    .map_err(|_| malformed("an Ed25519 public key that is not 32 octets"))?;
                Ok(Self::Ed25519(point))
            }
            _ => Err(unsupported(format!(
                "a key of the algorithm {}, which is not RSA, EC or Ed25519",
                dotted(oid)
            ))),
        }
    }

    /// Reads a PKCS#1 RSAPublicKey. Source: RFC 8017 A.1.1.
    pub fn from_pkcs1(der: &[u8]) -> Result<Self, Error> {
        let mut reader = Reader::new(der).sequence()?;
        let modulus = reader.unsigned()?.to_vec();
        let exponent = reader.unsigned()?.to_vec();
        // Go reads the exponent into 63 bits.
        if modulus.is_empty() || exponent.is_empty() || bit_length(&exponent) > 63 {
            return Err(malformed(
                "an RSA key with a modulus or exponent that cannot be",
            ));
        }
        Ok(Self::Rsa { modulus, exponent })
    }

    /// Whether an EC key's point lies on its curve.
    fn check_point(&self) -> Result<(), Error> {
        let Self::Ec { curve, point } = self else {
            return Ok(());
        };
        let on_curve = match curve {
            Curve::P256 => p256::PublicKey::from_sec1_bytes(point).is_ok(),
            Curve::P384 => p384::PublicKey::from_sec1_bytes(point).is_ok(),
            Curve::P521 => p521::PublicKey::from_sec1_bytes(point).is_ok(),
        };
        if on_curve {
            Ok(())
        } else {
            Err(malformed("an EC key whose point is not on its curve"))
        }
    }

    pub(crate) fn from_point(curve: Curve, point: &[u8]) -> Result<Self, Error> {
        match point {
            [2 | 3, ..] => Err(unsupported("an EC key with a compressed point")),
            [4, rest @ ..] if rest.len() == 2 * curve.size() => Ok(Self::Ec {
                curve,
                point: point.to_vec(),
            }),
            _ => Err(malformed("an EC key whose point has the wrong length")),
        }
    }

    /// The content of the subjectPublicKey BIT STRING.
    pub fn bits(&self) -> Vec<u8> {
        match self {
            Self::Rsa { modulus, exponent } => {
                asn1::sequence(&[&asn1::unsigned(modulus), &asn1::unsigned(exponent)]).to_vec()
            }
            Self::Ec { point, .. } => point.clone(),
            Self::Ed25519(point) => point.to_vec(),
        }
    }

    /// The DER SubjectPublicKeyInfo.
    pub fn spki(&self) -> Vec<u8> {
        asn1::sequence(&[
            &self.algorithm_identifier(),
            &asn1::bit_string(&self.bits()),
        ])
        .to_vec()
    }

    /// The DER AlgorithmIdentifier of the key (not of its signatures).
    pub(crate) fn algorithm_identifier(&self) -> Der {
        match self {
            Self::Rsa { .. } => asn1::sequence(&[
                &asn1::tlv(asn1::OID, &[RSA_ENCRYPTION]),
                &asn1::tlv(asn1::NULL, &[]),
            ]),
            Self::Ec { curve, .. } => asn1::sequence(&[
                &asn1::tlv(asn1::OID, &[EC_PUBLIC_KEY]),
                &asn1::tlv(asn1::OID, &[curve.oid()]),
            ]),
            Self::Ed25519(_) => asn1::sequence(&[&asn1::tlv(asn1::OID, &[ED25519])]),
        }
    }

    /// SHA-1 of the subjectPublicKey bits: the key identifier that OpenSSL's `hash` writes. Source: RFC 5280 4.2.1.2 (1).
    pub fn key_identifier(&self) -> [u8; 20] {
        let mut identifier = [0; 20];
        let hash = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, &self.bits());
        identifier.copy_from_slice(hash.as_ref());
        identifier
    }

    /// What can be said of the key.
    pub fn facts(&self) -> KeyFacts {
        let (algorithm, bits, curve) = match self {
            Self::Rsa { modulus, .. } => ("rsa", bit_length(modulus), None),
            Self::Ec { curve, .. } => ("ec", curve.bits(), Some(curve.name().to_owned())),
            // RFC 8032: the order of the base point has 253 bits; the key's strength is named by the field, 256.
            Self::Ed25519(_) => ("ed25519", 256, None),
        };
        KeyFacts {
            algorithm: algorithm.to_owned(),
            bits,
            curve,
            spki_sha256: Some(sha256(&self.spki())),
        }
    }
}

impl KeyFacts {
    /// Facts of any SubjectPublicKeyInfo, of unknown algorithms too. Errors: `Malformed`.
    pub fn of_spki(spki: &[u8]) -> Result<Self, Error> {
        let mut facts = match PublicKey::from_spki(spki) {
            Ok(key) => key.facts(),
            Err(Error::Unsupported(_)) => {
                let mut reader = Reader::new(spki);
                let mut algorithm = reader.sequence()?.sequence()?;
                Self::of_algorithm(&mut algorithm)?
            }
            Err(error) => return Err(error),
        };
        // The hash of the octets as they are in the certificate: they may differ from ours (a compressed point).
        facts.spki_sha256 = Some(sha256(spki));
        Ok(facts)
    }

    /// Facts of a key of which only the AlgorithmIdentifier's content is understood.
    pub(crate) fn of_algorithm(algorithm: &mut Reader<'_>) -> Result<Self, Error> {
        let oid = algorithm.oid()?;
        let (algorithm, bits, curve) = if oid == EC_PUBLIC_KEY {
            let curve = algorithm.optional(asn1::OID)?.map(|oid| oid.value);
            let known = curve.and_then(Curve::from_oid);
            let name = match (known, curve) {
                (Some(known), _) => known.name().to_owned(),
                (None, Some(oid)) => dotted(oid),
                (None, None) => "explicit".to_owned(),
            };
            ("ec".to_owned(), known.map_or(0, Curve::bits), Some(name))
        } else {
            (dotted(oid), 0, None)
        };
        Ok(Self {
            algorithm,
            bits,
            curve,
            spki_sha256: None,
        })
    }
}

/// The curve that an AlgorithmIdentifier's parameters or a SEC1 key name.
pub(crate) fn named_curve(reader: &mut Reader<'_>) -> Result<Curve, Error> {
    if reader.peek() == Some(asn1::SEQUENCE) {
        return Err(unsupported(
            "an EC key with explicit curve parameters: convert it to a named curve",
        ));
    }
    let oid = reader.oid()?;
    Curve::from_oid(oid).ok_or_else(|| {
        unsupported(format!(
            "an EC key on the curve {}, which is not P-256, P-384 or P-521",
            dotted(oid)
        ))
    })
}

pub(crate) fn dotted(oid: &[u8]) -> String {
    asn1::dotted(oid).unwrap_or_else(|| "unreadable".to_owned())
}
