//! WebAssembly's 128-bit vectors: relaxed SIMD for the fused multiply-add, fixed SIMD for the rest.

use core::arch::wasm32::{
    f64x2, f64x2_add, f64x2_extract_lane, f64x2_mul, f64x2_relaxed_madd, f64x2_relaxed_nmadd,
    f64x2_splat, f64x2_sub, i8x16_relaxed_swizzle, i8x16_shuffle, i16x8_shuffle, i32x4_add,
    i32x4_shl, i32x4_shuffle, i64x2, i64x2_add, i64x2_extmul_high_u32x4, i64x2_extmul_low_u32x4,
    i64x2_extract_lane, i64x2_shl, i64x2_shr, i64x2_shuffle, i64x2_splat, i64x2_sub, u8x16_add_sat,
    u8x16_splat, u32x4_shr, u32x4_splat, u64x2_shr, v128, v128_and, v128_load, v128_or, v128_store,
    v128_xor,
};

use crate::lanes::{Lanes, Packed};

/// One `v128` per two instances.
#[derive(Clone, Copy, Debug)]
pub struct Wasm;

impl Lanes for Wasm {
    type F = v128;
    type I = v128;

    #[inline(always)]
    fn splat_f(x: f64) -> v128 {
        f64x2_splat(x)
    }
    #[inline(always)]
    fn load_f(x: [f64; 2]) -> v128 {
        f64x2(x[0], x[1])
    }
    #[inline(always)]
    fn store_f(x: v128) -> [f64; 2] {
        [f64x2_extract_lane::<0>(x), f64x2_extract_lane::<1>(x)]
    }
    #[inline(always)]
    fn splat_i(x: i64) -> v128 {
        i64x2_splat(x)
    }
    #[inline(always)]
    fn load_i(x: [i64; 2]) -> v128 {
        i64x2(x[0], x[1])
    }
    #[inline(always)]
    fn store_i(x: v128) -> [i64; 2] {
        [i64x2_extract_lane::<0>(x), i64x2_extract_lane::<1>(x)]
    }
    #[inline(always)]
    fn madd(a: v128, b: v128, c: v128) -> v128 {
        f64x2_relaxed_madd(a, b, c)
    }
    #[inline(always)]
    fn nmadd(a: v128, b: v128, c: v128) -> v128 {
        f64x2_relaxed_nmadd(a, b, c)
    }
    #[inline(always)]
    fn add_f(a: v128, b: v128) -> v128 {
        f64x2_add(a, b)
    }
    #[inline(always)]
    fn sub_f(a: v128, b: v128) -> v128 {
        f64x2_sub(a, b)
    }
    #[inline(always)]
    fn mul_f(a: v128, b: v128) -> v128 {
        f64x2_mul(a, b)
    }
    #[inline(always)]
    fn to_bits(a: v128) -> v128 {
        a
    }
    #[inline(always)]
    fn from_bits(a: v128) -> v128 {
        a
    }
    #[inline(always)]
    fn add_i(a: v128, b: v128) -> v128 {
        i64x2_add(a, b)
    }
    #[inline(always)]
    fn sub_i(a: v128, b: v128) -> v128 {
        i64x2_sub(a, b)
    }
    #[inline(always)]
    fn and(a: v128, b: v128) -> v128 {
        v128_and(a, b)
    }
    #[inline(always)]
    fn or(a: v128, b: v128) -> v128 {
        v128_or(a, b)
    }
    #[inline(always)]
    fn xor(a: v128, b: v128) -> v128 {
        v128_xor(a, b)
    }
    #[inline(always)]
    fn shl<const N: u32>(a: v128) -> v128 {
        i64x2_shl(a, N)
    }
    #[inline(always)]
    fn shr_u<const N: u32>(a: v128) -> v128 {
        u64x2_shr(a, N)
    }
    #[inline(always)]
    fn shr_s<const N: u32>(a: v128) -> v128 {
        i64x2_shr(a, N)
    }
    #[inline(always)]
    fn mul_u32(a: v128, b: v128) -> v128 {
        let a = i32x4_shuffle::<0, 2, 4, 6>(a, a);
        let b = i32x4_shuffle::<0, 2, 4, 6>(b, b);
        i64x2_extmul_low_u32x4(a, b)
    }
    #[inline(always)]
    fn mul_words_low(a: v128, b: v128) -> v128 {
        i64x2_extmul_low_u32x4(a, b)
    }
    #[inline(always)]
    fn mul_words_high(a: v128, b: v128) -> v128 {
        i64x2_extmul_high_u32x4(a, b)
    }
    #[inline(always)]
    fn pack_words(low: v128, high: v128) -> v128 {
        i32x4_shuffle::<0, 2, 4, 6>(low, high)
    }
}

