//! The order in which a product's columns are summed, the same for every representation.
//!
//! Column k of `a * b` is the sum of all `a[i] * b[k - i]`. Four neighbouring columns are summed
//! together, row by row: a row reads one new limb of each operand for four products. The rows
//! that reach all four columns are a loop, the few that don't are written out. One row a turn is
//! deliberate: V8 unrolls such a loop itself, whereas LLVM turns four rows into one long
//! expression a column, and V8 spills (231 against 211 ns for a squaring of 1024 bits).

/// How limbs are multiplied and summed.
pub(super) trait Sums {
    /// One limb of every instance.
    type Limb: Copy;
    /// The running sum of a column.
    type Sum: Copy;

    /// No limb.
    fn zero(&self) -> Self::Limb;
    /// What a column starts from.
    fn start(&self) -> Self::Sum;
    /// `sum += a * b`.
    fn add(sum: &mut Self::Sum, a: Self::Limb, b: Self::Limb);
}

/// Where finished columns go.
pub(super) trait Sink<S: Sums> {
    /// Takes the sums of the next C columns, in ascending order.
    fn take<const C: usize>(&mut self, s: &S, sums: [S::Sum; C]);

    /// Makes room in the sums of the next C columns, that hold one product, for another one.
    fn between<const C: usize>(&mut self, _: &S, _: &mut [S::Sum; C]) {}
}

/// Cuts the first C elements off a slice.
#[inline(always)]
pub(super) fn next<'a, T, const C: usize>(rest: &mut &'a mut [T]) -> &'a mut [T; C] {
    let (first, others) = core::mem::take(rest)
        .split_first_chunk_mut()
        .expect("a product has two columns a limb");
    *rest = others;
    first
}

/// Columns `0..n` of `a * b`, in ascending order. Pre: `a.len() == b.len() == n`.
#[inline(always)]
pub(super) fn low<S: Sums>(s: &S, a: &[S::Limb], b: &[S::Limb], sink: &mut impl Sink<S>) {
    let n = a.len();
    let mut k = 0;
    while k + 4 <= n {
        low_block::<S, 4>(s, a, b, k, sink);
        k += 4;
    }
    match n - k {
        1 => low_block::<S, 1>(s, a, b, k, sink),
        2 => low_block::<S, 2>(s, a, b, k, sink),
        3 => low_block::<S, 3>(s, a, b, k, sink),
        _ => {}
    }
}

/// Columns `first..2n` of `a * b`; the last one is empty. Pre: as [`low`], `4 <= n <= first`.
#[inline(always)]
pub(super) fn high<S: Sums>(
    s: &S,
    a: &[S::Limb],
    b: &[S::Limb],
    first: usize,
    sink: &mut impl Sink<S>,
) {
    let n = a.len();
    let mut k = first;
    while k + 4 <= 2 * n {
        let mut sums = [s.start(); 4];
        head::<S>(&mut sums, &a[k - n + 1..], &b[n - 3..]);
        rows::<S, 4>(s, &mut sums, &a[k - n + 4..], &b[k - n + 1..]);
        sink.take(s, sums);
        k += 4;
    }
    // The last column is empty; those before it have one, two, ... products.
    match 2 * n - k {
        1 => sink.take(s, [s.start()]),
        2 => sink.take(s, last::<S, 2>(s, a, b)),
        3 => sink.take(s, last::<S, 3>(s, a, b)),
        _ => {}
    }
}

