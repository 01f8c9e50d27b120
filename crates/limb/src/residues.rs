//! Residues of one long number modulo many small ones, two at a time.

use crate::lanes::Lanes;

/// 1.5 * 2^52: rounds a double below 2^51 to an integer when added and taken away again.
const ROUND: f64 = 6_755_399_441_055_744.0;

/// `number mod divisors[i]`, in `0..divisors[i]`, for every `i`.
///
/// Shape: `number` in 64-bit words, least significant first; `divisors` and `inverses` are
/// parallel, of a length that is a multiple of 16. Pre: divisors are integers in `3..=2^20`, and
/// `inverses[i] = 1 / divisors[i]`. Post: exact, with a fused multiply-add or without.
/// Source: Horner's rule on 32-bit digits. The running residue is at most (1/2 + 2^-18) of its
/// divisor, so each step stays below 2^51 + 2^33 and every product below 2^53: no rounding can be
/// felt but in the quotient, where it moves the residue by one divisor at most.
pub fn residues<L: Lanes>(number: &[u64], divisors: &[f64], inverses: &[f64], out: &mut [u32]) {
    debug_assert!(divisors.len() == inverses.len() && divisors.len() == out.len());
    let (divisors, rest) = divisors.as_chunks::<16>();
    debug_assert!(rest.is_empty());
    let (inverses, _) = inverses.as_chunks::<16>();
    let (out, _) = out.as_chunks_mut::<16>();
    for ((d, inverse), out) in divisors.iter().zip(inverses).zip(out) {
        sixteen::<L>(number, d, inverse, out);
    }
}

/// Eight vectors at once: a step of Horner's rule waits 15 cycles for itself, so that the latency of
/// four of them (66 ns a divisor and 1024 bits, under load) was the bound.
#[inline(never)]
fn sixteen<L: Lanes>(
    number: &[u64],
    divisors: &[f64; 16],
    inverses: &[f64; 16],
    out: &mut [u32; 16],
) {
    const ORDER: [usize; 8] = [0, 1, 2, 3, 4, 5, 6, 7];
    let pair = |x: &[f64; 16], i: usize| L::load_f([x[2 * i], x[2 * i + 1]]);
    let d = ORDER.map(|i| pair(divisors, i));
    let inverse = ORDER.map(|i| pair(inverses, i));
    let round = L::splat_f(ROUND);
    let base = L::splat_f(4_294_967_296.0);
    let mut r = [L::splat_f(0.0); 8];
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

    #[test]
    fn agrees_with_long_division() {
        let divisors: Vec<f64> = (0..160).map(|i| f64::from(3 + 6553 * i)).collect();
        let inverses: Vec<f64> = divisors.iter().map(|d| 1.0 / d).collect();
        let mut out = vec![0; divisors.len()];
        for seed in 0..40u64 {
            let number: Vec<u64> = (0..1 + seed % 64)
                .map(|i| match seed % 4 {
                    0 => u64::MAX,
                    1 => 1 << ((seed + i) % 64),
                    _ => (i + 1)
                        .wrapping_mul(0x9e37_79b9_7f4a_7c15)
                        .rotate_left(seed as u32),
                })
                .collect();
            residues::<Portable>(&number, &divisors, &inverses, &mut out);
            let big = BigUint::from_bytes_le(
                &number
                    .iter()
                    .flat_map(|w| w.to_le_bytes())
                    .collect::<Vec<_>>(),
            );
            for (divisor, residue) in divisors.iter().zip(&out) {
                assert_eq!(
                    &big % (*divisor as u32),
                    BigUint::from(*residue),
                    "modulo {divisor}"
                );
            }
        }
    }
}
