//! ECDSA over a batch of digests under one key. Source: FIPS 186-5, section 6.4.

use crate::P256Error;
use crate::batch::{accumulate, invert_both, wipe};
use crate::curve::{CHUNK, Curve};
use crate::field::{Repr, to_montgomery};
use crate::modulus::N;
use crate::nonce::{Nonces, Shared};
use crate::u256::U256;

/// r and s.
pub(crate) type Scalars = [U256; 2];

/// What one key's signatures share.
pub(crate) struct Signer<R: Repr> {
    nonces: Shared<R::L>,
    /// d in Montgomery form.
    secret: R::Tight,
    one: R::Tight,
}

impl<R: Repr> Drop for Signer<R> {
    fn drop(&mut self) {
        wipe(core::slice::from_mut(&mut self.secret), R::zero());
    }
}

/// The vectors of a batch, one per pair of rows; all of them hold secrets but `r`, `z` and `s`.
struct Batch<R: Repr> {
    r: Vec<R::Tight>,
    z: Vec<R::Tight>,
    /// k in Montgomery form.
    k: Vec<R::Tight>,
    before: Vec<R::Tight>,
}

impl<R: Repr> Drop for Batch<R> {
    fn drop(&mut self) {
        wipe(&mut self.k, R::zero());
        wipe(&mut self.before, R::zero());
    }
}

impl<R: Repr> Signer<R> {
    /// `secret`: 32 bytes, big endian. Pre: in 1..n.
    pub(crate) fn new(secret: &[u8; 32]) -> Self {
        Self {
            nonces: Shared::new(secret),
            secret: to_montgomery::<R, N>([U256::from_be_bytes(secret); 2]),
            one: to_montgomery::<R, N>([U256::ONE; 2]),
        }
    }

    /// Signs at most [`CHUNK`] digests with the given additional data, all of one length. A row of
    /// the result is `None` where r or s came out as zero: then the next nonce is due, `skip` one
    /// higher.
    pub(crate) fn sign(
        &self,
        curve: &mut Curve<R>,
        digests: &[[u8; 32]],
        added: &[&[u8]],
        skip: usize,
    ) -> Result<Vec<Option<Scalars>>, P256Error> {
        let rows = digests.len();
        assert!(rows <= CHUNK && added.len() == rows);
        let z: Vec<U256> = digests
            .iter()
            .map(|digest| U256::from_be_bytes(digest).reduce_once::<N>())
            .collect();
        let mut k = self.draw(&z, added, skip);
        let result = self.sign_with(curve, &z, &k[..rows]);
        wipe(&mut k, U256::ZERO);
        result
    }

    /// Signs with given nonces. Pre: z below n, k in 1..n.
    fn sign_with(
        &self,
        curve: &mut Curve<R>,
        z: &[U256],
        k: &[U256],
    ) -> Result<Vec<Option<Scalars>>, P256Error> {
        let points = curve
            .multiply_base(k)
            .map_err(|row| P256Error::PointCheck { row })?;
        let r: Vec<U256> = points.iter().map(|p| p.x.reduce_once::<N>()).collect();
        self.finish(&r, z, k)
    }

    /// A nonce a row, and up to three more.
    fn draw(&self, z: &[U256], added: &[&[u8]], skip: usize) -> Vec<U256> {
        let mut k = Vec::with_capacity(z.len() + 3);
        for (z, added) in z.chunks(4).zip(added.chunks(4)) {
            let at = |i: usize| i.min(z.len() - 1);
            let hashes = core::array::from_fn(|i| z[at(i)].to_be_bytes());
            let added = core::array::from_fn(|i| added[at(i)]);
            let mut four = Nonces::new(&self.nonces, &hashes, added).first_valid(skip);
            k.extend_from_slice(&four);
            wipe(&mut four, U256::ZERO);
        }
        k
    }

    /// s = (z + r d) / k for each row, checked.
    fn finish(
        &self,
        r: &[U256],
        z: &[U256],
        k: &[U256],
    ) -> Result<Vec<Option<Scalars>>, P256Error> {
        let rows = r.len();
        let pair = |x: &[U256], i: usize| [x[2 * i], x[(2 * i + 1).min(rows - 1)]];
        let load = |x: &[U256]| -> Vec<R::Tight> {
            (0..rows.div_ceil(2)).map(|i| R::load(pair(x, i))).collect()
        };
        let mut batch = Batch::<R> {
            r: load(r),
            z: load(z),
            k: load(k),
            before: vec![R::zero(); rows.div_ceil(2)],
        };
        let square = R::load([R::square_of_r::<N>(); 2]);
        let mut products = [self.one; 2];
        accumulate_nonces::<R>(&mut batch, &square, &mut products);
        let mut inverses = invert_both::<R, N>(&products);
        let mut out = vec![None; rows];
        divide::<R>(&batch, &self.secret, &mut inverses, r, &mut out);
        let s: Vec<U256> = out
            .iter()
            .map(|row| row.map_or(U256::ZERO, |[_, s]| s))
            .collect();
        let s = load(&s);
        if let Some(row) = first_wrong::<R>(&batch, &self.secret, &s, &out) {
            return Err(P256Error::SignatureCheck { row });
        }
        Ok(out)
    }
}

#[inline(never)]
fn accumulate_nonces<R: Repr>(
    batch: &mut Batch<R>,
    square: &R::Tight,
    products: &mut [R::Tight; 2],
) {
    for k in &mut batch.k {
        *k = R::mul::<N>(&R::loose(k), square);
    }
    let k = &batch.k;
    accumulate::<R, N>(|i| R::loose(&k[i]), &mut batch.before, products);
}

