//! RSA signatures against the vectors of NIST's CAVP. Each file of vectors names its origin.

use pki::PublicKey;
use pki::rsa_engine::{KeyPair, LaneChoice, Random, RsaError};
use pki::signature::{Algorithm, Hash, verify};
use rsa::pkcs1::EncodeRsaPrivateKey;
use rsa::pkcs1v15::Pkcs1v15Sign;
use rsa::{BoxedUint, PrivateKey};
use sha1::Sha1;
use sha2::{Digest, Sha224, Sha256, Sha384, Sha512};

const SIGVER: &str = include_str!("vectors/nist-sigver15-186-3.txt");
const SIGGEN: &str = include_str!("vectors/nist-siggen15-186-2.txt");

/// Right and wrong signatures over every hash that certificates use; SHA-224 is none of them.
#[test]
fn signatures_verify_or_not() {
    let mut judged = [0; 2];
    for (key, tests) in read(SIGVER) {
        for test in tests {
            let [algorithm, exponent, message, signature, result, ..] = test[..] else {
                panic!("{test:?}");
            };
            let hash = match algorithm {
                "SHA1" => Hash::Sha1,
                "SHA256" => Hash::Sha256,
                "SHA384" => Hash::Sha384,
                "SHA512" => Hash::Sha512,
                _ => continue,
            };
            let public = PublicKey::Rsa {
                modulus: hex(key[0]),
                exponent: hex(exponent).into_iter().skip_while(|x| *x == 0).collect(),
            };
            let signature = padded(signature, key[0]);
            let algorithm = Algorithm::RsaPkcs1(hash);
            let held = verify(algorithm, &public, &hex(message), &signature).is_ok();
            assert_eq!(held, result == "P", "{test:?}");
            judged[usize::from(held)] += 1;
        }
    }
    assert_eq!(judged, [180, 36]);
}

/// PKCS#1 v1.5 has one signature a message: the valid ones are known answers. Public exponents are 3, 17 and 65537.
#[test]
fn signatures_are_made() {
    let mut made = 0;
    for (key, tests) in read(SIGVER) {
        for test in tests {
            let [algorithm, e, message, signature, "P"] = test[..] else {
                continue;
            };
            let [p, q, e] = [key[1], key[2], e].map(integer);
            let private = PrivateKey::from_p_q(p, q, e).unwrap();
            let signed = sign(&private, LaneChoice::Auto, algorithm, message);
            assert_eq!(signed, padded(signature, key[0]), "{test:?}");
            made += 1;
        }
    }
    assert_eq!(made, 45);
}

/// The file gives no primes: the crate `rsa` finds them by the private exponent.
#[test]
fn signatures_are_made_on_every_lane() {
    let lanes = [LaneChoice::Auto, LaneChoice::Simd, LaneChoice::Scalar];
    let mut made = 0;
    for (key, tests) in read(SIGGEN) {
        let [n, e, d] = [0, 1, 2].map(|i| integer(key[i]));
        let private = PrivateKey::from_components(n, e, d, Vec::new()).unwrap();
        for test in tests {
            let [algorithm, message, signature] = test[..] else {
                panic!("{test:?}");
            };
            let signed = sign(&private, lanes[made % 3], algorithm, message);
            assert_eq!(signed, padded(signature, key[0]), "{test:?}");
            made += 1;
        }
    }
    assert_eq!(made, 150);
}

/// What our engine signs with a key that the crate `rsa` wrote, over the DigestInfo that it prescribes.
fn sign(private: &PrivateKey, lanes: LaneChoice, algorithm: &str, message: &str) -> Vec<u8> {
    macro_rules! digest_info {
        ($hash:ty) => {
            [
                &*Pkcs1v15Sign::new::<$hash>().prefix,
                &<$hash>::digest(hex(message)),
            ]
            .concat()
        };
    }
    let info = match algorithm {
        "SHA1" => digest_info!(Sha1),
        "SHA224" => digest_info!(Sha224),
        "SHA256" => digest_info!(Sha256),
        "SHA384" => digest_info!(Sha384),
        "SHA512" => digest_info!(Sha512),
        _ => panic!("{algorithm}"),
    };
    let der = private.to_pkcs1_der().unwrap();
    let key = KeyPair::from_pkcs1_der(der.as_bytes()).unwrap().on(lanes);
    key.sign_pkcs1_v15(&info, &mut Blinding).unwrap()
}

/// Any factor blinds: the signature does not depend on it.
struct Blinding;

impl Random for Blinding {
    fn fill(&mut self, out: &mut [u8]) -> Result<(), RsaError> {
        out.fill(0x5a);
        Ok(())
    }
}

/// The keys of a file, each with the tests below it.
fn read(file: &str) -> Vec<(Vec<&str>, Vec<Vec<&str>>)> {
    let mut keys = Vec::new();
    for line in file.lines().filter(|line| !line.starts_with('#')) {
        let fields: Vec<&str> = line.split(' ').collect();
        match (fields[0], keys.last_mut()) {
            ("key", _) => keys.push((fields[1..].to_vec(), Vec::new())),
            (_, Some((_, tests))) => tests.push(fields),
            _ => panic!("a test before the first key"),
        }
    }
    keys
}

fn integer(digits: &str) -> BoxedUint {
    BoxedUint::from_be_slice_vartime(&hex(digits))
}

/// A signature has the octets of its modulus.
fn padded(signature: &str, modulus: &str) -> Vec<u8> {
    hex(&format!("{signature:0>width$}", width = modulus.len()))
}

fn hex(digits: &str) -> Vec<u8> {
    (0..digits.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap())
        .collect()
}
