//! Five signed limbs of 52 bits held as doubles, multiplied by fused multiply-adds; R = 2^260.
#![allow(
    clippy::needless_range_loop,
    reason = "indices are the places of limbs and columns"
)]

use core::marker::PhantomData;

use limb::lanes::{Lanes, Packed};

use super::{Operation, Repr, transpose_bytes};
use crate::modulus::Modulus;
use crate::u256::U256;

/// The representation. Right only where [`Lanes::fused`] holds for `L`.
pub(crate) struct Fma52<L>(PhantomData<L>);

/// Shape: 5 limbs, radix 2^52, least significant first, integers held as doubles.
/// Bounds: every limb at most 2^51 in magnitude.
#[derive(Clone, Copy)]
pub(crate) struct Tight52<L: Lanes>([L::F; 5]);

/// Shape: as [`Tight52`]. Bounds: every limb at most 2^52 in magnitude.
#[derive(Clone, Copy)]
pub(crate) struct Loose52<L: Lanes>([L::F; 5]);

const RADIX: u32 = 52;
const MASK: i64 = (1 << RADIX) - 1;
const HALF: i64 = 1 << (RADIX - 1);

/// 3 * 2^103: a product of magnitude at most 2^103 added to it is rounded to a multiple of 2^52.
const HIGH: f64 = exp2(104) * 1.5;
/// 3 * 2^51: an integer of magnitude at most 2^51 added to it is exact and shifts its bit pattern
/// by that integer.
const LOW: f64 = exp2(52) * 1.5;
/// Bit pattern of `-HIGH`.
const HIGH_BITS: i64 = (-HIGH).to_bits().cast_signed();
/// Bit pattern of `LOW`.
const LOW_BITS: i64 = LOW.to_bits().cast_signed();
/// 2^52, whose bit pattern plus an integer below 2^52 is the pattern of their sum.
const UNIT_BITS: i64 = exp2(52).to_bits().cast_signed();
/// 2^52 + 2^51: takes the exponent and the balancing offset off again.
const OFFSET: f64 = exp2(52) + exp2(51);

/// Keeps the columns positive, so that logical shifts do; a multiple of 2^52.
const BIAS: i64 = 1 << 55;
/// The same for column 0 modulo p, which is one low half.
const BIAS_0: i64 = 1 << 52;
/// The same modulo n, where a column takes twice as many halves.
const BIAS_N: i64 = 1 << 56;

/// Low halves that column k receives, of a product and of a square.
const MUL_TERMS: [i64; 10] = [1, 2, 3, 4, 5, 4, 3, 2, 1, 0];
const SQR_TERMS: [i64; 10] = [1, 1, 2, 2, 3, 2, 2, 1, 1, 0];

const fn exp2(exponent: u64) -> f64 {
    f64::from_bits((1023 + exponent) << 52)
}

/// What the columns start from: their biases, less the bit patterns that the halves bring along.
/// Columns 4 to 8 also carry the offset 2^51 that balances a digit, column 9 the pattern of [`LOW`].
const fn start(terms: [i64; 10], is_p: bool) -> [i64; 10] {
    let mut out = [0i64; 10];
    let mut carried = 0;
    let mut k = 0;
    while k < 10 {
        // Reduction modulo n multiplies by n's five limbs: as many halves again as a product.
        let second = if is_p { 0 } else { MUL_TERMS[k] };
        let second_high = if is_p || k == 0 { 0 } else { MUL_TERMS[k - 1] };
        let high = if k == 0 { 0 } else { terms[k - 1] } + second_high;
        let bias = match k {
            0 if is_p => BIAS_0,
            9 => 0,
            _ if is_p => BIAS,
            _ => BIAS_N,
        };
        let offset = match k {
            9 => LOW_BITS,
            0..=3 => 0,
            // Modulo n, columns 0 to 4 are read while one pattern of LOW is still to come, whose
            // mantissa is the offset.
            4 if !is_p => 0,
            _ => HALF,
        };
        out[k] = (bias - (carried >> RADIX))
            .wrapping_add(offset)
            .wrapping_sub(LOW_BITS.wrapping_mul(terms[k] + second))
            .wrapping_sub(HIGH_BITS.wrapping_mul(high));
        carried = bias;
        k += 1;
    }
    if is_p {
        // The last quotient digit is balanced: -2^51 * (p + 1) at limb 4.
        out[6] = out[6].wrapping_sub(1 << 43);
        out[8] = out[8].wrapping_sub(1 << 35);
        out[9] = out[9].wrapping_add((1 << 15) - (1 << 47));
    }
    out
}

