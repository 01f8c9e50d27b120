//! RSA key pairs: from primes, from and to PKCS#1.

use crypto_bigint::{BoxedUint, Gcd, Limb, NonZero, Resize};
use zeroize::Zeroizing;

use crate::number::boxed;
use crate::sieve::EXPONENT;
use crate::{Prime, RsaError, der};

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
        let gcd = Zeroizing::new(Option::from(gcd.to_nz()).unwrap_or_else(|| unreachable!()));
        let _: &NonZero<BoxedUint> = &gcd;
        let part = Zeroizing::new(q_1.wrapping_div(&*gcd));
        let lambda = Zeroizing::new(p_1.mul(&*part));
        let d = exponent_inverse(&lambda)?;
        if d.bit_width() <= bits {
            return Err(RsaError::InvalidKey("the private exponent is too small"));
        }
        let n = p.mul(&*q);
        let odd = Zeroizing::new(odd(&p)?);
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
        })
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

fn odd(x: &BoxedUint) -> Result<crypto_bigint::Odd<BoxedUint>, RsaError> {
    Option::from(x.to_odd()).ok_or(RsaError::InvalidKey("a prime is even"))
}

/// `65537^-1 mod m` = (1 + k m) / 65537, where k = -1/m mod 65537: only short divisions.
fn exponent_inverse(m: &BoxedUint) -> Result<Secret, RsaError> {
    let e = NonZero::new(Limb::from(EXPONENT));
    let e = Option::<NonZero<Limb>>::from(e).unwrap_or_else(|| unreachable!());
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
