//! Eleven signed limbs of 24 bits held as doubles at their own weight; no operation ever rounds, so
//! that fused and unfused multiply-adds agree. R = 2^264.
#![allow(
    clippy::needless_range_loop,
    reason = "indices are the places of limbs and columns"
)]

use core::marker::PhantomData;

use limb::lanes::{Lanes, Packed};

use super::{Operation, Repr, transpose_bytes};
use crate::modulus::{Modulus, P};
use crate::u256::U256;

/// The representation.
pub(crate) struct Exact24<L>(PhantomData<L>);

const LIMBS: usize = 11;
const RADIX: i32 = 24;
/// A residue x is held as x / R: then a product's upper half needs no scaling down.
const SCALE: i32 = 264;
/// Columns of a product, and one for the last carry.
const COLUMNS: usize = 2 * LIMBS;

/// Shape: 11 limbs; limb i is a multiple of 2^(24 i - 264).
/// Bounds: every limb at most 2^23 such multiples in magnitude.
#[derive(Clone, Copy)]
pub(crate) struct Tight24<L: Lanes>([L::F; LIMBS]);

/// Shape: as [`Tight24`]. Bounds: every limb at most 2^24 multiples in magnitude.
#[derive(Clone, Copy)]
pub(crate) struct Loose24<L: Lanes>([L::F; LIMBS]);

const fn exp2(exponent: i32) -> f64 {
    assert!(-1022 <= exponent && exponent <= 1023);
    f64::from_bits(((1023 + exponent) as u64) << 52)
}

/// Weight of limb i.
const fn weight(i: usize) -> i32 {
    RADIX * i as i32 - SCALE
}

/// Added and taken off again, rounds to a multiple of 2^exponent; exact for magnitudes up to
/// 2^(exponent + 51).
const fn rounder(exponent: i32) -> f64 {
    exp2(exponent + 52) * 1.5
}

/// [`rounder`] of each column to the next column's weight.
const ROUNDERS: [f64; COLUMNS] = {
    let mut out = [0.0; COLUMNS];
    let mut k = 0;
    while k < COLUMNS {
        out[k] = rounder(RADIX * (k as i32 + 1) - 2 * SCALE);
        k += 1;
    }
    out
};

/// Balanced digits of 24 bits.
const fn digits(x: U256) -> [i64; LIMBS] {
    let mut out = [0; LIMBS];
    let mut carry = 0;
    let mut i = 0;
    while i < LIMBS {
        let bit = RADIX as usize * i;
        let (word, shift) = (bit / 64, bit % 64);
        let mut digit = x.0[word] >> shift;
        if shift > 64 - RADIX as usize && word < 3 {
            digit |= x.0[word + 1] << (64 - shift);
        }
        let raised = (digit & 0xff_ffff) as i64 + carry;
        carry = if i < LIMBS - 1 {
            (raised + (1 << 23)) >> RADIX
        } else {
            0
        };
        out[i] = raised - (carry << RADIX);
        i += 1;
    }
    out
}

/// `x` rounded to a multiple of the power of two that `rounder` is made for.
#[inline(always)]
fn round<L: Lanes>(x: L::F, rounder: f64) -> L::F {
    let rounder = L::splat_f(rounder);
    L::sub_f(L::add_f(x, rounder), rounder)
}

/// A column: the sum of products of limbs of two residues.
macro_rules! sum {
    ($a:ident $b:ident; $i:literal $j:literal $(, $k:literal $l:literal)*) => {{
        let sum = L::mul_f($a[$i], $b[$j]);
        $(let sum = L::madd_exact($a[$k], $b[$l], sum);)*
        sum
    }};
}

