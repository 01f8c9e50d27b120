//! Lanes that note what is done: whether secrets change it, and what it costs.
//!
//! What equal notes show: the operations, their order, and the addresses of the bytes that [`Packed::load_bytes`] reads
//! are the same. What they cannot show: what the compiler and an engine below make of the operations, the scalar code
//! around them, and whether the processor's instructions take equal time for all operands.

use std::cell::Cell;

use crate::arch::portable::Portable;
use crate::lanes::{Lanes, Packed};

thread_local! {
    static NOTES: Cell<Notes> = const { Cell::new(Notes::NONE) };
}

/// What was done on [`Noting`] lanes. Equal notes mean equal operations in equal order, but for a collision of 64 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Notes {
    /// Operations; splats and casts, which cost nothing, are counted too.
    pub operations: u64,
    /// Multiplications among them, of doubles or of integers, fused ones included.
    pub multiplications: u64,
    /// A hash of their sequence and of the addresses read.
    pub sequence: u64,
}

impl Notes {
    const NONE: Self = Self {
        operations: 0,
        multiplications: 0,
        sequence: 0,
    };
}

/// Runs `work` and answers what it did on this thread's [`Noting`] lanes.
pub fn noted(work: impl FnOnce()) -> Notes {
    NOTES.set(Notes::NONE);
    work();
    NOTES.get()
}

/// [`Portable`], each operation noted.
#[derive(Clone, Copy, Debug)]
pub struct Noting;

fn note(what: u64, multiplies: bool) {
    NOTES.with(|notes| {
        let Notes {
            operations,
            multiplications,
            sequence,
        } = notes.get();
        notes.set(Notes {
            operations: operations + 1,
            multiplications: multiplications + u64::from(multiplies),
            // FNV's prime; the rotation brings high bits back down.
            sequence: (sequence ^ what)
                .wrapping_mul(0x0000_0100_0000_01b3)
                .rotate_left(17),
        });
    });
}

macro_rules! noting {
    ($multiplies:literal: $($code:literal $name:ident($($arg:ident: $kind:ty),*) -> $out:ty;)*) => {
        $(fn $name($($arg: $kind),*) -> $out {
            note($code, $multiplies);
            Portable::$name($($arg),*)
        })*
    };
}

macro_rules! noting_shifts {
    ($($code:literal $name:ident;)*) => {
        $(fn $name<const N: u32>(a: I) -> I {
            note($code + u64::from(N), false);
            Portable::$name::<N>(a)
        })*
    };
}

type F = [f64; 2];
type I = [i64; 2];

impl Lanes for Noting {
    type F = F;
    type I = I;

    noting! { false:
        1 splat_f(x: f64) -> F;
        2 load_f(x: F) -> F;
        3 store_f(x: F) -> F;
        4 splat_i(x: i64) -> I;
        5 load_i(x: I) -> I;
        6 store_i(x: I) -> I;
        9 add_f(a: F, b: F) -> F;
        10 sub_f(a: F, b: F) -> F;
        12 to_bits(a: F) -> I;
        13 from_bits(a: I) -> F;
        14 add_i(a: I, b: I) -> I;
        15 sub_i(a: I, b: I) -> I;
        16 and(a: I, b: I) -> I;
        17 or(a: I, b: I) -> I;
        18 xor(a: I, b: I) -> I;
        22 pack_words(low: I, high: I) -> I;
    }
    noting! { true:
        7 madd(a: F, b: F, c: F) -> F;
        8 nmadd(a: F, b: F, c: F) -> F;
        11 mul_f(a: F, b: F) -> F;
        19 mul_u32(a: I, b: I) -> I;
        20 mul_words_low(a: I, b: I) -> I;
        21 mul_words_high(a: I, b: I) -> I;
    }
    noting_shifts! { 100 shl; 200 shr_u; 300 shr_s; }
}

impl Packed for Noting {
    noting! { false:
        30 store_bytes(x: I) -> [u8; 16];
        31 splat_u8(x: u8) -> I;
        32 splat_u32(x: u32) -> I;
        33 look_up(table: I, index: I) -> I;
        34 add_sat_u8(a: I, b: I) -> I;
        35 zip_low_u8(a: I, b: I) -> I;
        36 zip_high_u8(a: I, b: I) -> I;
        37 zip_low_u16(a: I, b: I) -> I;
        38 zip_high_u16(a: I, b: I) -> I;
        39 zip_low_u32(a: I, b: I) -> I;
        40 zip_high_u32(a: I, b: I) -> I;
        41 zip_low_u64(a: I, b: I) -> I;
        42 zip_high_u64(a: I, b: I) -> I;
        43 add_u32(a: I, b: I) -> I;
    }
    noting! { true:
        44 madd_exact(a: F, b: F, c: F) -> F;
    }
    noting_shifts! { 400 shl_u32; 500 shr_u32; }

    fn load_bytes(x: &[u8; 16]) -> I {
        note(x.as_ptr() as u64, false);
        Portable::load_bytes(x)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The judge judged: an operation more, another order, another shift or another address is seen.
    #[test]
    fn differences_are_seen() {
        let (a, b) = ([3, 5], [7, 11]);
        let base = noted(|| {
            _ = Noting::add_i(Noting::mul_u32(a, b), a);
        });
        assert_eq!((base.operations, base.multiplications), (2, 1));
        let same = noted(|| {
            _ = Noting::add_i(Noting::mul_u32(b, b), b);
        });
        assert_eq!(base, same);
        let order = noted(|| {
            _ = Noting::mul_u32(Noting::add_i(a, b), a);
        });
        assert_ne!(base.sequence, order.sequence);
        let shifts = [
            noted(|| _ = Noting::shl::<3>(a)),
            noted(|| _ = Noting::shl::<4>(a)),
            noted(|| _ = Noting::shr_u::<3>(a)),
        ];
        assert!(shifts[0] != shifts[1] && shifts[0] != shifts[2]);
        let table = [[0; 16]; 4];
        let read = |secret: usize| noted(|| _ = Noting::load_bytes(&table[secret]));
        assert_eq!(read(1), read(1));
        assert_ne!(read(1), read(2));
    }
}
