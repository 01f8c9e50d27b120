//! wasm-bindgen exports of the core: copy in, call, copy out, wipe.
#![forbid(unsafe_code)]
