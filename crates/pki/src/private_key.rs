use crate::asn1::{self, Der, Reader};
use crate::error::{Error, internal, malformed, unsupported};
use crate::pem;
use crate::public_key::{
    Curve, EC_PUBLIC_KEY, ED25519, KeyFacts, PublicKey, RSA_ENCRYPTION, bit_length, named_curve,
};
use crate::rsa_key::{self, RsaKey};
use rand_core::CryptoRng;
use ring::signature::{EcdsaKeyPair, Ed25519KeyPair, KeyPair};
use ring::{rand::SystemRandom, signature};
use zeroize::Zeroizing;

/// The encodings of a private key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// `RSA PRIVATE KEY`, RFC 8017 A.1.2.
    Pkcs1,
    /// `EC PRIVATE KEY`, RFC 5915.
    Sec1,
    /// `PRIVATE KEY`, RFC 5208 and RFC 5958.
    Pkcs8,
}

impl Form {
    /// The label of its PEM block.
    pub fn label(self) -> &'static str {
        match self {
            Self::Pkcs1 => "RSA PRIVATE KEY",
            Self::Sec1 => "EC PRIVATE KEY",
            Self::Pkcs8 => "PRIVATE KEY",
        }
    }

    /// The form that a PEM label promises.
    pub fn of_label(label: &str) -> Option<Self> {
        [Self::Pkcs1, Self::Sec1, Self::Pkcs8]
            .into_iter()
            .find(|form| form.label() == label)
    }

    /// The name in `packages/core`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pkcs1 => "pkcs1",
            Self::Sec1 => "sec1",
            Self::Pkcs8 => "pkcs8",
        }
    }
}

/// A key type to be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyType {
    /// RSA with a modulus of this many bits and the exponent 65537.
    Rsa(u32),
    /// ECDSA.
    Ec(Curve),
    /// EdDSA over Curve25519.
    Ed25519,
}

impl KeyType {
    /// Reads `rsa:2048`, `ec:p256`, `ed25519`. Errors: `Unsupported`; `WeakKey` for RSA below 2048 bits.
    pub fn parse(text: &str) -> Result<Self, Error> {
        match text.split_once(':') {
            Some(("ec", "p256")) => Ok(Self::Ec(Curve::P256)),
            Some(("ec", "p384")) => Ok(Self::Ec(Curve::P384)),
            Some(("ec", "p521")) => Ok(Self::Ec(Curve::P521)),
            Some(("rsa", bits)) => match bits.parse() {
                Ok(bits) if bits < 2048 => Err(Error::WeakKey(format!(
                    "RSA keys of {bits} bits are too weak: use 2048 or more"
                ))),
                // Multiples of 64 keep the two primes of one size in whole octets on both sides.
                Ok(bits) if bits <= 8192 && bits & 63 == 0 => Ok(Self::Rsa(bits)),
                _ => Err(unsupported(
                    "an RSA size that is not a multiple of 64 from 2048 to 8192",
                )),
            },
            None if text == "ed25519" => Ok(Self::Ed25519),
            _ => Err(unsupported(
                "a key type that is not rsa:2048..8192, ec:p256, ec:p384, ec:p521 or ed25519",
            )),
        }
    }
}

/// A private key whose public half was recomputed from it. Wiped when dropped.
pub struct PrivateKey {
    secret: Secret,
    public: PublicKey,
}

enum Secret {
    Rsa(RsaKey),
    /// Scalar, big endian, of the curve's size.
    Ec(Zeroizing<Vec<u8>>),
    /// RFC 8032's 32-octet private key.
    Ed25519(Zeroizing<[u8; 32]>),
}