const MUL_START_P: [i64; 10] = start(MUL_TERMS, true);
const SQR_START_P: [i64; 10] = start(SQR_TERMS, true);
const MUL_START_N: [i64; 10] = start(MUL_TERMS, false);
const SQR_START_N: [i64; 10] = start(SQR_TERMS, false);

/// Balanced digits of 52 bits. Post: digits 0 to 3 in [-2^51, 2^51), digit 4 at most 2^48.
const fn digits(x: U256) -> [i64; 5] {
    let w = x.0;
    let mut d = [
        w[0].cast_signed() & MASK,
        ((w[0] >> 52) | (w[1] << 12)).cast_signed() & MASK,
        ((w[1] >> 40) | (w[2] << 24)).cast_signed() & MASK,
        ((w[2] >> 28) | (w[3] << 36)).cast_signed() & MASK,
        (w[3] >> 16).cast_signed(),
    ];
    let mut i = 0;
    while i < 4 {
        let carry = (d[i] + HALF) >> RADIX;
        d[i] -= carry << RADIX;
        d[i + 1] += carry;
        i += 1;
    }
    d
}

/// Both lanes of a constant vector, as memory.
type Both = [u8; 16];

const fn both(lane: i64) -> Both {
    let lane = lane.to_le_bytes();
    let mut out = [0; 16];
    let (low, high) = out.split_at_mut(8);
    low.copy_from_slice(&lane);
    high.copy_from_slice(&lane);
    out
}

const fn both_doubles(lane: f64) -> Both {
    both(lane.to_bits().cast_signed())
}

/// What an operation needs beside its operands, as memory: V8 makes a vector constant by three instructions on the ports
/// that the arithmetic needs, and a load uses none of these. Whole vectors, for a load that fills both lanes from eight
/// bytes takes V8 one more instruction for its address: the number of instructions is what bounds a multiplication.
pub(crate) struct Constants {
    high: Both,
    low: Both,
    unit_plus_one: Both,
    offset: Both,
    mask: Both,
    unit: Both,
    low_4: Both,
    low_8: Both,
    low_16: Both,
    low_36: Both,
    /// What the columns start from.
    start: [Both; 10],
    /// The number of no row of [`mul_p`], which the compiler can't know.
    no_row: usize,
}

const fn with_start(start: [i64; 10]) -> Constants {
    let mut columns = [[0; 16]; 10];
    let mut i = 0;
    while i < 10 {
        columns[i] = both(start[i]);
        i += 1;
    }
    Constants {
        high: both_doubles(-HIGH),
        low: both_doubles(LOW),
        unit_plus_one: both_doubles(exp2(52) + 1.0),
        offset: both_doubles(OFFSET),
        mask: both(MASK),
        unit: both(UNIT_BITS),
        low_4: both((1 << 4) - 1),
        low_8: both((1 << 8) - 1),
        low_16: both((1 << 16) - 1),
        low_36: both((1 << 36) - 1),
        start: columns,
        no_row: usize::MAX,
    }
}

static MODULO_P: [Constants; 4] = [
    with_start(MUL_START_P),
    with_start(without_patterns(MUL_START_P, 1)),
    with_start(SQR_START_P),
    with_start(without_patterns(SQR_START_P, 2)),
];
static MODULO_N: [Constants; 3] = [
    with_start(MUL_START_N),
    with_start(without_patterns(MUL_START_N, 1)),
    with_start(SQR_START_N),
];

/// An operation's constants behind a pointer that the compiler can't see through.
#[inline(always)]
fn constants<M: Modulus>(operation: Operation) -> &'static Constants {
    let index = match operation {
        Operation::Mul => 0,
        Operation::MulSub => 1,
        Operation::Sqr => 2,
        Operation::SqrSubSub => 3,
    };
    let of_modulus: &[Constants] = if M::IS_P { &MODULO_P } else { &MODULO_N };
    core::hint::black_box(&of_modulus[index])
}

