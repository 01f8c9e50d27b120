//! Multiples of the generator, a batch at a time. The argument that no exceptional case of the
//! affine addition is met is in `docs/fixed-base.md`.
#![doc = include_str!("../docs/fixed-base.md")]

use limb::lanes::{Lanes, Packed};

use crate::bases::BASES;
use crate::batch::{
    accumulate_differences, accumulate_doubles, add_points, double_points, invert_both, wipe,
};
use crate::field::{Repr, to_montgomery, transpose_bytes};
use crate::modulus::{Modulus, N, P};
use crate::u256::U256;

/// Scalars that one call takes: 32 windows of 128 points of 160 bytes a pair stay in a cache of
/// 512 KiB.
pub(crate) const CHUNK: usize = 128;

/// Scalars that one look-up serves.
const GROUP: usize = 16;
const GROUP_PAIRS: usize = GROUP / 2;

/// The curve's b. Source: SP 800-186, section 3.2.1.3.
const B: U256 = U256([
    0x3bce_3c3e_27d2_604b,
    0x651d_06b0_cc53_b0f6,
    0xb3eb_bd55_7698_86bc,
    0x5ac6_35d8_aa3a_93e7,
]);

/// The one odd scalar whose last addition is a doubling: n's upper half times 2^128 less its lower
/// half. Its negative is the even one.
const EXCEPTION: U256 = U256([
    0x0c46_353d_039c_daaf,
    0x4319_0552_58e8_617b,
    0xffff_ffff_ffff_fffe,
    0xffff_ffff_0000_0000,
]);
/// `EXCEPTION * G`, affine.
const EXCEPTION_POINT: Affine = Affine {
    x: U256([
        0x5608_5153_4735_607e,
        0xd760_f459_1151_8440,
        0xac28_d3e9_41b1_6abc,
        0x7f08_dcf0_e835_e345,
    ]),
    y: U256([
        0x5796_0151_f967_e0d9,
        0xe7b0_edc1_5019_4a3d,
        0x7d84_34a1_3b12_b840,
        0x681d_6d41_2284_4131,
    ]),
};

/// A point in canonical coordinates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Affine {
    pub(crate) x: U256,
    pub(crate) y: U256,
}

/// Bits of a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Window {
    Four,
    Eight,
}

impl Window {
    const fn bits(self) -> usize {
        match self {
            Self::Four => 4,
            Self::Eight => 8,
        }
    }
    const fn windows(self) -> usize {
        256 / self.bits()
    }
    const fn entries(self) -> usize {
        1 << (self.bits() - 1)
    }
    /// Vectors of sixteen entries that hold one byte plane.
    const fn vectors(self) -> usize {
        self.entries().div_ceil(16)
    }
}

/// The curve with a table of odd multiples and the memory that a batch needs.
pub(crate) struct Curve<R: Repr> {
    window: Window,
    /// Plane `t` of coordinate `c` of window `w`, entries 16 v to 16 v + 15:
    /// `((w * 2 + c) * PLANES + t) * vectors + v`.
    table: Vec<[u8; 16]>,
    pub(crate) one: R::Tight,
    three: R::Tight,
    b: R::Tight,
    /// Point `i` of window `w` at `w * pairs + i`.
    xs: Vec<R::Tight>,
    ys: Vec<R::Tight>,
    before: Vec<R::Tight>,
    /// Entry and sign (0x80 for negative) of sixteen scalars a window.
    digits: Vec<[[u8; GROUP]; 2]>,
}

impl<R: Repr> Curve<R> {
    pub(crate) fn new(window: Window) -> Self {
        let small = |x| to_montgomery::<R, P>([U256([x, 0, 0, 0]); 2]);
        let mut curve = Self {
            window,
            table: Vec::new(),
            one: small(1),
            three: small(3),
            b: to_montgomery::<R, P>([B; 2]),
            xs: Vec::new(),
            ys: Vec::new(),
            before: Vec::new(),
            digits: Vec::new(),
        };
        curve.table = curve.compute_table();
        curve
    }

