//! Residues modulo p and n, two instances side by side, in Montgomery form.
#![doc = include_str!("../../docs/field.md")]

pub(crate) mod exact24;
pub(crate) mod fma52;
#[cfg(test)]
mod tests;

use limb::lanes::Packed;

use crate::modulus::{Modulus, P};
use crate::u256::U256;

/// Names the constants of an operation.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Operation {
    Mul,
    MulSub,
    Sqr,
    SqrSubSub,
}

/// One way to hold a residue in vector lanes. Bounds are proved in `docs/field.md`.
///
/// Sizes are counted in units of 2^256: a residue of size `x` is an integer whose magnitude is at
/// most `x * 2^256`. [`Repr::mul`] of sizes `a` and `b` gives size `a * b / 16 + 0.51`.
pub(crate) trait Repr: Sized + 'static {
    type L: Packed;
    /// Carried. Size: at most 6.
    type Tight: Copy;
    /// One sum or difference of two tight residues, not carried. Size: at most 12.
    type Loose: Copy;

    /// `R^2` modulo M, for Montgomery's R.
    fn square_of_r<M: Modulus>() -> U256;
    /// `R^3` modulo M.
    fn cube_of_r<M: Modulus>() -> U256;
    /// Bytes that one coordinate takes in a table.
    const PLANES: usize;

    fn zero() -> Self::Tight;
    /// The integers' limbs, no Montgomery factor. Post: size 1.
    fn load(x: [U256; 2]) -> Self::Tight;
    /// The canonical integers in `0..M`. Pre: size at most 1, magnitude below M.
    fn store<M: Modulus>(x: &Self::Tight) -> [U256; 2];
    /// Lanes that hold a zero. Pre: magnitude below M, as after [`Repr::mul`] with [`Repr::one`].
    fn is_zero(x: &Self::Tight) -> [bool; 2];

    fn add(a: &Self::Tight, b: &Self::Tight) -> Self::Loose;
    fn sub(a: &Self::Tight, b: &Self::Tight) -> Self::Loose;
    fn loose(a: &Self::Tight) -> Self::Loose;
    /// Flips the signs of the lanes whose `mask` is the sign bit alone; the others' mask is 0.
    fn negate_by(a: &Self::Tight, mask: <Self::L as limb::lanes::Lanes>::I) -> Self::Tight;

    /// What an operation needs beside its operands, hidden from the compiler.
    type Constants: 'static;
    /// To be asked for once before a loop: between two operations the compiler would keep all operands in memory.
    fn constants<M: Modulus>(operation: Operation) -> &'static Self::Constants;

    /// `a * b / R`. Pre: `k` of [`Operation::Mul`].
    fn mul_with<M: Modulus>(k: &Self::Constants, a: &Self::Loose, b: &Self::Tight) -> Self::Tight;
    /// `a * b / R - c`. Pre: `k` of [`Operation::MulSub`].
    fn mul_sub_with<M: Modulus>(
        k: &Self::Constants,
        a: &Self::Loose,
        b: &Self::Tight,
        c: &Self::Tight,
    ) -> Self::Tight;
    /// `a * a / R`.
    fn sqr<M: Modulus>(a: &Self::Tight) -> Self::Tight;
    /// `a * a / R - b - c` modulo p. Pre: `k` of [`Operation::SqrSubSub`] modulo p. Post: size 0.6.
    fn sqr_sub_sub_with(
        k: &Self::Constants,
        a: &Self::Tight,
        b: &Self::Tight,
        c: &Self::Tight,
    ) -> Self::Tight;

    /// The bytes of lane `lane` for a table, to be read back by [`Repr::from_planes`].
    /// Pre: size at most 1.
    fn to_planes(x: &Self::Tight, lane: usize, out: &mut [u8]);
    /// Sixteen residues from [`Repr::PLANES`] vectors, byte `i` of each belonging to residue `i`;
    /// pair `j` of the result holds residues `2j` and `2j + 1`.
    fn from_planes(planes: &[<Self::L as limb::lanes::Lanes>::I]) -> [Self::Tight; 8];

    /// `a * b / R`.
    #[inline(always)]
    fn mul<M: Modulus>(a: &Self::Loose, b: &Self::Tight) -> Self::Tight {
        Self::mul_with::<M>(Self::constants::<M>(Operation::Mul), a, b)
    }
    /// `a * b / R - c`.
    #[inline(always)]
    fn mul_sub<M: Modulus>(a: &Self::Loose, b: &Self::Tight, c: &Self::Tight) -> Self::Tight {
        Self::mul_sub_with::<M>(Self::constants::<M>(Operation::MulSub), a, b, c)
    }
    /// `a * a / R - b - c` modulo p. Post: size 0.6.
    #[inline(always)]
    fn sqr_sub_sub(a: &Self::Tight, b: &Self::Tight, c: &Self::Tight) -> Self::Tight {
        Self::sqr_sub_sub_with(Self::constants::<P>(Operation::SqrSubSub), a, b, c)
    }

    /// The integer one, not R.
    #[inline(always)]
    fn one() -> Self::Tight {
        Self::load([U256::ONE; 2])
    }
}

/// `x * R` modulo M in both lanes.
pub(crate) fn to_montgomery<R: Repr, M: Modulus>(x: [U256; 2]) -> R::Tight {
    let square = R::load([R::square_of_r::<M>(); 2]);
    R::mul::<M>(&R::loose(&R::load(x)), &square)
}

/// Eight vectors of sixteen bytes, byte `i` of vector `j` to byte `j` of the 64-bit unit `i`;
/// vector `k` of the result holds units `2k` and `2k + 1`. Three rounds of interleaving.
#[inline(always)]
pub(crate) fn transpose_bytes<L: Packed>(b: [L::I; 8]) -> [L::I; 8] {
    // Pairs of bytes: units 0..8 low, 8..16 high.
    let low = [0, 2, 4, 6].map(|j| L::zip_low_u8(b[j], b[j + 1]));
    let high = [0, 2, 4, 6].map(|j| L::zip_high_u8(b[j], b[j + 1]));
    let quarter = |pairs: [L::I; 4]| {
        let first = [
            L::zip_low_u16(pairs[0], pairs[1]),
            L::zip_high_u16(pairs[0], pairs[1]),
        ];
        let second = [
            L::zip_low_u16(pairs[2], pairs[3]),
            L::zip_high_u16(pairs[2], pairs[3]),
        ];
        [
            L::zip_low_u32(first[0], second[0]),
            L::zip_high_u32(first[0], second[0]),
            L::zip_low_u32(first[1], second[1]),
            L::zip_high_u32(first[1], second[1]),
        ]
    };
    let (low, high) = (quarter(low), quarter(high));
    [
        low[0], low[1], low[2], low[3], high[0], high[1], high[2], high[3],
    ]
}
