//! Every operation of every representation against `num-bigint`, half of the operands at the
//! bounds of their type. `PKI_P256_CASES` sets the number of random cases (default 2000).

use limb::arch::portable::Portable;
#[cfg(all(target_arch = "wasm32", target_feature = "relaxed-simd"))]
use limb::arch::wasm::Wasm;
use limb::lanes::Lanes;
use num_bigint::BigInt;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::Repr;
use super::exact24::Exact24;
use super::fma52::Fma52;
use crate::modulus::{Modulus, N, P};
use crate::u256::U256;

/// A residue under test with the integer that it is, two lanes.
struct Case<T> {
    limbs: T,
    integers: [BigInt; 2],
}

/// What the tests need of a representation besides its arithmetic.
trait Bounds: Repr {
    const LIMBS: usize;
    const RADIX: u32;
    /// Largest magnitude of a tight limb, and of the top limb of a tight residue of size 6.
    const LIMIT: i64;
    const TOP: i64;
    fn tight(limbs: &[[i64; 2]]) -> Self::Tight;
    fn limbs(x: &Self::Tight) -> Vec<[i64; 2]>;
}

impl<L: limb::lanes::Packed> Bounds for Fma52<L> {
    const LIMBS: usize = 5;
    const RADIX: u32 = 52;
    const LIMIT: i64 = 1 << 51;
    const TOP: i64 = 6 << 48;
    fn tight(limbs: &[[i64; 2]]) -> Self::Tight {
        Self::from_limbs(limbs)
    }
    fn limbs(x: &Self::Tight) -> Vec<[i64; 2]> {
        Self::to_limbs(x)
    }
}

impl<L: limb::lanes::Packed> Bounds for Exact24<L> {
    const LIMBS: usize = 11;
    const RADIX: u32 = 24;
    const LIMIT: i64 = 1 << 23;
    const TOP: i64 = 6 << 16;
    fn tight(limbs: &[[i64; 2]]) -> Self::Tight {
        Self::from_limbs(limbs)
    }
    fn limbs(x: &Self::Tight) -> Vec<[i64; 2]> {
        Self::to_limbs(x)
    }
}

struct Random(u64);

