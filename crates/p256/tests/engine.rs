//! Keys and signatures against the independent crate `p256`, on every way to compute.

mod common;

use common::{Repeatable, engines, hex, order_less};
use p256::ecdsa::SigningKey;
use p256::ecdsa::signature::hazmat::PrehashVerifier;
use p256::elliptic_curve::PrimeField;
use p256::elliptic_curve::sec1::ToSec1Point;
use pki_p256::{Engine, LaneChoice, P256Error, Secret, TableSize};
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

const TABLES: [TableSize; 2] = [TableSize::Small, TableSize::Large];

/// The public key as the independent crate computes it.
fn expected_public(secret: &[u8; 32]) -> Vec<u8> {
    let scalar = p256::Scalar::from_repr((*secret).into()).unwrap();
    let point = (p256::ProjectivePoint::GENERATOR * scalar).to_affine();
    point.to_sec1_point(false).as_bytes().to_vec()
}

/// The odd scalar whose last addition meets equal points: n's upper half times 2^128 less its lower
/// half.
const EXCEPTION: &str = "ffffffff00000000fffffffffffffffe4319055258e8617b0c46353d039cdaaf";

fn scalars_at_the_bounds() -> Vec<[u8; 32]> {
    let small = |x: u8| {
        let mut bytes = [0; 32];
        bytes[31] = x;
        bytes
    };
    let mut out: Vec<[u8; 32]> = (1..=20).map(small).collect();
    out.extend((1..=20).map(order_less));
    // One bit, and all bits below it.
    for bit in 0..255 {
        let mut one = [0; 32];
        one[31 - bit / 8] = 1 << (bit % 8);
        out.push(one);
        let mut below = [0; 32];
        below[31 - bit / 8] = (1 << (bit % 8)) - 1;
        below[32 - bit / 8..].fill(255);
        below[31] |= 1;
        out.push(below);
    }
    out.push(hex(EXCEPTION));
    let negative = num_bigint::BigUint::from_bytes_be(&order_less(0))
        - num_bigint::BigUint::from_bytes_be(&hex(EXCEPTION));
    let bytes = negative.to_bytes_be();
    let mut padded = [0; 32];
    padded[32 - bytes.len()..].copy_from_slice(&bytes);
    out.push(padded);
    out
}

#[test]
fn public_keys_of_scalars_at_the_bounds() {
    let scalars = scalars_at_the_bounds();
    let expected: Vec<_> = scalars.iter().map(expected_public).collect();
    for table in TABLES {
        for mut engine in engines(table) {
            let keys = engine.public_keys(&scalars).unwrap();
            for ((key, expected), scalar) in keys.iter().zip(&expected).zip(&scalars) {
                assert_eq!(&key[..], &expected[..], "{engine:?} {scalar:02x?}");
            }
        }
    }
}

#[test]
fn scalars_out_of_range_are_refused_by_row() {
    let mut one = [0; 32];
    one[31] = 1;
    for bad in [[0; 32], order_less(0), [255; 32]] {
        for mut engine in engines(TableSize::Small) {
            let mut scalars = vec![one; 200];
            scalars[150] = bad;
            assert_eq!(
                engine.public_keys(&scalars),
                Err(P256Error::ScalarRange { row: 150 })
            );
        }
        assert_eq!(Secret::new(bad), Err(P256Error::ScalarRange { row: 0 }));
    }
}

#[test]
fn keys_agree_between_lanes_tables_and_the_judge() {
    for count in [0, 1, 2, 15, 16, 17, 128, 129, 300] {
        let mut first: Option<Vec<_>> = None;
        for table in TABLES {
            for mut engine in engines(table) {
                let keys = engine
                    .generate_keys(count, &mut Repeatable(count as u64))
                    .unwrap();
                assert_eq!(keys.len(), count);
                let bytes: Vec<_> = keys
                    .iter()
                    .map(|k| (*k.secret.as_bytes(), k.public))
                    .collect();
                if let Some(first) = &first {
                    assert_eq!(first, &bytes);
                } else {
                    for (secret, public) in &bytes {
                        assert_eq!(expected_public(secret), public);
                    }
                    first = Some(bytes);
                }
            }
        }
    }
}

