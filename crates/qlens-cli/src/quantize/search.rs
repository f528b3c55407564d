//! What the searches for scales have in common.

use half::f16;

/// The integer nearest to `x` in `low..=high`; a tie goes to the even one.
#[inline]
pub fn nearest(x: f32, low: f32, high: f32) -> f32 {
    // Added to this, an f32 has no bits left for fractions. Unlike `round_ties_even` that is no call.
    const MAGIC: f32 = 1.5 * (1 << 23) as f32;
    x.clamp(low, high) + MAGIC - MAGIC
}

/// The sum of `term(0)` to `term(N - 1)`, `N` a multiple of 8, in an order that vector units like.
#[inline]
pub fn sum<const N: usize>(term: impl Fn(usize) -> f32) -> f32 {
    let mut lanes = [0.0; 8];
    for first in (0..N).step_by(8) {
        for (lane, sum) in lanes.iter_mut().enumerate() {
            *sum += term(first + lane);
        }
    }
    lanes.iter().sum()
}

/// The largest magnitude.
pub fn largest(x: &[f32]) -> f32 {
    x.iter().fold(0.0, |most: f32, x| most.max(x.abs()))
}

pub fn inverse(d: f32) -> f32 {
    if d == 0.0 { 0.0 } else { 1.0 / d }
}

/// The scale of which scales up to `largest` are integer multiples, up to `steps`: the nearest f16, unless `steps` of
/// it fall short. Few bits are left to an f16 below 2^-14, and weights of usual size get there.
pub fn unit(largest: f32, steps: f32) -> f16 {
    let unit = f16::from_f32(largest / steps);
    if largest > unit.to_f32() * (steps + 0.5) {
        f16::from_bits(unit.to_bits() + 1)
    } else {
        unit
    }
}
