//! Lanes of one instruction set each.

pub mod portable;
#[cfg(all(target_arch = "wasm32", target_feature = "relaxed-simd"))]
pub mod wasm;
