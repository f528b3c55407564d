//! How weights are rounded to blocks: exactly as ggml does it, so that a file made here and one made
//! by its tools are the same file.
//!
//! The specification is `quantize_row_q8_0_ref` and `quantize_row_q4_0_ref` of ggml-quants.c, compiled
//! without fused multiply-adds, as ggml ships them for x86-64: a product is rounded before 8.5 is added.

use half::f16;
use qlens::quant::GROUP;

/// Bytes of a Q8_0 block: an f16 scale and 32 int8.
pub const Q8_0_BYTES: usize = 2 + GROUP;
/// Bytes of a Q4_0 block: an f16 scale and 32 nibbles.
pub const Q4_0_BYTES: usize = 2 + GROUP / 2;

/// A Q8_0 block: the largest magnitude becomes 127, ties round away from zero.
///
/// Whatever the weights are, this gives some block; whether it stands for them says [`is_sound`].
pub fn q8_0(weights: &[f32; GROUP]) -> [u8; Q8_0_BYTES] {
    let magnitude = weights
        .iter()
        .fold(0.0, |most: f32, weight| most.max(weight.abs()));
    let d = magnitude / 127.0;
    let inverse = inverse(d);
    let mut block = [0; Q8_0_BYTES];
    let (scale, quants) = block.split_at_mut(2);
    scale.copy_from_slice(&f16::from_f32(d).to_le_bytes());
    for (quant, weight) in quants.iter_mut().zip(weights) {
        *quant = (weight * inverse).round() as i8 as u8;
    }
    block
}

/// A Q4_0 block: the weight of the largest magnitude, the first of them, becomes -8, so that a block
/// whose extreme is positive has a negative scale.
///
/// Whatever the weights are, this gives some block; whether it stands for them says [`is_sound`].
pub fn q4_0(weights: &[f32; GROUP]) -> [u8; Q4_0_BYTES] {
    let extreme = weights.iter().fold(0.0, |most: f32, &weight| {
        if most.abs() < weight.abs() {
            weight
        } else {
            most
        }
    });
    let d = extreme / -8.0;
    // The scale is stored rounded, and the quants are computed from what it was before.
    let inverse = inverse(d);
    let quant = |weight: f32| ((weight * inverse + 8.5) as i8).clamp(0, 15) as u8;
    let mut block = [0; Q4_0_BYTES];
    let (scale, quants) = block.split_at_mut(2);
    scale.copy_from_slice(&f16::from_f32(d).to_le_bytes());
    let (low, high) = weights.split_at(GROUP / 2);
    for ((pair, &low), &high) in quants.iter_mut().zip(low).zip(high) {
        *pair = quant(low) | quant(high) << 4;
    }
    block
}

/// Whether a block can stand for these weights: they are finite, and no larger than its scale can say.
pub fn is_sound(weights: &[f32; GROUP], block: &[u8]) -> bool {
    let scale = f16::from_le_bytes([block[0], block[1]]);
    scale.is_finite() && weights.iter().all(|weight| weight.is_finite())
}

fn inverse(d: f32) -> f32 {
    if d == 0.0 { 0.0 } else { 1.0 / d }
}
