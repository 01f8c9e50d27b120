use rand_core::{TryCryptoRng, TryRng};
use ring::rand::{SecureRandom, SystemRandom};
use std::convert::Infallible;

/// The operating system's randomness: `crypto.getRandomValues` in WebAssembly.
///
/// Panics when the system gives none: nothing sensible can be done without it, and every caller is about to make a secret.
#[derive(Debug, Clone)]
pub struct SystemRng(SystemRandom);

impl Default for SystemRng {
    fn default() -> Self {
        Self(SystemRandom::new())
    }
}

impl TryRng for SystemRng {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        let mut octets = [0; 4];
        self.try_fill_bytes(&mut octets)?;
        Ok(u32::from_le_bytes(octets))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let mut octets = [0; 8];
        self.try_fill_bytes(&mut octets)?;
        Ok(u64::from_le_bytes(octets))
    }

    fn try_fill_bytes(&mut self, octets: &mut [u8]) -> Result<(), Infallible> {
        assert!(
            self.0.fill(octets).is_ok(),
            "the system gives no random numbers"
        );
        Ok(())
    }
}

impl TryCryptoRng for SystemRng {}
