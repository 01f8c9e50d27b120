//! Plain Rust: the judge of the other lanes, and what native tests run on. For these it is marked for inlining, since a call
//! into this crate for each operation takes four times as long; a WebAssembly build inlines by itself.

use crate::lanes::{Lanes, Packed};

/// Two lanes as arrays. `mul_add` is exact on every target, in software where there is no FMA.
#[derive(Clone, Copy, Debug)]
pub struct Portable;

#[cfg_attr(not(target_arch = "wasm32"), inline)]
fn map_f(a: [f64; 2], b: [f64; 2], f: impl Fn(f64, f64) -> f64) -> [f64; 2] {
    [f(a[0], b[0]), f(a[1], b[1])]
}

#[cfg_attr(not(target_arch = "wasm32"), inline)]
fn map_i(a: [i64; 2], b: [i64; 2], f: impl Fn(i64, i64) -> i64) -> [i64; 2] {
    [f(a[0], b[0]), f(a[1], b[1])]
}

#[cfg_attr(not(target_arch = "wasm32"), inline)]
fn mul_words(a: i64, b: i64) -> [i64; 2] {
    let (a, b) = (a.cast_unsigned(), b.cast_unsigned());
    let low = (a & 0xffff_ffff) * (b & 0xffff_ffff);
    let high = (a >> 32) * (b >> 32);
    [low.cast_signed(), high.cast_signed()]
}

impl Lanes for Portable {
    type F = [f64; 2];
    type I = [i64; 2];

    #[cfg_attr(not(target_arch = "wasm32"), inline)]
    fn splat_f(x: f64) -> [f64; 2] {
        [x; 2]
    }
    #[cfg_attr(not(target_arch = "wasm32"), inline)]
    fn load_f(x: [f64; 2]) -> [f64; 2] {
        x
    }
    #[cfg_attr(not(target_arch = "wasm32"), inline)]
    fn store_f(x: [f64; 2]) -> [f64; 2] {
        x
    }
    #[cfg_attr(not(target_arch = "wasm32"), inline)]
    fn splat_i(x: i64) -> [i64; 2] {
        [x; 2]
    }
    #[cfg_attr(not(target_arch = "wasm32"), inline)]
    fn load_i(x: [i64; 2]) -> [i64; 2] {
        x
    }
    #[cfg_attr(not(target_arch = "wasm32"), inline)]
    fn store_i(x: [i64; 2]) -> [i64; 2] {
        x
    }
    #[cfg_attr(not(target_arch = "wasm32"), inline)]
    fn madd(a: [f64; 2], b: [f64; 2], c: [f64; 2]) -> [f64; 2] {
        [a[0].mul_add(b[0], c[0]), a[1].mul_add(b[1], c[1])]
    }
    #[cfg_attr(not(target_arch = "wasm32"), inline)]
    fn nmadd(a: [f64; 2], b: [f64; 2], c: [f64; 2]) -> [f64; 2] {
        [(-a[0]).mul_add(b[0], c[0]), (-a[1]).mul_add(b[1], c[1])]
    }
    #[cfg_attr(not(target_arch = "wasm32"), inline)]
    fn add_f(a: [f64; 2], b: [f64; 2]) -> [f64; 2] {
        map_f(a, b, |x, y| x + y)
    }
    #[cfg_attr(not(target_arch = "wasm32"), inline)]
    fn sub_f(a: [f64; 2], b: [f64; 2]) -> [f64; 2] {
        map_f(a, b, |x, y| x - y)
    }
    #[cfg_attr(not(target_arch = "wasm32"), inline)]
    fn mul_f(a: [f64; 2], b: [f64; 2]) -> [f64; 2] {
        map_f(a, b, |x, y| x * y)
    }
    #[cfg_attr(not(target_arch = "wasm32"), inline)]
    fn to_bits(a: [f64; 2]) -> [i64; 2] {
        a.map(|x| x.to_bits().cast_signed())
    }
    #[cfg_attr(not(target_arch = "wasm32"), inline)]
    fn from_bits(a: [i64; 2]) -> [f64; 2] {
        a.map(|x| f64::from_bits(x.cast_unsigned()))
    }
    #[cfg_attr(not(target_arch = "wasm32"), inline)]
    fn add_i(a: [i64; 2], b: [i64; 2]) -> [i64; 2] {
        map_i(a, b, i64::wrapping_add)
    }
    #[cfg_attr(not(target_arch = "wasm32"), inline)]
    fn sub_i(a: [i64; 2], b: [i64; 2]) -> [i64; 2] {
        map_i(a, b, i64::wrapping_sub)
    }
    #[cfg_attr(not(target_arch = "wasm32"), inline)]
    fn and(a: [i64; 2], b: [i64; 2]) -> [i64; 2] {
        map_i(a, b, |x, y| x & y)
    }
    #[cfg_attr(not(target_arch = "wasm32"), inline)]
    fn or(a: [i64; 2], b: [i64; 2]) -> [i64; 2] {
        map_i(a, b, |x, y| x | y)
    }
    #[cfg_attr(not(target_arch = "wasm32"), inline)]
    fn xor(a: [i64; 2], b: [i64; 2]) -> [i64; 2] {
        map_i(a, b, |x, y| x ^ y)
    }
    #[cfg_attr(not(target_arch = "wasm32"), inline)]
    fn shl<const N: u32>(a: [i64; 2]) -> [i64; 2] {
        a.map(|x| x << N)
    }
    #[cfg_attr(not(target_arch = "wasm32"), inline)]
    fn shr_u<const N: u32>(a: [i64; 2]) -> [i64; 2] {
        a.map(|x| (x.cast_unsigned() >> N).cast_signed())
    }
    #[cfg_attr(not(target_arch = "wasm32"), inline)]
    fn shr_s<const N: u32>(a: [i64; 2]) -> [i64; 2] {
        a.map(|x| x >> N)
    }
    #[cfg_attr(not(target_arch = "wasm32"), inline)]
    fn mul_u32(a: [i64; 2], b: [i64; 2]) -> [i64; 2] {
        map_i(a, b, |x, y| {
            let low = |v: i64| v.cast_unsigned() & 0xffff_ffff;
            (low(x) * low(y)).cast_signed()
        })
    }
    #[cfg_attr(not(target_arch = "wasm32"), inline)]
    fn mul_words_low(a: [i64; 2], b: [i64; 2]) -> [i64; 2] {
        mul_words(a[0], b[0])
    }
    #[cfg_attr(not(target_arch = "wasm32"), inline)]
    fn mul_words_high(a: [i64; 2], b: [i64; 2]) -> [i64; 2] {
        mul_words(a[1], b[1])
    }
    #[cfg_attr(not(target_arch = "wasm32"), inline)]
    fn pack_words(low: [i64; 2], high: [i64; 2]) -> [i64; 2] {
        [low, high].map(|x| x[0] & 0xffff_ffff | x[1] << 32)
    }
}

