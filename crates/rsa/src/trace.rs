//! Whether secrets change what exponentiation does: the lane operations and their order are equal for all numbers of one
//! size. `limb::trace` says what that cannot show. Here the scalar code around the lanes is the reading of digits of
//! exponents, the conversions at the border, and what `docs/search.md` names as depending on secrets: the sieve, the number
//! of candidates, the power of two in p - 1 and p + 1, the Lucas parameter. Blinding and recombination are crypto-bigint's;
//! `tests/instructions.rs` counts them too.

use limb::montgomery::{Montgomery, fma::Fma, int::Int};
use limb::trace::{Notes, Noting, noted};

use crate::number::Words;
use crate::primality::{Witness, fermat_batch, lucas_batch, miller_rabin_batch};
use crate::sign::power_pair_batch;

/// Words of a number: extreme ones, then random ones.
fn patterns(count: usize) -> Vec<Vec<u64>> {
    let mut state = 1u64;
    let mut random = || {
        state = state
            .wrapping_mul(0x5851_f42d_4c95_7f2d)
            .wrapping_add(0x1405_7b7e_f767_814f);
        state ^ (state >> 31)
    };
    let mut one = vec![0; count];
    one[0] = 1;
    let mut half = vec![0; count];
    half[count / 2..].fill(u64::MAX);
    let mut patterns = vec![
        vec![0; count],
        one,
        vec![u64::MAX; count],
        vec![0x5555_5555_5555_5555; count],
        half,
    ];
    patterns.extend((0..3).map(|_| (0..count).map(|_| random()).collect()));
    patterns
}

/// Numbers with the highest bit set and these two lowest bits. `all` of them ones would make N + 1 one bit longer.
fn moduli(count: usize, lowest: u64) -> Vec<Words> {
    let fixed = |mut words: Vec<u64>| {
        words[count - 1] |= 1 << 63;
        words[count - 1] &= !(1 << 62);
        words[0] = words[0] & !3 | lowest;
        Words::new(words)
    };
    patterns(count).into_iter().map(fixed).collect()
}

/// Numbers below every modulus.
fn residues(count: usize) -> Vec<Words> {
    let fixed = |mut words: Vec<u64>| {
        words[count - 1] &= u64::MAX >> 1;
        Words::new(words)
    };
    patterns(count).into_iter().map(fixed).collect()
}

fn all_equal(what: &str, notes: &[Notes]) {
    assert!(notes[0].operations > 100_000, "{what}: {notes:?}");
    assert!(
        notes.iter().all(|note| *note == notes[0]),
        "{what}: {notes:?}"
    );
}

/// CRT signing between blinding and recombination.
fn powers<M: Montgomery>(bits: usize) {
    let count = bits / 64;
    let (moduli, residues) = (moduli(count, 1), residues(count));
    let cases = residues.len();
    let notes: Vec<Notes> = (0..cases * 2)
        .map(|case| {
            let pair = |list: &[Words], at: usize| {
                [list[at % cases].clone(), list[(at / 2 + 1) % cases].clone()]
            };
            let (n, base) = (pair(&moduli, case), pair(&residues, case * 3));
            // In the first half all exponents with one base, then all with all.
            let exponents = pair(&residues, if case < cases { case } else { case * 5 });
            noted(|| {
                power_pair_batch::<M>(&n, &base, &exponents);
            })
        })
        .collect();
    all_equal("powers", &notes);
}

#[test]
fn signing_does_the_same_for_all_keys_and_messages() {
    powers::<Fma<Noting>>(1024);
    powers::<Int<Noting>>(1024);
    powers::<Fma<Noting>>(1536);
}

fn tests<M: Montgomery>(bits: usize) {
    let count = bits / 64;
    let bases = residues(count);
    let batch = |numbers: &[Words], at: usize| -> Vec<Words> {
        (0..M::WIDTH)
            .map(|i| numbers[(at + 3 * i) % numbers.len()].clone())
            .collect()
    };
    // Both p - 1 = 2 (mod 4) and p + 1 = 2 (mod 4), each where its test counts the twos.
    for (what, lowest) in [("p = 3 (mod 4)", 3), ("p = 1 (mod 4)", 1)] {
        let numbers = moduli(count, lowest);
        let cases = 0..numbers.len();
        let notes: Vec<Notes> = cases
            .map(|case| {
                let batch = batch(&numbers, case);
                noted(|| {
                    if lowest == 3 {
                        fermat_batch::<M>(&batch);
                        let witnesses: Vec<_> = batch
                            .iter()
                            .map(|number| Witness {
                                number,
                                base: &bases[case],
                            })
                            .collect();
                        miller_rabin_batch::<M>(&witnesses);
                    } else {
                        fermat_batch::<M>(&batch);
                        lucas_batch::<M>(&batch.iter().collect::<Vec<_>>());
                    }
                })
            })
            .collect();
        all_equal(what, &notes);
    }
}

#[test]
fn primality_tests_do_the_same_for_all_numbers() {
    tests::<Fma<Noting>>(1024);
    tests::<Int<Noting>>(1024);
}

/// What a candidate costs, whatever the machine: a test of 1024 bits is some thousand squarings, and a vector holds two
/// or four candidates. 919,330 and 1,110,197 when written.
#[test]
fn multiplications_of_a_candidate() {
    let numbers = moduli(16, 3);
    let fma = noted(|| drop(fermat_batch::<Fma<Noting>>(&numbers[..2])));
    let int = noted(|| drop(fermat_batch::<Int<Noting>>(&numbers[..4])));
    let each = [fma.multiplications / 2, int.multiplications / 4];
    assert!(each[0] <= 925_000 && each[1] <= 1_115_000, "{each:?}");
}
