//! Whether secrets change what is done: lanes that note every operation and every address read.
//!
//! What this shows: the sequence of lane operations, and the addresses of the bytes they load, are
//! equal for all secrets tried, of which half are extreme. What it cannot show: what the compiler
//! and the engine below make of the operations, the scalar code around them (recoding, the border
//! conversions and division steps of `u256.rs` and `inverse.rs`, which are branch-free as written),
//! and whether the CPU's instructions take equal time. No double here is ever subnormal, infinite
//! or not a number, for which instructions are known to be slower.

use std::cell::Cell;

use limb::arch::portable::Portable;
use limb::lanes::{Lanes, Packed};

use crate::curve::{Curve, Window};
use crate::field::Repr;
use crate::field::exact24::Exact24;
use crate::field::fma52::Fma52;
use crate::modulus::{Modulus, N};
use crate::sign::Signer;
use crate::u256::U256;

thread_local! {
    /// Operations, and a running hash of their names and addresses.
    static TRACE: Cell<(u64, u64)> = const { Cell::new((0, 0)) };
}

fn note(what: u64) {
    TRACE.with(|trace| {
        let (count, hash) = trace.get();
        trace.set((
            count + 1,
            (hash ^ what)
                .wrapping_mul(0x0000_0100_0000_01b3)
                .rotate_left(17),
        ));
    });
}

#[derive(Clone, Copy)]
struct Noting;

macro_rules! noting {
    ($($code:literal $name:ident($($arg:ident: $kind:ty),*) -> $out:ty;)*) => {
        $(fn $name($($arg: $kind),*) -> $out {
            note($code);
            Portable::$name($($arg),*)
        })*
    };
}

type F = [f64; 2];
type I = [i64; 2];

impl Lanes for Noting {
    type F = F;
    type I = I;
    noting! {
        1 splat_f(x: f64) -> F;
        2 load_f(x: F) -> F;
        3 store_f(x: F) -> F;
        4 splat_i(x: i64) -> I;
        5 load_i(x: I) -> I;
        6 store_i(x: I) -> I;
        7 madd(a: F, b: F, c: F) -> F;
        8 nmadd(a: F, b: F, c: F) -> F;
        9 add_f(a: F, b: F) -> F;
        10 sub_f(a: F, b: F) -> F;
        11 mul_f(a: F, b: F) -> F;
        12 to_bits(a: F) -> I;
        13 from_bits(a: I) -> F;
        14 add_i(a: I, b: I) -> I;
        15 sub_i(a: I, b: I) -> I;
        16 and(a: I, b: I) -> I;
        17 or(a: I, b: I) -> I;
        18 xor(a: I, b: I) -> I;
        19 mul_u32(a: I, b: I) -> I;
        35 mul_words_low(a: I, b: I) -> I;
        36 mul_words_high(a: I, b: I) -> I;
        37 pack_words(low: I, high: I) -> I;
    }
    fn shl<const B: u32>(a: I) -> I {
        note(100 + u64::from(B));
        Portable::shl::<B>(a)
    }
    fn shr_u<const B: u32>(a: I) -> I {
        note(200 + u64::from(B));
        Portable::shr_u::<B>(a)
    }
    fn shr_s<const B: u32>(a: I) -> I {
        note(300 + u64::from(B));
        Portable::shr_s::<B>(a)
    }
}

impl Packed for Noting {
    noting! {
        20 store_bytes(x: I) -> [u8; 16];
        21 splat_u8(x: u8) -> I;
        22 splat_u32(x: u32) -> I;
        23 look_up(table: I, index: I) -> I;
        24 add_sat_u8(a: I, b: I) -> I;
        25 zip_low_u8(a: I, b: I) -> I;
        26 zip_high_u8(a: I, b: I) -> I;
        27 zip_low_u16(a: I, b: I) -> I;
        28 zip_high_u16(a: I, b: I) -> I;
        29 zip_low_u32(a: I, b: I) -> I;
        30 zip_high_u32(a: I, b: I) -> I;
        31 zip_low_u64(a: I, b: I) -> I;
        32 zip_high_u64(a: I, b: I) -> I;
        33 add_u32(a: I, b: I) -> I;
        34 madd_exact(a: F, b: F, c: F) -> F;
    }
    fn load_bytes(x: &[u8; 16]) -> I {
        note(x.as_ptr() as u64);
        Portable::load_bytes(x)
    }
    fn shl_u32<const B: u32>(a: I) -> I {
        note(400 + u64::from(B));
        Portable::shl_u32::<B>(a)
    }
    fn shr_u32<const B: u32>(a: I) -> I {
        note(500 + u64::from(B));
        Portable::shr_u32::<B>(a)
    }
}