/// Columns `n - 2..n + 2` of `a * b`. Pre: as [`low`], `n >= 4`.
#[inline(always)]
pub(super) fn edge<S: Sums>(s: &S, a: &[S::Limb], b: &[S::Limb]) -> [S::Sum; 4] {
    let n = a.len();
    let mut sums = [s.start(); 4];
    // Rows 2..n-1 reach all four columns, the others some of them.
    S::add(&mut sums[0], a[0], b[n - 2]);
    S::add(&mut sums[0], a[1], b[n - 3]);
    S::add(&mut sums[1], a[0], b[n - 1]);
    S::add(&mut sums[1], a[1], b[n - 2]);
    S::add(&mut sums[2], a[1], b[n - 1]);
    rows::<S, 4>(s, &mut sums, &a[2..n - 1], b);
    S::add(&mut sums[1], a[n - 1], b[0]);
    S::add(&mut sums[2], a[n - 1], b[1]);
    S::add(&mut sums[3], a[n - 1], b[2]);
    sums
}

/// Columns `0..end` of `x^2`. Pre: `twice[i] = 2 * x[i]`, `end <= n`.
#[inline(always)]
pub(super) fn square_low<S: Sums>(
    s: &S,
    x: &[S::Limb],
    twice: &[S::Limb],
    end: usize,
    sink: &mut impl Sink<S>,
) {
    let mut k = 0;
    while k + 4 <= end {
        square_low_block::<S, 4>(s, x, twice, k, sink);
        k += 4;
    }
    match end - k {
        1 => square_low_block::<S, 1>(s, x, twice, k, sink),
        2 => square_low_block::<S, 2>(s, x, twice, k, sink),
        3 => square_low_block::<S, 3>(s, x, twice, k, sink),
        _ => {}
    }
}

/// Columns `n - 2..n + 2` of `x^2`. Pre: as [`square_low`], `n >= 6`.
#[inline(always)]
pub(super) fn square_edge<S: Sums>(s: &S, x: &[S::Limb], twice: &[S::Limb]) -> [S::Sum; 4] {
    let n = x.len();
    let mut sums = [s.start(); 4];
    // Rows 0 and 1 reach two and three of the columns.
    S::add(&mut sums[0], twice[0], x[n - 2]);
    S::add(&mut sums[0], twice[1], x[n - 3]);
    S::add(&mut sums[1], twice[0], x[n - 1]);
    S::add(&mut sums[1], twice[1], x[n - 2]);
    S::add(&mut sums[2], twice[1], x[n - 1]);
    let k = n - 2;
    let h = k.div_ceil(2);
    rows::<S, 4>(s, &mut sums, &twice[2..h], &x[k + 1 - h..n]);
    diagonal::<S, 4>(&mut sums, x, twice, k);
    sums
}

/// Columns `n + 2..2n` of `x^2 + a * b`; the last one is empty. Pre: as [`square_low`], `n >= 6`.
#[inline(always)]
pub(super) fn square_and_product_high<S: Sums>(
    s: &S,
    [x, twice]: [&[S::Limb]; 2],
    [a, b]: [&[S::Limb]; 2],
    sink: &mut impl Sink<S>,
) {
    let n = x.len();
    let mut k = n + 2;
    // As in `square_high`.
    while k / 2 + 4 <= n {
        let mut sums = [s.start(); 4];
        head::<S>(&mut sums, &twice[k - n + 1..], &x[n - 3..]);
        let shared = &twice[k - n + 4..k.div_ceil(2)];
        rows::<S, 4>(s, &mut sums, shared, &x[n - 3 - shared.len()..]);
        diagonal::<S, 4>(&mut sums, x, twice, k);
        sink.between(s, &mut sums);
        head::<S>(&mut sums, &a[k - n + 1..], &b[n - 3..]);
        rows::<S, 4>(s, &mut sums, &a[k - n + 4..], &b[k - n + 1..]);
        sink.take(s, sums);
        k += 4;
    }
    match 2 * n - k {
        3 => square_and_last::<S, 3>(s, [x, twice], [a, b], sink),
        4 => square_and_last::<S, 4>(s, [x, twice], [a, b], sink),
        5 => square_and_last::<S, 5>(s, [x, twice], [a, b], sink),
        _ => square_and_last::<S, 6>(s, [x, twice], [a, b], sink),
    }
}

