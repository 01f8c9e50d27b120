//! Primality tests against published numbers: NIST's primes, and what Go's own tests hold.

use std::io::Write;
use std::process::Command;

use num_bigint::BigUint;

use crate::lanes::Chosen;
use crate::number::{Words, words_from_be};
use crate::primality::{Witness, fermat, lucas, miller_rabin, width};
use limb::arch::portable::Portable;
use limb::montgomery::{Montgomery, bit_length, fma::Fma, int::Int};

const ALL: [Chosen; 3] = [Chosen::Fma, Chosen::Simd, Chosen::Scalar];

fn words(digits: &str) -> Words {
    let padded = format!(
        "{digits:0>width$}",
        width = digits.len().next_multiple_of(16)
    );
    let bytes: Vec<u8> = (0..padded.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&padded[at..at + 2], 16).unwrap())
        .collect();
    words_from_be(&bytes)
}

/// The 36 primes of KeyGenRSA.rsp, which CAVP took from known seeds.
#[test]
fn primes_of_nist() {
    let file = include_str!("../tests/vectors/nist-keygen-186-2.txt");
    let mut count = 0;
    for line in file.lines().filter(|line| !line.starts_with('#')) {
        for digits in line.split(' ').skip(1).take(2) {
            let prime = words(digits);
            let mut base = prime.clone();
            base[0] ^= 0x5eed << 1;
            *base.last_mut().unwrap() >>= 1;
            for lanes in ALL {
                let (number, base) = (&prime, &base);
                assert_eq!(fermat(lanes, std::slice::from_ref(number)), [true]);
                let witness = Witness { number, base };
                assert_eq!(miller_rabin(lanes, &[witness]), [true]);
                assert_eq!(lucas(lanes, &[number]), [true], "{lanes:?} {digits}");
            }
            count += 1;
        }
    }
    assert_eq!(count, 36);
}

/// A file of the installed Go's sources, or the line that says that there is none.
fn of_go(suite: &str, path: &str) -> Option<String> {
    let root = Command::new("go").args(["env", "GOROOT"]).output().ok();
    let file = root.and_then(|root| {
        let root = String::from_utf8(root.stdout).ok()?;
        std::fs::read_to_string(format!("{}/src/crypto/{path}", root.trim())).ok()
    });
    if file.is_none() {
        // The test harness keeps what `print` writes to itself.
        writeln!(std::io::stdout(), "not run: rsa/{suite}, no sources of Go").unwrap();
    }
    file
}

/// The candidates of an average search for a key of 2048 bits: two of them are prime. Source: C2SP's CCTV, keygen.
#[test]
fn candidates_of_a_search() {
    let Some(file) = of_go("candidates", "rsa/testdata/keygen2048.txt") else {
        return;
    };
    let candidates: Vec<Words> = file
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(words)
        .filter(|candidate| candidate[0] & 1 == 1)
        .collect();
    assert!(candidates.len() > 300, "{}", candidates.len());
    for lanes in ALL {
        let passed: Vec<&Words> = candidates
            .chunks(width(lanes))
            .flat_map(|chunk| chunk.iter().zip(fermat(lanes, chunk)))
            .filter_map(|(candidate, passed)| passed.then_some(candidate))
            .collect();
        assert_eq!(passed.len(), 2, "{lanes:?}");
        assert_eq!(passed[1], candidates.last().unwrap());
        for prime in passed {
            assert_eq!(lucas(lanes, &[prime]), [true]);
        }
    }
}

/// BoringSSL's witnesses, each with its own base. The engine takes a base as a Montgomery form.
#[test]
fn witnesses_of_boringssl() {
    let Some(file) = of_go(
        "witnesses",
        "internal/fips140/rsa/testdata/miller_rabin_tests.txt",
    ) else {
        return;
    };
    let mut judged = [0; 2];
    for block in file.split("\n\n") {
        let field = |name: &str| {
            let mut lines = block.lines().filter_map(|line| line.split_once(" = "));
            lines.find_map(|(key, value)| (key == name).then_some(value))
        };
        let (Some(result), Some(w), Some(b)) = (field("Result"), field("W"), field("B")) else {
            continue;
        };
        let number = words(w);
        // A sieve leaves no number of one word to these tests.
        if bit_length(&number) <= 64 {
            continue;
        }
        let expected = result == "PossiblyPrime";
        for lanes in ALL {
            let radix_bits = match lanes {
                Chosen::Fma => radix_bits::<Fma<Portable>>(&number),
                Chosen::Simd | Chosen::Scalar => radix_bits::<Int<Portable>>(&number),
            };
            let n = BigUint::parse_bytes(w.as_bytes(), 16).unwrap();
            let form = (BigUint::parse_bytes(b.as_bytes(), 16).unwrap() << radix_bits) % &n;
            let mut base = form.to_u64_digits();
            base.resize(number.len(), 0);
            let witness = Witness {
                number: &number,
                base: &Words::new(base),
            };
            assert_eq!(
                miller_rabin(lanes, &[witness]),
                [expected],
                "{lanes:?} {block}"
            );
        }
        judged[usize::from(expected)] += 1;
    }
    assert!(judged[0] >= 5 && judged[1] >= 5, "{judged:?}");
}

fn radix_bits<M: Montgomery>(number: &Words) -> u32 {
    M::new(&vec![number.as_slice(); M::WIDTH]).radix_bits()
}
