//! Whole keys, judged by OpenSSL.

use std::io::Write;
use std::process::{Command, Stdio};

use pki_rsa::{KeyPair, LaneChoice, Random, RsaError, Search};

/// SplitMix64, so that a failure can be repeated.
struct Source(u64);

impl Random for Source {
    fn fill(&mut self, out: &mut [u8]) -> Result<(), RsaError> {
        for byte in out {
            self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut z = self.0;
            z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
            *byte = (z >> 56) as u8;
        }
        Ok(())
    }
}

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
        let mut rng = Source(u64::from(bits));
        let mut search = Search::new(bits, LaneChoice::Auto).unwrap();
        for _ in 0..count {
            let key = loop {
                if let Some(key) = search.step(&mut rng).unwrap() {
                    break key;
                }
            };
            assert_eq!(key.bits(), bits);
            assert_eq!(openssl_check(&key.to_pkcs1_der()).trim(), "RSA key ok");
        }
    }
}

#[test]
fn lanes_agree() {
    let keys: Vec<_> = [LaneChoice::Fma, LaneChoice::Simd, LaneChoice::Scalar]
        .map(|lanes| {
            let mut rng = Source(7);
            let mut search = Search::new(2048, lanes).unwrap();
            loop {
                if let Some(key) = search.step(&mut rng).unwrap() {
                    break key.to_pkcs1_der().to_vec();
                }
            }
        })
        .into();
    assert_eq!(keys[0], keys[1]);
    assert_eq!(keys[0], keys[2]);
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
    let mut rng = Source(11);
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
