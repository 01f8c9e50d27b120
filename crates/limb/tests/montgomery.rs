//! Batches of Montgomery arithmetic against num-bigint, half of the operands at the bounds.
//!
//! `LIMB_CASES` sets the number of operations a representation, each modulo each of its moduli counted:
//! a million by default where the processor itself does them.
// An instance's number indexes several lists at once.
#![allow(clippy::needless_range_loop)]

#[cfg(target_arch = "wasm32")]
use limb::arch::Vector;
use limb::arch::portable::Portable;
#[cfg(target_arch = "wasm32")]
use limb::lanes::Lanes;
use limb::montgomery::{Montgomery, fma::Fma, int::Int};
use num_bigint::BigUint;

/// SplitMix64, so that a failure can be repeated.
struct Source(u64);

impl Source {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    /// Words with long runs of equal bits half of the time, random ones otherwise.
    fn words(&mut self, count: usize) -> Vec<u64> {
        let mut words: Vec<u64> = (0..count).map(|_| self.next()).collect();
        if self.next() & 1 == 0 {
            let total = count as u64 * 64;
            let mut bit = self.next() & 1 == 0;
            let mut at = 0;
            // Runs start where limbs do, or one bit beside.
            while at < total {
                let unit = [28, 46, 47, 64, 1, total / 2][(self.next() % 6) as usize];
                let end = (at + unit * (1 + self.next() % 12) + self.next() % 2).min(total);
                for i in at..end {
                    let word = &mut words[(i / 64) as usize];
                    *word = *word & !(1 << (i % 64)) | u64::from(bit) << (i % 64);
                }
                at = end;
                bit = !bit;
            }
        }
        words
    }

    fn modulus(&mut self, bits: u32) -> Vec<u64> {
        let count = bits.div_ceil(64) as usize;
        let mut words = self.words(count);
        words[0] |= 1;
        let top = (bits - 1) % 64;
        words[count - 1] &= u64::MAX >> (63 - top);
        words[count - 1] |= 1 << top;
        words
    }

    /// A value below `modulus`: zero, one, the modulus less a little, or anything.
    fn value(&mut self, modulus: &[u64]) -> Vec<u64> {
        let n = big(modulus);
        let x = match self.next() % 8 {
            0 => BigUint::from(self.next() % 3),
            1 => &n - (1 + self.next() % 3),
            2 => &n >> 1,
            _ => big(&self.words(modulus.len())) % &n,
        };
        words(&x, modulus.len())
    }
}

fn big(words: &[u64]) -> BigUint {
    BigUint::from_slice(
        &words
            .iter()
            .flat_map(|w| [*w as u32, (*w >> 32) as u32])
            .collect::<Vec<_>>(),
    )
}

fn words(x: &BigUint, count: usize) -> Vec<u64> {
    let mut words = x.to_u64_digits();
    words.resize(count, 0);
    words
}

/// By environment of the build too: WebAssembly has none when it runs.
fn cases(native: bool) -> usize {
    option_env!("LIMB_CASES")
        .map(str::to_owned)
        .or_else(|| std::env::var("LIMB_CASES").ok())
        .map_or(if native { 1_000_000 } else { 20_000 }, |count| {
            count.parse().expect("LIMB_CASES is a number")
        })
}

