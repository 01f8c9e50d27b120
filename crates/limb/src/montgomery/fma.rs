//! Balanced limbs in doubles, multiplied with a fused multiply-add: two moduli a vector.
//!
//! The representation, the bounds of every step and their proofs are in `docs/fma.md`; the names
//! here (W, n, `high`, `low`, `e`, `c`, `d`) are that text's.
#![doc = include_str!("../../docs/fma.md")]

use super::Montgomery;
use super::columns::{self, Sink, Sums};
use super::words::{bit_length, bits_at, collect, inverse_2_64, power_of_two_mod};
use crate::lanes::Lanes;

/// Rounds a double below 2^51 to an integer when added and taken away again.
const ROUND: f64 = 6_755_399_441_055_744.0; // 1.5 * 2^52

/// Two odd moduli and the scratch space to multiply modulo them.
pub struct Fma<L: Lanes> {
    limbs: usize,
    radix: Radix<L>,
    moduli: [Vec<u64>; 2],
    modulus: Vec<L::F>,
    /// -1/N mod R.
    inverse: Vec<L::F>,
    /// The residue of the running operation, doubled.
    twice: Vec<L::F>,
    /// Low half of a product, then unused.
    low: Vec<L::F>,
    quotient: Vec<L::F>,
    /// The result, until it changes places with the operand.
    out: Vec<L::F>,
}

/// Constants of the radix 2^W.
struct Radix<L: Lanes> {
    width: u32,
    /// 1.5 * 2^(52 + W): what a column's high sum starts from, so that it counts in units of 2^W.
    anchor: L::F,
    /// 2^W.
    size: L::F,
    /// 2^-W.
    unit: L::F,
    round: L::F,
    negated_round: L::F,
    zero: L::F,
}

impl<L: Lanes> Clone for Radix<L> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<L: Lanes> Copy for Radix<L> {}

/// Two residues, one per lane. Shape: n limbs, radix 2^W, least significant first, balanced.
pub struct Residue<L: Lanes>(Vec<L::F>);

impl<L: Lanes> Clone for Residue<L> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<L: Lanes> Drop for Residue<L> {
    fn drop(&mut self) {
        wipe::<L>(&mut self.0);
    }
}

impl<L: Lanes> Drop for Fma<L> {
    fn drop(&mut self) {
        for words in &mut self.moduli {
            words.fill(0);
            core::hint::black_box(words);
        }
        for limbs in [
            &mut self.modulus,
            &mut self.inverse,
            &mut self.twice,
            &mut self.low,
            &mut self.quotient,
            &mut self.out,
        ] {
            wipe::<L>(limbs);
        }
    }
}

fn wipe<L: Lanes>(limbs: &mut [L::F]) {
    limbs.fill(L::splat_f(0.0));
    core::hint::black_box(limbs);
}

impl<L: Lanes> Montgomery for Fma<L> {
    const WIDTH: usize = 2;
    type Residue = Residue<L>;

    fn new(moduli: &[&[u64]]) -> Self {
        debug_assert!(moduli.len() == 2 && moduli[0].len() == moduli[1].len());
        debug_assert!(moduli.iter().all(|m| m[0] & 1 == 1));
        let bits = bit_length(moduli[0]).max(bit_length(moduli[1]));
        // Bounds: docs/fma.md. 47 bits hold up to 50 limbs, 46 bits up to 100.
        let width = if bits <= 2343 { 47 } else { 46 };
        let limbs = ((bits + 7).div_ceil(width) as usize).max(6);
        debug_assert!(limbs <= if width == 47 { 50 } else { 100 });
        let zero = L::splat_f(0.0);
        let zeros = || vec![zero; limbs];
        let mut this = Self {
            limbs,
            radix: Radix::new(width),
            moduli: [moduli[0].to_vec(), moduli[1].to_vec()],
            modulus: zeros(),
            inverse: zeros(),
            twice: zeros(),
            low: zeros(),
            quotient: zeros(),
            out: zeros(),
        };
        let modulus = this.load(moduli);
        this.modulus.copy_from_slice(&modulus.0);
        this.invert();
        this
    }

    fn radix_bits(&self) -> u32 {
        self.radix.width * self.limbs as u32
    }

