//! Whole keys, judged by OpenSSL and by NIST.

mod common;

use std::io::Write;
use std::process::{Command, Stdio};

use common::{Repeatable, next_key};
use pki_rsa::{KeyPair, LaneChoice, Prime, Search};

fn openssl_check(der: &[u8]) -> String {
    let mut child = Command::new("openssl")
        .args(["rsa", "-inform", "DER", "-check", "-noout"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(der).unwrap();
    let output = child.wait_with_output().unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

#[test]
fn openssl_accepts() {
    for (bits, count) in [(2048, 4), (2112, 1), (3072, 1)] {
        let mut rng = Repeatable(u64::from(bits));
        let mut search = Search::new(bits, LaneChoice::Auto).unwrap();
        for _ in 0..count {
            let key = next_key(&mut search, &mut rng);
            assert_eq!(key.bits(), bits);
            assert_eq!(openssl_check(&key.to_pkcs1_der()).trim(), "RSA key ok");
        }
    }
}

/// Modulus and private exponent that CAVP gives for its primes; with 3 and 17 our search makes no keys.
#[test]
fn nist_primes_make_nist_keys() {
    let hex = |digits: &str| -> Vec<u8> {
        (0..digits.len())
            .step_by(2)
            .map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap())
            .collect()
    };
    let mut made = 0;
    for line in include_str!("vectors/nist-keygen-186-2.txt").lines() {
        let ["010001", p, q, n, d] = line.split(' ').collect::<Vec<_>>()[..] else {
            continue;
        };
        let [p, q] = [p, q].map(|prime| Prime::from_be_bytes(&hex(prime)).unwrap());
        let key = KeyPair::from_primes(&p, &q).unwrap();
        assert_eq!(key.public(), (hex(n), vec![1, 0, 1]));
        let (der, d) = (key.to_pkcs1_der(), hex(d));
        assert!(der.windows(d.len()).any(|part| part == d), "{line}");
        made += 1;
    }
    assert_eq!(made, 6);
}

/// Runs OpenSSL with a key on its standard input.
fn openssl(arguments: &[&str], input: &[u8]) -> Vec<u8> {
    let mut child = Command::new("openssl")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    output.stdout
}

/// A PKCS#1 key of OpenSSL's, in DER.
fn openssl_key(options: &[&str]) -> Vec<u8> {
    let mut arguments = vec!["genpkey", "-algorithm", "RSA", "-outform", "DER"];
    arguments.extend(options.iter().flat_map(|o| ["-pkeyopt", o]));
    let pkcs8 = openssl(&arguments, &[]);
    openssl(
        &["rsa", "-inform", "DER", "-outform", "DER", "-traditional"],
        &pkcs8,
    )
}

/// What OpenSSL signs with `key` over a ready DigestInfo.
fn openssl_signature(key: &[u8], digest_info: &[u8]) -> Vec<u8> {
    let path =
        std::env::temp_dir().join(format!("pki-rsa-test-{}-{}", std::process::id(), key.len()));
    std::fs::write(&path, key).unwrap();
    let arguments = [
        "pkeyutl",
        "-sign",
        "-keyform",
        "DER",
        "-inkey",
        path.to_str().unwrap(),
        "-pkeyopt",
        "rsa_padding_mode:pkcs1",
    ];
    let signature = openssl(&arguments, digest_info);
    std::fs::remove_file(&path).unwrap();
    signature
}

#[test]
fn signs_as_openssl_does() {
    let digest_info: Vec<u8> = (0..51).map(|i| 255 - 3 * i).collect();
    let mut rng = Repeatable(11);
    let plans: [&[&str]; 6] = [
        &["rsa_keygen_bits:2048"],
        &["rsa_keygen_bits:2048", "rsa_keygen_pubexp:3"],
        &["rsa_keygen_bits:2056"],
        &[
            "rsa_keygen_bits:3072",
            "rsa_keygen_pubexp:340282366920938463463374607431768211457",
        ],
        &["rsa_keygen_bits:4096", "rsa_keygen_pubexp:17"],
        &["rsa_keygen_bits:5000"],
    ];
    for plan in plans {
        let der = openssl_key(plan);
        let expected = openssl_signature(&der, &digest_info);
        for lanes in [LaneChoice::Fma, LaneChoice::Simd] {
            let key = KeyPair::from_pkcs1_der(&der).unwrap().on(lanes);
            assert_eq!(*key.to_pkcs1_der(), der, "{plan:?}");
            let signature = key.sign_pkcs1_v15(&digest_info, &mut rng).unwrap();
            assert_eq!(signature, expected, "{plan:?} {lanes:?}");
        }
    }
}
