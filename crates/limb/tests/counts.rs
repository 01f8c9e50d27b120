//! The number and order of lane operations does not depend on the operands; [`limb::trace`] says what that shows.

use limb::montgomery::{Montgomery, fma::Fma, int::Int};
use limb::trace::{Notes, Noting, noted};

/// Every operation that sees a secret, on values and choices of one pattern.
fn exercise<M: Montgomery>(bits: u32, pattern: u64) -> Notes {
    let count = (bits / 64) as usize;
    let word = |i: u64| match pattern {
        0 => 0,
        1 => u64::MAX,
        p => (i + 1).wrapping_mul(p),
    };
    let mut modulus: Vec<u64> = (0..count as u64).map(word).collect();
    modulus[0] |= 1;
    modulus[count - 1] |= 1 << 63;
    let mut value: Vec<u64> = (0..count as u64).map(|i| word(i + 7)).collect();
    value[count - 1] >>= 1;
    noted(|| {
        let mut engine = M::new(&vec![modulus.as_slice(); M::WIDTH]);
        let mut x = engine.load(&vec![value.as_slice(); M::WIDTH]);
        let y = engine.radix_squared();
        engine.multiply(&mut x, &y);
        let double: Vec<bool> = (0..M::WIDTH).map(|i| pattern >> i & 1 == 1).collect();
        engine.square(&mut x, &double);
        let index: Vec<usize> = (0..M::WIDTH).map(|i| (pattern >> i) as usize % 4).collect();
        let table = [x.clone(), y.clone(), engine.one(), x.clone()];
        engine.select(&mut x, &table, &index);
        engine.subtract(&mut x, &y);
        engine.reduce(&mut x);
        for i in 0..M::WIDTH {
            engine.store(&x, i);
            engine.units(&x, i);
        }
    })
}

fn same_for_all<M: Montgomery>(expected_per_square: u64) {
    for bits in [1024, 1536, 2048, 4096] {
        let first = exercise::<M>(bits, 0);
        for pattern in [
            1,
            2,
            0x5555_5555_5555_5555,
            0x9e37_79b9_7f4a_7c15,
            0xffff_0000_ff00_f0f1,
        ] {
            assert_eq!(
                exercise::<M>(bits, pattern),
                first,
                "{bits} bits, pattern {pattern:x}"
            );
        }
    }
    // Work of one squaring of 1024 bits: what the speed rests on, whatever the machine.
    let modulus = vec![u64::MAX; 16];
    let mut engine = M::new(&vec![modulus.as_slice(); M::WIDTH]);
    let mut x = engine.one();
    let double = vec![false; M::WIDTH];
    let count = noted(|| engine.square(&mut x, &double)).operations;
    assert!(count <= expected_per_square, "{count} lane operations");
}

#[test]
fn fma() {
    same_for_all::<Fma<Noting>>(3_560);
}

#[test]
fn int() {
    same_for_all::<Int<Noting>>(11_000);
}
