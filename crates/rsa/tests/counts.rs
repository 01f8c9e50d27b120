//! What a search costs in primality tests, whatever the machine.

mod common;

use common::Repeatable;
use pki_rsa::{LaneChoice, PrimeSearch};

/// Of the numbers near 2^1024 that no prime below 2^19 divides one in 30.3 is prime: ln(2^1024) / (e^gamma ln(2^19)),
/// by the prime number theorem and Mertens' third theorem. The number of tests to a prime has that as its standard
/// deviation too, so a mean of 300 deviates by 1.8. The second test of a batch is counted even when the first one passes.
#[test]
fn tests_a_prime() {
    let mut rng = Repeatable(1);
    let mut search = PrimeSearch::new(2048, LaneChoice::Auto).unwrap();
    let mut primes = 0;
    while primes < 300 {
        primes += u32::from(search.step(&mut rng).unwrap().is_some());
    }
    let progress = search.progress();
    assert_eq!(progress.primes, primes);
    let mean = progress.tests as f64 / f64::from(primes);
    let expected = 1024.0 * 2f64.ln() / (0.577_215_664_9_f64.exp() * 19.0 * 2f64.ln()) + 0.5;
    assert!((mean - expected).abs() < 4.0 * 1.8, "{mean} for {expected}");
}
