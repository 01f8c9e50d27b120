//! Secrets that compiled code spills: its locals lie on a stack in linear memory, and returning does not clear it.

use std::hint::black_box;

/// The deepest call measured leaves traces 5 KiB below its caller; the whole stack has 1 MiB.
const DEPTH: usize = 128 << 10;

/// Runs `call`, then overwrites the part of the stack that it used.
pub(crate) fn scrubbed<T>(call: impl FnOnce() -> T) -> T {
    let result = apart(call);
    overwrite();
    result
}

/// Kept out of the caller's frame, which `overwrite` cannot reach.
#[inline(never)]
fn apart<T>(call: impl FnOnce() -> T) -> T {
    call()
}

#[inline(never)]
fn overwrite() {
    let mut below = [0u8; DEPTH];
    black_box(&mut below);
}
