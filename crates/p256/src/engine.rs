//! The crate's door: one engine, whatever the lanes.

use core::fmt;

use limb::arch::portable::Portable;
#[cfg(all(target_arch = "wasm32", target_feature = "relaxed-simd"))]
use limb::arch::wasm::Wasm;
use limb::lanes::Lanes;

use crate::P256Error;
use crate::batch::wipe;
use crate::curve::{Affine, CHUNK, Curve, Window};
use crate::field::Repr;
use crate::field::exact24::Exact24;
use crate::field::fma52::Fma52;
use crate::modulus::N;
use crate::nonce::ADDED;
use crate::sha256::sha256_many;
use crate::sign::{Scalars, Signer};
use crate::u256::U256;

/// A cryptographic source of random bytes.
pub trait Random {
    /// Fills `out`. Errors: [`P256Error::Randomness`] where the source fails.
    fn fill(&mut self, out: &mut [u8]) -> Result<(), P256Error>;
}

/// Which arithmetic to use. Equal randomness gives equal bytes on each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LaneChoice {
    /// Fused multiply-adds where the CPU is found to fuse them, else [`LaneChoice::Simd`].
    Auto,
    /// Fused multiply-adds in vectors: 5 limbs of 52 bits.
    Fma,
    /// Vectors of doubles of which no result is ever rounded: 11 limbs of 24 bits.
    Simd,
    /// The same, written without vector instructions.
    Scalar,
}

/// Size of the table of the generator's multiples, computed when the engine is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TableSize {
    /// Windows of 4 bits: some 70 KB, for a few keys.
    Small,
    /// Windows of 8 bits: some 280 KB, for many.
    Large,
}

/// A private scalar, in 1..n. Wiped when dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret([u8; 32]);

impl Secret {
    /// Takes 32 bytes, big endian. Errors: [`P256Error::ScalarRange`] (row 0) for 0 and for n and
    /// above.
    pub fn new(bytes: [u8; 32]) -> Result<Self, P256Error> {
        let secret = Self(bytes);
        if U256::from_be_bytes(&secret.0).is_unit::<N>() {
            Ok(secret)
        } else {
            Err(P256Error::ScalarRange { row: 0 })
        }
    }

    /// The 32 bytes, big endian.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        wipe(&mut self.0, 0);
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// A private key and its public key.
#[derive(Clone, Debug)]
pub struct KeyPair {
    /// The private scalar.
    pub secret: Secret,
    /// The public key: 0x04, x, y. Source: SEC 1, section 2.3.3.
    pub public: [u8; 65],
}

/// An ECDSA signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Signature {
    /// r, big endian, in 1..n.
    pub r: [u8; 32],
    /// s, big endian, in 1..n; not brought to the lower half.
    pub s: [u8; 32],
}

/// A signature in DER, at most 72 bytes.
#[derive(Clone, Copy)]
pub struct DerSignature {
    bytes: [u8; 72],
    length: usize,
}

impl DerSignature {
    /// The encoding.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}

impl Signature {
    /// `SEQUENCE { r INTEGER, s INTEGER }`. Source: RFC 3279, section 2.2.3.
    #[must_use]
    pub fn to_der(&self) -> DerSignature {
        let mut bytes = [0; 72];
        let mut at = 2;
        for integer in [&self.r, &self.s] {
            let zeros = integer
                .iter()
                .take_while(|&&byte| byte == 0)
                .count()
                .min(31);
            let digits = &integer[zeros..];
            let padding = usize::from(digits[0] >> 7);
            bytes[at] = 2;
            bytes[at + 1] = length_byte(digits.len() + padding);
            at += 2 + padding;
            bytes[at..at + digits.len()].copy_from_slice(digits);
            at += digits.len();
        }
        bytes[0] = 0x30;
        bytes[1] = length_byte(at - 2);
        DerSignature { bytes, length: at }
    }
}

/// DER's short form of a length. Pre: below 128.
fn length_byte(length: usize) -> u8 {
    debug_assert!(length < 128);
    length.to_le_bytes()[0]
}

/// Makes keys and signatures in batches. Holds the table and the memory of a batch, which is wiped
/// after each.
pub struct Engine {
    lanes: LaneChoice,
    core: Box<dyn Core>,
}

impl Engine {
    /// Computes the table. Errors: [`P256Error::NotFused`] where [`LaneChoice::Fma`] is forced on a
    /// CPU that does not fuse.
    pub fn new(lanes: LaneChoice, table: TableSize) -> Result<Self, P256Error> {
        let fused = Vector::fused();
        let lanes = match lanes {
            LaneChoice::Auto if fused => LaneChoice::Fma,
            LaneChoice::Auto => LaneChoice::Simd,
            LaneChoice::Fma if !fused => return Err(P256Error::NotFused),
            forced => forced,
        };
        let window = match table {
            TableSize::Small => Window::Four,
            TableSize::Large => Window::Eight,
        };
        let core: Box<dyn Core> = match lanes {
            LaneChoice::Auto | LaneChoice::Fma => Box::new(Curve::<Fma52<Vector>>::new(window)),
            LaneChoice::Simd => Box::new(Curve::<Exact24<Vector>>::new(window)),
            LaneChoice::Scalar => Box::new(Curve::<Exact24<Portable>>::new(window)),
        };
        Ok(Self { lanes, core })
    }