#[inline(always)]
fn doubles<L: Packed>(constant: &Both) -> L::F {
    L::from_bits(L::load_bytes(constant))
}

/// Both halves of `a * b`, as bit patterns: `HIGH_BITS + high` and `LOW_BITS + low` with
/// `a * b = high * 2^52 + low`.
/// Pre: `|a * b| <= 2^103`. Post: `|high|, |low| <= 2^51`.
/// Source: the rounding trick of Emmart's floating-point multiplication (ARITH 2018), with the
/// exponents folded into what the columns start from.
#[inline(always)]
fn product<L: Packed>(k: &Constants, a: L::F, b: L::F) -> (L::I, L::I) {
    let high = L::nmadd(a, b, doubles::<L>(&k.high));
    // HIGH + LOW = LOW * (2^52 + 1) needs 54 bits; the fused operation adds it exactly.
    let rest = L::madd(doubles::<L>(&k.low), doubles::<L>(&k.unit_plus_one), high);
    let low = L::madd(a, b, rest);
    (L::to_bits(high), L::to_bits(low))
}

/// Columns of `a * a`. Pre: limbs at most 2^51, so that a doubled one is at most 2^52.
#[inline(always)]
fn sqr_columns<L: Packed>(k: &Constants, a: &[L::F; 5]) -> [L::I; 10] {
    let mut c = k.start.each_ref().map(L::load_bytes);
    for i in 0..5 {
        let twice = L::add_f(a[i], a[i]);
        for j in i..5 {
            let (high, low) = product::<L>(k, if i == j { a[i] } else { twice }, a[j]);
            c[i + j] = L::add_i(c[i + j], low);
            c[i + j + 1] = L::add_i(c[i + j + 1], high);
        }
    }
    c
}

/// Columns of `a * b`.
#[inline(always)]
fn mul_columns<L: Packed>(k: &Constants, a: &[L::F; 5], b: &[L::F; 5]) -> [L::I; 10] {
    let mut c = k.start.each_ref().map(L::load_bytes);
    for i in 0..5 {
        for j in 0..5 {
            let (high, low) = product::<L>(k, a[i], b[j]);
            c[i + j] = L::add_i(c[i + j], low);
            c[i + j + 1] = L::add_i(c[i + j + 1], high);
        }
    }
    c
}

/// Adds one row `a * b` to a window of columns whose last is new.
#[inline(always)]
fn row<L: Packed>(k: &Constants, c: &mut [L::I; 6], a: L::F, b: &[L::F; 5], start: &Both) {
    c[5] = L::load_bytes(start);
    for j in 0..5 {
        let (high, low) = product::<L>(k, a, b[j]);
        c[j] = L::add_i(c[j], low);
        c[j + 1] = L::add_i(c[j + 1], high);
    }
}

/// `a * b / R`, not carried: columns 5 to 9.
#[inline(always)]
fn mul<L: Packed, M: Modulus>(k: &Constants, a: &[L::F; 5], b: &[L::F; 5]) -> [L::I; 5] {
    if M::IS_P {
        mul_p::<L>(k, a, b)
    } else {
        reduce::<L, M>(k, mul_columns::<L>(k, a, b))
    }
}

/// `a * b / R` modulo p, not carried: columns 5 to 9.
///
/// The compiler doesn't know that no row is the last but the fifth, and has to keep the columns apart at the exits. Of one
/// straight line it reorders the sums and spills the halves: 12 % more time a key in V8.
#[inline(always)]
fn mul_p<L: Packed>(k: &Constants, a: &[L::F; 5], b: &[L::F; 5]) -> [L::I; 5] {
    let mut c: [L::I; 6] = core::array::from_fn(|i| L::load_bytes(&k.start[i]));
    for i in 0..4 {
        row::<L>(k, &mut c, a[i], b, &k.start[5 + i]);
        let q = c[0];
        add_quotient_p::<L>(k, &mut c, q);
        c = [c[1], c[2], c[3], c[4], c[5], c[5]];
        if i == k.no_row {
            break;
        }
    }
    row::<L>(k, &mut c, a[4], b, &k.start[9]);
    last_quotient_p::<L>(k, &mut c);
    [c[1], c[2], c[3], c[4], c[5]]
}

