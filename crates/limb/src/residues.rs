//! Residues of one long number modulo many small ones, two at a time.

use core::hint::black_box;

use crate::lanes::Lanes;
use crate::montgomery::{bit_length, bits_at};

/// 1.5 * 2^52: rounds a double below 2^51 to an integer when added and taken away again.
const ROUND: f64 = 6_755_399_441_055_744.0;

/// Bits of a digit for groups.
const DIGIT: u32 = 50;

/// Groups, or divisors, that one call takes: twelve vectors, for a step of Horner's rule waits 14 cycles for
/// itself (8,000 groups and 1024 bits: 97 us at 16, 83 at 24, 138 at 32).
const AT_ONCE: usize = 24;

const VECTORS: usize = AT_ONCE / 2;
const ORDER: [usize; VECTORS] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11];

/// Small odd numbers, multiplied in threes and twos to moduli of 51 bits: one reduction of a long
/// number serves a whole group.
///
/// Group i of the threes has the numbers i, t + i and 2t + i, where t is the number of such groups;
/// the twos follow likewise.
pub struct Groups {
    divisors: Vec<f64>,
    inverses: Vec<f64>,
    threes: usize,
    /// Each product times the power of two that brings it into 2^50..2^51.
    moduli: Vec<f64>,
    /// 2^50 / moduli.
    ratios: Vec<f64>,
}

impl Groups {
    /// Pre: `divisors` are odd, ascending, in `3..2^25`, and not empty. The last one is repeated to
    /// fill the last groups.
    #[must_use]
    pub fn new(mut divisors: Vec<f64>) -> Self {
        let count = divisors.len();
        let last = divisors[count - 1];
        let mut threes = count.div_ceil(3).next_multiple_of(AT_ONCE);
        // The last product is the largest one.
        let at = |i: usize| divisors.get(i).copied().unwrap_or(last);
        while threes > 0
            && (3 * (threes - AT_ONCE) >= count
                || at(threes - 1) * at(2 * threes - 1) * at(3 * threes - 1) >= exp2(DIGIT + 1))
        {
            threes -= AT_ONCE;
        }
        let twos = count
            .saturating_sub(3 * threes)
            .div_ceil(2)
            .next_multiple_of(AT_ONCE);
        divisors.resize(3 * threes + 2 * twos, last);
        let (first, second) = divisors.split_at(3 * threes);
        let products = (0..threes)
            .map(|i| first[i] * first[threes + i] * first[2 * threes + i])
            .chain((0..twos).map(|i| second[i] * second[twos + i]));
        let moduli: Vec<f64> = products
            .map(|mut product| {
                while product < exp2(DIGIT) {
                    product += product;
                }
                product
            })
            .collect();
        Self {
            ratios: moduli.iter().map(|m| exp2(DIGIT) / m).collect(),
            inverses: divisors.iter().map(|d| 1.0 / d).collect(),
            moduli,
            threes,
            divisors,
        }
    }

    /// The divisors in their order, some of the last ones repeated.
    #[must_use]
    pub fn divisors(&self) -> &[f64] {
        &self.divisors
    }

    /// For every divisor p the least j with `2 (number + j) + 1 = 0 (mod p)`: where, among the odd
    /// numbers from `2 number + 1` on, its multiples begin.
    ///
    /// Shape: `number` in 64-bit words, least significant first; `out` as long as [`Self::divisors`].
    /// Post: exact, on any lanes.
    pub fn first_multiples<L: Lanes>(&self, number: &[u64], out: &mut [u32]) {
        debug_assert_eq!(out.len(), self.divisors.len());
        if L::fused() {
            self.by_groups::<L>(number, out);
        } else {
            self.one_by_one::<L>(number, out);
        }
    }

    /// Pre: [`Lanes::fused`]. Source: Horner's rule on digits of 50 bits, modulo M in 2^50..2^51.
    ///
    /// |r| < 1.75 M for the running residue r, digit included, so `r * 2^50` is exact,
    /// |r * (2^50 / M)| < 1.75 * 2^50 < 2^51, and its rounding is off by half and by
    /// 1.75 * 2^50 * 2^-53 < 0.22 for the ratio's own error. What is left, below 0.72 M, is an integer
    /// below 2^51, exact; the next digit makes it less than 0.72 M + 2^50 <= 1.72 M.
    fn by_groups<L: Lanes>(&self, number: &[u64], out: &mut [u32]) {
        let length = bit_length(number).div_ceil(DIGIT);
        let mut digits: Vec<f64> = (0..length)
            .rev()
            .map(|i| bits_at(number, i * DIGIT, DIGIT) as f64)
            .collect();
        let mut residues = [0.0; AT_ONCE];
        let (moduli, _) = self.moduli.as_chunks::<AT_ONCE>();
        let (ratios, _) = self.ratios.as_chunks::<AT_ONCE>();
        for (i, (moduli, ratios)) in moduli.iter().zip(ratios).enumerate() {
            reduce::<L>(&digits, moduli, ratios, &mut residues);
            let group = i * AT_ONCE;
            let (first, step, members) = if group < self.threes {
                (group, self.threes, 3)
            } else {
                let twos = self.moduli.len() - self.threes;
                (3 * self.threes + group - self.threes, twos, 2)
            };
            for member in 0..members {
                let at = first + member * step..first + member * step + AT_ONCE;
                let (Some(d), Some(inverse), Some(out)) = (
                    self.divisors[at.clone()].as_array(),
                    self.inverses[at.clone()].as_array(),
                    out[at].as_mut_array(),
                ) else {
                    continue;
                };
                places::<L>(&residues, d, inverse, out);
            }
        }
        residues.fill(0.0);
        digits.fill(0.0);
        black_box((&mut residues, &mut digits));
    }