    /// The lanes in use, never [`LaneChoice::Auto`].
    #[must_use]
    pub fn lanes(&self) -> LaneChoice {
        self.lanes
    }

    /// Makes `count` key pairs: candidates of 32 random bytes, those above n - 2 drawn again, plus
    /// one. Source: FIPS 186-5, appendix A.2.2.
    /// Errors: [`P256Error::Randomness`], [`P256Error::PointCheck`].
    pub fn generate_keys(
        &mut self,
        count: usize,
        rng: &mut dyn Random,
    ) -> Result<Vec<KeyPair>, P256Error> {
        let mut keys = Vec::with_capacity(count);
        let mut bytes = vec![[0; 32]; CHUNK.min(count)];
        let mut scalars = vec![U256::ZERO; CHUNK.min(count)];
        while keys.len() < count {
            let first = keys.len();
            let rows = CHUNK.min(count - first);
            let drawn = draw_scalars(rng, &mut bytes[..rows], &mut scalars);
            let points = drawn.and_then(|()| multiply(&mut *self.core, &scalars[..rows], first));
            match points {
                Ok(points) => keys.extend(points.iter().zip(&scalars).map(|(point, k)| KeyPair {
                    secret: Secret(k.to_be_bytes()),
                    public: uncompressed(point),
                })),
                Err(error) => {
                    wipe(&mut scalars, U256::ZERO);
                    return Err(error);
                }
            }
        }
        wipe(&mut scalars, U256::ZERO);
        Ok(keys)
    }

    /// The uncompressed public keys of private scalars, 32 bytes each, big endian.
    /// Errors: [`P256Error::ScalarRange`], [`P256Error::PointCheck`].
    pub fn public_keys(&mut self, scalars: &[[u8; 32]]) -> Result<Vec<[u8; 65]>, P256Error> {
        let mut keys = Vec::with_capacity(scalars.len());
        for chunk in scalars.chunks(CHUNK) {
            let first = keys.len();
            let mut k: Vec<U256> = chunk.iter().map(U256::from_be_bytes).collect();
            let points = match k.iter().position(|k| !k.is_unit::<N>()) {
                Some(row) => Err(P256Error::ScalarRange { row: first + row }),
                None => multiply(&mut *self.core, &k, first),
            };
            wipe(&mut k, U256::ZERO);
            keys.extend(points?.iter().map(uncompressed));
        }
        Ok(keys)
    }

    /// Signs SHA-256 digests in order. The nonces are RFC 6979's with 16 random bytes a row as the
    /// additional data of section 3.6: a broken source of randomness leaves them as good as
    /// deterministic ones.
    /// Errors: [`P256Error::Randomness`], [`P256Error::PointCheck`], [`P256Error::SignatureCheck`].
    pub fn sign(
        &mut self,
        key: &Secret,
        digests: &[[u8; 32]],
        rng: &mut dyn Random,
    ) -> Result<Vec<Signature>, P256Error> {
        let mut added = vec![[0; ADDED]; digests.len()];
        for chunk in added.chunks_mut(CHUNK) {
            rng.fill(chunk.as_flattened_mut())?;
        }
        let added: Vec<&[u8]> = added.iter().map(<[u8; ADDED]>::as_slice).collect();
        signatures(self.core.sign(&key.0, digests, &added))
    }

    /// Signs SHA-256 digests in order with RFC 6979's nonces, no randomness added.
    /// Errors: [`P256Error::PointCheck`], [`P256Error::SignatureCheck`].
    pub fn sign_deterministic(
        &mut self,
        key: &Secret,
        digests: &[[u8; 32]],
    ) -> Result<Vec<Signature>, P256Error> {
        signatures(
            self.core
                .sign(&key.0, digests, &vec![&[][..]; digests.len()]),
        )
    }

