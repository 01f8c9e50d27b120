//! Affine additions and inversions of many residues at once, one inversion for all.
//!
//! Every function here is a call of bounded length: an engine that compiles WebAssembly in tiers
//! does not replace a function while it runs, so the loops over a batch call these often.

use crate::field::{Operation, Repr};
use crate::inverse;
use crate::modulus::{Modulus, P};

/// Running products for a simultaneous inversion, in two chains: denominators of even index belong to the first, those of
/// odd index to the second. One chain would be bound by a multiplication's latency. `before[i]` is what its chain was
/// before denominator `i`. Source: Montgomery's trick.
pub(crate) fn accumulate<R: Repr, M: Modulus>(
    denominator: impl Fn(usize) -> R::Loose,
    before: &mut [R::Tight],
    products: &mut [R::Tight; 2],
) {
    let k = R::constants::<M>(Operation::Mul);
    let [mut even, mut odd] = *products;
    let (pairs, rest) = before.as_chunks_mut::<2>();
    let last = 2 * pairs.len();
    for (i, slots) in pairs.iter_mut().enumerate() {
        *slots = [even, odd];
        even = R::mul_with::<M>(k, &denominator(2 * i), &even);
        odd = R::mul_with::<M>(k, &denominator(2 * i + 1), &odd);
    }
    for slot in rest {
        *slot = even;
        even = R::mul_with::<M>(k, &denominator(last), &even);
    }
    *products = [even, odd];
}

/// The running products of `right - left`.
#[inline(never)]
pub(crate) fn accumulate_differences<R: Repr>(
    left: &[R::Tight],
    right: &[R::Tight],
    before: &mut [R::Tight],
    products: &mut [R::Tight; 2],
) {
    let n = before.len();
    let (left, right) = (&left[..n], &right[..n]);
    accumulate::<R, P>(|i| R::sub(&right[i], &left[i]), before, products);
}

/// The running products of `2 y`.
#[inline(never)]
pub(crate) fn accumulate_doubles<R: Repr>(
    y: &[R::Tight],
    before: &mut [R::Tight],
    products: &mut [R::Tight; 2],
) {
    let y = &y[..before.len()];
    accumulate::<R, P>(|i| R::add(&y[i], &y[i]), before, products);
}

/// Replaces each left point by its sum with the right point, whose x and `before` are used up: 5 multiplications and 1
/// squaring with the one of [`accumulate_differences`]. `inverses` are those of both chains up to and with these
/// differences, and lose these.
///
/// One operation of all pairs after the other: the operations on one pair wait for each other, and a processor does not see
/// far enough to begin the next pair. This and the two chains took 6 % off a key in V8.
/// Pre: an even number of pairs, none of equal x; x of size at most 1, y of at most 4. Post: x of size 0.6, y larger by
/// at most 0.6.
pub(crate) fn add_points<R: Repr>(
    left: (&mut [R::Tight], &mut [R::Tight]),
    right: (&mut [R::Tight], &[R::Tight]),
    before: &mut [R::Tight],
    inverses: &mut [R::Tight; 2],
) {
    invert_differences::<R>(left.0, right.0, before, inverses);
    slopes::<R>(left.1, right.1, before);
    third_x::<R>(left.0, right.0, before);
    third_y::<R>(left, right.0, before);
}

/// Replaces `before` by the inverses of `right - left`.
#[inline(never)]
fn invert_differences<R: Repr>(
    left: &[R::Tight],
    right: &[R::Tight],
    before: &mut [R::Tight],
    inverses: &mut [R::Tight; 2],
) {
    let k = R::constants::<P>(Operation::Mul);
    let n = before.len();
    assert!(n.is_multiple_of(2));
    let (left, right) = (&left[..n], &right[..n]);
    let [mut even, mut odd] = *inverses;
    let difference = |i: usize| R::sub(&right[i], &left[i]);
    let mut i = n;
    while i > 0 {
        i -= 2;
        let own = R::mul_with::<P>(k, &R::loose(&before[i + 1]), &odd);
        before[i + 1] = own;
        let own = R::mul_with::<P>(k, &R::loose(&before[i]), &even);
        before[i] = own;
        odd = R::mul_with::<P>(k, &difference(i + 1), &odd);
        even = R::mul_with::<P>(k, &difference(i), &even);
    }
    *inverses = [even, odd];
}

/// Replaces the inverses by the slopes.
#[inline(never)]
fn slopes<R: Repr>(left: &[R::Tight], right: &[R::Tight], inverses: &mut [R::Tight]) {
    let k = R::constants::<P>(Operation::Mul);
    for ((own, y1), y2) in inverses.iter_mut().zip(left).zip(right) {
        *own = R::mul_with::<P>(k, &R::sub(y2, y1), own);
    }
}

/// Replaces the right x by the sum's.
#[inline(never)]
fn third_x<R: Repr>(left: &[R::Tight], right: &mut [R::Tight], slopes: &[R::Tight]) {
    let k = R::constants::<P>(Operation::SqrSubSub);
    for ((slope, x1), x2) in slopes.iter().zip(left).zip(right) {
        *x2 = R::sqr_sub_sub_with(k, slope, x1, x2);
    }
}

/// Replaces the left point by the sum.
#[inline(never)]
fn third_y<R: Repr>(
    left: (&mut [R::Tight], &mut [R::Tight]),
    third: &[R::Tight],
    slopes: &[R::Tight],
) {
    let k = R::constants::<P>(Operation::MulSub);
    for (((slope, x1), y1), x3) in slopes.iter().zip(left.0).zip(left.1).zip(third) {
        *y1 = R::mul_sub_with::<P>(k, &R::sub(x1, x3), slope, y1);
        *x1 = *x3;
    }
}

/// Doubles each point; `inverses` as for [`add_points`], of the doubled y.
#[inline(never)]
pub(crate) fn double_points<R: Repr>(
    xs: &mut [R::Tight],
    ys: &mut [R::Tight],
    before: &[R::Tight],
    inverses: &mut [R::Tight; 2],
    one: &R::Tight,
    three: &R::Tight,
) {
    for i in (0..before.len()).rev() {
        let inverse = &mut inverses[i % 2];
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
fn invert<R: Repr, M: Modulus>(x: &R::Tight) -> R::Tight {
    let [a, b] = R::store::<M>(&R::mul::<M>(&R::loose(x), &R::one()));
    let other = R::load([b, a]);
    let [product, _] = R::store::<M>(&R::mul::<M>(&R::loose(&other), x));
    let inverse = R::load([inverse::invert::<M>(product); 2]);
    let scaled = R::mul::<M>(&R::loose(&inverse), &other);
    R::mul::<M>(&R::loose(&scaled), &R::load([R::cube_of_r::<M>(); 2]))
}

/// The inverses of both chains' products.
pub(crate) fn invert_both<R: Repr, M: Modulus>(products: &[R::Tight; 2]) -> [R::Tight; 2] {
    let [even, odd] = products;
    let inverse = invert::<R, M>(&R::mul::<M>(&R::loose(even), odd));
    [odd, even].map(|other| R::mul::<M>(&R::loose(other), &inverse))
}

/// Overwrites secrets. The hint keeps the compiler from dropping stores that nobody reads.
#[inline(never)]
pub(crate) fn wipe<T: Copy>(memory: &mut [T], zero: T) {
    memory.fill(zero);
    core::hint::black_box(memory);
}
