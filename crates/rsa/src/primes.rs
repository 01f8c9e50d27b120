//! The small primes that a sieve strikes with.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use limb::residues::Groups;

/// Odd primes from 3 up to a bound, ascending; the last one may be repeated.
pub(crate) struct SmallPrimes(pub(crate) Groups);

/// Bounds by size of the prime searched for, in bits. A bound twice as large saves 5 % of the
/// tests; the time of a key is flat within a factor of two around each of these.
const BOUNDS: [(u32, u32); 2] = [(1280, 1 << 19), (u32::MAX, 1 << 20)];

/// Saves 3 ms of a fresh process's first key, and costs 9 tests of 0.2 ms.
const FIRST_BOUND: u32 = 1 << 15;

impl SmallPrimes {
    /// The table for primes of `bits` bits. Made once per process.
    ///
    /// A process's first two sieves for the smallest size get a shallower table: all is slow then,
    /// and there may be one key to make. Which candidate is the first prime doesn't depend on it.
    pub(crate) fn for_size(bits: u32) -> &'static Self {
        static FIRST: OnceLock<SmallPrimes> = OnceLock::new();
        static SIEVES: AtomicU32 = AtomicU32::new(0);
        static TABLES: [OnceLock<SmallPrimes>; 2] = [const { OnceLock::new() }; 2];
        let i = usize::from(bits > BOUNDS[0].0);
        if i == 0 && SIEVES.fetch_add(1, Ordering::Relaxed) < 2 {
            return FIRST.get_or_init(|| Self::up_to(FIRST_BOUND));
        }
        TABLES[i].get_or_init(|| Self::up_to(BOUNDS[i].1))
    }

    /// Eratosthenes on the odd numbers below `bound`.
    pub(crate) fn up_to(bound: u32) -> Self {
        let half = (bound / 2) as usize;
        let mut composite = vec![false; half];
        let mut i = 1;
        while (2 * i + 1) * (2 * i + 1) < bound as usize {
            if !composite[i] {
                strike_multiples(&mut composite, i);
            }
            i += 1;
        }
        let mut divisors = Vec::with_capacity(half / 4);
        for first in (0..half).step_by(PIECE) {
            collect_primes(&composite, first, &mut divisors);
        }
        Self(Groups::new(divisors))
    }
}

/// Numbers that one call looks through. V8 replaces no function while it runs, so that long loops
/// of a fresh process's first sieve lie in functions that are called often.
const PIECE: usize = 1 << 12;

#[inline(never)]
fn strike_multiples(composite: &mut [bool], i: usize) {
    let step = 2 * i + 1;
    let mut j = 2 * i * (i + 1);
    while j < composite.len() {
        composite[j] = true;
        j += step;
    }
}

/// Appends the odd primes `2 i + 1` with `i` in a piece that begins at `first`.
#[inline(never)]
fn collect_primes(composite: &[bool], first: usize, divisors: &mut Vec<f64>) {
    let end = composite.len().min(first + PIECE);
    for (i, composite) in composite.iter().enumerate().take(end).skip(first.max(1)) {
        if !composite {
            divisors.push(f64::from(2 * i as u32 + 1));
        }
    }
}