    fn load(&self, values: &[&[u64]]) -> Residue<L> {
        let mut carry = [0i64; 2];
        let width = self.radix.width;
        let limbs = (0..self.limbs as u32).map(|i| {
            let last = i as usize == self.limbs - 1;
            let mut limb = [0.0; 2];
            for lane in 0..2 {
                let digit = bits_at(values[lane], i * width, width).cast_signed() + carry[lane];
                // 1 when the digit is above half of the radix; the last one keeps what it has.
                carry[lane] = if last {
                    0
                } else {
                    (digit + (1 << (width - 1)) - 1) >> width
                };
                limb[lane] = exact(digit - (carry[lane] << width));
            }
            L::load_f(limb)
        });
        Residue(limbs.collect())
    }

    fn load_power_of_two(&self, exponents: &[u32]) -> Residue<L> {
        let width = self.radix.width;
        let mut limbs = vec![[0.0; 2]; self.limbs];
        for lane in 0..2 {
            let e = exponents[lane];
            limbs[(e / width) as usize][lane] = exact(1 << (e % width));
        }
        Residue(limbs.into_iter().map(L::load_f).collect())
    }

    fn store(&self, x: &Residue<L>, instance: usize) -> Vec<u64> {
        let limbs =
            x.0.iter()
                .map(|limb| truncated(L::store_f(*limb)[instance]));
        collect(limbs, self.radix.width, &self.moduli[instance], 1)
    }

    #[inline]
    fn square(&mut self, x: &mut Residue<L>, double: &[bool]) {
        let scale = [0, 1].map(|lane| f64::from(1 + u8::from(double[lane])));
        // Primes of 1024, 1536 and 2048 bits.
        let run = match self.limbs {
            22 => square_of::<L, 22>,
            33 => square_of::<L, 33>,
            44 => square_of::<L, 44>,
            _ => square::<L>,
        };
        run(
            &self.radix,
            &x.0,
            Workspace {
                modulus: &self.modulus,
                inverse: &self.inverse,
                twice: &mut self.twice,
                low: &mut self.low,
                quotient: &mut self.quotient,
                out: &mut self.out,
            },
            L::load_f(scale),
        );
        core::mem::swap(&mut x.0, &mut self.out);
    }

    fn multiply(&mut self, x: &mut Residue<L>, y: &Residue<L>) {
        multiply(
            &self.radix,
            &x.0,
            &y.0,
            Workspace {
                modulus: &self.modulus,
                inverse: &self.inverse,
                twice: &mut self.twice,
                low: &mut self.low,
                quotient: &mut self.quotient,
                out: &mut self.out,
            },
        );
        core::mem::swap(&mut x.0, &mut self.out);
    }

    fn reduce(&mut self, x: &mut Residue<L>) {
        let mut one = vec![self.radix.zero; self.limbs];
        one[0] = L::splat_f(1.0);
        self.multiply(x, &Residue(one));
    }

    #[inline(never)]
    fn subtract(&self, x: &mut Residue<L>, y: &Residue<L>) {
        let radix = &self.radix;
        let mut carry = radix.zero;
        let last = self.limbs - 1;
        for (i, (a, b)) in x.0.iter_mut().zip(&y.0).enumerate() {
            let e = L::sub_f(*a, *b);
            let (c, d) = radix.split(e);
            *a = L::add_f(if i == last { e } else { d }, carry);
            carry = c;
        }
    }

    #[inline(never)]
    fn select(&self, out: &mut Residue<L>, table: &[Residue<L>], index: &[usize]) {
        out.0.fill(self.radix.zero);
        let (pairs, single) = table.as_chunks::<2>();
        debug_assert!(single.is_empty(), "tables have an even number of entries");
        for (t, [even, odd]) in pairs.iter().enumerate() {
            let mask = [2 * t, 2 * t + 1]
                .map(|t| L::load_i([equal_mask(index[0], t), equal_mask(index[1], t)]));
            for ((limb, a), b) in out.0.iter_mut().zip(&even.0).zip(&odd.0) {
                let chosen = L::or(
                    L::and(L::to_bits(*a), mask[0]),
                    L::and(L::to_bits(*b), mask[1]),
                );
                *limb = L::from_bits(L::or(L::to_bits(*limb), chosen));
            }
        }
    }