/// Adds `q * (p + 1)` at the window's first column, which vanishes against `-q`; as p + 1 is a
/// multiple of 2^96 nothing else falls there. Pre: `0 <= q < 2^56`.
#[inline(always)]
fn add_quotient_p<L: Packed>(k: &Constants, c: &mut [L::I; 6], q: L::I) {
    // 2^96
    c[1] = L::add_i(c[1], L::shl::<44>(L::and(q, L::load_bytes(&k.low_8))));
    c[2] = L::add_i(c[2], L::shr_u::<8>(q));
    // 2^192
    c[3] = L::add_i(c[3], L::shl::<36>(L::and(q, L::load_bytes(&k.low_16))));
    c[4] = L::add_i(c[4], L::shr_u::<16>(q));
    // 2^256 - 2^224
    let up = L::shl::<48>(L::and(q, L::load_bytes(&k.low_4)));
    let down = L::shl::<16>(L::and(q, L::load_bytes(&k.low_36)));
    c[4] = L::add_i(c[4], L::sub_i(up, down));
    c[5] = L::add_i(c[5], L::sub_i(L::shr_u::<4>(q), L::shr_u::<36>(q)));
}

/// The last quotient digit is cut to 52 bits, because it sets the size of the result.
#[inline(always)]
fn last_quotient_p<L: Packed>(k: &Constants, c: &mut [L::I; 6]) {
    c[1] = L::add_i(c[1], L::shr_u::<RADIX>(c[0]));
    let q = L::and(c[0], L::load_bytes(&k.mask));
    add_quotient_p::<L>(k, c, q);
}

/// Makes columns 0 to 4 vanish and carries them into columns 5 to 9.
#[inline(always)]
fn reduce<L: Packed, M: Modulus>(k: &Constants, mut c: [L::I; 10]) -> [L::I; 5] {
    if M::IS_P {
        // p = -1 modulo 2^96, so a whole column is its own quotient digit.
        for i in 0..4 {
            let mut window = core::array::from_fn(|j| c[i + j]);
            add_quotient_p::<L>(k, &mut window, c[i]);
            c[i..i + 6].copy_from_slice(&window);
        }
        let mut window = core::array::from_fn(|j| c[4 + j]);
        last_quotient_p::<L>(k, &mut window);
        c[4..].copy_from_slice(&window);
    } else {
        let n = digits(M::VALUE).map(|d| L::splat_f(d as f64));
        let neg_inverse = balanced(M::NEG_INVERSE.cast_signed());
        for i in 0..5 {
            let low = L::from_bits(L::or(
                L::and(c[i], L::load_bytes(&k.mask)),
                L::load_bytes(&k.unit),
            ));
            let low = L::sub_f(low, doubles::<L>(&k.offset));
            let (_, q) = product::<L>(k, low, L::splat_f(neg_inverse));
            let q = L::sub_f(L::from_bits(q), doubles::<L>(&k.low));
            for j in 0..5 {
                let (high, low) = product::<L>(k, q, n[j]);
                c[i + j] = L::add_i(c[i + j], low);
                c[i + j + 1] = L::add_i(c[i + j + 1], high);
            }
            c[i + 1] = L::add_i(c[i + 1], L::shr_u::<RADIX>(c[i]));
        }
    }
    [c[5], c[6], c[7], c[8], c[9]]
}

/// The double in [-2^51, 2^51) that `x` is modulo 2^52.
const fn balanced(x: i64) -> f64 {
    (((x + HALF) & MASK) - HALF) as f64
}

/// Carries columns 5 to 9 into a tight residue.
/// Pre: columns 5 to 8 in [0, 2^63), their offset 2^51 included; column 9 the pattern of
/// `LOW + x`, `|x| < 2^51 - 2^12`. Post: limbs 0 to 3 in [-2^51, 2^51).
#[inline(always)]
fn carry<L: Packed>(k: &Constants, c: &[L::I; 5]) -> Tight52<L> {
    let mask = L::load_bytes(&k.mask);
    let unit = L::load_bytes(&k.unit);
    let offset = doubles::<L>(&k.offset);
    let mut column = c[0];
    let mut out = [offset; 5];
    for i in 0..4 {
        let digit = L::from_bits(L::or(L::and(column, mask), unit));
        out[i] = L::sub_f(digit, offset);
        column = L::add_i(c[i + 1], L::shr_u::<RADIX>(column));
    }
    out[4] = L::sub_f(L::from_bits(column), doubles::<L>(&k.low));
    Tight52(out).checked()
}

