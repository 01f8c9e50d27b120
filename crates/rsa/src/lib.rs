//! RSA keys: sieve, primality, generation, CRT signing.
#![forbid(unsafe_code)]
