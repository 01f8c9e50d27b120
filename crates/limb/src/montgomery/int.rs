//! 28-bit limbs in 32-bit words, multiplied as integers: four moduli a vector.
//!
//! The fallback for a CPU without a fused multiply-add. The representation, the bounds of every
//! step and their proofs are in `docs/int.md`.
#![doc = include_str!("../../docs/int.md")]

use super::Montgomery;
use super::columns::{self, Sink, Sums};
use super::words::{bit_length, bits_at, collect, inverse_2_64, power_of_two_mod};
use crate::lanes::Lanes;

const WIDTH: u32 = 28;
const MASK: i64 = (1 << WIDTH) - 1;

/// Four odd moduli and the scratch space to multiply modulo them.
pub struct Int<L: Lanes> {
    limbs: usize,
    moduli: [Vec<u64>; 4],
    modulus: Vec<L::I>,
    /// -1/N mod R.
    inverse: Vec<L::I>,
    /// The residue of the running operation, doubled.
    twice: Vec<L::I>,
    /// Low half of a product.
    low: Vec<L::I>,
    /// High half of a product.
    high: Vec<L::I>,
    quotient: Vec<L::I>,
}

/// Four residues. Shape: n limbs, radix 2^28, least significant first, four 32-bit words a limb.
pub struct Residue<L: Lanes>(Vec<L::I>);

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

impl<L: Lanes> Drop for Int<L> {
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
            &mut self.high,
            &mut self.quotient,
        ] {
            wipe::<L>(limbs);
        }
    }
}

fn wipe<L: Lanes>(limbs: &mut [L::I]) {
    limbs.fill(L::splat_i(0));
    core::hint::black_box(limbs);
}

/// Unsigned 64-bit column sums: lanes of the instances 0 and 1, then 2 and 3.
pub struct Sum<L: Lanes>([L::I; 2]);

impl<L: Lanes> Clone for Sum<L> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<L: Lanes> Copy for Sum<L> {}

struct Words<L>(core::marker::PhantomData<L>);

impl<L: Lanes> Sums for Words<L> {
    type Limb = L::I;
    type Sum = Sum<L>;

    #[inline(always)]
    fn zero(&self) -> L::I {
        L::splat_i(0)
    }

    #[inline(always)]
    fn start(&self) -> Sum<L> {
        Sum([L::splat_i(0); 2])
    }

    #[inline(always)]
    fn add(sum: &mut Sum<L>, a: L::I, b: L::I) {
        sum.0[0] = L::add_i(sum.0[0], L::mul_words_low(a, b));
        sum.0[1] = L::add_i(sum.0[1], L::mul_words_high(a, b));
    }
}

/// Carries columns into digits.
struct Digits<'a, L: Lanes> {
    carry: [L::I; 2],
    out: &'a mut [L::I],
}

impl<'a, L: Lanes> Digits<'a, L> {
    #[inline(always)]
    fn new(out: &'a mut [L::I]) -> Self {
        Self {
            carry: [L::splat_i(0); 2],
            out,
        }
    }

    /// Goes on with another place for the digits.
    #[inline(always)]
    fn into_high(self, out: &'a mut [L::I]) -> Self {
        Self {
            carry: self.carry,
            out,
        }
    }
}

impl<L: Lanes> Sink<Words<L>> for Digits<'_, L> {
    /// Post: digits below 2^28; what is carried is below 2^36.
    #[inline(always)]
    fn take<const C: usize>(&mut self, _: &Words<L>, sums: [Sum<L>; C]) {
        let mask = L::splat_i(MASK);
        for (out, sum) in columns::next::<_, C>(&mut self.out).iter_mut().zip(sums) {
            let totals = [0, 1].map(|half| L::add_i(sum.0[half], self.carry[half]));
            self.carry = totals.map(L::shr_u::<WIDTH>);
            *out = L::pack_words(L::and(totals[0], mask), L::and(totals[1], mask));
        }
    }
}

/// Adds digits to columns, carries them, and doubles them where it is told to.
struct Doubled<'a, L: Lanes> {
    carry: [L::I; 2],
    /// The bit that the last digit loses by doubling.
    top: [L::I; 2],
    double: [L::I; 2],
    addend: &'a [L::I],
    out: &'a mut [L::I],
}