/// Columns of `a * b`, written out, as loops would keep the sums in memory. Pre: in units of a
/// column, at most 11 * 2^24 * 2^23 < 2^51.
#[inline(always)]
#[rustfmt::skip]
fn mul_columns<L: Packed>(a: &[L::F; LIMBS], b: &[L::F; LIMBS]) -> [L::F; COLUMNS] {
    [
        sum!(a b; 0 0),
        sum!(a b; 0 1, 1 0),
        sum!(a b; 0 2, 1 1, 2 0),
        sum!(a b; 0 3, 1 2, 2 1, 3 0),
        sum!(a b; 0 4, 1 3, 2 2, 3 1, 4 0),
        sum!(a b; 0 5, 1 4, 2 3, 3 2, 4 1, 5 0),
        sum!(a b; 0 6, 1 5, 2 4, 3 3, 4 2, 5 1, 6 0),
        sum!(a b; 0 7, 1 6, 2 5, 3 4, 4 3, 5 2, 6 1, 7 0),
        sum!(a b; 0 8, 1 7, 2 6, 3 5, 4 4, 5 3, 6 2, 7 1, 8 0),
        sum!(a b; 0 9, 1 8, 2 7, 3 6, 4 5, 5 4, 6 3, 7 2, 8 1, 9 0),
        sum!(a b; 0 10, 1 9, 2 8, 3 7, 4 6, 5 5, 6 4, 7 3, 8 2, 9 1, 10 0),
        sum!(a b; 1 10, 2 9, 3 8, 4 7, 5 6, 6 5, 7 4, 8 3, 9 2, 10 1),
        sum!(a b; 2 10, 3 9, 4 8, 5 7, 6 6, 7 5, 8 4, 9 3, 10 2),
        sum!(a b; 3 10, 4 9, 5 8, 6 7, 7 6, 8 5, 9 4, 10 3),
        sum!(a b; 4 10, 5 9, 6 8, 7 7, 8 6, 9 5, 10 4),
        sum!(a b; 5 10, 6 9, 7 8, 8 7, 9 6, 10 5),
        sum!(a b; 6 10, 7 9, 8 8, 9 7, 10 6),
        sum!(a b; 7 10, 8 9, 9 8, 10 7),
        sum!(a b; 8 10, 9 9, 10 8),
        sum!(a b; 9 10, 10 9),
        sum!(a b; 10 10),
        L::splat_f(0.0),
    ]
}

/// Columns 11 to 21 of `a * b / R`, not carried. A function of its own: written out at every place
/// it makes the module half as large again.
#[inline(never)]
fn product<L: Packed, M: Modulus>(a: &[L::F; LIMBS], b: &[L::F; LIMBS], out: &mut [L::F; LIMBS]) {
    let mut c = mul_columns::<L>(a, b);
    reduce::<L, M>(&mut c);
    out.copy_from_slice(&c[LIMBS..]);
}

/// Makes columns 0 to 10 vanish and carries them into the upper ones.
#[inline(always)]
fn reduce<L: Packed, M: Modulus>(c: &mut [L::F; COLUMNS]) {
    if M::IS_P {
        for k in 0..LIMBS {
            let carry = round::<L>(c[k], ROUNDERS[k]);
            let q = L::sub_f(c[k], carry);
            c[k + 1] = L::add_f(c[k + 1], carry);
            // p + 1 = 2^96 + 2^192 - 2^224 + 2^256, and 96 = 4 * 24.
            for (column, exponent, sign) in
                [(4, 96, 1.0), (8, 192, 1.0), (9, 224, -1.0), (10, 256, 1.0)]
            {
                let power = L::splat_f(exp2(exponent) * sign);
                c[k + column] = L::madd_exact(q, power, c[k + column]);
            }
        }
    } else {
        let n = digits(M::VALUE);
        let neg_inverse = M::NEG_INVERSE.cast_signed() & 0xff_ffff;
        let neg_inverse = ((neg_inverse + (1 << 23)) & 0xff_ffff) - (1 << 23);
        for k in 0..LIMBS {
            let low = L::sub_f(c[k], round::<L>(c[k], ROUNDERS[k]));
            let q = L::mul_f(low, L::splat_f(neg_inverse as f64));
            let q = L::sub_f(q, round::<L>(q, ROUNDERS[k]));
            for (j, &digit) in n.iter().enumerate() {
                let limb = L::splat_f(digit as f64 * exp2(RADIX * j as i32));
                c[k + j] = L::madd_exact(q, limb, c[k + j]);
            }
            c[k + 1] = L::add_f(c[k + 1], c[k]);
        }
    }
}