/// Subtracts a tight residue from columns 5 to 9: two operations a limb.
#[inline(always)]
fn subtract<L: Packed>(k: &Constants, c: &mut [L::I; 5], x: &Tight52<L>) {
    for i in 0..5 {
        // LOW - x has the pattern of LOW less x; the pattern of LOW itself goes out again.
        let negated = L::to_bits(L::sub_f(doubles::<L>(&k.low), x.0[i]));
        c[i] = L::add_i(c[i], negated);
    }
}

/// What a column loses for each call of [`subtract`].
const fn without_patterns(mut start: [i64; 10], calls: i64) -> [i64; 10] {
    let mut i = 5;
    while i < 10 {
        start[i] = start[i].wrapping_sub(LOW_BITS.wrapping_mul(calls));
        i += 1;
    }
    start
}

impl<L: Lanes> Tight52<L> {
    /// Repeats the bounds in debug builds.
    #[inline(always)]
    fn checked(self) -> Self {
        if cfg!(debug_assertions) {
            for limb in self.0 {
                for x in L::store_f(limb) {
                    assert!(
                        x.abs() <= exp2(51) && x.fract() == 0.0,
                        "limb out of bounds"
                    );
                }
            }
        }
        self
    }
}

#[cfg(test)]
impl<L: Packed> Fma52<L> {
    pub(crate) fn from_limbs(limbs: &[[i64; 2]]) -> Tight52<L> {
        Tight52(core::array::from_fn(|i| {
            L::load_f(limbs[i].map(|limb| limb as f64))
        }))
        .checked()
    }

    pub(crate) fn to_limbs(x: &Tight52<L>) -> Vec<[i64; 2]> {
        x.0.iter()
            .map(|&limb| L::store_f(limb).map(|x| x as i64))
            .collect()
    }
}

impl<L: Packed> Repr for Fma52<L> {
    type L = L;
    type Tight = Tight52<L>;
    type Loose = Loose52<L>;
    type Constants = Constants;
    const PLANES: usize = 35;

    fn square_of_r<M: Modulus>() -> U256 {
        M::SQUARE_260
    }

    fn cube_of_r<M: Modulus>() -> U256 {
        M::CUBE_260
    }

    #[inline(always)]
    fn zero() -> Tight52<L> {
        Tight52([L::splat_f(0.0); 5])
    }

    #[inline(always)]
    fn load(x: [U256; 2]) -> Tight52<L> {
        let [a, b] = x.map(digits);
        Tight52(core::array::from_fn(|i| {
            L::load_f([a[i] as f64, b[i] as f64])
        }))
        .checked()
    }

    fn store<M: Modulus>(x: &Tight52<L>) -> [U256; 2] {
        let limbs = x.0.map(|limb| {
            let shifted = L::to_bits(L::add_f(limb, L::splat_f(LOW)));
            L::store_i(L::sub_i(shifted, L::splat_i(LOW_BITS)))
        });
        [0, 1].map(|lane| {
            let mut d: [i64; 5] = core::array::from_fn(|i| limbs[i][lane]);
            for i in 0..4 {
                let carry = d[i] >> RADIX;
                d[i] &= MASK;
                d[i + 1] += carry;
            }
            let negative = d[4] < 0;
            let d = d.map(i64::cast_unsigned);
            let low = U256([
                d[0] | (d[1] << 52),
                (d[1] >> 12) | (d[2] << 40),
                (d[2] >> 24) | (d[3] << 28),
                (d[3] >> 36) | (d[4] << 16),
            ]);
            let (raised, _) = low.add(M::VALUE);
            U256::select(negative, raised, low)
        })
    }

    #[inline(always)]
    fn is_zero(x: &Tight52<L>) -> [bool; 2] {
        let any = x.0.map(L::to_bits);
        let any = any[1..].iter().fold(any[0], |all, &b| L::or(all, b));
        L::store_i(any).map(|bits| bits == 0)
    }

    #[inline(always)]
    fn add(a: &Tight52<L>, b: &Tight52<L>) -> Loose52<L> {
        Loose52(core::array::from_fn(|i| L::add_f(a.0[i], b.0[i])))
    }