impl<L: Lanes> Sink<Words<L>> for Doubled<'_, L> {
    #[inline(always)]
    fn take<const C: usize>(&mut self, _: &Words<L>, sums: [Sum<L>; C]) {
        let mask = L::splat_i(MASK);
        let (addend, rest) = self.addend.split_at(C);
        self.addend = rest;
        let out = columns::next::<_, C>(&mut self.out);
        for ((out, sum), addend) in out.iter_mut().zip(sums).zip(addend) {
            let addend = halves::<L>(*addend);
            let mut digits = [mask; 2];
            for (half, out) in digits.iter_mut().enumerate() {
                let total = L::add_i(L::add_i(sum.0[half], addend[half]), self.carry[half]);
                let digit = L::and(total, mask);
                self.carry[half] = L::shr_u::<WIDTH>(total);
                let doubled = L::or(L::and(L::add_i(digit, digit), mask), self.top[half]);
                self.top[half] = L::shr_u::<{ WIDTH - 1 }>(digit);
                *out = L::xor(digit, L::and(L::xor(digit, doubled), self.double[half]));
            }
            *out = L::pack_words(digits[0], digits[1]);
        }
    }
}

impl<L: Lanes> Montgomery for Int<L> {
    const WIDTH: usize = 4;
    type Residue = Residue<L>;

    fn new(moduli: &[&[u64]]) -> Self {
        debug_assert!(moduli.len() == 4 && moduli.iter().all(|m| m.len() == moduli[0].len()));
        debug_assert!(moduli.iter().all(|m| m[0] & 1 == 1));
        let bits = moduli.iter().map(|m| bit_length(m)).max().unwrap_or(0);
        let limbs = ((bits + 7).div_ceil(WIDTH) as usize).max(4);
        // Bounds: docs/int.md.
        debug_assert!(limbs <= 255);
        let zeros = || vec![L::splat_i(0); limbs];
        let mut this = Self {
            limbs,
            moduli: [0, 1, 2, 3].map(|i| moduli[i].to_vec()),
            modulus: zeros(),
            inverse: zeros(),
            twice: zeros(),
            low: zeros(),
            high: zeros(),
            quotient: zeros(),
        };
        let modulus = this.load(moduli);
        this.modulus.copy_from_slice(&modulus.0);
        this.invert();
        this
    }

    fn radix_bits(&self) -> u32 {
        WIDTH * self.limbs as u32
    }

    fn load(&self, values: &[&[u64]]) -> Residue<L> {
        let limbs = (0..self.limbs as u32).map(|i| {
            let digit = |instance: usize| bits_at(values[instance], i * WIDTH, WIDTH);
            words::<L>([digit(0), digit(1), digit(2), digit(3)])
        });
        Residue(limbs.collect())
    }

    fn load_power_of_two(&self, exponents: &[u32]) -> Residue<L> {
        let limbs = (0..self.limbs as u32).map(|i| {
            words::<L>([0, 1, 2, 3].map(|instance| {
                let e: u32 = exponents[instance];
                if e / WIDTH == i { 1 << (e % WIDTH) } else { 0 }
            }))
        });
        Residue(limbs.collect())
    }

    fn store(&self, x: &Residue<L>, instance: usize) -> Vec<u64> {
        let limbs = x.0.iter().map(|limb| word::<L>(*limb, instance));
        collect(limbs, WIDTH, &self.moduli[instance], 5)
    }

    #[inline]
    fn square(&mut self, x: &mut Residue<L>, double: &[bool]) {
        let shift =
            [0, 1].map(|half| L::load_i([0, 1].map(|lane| -i64::from(double[2 * half + lane]))));
        square::<L>(
            &mut x.0,
            Workspace {
                modulus: &self.modulus,
                inverse: &self.inverse,
                twice: &mut self.twice,
                low: &mut self.low,
                high: &mut self.high,
                quotient: &mut self.quotient,
            },
            shift,
        );
    }

    fn multiply(&mut self, x: &mut Residue<L>, y: &Residue<L>) {
        multiply::<L>(
            &mut x.0,
            &y.0,
            Workspace {
                modulus: &self.modulus,
                inverse: &self.inverse,
                twice: &mut self.twice,
                low: &mut self.low,
                high: &mut self.high,
                quotient: &mut self.quotient,
            },
        );
    }

