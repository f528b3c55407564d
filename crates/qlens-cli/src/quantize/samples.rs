//! Weights to test rounding with, and what came of them.

use std::array;

use half::f16;
use qlens::quant::{Format, Layout, Matrix};

/// Bits without a pattern: an xorshift generator.
pub fn noise(state: &mut u32) -> u32 {
    *state ^= *state << 13;
    *state ^= *state >> 17;
    *state ^= *state << 5;
    *state
}

/// In -1..1, of one density for a `power` of 1; with outliers for a higher, odd one.
pub fn weights<const N: usize>(state: &mut u32, power: i32) -> [f32; N] {
    array::from_fn(|_| (noise(state) as i32 as f32 / 2.0_f32.powi(31)).powi(power))
}

/// What blocks stand for.
pub fn read(format: Format, blocks: &[u8]) -> Vec<f32> {
    let len = blocks.len() / format.block_bytes() * format.block_len();
    let mut out = vec![0.0; len];
    let row = Matrix::new(format, Layout::Rows, 1, len, blocks).unwrap();
    assert!(row.dequantize_row(0, &mut out));
    out
}

/// The sum of squares that `found` is off by.
pub fn error(weights: &[f32], found: &[f32]) -> f64 {
    assert_eq!(weights.len(), found.len());
    let errors = weights.iter().zip(found).map(|(&weight, &found)| {
        let off = f64::from(weight) - f64::from(found);
        off * off
    });
    errors.sum()
}

/// What is left of weights in groups of `size`, each with a scale of its own that makes its largest magnitude the end of
/// the levels `-half .. half`.
pub fn symmetric(weights: &[f32], size: usize, half: f32) -> Vec<f32> {
    let group = |group: &[f32]| {
        let extreme = group.iter().fold(0.0, |most: f32, &weight| {
            if most.abs() < weight.abs() {
                weight
            } else {
                most
            }
        });
        let scale = f16::from_f32(extreme / -half).to_f32();
        let level = |weight: f32| (weight / scale).round().clamp(-half, half - 1.0);
        group.iter().map(|&x| scale * level(x)).collect::<Vec<_>>()
    };
    weights.chunks(size).flat_map(group).collect()
}

/// What is left of weights in groups of 32, each with a scale and a minimum of its own that make its smallest weight, if
/// it is negative, level 0 and its largest `top`.
pub fn affine(weights: &[f32], top: f32) -> Vec<f32> {
    let group = |group: &[f32]| {
        let low = group.iter().fold(0.0, |low: f32, &x| low.min(x));
        let high = group.iter().fold(f32::MIN, |high, &x| high.max(x));
        let scale = (high - low) / top;
        let level = |x: f32| ((x - low) / scale).round().clamp(0.0, top);
        group
            .iter()
            .map(|&x| scale * level(x) + low)
            .collect::<Vec<_>>()
    };
    weights.chunks(32).flat_map(group).collect()
}