    /// SHA-256 of each message, in order, four at a time. Fastest where lengths are equal.
    #[must_use]
    pub fn sha256_many(&self, messages: &[&[u8]]) -> Vec<[u8; 32]> {
        self.core.sha256_many(messages)
    }
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine")
            .field("lanes", &self.lanes)
            .finish_non_exhaustive()
    }
}

/// The vectors that this target has.
#[cfg(all(target_arch = "wasm32", target_feature = "relaxed-simd"))]
type Vector = Wasm;
#[cfg(not(all(target_arch = "wasm32", target_feature = "relaxed-simd")))]
type Vector = Portable;

/// What an engine needs of its lanes.
trait Core {
    /// Pre: at most [`CHUNK`] scalars in 1..n. `Err`: the first row off the curve.
    fn multiply_base(&mut self, scalars: &[U256]) -> Result<Vec<Affine>, usize>;
    fn sign(
        &mut self,
        secret: &[u8; 32],
        digests: &[[u8; 32]],
        added: &[&[u8]],
    ) -> Result<Vec<Scalars>, P256Error>;
    fn sha256_many(&self, messages: &[&[u8]]) -> Vec<[u8; 32]>;
}

impl<R: Repr> Core for Curve<R> {
    fn multiply_base(&mut self, scalars: &[U256]) -> Result<Vec<Affine>, usize> {
        Curve::multiply_base(self, scalars)
    }

    fn sign(
        &mut self,
        secret: &[u8; 32],
        digests: &[[u8; 32]],
        added: &[&[u8]],
    ) -> Result<Vec<Scalars>, P256Error> {
        let signer = Signer::<R>::new(secret);
        let mut out = Vec::with_capacity(digests.len());
        for (digests, added) in digests.chunks(CHUNK).zip(added.chunks(CHUNK)) {
            let first = out.len();
            let rows = signer
                .sign(self, digests, added, 0)
                .map_err(|error| error.after(first))?;
            for (row, signed) in rows.into_iter().enumerate() {
                let mut signed = signed;
                let mut skip = 0;
                // Step 3.2 h of RFC 6979 goes on where r or s is zero, one row in 2^255.
                while signed.is_none() {
                    skip += 1;
                    let again = signer.sign(self, &digests[row..=row], &added[row..=row], skip);
                    signed = again.map_err(|error| error.after(first + row))?[0];
                }
                out.extend(signed);
            }
        }
        Ok(out)
    }

    fn sha256_many(&self, messages: &[&[u8]]) -> Vec<[u8; 32]> {
        sha256_many::<R::L>(messages)
    }
}

fn multiply(core: &mut dyn Core, scalars: &[U256], first: usize) -> Result<Vec<Affine>, P256Error> {
    core.multiply_base(scalars)
        .map_err(|row| P256Error::PointCheck { row }.after(first))
}

fn signatures(rows: Result<Vec<Scalars>, P256Error>) -> Result<Vec<Signature>, P256Error> {
    Ok(rows?
        .iter()
        .map(|[r, s]| Signature {
            r: r.to_be_bytes(),
            s: s.to_be_bytes(),
        })
        .collect())
}

fn uncompressed(point: &Affine) -> [u8; 65] {
    let mut out = [4; 65];
    out[1..33].copy_from_slice(&point.x.to_be_bytes());
    out[33..].copy_from_slice(&point.y.to_be_bytes());
    out
}

/// Fills the first scalars, one a row of `bytes`, which is wiped.
fn draw_scalars(
    rng: &mut dyn Random,
    bytes: &mut [[u8; 32]],
    scalars: &mut [U256],
) -> Result<(), P256Error> {
    // One candidate in 2^32 is refused; a hundred in a row are no accident.
    const ATTEMPTS: usize = 100;
    let filled = rng.fill(bytes.as_flattened_mut()).and_then(|()| {
        for (bytes, scalar) in bytes.iter_mut().zip(scalars) {
            let mut left = ATTEMPTS;
            loop {
                // c + 1 is 0 for c = 2^256 - 1, and n or more exactly for c > n - 2.
                *scalar = U256::from_be_bytes(bytes).add(U256::ONE).0;
                if scalar.is_unit::<N>() {
                    break;
                }
                left -= 1;
                if left == 0 {
                    return Err(P256Error::Randomness);
                }
                rng.fill(bytes)?;
            }
        }
        Ok(())
    });
    wipe(bytes, [0; 32]);
    filled
}