/// Columns `n + 2..2n` of `a * b + c * d`; the last one is empty. Pre: as [`low`], `n >= 4`.
#[inline(always)]
pub(super) fn products_high<S: Sums>(
    s: &S,
    [a, b]: [&[S::Limb]; 2],
    [c, d]: [&[S::Limb]; 2],
    sink: &mut impl Sink<S>,
) {
    let n = a.len();
    let mut k = n + 2;
    while k + 4 <= 2 * n {
        let mut sums = [s.start(); 4];
        head::<S>(&mut sums, &a[k - n + 1..], &b[n - 3..]);
        rows::<S, 4>(s, &mut sums, &a[k - n + 4..], &b[k - n + 1..]);
        sink.between(s, &mut sums);
        head::<S>(&mut sums, &c[k - n + 1..], &d[n - 3..]);
        rows::<S, 4>(s, &mut sums, &c[k - n + 4..], &d[k - n + 1..]);
        sink.take(s, sums);
        k += 4;
    }
    match 2 * n - k {
        1 => sink.take(s, [s.start()]),
        2 => products_last::<S, 2>(s, [a, b], [c, d], sink),
        3 => products_last::<S, 3>(s, [a, b], [c, d], sink),
        _ => {}
    }
}

/// Columns `2n - C..2n` of `a * b + c * d`. Pre: `C - 1 <= n`.
#[inline(always)]
fn products_last<S: Sums, const C: usize>(
    s: &S,
    [a, b]: [&[S::Limb]; 2],
    [c, d]: [&[S::Limb]; 2],
    sink: &mut impl Sink<S>,
) {
    let mut sums = last::<S, C>(s, a, b);
    sink.between(s, &mut sums);
    add_last::<S, C>(&mut sums, c, d);
    sink.take(s, sums);
}

/// Columns `2n - C..2n` of `x^2 + a * b`. Pre: `C - 1 <= n`.
#[inline(always)]
fn square_and_last<S: Sums, const C: usize>(
    s: &S,
    [x, twice]: [&[S::Limb]; 2],
    [a, b]: [&[S::Limb]; 2],
    sink: &mut impl Sink<S>,
) {
    let mut sums = square_last::<S, C>(s, x, twice);
    sink.between(s, &mut sums);
    add_last::<S, C>(&mut sums, a, b);
    sink.take(s, sums);
}

/// Columns `n..2n` of `x^2`; the last one is empty. Pre: as [`square_low`].
#[inline(always)]
pub(super) fn square_high<S: Sums>(
    s: &S,
    x: &[S::Limb],
    twice: &[S::Limb],
    sink: &mut impl Sink<S>,
) {
    let n = x.len();
    let mut k = n;
    // Four columns have rows in common, and the diagonal's limbs exist, as long as this holds.
    while k / 2 + 4 <= n {
        let mut sums = [s.start(); 4];
        head::<S>(&mut sums, &twice[k - n + 1..], &x[n - 3..]);
        let shared = &twice[k - n + 4..k.div_ceil(2)];
        rows::<S, 4>(s, &mut sums, shared, &x[n - 3 - shared.len()..]);
        diagonal::<S, 4>(&mut sums, x, twice, k);
        sink.take(s, sums);
        k += 4;
    }
    match 2 * n - k {
        3 => sink.take(s, square_last::<S, 3>(s, x, twice)),
        4 => sink.take(s, square_last::<S, 4>(s, x, twice)),
        5 => sink.take(s, square_last::<S, 5>(s, x, twice)),
        _ => sink.take(s, square_last::<S, 6>(s, x, twice)),
    }
}

#[inline(always)]
fn low_block<S: Sums, const C: usize>(
    s: &S,
    a: &[S::Limb],
    b: &[S::Limb],
    k: usize,
    sink: &mut impl Sink<S>,
) {
    let mut sums = [s.start(); C];
    rows::<S, C>(s, &mut sums, &a[..k], &b[1..k + C]);
    let (a, b) = (&a[k..k + C], &b[..C]);
    for c in 0..C {
        for row in 0..=c {
            S::add(&mut sums[c], a[row], b[c - row]);
        }
    }
    sink.take(s, sums);
}

