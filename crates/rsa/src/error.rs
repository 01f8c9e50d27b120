use core::fmt;

/// Why no key or signature came out. Never holds a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RsaError {
    /// The key size, in bits, is outside 2048..=8192 or not a multiple of 64.
    UnsupportedSize(u32),
    /// The source of randomness failed; the text is its own.
    Randomness(String),
    /// [`crate::LaneChoice::Fma`] was demanded of a CPU without a fused multiply-add.
    NotFused,
    /// A PKCS#1 structure or a pair of primes is no usable key; the text says what is wrong.
    InvalidKey(&'static str),
    /// The data to sign do not fit the modulus: lengths in bytes.
    TooLong {
        /// Length of what was to be signed.
        digest_info: usize,
        /// Most that this key can sign.
        limit: usize,
    },
    /// A signature did not verify with its own key and was withheld.
    Fault,
}

impl fmt::Display for RsaError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnsupportedSize(bits) => write!(
                f,
                "an RSA key of {bits} bits is not supported, take a multiple of 64 from 2048 to 8192"
            ),
            Self::Randomness(cause) => write!(f, "no randomness: {cause}"),
            Self::NotFused => write!(
                f,
                "this CPU has no fused multiply-add, choose the lanes `simd` or let them be chosen"
            ),
            Self::InvalidKey(what) => write!(f, "not a usable RSA private key: {what}"),
            Self::TooLong { digest_info, limit } => write!(
                f,
                "{digest_info} bytes to sign do not fit this RSA key, which takes {limit}; \
                 use a larger key or a shorter hash"
            ),
            Self::Fault => write!(
                f,
                "the RSA signature did not verify and was withheld; the machine may be faulty, try again"
            ),
        }
    }
}

impl core::error::Error for RsaError {}
