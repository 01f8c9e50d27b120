//! Certificates and keys: rcgen and ring for the ordinary, PEM and DER in and out.
#![forbid(unsafe_code)]