    fn units(&self, x: &Residue<L>, instance: usize) -> (bool, bool) {
        // Balanced limbs write 1 and -1 in one way only (docs/fma.md).
        let mut others = 0.0;
        for limb in &x.0[1..] {
            others += L::store_f(*limb)[instance].abs();
        }
        let first = L::store_f(x.0[0])[instance];
        (
            (first == 1.0) & (others == 0.0),
            (first == -1.0) & (others == 0.0),
        )
    }

    fn one(&self) -> Residue<L> {
        let powers = [0, 1].map(|i| power_of_two_mod(self.radix_bits(), &self.moduli[i]));
        self.load(&[&powers[0], &powers[1]])
    }
}

impl<L: Lanes> Fma<L> {
    /// Sets `inverse` to -1/N mod R, by Newton's iteration on a doubling number of limbs.
    fn invert(&mut self) {
        let width = self.radix.width;
        let first = [0, 1].map(|lane| {
            let inverse = inverse_2_64(self.moduli[lane][0]) & ((1 << width) - 1);
            let high = inverse >> (width - 1) << width;
            exact(inverse.cast_signed() - high.cast_signed())
        });
        let mut x = vec![self.radix.zero; self.limbs];
        let mut error = x.clone();
        let mut next = x.clone();
        x[0] = L::load_f(first);
        let mut known = 1;
        while known < self.limbs {
            known = (2 * known).min(self.limbs);
            low_product(
                &self.radix,
                &self.modulus[..known],
                &x[..known],
                &mut error[..known],
            );
            // x * (2 - N x).
            for limb in &mut error[..known] {
                *limb = L::sub_f(self.radix.zero, *limb);
            }
            error[0] = L::add_f(error[0], L::splat_f(2.0));
            low_product(
                &self.radix,
                &x[..known],
                &error[..known],
                &mut next[..known],
            );
            core::mem::swap(&mut x, &mut next);
        }
        for (limb, x) in self.inverse.iter_mut().zip(&x) {
            *limb = L::sub_f(self.radix.zero, *x);
        }
        for scratch in [&mut x, &mut error, &mut next] {
            wipe::<L>(scratch);
        }
    }
}

/// What a multiplication reads and scribbles on, all of n limbs.
struct Workspace<'a, L: Lanes> {
    modulus: &'a [L::F],
    inverse: &'a [L::F],
    twice: &'a mut [L::F],
    low: &'a mut [L::F],
    quotient: &'a mut [L::F],
    out: &'a mut [L::F],
}

/// A column's sum in two parts, `high + low`.
pub struct Sum<L: Lanes> {
    /// The anchor, and the products' high parts: multiples of 2^W.
    high: L::F,
    low: L::F,
}

impl<L: Lanes> Clone for Sum<L> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<L: Lanes> Copy for Sum<L> {}

impl<L: Lanes> Sums for Radix<L> {
    type Limb = L::F;
    type Sum = Sum<L>;

    #[inline(always)]
    fn zero(&self) -> L::F {
        self.zero
    }

    #[inline(always)]
    fn start(&self) -> Sum<L> {
        Sum {
            high: self.anchor,
            low: self.zero,
        }
    }

    /// Four operations: the high part is rounded to a multiple of 2^W by the anchor, the low part
    /// is what the rounding lost, exactly.
    #[inline(always)]
    fn add(sum: &mut Sum<L>, a: L::F, b: L::F) {
        let high = L::madd(a, b, sum.high);
        let back = L::sub_f(sum.high, high);
        sum.low = L::add_f(sum.low, L::madd(a, b, back));
        sum.high = high;
    }
}

/// `out = scale * x^2 / R`. Never inlined: V8 replaces a function by its optimized code only when
/// it is called anew.
#[inline(never)]
fn square<L: Lanes>(radix: &Radix<L>, x: &[L::F], w: Workspace<'_, L>, scale: L::F) {
    square_body(radix, x, w, scale);
}

/// The same with a length that the compiler knows: no bounds to check in blocks (4 % of 22 limbs).
#[inline(never)]
fn square_of<L: Lanes, const N: usize>(
    radix: &Radix<L>,
    x: &[L::F],
    w: Workspace<'_, L>,
    scale: L::F,
) {
    square_body(
        radix,
        &x[..N],
        Workspace {
            modulus: &w.modulus[..N],
            inverse: &w.inverse[..N],
            twice: &mut w.twice[..N],
            low: &mut w.low[..N],
            quotient: &mut w.quotient[..N],
            out: &mut w.out[..N],
        },
        scale,
    );
}

