//! P-256 in batches: field, points, fixed-base tables, ECDSA.
#![forbid(unsafe_code)]