    fn one_by_one<L: Lanes>(&self, number: &[u64], out: &mut [u32]) {
        residues::<L>(number, &self.divisors, &self.inverses, out);
        for (out, divisor) in out.iter_mut().zip(&self.divisors) {
            let divisor = *divisor as u32;
            let half = divisor / 2;
            let wrapped = if *out > half { divisor } else { 0 };
            *out = half + wrapped - *out;
        }
    }
}

/// A constant that is written into the code is put together anew for each use by V8: 604 against 320
/// us for 23,000 divisors.
fn hoisted<L: Lanes>(x: f64) -> L::F {
    L::splat_f(black_box(x))
}

fn exp2(exponent: u32) -> f64 {
    (1u64 << exponent) as f64
}

fn pair<L: Lanes>(x: &[f64], i: usize) -> L::F {
    L::load_f([x[2 * i], x[2 * i + 1]])
}

/// Residues of the number in `digits`, most significant first, below 1.75 of each modulus.
#[inline(never)]
fn reduce<L: Lanes>(
    digits: &[f64],
    moduli: &[f64; AT_ONCE],
    ratios: &[f64; AT_ONCE],
    out: &mut [f64; AT_ONCE],
) {
    let m = ORDER.map(|i| pair::<L>(moduli, i));
    let ratio = ORDER.map(|i| pair::<L>(ratios, i));
    let round = hoisted::<L>(ROUND);
    let base = hoisted::<L>(exp2(DIGIT));
    let mut r = [L::splat_f(0.0); VECTORS];
    for digit in digits {
        let digit = L::splat_f(*digit);
        for i in ORDER {
            let quotient = L::sub_f(L::madd(r[i], ratio[i], round), round);
            let rest = L::nmadd(quotient, m[i], L::mul_f(r[i], base));
            r[i] = L::add_f(rest, digit);
        }
    }
    for i in ORDER {
        let r = L::store_f(r[i]);
        out[2 * i] = r[0];
        out[2 * i + 1] = r[1];
    }
}

/// `(d - 1) / 2 - r mod d`, in `0..d`. Pre: |r| < 1.23 * 2^51.
///
/// The quotient is off by 1.23 * 2^51 / d * 2^-53 < 0.31 / d before it is rounded, and r / d is at least
/// 0.5 / d from the middle between two integers, for d is odd: so the residue is at most (d - 1) / 2 either way.
#[inline(never)]
fn places<L: Lanes>(
    r: &[f64; AT_ONCE],
    d: &[f64; AT_ONCE],
    inverse: &[f64; AT_ONCE],
    out: &mut [u32; AT_ONCE],
) {
    let round = hoisted::<L>(ROUND);
    // 2^52 - 1/2: the place is an integer above 2^52 at first, its lowest 32 bits the place itself.
    let middle = hoisted::<L>(exp2(52) - 0.5);
    let half = hoisted::<L>(0.5);
    let place = |i: usize| {
        let (r, d) = (pair::<L>(r, i), pair::<L>(d, i));
        let quotient = L::sub_f(L::madd(r, pair::<L>(inverse, i), round), round);
        let rest = L::nmadd(quotient, d, r);
        L::to_bits(L::sub_f(L::madd(d, half, middle), rest))
    };
    for i in 0..AT_ONCE / 4 {
        let words = L::store_i(L::pack_words(place(2 * i), place(2 * i + 1)));
        for (half, word) in words.into_iter().enumerate() {
            out[4 * i + 2 * half] = word as u32;
            out[4 * i + 2 * half + 1] = (word >> 32) as u32;
        }
    }
}

