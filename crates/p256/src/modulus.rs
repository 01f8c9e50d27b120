//! The curve's two primes. Source: FIPS 186-5 and SP 800-186, section 3.2.1.3.

use crate::u256::U256;

/// An odd 256-bit prime, above 2^255.
pub(crate) trait Modulus: 'static {
    const VALUE: U256;
    /// Whether the modulus is p, whose Montgomery quotient digits are the columns themselves.
    const IS_P: bool;
    /// `-M^-1` modulo 2^64.
    const NEG_INVERSE: u64 = neg_inverse(Self::VALUE.0[0]);
    /// `2^520` modulo M: Montgomery's R squared for R = 2^260.
    const SQUARE_260: U256 = power_of_two(Self::VALUE, 520);
    /// `2^780` modulo M: R cubed.
    const CUBE_260: U256 = power_of_two(Self::VALUE, 780);
    /// `2^528` modulo M: Montgomery's R squared for R = 2^264.
    const SQUARE_264: U256 = power_of_two(Self::VALUE, 528);
    /// `2^792` modulo M: R cubed.
    const CUBE_264: U256 = power_of_two(Self::VALUE, 792);
}

const fn power_of_two(modulus: U256, exponent: u32) -> U256 {
    let mut x = U256::ONE;
    let mut i = 0;
    while i < exponent {
        let (twice, carry) = x.add(x);
        let (less, borrow) = twice.sub(modulus);
        x = if carry || !borrow { less } else { twice };
        i += 1;
    }
    x
}

/// Newton's iteration doubles the right bits: 3, 6, 12, 24, 48, 96.
const fn neg_inverse(m: u64) -> u64 {
    let mut x = m.wrapping_mul(3) ^ 2;
    let mut i = 0;
    while i < 4 {
        x = x.wrapping_mul(2u64.wrapping_sub(m.wrapping_mul(x)));
        i += 1;
    }
    x.wrapping_neg()
}

/// The field's prime, 2^256 - 2^224 + 2^192 + 2^96 - 1.
pub(crate) struct P;

impl Modulus for P {
    const VALUE: U256 = U256([
        0xffff_ffff_ffff_ffff,
        0x0000_0000_ffff_ffff,
        0,
        0xffff_ffff_0000_0001,
    ]);
    const IS_P: bool = true;
}

/// The group's order.
pub(crate) struct N;

impl Modulus for N {
    const VALUE: U256 = U256([
        0xf3b9_cac2_fc63_2551,
        0xbce6_faad_a717_9e84,
        0xffff_ffff_ffff_ffff,
        0xffff_ffff_0000_0000,
    ]);
    const IS_P: bool = false;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn negative_inverses() {
        assert_eq!(P::VALUE.0[0].wrapping_mul(P::NEG_INVERSE), u64::MAX);
        assert_eq!(N::VALUE.0[0].wrapping_mul(N::NEG_INVERSE), u64::MAX);
    }
}
