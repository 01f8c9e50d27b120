//! Candidates of one interval: odd numbers that no small prime divides.

use limb::arch::Vector;
use zeroize::{Zeroize, Zeroizing};

use crate::number::{Words, add_small, rem_small, shift_right};
use crate::primes::SmallPrimes;

/// The public exponent of every key made here. It is a Fermat prime, 2^16 + 1.
pub(crate) const EXPONENT: u32 = 65_537;

/// Odd numbers from a random start on, those with a small factor struck out.
///
/// Memory is indexed by residues of the start, so the sieve's timing tells something of a number
/// that is used once (docs/search.md).
pub(crate) struct Sieve {
    start: Words,
    struck: Zeroizing<Vec<u8>>,
    next: usize,
}

impl Sieve {
    /// Odd numbers of an interval for primes of `bits` bits: eleven primes are expected in it, so
    /// one start in a hundred thousand meets none.
    pub(crate) fn length(bits: u32) -> usize {
        4 * bits as usize
    }

    /// Sieves `length(bits)` odd numbers from `start` on.
    ///
    /// Pre: `start` is odd and `start + 2 * length` still has its words. A number that is 1 modulo
    /// [`EXPONENT`] is struck too: p - 1 must not share a factor with the public exponent.
    pub(crate) fn new(start: Words, bits: u32) -> Self {
        Self::with(SmallPrimes::for_size(bits), start, bits)
    }

    fn with(table: &SmallPrimes, start: Words, bits: u32) -> Self {
        let length = Self::length(bits);
        let groups = &table.0;
        let mut firsts = Zeroizing::new(vec![0u32; groups.divisors().len()]);
        groups.first_multiples::<Vector>(&shift_right(&start, 1), &mut firsts);
        let mut struck = Zeroizing::new(vec![0u8; length]);
        strike_all(&mut struck, groups.divisors(), &firsts);
        // start - 1 is the number whose multiples are to be avoided: 2j = -(start - 1) modulo e.
        let remainder = rem_small(&start, EXPONENT);
        let to_go = (EXPONENT + 1 - remainder) % EXPONENT;
        let first = (to_go + EXPONENT * (to_go & 1)) / 2;
        strike(&mut struck, EXPONENT as usize, first as usize);
        Self {
            start,
            struck,
            next: 0,
        }
    }

    /// Gives the last `count` candidates back.
    pub(crate) fn rewind(&mut self, count: usize) {
        for _ in 0..count {
            self.next -= 1;
            while self.struck[self.next - 1] != 0 {
                self.next -= 1;
            }
        }
    }

    /// The next candidate in ascending order.
    pub(crate) fn candidate(&mut self) -> Option<Words> {
        let position = self.struck[self.next..].iter().position(|s| *s == 0)? + self.next;
        self.next = position + 1;
        let mut number = self.start.clone();
        add_small(&mut number, 2 * position as u64);
        Some(number)
    }
}

impl Drop for Sieve {
    fn drop(&mut self) {
        self.next.zeroize();
    }
}

/// Strikes the multiples of every divisor, given where they begin.
///
/// A function of its own: V8 optimises a small one in a millisecond, and one that holds the whole
/// search in fifty, beside the first key.
#[inline(never)]
fn strike_all(struck: &mut [u8], divisors: &[f64], firsts: &[u32]) {
    let short = divisors.partition_point(|d| *d < struck.len() as f64);
    let (short, long) = firsts.split_at(short);
    for (divisor, first) in divisors.iter().zip(short) {
        strike(struck, *divisor as usize, *first as usize);
    }
    // Most primes are longer than the interval, and most of those miss it.
    for first in long {
        if let Some(place) = struck.get_mut(*first as usize) {
            *place = 1;
        }
    }
}

#[inline]
fn strike(struck: &mut [u8], divisor: usize, first: usize) {
    let mut j = first;
    while j < struck.len() {
        struck[j] = 1;
        j += divisor;
    }
}

#[cfg(test)]
mod tests {
    use num_bigint::BigUint;

    use super::*;

    /// What is struck has a small factor (or is 1 modulo e), what is left has none.
    #[test]
    fn agrees_with_trial_division() {
        for (bits, seed) in [(1024u32, 3u64), (1536, 5), (2048, 7), (2048, 8)] {
            let start: Vec<u64> = (0..u64::from(bits / 64))
                .map(|i| {
                    (i + seed)
                        .wrapping_mul(0x9e37_79b9_7f4a_7c15)
                        .rotate_left(seed as u32)
                        | 1 << 63
                        | 1
                })
                .collect();
            let first = BigUint::from_bytes_le(
                &start
                    .iter()
                    .flat_map(|w| w.to_le_bytes())
                    .collect::<Vec<_>>(),
            );
            let table = SmallPrimes::for_size(bits);
            let mut sieve = Sieve::with(table, Words::new(start), bits);
            let divisors = table.0.divisors();
            let remainders: Vec<(u64, u64)> = divisors
                .iter()
                .map(|d| (*d as u64, (&first % (*d as u64)).try_into().unwrap()))
                .collect();
            let expected: Vec<u64> = (0..Sieve::length(bits) as u64)
                .filter(|j| {
                    let sum = &first + 2 * j;
                    remainders.iter().all(|(d, r)| (r + 2 * j) % d != 0)
                        && sum % EXPONENT != BigUint::from(1u8)
                })
                .collect();
            let origin = sieve.start[0];
            let found: Vec<u64> = core::iter::from_fn(|| sieve.candidate())
                .map(|c| c[0].wrapping_sub(origin) / 2)
                .collect();
            assert_eq!(found, expected, "{bits} bits");
            // e^-gamma / ln(bound) of all numbers, twice that of the odd ones.
            let share = found.len() as f64 / Sieve::length(bits) as f64;
            let bound = divisors[divisors.len() - 1];
            assert!(
                (share * bound.ln() / 2.0 - 0.5615).abs() < 0.05,
                "{bits} bits: {share}"
            );
        }
    }
}
