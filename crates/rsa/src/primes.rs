//! The small primes that a sieve strikes with.

use std::sync::OnceLock;

/// Odd primes from 3 up to a bound, in the shape that [`limb::residues::residues`] wants.
pub(crate) struct SmallPrimes {
    /// Ascending; the last ones are repeated up to a multiple of 16.
    pub(crate) divisors: Vec<f64>,
    pub(crate) inverses: Vec<f64>,
}

/// Bounds by size of the prime searched for, in bits. A bound twice as large saves 5 % of the
/// tests; the time of a key is flat within a factor of two around each of these.
const BOUNDS: [(u32, u32); 3] = [(1280, 1 << 18), (1792, 1 << 19), (u32::MAX, 1 << 20)];

impl SmallPrimes {
    /// The table for primes of `bits` bits. Made once per process.
    pub(crate) fn for_size(bits: u32) -> &'static Self {
        static TABLES: [OnceLock<SmallPrimes>; 3] = [const { OnceLock::new() }; 3];
        let i = BOUNDS
            .iter()
            .position(|(most, _)| bits <= *most)
            .unwrap_or(2);
        TABLES[i].get_or_init(|| Self::up_to(BOUNDS[i].1))
    }

    /// Eratosthenes on the odd numbers below `bound`.
    pub(crate) fn up_to(bound: u32) -> Self {
        let half = (bound / 2) as usize;
        let mut composite = vec![false; half];
        let mut i = 1;
        while (2 * i + 1) * (2 * i + 1) < bound as usize {
            if !composite[i] {
                let step = 2 * i + 1;
                let mut j = 2 * i * (i + 1);
                while j < half {
                    composite[j] = true;
                    j += step;
                }
            }
            i += 1;
        }
        let mut divisors: Vec<f64> = (1..half)
            .filter(|i| !composite[*i])
            .map(|i| f64::from(2 * i as u32 + 1))
            .collect();
        let last = divisors[divisors.len() - 1];
        divisors.resize(divisors.len().next_multiple_of(16), last);
        let inverses = divisors.iter().map(|p| 1.0 / p).collect();
        Self { divisors, inverses }
    }
}
