//! Lanes of one instruction set each.

pub mod portable;
#[cfg(all(target_arch = "wasm32", target_feature = "relaxed-simd"))]
pub mod wasm;

/// The widest lanes that this target has; [`crate::lanes::Lanes::fused`] still has to be asked.
#[cfg(all(target_arch = "wasm32", target_feature = "relaxed-simd"))]
pub type Vector = wasm::Wasm;
/// The widest lanes that this target has; [`crate::lanes::Lanes::fused`] still has to be asked.
#[cfg(not(all(target_arch = "wasm32", target_feature = "relaxed-simd")))]
pub type Vector = portable::Portable;
