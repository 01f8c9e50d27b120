use std::fmt;

/// What can fail in this crate. No variant carries secret material.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Error {
    /// The passphrase does not open the encrypted key.
    WrongPassphrase,
    /// The key is encrypted and no passphrase was given.
    PassphraseNeeded,
    /// Well-formed input of a kind this crate does not handle; the text says which.
    Unsupported(String),
    /// Input that is not what it should be; the text says where it is wrong.
    Malformed(String),
    /// A key below the limits at which it may be made or used.
    WeakKey(String),
    /// A result that failed its own check; nothing of it was handed out.
    SelfCheckFailed(String),
    /// A library call failed that should not.
    Internal(String),
}

impl Error {
    /// The stable code of the failure, as `CoreErrorCode` in `packages/core` lists it.
    pub fn code(&self) -> &'static str {
        match self {
            Self::WrongPassphrase => "wrong-passphrase",
            Self::PassphraseNeeded => "passphrase-needed",
            Self::Unsupported(_) => "unsupported",
            Self::Malformed(_) => "malformed",
            Self::WeakKey(_) => "weak-key",
            Self::SelfCheckFailed(_) => "self-check-failed",
            Self::Internal(_) => "internal",
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WrongPassphrase => f.write_str("the passphrase does not open the key"),
            Self::PassphraseNeeded => f.write_str("the key is encrypted: a passphrase is needed"),
            Self::Unsupported(text)
            | Self::Malformed(text)
            | Self::WeakKey(text)
            | Self::SelfCheckFailed(text)
            | Self::Internal(text) => f.write_str(text),
        }
    }
}

impl std::error::Error for Error {}

pub(crate) fn malformed(text: impl Into<String>) -> Error {
    Error::Malformed(text.into())
}

pub(crate) fn unsupported(text: impl Into<String>) -> Error {
    Error::Unsupported(text.into())
}

pub(crate) fn internal(text: impl Into<String>) -> Error {
    Error::Internal(text.into())
}