/// Fills in r and s where both are not zero.
#[inline(never)]
fn divide<R: Repr>(
    batch: &Batch<R>,
    secret: &R::Tight,
    inverses: &mut [R::Tight; 2],
    r: &[U256],
    out: &mut [Option<Scalars>],
) {
    for i in (0..batch.k.len()).rev() {
        let inverse = &mut inverses[i % 2];
        let own = R::mul::<N>(&R::loose(&batch.before[i]), inverse);
        *inverse = R::mul::<N>(&R::loose(&batch.k[i]), inverse);
        // r d is no Montgomery form: only d had the factor.
        let rd = R::mul::<N>(&R::loose(&batch.r[i]), secret);
        let s = R::mul::<N>(&R::add(&rd, &batch.z[i]), &own);
        let s = R::store::<N>(&s);
        for (lane, &s) in s.iter().enumerate() {
            if let (Some(slot), Some(&r)) = (out.get_mut(2 * i + lane), r.get(2 * i + lane)) {
                *slot = (r != U256::ZERO && s != U256::ZERO).then_some([r, s]);
            }
        }
    }
}

/// The first row with `s k != z + r d`; rows of zero s are no signatures and pass.
#[inline(never)]
fn first_wrong<R: Repr>(
    batch: &Batch<R>,
    secret: &R::Tight,
    s: &[R::Tight],
    out: &[Option<Scalars>],
) -> Option<usize> {
    let one = R::one();
    let mut wrong = None;
    for (i, s) in s.iter().enumerate().rev() {
        let rd = R::mul::<N>(&R::loose(&batch.r[i]), secret);
        let rest = R::mul_sub::<N>(&R::loose(s), &batch.k[i], &rd);
        let rest = R::mul::<N>(&R::sub(&rest, &batch.z[i]), &one);
        let good = R::is_zero(&rest);
        for lane in [1, 0] {
            if !good[lane] && out.get(2 * i + lane).is_some_and(Option::is_some) {
                wrong = Some(2 * i + lane);
            }
        }
    }
    wrong
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::curve::Window;
    use crate::field::exact24::Exact24;
    use crate::field::fma52::Fma52;
    use crate::modulus::Modulus;
    use limb::arch::portable::Portable;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    /// Rows of d, Qx, Qy, k, digest, r, s.
    fn nist() -> Vec<[U256; 7]> {
        let file = include_str!("../tests/vectors/nist-siggen-p256-sha256.txt");
        let integer = |hex: &str| {
            U256(core::array::from_fn(|i| {
                u64::from_str_radix(&hex[48 - 16 * i..64 - 16 * i], 16).unwrap()
            }))
        };
        let rows = file.lines().filter(|line| !line.starts_with('#'));
        rows.map(|row| {
            let columns: Vec<U256> = row.split(' ').map(integer).collect();
            columns.try_into().unwrap()
        })
        .collect()
    }

    fn nist_vectors_with_their_nonces<R: Repr>() {
        let mut curve = Curve::<R>::new(Window::Four);
        let rows = nist();
        assert_eq!(rows.len(), 15);
        for [d, _, _, k, digest, r, s] in rows {
            let signer = Signer::<R>::new(&d.to_be_bytes());
            let z = digest.reduce_once::<N>();
            let signed = signer.sign_with(&mut curve, &[z], &[k]).unwrap();
            assert_eq!(signed, [Some([r, s])]);
        }
    }

    /// A nonce that the point was not made of, and one wrong row among many.
    fn wrong_rows_are_named<R: Repr>() {
        let signer = Signer::<R>::new(&[1; 32]);
        let small = |x| U256([x, 0, 0, 0]);
        let k: Vec<U256> = (1..=5).map(small).collect();
        let r: Vec<U256> = (11..=15).map(small).collect();
        let z: Vec<U256> = (21..=25).map(small).collect();
        let good = signer.finish(&r, &z, &k).unwrap();
        let s: Vec<U256> = good.iter().map(|row| row.unwrap()[1]).collect();
        for wrong in 0..5 {
            let mut s = s.clone();
            s[wrong] = s[wrong].add(U256::ONE).0.reduce_once::<N>();
            let pairs = |x: &[U256]| -> Vec<R::Tight> {
                (0..3)
                    .map(|i| R::load([x[2 * i], x[(2 * i + 1).min(4)]]))
                    .collect()
            };
            let batch = Batch::<R> {
                r: pairs(&r),
                z: pairs(&z),
                k: (0..3)
                    .map(|i| to_montgomery::<R, N>([k[2 * i], k[(2 * i + 1).min(4)]]))
                    .collect(),
                before: Vec::new(),
            };
            let found = first_wrong::<R>(&batch, &signer.secret, &pairs(&s), &good);
            assert_eq!(found, Some(wrong));
        }
        // s = 0 where z = -r d: no signature, and no error either.
        let d = U256::from_be_bytes(&[1; 32]);
        let z = N::VALUE.sub(d).0;
        let zero = signer
            .finish(&[U256::ONE, small(2)], &[z, small(7)], &k[..2])
            .unwrap();
        assert!(zero[0].is_none() && zero[1].is_some());
        let zero = signer.finish(&[U256::ZERO], &[small(7)], &k[..1]).unwrap();
        assert_eq!(zero, [None]);
    }

    #[test]
    fn fma52() {
        nist_vectors_with_their_nonces::<Fma52<Portable>>();
        wrong_rows_are_named::<Fma52<Portable>>();
    }

    #[test]
    fn exact24() {
        nist_vectors_with_their_nonces::<Exact24<Portable>>();
        wrong_rows_are_named::<Exact24<Portable>>();
    }
}