/// Carries columns 11 to 21 into a tight residue.
#[inline(always)]
fn carry<L: Packed>(c: &[L::F; LIMBS]) -> Tight24<L> {
    let mut out = [L::splat_f(0.0); LIMBS];
    let mut column = c[0];
    for i in 0..LIMBS - 1 {
        let carry = round::<L>(column, ROUNDERS[i + LIMBS]);
        out[i] = L::sub_f(column, carry);
        column = L::add_f(c[i + 1], carry);
    }
    out[LIMBS - 1] = column;
    Tight24(out).checked()
}

impl<L: Packed> Tight24<L> {
    /// Repeats the bounds in debug builds.
    #[inline(always)]
    fn checked(self) -> Self {
        if cfg!(debug_assertions) {
            for (i, limb) in self.0.into_iter().enumerate() {
                for x in L::store_f(limb) {
                    let units = x * exp2(-weight(i));
                    assert!(
                        units.abs() <= exp2(23) && units.fract() == 0.0,
                        "limb out of bounds"
                    );
                }
            }
        }
        self
    }
}

#[cfg(test)]
impl<L: Packed> Exact24<L> {
    pub(crate) fn from_limbs(limbs: &[[i64; 2]]) -> Tight24<L> {
        Tight24(core::array::from_fn(|i| {
            L::load_f(limbs[i].map(|limb| limb as f64 * exp2(weight(i))))
        }))
        .checked()
    }

    pub(crate) fn to_limbs(x: &Tight24<L>) -> Vec<[i64; 2]> {
        x.0.iter()
            .enumerate()
            .map(|(i, &limb)| L::store_f(limb).map(|x| (x * exp2(-weight(i))) as i64))
            .collect()
    }
}

impl<L: Packed> Repr for Exact24<L> {
    type L = L;
    type Tight = Tight24<L>;
    type Loose = Loose24<L>;
    type Constants = ();
    const PLANES: usize = 3 * LIMBS;

    fn square_of_r<M: Modulus>() -> U256 {
        M::SQUARE_264
    }

    fn cube_of_r<M: Modulus>() -> U256 {
        M::CUBE_264
    }

    #[inline(always)]
    fn zero() -> Tight24<L> {
        Tight24([L::splat_f(0.0); LIMBS])
    }

    #[inline(always)]
    fn load(x: [U256; 2]) -> Tight24<L> {
        let [a, b] = x.map(digits);
        Tight24(core::array::from_fn(|i| {
            let unit = exp2(weight(i));
            L::load_f([a[i] as f64 * unit, b[i] as f64 * unit])
        }))
        .checked()
    }

    fn store<M: Modulus>(x: &Tight24<L>) -> [U256; 2] {
        let limbs: [[f64; 2]; LIMBS] =
            core::array::from_fn(|i| L::store_f(L::mul_f(x.0[i], L::splat_f(exp2(-weight(i))))));
        [0, 1].map(|lane| {
            // Four limbs are 96 bits: a signed carry of 128 bits takes any number of them.
            let mut words = [0u64; 4];
            let mut carry = 0i64;
            for (i, limb) in limbs.iter().enumerate() {
                #[expect(clippy::cast_possible_truncation)]
                let digit = limb[lane] as i64 + carry;
                carry = digit >> RADIX;
                let digit = (digit & 0xff_ffff).cast_unsigned();
                let bit = RADIX as usize * i;
                let (word, shift) = (bit / 64, bit % 64);
                words[word] |= digit << shift;
                if shift > 64 - RADIX as usize && word < 3 {
                    words[word + 1] |= digit >> (64 - shift);
                }
            }
            // Limb 10 has 16 bits below 2^256; its carry out is the sign.
            let low = U256(words);
            let (raised, _) = low.add(M::VALUE);
            U256::select(carry < 0, raised, low)
        })
    }

    #[inline(always)]
    fn is_zero(x: &Tight24<L>) -> [bool; 2] {
        let any = x.0.map(L::to_bits);
        let any = any[1..].iter().fold(any[0], |all, &b| L::or(all, b));
        L::store_i(any).map(|bits| bits == 0)
    }

    #[inline(always)]
    fn add(a: &Tight24<L>, b: &Tight24<L>) -> Loose24<L> {
        Loose24(core::array::from_fn(|i| L::add_f(a.0[i], b.0[i])))
    }

