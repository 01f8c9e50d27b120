//! Every lane choice gives the same keys, natively and in WebAssembly.

mod common;

use common::{Repeatable, key};
use num_bigint::BigUint;
use pki_rsa::{KeyPair, LaneChoice, PrimeSearch, Random, RsaError, Search};

/// Fails after a number of calls.
struct Failing(u32);

impl Random for Failing {
    fn fill(&mut self, out: &mut [u8]) -> Result<(), RsaError> {
        self.0 = self
            .0
            .checked_sub(1)
            .ok_or(RsaError::Randomness("empty".into()))?;
        Repeatable(u64::from(self.0)).fill(out)
    }
}

/// All that this machine can run; the probe decides about the fused one.
fn choices() -> Vec<LaneChoice> {
    let mut choices = vec![LaneChoice::Auto, LaneChoice::Simd, LaneChoice::Scalar];
    match Search::new(2048, LaneChoice::Fma) {
        Ok(_) => choices.push(LaneChoice::Fma),
        Err(error) => assert_eq!(error, RsaError::NotFused),
    }
    choices
}

#[cfg_attr(not(target_arch = "wasm32"), test)]
#[cfg_attr(target_arch = "wasm32", wasm_bindgen_test::wasm_bindgen_test)]
fn equal_randomness_gives_equal_keys() {
    let expected = key(2048, LaneChoice::Scalar, 3).to_pkcs1_der();
    for lanes in choices() {
        assert_eq!(*key(2048, lanes, 3).to_pkcs1_der(), *expected, "{lanes:?}");
    }
}

#[cfg_attr(not(target_arch = "wasm32"), test)]
#[cfg_attr(target_arch = "wasm32", wasm_bindgen_test::wasm_bindgen_test)]
fn signatures_verify() {
    for lanes in choices() {
        let key = key(2112, LaneChoice::Auto, 5).on(lanes);
        let signature = key
            .sign_pkcs1_v15(b"digest info", &mut Repeatable(1))
            .unwrap();
        let (n, e) = key.public();
        let opened = BigUint::from_bytes_be(&signature)
            .modpow(&BigUint::from_bytes_be(&e), &BigUint::from_bytes_be(&n))
            .to_bytes_be();
        let mut expected = vec![1];
        expected.resize(n.len() - 13, 0xff);
        expected.push(0);
        expected.extend(b"digest info");
        assert_eq!(opened, expected, "{lanes:?}");
    }
}

#[cfg_attr(not(target_arch = "wasm32"), test)]
#[cfg_attr(target_arch = "wasm32", wasm_bindgen_test::wasm_bindgen_test)]
fn halves_make_a_key() {
    let mut primes = [21, 22].map(|seed| {
        let mut rng = Repeatable(seed);
        let mut search = PrimeSearch::new(2048, LaneChoice::Auto).unwrap();
        loop {
            if let Some(prime) = search.step(&mut rng).unwrap() {
                break prime;
            }
        }
    });
    let key = KeyPair::from_primes(&primes[0], &primes[1]).unwrap();
    primes.reverse();
    let carried = primes.map(|p| pki_rsa::Prime::from_be_bytes(&p.to_be_bytes()).unwrap());
    let again = KeyPair::from_primes(&carried[0], &carried[1]).unwrap();
    assert_eq!(*key.to_pkcs1_der(), *again.to_pkcs1_der());
    assert!(KeyPair::from_primes(&carried[0], &carried[0]).is_err());
    let imported = KeyPair::from_pkcs1_der(&key.to_pkcs1_der()).unwrap();
    assert_eq!(*imported.to_pkcs1_der(), *key.to_pkcs1_der());
    imported.sign_pkcs1_v15(b"", &mut Repeatable(2)).unwrap();
}

#[cfg_attr(not(target_arch = "wasm32"), test)]
#[cfg_attr(target_arch = "wasm32", wasm_bindgen_test::wasm_bindgen_test)]
fn refusals() {
    for bits in [0, 1024, 2047, 2049, 2080, 8256, 16384] {
        let error = Search::new(bits, LaneChoice::Auto).err();
        assert_eq!(error, Some(RsaError::UnsupportedSize(bits)));
    }
    let mut search = Search::new(2048, LaneChoice::Auto).unwrap();
    let mut rng = Failing(0);
    assert_eq!(
        search.step(&mut rng).err(),
        Some(RsaError::Randomness("empty".into()))
    );

    let key = key(2048, LaneChoice::Auto, 9);
    let too_long = key.sign_pkcs1_v15(&[0; 246], &mut Repeatable(1));
    assert_eq!(
        too_long,
        Err(RsaError::TooLong {
            digest_info: 246,
            limit: 245
        })
    );
    assert!(key.sign_pkcs1_v15(&[0; 245], &mut Repeatable(1)).is_ok());
    assert_eq!(
        key.sign_pkcs1_v15(b"", &mut Failing(0)),
        Err(RsaError::Randomness("empty".into()))
    );

    let der = key.to_pkcs1_der();
    for length in 0..der.len() {
        assert!(
            KeyPair::from_pkcs1_der(&der[..length]).is_err(),
            "cut at {length}"
        );
    }
    let mut longer = der.to_vec();
    longer.push(0);
    assert!(KeyPair::from_pkcs1_der(&longer).is_err());
    // Each integer changed by one bit near its end.
    for at in (7..der.len()).step_by(61) {
        let mut changed = der.to_vec();
        changed[at] ^= 2;
        assert!(
            KeyPair::from_pkcs1_der(&changed).is_err(),
            "changed at {at}"
        );
    }
}
