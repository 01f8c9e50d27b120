//! Affine additions and inversions of many residues at once, one inversion for all.
//!
//! Every function here is a call of bounded length: an engine that compiles WebAssembly in tiers
//! does not replace a function while it runs, so the loops over a batch call these often.

use crate::field::Repr;
use crate::inverse;
use crate::modulus::{Modulus, P};

/// Running products for a simultaneous inversion: `before[i]` is what `product` was before
/// denominator `i`. Source: Montgomery's trick.
pub(crate) fn accumulate<R: Repr, M: Modulus>(
    denominator: impl Fn(usize) -> R::Loose,
    before: &mut [R::Tight],
    product: &mut R::Tight,
) {
    let mut running = *product;
    for (i, slot) in before.iter_mut().enumerate() {
        *slot = running;
        running = R::mul::<M>(&denominator(i), &running);
    }
    *product = running;
}

/// The running products of `right - left`.
#[inline(never)]
pub(crate) fn accumulate_differences<R: Repr>(
    left: &[R::Tight],
    right: &[R::Tight],
    before: &mut [R::Tight],
    product: &mut R::Tight,
) {
    let n = before.len();
    let (left, right) = (&left[..n], &right[..n]);
    accumulate::<R, P>(|i| R::sub(&right[i], &left[i]), before, product);
}

/// The running products of `2 y`.
#[inline(never)]
pub(crate) fn accumulate_doubles<R: Repr>(
    y: &[R::Tight],
    before: &mut [R::Tight],
    product: &mut R::Tight,
) {
    let y = &y[..before.len()];
    accumulate::<R, P>(|i| R::add(&y[i], &y[i]), before, product);
}

/// Replaces each left point by its sum with the right point: 5 multiplications and 1 squaring with
/// the one of [`accumulate_differences`]. `inverse` is the inverse of all differences up to and
/// with these, and loses these.
/// Pre: no pair has equal x; x of size at most 1, y of at most 4. Post: x of size 0.6, y larger by
/// at most 0.6.
#[inline(never)]
pub(crate) fn add_points<R: Repr>(
    left: (&mut [R::Tight], &mut [R::Tight]),
    right: (&[R::Tight], &[R::Tight]),
    before: &[R::Tight],
    inverse: &mut R::Tight,
) {
    let n = before.len();
    let (lx, ly) = (&mut left.0[..n], &mut left.1[..n]);
    let (rx, ry) = (&right.0[..n], &right.1[..n]);
    let mut running = *inverse;
    for i in (0..n).rev() {
        let (x1, y1, x2, y2) = (lx[i], ly[i], rx[i], ry[i]);
        let own = R::mul::<P>(&R::loose(&before[i]), &running);
        running = R::mul::<P>(&R::sub(&x2, &x1), &running);
        let slope = R::mul::<P>(&R::sub(&y2, &y1), &own);
        let x3 = R::sqr_sub_sub(&slope, &x1, &x2);
        ly[i] = R::mul_sub::<P>(&R::sub(&x1, &x3), &slope, &y1);
        lx[i] = x3;
    }
    *inverse = running;
}

/// Doubles each point; `inverse` as for [`add_points`], of the doubled y.
#[inline(never)]
pub(crate) fn double_points<R: Repr>(
    xs: &mut [R::Tight],
    ys: &mut [R::Tight],
    before: &[R::Tight],
    inverse: &mut R::Tight,
    one: &R::Tight,
    three: &R::Tight,
) {
    for i in (0..before.len()).rev() {
        let (x, y) = (xs[i], ys[i]);
        let own = R::mul::<P>(&R::loose(&before[i]), inverse);
        *inverse = R::mul::<P>(&R::add(&y, &y), inverse);
        // 3 x^2 - 3, as the curve's a is -3.
        let numerator = R::mul::<P>(&R::sub(&R::sqr::<P>(&x), one), three);
        let slope = R::mul::<P>(&R::loose(&numerator), &own);
        let x3 = R::sqr_sub_sub(&slope, &x, &x);
        ys[i] = R::mul_sub::<P>(&R::sub(&x, &x3), &slope, &y);
        xs[i] = x3;
    }
}

/// The inverse modulo M in both lanes, in Montgomery form as `x` is; 0 in both where a lane is 0.
/// One scalar inversion serves both lanes.
#[inline(never)]
pub(crate) fn invert<R: Repr, M: Modulus>(x: &R::Tight) -> R::Tight {
    let [a, b] = R::store::<M>(&R::mul::<M>(&R::loose(x), &R::one()));
    let other = R::load([b, a]);
    let [product, _] = R::store::<M>(&R::mul::<M>(&R::loose(&other), x));
    let inverse = R::load([inverse::invert::<M>(product); 2]);
    let scaled = R::mul::<M>(&R::loose(&inverse), &other);
    R::mul::<M>(&R::loose(&scaled), &R::load([R::cube_of_r::<M>(); 2]))
}

/// Overwrites secrets. The hint keeps the compiler from dropping stores that nobody reads.
#[inline(never)]
pub(crate) fn wipe<T: Copy>(memory: &mut [T], zero: T) {
    memory.fill(zero);
    core::hint::black_box(memory);
}