    #[inline(always)]
    fn sub(a: &Tight24<L>, b: &Tight24<L>) -> Loose24<L> {
        Loose24(core::array::from_fn(|i| L::sub_f(a.0[i], b.0[i])))
    }

    #[inline(always)]
    fn loose(a: &Tight24<L>) -> Loose24<L> {
        Loose24(a.0)
    }

    #[inline(always)]
    fn negate_by(a: &Tight24<L>, mask: L::I) -> Tight24<L> {
        Tight24(a.0.map(|limb| L::from_bits(L::xor(L::to_bits(limb), mask))))
    }

    #[inline(always)]
    fn constants<M: Modulus>(_: Operation) -> &'static () {
        &()
    }

    #[inline(always)]
    fn mul_with<M: Modulus>((): &(), a: &Loose24<L>, b: &Tight24<L>) -> Tight24<L> {
        let mut c = [L::splat_f(0.0); LIMBS];
        product::<L, M>(&a.0, &b.0, &mut c);
        carry(&c)
    }

    #[inline(always)]
    fn mul_sub_with<M: Modulus>(
        (): &(),
        a: &Loose24<L>,
        b: &Tight24<L>,
        x: &Tight24<L>,
    ) -> Tight24<L> {
        let mut c = [L::splat_f(0.0); LIMBS];
        product::<L, M>(&a.0, &b.0, &mut c);
        for i in 0..LIMBS {
            c[i] = L::sub_f(c[i], x.0[i]);
        }
        carry(&c)
    }

    #[inline(always)]
    fn sqr<M: Modulus>(a: &Tight24<L>) -> Tight24<L> {
        Self::mul::<M>(&Loose24(a.0), a)
    }

    #[inline(always)]
    fn sqr_sub_sub_with((): &(), a: &Tight24<L>, x: &Tight24<L>, y: &Tight24<L>) -> Tight24<L> {
        let mut c = [L::splat_f(0.0); LIMBS];
        product::<L, P>(&a.0, &a.0, &mut c);
        for i in 0..LIMBS {
            c[i] = L::sub_f(c[i], L::add_f(x.0[i], y.0[i]));
        }
        // The multiple of p nearest to the result, from its two top columns.
        let top = L::add_f(c[9], c[10]);
        let fold = round::<L>(top, rounder(256 - SCALE));
        let part = |column: L::F, power: f64| L::madd_exact(fold, L::splat_f(power), column);
        c[0] = part(c[0], exp2(-256));
        c[4] = part(c[4], -exp2(96 - 256));
        c[8] = part(c[8], -exp2(192 - 256));
        c[9] = part(c[9], exp2(224 - 256));
        c[10] = L::sub_f(c[10], fold);
        carry(&c)
    }

    fn to_planes(x: &Tight24<L>, lane: usize, out: &mut [u8]) {
        for ((i, limb), bytes) in x.0.iter().enumerate().zip(out.chunks_exact_mut(3)) {
            #[expect(clippy::cast_possible_truncation)]
            let integer = (L::store_f(*limb)[lane] * exp2(-weight(i))) as i64;
            let raised = integer + (1 << 23);
            // The tie 2^23 would need a 25th bit.
            assert!((0..1 << 24).contains(&raised), "table limb out of bounds");
            bytes.copy_from_slice(&raised.to_le_bytes()[..3]);
        }
    }

    #[inline(always)]
    fn from_planes(planes: &[L::I]) -> [Tight24<L>; 8] {
        let zero = L::splat_i(0);
        let mut out = [Self::zero(); 8];
        for i in 0..LIMBS {
            let p = &planes[3 * i..3 * i + 3];
            let raised = transpose_bytes::<L>([p[0], p[1], p[2], zero, zero, zero, zero, zero]);
            // A unit is the last bit of 2^(weight + 52).
            let unit = exp2(weight(i) + 52);
            let offset = L::splat_f(unit + exp2(weight(i) + 23));
            let unit = L::splat_i(unit.to_bits().cast_signed());
            for (pair, bits) in out.iter_mut().zip(raised) {
                pair.0[i] = L::sub_f(L::from_bits(L::or(bits, unit)), offset);
            }
        }
        out
    }
}