#[inline(always)]
fn square_low_block<S: Sums, const C: usize>(
    s: &S,
    x: &[S::Limb],
    twice: &[S::Limb],
    k: usize,
    sink: &mut impl Sink<S>,
) {
    let mut sums = [s.start(); C];
    let h = k.div_ceil(2);
    rows::<S, C>(s, &mut sums, &twice[..h], &x[k + 1 - h..k + C]);
    diagonal::<S, C>(&mut sums, x, twice, k);
    sink.take(s, sums);
}

/// Columns `2n - C..2n` of `a * b`. Pre: `C - 1 <= n`.
#[inline(always)]
fn last<S: Sums, const C: usize>(s: &S, a: &[S::Limb], b: &[S::Limb]) -> [S::Sum; C] {
    let mut sums = [s.start(); C];
    add_last::<S, C>(&mut sums, a, b);
    sums
}

#[inline(always)]
fn add_last<S: Sums, const C: usize>(sums: &mut [S::Sum; C], a: &[S::Limb], b: &[S::Limb]) {
    let (a, b) = (&a[a.len() + 1 - C..], &b[b.len() + 1 - C..]);
    for (c, sum) in sums.iter_mut().enumerate().take(C - 1) {
        for i in c..C - 1 {
            S::add(sum, a[i], b[C - 2 + c - i]);
        }
    }
}

/// Columns `2n - C..2n` of `x^2`. Pre: `C - 1 <= n`.
#[inline(always)]
fn square_last<S: Sums, const C: usize>(s: &S, x: &[S::Limb], twice: &[S::Limb]) -> [S::Sum; C] {
    let (x, twice) = (&x[x.len() + 1 - C..], &twice[x.len() + 1 - C..]);
    let mut sums = [s.start(); C];
    for (c, sum) in sums.iter_mut().enumerate().take(C - 1) {
        for i in c..(C - 1 + c).div_ceil(2) {
            let j = C - 2 + c - i;
            S::add(sum, if i == j { x[i] } else { twice[i] }, x[j]);
        }
    }
    sums
}

/// Adds `a[r] * b[m - 1 - r + c]` for every row `r < m` to each sum `c`: m by C products.
///
/// Pre: `b.len() == a.len() + C - 1`.
#[inline(always)]
fn rows<S: Sums, const C: usize>(s: &S, sums: &mut [S::Sum; C], a: &[S::Limb], b: &[S::Limb]) {
    debug_assert_eq!(b.len(), a.len() + C - 1);
    let (body, tail) = b.split_at(a.len());
    // The window of b: entry c belongs to column c; each row shifts one in at the front.
    let mut window = [s.zero(); C];
    window[..C - 1].copy_from_slice(&tail[..C - 1]);
    for (x, y) in a.iter().zip(body.iter().rev()) {
        for c in (1..C).rev() {
            window[c] = window[c - 1];
        }
        window[0] = *y;
        for c in 0..C {
            S::add(&mut sums[c], *x, window[c]);
        }
    }
}

/// The six products of a high block's first three rows.
#[inline(always)]
fn head<S: Sums>(sums: &mut [S::Sum; 4], a: &[S::Limb], b: &[S::Limb]) {
    let (a, b) = (&a[..3], &b[..3]);
    for c in 0..3 {
        for row in c..3 {
            S::add(&mut sums[c], a[row], b[2 + c - row]);
        }
    }
}

