use limb::arch::Vector;
use limb::lanes::Lanes;

use crate::RsaError;

/// Which arithmetic runs the batches. The keys are the same for all of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LaneChoice {
    /// The fastest that this CPU proves to have.
    #[default]
    Auto,
    /// Doubles with a fused multiply-add.
    Fma,
    /// 64-bit integers in vectors.
    Simd,
    /// Plain integers.
    Scalar,
}

/// What [`LaneChoice`] came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Chosen {
    Fma,
    Simd,
    Scalar,
}

impl LaneChoice {
    /// Runs the probe of [`Lanes::fused`].
    pub(crate) fn resolve(self) -> Result<Chosen, RsaError> {
        match self {
            Self::Auto if Vector::fused() => Ok(Chosen::Fma),
            Self::Auto | Self::Simd => Ok(Chosen::Simd),
            Self::Fma if Vector::fused() => Ok(Chosen::Fma),
            Self::Fma => Err(RsaError::NotFused),
            Self::Scalar => Ok(Chosen::Scalar),
        }
    }
}
