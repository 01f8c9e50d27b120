//! Whether secrets change what is done: the sequence of lane operations, and the addresses of the bytes they load, are
//! equal for all secrets tried, of which half are extreme. `limb::trace` says what that cannot show; here the scalar code
//! around the lanes is the recoding and the border conversions and division steps of `u256.rs` and `inverse.rs`, which are
//! branch-free as written. No double here is ever subnormal, infinite or not a number, for which instructions are known to
//! be slower.

use limb::trace::{Noting, noted};

use crate::curve::{Curve, Window};
use crate::field::Repr;
use crate::field::exact24::Exact24;
use crate::field::fma52::Fma52;
use crate::modulus::{Modulus, N, P};
use crate::sign::Signer;
use crate::u256::U256;

/// Sixteen secrets for each of twelve runs.
fn secrets() -> Vec<[U256; 16]> {
    let n_less = |x| N::VALUE.sub(U256([x, 0, 0, 0])).0;
    let mut state = 1u64;
    let mut word = || {
        state = state
            .wrapping_mul(0x5851_f42d_4c95_7f2d)
            .wrapping_add(0x1405_7b7e_f767_814f);
        state ^ (state >> 31)
    };
    let mut runs = vec![
        [U256::ONE; 16],
        [U256([2, 0, 0, 0]); 16],
        [n_less(1); 16],
        [n_less(2); 16],
        [U256([0, 0, 0, 1 << 63]); 16],
        [U256([u64::MAX, u64::MAX, u64::MAX, u64::MAX >> 1]); 16],
    ];
    for _ in 0..6 {
        runs.push(core::array::from_fn(|_| {
            U256([word(), word(), word(), word()]).reduce_once::<N>()
        }));
    }
    runs
}

fn multiples<R: Repr>(window: Window) {
    let mut curve = Curve::<R>::new(window);
    curve.multiply_base(&[U256::ONE; 16]).unwrap();
    let traces: Vec<_> = secrets()
        .iter()
        .map(|secrets| {
            noted(|| {
                curve.multiply_base(secrets).unwrap();
            })
        })
        .collect();
    assert!(traces[0].operations > 100_000);
    assert!(traces.iter().all(|trace| *trace == traces[0]), "{traces:?}");
}

fn signatures<R: Repr>() {
    let mut curve = Curve::<R>::new(Window::Four);
    let traces: Vec<_> = secrets()
        .iter()
        .map(|secrets| {
            let secret = secrets[3].to_be_bytes();
            let digest = [[7; 32], [8; 32], [9; 32]];
            let sign = || {
                let signer = Signer::<R>::new(&secret);
                signer
                    .sign(&mut curve, &digest, &[&[1; 16][..]; 3], 0)
                    .unwrap();
            };
            noted(sign)
        })
        .collect();
    assert!(
        traces
            .iter()
            .all(|trace| trace.operations == traces[0].operations),
        "{traces:?}"
    );
}

#[test]
fn multiples_do_the_same_for_all_secrets() {
    multiples::<Fma52<Noting>>(Window::Four);
    multiples::<Fma52<Noting>>(Window::Eight);
    multiples::<Exact24<Noting>>(Window::Eight);
}

/// The cost of a batch in lane operations, which no machine's noise hides: 31 additions of 4
/// multiplications by 5 * 25 and 1 squaring by 5 * 15 of them and their reductions, a look-up in
/// every window, the border; loads of constants and
/// bit casts, which cost next to nothing, are counted too. 52137 when written.
#[test]
fn operations_of_a_batch() {
    let mut curve = Curve::<Fma52<Noting>>::new(Window::Eight);
    let scalars = [U256([3, 5, 7, 11]); 128];
    let notes = noted(|| {
        curve.multiply_base(&scalars).unwrap();
    });
    let each = notes.operations / 128;
    assert!(each <= 52_700, "{each} lane operations a multiple");
}

/// Counts only: the addresses of a signature's temporary memory differ from call to call.
#[test]
fn signatures_do_the_same_for_all_secrets() {
    signatures::<Fma52<Noting>>();
    signatures::<Exact24<Noting>>();
}

/// What a leaf costs in field multiplications, whatever the machine: its key and its nonce are a multiple of the base
/// point each, 31 additions of 5 multiplications and 1 squaring, and the signature is some products modulo n. Squarings
/// count by the products of limbs in them. 378 when written.
#[test]
fn field_multiplications_of_a_leaf() {
    type R = Fma52<Noting>;
    let operand = R::load([U256([3, 5, 7, 11]); 2]);
    let product = noted(|| _ = R::mul::<P>(&R::loose(&operand), &operand));
    let mut curve = Curve::<R>::new(Window::Eight);
    let signer = Signer::<R>::new(&U256([2, 3, 5, 7]).to_be_bytes());
    let leaves = noted(|| {
        curve.multiply_base(&[U256([3, 5, 7, 11]); 128]).unwrap();
        signer
            .sign(&mut curve, &[[7; 32]; 128], &[&[1; 16][..]; 128], 0)
            .unwrap();
    });
    // A vector holds two.
    let each = 2 * leaves.multiplications / 128 / product.multiplications;
    assert!(each <= 385, "{each} field multiplications a leaf");
}
