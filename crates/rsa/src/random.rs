use crate::RsaError;

/// A cryptographic source of randomness.
pub trait Random {
    /// Fills all of `out` with independent uniform bytes.
    ///
    /// # Errors
    /// [`RsaError::Randomness`] when it cannot.
    fn fill(&mut self, out: &mut [u8]) -> Result<(), RsaError>;
}