/// Makes a key from `rng` and checks it by a signature and its verification. Errors: `SelfCheckFailed`.
pub fn generate(key_type: KeyType, rng: &mut dyn CryptoRng) -> Result<PrivateKey, Error> {
    let key = match key_type {
        KeyType::Rsa(bits) => PrivateKey::from_pkcs1(&rsa_key::generate(bits, rng)?)?,
        KeyType::Ec(curve) => new_scalar(curve, rng)?,
        KeyType::Ed25519 => {
            let mut seed = Zeroizing::new([0; 32]);
            rng.fill_bytes(seed.as_mut_slice());
            PrivateKey::from_seed(&seed)?
        }
    };
    pairwise_check(&key, rng)?;
    Ok(key)
}

/// An RSA key of two primes that were searched apart, checked as `generate` checks its own. `None` when the two do not
/// make a key together. Errors: `SelfCheckFailed`.
pub fn rsa_from_primes(
    p: &pki_rsa::Prime,
    q: &pki_rsa::Prime,
    rng: &mut dyn CryptoRng,
) -> Result<Option<PrivateKey>, Error> {
    let Ok(pair) = pki_rsa::KeyPair::from_primes(p, q) else {
        return Ok(None);
    };
    let key = PrivateKey::from_pkcs1(&pair.to_pkcs1_der())?;
    pairwise_check(&key, rng)?;
    Ok(Some(key))
}

/// Signs and verifies one message. Source: FIPS 140-3 IG 10.3.A, the pair-wise consistency test.
fn pairwise_check(key: &PrivateKey, rng: &mut dyn CryptoRng) -> Result<(), Error> {
    let mut message = Zeroizing::new(*b"pair-wise consistency of a key..");
    let signature = match &key.secret {
        Secret::Rsa(rsa) => {
            rng.fill_bytes(message.as_mut_slice());
            rsa.sign_secret_message_unverified(message.as_slice())?
        }
        Secret::Ec(_) | Secret::Ed25519(_) => Zeroizing::new(key.sign(message.as_slice(), rng)?),
    };
    let algorithm = key.signature_algorithm();
    crate::signature::verify(algorithm, key.public(), message.as_slice(), &signature)
        .map_err(|_| Error::SelfCheckFailed("a new key does not verify its own signature".into()))
}

/// Draws until the number is a scalar. Source: FIPS 186-5 A.2.2, testing candidates. For P-256 and P-384 ring computes
/// the public key once more when it signs, so two implementations agree on it.
fn new_scalar(curve: Curve, rng: &mut dyn CryptoRng) -> Result<PrivateKey, Error> {
    // A draw is refused with a chance of 2^-32 (P-256) or less: 64 refusals mean a broken `rng`.
    for _ in 0..64 {
        let mut scalar = Zeroizing::new(vec![0u8; curve.size()]);
        rng.fill_bytes(&mut scalar);
        if curve == Curve::P521 {
            // The order has 521 bits: 1 in the top octet.
            scalar[0] &= 1;
        }
        if let Ok(key) = PrivateKey::from_scalar(curve, &scalar) {
            return Ok(key);
        }
    }
    Err(internal("the random numbers are no scalars"))
}

fn ring_signing(curve: Curve) -> Option<&'static signature::EcdsaSigningAlgorithm> {
    match curve {
        Curve::P256 => Some(&signature::ECDSA_P256_SHA256_ASN1_SIGNING),
        Curve::P384 => Some(&signature::ECDSA_P384_SHA384_ASN1_SIGNING),
        Curve::P521 => None,
    }
}

/// Whether ring computes this uncompressed point from this scalar of P-256.
pub(crate) fn p256_pair(scalar: &[u8; 32], point: &[u8; 65]) -> bool {
    let algorithm = &signature::ECDSA_P256_SHA256_ASN1_SIGNING;
    let random = SystemRandom::new();
    EcdsaKeyPair::from_private_key_and_public_key(algorithm, scalar, point, &random).is_ok()
}

impl PrivateKey {
    /// Reads the DER of a key of the given form. Errors: `Malformed`, also when a stored public key is not that of
    /// the private one; `Unsupported` for another algorithm or curve.
    pub fn from_der(form: Form, der: &[u8]) -> Result<Self, Error> {
        match form {
            Form::Pkcs1 => Self::from_pkcs1(der),
            Form::Sec1 => Self::from_sec1(der, None),
            Form::Pkcs8 => Self::from_pkcs8(der),
        }
    }