#[inline(always)]
fn square_body<L: Lanes>(radix: &Radix<L>, x: &[L::F], w: Workspace<'_, L>, scale: L::F) {
    for (twice, limb) in w.twice.iter_mut().zip(x) {
        *twice = L::add_f(*limb, *limb);
    }
    let mut digits = Digits::new(radix, w.low);
    columns::square_low(radix, x, w.twice, x.len() - 2, &mut digits);
    let edge = digits.finish(radix, columns::square_edge(radix, x, w.twice));
    low_product(radix, w.low, w.inverse, w.quotient);
    let mut result = Scaled::begin(radix, edge, w.low, w.quotient, w.modulus, scale, w.out);
    let reduction = [&*w.quotient, w.modulus];
    columns::square_and_product_high(radix, [x, w.twice], reduction, &mut result);
    let split = result.split;
    keep_last(radix, w.out, split);
}

/// `out = x * y / R`.
#[inline(never)]
fn multiply<L: Lanes>(radix: &Radix<L>, x: &[L::F], y: &[L::F], w: Workspace<'_, L>) {
    let n = x.len();
    let mut digits = Digits::new(radix, w.low);
    columns::low(radix, &x[..n - 2], &y[..n - 2], &mut digits);
    let edge = digits.finish(radix, columns::edge(radix, x, y));
    low_product(radix, w.low, w.inverse, w.quotient);
    let one = L::splat_f(1.0);
    let mut result = Scaled::begin(radix, edge, w.low, w.quotient, w.modulus, one, w.out);
    columns::products_high(radix, [x, y], [w.quotient, w.modulus], &mut result);
    let split = result.split;
    keep_last(radix, w.out, split);
}

/// The last limb keeps what its split carried.
#[inline(always)]
fn keep_last<L: Lanes>(radix: &Radix<L>, out: &mut [L::F], split: L::F) {
    let last = out.len() - 1;
    out[last] = L::madd(split, radix.size, out[last]);
}

/// `out = a * b mod R`.
#[inline(always)]
fn low_product<L: Lanes>(radix: &Radix<L>, a: &[L::F], b: &[L::F], out: &mut [L::F]) {
    columns::low(radix, a, b, &mut Digits::new(radix, out));
}

/// Carries columns into balanced digits.
struct Digits<'a, L: Lanes> {
    /// Units of 2^W of the last column's high part.
    units: L::F,
    /// What splitting the last column carried.
    split: L::F,
    out: &'a mut [L::F],
}

impl<'a, L: Lanes> Digits<'a, L> {
    #[inline(always)]
    fn new(radix: &Radix<L>, out: &'a mut [L::F]) -> Self {
        Self {
            units: radix.zero,
            split: radix.zero,
            out,
        }
    }

    /// Takes columns n-2 and n-1, and joins n and n+1 with the carries from below.
    #[inline(always)]
    fn finish(mut self, radix: &Radix<L>, edge: [Sum<L>; 4]) -> Edge<L> {
        let [below, last, first, second] = edge;
        self.take(radix, [below, last]);
        Edge {
            totals: [
                L::add_f(first.low, L::add_f(self.units, self.split)),
                L::add_f(second.low, radix.units(first.high)),
            ],
            units: radix.units(second.high),
        }
    }
}

/// Columns n and n+1 of a product, uncarried, and the units of the latter's high part.
struct Edge<L: Lanes> {
    totals: [L::F; 2],
    units: L::F,
}

impl<L: Lanes> Sink<Radix<L>> for Digits<'_, L> {
    #[inline(always)]
    fn take<const C: usize>(&mut self, radix: &Radix<L>, sums: [Sum<L>; C]) {
        for (out, sum) in columns::next::<_, C>(&mut self.out).iter_mut().zip(sums) {
            let e = L::add_f(sum.low, self.units);
            self.units = radix.units(sum.high);
            let (up, d) = radix.split(e);
            *out = L::add_f(d, self.split);
            self.split = up;
        }
    }
}

/// Scales columns and carries them into balanced digits.
struct Scaled<'a, L: Lanes> {
    scale: L::F,
    /// 2^-W and -1.5 * 2^52, both times the scale.
    unit: L::F,
    round: L::F,
    /// Whether the high parts of two products are too much for one sum (docs/fma.md).
    two: bool,
    /// The units of the first product's last column, where `two`.
    up: L::F,
    units: L::F,
    split: L::F,
    rest: &'a mut [L::F],
}

