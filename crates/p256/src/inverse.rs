//! Inverses of 256-bit integers by division steps, in the same number of operations for every
//! value. Source: Bernstein and Yang, "Fast constant-time gcd computation and modular inversion"
//! (2019), with the half-step variant: 590 steps suffice for 256 bits.

use crate::modulus::Modulus;
use crate::u256::U256;

const RADIX: u32 = 30;
const MASK: i32 = (1 << RADIX) - 1;
const LIMBS: usize = 9;
/// Rounds of 30 steps: 600 steps.
const ROUNDS: usize = 20;

/// Shape: 9 limbs, radix 2^30, least significant first. Bounds: limbs 0 to 7 in [0, 2^30), limb 8
/// signed.
type Limbs = [i32; LIMBS];

/// 2^30 times the matrix that [`ROUNDS`]'s 30 steps apply to (f, g).
/// Bounds: |u| + |v| <= 2^30, |q| + |r| <= 2^30.
struct Matrix {
    u: i32,
    v: i32,
    q: i32,
    r: i32,
}

/// `x^-1` modulo M, in 0..M; 0 for 0. Pre: `x < M`. Fermat's power takes 6.6 us a pair in
/// vectors at the price of 255 dependent squarings; this takes 1.5 us.
pub(crate) fn invert<M: Modulus>(x: U256) -> U256 {
    let modulus = const { split(M::VALUE) };
    // M^-1 modulo 2^30.
    let inverse = (M::NEG_INVERSE.wrapping_neg() & 0x3fff_ffff) as i32;
    let mut f = modulus;
    let mut g = split(x);
    let mut d = [0; LIMBS];
    let mut e = [0; LIMBS];
    e[0] = 1;
    let mut zeta = -1;
    for _ in 0..ROUNDS {
        let matrix;
        (zeta, matrix) = steps(zeta, f[0], g[0]);
        update_coefficients(&mut d, &mut e, &matrix, &modulus, inverse);
        update_values(&mut f, &mut g, &matrix);
    }
    // g is 0 and f is 1 or -1 (or M for x = 0): d * x = f.
    let sign = f[8] >> 31;
    join(normalize(d, sign, &modulus))
}

const fn split(x: U256) -> Limbs {
    let mut out = [0; LIMBS];
    let mut i = 0;
    while i < LIMBS {
        let bit = RADIX as usize * i;
        let (word, shift) = (bit / 64, bit % 64);
        let mut limb = x.0[word] >> shift;
        if shift > 64 - RADIX as usize && word < 3 {
            limb |= x.0[word + 1] << (64 - shift);
        }
        out[i] = (limb & MASK as u64) as i32;
        i += 1;
    }
    out
}

fn join(x: Limbs) -> U256 {
    let mut out = [0; 4];
    for (i, limb) in x.into_iter().enumerate() {
        let bit = RADIX as usize * i;
        let (word, shift) = (bit / 64, bit % 64);
        let limb = u64::from(limb.cast_unsigned());
        out[word] |= limb << shift;
        if shift > 64 - RADIX as usize && word < 3 {
            out[word + 1] |= limb >> (64 - shift);
        }
    }
    U256(out)
}

/// 30 steps on the low bits alone.
#[inline(never)]
fn steps(mut zeta: i32, mut f: i32, mut g: i32) -> (i32, Matrix) {
    let (mut u, mut v, mut q, mut r) = (1i32, 0i32, 0i32, 1i32);
    for _ in 0..RADIX {
        // Both masks are 0 or -1: zeta < 0, and g odd.
        let swap = zeta >> 31;
        let odd = (g & 1).wrapping_neg();
        let negated = |x: i32| (x ^ swap).wrapping_sub(swap);
        g = g.wrapping_add(negated(f) & odd);
        q = q.wrapping_add(negated(u) & odd);
        r = r.wrapping_add(negated(v) & odd);
        let swap = swap & odd;
        zeta = (zeta ^ swap).wrapping_sub(1);
        f = f.wrapping_add(g & swap);
        u = u.wrapping_add(q & swap);
        v = v.wrapping_add(r & swap);
        g >>= 1;
        u = u.wrapping_shl(1);
        v = v.wrapping_shl(1);
    }
    (zeta, Matrix { u, v, q, r })
}

