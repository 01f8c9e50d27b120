//! Balanced limbs in doubles, multiplied with a fused multiply-add: two moduli a vector.
//!
//! The representation, the bounds of every step and their proofs are in `docs/fma.md`; the names
//! here (W, n, `high`, `low`, `e`, `c`, `d`) are that text's.
#![doc = include_str!("../../docs/fma.md")]

use super::Montgomery;
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
    /// High half of a product, not yet carried.
    high: Vec<L::F>,
    quotient: Vec<L::F>,
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
            &mut self.high,
            &mut self.quotient,
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
        let limbs = (bits + 7).div_ceil(width) as usize;
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
            high: zeros(),
            quotient: zeros(),
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
        collect(limbs, self.radix.width, &self.moduli[instance])
    }

    #[inline]
    fn square(&mut self, x: &mut Residue<L>, double: &[bool]) {
        let scale = [0, 1].map(|lane| f64::from(1 + u8::from(double[lane])));
        square(
            &self.radix,
            &mut x.0,
            Workspace {
                modulus: &self.modulus,
                inverse: &self.inverse,
                twice: &mut self.twice,
                low: &mut self.low,
                high: &mut self.high,
                quotient: &mut self.quotient,
            },
            L::load_f(scale),
        );
    }

    fn multiply(&mut self, x: &mut Residue<L>, y: &Residue<L>) {
        multiply(
            &self.radix,
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
        let mut one = vec![self.radix.zero; self.limbs];
        one[0] = L::splat_f(1.0);
        self.multiply(x, &Residue(one));
    }

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

    fn select(&self, out: &mut Residue<L>, table: &[Residue<L>], index: &[usize]) {
        let zero = L::splat_i(0);
        for (k, limb) in out.0.iter_mut().enumerate() {
            let mut bits = zero;
            for (t, entry) in table.iter().enumerate() {
                let mask = L::load_i([equal_mask(index[0], t), equal_mask(index[1], t)]);
                bits = L::or(bits, L::and(L::to_bits(entry.0[k]), mask));
            }
            *limb = L::from_bits(bits);
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
    high: &'a mut [L::F],
    quotient: &'a mut [L::F],
}

/// `x = scale * x^2 / R`. Never inlined: V8 replaces a function by its optimized code only when
/// it is called anew.
#[inline(never)]
fn square<L: Lanes>(radix: &Radix<L>, x: &mut [L::F], w: Workspace<'_, L>, scale: L::F) {
    let n = x.len();
    for (twice, limb) in w.twice.iter_mut().zip(&*x) {
        *twice = L::add_f(*limb, *limb);
    }
    let mut carry = Carry::new(radix);
    let mut k = 0;
    while k + 4 <= n {
        square_low_block::<L, 4>(radix, x, w.twice, k, &mut carry, w.low);
        k += 4;
    }
    match n - k {
        1 => square_low_block::<L, 1>(radix, x, w.twice, k, &mut carry, w.low),
        2 => square_low_block::<L, 2>(radix, x, w.twice, k, &mut carry, w.low),
        3 => square_low_block::<L, 3>(radix, x, w.twice, k, &mut carry, w.low),
        _ => {}
    }
    // The columns from n on are summed but not yet carried.
    let mut high = L::add_f(carry.high, carry.carry);
    k = n;
    // Four columns share rows as long as (docs/fma.md, "blocks") k/2 <= n - 4.
    while k / 2 + 4 <= n {
        square_high_block(radix, x, w.twice, k, &mut high, w.high);
        k += 4;
    }
    while k < 2 * n {
        let mut column = Columns::<L, 1>::new(radix);
        let first = k - n + 1;
        for i in first..k.div_ceil(2) {
            column.add(0, w.twice[i], x[k - i]);
        }
        if k.is_multiple_of(2) {
            column.add(0, x[k / 2], x[k / 2]);
        }
        w.high[k - n] = L::add_f(column.low[0], high);
        high = radix.units(column.high[0]);
        k += 1;
    }
    reduce_product(
        radix, x, w.modulus, w.inverse, w.low, w.high, w.quotient, scale,
    );
}

/// `x = x * y / R`.
#[inline(never)]
fn multiply<L: Lanes>(radix: &Radix<L>, x: &mut [L::F], y: &[L::F], w: Workspace<'_, L>) {
    let n = x.len();
    let carry = low_product(radix, x, y, w.low);
    let mut high = L::add_f(carry.high, carry.carry);
    let mut k = n;
    while k + 4 <= 2 * n {
        let mut columns = Columns::<L, 4>::new(radix);
        columns.high_block(x, y, k);
        for c in 0..4 {
            w.high[k - n + c] = L::add_f(columns.low[c], high);
            high = radix.units(columns.high[c]);
        }
        k += 4;
    }
    while k < 2 * n {
        let mut column = Columns::<L, 1>::new(radix);
        for i in k - n + 1..n {
            column.add(0, x[i], y[k - i]);
        }
        w.high[k - n] = L::add_f(column.low[0], high);
        high = radix.units(column.high[0]);
        k += 1;
    }
    reduce_product(
        radix,
        x,
        w.modulus,
        w.inverse,
        w.low,
        w.high,
        w.quotient,
        L::splat_f(1.0),
    );
}

/// `out = scale * (low + R * high) / R` modulo N.
///
/// One shot: `q = low * (-1/N) mod R`, then only the columns of `q * N` that reach past R. The
/// carry from below is rounded from columns n-2 and n-1, since the sum is a multiple of R.
#[inline(always)]
#[allow(clippy::too_many_arguments)]
fn reduce_product<L: Lanes>(
    radix: &Radix<L>,
    out: &mut [L::F],
    modulus: &[L::F],
    inverse: &[L::F],
    low: &[L::F],
    high: &[L::F],
    quotient: &mut [L::F],
    scale: L::F,
) {
    let n = out.len();
    low_product(radix, low, inverse, quotient);

    let scaled_unit = L::mul_f(radix.unit, scale);
    let scaled_round = L::mul_f(radix.negated_round, scale);
    let mut columns = Columns::<L, 4>::new(radix);
    // Columns n-2..n+2: rows 2..n-1 are common to the four of them.
    columns.add(0, quotient[0], modulus[n - 2]);
    columns.add(0, quotient[1], modulus[n - 3]);
    columns.add(1, quotient[0], modulus[n - 1]);
    columns.add(1, quotient[1], modulus[n - 2]);
    columns.add(2, quotient[1], modulus[n - 1]);
    columns.rows(&quotient[2..n - 1], &modulus[..n]);
    columns.add(1, quotient[n - 1], modulus[0]);
    columns.add(2, quotient[n - 1], modulus[1]);
    columns.add(3, quotient[n - 1], modulus[2]);

    let below = L::add_f(
        L::add_f(columns.low[1], radix.units(columns.high[0])),
        low[n - 1],
    );
    let borrow = L::sub_f(L::madd(below, radix.unit, radix.round), radix.round);
    let mut units = L::mul_f(scale, L::add_f(radix.units(columns.high[1]), borrow));
    let mut carry = radix.zero;
    for c in 2..4 {
        let sum = L::add_f(columns.low[c], high[c - 2]);
        let e = L::madd(sum, scale, units);
        units = L::madd(columns.high[c], scaled_unit, scaled_round);
        let (up, d) = radix.split(e);
        out[c - 2] = L::add_f(d, carry);
        carry = up;
    }
    let mut k = n + 2;
    while k + 4 <= 2 * n {
        let mut columns = Columns::<L, 4>::new(radix);
        columns.high_block(quotient, modulus, k);
        for c in 0..4 {
            let sum = L::add_f(columns.low[c], high[k - n + c]);
            let e = L::madd(sum, scale, units);
            units = L::madd(columns.high[c], scaled_unit, scaled_round);
            let (up, d) = radix.split(e);
            out[k - n + c] = L::add_f(d, carry);
            carry = up;
        }
        k += 4;
    }
    while k < 2 * n {
        let mut column = Columns::<L, 1>::new(radix);
        for i in k - n + 1..n {
            column.add(0, quotient[i], modulus[k - i]);
        }
        let sum = L::add_f(column.low[0], high[k - n]);
        let e = L::madd(sum, scale, units);
        units = L::madd(column.high[0], scaled_unit, scaled_round);
        let (up, d) = radix.split(e);
        out[k - n] = L::add_f(d, carry);
        carry = up;
        k += 1;
    }
    // The last limb keeps what the split carried.
    out[n - 1] = L::madd(carry, radix.size, out[n - 1]);
}

/// `out = a * b mod R`, and the carry out of the last column.
#[inline(always)]
fn low_product<L: Lanes>(radix: &Radix<L>, a: &[L::F], b: &[L::F], out: &mut [L::F]) -> Carry<L> {
    let n = out.len();
    let mut carry = Carry::new(radix);
    let mut k = 0;
    while k + 4 <= n {
        low_block::<L, 4>(radix, a, b, k, &mut carry, out);
        k += 4;
    }
    match n - k {
        1 => low_block::<L, 1>(radix, a, b, k, &mut carry, out),
        2 => low_block::<L, 2>(radix, a, b, k, &mut carry, out),
        3 => low_block::<L, 3>(radix, a, b, k, &mut carry, out),
        _ => {}
    }
    carry
}

/// Columns `k..k + C` of the low half of `a * b`.
#[inline(always)]
fn low_block<L: Lanes, const C: usize>(
    radix: &Radix<L>,
    a: &[L::F],
    b: &[L::F],
    k: usize,
    carry: &mut Carry<L>,
    out: &mut [L::F],
) {
    let mut columns = Columns::<L, C>::new(radix);
    columns.rows(&a[..k], &b[1..k + C]);
    let (a, b) = (&a[k..k + C], &b[..C]);
    for c in 0..C {
        for s in 0..=c {
            columns.add(c, a[s], b[c - s]);
        }
    }
    carry.emit(radix, &columns, &mut out[k..k + C]);
}

/// Columns `k..k + C` of the low half of `x^2`.
#[inline(always)]
fn square_low_block<L: Lanes, const C: usize>(
    radix: &Radix<L>,
    x: &[L::F],
    twice: &[L::F],
    k: usize,
    carry: &mut Carry<L>,
    out: &mut [L::F],
) {
    let mut columns = Columns::<L, C>::new(radix);
    let h = k.div_ceil(2);
    if k > 0 {
        columns.rows(&twice[..h], &x[k + 1 - h..k + C]);
    }
    columns.square_diagonal(x, twice, k);
    carry.emit(radix, &columns, &mut out[k..k + C]);
}

/// Columns `k..k + 4` of the high half of `x^2`, uncarried. Pre: `n <= k`, `k / 2 + 4 <= n`.
#[inline(always)]
fn square_high_block<L: Lanes>(
    radix: &Radix<L>,
    x: &[L::F],
    twice: &[L::F],
    k: usize,
    high: &mut L::F,
    out: &mut [L::F],
) {
    let n = x.len();
    let mut columns = Columns::<L, 4>::new(radix);
    columns.head(&twice[k - n + 1..], &x[n - 3..]);
    let h = k.div_ceil(2);
    let rows = &twice[k - n + 4..h];
    columns.rows(rows, &x[n - 3 - rows.len()..]);
    columns.square_diagonal(x, twice, k);
    for c in 0..4 {
        out[k - n + c] = L::add_f(columns.low[c], *high);
        *high = radix.units(columns.high[c]);
    }
}

/// Running sums of C neighbouring columns of a product.
struct Columns<L: Lanes, const C: usize> {
    high: [L::F; C],
    low: [L::F; C],
}

impl<L: Lanes, const C: usize> Columns<L, C> {
    #[inline(always)]
    fn new(radix: &Radix<L>) -> Self {
        Self {
            high: [radix.anchor; C],
            low: [radix.zero; C],
        }
    }

    /// Adds `a * b` to column `c`. Four operations: the high part is rounded to a multiple of 2^W
    /// by the anchor, the low part is what the rounding lost, exactly.
    #[inline(always)]
    fn add(&mut self, c: usize, a: L::F, b: L::F) {
        let high = L::madd(a, b, self.high[c]);
        let back = L::sub_f(self.high[c], high);
        self.low[c] = L::add_f(self.low[c], L::madd(a, b, back));
        self.high[c] = high;
    }

    /// Adds `a[r] * b[m - 1 - r + c]` for every row `r < m` to each column `c`: m by C products.
    ///
    /// Pre: `b.len() == a.len() + C - 1`.
    #[inline(always)]
    fn rows(&mut self, a: &[L::F], b: &[L::F]) {
        let (body, tail) = b.split_at(a.len());
        // The window of b: entry c belongs to column c; a new row shifts one in at the front.
        let mut window = [self.low[0]; C];
        window[..C - 1].copy_from_slice(&tail[..C - 1]);
        for (x, y) in a.iter().zip(body.iter().rev()) {
            self.row(*x, *y, &mut window);
        }
    }

    #[inline(always)]
    fn row(&mut self, a: L::F, b: L::F, window: &mut [L::F; C]) {
        for c in (1..C).rev() {
            window[c] = window[c - 1];
        }
        window[0] = b;
        for c in 0..C {
            self.add(c, a, window[c]);
        }
    }

    /// The products of a low half's last rows: square and diagonal, `k` being the first column.
    #[inline(always)]
    fn square_diagonal(&mut self, x: &[L::F], twice: &[L::F], k: usize) {
        let h = k.div_ceil(2);
        if k.is_multiple_of(2) {
            let (a, t) = (&x[h..h + C], &twice[h..h + C]);
            self.add(0, a[0], a[0]);
            if C > 1 {
                self.add(1, t[0], a[1]);
            }
            if C > 2 {
                self.add(2, t[0], a[2]);
                self.add(2, a[1], a[1]);
            }
            if C > 3 {
                self.add(3, t[0], a[3]);
                self.add(3, t[1], a[2]);
            }
        } else if C > 1 {
            let (a, t) = (&x[h..h + C - 1], &twice[h..h + C - 1]);
            self.add(1, a[0], a[0]);
            if C > 2 {
                self.add(2, t[0], a[1]);
            }
            if C > 3 {
                self.add(3, t[0], a[2]);
                self.add(3, a[1], a[1]);
            }
        }
    }
}

impl<L: Lanes> Columns<L, 4> {
    /// Columns `k..k + 4` of `a * b`. Pre: `n <= k`, `k + 4 <= 2n`.
    #[inline(always)]
    fn high_block(&mut self, a: &[L::F], b: &[L::F], k: usize) {
        let n = a.len();
        self.head(&a[k - n + 1..], &b[n - 3..]);
        self.rows(&a[k - n + 4..], &b[k - n + 1..]);
    }

    /// The six products of the first three rows of a high block.
    #[inline(always)]
    fn head(&mut self, a: &[L::F], b: &[L::F]) {
        let (a, b) = (&a[..3], &b[..3]);
        for c in 0..3 {
            for s in c..3 {
                self.add(c, a[s], b[2 + c - s]);
            }
        }
    }
}

/// What goes from one carried column into the next.
struct Carry<L: Lanes> {
    /// Units of 2^W of the last column's high sum.
    high: L::F,
    /// What splitting the last column carried.
    carry: L::F,
}

impl<L: Lanes> Carry<L> {
    #[inline(always)]
    fn new(radix: &Radix<L>) -> Self {
        Self {
            high: radix.zero,
            carry: radix.zero,
        }
    }

    #[inline(always)]
    fn emit<const C: usize>(
        &mut self,
        radix: &Radix<L>,
        columns: &Columns<L, C>,
        out: &mut [L::F],
    ) {
        for c in 0..C {
            let e = L::add_f(columns.low[c], self.high);
            self.high = radix.units(columns.high[c]);
            let (up, d) = radix.split(e);
            out[c] = L::add_f(d, self.carry);
            self.carry = up;
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
#[allow(clippy::cast_precision_loss)]
fn exact(x: i64) -> f64 {
    debug_assert!(x.unsigned_abs() <= 1 << 53);
    x as f64
}

/// Pre: an integer with `|x| < 2^53`.
#[allow(clippy::cast_possible_truncation)]
fn truncated(x: f64) -> i64 {
    x as i64
}