impl Packed for Wasm {
    #[inline(always)]
    fn load_bytes(x: &[u8; 16]) -> v128 {
        // SAFETY: the reference is valid for sixteen bytes, and v128.load needs no alignment.
        unsafe { v128_load(x.as_ptr().cast()) }
    }
    #[inline(always)]
    fn store_bytes(x: v128) -> [u8; 16] {
        let mut out = [0; 16];
        // SAFETY: `out` is sixteen bytes long, and v128.store needs no alignment.
        unsafe { v128_store(out.as_mut_ptr().cast(), x) };
        out
    }
    #[inline(always)]
    fn splat_u8(x: u8) -> v128 {
        u8x16_splat(x)
    }
    #[inline(always)]
    fn splat_u32(x: u32) -> v128 {
        u32x4_splat(x)
    }
    #[inline(always)]
    fn look_up(table: v128, index: v128) -> v128 {
        i8x16_relaxed_swizzle(table, index)
    }
    #[inline(always)]
    fn add_sat_u8(a: v128, b: v128) -> v128 {
        u8x16_add_sat(a, b)
    }
    #[inline(always)]
    fn zip_low_u8(a: v128, b: v128) -> v128 {
        i8x16_shuffle::<0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23>(a, b)
    }
    #[inline(always)]
    fn zip_high_u8(a: v128, b: v128) -> v128 {
        i8x16_shuffle::<8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31>(a, b)
    }
    #[inline(always)]
    fn zip_low_u16(a: v128, b: v128) -> v128 {
        i16x8_shuffle::<0, 8, 1, 9, 2, 10, 3, 11>(a, b)
    }
    #[inline(always)]
    fn zip_high_u16(a: v128, b: v128) -> v128 {
        i16x8_shuffle::<4, 12, 5, 13, 6, 14, 7, 15>(a, b)
    }
    #[inline(always)]
    fn zip_low_u32(a: v128, b: v128) -> v128 {
        i32x4_shuffle::<0, 4, 1, 5>(a, b)
    }
    #[inline(always)]
    fn zip_high_u32(a: v128, b: v128) -> v128 {
        i32x4_shuffle::<2, 6, 3, 7>(a, b)
    }
    #[inline(always)]
    fn zip_low_u64(a: v128, b: v128) -> v128 {
        i64x2_shuffle::<0, 2>(a, b)
    }
    #[inline(always)]
    fn zip_high_u64(a: v128, b: v128) -> v128 {
        i64x2_shuffle::<1, 3>(a, b)
    }
    #[inline(always)]
    fn add_u32(a: v128, b: v128) -> v128 {
        i32x4_add(a, b)
    }
    #[inline(always)]
    fn shl_u32<const N: u32>(a: v128) -> v128 {
        i32x4_shl(a, N)
    }
    #[inline(always)]
    fn shr_u32<const N: u32>(a: v128) -> v128 {
        u32x4_shr(a, N)
    }
    #[inline(always)]
    fn madd_exact(a: v128, b: v128, c: v128) -> v128 {
        f64x2_relaxed_madd(a, b, c)
    }
}