    fn reduce(&mut self, x: &mut Residue<L>) {
        let mut one = vec![L::splat_i(0); self.limbs];
        one[0] = words::<L>([1; 4]);
        self.multiply(x, &Residue(one));
    }

    #[inline(never)]
    fn subtract(&self, x: &mut Residue<L>, y: &Residue<L>) {
        // x - y + 3N, so that it is not negative. Each limb's sum is a signed 32-bit number.
        let mask = L::splat_i(MASK);
        let mut carry = [L::splat_i(0); 2];
        for ((a, b), n) in x.0.iter_mut().zip(&y.0).zip(&self.modulus) {
            let (a2, b2, n2) = (halves::<L>(*a), halves::<L>(*b), halves::<L>(*n));
            let mut digits = [mask; 2];
            for half in 0..2 {
                let three = L::add_i(n2[half], L::add_i(n2[half], n2[half]));
                let sum = L::add_i(L::sub_i(a2[half], b2[half]), L::add_i(three, carry[half]));
                digits[half] = L::and(sum, mask);
                carry[half] = L::shr_s::<WIDTH>(sum);
            }
            *a = L::pack_words(digits[0], digits[1]);
        }
    }

    #[inline(never)]
    fn select(&self, out: &mut Residue<L>, table: &[Residue<L>], index: &[usize]) {
        out.0.fill(L::splat_i(0));
        for (t, entry) in table.iter().enumerate() {
            let mask = words::<L>([0, 1, 2, 3].map(|i| equal_mask(index[i], t)));
            for (out, limb) in out.0.iter_mut().zip(&entry.0) {
                *out = L::or(*out, L::and(*limb, mask));
            }
        }
    }

    fn units(&self, x: &Residue<L>, instance: usize) -> (bool, bool) {
        // `reduce` leaves a value of at most N (docs/int.md), and N - 1 is N without its lowest bit.
        let (mut one, mut minus_one) = (0, 0);
        for (i, (limb, n)) in x.0.iter().zip(&self.modulus).enumerate() {
            let (limb, n) = (word::<L>(*limb, instance), word::<L>(*n, instance));
            let lowest = i64::from(i == 0);
            one |= limb ^ lowest;
            minus_one |= limb ^ n ^ lowest;
        }
        (one == 0, minus_one == 0)
    }

    fn one(&self) -> Residue<L> {
        let powers = [0, 1, 2, 3].map(|i| power_of_two_mod(self.radix_bits(), &self.moduli[i]));
        self.load(&[&powers[0], &powers[1], &powers[2], &powers[3]])
    }
}

impl<L: Lanes> Int<L> {
    /// Sets `inverse` to -1/N mod R, by Newton's iteration on a doubling number of limbs.
    fn invert(&mut self) {
        let first = [0, 1, 2, 3].map(|i| inverse_2_64(self.moduli[i][0]) & MASK.cast_unsigned());
        let zero = L::splat_i(0);
        let mut x = vec![zero; self.limbs];
        let mut error = x.clone();
        let mut next = x.clone();
        x[0] = words::<L>(first);
        let mut known = 1;
        while known < self.limbs {
            known = (2 * known).min(self.limbs);
            low_product::<L>(&self.modulus[..known], &x[..known], &mut error[..known]);
            // x * (2 - N x), modulo a power of the radix.
            negate::<L>(&mut error[..known], 2);
            low_product::<L>(&x[..known], &error[..known], &mut next[..known]);
            core::mem::swap(&mut x, &mut next);
        }
        negate::<L>(&mut x, 0);
        self.inverse.copy_from_slice(&x);
        for scratch in [&mut x, &mut error, &mut next] {
            wipe::<L>(scratch);
        }
    }
}

/// What a multiplication reads and scribbles on, all of n limbs.
struct Workspace<'a, L: Lanes> {
    modulus: &'a [L::I],
    inverse: &'a [L::I],
    twice: &'a mut [L::I],
    low: &'a mut [L::I],
    high: &'a mut [L::I],
    quotient: &'a mut [L::I],
}