/// `(d, e) = matrix * (d, e) / 2^30` modulo M.
/// Pre and post: d and e in (-2 M, M).
#[inline(never)]
fn update_coefficients(d: &mut Limbs, e: &mut Limbs, t: &Matrix, modulus: &Limbs, inverse: i32) {
    let [u, v, q, r] = [t.u, t.v, t.q, t.r].map(i64::from);
    let (d_sign, e_sign) = (d[8] >> 31, e[8] >> 31);
    // Multiples of M that bring the inputs above -M, then those that clear the lowest limb.
    let mut md = (t.u & d_sign) + (t.v & e_sign);
    let mut me = (t.q & d_sign) + (t.r & e_sign);
    let mut cd = u * i64::from(d[0]) + v * i64::from(e[0]);
    let mut ce = q * i64::from(d[0]) + r * i64::from(e[0]);
    let low = |c: i64| c as i32;
    md -= inverse.wrapping_mul(low(cd)).wrapping_add(md) & MASK;
    me -= inverse.wrapping_mul(low(ce)).wrapping_add(me) & MASK;
    let (md, me) = (i64::from(md), i64::from(me));
    cd += i64::from(modulus[0]) * md;
    ce += i64::from(modulus[0]) * me;
    debug_assert!(low(cd) & MASK == 0 && low(ce) & MASK == 0);
    cd >>= RADIX;
    ce >>= RADIX;
    for i in 1..LIMBS {
        let (di, ei, mi) = (i64::from(d[i]), i64::from(e[i]), i64::from(modulus[i]));
        cd += u * di + v * ei + mi * md;
        ce += q * di + r * ei + mi * me;
        d[i - 1] = low(cd) & MASK;
        e[i - 1] = low(ce) & MASK;
        cd >>= RADIX;
        ce >>= RADIX;
    }
    d[8] = low(cd);
    e[8] = low(ce);
}

/// `(f, g) = matrix * (f, g) / 2^30`, exactly.
#[inline(never)]
fn update_values(f: &mut Limbs, g: &mut Limbs, t: &Matrix) {
    let [u, v, q, r] = [t.u, t.v, t.q, t.r].map(i64::from);
    let low = |c: i64| c as i32;
    let mut cf = u * i64::from(f[0]) + v * i64::from(g[0]);
    let mut cg = q * i64::from(f[0]) + r * i64::from(g[0]);
    debug_assert!(low(cf) & MASK == 0 && low(cg) & MASK == 0);
    cf >>= RADIX;
    cg >>= RADIX;
    for i in 1..LIMBS {
        let (fi, gi) = (i64::from(f[i]), i64::from(g[i]));
        cf += u * fi + v * gi;
        cg += q * fi + r * gi;
        f[i - 1] = low(cf) & MASK;
        g[i - 1] = low(cg) & MASK;
        cf >>= RADIX;
        cg >>= RADIX;
    }
    f[8] = low(cf);
    g[8] = low(cg);
}

/// Brings `d` from (-2 M, M) into 0..M, negated first where `sign` is -1.
fn normalize(mut d: Limbs, sign: i32, modulus: &Limbs) -> Limbs {
    let carry = |x: &mut Limbs| {
        for i in 0..LIMBS - 1 {
            x[i + 1] += x[i] >> RADIX;
            x[i] &= MASK;
        }
    };
    let raise = d[8] >> 31;
    for (x, m) in d.iter_mut().zip(modulus) {
        *x = ((*x + (m & raise)) ^ sign) - sign;
    }
    carry(&mut d);
    let raise = d[8] >> 31;
    for (x, m) in d.iter_mut().zip(modulus) {
        *x += m & raise;
    }
    carry(&mut d);
    d
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::modulus::{N, P};
    use num_bigint::BigUint;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn big(x: U256) -> BigUint {
        BigUint::from_bytes_be(&x.to_be_bytes())
    }

    fn check<M: Modulus>() {
        let m = big(M::VALUE);
        let mut x = 1u64;
        let mut word = || {
            x = x
                .wrapping_mul(0x5851_f42d_4c95_7f2d)
                .wrapping_add(0x1405_7b7e_f767_814f);
            x ^ (x >> 29)
        };
        for round in 0..3000 {
            let value = match round {
                0 => U256::ZERO,
                1..20 => U256([round, 0, 0, 0]),
                20..40 => M::VALUE.sub(U256([round - 19, 0, 0, 0])).0,
                40..296 => {
                    let mut one = [0; 4];
                    one[((round - 40) / 64) as usize] = 1 << (round % 64);
                    U256(one)
                }
                _ => U256([word(), word(), word(), word()]),
            };
            let value = value.reduce_once::<M>();
            let expected = big(value).modinv(&m).unwrap_or_default();
            assert_eq!(big(invert::<M>(value)), expected, "{value:?}");
        }
    }

    #[test]
    fn inverses() {
        check::<P>();
        check::<N>();
    }
}