fn differential<M: Montgomery>(name: &str, cases: usize) {
    // Bounds of limbs and of flushes depend on the length; most of the time goes to the judge at the longest.
    let sizes = [
        512, 1024, 513, 1025, 560, 1344, 540, 1536, 700, 2048, 1023, 2343, 640, 2344, 800, 3072,
        900, 4096,
    ];
    let mut source = Source(0x5eed);
    let mut done = 0;
    let mut round = 0;
    while done < cases {
        let bits = sizes[round % sizes.len()];
        round += 1;
        let moduli: Vec<_> = (0..M::WIDTH).map(|_| source.modulus(bits)).collect();
        let slices: Vec<&[u64]> = moduli.iter().map(Vec::as_slice).collect();
        let mut engine = M::new(&slices);
        let n: Vec<_> = moduli.iter().map(|m| big(m)).collect();
        let r_inverse: Vec<_> = n
            .iter()
            .map(|n| {
                (BigUint::from(1u8) << engine.radix_bits())
                    .modinv(n)
                    .unwrap()
            })
            .collect();
        let one = engine.one();
        let squared = engine.radix_squared();
        for i in 0..M::WIDTH {
            let r = BigUint::from(1u8) << engine.radix_bits();
            assert_eq!(big(&engine.store(&one, i)), &r % &n[i], "{name} {bits} one");
            assert_eq!(
                big(&engine.store(&squared, i)),
                &r * &r % &n[i],
                "{name} {bits} R^2"
            );
        }
        for _ in 0..4 {
            let values: Vec<_> = moduli.iter().map(|m| source.value(m)).collect();
            let others: Vec<_> = moduli.iter().map(|m| source.value(m)).collect();
            let load =
                |v: &[Vec<u64>]| engine.load(&v.iter().map(Vec::as_slice).collect::<Vec<_>>());
            let (mut x, mut y) = (load(&values), load(&others));
            let mut expected: Vec<_> = values.iter().map(|v| big(v)).collect();
            let mut other: Vec<_> = others.iter().map(|v| big(v)).collect();
            // A chain, so that redundant results are operands too.
            for step in 0..8 {
                let double: Vec<bool> = (0..M::WIDTH).map(|_| source.next() & 1 == 1).collect();
                engine.square(&mut x, &double);
                for i in 0..M::WIDTH {
                    let square = &expected[i] * &expected[i] * &r_inverse[i] % &n[i];
                    expected[i] = (square << u8::from(double[i])) % &n[i];
                }
                if step % 2 == 1 {
                    engine.multiply(&mut x, &y);
                    engine.multiply(&mut y, &x);
                    for i in 0..M::WIDTH {
                        expected[i] = &expected[i] * &other[i] * &r_inverse[i] % &n[i];
                        other[i] = &expected[i] * &other[i] * &r_inverse[i] % &n[i];
                    }
                    engine.subtract(&mut x, &y);
                    for i in 0..M::WIDTH {
                        expected[i] = (&expected[i] + &n[i] - &other[i]) % &n[i];
                    }
                    done += 3 * M::WIDTH;
                }
                done += M::WIDTH;
                for i in 0..M::WIDTH {
                    assert_eq!(
                        big(&engine.store(&x, i)),
                        expected[i],
                        "{name} {bits} {step}"
                    );
                    assert_eq!(big(&engine.store(&y, i)), other[i], "{name} {bits} {step}");
                }
            }
            let table = [x.clone(), y.clone(), one.clone(), x.clone()];
            let index: Vec<usize> = (0..M::WIDTH)
                .map(|_| (source.next() % 4) as usize)
                .collect();
            let mut chosen = one.clone();
            engine.select(&mut chosen, &table, &index);
            engine.reduce(&mut chosen);
            for i in 0..M::WIDTH {
                let unit = BigUint::from(1u8);
                let r = &unit << engine.radix_bits();
                let value = [&expected[i], &other[i], &r, &expected[i]][index[i]];
                let value = value * &r_inverse[i] % &n[i];
                assert_eq!(
                    big(&engine.store(&chosen, i)),
                    value,
                    "{name} {bits} select"
                );
                let units = engine.units(&chosen, i);
                assert_eq!(
                    units,
                    (value == unit, value == &n[i] - 1u8),
                    "{name} {bits} units"
                );
            }
        }
    }
}

#[cfg_attr(not(target_arch = "wasm32"), test)]
#[cfg_attr(target_arch = "wasm32", wasm_bindgen_test::wasm_bindgen_test)]
fn fma_portable() {
    let native = cfg!(target_feature = "fma") || cfg!(target_arch = "aarch64");
    differential::<Fma<Portable>>("fma, portable", cases(native));
}

#[cfg_attr(not(target_arch = "wasm32"), test)]
#[cfg_attr(target_arch = "wasm32", wasm_bindgen_test::wasm_bindgen_test)]
fn int_portable() {
    let native = cfg!(not(target_arch = "wasm32"));
    differential::<Int<Portable>>("int, portable", cases(native));
}

#[cfg(target_arch = "wasm32")]
#[wasm_bindgen_test::wasm_bindgen_test]
fn fma_vector() {
    // Where the probe finds no fused operation, as with V8's --no-enable-fma3, nothing is to be right.
    if Vector::fused() {
        differential::<Fma<Vector>>("fma, vector", cases(false));
    }
}

#[cfg(target_arch = "wasm32")]
#[wasm_bindgen_test::wasm_bindgen_test]
fn int_vector() {
    differential::<Int<Vector>>("int, vector", cases(false));
}