fn traced(work: impl FnOnce()) -> (u64, u64) {
    TRACE.set((0, 0));
    work();
    TRACE.get()
}

/// Sixteen secrets for each of twelve runs.
fn secrets() -> Vec<[U256; 16]> {
    let n_less = |x| N::VALUE.sub(U256([x, 0, 0, 0])).0;
    let mut state = 1u64;
    let mut word = || {
        state = state
            .wrapping_mul(0x5851_f42d_4c95_7f2d)
            .wrapping_add(0x1405_7b7e_f767_814f);
        state ^ (state >> 31)
    };
    let mut runs = vec![
        [U256::ONE; 16],
        [U256([2, 0, 0, 0]); 16],
        [n_less(1); 16],
        [n_less(2); 16],
        [U256([0, 0, 0, 1 << 63]); 16],
        [U256([u64::MAX, u64::MAX, u64::MAX, u64::MAX >> 1]); 16],
    ];
    for _ in 0..6 {
        runs.push(core::array::from_fn(|_| {
            U256([word(), word(), word(), word()]).reduce_once::<N>()
        }));
    }
    runs
}

fn multiples<R: Repr>(window: Window) {
    let mut curve = Curve::<R>::new(window);
    curve.multiply_base(&[U256::ONE; 16]).unwrap();
    let traces: Vec<_> = secrets()
        .iter()
        .map(|secrets| {
            traced(|| {
                curve.multiply_base(secrets).unwrap();
            })
        })
        .collect();
    assert!(traces[0].0 > 100_000);
    assert!(traces.iter().all(|trace| *trace == traces[0]), "{traces:?}");
}

fn signatures<R: Repr>() {
    let mut curve = Curve::<R>::new(Window::Four);
    let traces: Vec<_> = secrets()
        .iter()
        .map(|secrets| {
            let secret = secrets[3].to_be_bytes();
            let digest = [[7; 32], [8; 32], [9; 32]];
            let sign = || {
                let signer = Signer::<R>::new(&secret);
                signer
                    .sign(&mut curve, &digest, &[&[1; 16][..]; 3], 0)
                    .unwrap();
            };
            traced(sign)
        })
        .collect();
    assert!(
        traces.iter().all(|trace| trace.0 == traces[0].0),
        "{traces:?}"
    );
}

#[test]
fn multiples_do_the_same_for_all_secrets() {
    multiples::<Fma52<Noting>>(Window::Four);
    multiples::<Fma52<Noting>>(Window::Eight);
    multiples::<Exact24<Noting>>(Window::Eight);
}

/// The cost of a batch in lane operations, which no machine's noise hides: 31 additions of 4
/// multiplications by 5 * 25 and 1 squaring by 5 * 15 of them and their reductions, a look-up in
/// every window, the border; splats and
/// bit casts, which cost nothing, are counted too. 44935 when written.
#[test]
fn operations_of_a_batch() {
    let mut curve = Curve::<Fma52<Noting>>::new(Window::Eight);
    let scalars = [U256([3, 5, 7, 11]); 128];
    let (operations, _) = traced(|| {
        curve.multiply_base(&scalars).unwrap();
    });
    let each = operations / 128;
    assert!(each <= 45_500, "{each} lane operations a multiple");
}

/// Counts only: the addresses of a signature's temporary memory differ from call to call.
#[test]
fn signatures_do_the_same_for_all_secrets() {
    signatures::<Fma52<Noting>>();
    signatures::<Exact24<Noting>>();
}

/// The judge judged: a direct read of the table is seen.
#[test]
fn a_secret_address_is_seen() {
    let table = [[0; 16]; 4];
    let read = |secret: usize| {
        traced(|| {
            let _ = Noting::load_bytes(&table[secret]);
        })
    };
    assert_eq!(read(1), read(1));
    assert_ne!(read(1), read(2));
}