    fn from_pkcs1(der: &[u8]) -> Result<Self, Error> {
        let (key, modulus, exponent) = RsaKey::check(der)?;
        Ok(Self {
            secret: Secret::Rsa(key),
            public: PublicKey::Rsa { modulus, exponent },
        })
    }

    /// `curve` comes from the PKCS#8 wrapping; a bare SEC1 key names its own. Source: RFC 5915.
    fn from_sec1(der: &[u8], curve: Option<Curve>) -> Result<Self, Error> {
        asn1::whole_sequence(der, |reader| {
            if reader.unsigned()? != [1] {
                return Err(unsupported("a SEC1 key of a version that is not 1"));
            }
            let scalar = reader.expect(asn1::OCTET_STRING)?.value;
            let named = reader
                .optional(asn1::explicit(0))?
                .map(|element| {
                    let mut parameters = Reader::new(element.value);
                    let curve = named_curve(&mut parameters)?;
                    parameters.end()?;
                    Ok::<_, Error>(curve)
                })
                .transpose()?;
            let curve = match (curve, named) {
                (Some(outer), Some(inner)) if outer != inner => {
                    return Err(malformed("an EC key that names two curves"));
                }
                (Some(curve), _) | (None, Some(curve)) => curve,
                (None, None) => return Err(malformed("an EC key that names no curve")),
            };
            let stored = reader
                .optional(asn1::explicit(1))?
                .map(|element| Reader::new(element.value).bit_string())
                .transpose()?;
            let key = Self::from_scalar(curve, scalar)?;
            key.compare_public(stored)?;
            Ok(key)
        })
    }

    /// Source: RFC 5958 (version 2 adds the public key), RFC 5208.
    fn from_pkcs8(der: &[u8]) -> Result<Self, Error> {
        asn1::whole_sequence(der, |reader| {
            if !matches!(reader.unsigned()?, [] | [1]) {
                return Err(unsupported("a PKCS#8 key of a version that is not 1 or 2"));
            }
            let mut algorithm = reader.sequence()?;
            let oid = algorithm.expect(asn1::OID)?.value;
            let content = reader.expect(asn1::OCTET_STRING)?.value;
            let key = match oid {
                RSA_ENCRYPTION => Self::from_pkcs1(content),
                EC_PUBLIC_KEY => Self::from_sec1(content, Some(named_curve(&mut algorithm)?)),
                ED25519 => {
                    let mut inner = Reader::new(content);
                    let seed = inner.expect(asn1::OCTET_STRING)?.value;
                    inner.end()?;
                    let seed = seed
                        .try_into()
                        .map_err(|_| malformed("an Ed25519 key that is not 32 octets"))?;
                    Self::from_seed(&Zeroizing::new(seed))
                }
                _ => Err(unsupported(format!(
                    "a key of the algorithm {}, which is not RSA, EC or Ed25519",
                    crate::public_key::dotted(oid)
                ))),
            }?;
            reader.optional(asn1::explicit(0))?;
            let stored = reader.optional(asn1::implicit(1))?;
            key.compare_public(
                stored
                    .map(|element| asn1::bits(element.value))
                    .transpose()?,
            )?;
            Ok(key)
        })
    }

    /// Facts of a PKCS#8 key whose algorithm or curve is not known here. Errors: `Malformed`.
    pub fn pkcs8_facts(der: &[u8]) -> Result<KeyFacts, Error> {
        let mut reader = Reader::new(der).sequence()?;
        reader.unsigned()?;
        KeyFacts::of_algorithm(&mut reader.sequence()?)
    }

