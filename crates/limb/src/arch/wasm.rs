//! WebAssembly's 128-bit vectors: relaxed SIMD for the fused multiply-add, fixed SIMD for the rest.

use core::arch::wasm32::{
    f64x2, f64x2_add, f64x2_extract_lane, f64x2_mul, f64x2_relaxed_madd, f64x2_relaxed_nmadd,
    f64x2_splat, f64x2_sub, i32x4_shuffle, i64x2, i64x2_add, i64x2_extmul_high_u32x4,
    i64x2_extmul_low_u32x4, i64x2_extract_lane, i64x2_shl, i64x2_shr, i64x2_splat, i64x2_sub,
    u64x2_shr, v128, v128_and, v128_or, v128_xor,
};

use crate::lanes::Lanes;

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