/// `x = x^2 / R`, doubled where `double` has all bits set.
#[inline(never)]
fn square<L: Lanes>(x: &mut [L::I], w: Workspace<'_, L>, double: [L::I; 2]) {
    for (twice, limb) in w.twice.iter_mut().zip(&*x) {
        // Words stay below 2^29, so adding lanes adds words.
        *twice = L::add_i(*limb, *limb);
    }
    let s = Words::<L>(core::marker::PhantomData);
    let mut digits = Digits::new(w.low);
    columns::square_low(&s, x, w.twice, x.len(), &mut digits);
    columns::square_high(&s, x, w.twice, &mut digits.into_high(w.high));
    reduce_product::<L>(x, w.modulus, w.inverse, w.low, w.high, w.quotient, double);
}

/// `x = x * y / R`.
#[inline(never)]
fn multiply<L: Lanes>(x: &mut [L::I], y: &[L::I], w: Workspace<'_, L>) {
    let s = Words::<L>(core::marker::PhantomData);
    let mut digits = Digits::new(w.low);
    columns::low(&s, x, y, &mut digits);
    columns::high(&s, x, y, x.len(), &mut digits.into_high(w.high));
    let zero = [L::splat_i(0); 2];
    reduce_product::<L>(x, w.modulus, w.inverse, w.low, w.high, w.quotient, zero);
}

/// `out = (low + R * high) / R` modulo N, doubled where `double` has all bits set.
#[inline(always)]
fn reduce_product<L: Lanes>(
    out: &mut [L::I],
    modulus: &[L::I],
    inverse: &[L::I],
    low: &[L::I],
    high: &[L::I],
    quotient: &mut [L::I],
    double: [L::I; 2],
) {
    let n = out.len();
    low_product::<L>(low, inverse, quotient);

    let s = Words::<L>(core::marker::PhantomData);
    let [below, last, first, second] = columns::edge(&s, quotient, modulus);
    let (low1, low2) = (halves::<L>(low[n - 1]), halves::<L>(low[n - 2]));
    // low + the columns below R are a multiple of R. Leaving out what lies under column n-2
    // makes the sum too small by less than n + 2 (docs/int.md), which rounding mends.
    let carry = [0, 1].map(|half| {
        let under = L::shr_u::<WIDTH>(L::add_i(below.0[half], low2[half]));
        let sum = L::add_i(L::add_i(last.0[half], low1[half]), under);
        L::shr_u::<WIDTH>(L::add_i(sum, L::splat_i(1 << (WIDTH - 1))))
    });
    let top = [L::splat_i(0); 2];
    let mut result = Doubled {
        carry,
        top,
        double,
        addend: high,
        out,
    };
    result.take(&s, [first, second]);
    columns::high(&s, quotient, modulus, n + 2, &mut result);
}

/// `out = a * b mod R`.
#[inline(always)]
fn low_product<L: Lanes>(a: &[L::I], b: &[L::I], out: &mut [L::I]) {
    let s = Words::<L>(core::marker::PhantomData);
    columns::low(&s, a, b, &mut Digits::new(out));
}

/// `x = constant - x`, modulo a power of the radix.
fn negate<L: Lanes>(x: &mut [L::I], constant: i64) {
    let mask = L::splat_i(MASK);
    let mut carry = [L::splat_i(constant); 2];
    for limb in x {
        let parts = halves::<L>(*limb);
        let mut digits = [mask; 2];
        for half in 0..2 {
            let sum = L::sub_i(carry[half], parts[half]);
            digits[half] = L::and(sum, mask);
            carry[half] = L::shr_s::<WIDTH>(sum);
        }
        *limb = L::pack_words(digits[0], digits[1]);
    }
}

/// The four words, widened to 64 bits.
#[inline(always)]
fn halves<L: Lanes>(words: L::I) -> [L::I; 2] {
    let one = L::splat_i(1 | 1 << 32);
    [L::mul_words_low(words, one), L::mul_words_high(words, one)]
}

fn words<L: Lanes>(w: [u64; 4]) -> L::I {
    L::load_i([
        (w[0] | w[1] << 32).cast_signed(),
        (w[2] | w[3] << 32).cast_signed(),
    ])
}

fn word<L: Lanes>(limb: L::I, instance: usize) -> i64 {
    let lane = L::store_i(limb)[instance / 2].cast_unsigned();
    (lane >> (32 * (instance % 2)) & 0xffff_ffff).cast_signed()
}

/// 32 ones when equal, else zero, without a branch. Pre: both below 2^31.
fn equal_mask(a: usize, b: usize) -> u64 {
    let different = (a ^ b) as u64;
    (different.wrapping_sub(1) >> 63) * 0xffff_ffff
}