    fn from_scalar(curve: Curve, scalar: &[u8]) -> Result<Self, Error> {
        let size = curve.size();
        // Old programs drop leading zero octets (RFC 5915 asks for the full size).
        let padding = size
            .checked_sub(scalar.len())
            .ok_or_else(|| malformed("an EC key that is longer than its curve's order"))?;
        let mut padded = Zeroizing::new(vec![0u8; size]);
        padded[padding..].copy_from_slice(scalar);
        let out_of_range = |_| malformed("an EC key that is zero or not below its curve's order");
        macro_rules! point {
            ($curve:ident) => {
                $curve::SecretKey::from_slice(&padded)
                    .map_err(out_of_range)?
                    .public_key()
                    .to_sec1_bytes()
                    .to_vec()
            };
        }
        let point = match curve {
            Curve::P256 => point!(p256),
            Curve::P384 => point!(p384),
            Curve::P521 => point!(p521),
        };
        Ok(Self {
            secret: Secret::Ec(padded),
            public: PublicKey::from_point(curve, &point)?,
        })
    }

    /// The scalar of a P-256 key, big endian.
    pub(crate) fn p256_scalar(&self) -> Option<&[u8; 32]> {
        match (&self.secret, &self.public) {
            (
                Secret::Ec(scalar),
                PublicKey::Ec {
                    curve: Curve::P256, ..
                },
            ) => scalar.as_slice().try_into().ok(),
            _ => None,
        }
    }

    fn from_seed(seed: &[u8; 32]) -> Result<Self, Error> {
        let pair = Ed25519KeyPair::from_seed_unchecked(seed)
            .map_err(|_| internal("ring refused an Ed25519 key"))?;
        let public = pair
            .public_key()
            .as_ref()
            .try_into()
            .map_err(|_| internal("ring gave an Ed25519 public key of another size"))?;
        Ok(Self {
            secret: Secret::Ed25519(Zeroizing::new(*seed)),
            public: PublicKey::Ed25519(public),
        })
    }

    fn compare_public(&self, stored: Option<&[u8]>) -> Result<(), Error> {
        let Some(stored) = stored else {
            return Ok(());
        };
        let same = match (&self.public, stored) {
            // A compressed point: 02 or 03 by the parity of y, then x.
            (PublicKey::Ec { curve, point }, [sign @ (2 | 3), x @ ..]) => {
                let odd = point.last().is_some_and(|octet| octet & 1 == 1);
                x == &point[1..=curve.size()] && (*sign == 3) == odd
            }
            (public, stored) => public.bits() == stored,
        };
        if same {
            Ok(())
        } else {
            Err(malformed(
                "the key file's public key is not that of its private key",
            ))
        }
    }

    /// The public half.
    pub fn public(&self) -> &PublicKey {
        &self.public
    }

    /// The form in which K3s's script writes such a key: PKCS#1 for RSA, SEC1 for EC, PKCS#8 for Ed25519.
    pub fn usual_form(&self) -> Form {
        match self.secret {
            Secret::Rsa(_) => Form::Pkcs1,
            Secret::Ec(_) => Form::Sec1,
            Secret::Ed25519(_) => Form::Pkcs8,
        }
    }

    /// The DER of the key. Errors: `Unsupported` when the form does not belong to the algorithm.
    pub fn to_der(&self, form: Form) -> Result<Zeroizing<Vec<u8>>, Error> {
        match (&self.secret, form) {
            (Secret::Rsa(key), Form::Pkcs1) => Ok(key.der().clone()),
            (Secret::Ec(scalar), Form::Sec1) => Ok(self.sec1(scalar, true)),
            (Secret::Rsa(key), Form::Pkcs8) => Ok(self.pkcs8(key.der())),
            (Secret::Ec(scalar), Form::Pkcs8) => Ok(self.pkcs8(&self.sec1(scalar, false))),
            (Secret::Ed25519(seed), Form::Pkcs8) => {
                Ok(self.pkcs8(&asn1::tlv(asn1::OCTET_STRING, &[seed.as_slice()])))
            }
            _ => Err(unsupported(format!(
                "this key cannot be written as {}: use pkcs8",
                form.name()
            ))),
        }
    }

    /// One PEM block of the key.
    pub fn to_pem(&self, form: Form) -> Result<Zeroizing<Vec<u8>>, Error> {
        Ok(pem::encode(form.label(), &self.to_der(form)?))
    }

