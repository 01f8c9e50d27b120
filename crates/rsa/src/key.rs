//! RSA key pairs: from primes, from and to PKCS#1.

use crypto_bigint::{BoxedUint, ConcatenatingMul, Gcd, Limb, NonZero, Odd, Resize};
use zeroize::Zeroizing;

use crate::number::boxed;
use crate::sieve::EXPONENT;
use crate::{LaneChoice, Prime, RsaError, der};

type Secret = Zeroizing<BoxedUint>;

/// An RSA key pair of two primes. Secrets are wiped when dropped.
pub struct KeyPair {
    pub(crate) n: BoxedUint,
    pub(crate) e: BoxedUint,
    pub(crate) d: Secret,
    /// The larger prime where we made the key, the first one where it was imported.
    pub(crate) p: Secret,
    pub(crate) q: Secret,
    pub(crate) d_p: Secret,
    pub(crate) d_q: Secret,
    pub(crate) q_inverse: Secret,
    pub(crate) lanes: LaneChoice,
}

impl core::fmt::Debug for KeyPair {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "KeyPair({} bits)", self.bits())
    }
}

impl KeyPair {
    /// Makes a key of public exponent 65537 from two primes, in either order.
    ///
    /// # Errors
    /// [`RsaError::InvalidKey`] where FIPS 186-5, A.1.3 is not met: primes of one size in
    /// `sqrt(2) * 2^(n/2-1) .. 2^(n/2)`, `|p - q| > 2^(n/2-100)`, `gcd(p - 1, e) = gcd(q - 1, e) =
    /// 1`, `d > 2^(n/2)`. That they are prime is the caller's knowledge, from [`crate::PrimeSearch`].
    pub fn from_primes(p: &Prime, q: &Prime) -> Result<Self, RsaError> {
        let bits = p.bits();
        if q.bits() != bits {
            return Err(RsaError::InvalidKey("the primes differ in size"));
        }
        let (p, q) = if p.words.iter().rev().lt(q.words.iter().rev()) {
            (q, p)
        } else {
            (p, q)
        };
        let (p, q) = (boxed(&p.words), boxed(&q.words));
        let distance = Zeroizing::new(p.wrapping_sub(&*q));
        if distance.bit_width() <= bits - 100 {
            return Err(RsaError::InvalidKey("the primes are too close together"));
        }
        let one = BoxedUint::one_with_precision(p.bits_precision());
        let p_1 = Zeroizing::new(p.wrapping_sub(&one));
        let q_1 = Zeroizing::new(q.wrapping_sub(&one));
        let d_p = exponent_inverse(&p_1)?;
        let d_q = exponent_inverse(&q_1)?;

        let gcd = Zeroizing::new(p_1.gcd(&q_1));
        let gcd = nonzero(&gcd)?;
        let part = Zeroizing::new(q_1.wrapping_div(&*gcd));
        let lambda = Zeroizing::new(p_1.concatenating_mul(&*part));
        let d = exponent_inverse(&lambda)?;
        if d.bit_width() <= bits {
            return Err(RsaError::InvalidKey("the private exponent is too small"));
        }
        let n = p.concatenating_mul(&*q);
        let odd = odd(&p)?;
        let q_inverse = Option::from(q.invert_odd_mod(&odd))
            .map(Zeroizing::new)
            .ok_or(RsaError::InvalidKey("the primes are equal"))?;
        let e = BoxedUint::from(EXPONENT);
        Ok(Self {
            n,
            e,
            d,
            p,
            q,
            d_p,
            d_q,
            q_inverse,
            lanes: LaneChoice::Auto,
        })
    }

    /// Takes an RSAPrivateKey in DER: two primes, any odd public exponent from 3 on, a modulus of
    /// 2048 to 8192 bits. Source: RFC 8017, A.1.2.
    ///
    /// Every relation between the integers is checked; that p and q are prime is not, but a
    /// signature of a key where they aren't does not verify and is withheld.
    ///
    /// # Errors
    /// [`RsaError::InvalidKey`] with what is wrong, [`RsaError::UnsupportedSize`] for the modulus.
    pub fn from_pkcs1_der(der: &[u8]) -> Result<Self, RsaError> {
        let key = Self::from_pkcs1_der_unchecked(der)?;
        key.check()?;
        Ok(key)
    }

    /// The same for a key that [`KeyPair::from_pkcs1_der`] took before: the integers' relations, half a
    /// millisecond of a 2048-bit signature, are not checked again. A signature of integers that
    /// do not belong together is withheld all the same.
    ///
    /// # Errors
    /// [`RsaError::InvalidKey`] for other DER.
    pub fn from_pkcs1_der_unchecked(der: &[u8]) -> Result<Self, RsaError> {
        let numbers = der::decode(der)?.map(|bytes| {
            Zeroizing::new(BoxedUint::from_be_slice_truncated(
                bytes,
                bytes.len() as u32 * 8,
            ))
        });
        let [n, e, d, p, q, d_p, d_q, q_inverse] = numbers;
        let public = |x: &BoxedUint| x.clone();
        Ok(Self {
            n: public(&n),
            e: public(&e),
            d,
            p,
            q,
            d_p,
            d_q,
            q_inverse,
            lanes: LaneChoice::Auto,
        })
    }

