//! What can go wrong, by row.

use core::fmt;

/// A refusal or a failed check. Rows count from 0 in the caller's order. No variant holds a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum P256Error {
    /// The source of randomness failed, or gave what no working source gives.
    Randomness,
    /// A scalar is 0 or not below the group's order.
    ScalarRange {
        /// Index of the scalar in the caller's list.
        row: usize,
    },
    /// A computed point does not satisfy the curve's equation.
    PointCheck {
        /// Index of the scalar, key or digest whose point it is.
        row: usize,
    },
    /// A computed signature does not satisfy `s * k = z + r * d`.
    SignatureCheck {
        /// Index of the digest in the caller's list.
        row: usize,
    },
    /// The forced lanes need a fused multiply-add, and this CPU or engine has none.
    NotFused,
}

impl fmt::Display for P256Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Randomness => f.write_str(
                "the source of randomness failed; check the system's random number generator and run again",
            ),
            Self::ScalarRange { row } => write!(
                f,
                "row {row}: the scalar is 0 or not below the order of P-256; make a new key"
            ),
            Self::PointCheck { row } => write!(
                f,
                "row {row}: a computed point is not on P-256, nothing was handed out; check this machine's memory and CPU, then run again"
            ),
            Self::SignatureCheck { row } => write!(
                f,
                "row {row}: a computed signature failed its check, nothing was handed out; check this machine's memory and CPU, then run again"
            ),
            Self::NotFused => f.write_str(
                "this CPU has no fused multiply-add; choose the lanes `auto`, `simd` or `scalar`",
            ),
        }
    }
}

impl core::error::Error for P256Error {}

impl P256Error {
    /// The same of a part of the caller's list that starts at row `first`.
    pub(crate) fn after(self, first: usize) -> Self {
        match self {
            Self::ScalarRange { row } => Self::ScalarRange { row: row + first },
            Self::PointCheck { row } => Self::PointCheck { row: row + first },
            Self::SignatureCheck { row } => Self::SignatureCheck { row: row + first },
            other => other,
        }
    }
}