    /// `scalar * G` for at most [`CHUNK`] scalars, each checked to lie on the curve; `Err` is the
    /// first index that does not.
    /// Pre: every scalar in 1..n.
    pub(crate) fn multiply_base(&mut self, scalars: &[U256]) -> Result<Vec<Affine>, usize> {
        assert!(scalars.len() <= CHUNK);
        let groups = scalars.len().div_ceil(GROUP);
        let pairs = groups * GROUP_PAIRS;
        let windows = self.window.windows();
        let zero = R::zero();
        for (memory, size) in [
            (&mut self.xs, windows * pairs),
            (&mut self.ys, windows * pairs),
            (&mut self.before, windows / 2 * pairs),
        ] {
            memory.resize(memory.len().max(size), zero);
        }
        self.digits.resize(windows, [[0; GROUP]; 2]);

        let is_exception = |k: U256| k == EXCEPTION || k == N::VALUE.sub(EXCEPTION).0;
        let mut exceptions = false;
        for group in 0..groups {
            let mut block = [U256::ONE; GROUP];
            for (slot, &k) in block.iter_mut().zip(&scalars[group * GROUP..]) {
                // The comparison tells of a scalar only whether it is this public number.
                let exception = is_exception(k);
                exceptions |= exception;
                *slot = U256::select(exception, U256::ONE, k);
            }
            recode(self.window, &block, &mut self.digits);
            wipe(&mut block, U256::ZERO);
            let size = 2 * R::PLANES * self.window.vectors();
            for (w, (digits, table)) in self
                .digits
                .iter()
                .zip(self.table.chunks_exact(size))
                .enumerate()
            {
                let at = w * pairs + group * GROUP_PAIRS;
                let xs = &mut self.xs[at..at + GROUP_PAIRS];
                let ys = &mut self.ys[at..at + GROUP_PAIRS];
                match self.window {
                    Window::Four => look_up::<R, 1>(table, digits, xs, ys),
                    Window::Eight => look_up::<R, 8>(table, digits, xs, ys),
                }
            }
        }

        let mut stride = 1;
        while stride < windows {
            self.add_level(windows, stride, pairs);
            stride *= 2;
        }

        let mut out = Vec::with_capacity(2 * pairs);
        let mut failed = None;
        for i in 0..pairs {
            let (points, good) = finish::<R>(&self.xs[i], &self.ys[i], &self.b, &self.three);
            for lane in 0..2 {
                if !good[lane] && out.len() < scalars.len() {
                    failed = failed.or(Some(out.len()));
                }
                out.push(points[lane]);
            }
        }
        out.truncate(scalars.len());
        if exceptions {
            for (point, &k) in out.iter_mut().zip(scalars) {
                if k == EXCEPTION {
                    *point = EXCEPTION_POINT;
                } else if is_exception(k) {
                    *point = EXCEPTION_POINT;
                    point.y = P::VALUE.sub(point.y).0;
                }
            }
        }
        self.wipe();
        failed.map_or(Ok(out), Err)
    }

    /// Adds window `w + stride` to window `w` for every second multiple of `stride`.
    fn add_level(&mut self, windows: usize, stride: usize, pairs: usize) {
        let mut products = [self.one; 2];
        let nodes = windows / (2 * stride);
        let span = stride * pairs;
        for (node, before) in self.before.chunks_exact_mut(pairs).take(nodes).enumerate() {
            let (left, right) = self.xs[node * 2 * span..].split_at(span);
            accumulate_differences::<R>(left, right, before, &mut products);
        }
        let mut inverses = invert_both::<R, P>(&products);
        for (node, before) in self
            .before
            .chunks_exact_mut(pairs)
            .take(nodes)
            .enumerate()
            .rev()
        {
            let (lx, rx) = self.xs[node * 2 * span..].split_at_mut(span);
            let (ly, ry) = self.ys[node * 2 * span..].split_at_mut(span);
            add_points::<R>((lx, ly), (rx, ry), before, &mut inverses);
        }
    }