#[cfg_attr(not(target_arch = "wasm32"), inline)]
fn bytes(x: [i64; 2]) -> [u8; 16] {
    (u128::from(x[0].cast_unsigned()) | (u128::from(x[1].cast_unsigned()) << 64)).to_le_bytes()
}

#[cfg_attr(not(target_arch = "wasm32"), inline)]
fn from_bytes(x: [u8; 16]) -> [i64; 2] {
    let halves = u128::from_le_bytes(x);
    #[expect(clippy::cast_possible_truncation)]
    [halves as u64, (halves >> 64) as u64].map(u64::cast_signed)
}

/// Units of `N` bytes, alternately of `a` and `b`, from byte `start` on.
#[cfg_attr(not(target_arch = "wasm32"), inline)]
fn zip<const N: usize>(a: [i64; 2], b: [i64; 2], start: usize) -> [i64; 2] {
    let (a, b) = (bytes(a), bytes(b));
    let mut out = [0; 16];
    for (unit, pair) in out.chunks_exact_mut(2 * N).enumerate() {
        let at = start + unit * N;
        pair[..N].copy_from_slice(&a[at..at + N]);
        pair[N..].copy_from_slice(&b[at..at + N]);
    }
    from_bytes(out)
}

#[cfg_attr(not(target_arch = "wasm32"), inline)]
fn map_u32(a: [i64; 2], f: impl Fn(u32) -> u32) -> [i64; 2] {
    #[expect(clippy::cast_possible_truncation)]
    a.map(|x| {
        let x = x.cast_unsigned();
        (u64::from(f(x as u32)) | (u64::from(f((x >> 32) as u32)) << 32)).cast_signed()
    })
}

