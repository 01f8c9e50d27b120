//! Plain Rust: the judge of the other lanes, and what native tests run on.

use crate::lanes::Lanes;

/// Two lanes as arrays. `mul_add` is exact on every target, in software where there is no FMA.
#[derive(Clone, Copy, Debug)]
pub struct Portable;

fn map_f(a: [f64; 2], b: [f64; 2], f: impl Fn(f64, f64) -> f64) -> [f64; 2] {
    [f(a[0], b[0]), f(a[1], b[1])]
}

fn map_i(a: [i64; 2], b: [i64; 2], f: impl Fn(i64, i64) -> i64) -> [i64; 2] {
    [f(a[0], b[0]), f(a[1], b[1])]
}

fn mul_words(a: i64, b: i64) -> [i64; 2] {
    let (a, b) = (a.cast_unsigned(), b.cast_unsigned());
    let low = (a & 0xffff_ffff) * (b & 0xffff_ffff);
    let high = (a >> 32) * (b >> 32);
    [low.cast_signed(), high.cast_signed()]
}

impl Lanes for Portable {
    type F = [f64; 2];
    type I = [i64; 2];

    fn splat_f(x: f64) -> [f64; 2] {
        [x; 2]
    }
    fn load_f(x: [f64; 2]) -> [f64; 2] {
        x
    }
    fn store_f(x: [f64; 2]) -> [f64; 2] {
        x
    }
    fn splat_i(x: i64) -> [i64; 2] {
        [x; 2]
    }
    fn load_i(x: [i64; 2]) -> [i64; 2] {
        x
    }
    fn store_i(x: [i64; 2]) -> [i64; 2] {
        x
    }
    fn madd(a: [f64; 2], b: [f64; 2], c: [f64; 2]) -> [f64; 2] {
        [a[0].mul_add(b[0], c[0]), a[1].mul_add(b[1], c[1])]
    }
    fn nmadd(a: [f64; 2], b: [f64; 2], c: [f64; 2]) -> [f64; 2] {
        [(-a[0]).mul_add(b[0], c[0]), (-a[1]).mul_add(b[1], c[1])]
    }
    fn add_f(a: [f64; 2], b: [f64; 2]) -> [f64; 2] {
        map_f(a, b, |x, y| x + y)
    }
    fn sub_f(a: [f64; 2], b: [f64; 2]) -> [f64; 2] {
        map_f(a, b, |x, y| x - y)
    }
    fn mul_f(a: [f64; 2], b: [f64; 2]) -> [f64; 2] {
        map_f(a, b, |x, y| x * y)
    }
    fn to_bits(a: [f64; 2]) -> [i64; 2] {
        a.map(|x| x.to_bits().cast_signed())
    }
    fn from_bits(a: [i64; 2]) -> [f64; 2] {
        a.map(|x| f64::from_bits(x.cast_unsigned()))
    }
    fn add_i(a: [i64; 2], b: [i64; 2]) -> [i64; 2] {
        map_i(a, b, i64::wrapping_add)
    }
    fn sub_i(a: [i64; 2], b: [i64; 2]) -> [i64; 2] {
        map_i(a, b, i64::wrapping_sub)
    }
    fn and(a: [i64; 2], b: [i64; 2]) -> [i64; 2] {
        map_i(a, b, |x, y| x & y)
    }
    fn or(a: [i64; 2], b: [i64; 2]) -> [i64; 2] {
        map_i(a, b, |x, y| x | y)
    }
    fn xor(a: [i64; 2], b: [i64; 2]) -> [i64; 2] {
        map_i(a, b, |x, y| x ^ y)
    }
    fn shl<const N: u32>(a: [i64; 2]) -> [i64; 2] {
        a.map(|x| x << N)
    }
    fn shr_u<const N: u32>(a: [i64; 2]) -> [i64; 2] {
        a.map(|x| (x.cast_unsigned() >> N).cast_signed())
    }
    fn shr_s<const N: u32>(a: [i64; 2]) -> [i64; 2] {
        a.map(|x| x >> N)
    }
    fn mul_u32(a: [i64; 2], b: [i64; 2]) -> [i64; 2] {
        map_i(a, b, |x, y| {
            let low = |v: i64| v.cast_unsigned() & 0xffff_ffff;
            (low(x) * low(y)).cast_signed()
        })
    }
    fn mul_words_low(a: [i64; 2], b: [i64; 2]) -> [i64; 2] {
        mul_words(a[0], b[0])
    }
    fn mul_words_high(a: [i64; 2], b: [i64; 2]) -> [i64; 2] {
        mul_words(a[1], b[1])
    }
    fn pack_words(low: [i64; 2], high: [i64; 2]) -> [i64; 2] {
        [low, high].map(|x| x[0] & 0xffff_ffff | x[1] << 32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mul_add_is_fused() {
        assert!(Portable::fused());
    }
}