    fn wipe(&mut self) {
        let zero = R::zero();
        wipe(&mut self.xs, zero);
        wipe(&mut self.ys, zero);
        wipe(&mut self.before, zero);
        wipe(&mut self.digits, [[0; GROUP]; 2]);
    }

    /// Odd multiples 1 to 2^w - 1 of 2^(w j) * G for every window j, as byte planes. Two windows of
    /// eight bits side by side, and all windows' additions of one bit under one inversion.
    fn compute_table(&mut self) -> Vec<[u8; 16]> {
        const PAIRS: usize = BASES.len() / 2;
        let zero = R::zero();
        let (bits, entries) = (self.window.bits(), self.window.entries());

        // powers[t]: 2^t times the bases, y brought back to size 0.6.
        let mut xs: Vec<_> = (0..PAIRS)
            .map(|i| to_montgomery::<R, P>([BASES[2 * i][0], BASES[2 * i + 1][0]]))
            .collect();
        let mut ys: Vec<_> = (0..PAIRS)
            .map(|i| to_montgomery::<R, P>([BASES[2 * i][1], BASES[2 * i + 1][1]]))
            .collect();
        let mut powers = vec![(xs.clone(), ys.clone())];
        let mut before = vec![zero; entries / 2 * (8 / bits) * PAIRS];
        let mut right = vec![zero; PAIRS];
        for _ in 1..8 {
            let mut products = [self.one; 2];
            accumulate_doubles::<R>(&ys, &mut before[..PAIRS], &mut products);
            let mut inverses = invert_both::<R, P>(&products);
            double_points::<R>(
                &mut xs,
                &mut ys,
                &before[..PAIRS],
                &mut inverses,
                &self.one,
                &self.three,
            );
            settle::<R>(&mut ys, &self.one);
            powers.push((xs.clone(), ys.clone()));
        }

        // Entry e of set h (h-th window of `bits` bits in each of eight) at (h * entries + e) * PAIRS.
        let sets = 8 / bits;
        let mut xs = vec![zero; sets * entries * PAIRS];
        let mut ys = xs.clone();
        for set in 0..sets {
            let at = set * entries * PAIRS;
            xs[at..at + PAIRS].copy_from_slice(&powers[set * bits].0);
            ys[at..at + PAIRS].copy_from_slice(&powers[set * bits].1);
        }
        for bit in 1..bits {
            let half = 1 << (bit - 1);
            for set in 0..sets {
                let at = set * entries * PAIRS;
                for coordinate in [&mut xs, &mut ys] {
                    coordinate.copy_within(at..at + half * PAIRS, at + half * PAIRS);
                }
            }
            let places: Vec<(usize, usize)> = (0..sets)
                .flat_map(|set| (half..2 * half).map(move |e| (set, (set * entries + e) * PAIRS)))
                .collect();
            let mut products = [self.one; 2];
            for (&(set, at), before) in places.iter().zip(before.chunks_exact_mut(PAIRS)) {
                let power = &powers[set * bits + bit];
                accumulate_differences::<R>(&xs[at..], &power.0, before, &mut products);
            }
            let mut inverses = invert_both::<R, P>(&products);
            for (&(set, at), before) in places.iter().zip(before.chunks_exact_mut(PAIRS)).rev() {
                let power = &powers[set * bits + bit];
                let left = (&mut xs[at..], &mut ys[at..]);
                right.copy_from_slice(&power.0);
                add_points::<R>(left, (&mut right, &power.1), before, &mut inverses);
                settle::<R>(&mut ys[at..at + PAIRS], &self.one);
            }
        }

        let vectors = self.window.vectors();
        let mut table = vec![[0; 16]; self.window.windows() * 2 * R::PLANES * vectors];
        let mut bytes = vec![0; R::PLANES];
        for window in 0..self.window.windows() {
            let (eight, set) = (window / sets, window % sets);
            for e in 0..entries {
                let at = (set * entries + e) * PAIRS + eight / 2;
                for (c, point) in [&xs, &ys].into_iter().enumerate() {
                    R::to_planes(&point[at], eight % 2, &mut bytes);
                    for (t, &byte) in bytes.iter().enumerate() {
                        let plane = (window * 2 + c) * R::PLANES + t;
                        table[plane * vectors + e / 16][e % 16] = byte;
                    }
                }
            }
        }
        table
    }
}