impl Packed for Portable {
    #[cfg_attr(not(target_arch = "wasm32"), inline)]
    fn load_bytes(x: &[u8; 16]) -> [i64; 2] {
        from_bytes(*x)
    }
    #[cfg_attr(not(target_arch = "wasm32"), inline)]
    fn store_bytes(x: [i64; 2]) -> [u8; 16] {
        bytes(x)
    }
    #[cfg_attr(not(target_arch = "wasm32"), inline)]
    fn splat_u8(x: u8) -> [i64; 2] {
        from_bytes([x; 16])
    }
    #[cfg_attr(not(target_arch = "wasm32"), inline)]
    fn splat_u32(x: u32) -> [i64; 2] {
        [(u64::from(x) | (u64::from(x) << 32)).cast_signed(); 2]
    }
    #[cfg_attr(not(target_arch = "wasm32"), inline)]
    fn look_up(table: [i64; 2], index: [i64; 2]) -> [i64; 2] {
        let (table, index) = (bytes(table), bytes(index));
        debug_assert!(index.iter().all(|&i| !(16..128).contains(&i)));
        // Every entry is read for every index, so that no address depends on an index.
        let mut out = [0; 16];
        for (entry, value) in (0u8..).zip(table) {
            for (o, i) in out.iter_mut().zip(index) {
                let differs = i ^ entry;
                // 255 where i == entry, else 0: differs - 1 borrows only from zero.
                let mask = (u16::from(differs).wrapping_sub(1) >> 8).to_le_bytes()[0];
                *o |= value & mask;
            }
        }
        from_bytes(out)
    }
    #[cfg_attr(not(target_arch = "wasm32"), inline)]
    fn add_sat_u8(a: [i64; 2], b: [i64; 2]) -> [i64; 2] {
        let (a, b) = (bytes(a), bytes(b));
        from_bytes(core::array::from_fn(|i| a[i].saturating_add(b[i])))
    }
    #[cfg_attr(not(target_arch = "wasm32"), inline)]
    fn zip_low_u8(a: [i64; 2], b: [i64; 2]) -> [i64; 2] {
        zip::<1>(a, b, 0)
    }
    #[cfg_attr(not(target_arch = "wasm32"), inline)]
    fn zip_high_u8(a: [i64; 2], b: [i64; 2]) -> [i64; 2] {
        zip::<1>(a, b, 8)
    }
    #[cfg_attr(not(target_arch = "wasm32"), inline)]
    fn zip_low_u16(a: [i64; 2], b: [i64; 2]) -> [i64; 2] {
        zip::<2>(a, b, 0)
    }
    #[cfg_attr(not(target_arch = "wasm32"), inline)]
    fn zip_high_u16(a: [i64; 2], b: [i64; 2]) -> [i64; 2] {
        zip::<2>(a, b, 8)
    }
    #[cfg_attr(not(target_arch = "wasm32"), inline)]
    fn zip_low_u32(a: [i64; 2], b: [i64; 2]) -> [i64; 2] {
        zip::<4>(a, b, 0)
    }
    #[cfg_attr(not(target_arch = "wasm32"), inline)]
    fn zip_high_u32(a: [i64; 2], b: [i64; 2]) -> [i64; 2] {
        zip::<4>(a, b, 8)
    }
    #[cfg_attr(not(target_arch = "wasm32"), inline)]
    fn zip_low_u64(a: [i64; 2], b: [i64; 2]) -> [i64; 2] {
        [a[0], b[0]]
    }
    #[cfg_attr(not(target_arch = "wasm32"), inline)]
    fn zip_high_u64(a: [i64; 2], b: [i64; 2]) -> [i64; 2] {
        [a[1], b[1]]
    }
    #[cfg_attr(not(target_arch = "wasm32"), inline)]
    fn add_u32(a: [i64; 2], b: [i64; 2]) -> [i64; 2] {
        // The low words' carry is cut off, the high words' carry leaves by itself.
        map_i(a, b, |x, y| {
            let low = x.wrapping_add(y) & 0xffff_ffff;
            let high = (x & !0xffff_ffff).wrapping_add(y & !0xffff_ffff);
            high | low
        })
    }
    #[cfg_attr(not(target_arch = "wasm32"), inline)]
    fn shl_u32<const N: u32>(a: [i64; 2]) -> [i64; 2] {
        map_u32(a, |x| x << N)
    }
    #[cfg_attr(not(target_arch = "wasm32"), inline)]
    fn shr_u32<const N: u32>(a: [i64; 2]) -> [i64; 2] {
        map_u32(a, |x| x >> N)
    }
    #[cfg_attr(not(target_arch = "wasm32"), inline)]
    fn madd_exact(a: [f64; 2], b: [f64; 2], c: [f64; 2]) -> [f64; 2] {
        [a[0] * b[0] + c[0], a[1] * b[1] + c[1]]
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