impl Random {
    fn word(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn limb(&mut self, limit: i64) -> i64 {
        match self.word() % 16 {
            0..3 => limit,
            3..6 => -limit,
            6 => limit - 1,
            7 => 0,
            _ => self.word().cast_signed() % (limit + 1),
        }
    }

    fn case<R: Bounds>(&mut self) -> Case<R::Tight> {
        let extreme = self.word() % 8;
        let limbs: Vec<[i64; 2]> = (0..R::LIMBS)
            .map(|i| {
                let limit = if i == R::LIMBS - 1 { R::TOP } else { R::LIMIT };
                match extreme {
                    0 => [limit, -limit],
                    1 => [-limit, limit],
                    2 => [limit, limit],
                    _ => [self.limb(limit), self.limb(limit)],
                }
            })
            .collect();
        Case {
            integers: integers::<R>(&limbs),
            limbs: R::tight(&limbs),
        }
    }
}

fn integers<R: Bounds>(limbs: &[[i64; 2]]) -> [BigInt; 2] {
    [0, 1].map(|lane| {
        limbs
            .iter()
            .rev()
            .fold(BigInt::from(0), |sum, limb| (sum << R::RADIX) + limb[lane])
    })
}

fn big(x: U256) -> BigInt {
    x.0.iter()
        .rev()
        .fold(BigInt::from(0), |sum, &word| (sum << 64) + word)
}

/// The value in 0..M.
fn modulo<M: Modulus>(x: BigInt) -> BigInt {
    let m = big(M::VALUE);
    ((x % &m) + &m) % m
}

/// 1 / R modulo M.
fn unscale<R: Bounds, M: Modulus>() -> BigInt {
    let bits = u32::try_from(R::LIMBS).unwrap() * R::RADIX;
    (BigInt::from(1) << bits).modinv(&big(M::VALUE)).unwrap()
}

/// Checks value and size (in hundredths of 2^256).
fn check<R: Bounds, M: Modulus>(got: &R::Tight, expected: [BigInt; 2], size: u32, what: &str) {
    let got = integers::<R>(&R::limbs(got));
    for (got, expected) in got.into_iter().zip(expected) {
        assert!(
            got.magnitude() * 100u32 <= (num_bigint::BigUint::from(size) << 256u32),
            "{what}: too large"
        );
        assert_eq!(modulo::<M>(got), modulo::<M>(expected), "{what}");
    }
}

fn cases() -> u64 {
    option_env!("PKI_P256_CASES")
        .map(str::to_owned)
        .or_else(|| std::env::var("PKI_P256_CASES").ok())
        .map_or(2000, |count| {
            count.parse().expect("PKI_P256_CASES is a number")
        })
}

fn zip(a: &[BigInt; 2], b: &[BigInt; 2], f: impl Fn(&BigInt, &BigInt) -> BigInt) -> [BigInt; 2] {
    [f(&a[0], &b[0]), f(&a[1], &b[1])]
}

fn products<R: Bounds, M: Modulus>() {
    let mut random = Random(1);
    let inverse = unscale::<R, M>();
    for _ in 0..cases() {
        let [a, b, c, d] = [(); 4].map(|()| random.case::<R>());
        // Sizes: 6 and 6, so loose 12.
        let tight = R::mul::<M>(&R::loose(&a.limbs), &b.limbs);
        let product = |x: &BigInt, y: &BigInt| x * y * &inverse;
        check::<R, M>(
            &tight,
            zip(&a.integers, &b.integers, product),
            51 + 225,
            "mul",
        );
        let difference = zip(&a.integers, &c.integers, |x, y| x - y);
        let loose = R::mul::<M>(&R::sub(&a.limbs, &c.limbs), &b.limbs);
        check::<R, M>(
            &loose,
            zip(&difference, &b.integers, product),
            51 + 450,
            "mul of a difference",
        );
        let sum = zip(&a.integers, &c.integers, |x, y| x + y);
        let loose = R::mul::<M>(&R::add(&a.limbs, &c.limbs), &b.limbs);
        check::<R, M>(
            &loose,
            zip(&sum, &b.integers, product),
            51 + 450,
            "mul of a sum",
        );
        let square = R::sqr::<M>(&a.limbs);
        check::<R, M>(
            &square,
            zip(&a.integers, &a.integers, product),
            51 + 225,
            "sqr",
        );
        // A tight d of size 6 would leave the promised size: bring it to 0.6 first.
        let small = R::mul::<M>(&R::loose(&d.limbs), &R::one());
        let small_integers = integers::<R>(&R::limbs(&small));
        let less = R::mul_sub::<M>(&R::sub(&a.limbs, &c.limbs), &b.limbs, &small);
        let expected = zip(&difference, &b.integers, product);
        let expected = zip(&expected, &small_integers, |x, y| x - y);
        check::<R, M>(&less, expected, 51 + 450 + 51, "mul_sub");
        let stored = R::store::<M>(&small);
        for (stored, integer) in stored.into_iter().zip(small_integers) {
            assert_eq!(big(stored), modulo::<M>(integer), "store");
        }
    }
}

fn folded_squares<R: Bounds>() {
    let mut random = Random(2);
    let inverse = unscale::<R, P>();
    for _ in 0..cases() {
        let [mut a, mut b, mut c] = [(); 3].map(|()| random.case::<R>());
        // Sizes as documented: the slope 1.1, coordinates 1.
        for case in [&mut a, &mut b, &mut c] {
            let mut limbs = R::limbs(&case.limbs);
            for top in &mut limbs[R::LIMBS - 1] {
                *top /= 6;
            }
            case.integers = integers::<R>(&limbs);
            case.limbs = R::tight(&limbs);
        }
        let got = R::sqr_sub_sub(&a.limbs, &b.limbs, &c.limbs);
        let expected = zip(&a.integers, &a.integers, |x, y| x * y * &inverse);
        let expected = zip(&expected, &b.integers, |x, y| x - y);
        let expected = zip(&expected, &c.integers, |x, y| x - y);
        check::<R, P>(&got, expected, 60, "sqr_sub_sub");
        let mask = R::L::load_i([i64::MIN, 0]);
        let negated = integers::<R>(&R::limbs(&R::negate_by(&a.limbs, mask)));
        assert_eq!(negated, [-&a.integers[0], a.integers[1].clone()]);
    }
}

/// The tree's own chain of operations, ten levels deep, on the largest coordinates: bounds that
/// grow from level to level do not show in single operations.
fn chains<R: Bounds>() {
    let mut random = Random(3);
    let inverse = unscale::<R, P>();
    for _ in 0..cases() / 10 {
        let unit = |random: &mut Random| {
            let case = random.case::<R>();
            let mut limbs = R::limbs(&case.limbs);
            for top in &mut limbs[R::LIMBS - 1] {
                *top /= 6;
            }
            limbs
        };
        let [x1, y1, x2, y2, own] = [(); 5].map(|()| unit(&mut random));
        let (mut x, mut y) = (R::tight(&x1), R::tight(&y1));
        let (mut bx, mut by) = (integers::<R>(&x1), integers::<R>(&y1));
        let (x2, y2, own) = ([R::tight(&x2), x], [R::tight(&y2), y], R::tight(&own));
        let own = R::mul::<P>(&R::loose(&own), &R::one());
        let big_own = integers::<R>(&R::limbs(&own));
        for level in 0..6 {
            // The right operand grows too: it is the level's own result, negated for variety.
            let (rx, ry) = if level == 0 {
                (x2[0], y2[0])
            } else {
                (x2[1], R::negate_by(&y, R::L::splat_i(i64::MIN)))
            };
            let (brx, bry) = (integers::<R>(&R::limbs(&rx)), integers::<R>(&R::limbs(&ry)));
            let slope = R::mul::<P>(&R::sub(&ry, &y), &own);
            let big_slope = zip(&bry, &by, |a, b| a - b);
            let big_slope = zip(&big_slope, &big_own, |a, b| a * b * &inverse);
            check::<R, P>(&slope, big_slope.clone(), 110, "slope");
            let x3 = R::sqr_sub_sub(&slope, &x, &rx);
            let big_x3 = zip(&big_slope, &big_slope, |a, b| a * b * &inverse);
            let big_x3 = zip(&zip(&big_x3, &bx, |a, b| a - b), &brx, |a, b| a - b);
            check::<R, P>(&x3, big_x3.clone(), 60, "x3");
            let y3 = R::mul_sub::<P>(&R::sub(&x, &x3), &slope, &y);
            let big_y3 = zip(&bx, &big_x3, |a, b| a - b);
            let big_y3 = zip(&big_y3, &big_slope, |a, b| a * b * &inverse);
            let big_y3 = zip(&big_y3, &by, |a, b| a - b);
            check::<R, P>(&y3, big_y3.clone(), 100 + 61 * (level + 1), "y3");
            (x, y) = (x3, y3);
            (bx, by) = (integers::<R>(&R::limbs(&x)), integers::<R>(&R::limbs(&y)));
        }
    }
}

fn borders<R: Bounds>() {
    let edges = [U256::ZERO, U256::ONE, U256([u64::MAX; 4])];
    let edges = edges.into_iter().chain([P::VALUE, N::VALUE]);
    let edges: Vec<U256> = edges
        .flat_map(|x| [x, x.sub(U256::ONE).0, x.add(U256::ONE).0])
        .chain((0..4).map(|i| U256(core::array::from_fn(|j| if i == j { u64::MAX } else { 0 }))))
        .collect();
    for &a in &edges {
        for &b in &edges {
            let loaded = integers::<R>(&R::limbs(&R::load([a, b])));
            assert_eq!(loaded, [big(a), big(b)], "load");
        }
        let zero = R::mul::<P>(&R::loose(&R::load([P::VALUE, a])), &R::one());
        let is_zero = modulo::<P>(big(a)) == BigInt::from(0);
        assert_eq!(R::is_zero(&zero), [true, is_zero]);
        let zero = R::mul::<N>(&R::loose(&R::load([a, N::VALUE])), &R::one());
        let is_zero = modulo::<N>(big(a)) == BigInt::from(0);
        assert_eq!(R::is_zero(&zero), [is_zero, true]);
    }
}

fn all<R: Bounds>() {
    products::<R, P>();
    products::<R, N>();
    folded_squares::<R>();
    chains::<R>();
    borders::<R>();
}

#[test]
fn fma52_portable() {
    all::<Fma52<Portable>>();
}

#[test]
fn exact24_portable() {
    all::<Exact24<Portable>>();
}

#[cfg(all(target_arch = "wasm32", target_feature = "relaxed-simd"))]
#[test]
fn fma52_wasm() {
    if Wasm::fused() {
        all::<Fma52<Wasm>>();
    }
}

#[cfg(all(target_arch = "wasm32", target_feature = "relaxed-simd"))]
#[test]
fn exact24_wasm() {
    all::<Exact24<Wasm>>();
}