/// Brings residues back to size 0.6 by a multiplication by one.
#[inline(never)]
fn settle<R: Repr>(residues: &mut [R::Tight], one: &R::Tight) {
    for residue in residues {
        *residue = R::mul::<P>(&R::loose(residue), one);
    }
}

/// All-odd signed digits, window by window: table entry (|digit| - 1) / 2 and sign.
/// `(k >> 1) + 2^255` for odd k read bit by bit as +1 and -1 is k; for even k it is n - k that is
/// written so, with all signs flipped. Source: Joye and Tunstall, 2009.
/// Pre: 1 <= k < n. Post: no digit is zero.
fn recode(window: Window, block: &[U256; GROUP], digits: &mut [[[u8; GROUP]; 2]]) {
    for (i, &k) in block.iter().enumerate() {
        let even = k.0[0] & 1 == 0;
        let odd = U256::select(even, N::VALUE.sub(k).0, k);
        let flip = u8::from(even) << 7;
        let w = odd.0;
        let halved = [
            (w[0] >> 1) | (w[1] << 63),
            (w[1] >> 1) | (w[2] << 63),
            (w[2] >> 1) | (w[3] << 63),
            (w[3] >> 1) | (1 << 63),
        ];
        let mut bytes = [0; 32];
        for (chunk, word) in bytes.as_chunks_mut::<8>().0.iter_mut().zip(halved) {
            *chunk = word.to_le_bytes();
        }
        match window {
            Window::Eight => {
                for (digit, byte) in digits.iter_mut().zip(bytes) {
                    let negative = (!byte) & 0x80;
                    digit[0][i] = (byte ^ (negative >> 7).wrapping_neg()) & 0x7f;
                    digit[1][i] = negative ^ flip;
                }
            }
            Window::Four => {
                for (two, byte) in digits.as_chunks_mut::<2>().0.iter_mut().zip(bytes) {
                    for (digit, nibble) in two.iter_mut().zip([byte << 4, byte & 0xf0]) {
                        let negative = (!nibble) & 0x80;
                        digit[0][i] = ((nibble >> 4) ^ (negative >> 7).wrapping_neg()) & 7;
                        digit[1][i] = negative ^ flip;
                    }
                }
            }
        }
        wipe(&mut bytes, 0);
    }
}

/// Sixteen points of one window. Every byte of the window's table is read, in the same order for
/// every digit. `V`: vectors of sixteen entries a plane.
#[inline(never)]
fn look_up<R: Repr, const V: usize>(
    table: &[[u8; 16]],
    digits: &[[u8; GROUP]; 2],
    xs: &mut [R::Tight],
    ys: &mut [R::Tight],
) {
    // Entry e selects in vector e >> 4 by its low four bits; elsewhere its index has bit 7 set.
    let entry = R::L::load_bytes(&digits[0]);
    let index: [_; V] = core::array::from_fn(|v| {
        #[expect(clippy::cast_possible_truncation)]
        let base = R::L::splat_u8((v as u8) << 4);
        let raised = R::L::add_sat_u8(R::L::xor(entry, base), R::L::splat_u8(0x70));
        R::L::and(raised, R::L::splat_u8(0x8f))
    });
    let zero = R::L::splat_i(0);
    let mut signs = [zero; 8];
    signs[7] = R::L::load_bytes(&digits[1]);
    let signs = transpose_bytes::<R::L>(signs);

    let mut planes = [zero; 40];
    let planes = &mut planes[..R::PLANES];
    let (x, y) = table.split_at(R::PLANES * V);
    select_planes::<R, V>(x, &index, planes);
    xs[..GROUP_PAIRS].copy_from_slice(&R::from_planes(planes));
    select_planes::<R, V>(y, &index, planes);
    let y = R::from_planes(planes);
    for i in 0..GROUP_PAIRS {
        ys[i] = R::negate_by(&y[i], signs[i]);
    }
}

