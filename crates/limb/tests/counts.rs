//! The number and order of lane operations does not depend on the operands.
//!
//! What this cannot show: that each operation takes the same time (a multiplication or a
//! denormal could be data-dependent on some processor), and what the compiler makes of it.

use std::cell::Cell;

use limb::arch::portable::Portable;
use limb::lanes::Lanes;
use limb::montgomery::{Montgomery, fma::Fma, int::Int};

thread_local! {
    /// Number of operations, and a hash of their sequence.
    static TRACE: Cell<(u64, u64)> = const { Cell::new((0, 0)) };
}

fn note(operation: u64) {
    TRACE.with(|t| {
        let (count, hash) = t.get();
        t.set((
            count + 1,
            (hash ^ operation).wrapping_mul(0x0000_0100_0000_01b3),
        ));
    });
}

fn trace(run: impl FnOnce()) -> (u64, u64) {
    TRACE.with(|t| t.set((0, 0xcbf2_9ce4_8422_2325)));
    run();
    TRACE.with(Cell::get)
}

/// The portable lanes, each operation noted.
#[derive(Clone, Copy)]
struct Traced;

macro_rules! forward {
    ($($number:literal $name:ident($($a:ident: $type:ty),*) -> $out:ty;)*) => {
        $(fn $name($($a: $type),*) -> $out { note($number); Portable::$name($($a),*) })*
    };
}

type F = [f64; 2];
type I = [i64; 2];

impl Lanes for Traced {
    type F = F;
    type I = I;

    forward! {
        1 splat_f(x: f64) -> F; 2 load_f(x: [f64; 2]) -> F; 3 store_f(x: F) -> [f64; 2];
        4 splat_i(x: i64) -> I; 5 load_i(x: [i64; 2]) -> I; 6 store_i(x: I) -> [i64; 2];
        7 madd(a: F, b: F, c: F) -> F; 8 nmadd(a: F, b: F, c: F) -> F;
        9 add_f(a: F, b: F) -> F; 10 sub_f(a: F, b: F) -> F; 11 mul_f(a: F, b: F) -> F;
        12 to_bits(a: F) -> I; 13 from_bits(a: I) -> F;
        14 add_i(a: I, b: I) -> I; 15 sub_i(a: I, b: I) -> I;
        16 and(a: I, b: I) -> I; 17 or(a: I, b: I) -> I; 18 xor(a: I, b: I) -> I;
        19 mul_u32(a: I, b: I) -> I;
        20 mul_words_low(a: I, b: I) -> I; 21 mul_words_high(a: I, b: I) -> I;
        22 pack_words(low: I, high: I) -> I;
    }
    fn shl<const N: u32>(a: I) -> I {
        note(30);
        Portable::shl::<N>(a)
    }
    fn shr_u<const N: u32>(a: I) -> I {
        note(31);
        Portable::shr_u::<N>(a)
    }
    fn shr_s<const N: u32>(a: I) -> I {
        note(32);
        Portable::shr_s::<N>(a)
    }
}

/// Every operation that sees a secret, on values and choices of one pattern.
fn exercise<M: Montgomery>(bits: u32, pattern: u64) -> (u64, u64) {
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
    trace(|| {
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
    let (count, _) = trace(|| engine.square(&mut x, &double));
    assert!(count <= expected_per_square, "{count} lane operations");
}

#[test]
fn fma() {
    same_for_all::<Fma<Traced>>(3_900);
}

#[test]
fn int() {
    same_for_all::<Int<Traced>>(11_000);
}