    /// OpenSSL's choice of optional fields: the curve inside a bare SEC1 key, not inside a wrapped one.
    fn sec1(&self, scalar: &[u8], with_curve: bool) -> Der {
        let curve = match (&self.public, with_curve) {
            (PublicKey::Ec { curve, .. }, true) => {
                asn1::tlv(asn1::explicit(0), &[&asn1::tlv(asn1::OID, &[curve.oid()])])
            }
            _ => Zeroizing::new(Vec::new()),
        };
        asn1::sequence(&[
            &asn1::unsigned(&[1]),
            &asn1::tlv(asn1::OCTET_STRING, &[scalar]),
            &curve,
            &asn1::tlv(asn1::explicit(1), &[&asn1::bit_string(&self.public.bits())]),
        ])
    }

    fn pkcs8(&self, content: &[u8]) -> Der {
        asn1::sequence(&[
            &asn1::unsigned(&[]),
            &self.public.algorithm_identifier(),
            &asn1::tlv(asn1::OCTET_STRING, &[content]),
        ])
    }

    /// The algorithm that this key signs with: SHA-256 for RSA and P-256, SHA-384 for P-384, SHA-512 for P-521.
    pub fn signature_algorithm(&self) -> crate::signature::Algorithm {
        use crate::signature::{Algorithm, Hash};
        match &self.public {
            PublicKey::Rsa { .. } => Algorithm::RsaPkcs1(Hash::Sha256),
            PublicKey::Ec { curve, .. } => Algorithm::Ecdsa(match curve {
                Curve::P256 => Hash::Sha256,
                Curve::P384 => Hash::Sha384,
                Curve::P521 => Hash::Sha512,
            }),
            PublicKey::Ed25519(_) => Algorithm::Ed25519,
        }
    }

    /// The signature's octets as a certificate carries them. `rng` blinds RSA and hedges P-521's nonces; ring draws
    /// its own randomness for P-256 and P-384. Errors: `WeakKey` for RSA below 1024 bits, `Internal`.
    pub fn sign(&self, message: &[u8], rng: &mut dyn CryptoRng) -> Result<Vec<u8>, Error> {
        match (&self.secret, &self.public) {
            (Secret::Rsa(key), PublicKey::Rsa { modulus, .. }) => {
                if bit_length(modulus) < 1024 {
                    return Err(Error::WeakKey(
                        "an RSA key below 1024 bits signs nothing: use 2048 or more".into(),
                    ));
                }
                key.sign(message, rng)
            }
            (Secret::Ec(scalar), PublicKey::Ec { curve, point }) => match ring_signing(*curve) {
                Some(algorithm) => {
                    let random = SystemRandom::new();
                    EcdsaKeyPair::from_private_key_and_public_key(algorithm, scalar, point, &random)
                        .map_err(|_| internal("ring refused an EC key that was checked"))?
                        .sign(&random, message)
                        .map(|signature| signature.as_ref().to_vec())
                        .map_err(|_| internal("ring made no EC signature"))
                }
                None => {
                    use p521::ecdsa::signature::RandomizedSigner;
                    let key = p521::ecdsa::SigningKey::from_slice(scalar)
                        .map_err(|_| internal("a P-521 key that was checked is refused"))?;
                    let signature: p521::ecdsa::DerSignature = key
                        .try_sign_with_rng(rng, message)
                        .map_err(|_| internal("no P-521 signature was made"))?;
                    Ok(signature.as_bytes().to_vec())
                }
            },
            (Secret::Ed25519(seed), PublicKey::Ed25519(public)) => {
                Ed25519KeyPair::from_seed_and_public_key(seed.as_slice(), public)
                    .map(|pair| pair.sign(message).as_ref().to_vec())
                    .map_err(|_| internal("ring refused an Ed25519 key that was checked"))
            }
            _ => Err(internal("a key whose halves are of two kinds")),
        }
    }
}