#[inline(always)]
fn select_planes<R: Repr, const V: usize>(
    table: &[[u8; 16]],
    index: &[<R::L as Lanes>::I; V],
    planes: &mut [<R::L as Lanes>::I],
) {
    for (plane, vectors) in planes.iter_mut().zip(table.as_chunks::<V>().0) {
        let mut selected = R::L::look_up(R::L::load_bytes(&vectors[0]), index[0]);
        for v in 1..V {
            let one = R::L::look_up(R::L::load_bytes(&vectors[v]), index[v]);
            selected = R::L::or(selected, one);
        }
        *plane = selected;
    }
}

/// Canonical coordinates of a pair, and whether each satisfies y^2 = x^3 - 3 x + b.
/// Pre: x of size at most 1, y of at most 4.6.
#[inline(never)]
fn finish<R: Repr>(
    x: &R::Tight,
    y: &R::Tight,
    b: &R::Tight,
    three: &R::Tight,
) -> ([Affine; 2], [bool; 2]) {
    let y_squared = R::sqr::<P>(y);
    let square = R::sqr::<P>(x);
    let rest = R::mul_sub::<P>(&R::sub(&square, three), x, &y_squared);
    let one = R::one();
    let good = R::is_zero(&R::mul::<P>(&R::add(&rest, b), &one));
    let x = R::store::<P>(&R::mul::<P>(&R::loose(x), &one));
    let y = R::store::<P>(&R::mul::<P>(&R::loose(y), &one));
    let point = |i: usize| Affine { x: x[i], y: y[i] };
    ([point(0), point(1)], good)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::field::exact24::Exact24;
    use crate::field::fma52::Fma52;
    use limb::arch::portable::Portable;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    /// One wrong bit in the one table entry that row 19 alone uses.
    fn a_wrong_point_is_named<R: Repr>(window: Window) {
        let mut curve = Curve::<R>::new(window);
        let mut scalars = [U256([5, 0, 0, 0]); 40];
        scalars[19] = U256([0x0123_4567_89ab_cdef, 42, 43, 44]);
        assert!(curve.multiply_base(&scalars).is_ok());
        let mut digits = vec![[[0; GROUP]; 2]; window.windows()];
        recode(window, scalars[16..32].try_into().unwrap(), &mut digits);
        let (w, entry) = (0..window.windows())
            .map(|w| (w, digits[w][0]))
            .find(|(_, entries)| entries[3] != entries[0])
            .map(|(w, entries)| (w, usize::from(entries[3])))
            .unwrap();
        let at = 2 * w * R::PLANES * window.vectors() + entry / 16;
        curve.table[at][entry % 16] ^= 1;
        assert_eq!(curve.multiply_base(&scalars), Err(19));
    }

    #[test]
    fn wrong_points_are_named() {
        a_wrong_point_is_named::<Fma52<Portable>>(Window::Eight);
        a_wrong_point_is_named::<Exact24<Portable>>(Window::Four);
    }

    #[test]
    fn memory_is_wiped() {
        let mut curve = Curve::<Fma52<Portable>>::new(Window::Four);
        curve.multiply_base(&[U256([77, 78, 79, 80]); 3]).unwrap();
        for residue in curve.xs.iter().chain(&curve.ys).chain(&curve.before) {
            assert!(
                Fma52::<Portable>::to_limbs(residue)
                    .iter()
                    .all(|limb| *limb == [0; 2])
            );
        }
        assert!(curve.digits.iter().all(|digits| *digits == [[0; GROUP]; 2]));
    }
}