/// `number mod divisors[i]`, in `0..divisors[i]`, for every `i`.
///
/// Shape: `number` in 64-bit words, least significant first; `divisors` and `inverses` are
/// parallel, of a length that is a multiple of [`AT_ONCE`]. Pre: divisors are integers in `3..=2^20`, and
/// `inverses[i] = 1 / divisors[i]`. Post: exact, with a fused multiply-add or without.
/// Source: Horner's rule on 32-bit digits. The running residue is at most (1/2 + 2^-18) of its
/// divisor, so each step stays below 2^51 + 2^33 and every product below 2^53: no rounding can be
/// felt but in the quotient, where it moves the residue by one divisor at most.
fn residues<L: Lanes>(number: &[u64], divisors: &[f64], inverses: &[f64], out: &mut [u32]) {
    debug_assert!(divisors.len() == inverses.len() && divisors.len() == out.len());
    let (divisors, rest) = divisors.as_chunks::<AT_ONCE>();
    debug_assert!(rest.is_empty());
    let (inverses, _) = inverses.as_chunks::<AT_ONCE>();
    let (out, _) = out.as_chunks_mut::<AT_ONCE>();
    for ((d, inverse), out) in divisors.iter().zip(inverses).zip(out) {
        remainders::<L>(number, d, inverse, out);
    }
}

#[inline(never)]
fn remainders<L: Lanes>(
    number: &[u64],
    divisors: &[f64; AT_ONCE],
    inverses: &[f64; AT_ONCE],
    out: &mut [u32; AT_ONCE],
) {
    let d = ORDER.map(|i| pair::<L>(divisors, i));
    let inverse = ORDER.map(|i| pair::<L>(inverses, i));
    let round = hoisted::<L>(ROUND);
    let base = hoisted::<L>(4_294_967_296.0);
    let mut r = [L::splat_f(0.0); VECTORS];
    for word in number.iter().rev() {
        for digit in [(word >> 32) as u32, *word as u32] {
            let digit = L::splat_f(f64::from(digit));
            for i in ORDER {
                let x = L::madd(r[i], base, digit);
                let quotient = L::sub_f(L::madd(x, inverse[i], round), round);
                r[i] = L::nmadd(quotient, d[i], x);
            }
        }
    }
    for i in ORDER {
        let r = L::store_f(r[i]);
        for lane in 0..2 {
            let divisor = divisors[2 * i + lane];
            out[2 * i + lane] = (if r[lane] < 0.0 {
                r[lane] + divisor
            } else {
                r[lane]
            }) as u32;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arch::portable::Portable;
    use num_bigint::BigUint;

    /// Runs of ones, single bits, and mixed ones.
    fn numbers() -> impl Iterator<Item = Vec<u64>> {
        (0..40u64).map(|seed| {
            (0..1 + seed % 64)
                .map(|i| match seed % 4 {
                    0 => u64::MAX,
                    1 => 1 << ((seed + i) % 64),
                    _ => (i + 1)
                        .wrapping_mul(0x9e37_79b9_7f4a_7c15)
                        .rotate_left(seed as u32),
                })
                .collect()
        })
    }

    fn big(number: &[u64]) -> BigUint {
        let bytes: Vec<u8> = number.iter().flat_map(|w| w.to_le_bytes()).collect();
        BigUint::from_bytes_le(&bytes)
    }

    #[test]
    fn agrees_with_long_division() {
        let divisors: Vec<f64> = (0..7 * AT_ONCE as u32)
            .map(|i| f64::from(3 + 6241 * i))
            .collect();
        let inverses: Vec<f64> = divisors.iter().map(|d| 1.0 / d).collect();
        let mut out = vec![0; divisors.len()];
        for number in numbers() {
            residues::<Portable>(&number, &divisors, &inverses, &mut out);
            let big = big(&number);
            for (divisor, residue) in divisors.iter().zip(&out) {
                assert_eq!(
                    &big % (*divisor as u32),
                    BigUint::from(*residue),
                    "modulo {divisor}"
                );
            }
        }
    }

    #[test]
    fn places_are_multiples() {
        // Threes alone, both kinds, twos alone; the steps are even, the divisors odd.
        for (first, step, count) in [(3, 2, 100), (3, 654, 1600), (900_001, 2, 70)] {
            let divisors: Vec<f64> = (0..count).map(|i| f64::from(first + step * i)).collect();
            let groups = Groups::new(divisors.clone());
            assert_eq!(groups.divisors()[..divisors.len()], divisors);
            assert!(
                groups.divisors()[divisors.len()..]
                    .iter()
                    .all(|d| *d == divisors[divisors.len() - 1])
            );
            let mut out = vec![0; groups.divisors().len()];
            let mut slow = out.clone();
            for number in numbers() {
                groups.by_groups::<Portable>(&number, &mut out);
                groups.one_by_one::<Portable>(&number, &mut slow);
                let odd = big(&number) * 2u8 + 1u8;
                for ((divisor, place), slow) in groups.divisors().iter().zip(&out).zip(&slow) {
                    let divisor = *divisor as u32;
                    assert!(*place < divisor);
                    let sum = &odd + 2 * u64::from(*place);
                    assert_eq!(sum % divisor, BigUint::ZERO, "modulo {divisor}");
                    assert_eq!(place, slow, "modulo {divisor}");
                }
            }
        }
    }
}