#[test]
fn signatures_verify_and_agree_between_lanes() {
    for count in [0, 1, 3, 4, 5, 128, 131] {
        let mut random = Repeatable(7 + count as u64);
        let mut digests: Vec<[u8; 32]> = (0..count)
            .map(|_| core::array::from_fn(|_| random.word().to_le_bytes()[0]))
            .collect();
        for (digest, edge) in digests.iter_mut().zip([[0; 32], [255; 32], order_less(0)]) {
            *digest = edge;
        }
        let mut first = None;
        for mut engine in engines(TableSize::Small) {
            let key = engine
                .generate_keys(1, &mut Repeatable(3))
                .unwrap()
                .remove(0);
            let signatures = engine
                .sign(&key.secret, &digests, &mut Repeatable(9))
                .unwrap();
            let judge = p256::ecdsa::VerifyingKey::from_sec1_bytes(&key.public).unwrap();
            for (digest, signature) in digests.iter().zip(&signatures) {
                let plain = p256::ecdsa::Signature::from_scalars(signature.r, signature.s).unwrap();
                judge.verify_prehash(digest, &plain).unwrap();
                let der = p256::ecdsa::Signature::from_der(signature.to_der().as_bytes()).unwrap();
                assert_eq!(der, plain);
            }
            assert_eq!(&signatures, first.get_or_insert_with(|| signatures.clone()));
        }
    }
}

/// Section 3.6's additional data is what the source of randomness gives, 16 bytes a row.
#[test]
fn hedged_nonces_are_those_of_the_judge() {
    let mut random = Repeatable(77);
    for mut engine in engines(TableSize::Small) {
        for secret in [[1; 32], order_less(1), hex(EXCEPTION)] {
            let digests: Vec<[u8; 32]> = (0..6)
                .map(|_| core::array::from_fn(|_| random.word().to_le_bytes()[0]))
                .chain([[255; 32]])
                .collect();
            let key = Secret::new(secret).unwrap();
            let judge = SigningKey::from_slice(&secret).unwrap();
            let mut source = Repeatable(5);
            let mut added = Repeatable(5);
            let signatures = engine.sign(&key, &digests, &mut source).unwrap();
            for (digest, signature) in digests.iter().zip(&signatures) {
                let mut extra = [0; 16];
                pki_p256::Random::fill(&mut added, &mut extra).unwrap();
                let expected = rfc6979_signature(&judge, digest, &extra);
                assert_eq!((signature.r, signature.s), expected);
            }
            let signatures = engine.sign_deterministic(&key, &digests).unwrap();
            for (digest, signature) in digests.iter().zip(&signatures) {
                let expected = rfc6979_signature(&judge, digest, &[]);
                assert_eq!((signature.r, signature.s), expected);
            }
        }
    }
}

fn rfc6979_signature(key: &SigningKey, digest: &[u8; 32], added: &[u8]) -> ([u8; 32], [u8; 32]) {
    let (signature, _) = ecdsa::hazmat::sign_prehashed_rfc6979::<p256::NistP256, sha2::Sha256>(
        key.as_nonzero_scalar(),
        digest,
        added,
    );
    let (r, s) = signature.split_bytes();
    (r.into(), s.into())
}

/// RFC 6979, appendix A.2.5, SHA-256.
#[test]
fn rfc_6979_vectors() {
    let secret = hex("c9afa9d845ba75166b5c215767b1d6934e50c3db36e89b127b8a622b120f6721");
    let rows = [
        (
            &b"sample"[..],
            "efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716",
            "f7cb1c942d657c41d436c7a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8",
        ),
        (
            &b"test"[..],
            "f1abb023518351cd71d881567b1ea663ed3efcf6c5132b354f28d3b0b7d38367",
            "019f4113742a2b14bd25926b49c649155f267e60d3814b4c0cc84250e46f0083",
        ),
    ];
    for mut engine in engines(TableSize::Large) {
        let digests = engine.sha256_many(&[rows[0].0, rows[1].0]);
        let key = Secret::new(secret).unwrap();
        let signatures = engine.sign_deterministic(&key, &digests).unwrap();
        for (row, signature) in rows.iter().zip(signatures) {
            assert_eq!((signature.r, signature.s), (hex(row.1), hex(row.2)));
        }
    }
}

#[test]
fn the_chosen_lanes_are_named() {
    for choice in [LaneChoice::Simd, LaneChoice::Scalar] {
        let engine = Engine::new(choice, TableSize::Small).unwrap();
        assert_eq!(engine.lanes(), choice);
    }
    let auto = Engine::new(LaneChoice::Auto, TableSize::Small)
        .unwrap()
        .lanes();
    let fused = Engine::new(LaneChoice::Fma, TableSize::Small).is_ok();
    assert_eq!(
        auto,
        if fused {
            LaneChoice::Fma
        } else {
            LaneChoice::Simd
        }
    );
}