    #[inline(always)]
    fn sub(a: &Tight52<L>, b: &Tight52<L>) -> Loose52<L> {
        Loose52(core::array::from_fn(|i| L::sub_f(a.0[i], b.0[i])))
    }

    #[inline(always)]
    fn loose(a: &Tight52<L>) -> Loose52<L> {
        Loose52(a.0)
    }

    #[inline(always)]
    fn negate_by(a: &Tight52<L>, mask: L::I) -> Tight52<L> {
        Tight52(a.0.map(|limb| L::from_bits(L::xor(L::to_bits(limb), mask))))
    }

    #[inline(always)]
    fn constants<M: Modulus>(operation: Operation) -> &'static Constants {
        constants::<M>(operation)
    }

    #[inline(always)]
    fn mul_with<M: Modulus>(k: &Constants, a: &Loose52<L>, b: &Tight52<L>) -> Tight52<L> {
        carry(k, &mul::<L, M>(k, &a.0, &b.0))
    }

    #[inline(always)]
    fn mul_sub_with<M: Modulus>(
        k: &Constants,
        a: &Loose52<L>,
        b: &Tight52<L>,
        x: &Tight52<L>,
    ) -> Tight52<L> {
        let mut c = mul::<L, M>(k, &a.0, &b.0);
        subtract(k, &mut c, x);
        carry(k, &c)
    }

    #[inline(always)]
    fn sqr<M: Modulus>(a: &Tight52<L>) -> Tight52<L> {
        let k = constants::<M>(Operation::Sqr);
        let c = sqr_columns::<L>(k, &a.0);
        carry(k, &reduce::<L, M>(k, c))
    }

    #[inline(always)]
    fn sqr_sub_sub_with(
        k: &Constants,
        a: &Tight52<L>,
        x: &Tight52<L>,
        y: &Tight52<L>,
    ) -> Tight52<L> {
        let mut c = reduce::<L, crate::modulus::P>(k, sqr_columns::<L>(k, &a.0));
        subtract(k, &mut c, x);
        subtract(k, &mut c, y);
        // The multiple of p nearest to the result, from its top column: that is the pattern
        // LOW_BITS + x with |x| < 2^51 - 2^47, so its low 52 bits are 2^51 + x and the rounded
        // x / 2^48 lies in -8..8. Without this, x grows threefold a level of the tree.
        let rounded = L::add_i(c[4], L::splat_i(1 << 47));
        let fold = L::shr_u::<60>(L::shl::<12>(rounded));
        let fold = L::sub_i(fold, L::splat_i(8));
        // Less fold * (2^256 - 2^224 + 2^192 + 2^96 - 1).
        c[0] = L::add_i(c[0], fold);
        c[1] = L::sub_i(c[1], L::shl::<44>(fold));
        c[3] = L::sub_i(c[3], L::shl::<36>(fold));
        c[4] = L::add_i(c[4], L::sub_i(L::shl::<16>(fold), L::shl::<48>(fold)));
        carry(k, &c)
    }

    fn to_planes(x: &Tight52<L>, lane: usize, out: &mut [u8]) {
        for (limb, bytes) in x.0.iter().zip(out.chunks_exact_mut(7)) {
            #[expect(clippy::cast_possible_truncation)]
            let integer = L::store_f(*limb)[lane] as i64;
            let raised = integer + HALF;
            debug_assert!((0..=MASK).contains(&raised));
            bytes.copy_from_slice(&raised.to_le_bytes()[..7]);
        }
    }

    #[inline(always)]
    fn from_planes(planes: &[L::I]) -> [Tight52<L>; 8] {
        let unit = L::splat_i(UNIT_BITS);
        let offset = L::splat_f(OFFSET);
        let mut out = [Self::zero(); 8];
        for i in 0..5 {
            let p = &planes[i * 7..i * 7 + 7];
            let zero = L::splat_i(0);
            let raised = transpose_bytes::<L>([p[0], p[1], p[2], p[3], p[4], p[5], p[6], zero]);
            for (pair, bits) in out.iter_mut().zip(raised) {
                pair.0[i] = L::sub_f(L::from_bits(L::or(bits, unit)), offset);
            }
        }
        out
    }
}
