//! Residues of one long number modulo many small ones, two at a time.

use crate::lanes::Lanes;

/// 1.5 * 2^52: rounds a double below 2^51 to an integer when added and taken away again.
const ROUND: f64 = 6_755_399_441_055_744.0;

/// `number mod divisors[i]`, in `0..divisors[i]`, for every `i`.
///
/// Shape: `number` in 64-bit words, least significant first; `divisors` and `inverses` are
/// parallel, of a length that is a multiple of 8. Pre: divisors are integers in `3..=2^20`, and
/// `inverses[i] = 1 / divisors[i]`. Post: exact, with a fused multiply-add or without.
/// Source: Horner's rule on 32-bit digits. The running residue is at most (1/2 + 2^-18) of its
/// divisor, so each step stays below 2^51 + 2^33 and every product below 2^53: no rounding can be
/// felt but in the quotient, where it moves the residue by one divisor at most.
pub fn residues<L: Lanes>(number: &[u64], divisors: &[f64], inverses: &[f64], out: &mut [u32]) {
    debug_assert!(divisors.len() == inverses.len() && divisors.len() == out.len());
    let (divisors, rest) = divisors.as_chunks::<8>();
    debug_assert!(rest.is_empty());
    let (inverses, _) = inverses.as_chunks::<8>();
    let (out, _) = out.as_chunks_mut::<8>();
    for ((d, inverse), out) in divisors.iter().zip(inverses).zip(out) {
        eight::<L>(number, d, inverse, out);
    }
}

#[inline(never)]
fn eight<L: Lanes>(number: &[u64], divisors: &[f64; 8], inverses: &[f64; 8], out: &mut [u32; 8]) {
    let pair = |x: &[f64; 8], i: usize| L::load_f([x[2 * i], x[2 * i + 1]]);
    let d = [0, 1, 2, 3].map(|i| pair(divisors, i));
    let inverse = [0, 1, 2, 3].map(|i| pair(inverses, i));
    let round = L::splat_f(ROUND);
    let base = L::splat_f(4_294_967_296.0);
    let mut r = [L::splat_f(0.0); 4];
    for word in number.iter().rev() {
        for digit in [(word >> 32) as u32, *word as u32] {
            let digit = L::splat_f(f64::from(digit));
            for i in 0..4 {
                let x = L::madd(r[i], base, digit);
                let quotient = L::sub_f(L::madd(x, inverse[i], round), round);
                r[i] = L::nmadd(quotient, d[i], x);
            }
        }
    }
    for i in 0..4 {
        let r = L::store_f(r[i]);
        for lane in 0..2 {
            let negative = if r[lane] < 0.0 {
                divisors[2 * i + lane]
            } else {
                0.0
            };
            out[2 * i + lane] = (r[lane] + negative) as u32;
        }
    }
}
