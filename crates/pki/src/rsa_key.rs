//! RSA private keys: the one place that makes them, checks them and signs with them.

use crate::asn1::{self, Der, Reader};
use crate::error::{Error, internal, malformed, unsupported};
use crate::public_key::bit_length;
use rand_core::CryptoRng;
use rsa::traits::PrivateKeyParts;
use rsa::{BoxedUint, PrivateKey, pkcs1v15::Pkcs1v15Sign};
use zeroize::Zeroizing;

/// Larger moduli take minutes per operation and serve nobody.
const MAX_BITS: u32 = 16384;

/// The components of an RSAPrivateKey, big endian without leading zeros. Source: RFC 8017 A.1.2.
struct Components<'a> {
    n: &'a [u8],
    e: &'a [u8],
    d: &'a [u8],
    p: &'a [u8],
    q: &'a [u8],
    dp: &'a [u8],
    dq: &'a [u8],
    q_inverse: &'a [u8],
}

impl<'a> Components<'a> {
    fn read(der: &'a [u8]) -> Result<Self, Error> {
        asn1::whole_sequence(der, |reader: &mut Reader<'a>| {
            if !reader.unsigned()?.is_empty() {
                return Err(unsupported("an RSA key of more than two primes"));
            }
            Ok(Self {
                n: reader.unsigned()?,
                e: reader.unsigned()?,
                d: reader.unsigned()?,
                p: reader.unsigned()?,
                q: reader.unsigned()?,
                dp: reader.unsigned()?,
                dq: reader.unsigned()?,
                q_inverse: reader.unsigned()?,
            })
        })
    }

    fn check(&self) -> Result<(), Error> {
        let key = self.key()?;
        let equal = |ours: Option<&BoxedUint>, stored: &[u8]| {
            let stored = Zeroizing::new(BoxedUint::from_be_slice_vartime(stored));
            ours.is_some_and(|ours| *ours == *stored)
        };
        let coefficient = key.crt_coefficient().map(Zeroizing::new);
        if equal(key.dp(), self.dp)
            && equal(key.dq(), self.dq)
            && equal(coefficient.as_deref(), self.q_inverse)
        {
            Ok(())
        } else {
            Err(malformed(
                "an RSA key whose CRT numbers do not belong to its primes",
            ))
        }
    }

    fn key(&self) -> Result<PrivateKey, Error> {
        if bit_length(self.n) > MAX_BITS {
            return Err(unsupported("an RSA key of more than 16384 bits"));
        }
        let integer = |octets| BoxedUint::from_be_slice_vartime(octets);
        let (n, e, d) = (integer(self.n), integer(self.e), integer(self.d));
        let primes = vec![integer(self.p), integer(self.q)];
        // The crate's bound for ordinary exponents is 2^33 - 1.
        let key = if bit_length(self.e) > 33 {
            PrivateKey::from_components_with_large_exponent(n, e, d, primes)
        } else {
            PrivateKey::from_components(n, e, d, primes)
        };
        key.map_err(|_| malformed("an RSA key whose numbers do not belong together"))
    }
}

/// A DER RSAPrivateKey, every number of it checked against the others.
pub(crate) struct RsaKey {
    der: Der,
    signer: Signer,
}

/// What the key was checked by, and signs with.
enum Signer {
    /// Wipes what it computes with; takes 2048 to 8192 bits.
    Engine,
    /// The crate `rsa`, for the rest.
    Crate,
}

impl RsaKey {
    /// Returns modulus and exponent too. Errors: `Malformed`; `Unsupported` for more than two primes or 16384 bits.
    pub(crate) fn check(der: &[u8]) -> Result<(Self, Vec<u8>, Vec<u8>), Error> {
        let components = Components::read(der)?;
        let signer = if pki_rsa::KeyPair::from_pkcs1_der(der).is_ok() {
            Signer::Engine
        } else {
            components.check()?;
            Signer::Crate
        };
        let der = Zeroizing::new(der.to_vec());
        let public = (components.n.to_vec(), components.e.to_vec());
        Ok((Self { der, signer }, public.0, public.1))
    }

    pub(crate) fn der(&self) -> &Der {
        &self.der
    }

    /// PKCS#1 v1.5 with SHA-256, blinded by `rng`.
    pub(crate) fn sign(&self, message: &[u8], rng: &mut dyn CryptoRng) -> Result<Vec<u8>, Error> {
        match self.signer {
            Signer::Engine => self
                .pair()?
                .sign_pkcs1_v15(&digest_info(message), &mut Source(rng))
                .map_err(|error| engine("RSA signature", &error)),
            Signer::Crate => {
                let hash = ring::digest::digest(&ring::digest::SHA256, message);
                let key = Components::read(&self.der)?.key()?;
                key.sign_with_rng(rng, Pkcs1v15Sign::new::<sha2::Sha256>(), hash.as_ref())
                    .map_err(|_| internal("no RSA signature was made"))
            }
        }
    }

    /// For the pairwise test: see [`pki_rsa::KeyPair::sign_secret_message_unverified`].
    pub(crate) fn sign_secret_message_unverified(
        &self,
        message: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, Error> {
        self.pair()?
            .sign_secret_message_unverified(&digest_info(message))
            .map_err(|error| engine("RSA signature", &error))
    }

    fn pair(&self) -> Result<pki_rsa::KeyPair, Error> {
        pki_rsa::KeyPair::from_pkcs1_der_unchecked(&self.der)
            .map_err(|_| internal("an RSA key that was checked is refused"))
    }
}

/// Randomness of this crate as the engine takes it.
pub(crate) struct Source<'a>(pub(crate) &'a mut dyn CryptoRng);

impl pki_rsa::Random for Source<'_> {
    fn fill(&mut self, out: &mut [u8]) -> Result<(), pki_rsa::RsaError> {
        self.0.fill_bytes(out);
        Ok(())
    }
}

/// A new key as DER RSAPrivateKey, exponent 65537, found on this thread. Source: FIPS 186-5, A.1.3.
pub(crate) fn generate(bits: u32, rng: &mut dyn CryptoRng) -> Result<Zeroizing<Vec<u8>>, Error> {
    let mut search = pki_rsa::Search::new(bits, pki_rsa::LaneChoice::Auto)
        .map_err(|error| engine("RSA key", &error))?;
    loop {
        let step = search.step(&mut Source(rng));
        if let Some(pair) = step.map_err(|error| engine("RSA key", &error))? {
            return Ok(pair.to_pkcs1_der());
        }
    }
}

fn engine(what: &str, error: &pki_rsa::RsaError) -> Error {
    match error {
        pki_rsa::RsaError::Fault => Error::SelfCheckFailed(error.to_string()),
        _ => Error::Internal(format!("no {what} was made: {error}")),
    }
}

/// DigestInfo of SHA-256 without the hash. Source: RFC 8017, 9.2, note 1.
const SHA256_INFO: &[u8] =
    b"\x30\x31\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01\x05\x00\x04\x20";

/// DER DigestInfo of the message's SHA-256.
fn digest_info(message: &[u8]) -> Vec<u8> {
    let hash = ring::digest::digest(&ring::digest::SHA256, message);
    [SHA256_INFO, hash.as_ref()].concat()
}