impl<'a, L: Lanes> Scaled<'a, L> {
    /// The lowest two digits of `scale * (low + R * high) / R` modulo N, of which `edge` is `high`'s beginning.
    ///
    /// One shot: `quotient = low * (-1/N) mod R`, then only the columns of `quotient * N` that reach past R. The
    /// carry from below is rounded from columns n-2 and n-1, since the sum is a multiple of R.
    #[inline(always)]
    fn begin(
        radix: &Radix<L>,
        edge: Edge<L>,
        low: &[L::F],
        quotient: &[L::F],
        modulus: &[L::F],
        scale: L::F,
        out: &'a mut [L::F],
    ) -> Self {
        let [below, last, mut first, mut second] = columns::edge(radix, quotient, modulus);
        let sum = L::add_f(
            L::add_f(last.low, radix.units(below.high)),
            low[low.len() - 1],
        );
        let rounded = L::sub_f(L::madd(sum, radix.unit, radix.round), radix.round);
        let mut this = Self {
            scale,
            unit: L::mul_f(radix.unit, scale),
            round: L::mul_f(radix.negated_round, scale),
            two: low.len() > 34,
            up: radix.zero,
            units: L::mul_f(scale, L::add_f(radix.units(last.high), rounded)),
            split: radix.zero,
            rest: out,
        };
        first.low = L::add_f(first.low, edge.totals[0]);
        second.low = L::add_f(second.low, edge.totals[1]);
        this.take(radix, [first, second]);
        this.units = L::madd(edge.units, scale, this.units);
        this
    }
}

impl<L: Lanes> Sink<Radix<L>> for Scaled<'_, L> {
    #[inline(always)]
    fn between<const C: usize>(&mut self, radix: &Radix<L>, sums: &mut [Sum<L>; C]) {
        if self.two {
            let mut units = radix.zero;
            for sum in sums {
                sum.low = L::add_f(sum.low, units);
                units = radix.units(sum.high);
                sum.high = radix.anchor;
            }
            self.up = units;
        }
    }

    #[inline(always)]
    fn take<const C: usize>(&mut self, radix: &Radix<L>, sums: [Sum<L>; C]) {
        let out = columns::next::<_, C>(&mut self.rest);
        for (out, sum) in out.iter_mut().zip(sums) {
            let e = L::madd(sum.low, self.scale, self.units);
            self.units = L::madd(sum.high, self.unit, self.round);
            let (up, d) = radix.split(e);
            *out = L::add_f(d, self.split);
            self.split = up;
        }
        if self.two {
            self.units = L::madd(self.up, self.scale, self.units);
        }
    }
}

impl<L: Lanes> Radix<L> {
    fn new(width: u32) -> Self {
        let size = exact(1 << width);
        Self {
            width,
            anchor: L::splat_f(ROUND * size),
            size: L::splat_f(size),
            unit: L::splat_f(1.0 / size),
            round: L::splat_f(ROUND),
            negated_round: L::splat_f(-ROUND),
            zero: L::splat_f(0.0),
        }
    }

    /// Units of 2^W in a high sum.
    #[inline(always)]
    fn units(&self, high: L::F) -> L::F {
        L::madd(high, self.unit, self.negated_round)
    }

    /// `e = c * 2^W + d` with `|d| <= 2^(W-1)`: `(c, d)`. Pre: `|e| <= 2^54`, exact.
    #[inline(always)]
    fn split(&self, e: L::F) -> (L::F, L::F) {
        let c = L::sub_f(L::madd(e, self.unit, self.round), self.round);
        (c, L::nmadd(c, self.size, e))
    }
}

/// All ones when equal, else zero, without a branch. Pre: both below 2^31.
fn equal_mask(a: usize, b: usize) -> i64 {
    let different = (a ^ b) as i64;
    (different - 1) >> 63
}

/// Pre: `|x| <= 2^53`.
fn exact(x: i64) -> f64 {
    debug_assert!(x.unsigned_abs() <= 1 << 53);
    x as f64
}

/// Pre: an integer with `|x| < 2^53`.
fn truncated(x: f64) -> i64 {
    x as i64
}