    fn check(&self) -> Result<(), RsaError> {
        let Self {
            n,
            e,
            d,
            p,
            q,
            d_p,
            d_q,
            q_inverse,
            lanes: _,
        } = self;
        let bits = n.bit_width_vartime();
        if !(2048..=8192).contains(&bits) {
            return Err(RsaError::UnsupportedSize(bits));
        }
        let is_odd = |x: &BoxedUint| x.bit_vartime(0);
        if !(is_odd(n) && is_odd(e) && is_odd(p) && is_odd(q)) {
            return Err(RsaError::InvalidKey(
                "the modulus, a prime or the public exponent is even",
            ));
        }
        if e.bit_width_vartime() < 2 || e >= n {
            return Err(RsaError::InvalidKey("the public exponent is out of range"));
        }
        // What one batch holds; the larger prime decides.
        if p.bit_width() > 4160 || q.bit_width() > 4160 || p.bit_width().min(q.bit_width()) < 512 {
            return Err(RsaError::InvalidKey("the primes differ too much in size"));
        }
        if **p == **q {
            return Err(RsaError::InvalidKey("the primes are equal"));
        }
        let product = Zeroizing::new(p.concatenating_mul(&**q));
        if *product != *n {
            return Err(RsaError::InvalidKey(
                "the modulus is not the product of the primes",
            ));
        }
        if **d >= *n || **d_p >= **p || **d_q >= **q || **q_inverse >= **p {
            return Err(RsaError::InvalidKey(
                "an exponent or coefficient is out of range",
            ));
        }
        for (prime, exponent) in [(p, d_p), (p, d), (q, d_q), (q, d)] {
            let less = prime.wrapping_sub(BoxedUint::one_with_precision(prime.bits_precision()));
            if !product_is_one(e, exponent, &Zeroizing::new(less))? {
                return Err(RsaError::InvalidKey("the exponents do not belong together"));
            }
        }
        if !product_is_one(q, q_inverse, p)? {
            return Err(RsaError::InvalidKey(
                "the coefficient is not the inverse of the second prime",
            ));
        }
        Ok(())
    }

    /// Chooses the arithmetic that [`KeyPair::sign_pkcs1_v15`] runs on.
    #[must_use]
    pub fn on(mut self, lanes: LaneChoice) -> Self {
        self.lanes = lanes;
        self
    }

    /// Modulus and public exponent, big-endian, without leading zeros.
    #[must_use]
    pub fn public(&self) -> (Vec<u8>, Vec<u8>) {
        let bytes = |x: &BoxedUint| x.to_be_bytes_trimmed_vartime().into_vec();
        (bytes(&self.n), bytes(&self.e))
    }

    /// Length of the modulus in bits.
    #[must_use]
    pub fn bits(&self) -> u32 {
        self.n.bit_width_vartime()
    }

    /// RSAPrivateKey in DER. Source: RFC 8017, A.1.2.
    #[must_use]
    pub fn to_pkcs1_der(&self) -> Zeroizing<Vec<u8>> {
        let integers = [
            &self.n,
            &self.e,
            &*self.d,
            &*self.p,
            &*self.q,
            &*self.d_p,
            &*self.d_q,
            &*self.q_inverse,
        ];
        let bytes = integers.map(|i| Zeroizing::new(i.to_be_bytes().into_vec()));
        let slices: Vec<&[u8]> = bytes.iter().map(|b| b.as_slice()).collect();
        der::encode(&slices)
    }
}

fn odd(x: &BoxedUint) -> Result<Zeroizing<Odd<BoxedUint>>, RsaError> {
    let odd = Option::from(x.to_odd()).ok_or(RsaError::InvalidKey("a prime is even"))?;
    Ok(Zeroizing::new(odd))
}

fn nonzero(x: &BoxedUint) -> Result<Zeroizing<NonZero<BoxedUint>>, RsaError> {
    let nonzero = Option::from(x.to_nz()).ok_or(RsaError::InvalidKey("a prime is 0 or 1"))?;
    Ok(Zeroizing::new(nonzero))
}

/// Whether `a * b = 1 (mod m)`.
fn product_is_one(a: &BoxedUint, b: &BoxedUint, m: &BoxedUint) -> Result<bool, RsaError> {
    let product = Zeroizing::new(a.concatenating_mul(b));
    let rest = Zeroizing::new(product.rem(&*nonzero(m)?));
    Ok(rest.is_one().to_bool())
}

/// `65537^-1 mod m` = (1 + k m) / 65537, where k = -1/m mod 65537: only short divisions.
fn exponent_inverse(m: &BoxedUint) -> Result<Secret, RsaError> {
    let e = NonZero::new(Limb::from(EXPONENT));
    let e = Option::<NonZero<Limb>>::from(e).unwrap_or_else(|| unreachable!());
    // A word has 32 bits on wasm32, 64 elsewhere.
    #[allow(clippy::unnecessary_cast)]
    let residue = m.rem_limb(e).0 as u64;
    if residue == 0 {
        return Err(RsaError::InvalidKey(
            "a prime is 1 modulo the public exponent",
        ));
    }
    let modulus = u64::from(EXPONENT);
    // Fermat: 1/x = x^(e-2), and e - 2 is 65535, sixteen ones.
    let mut inverse = 1;
    for _ in 0..16 {
        inverse = inverse * inverse % modulus * residue % modulus;
    }
    let k = modulus - inverse;
    let wide = m.bits_precision() + 64;
    let mut product = Zeroizing::new(m.resize(wide).wrapping_mul(BoxedUint::from(k).resize(wide)));
    product.wrapping_add_assign(BoxedUint::one_with_precision(wide));
    let (quotient, rest) = product.div_rem_limb(e);
    debug_assert_eq!(rest.0, 0);
    let quotient = Zeroizing::new(quotient);
    Ok(Zeroizing::new(
        (&*quotient).resize_unchecked(m.bits_precision()),
    ))
}