/// The products of a square's last rows in a block, `k` being its first column.
#[inline(always)]
fn diagonal<S: Sums, const C: usize>(
    sums: &mut [S::Sum; C],
    x: &[S::Limb],
    twice: &[S::Limb],
    k: usize,
) {
    let h = k.div_ceil(2);
    if k.is_multiple_of(2) {
        let (x, t) = (&x[h..h + C], &twice[h..h + C]);
        S::add(&mut sums[0], x[0], x[0]);
        if C > 1 {
            S::add(&mut sums[1], t[0], x[1]);
        }
        if C > 2 {
            S::add(&mut sums[2], t[0], x[2]);
            S::add(&mut sums[2], x[1], x[1]);
        }
        if C > 3 {
            S::add(&mut sums[3], t[0], x[3]);
            S::add(&mut sums[3], t[1], x[2]);
        }
    } else if C > 1 {
        let (x, t) = (&x[h..h + C - 1], &twice[h..h + C - 1]);
        S::add(&mut sums[1], x[0], x[0]);
        if C > 2 {
            S::add(&mut sums[2], t[0], x[1]);
        }
        if C > 3 {
            S::add(&mut sums[3], t[0], x[2]);
            S::add(&mut sums[3], x[1], x[1]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Limbs are small integers, so that a column's sum needs no arithmetic of ours.
    struct Plain;

    impl Sums for Plain {
        type Limb = u64;
        type Sum = u64;

        fn zero(&self) -> u64 {
            0
        }
        fn start(&self) -> u64 {
            0
        }
        fn add(sum: &mut u64, a: u64, b: u64) {
            *sum += a * b;
        }
    }

    impl Sink<Plain> for Vec<u64> {
        fn take<const C: usize>(&mut self, _: &Plain, sums: [u64; C]) {
            self.extend(sums);
        }
    }

    #[test]
    fn every_product_is_summed_once() {
        for n in 4..40 {
            // Powers of a large base are not needed: distinct odd limbs tell a missing product.
            let a: Vec<u64> = (0..n).map(|i| 1 + 1_000_003 * i as u64 % 8191).collect();
            let b: Vec<u64> = (0..n).map(|i| 1 + 999_983 * i as u64 % 8179).collect();
            let twice: Vec<u64> = a.iter().map(|x| 2 * x).collect();
            let column = |a: &[u64], b: &[u64], k: usize| -> u64 {
                (0..n)
                    .filter(|i| (i..=&(i + n - 1)).contains(&&k))
                    .map(|i| a[i] * b[k - i])
                    .sum()
            };
            let mut seen = Vec::new();
            low(&Plain, &a, &b, &mut seen);
            high(&Plain, &a, &b, n, &mut seen);
            let expected: Vec<_> = (0..2 * n).map(|k| column(&a, &b, k)).collect();
            assert_eq!(seen, expected, "product, {n} limbs");

            seen.clear();
            seen.extend(edge(&Plain, &a, &b));
            high(&Plain, &a, &b, n + 2, &mut seen);
            assert_eq!(seen, expected[n - 2..], "upper columns, {n} limbs");

            seen.clear();
            products_high(&Plain, [&a, &b], [&b, &twice], &mut seen);
            let both: Vec<_> = (n + 2..2 * n)
                .map(|k| column(&a, &b, k) + column(&b, &twice, k))
                .collect();
            assert_eq!(seen, both, "two products, {n} limbs");

            seen.clear();
            square_low(&Plain, &a, &twice, n, &mut seen);
            square_high(&Plain, &a, &twice, &mut seen);
            let expected: Vec<_> = (0..2 * n).map(|k| column(&a, &a, k)).collect();
            assert_eq!(seen, expected, "square, {n} limbs");

            if n >= 6 {
                seen.clear();
                seen.extend(square_edge(&Plain, &a, &twice));
                assert_eq!(seen, expected[n - 2..n + 2], "edge of a square, {n} limbs");

                seen.clear();
                square_and_product_high(&Plain, [&a, &twice], [&a, &b], &mut seen);
                let both: Vec<_> = (n + 2..2 * n)
                    .map(|k| column(&a, &a, k) + column(&a, &b, k))
                    .collect();
                assert_eq!(seen, both, "square and product, {n} limbs");
            }
        }
    }
}
