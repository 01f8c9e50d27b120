//! Whole keys, judged by OpenSSL.

use std::io::Write;
use std::process::{Command, Stdio};

use pki_rsa::{LaneChoice, Random, RsaError, Search};

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
        println!("{bits} {:?}", search.progress());
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
