//! Weights as levels `-half .. half` times a scale, such that the error is small.
//!
//! An error counts as much as the square of its weight, as it does for [IQ4_NL](super::iq4_nl), and scales are compared
//! in the same way: the best for levels `q` is `sum(w x q) / sum(w q^2)`, `w = x^2`, and takes
//! `sum(w x q)^2 / sum(w q^2)` off the error.

use super::search::{nearest, sum};

/// What the weight of the largest magnitude is tried as: an end of the levels, and as much as this to either side of it.
const REACH: i8 = 8;
/// The parts of a level in which that is counted.
const PARTS: f32 = 8.0;
/// How often levels are chosen anew for the scale that was the best for those before.
const ROUNDS: usize = 2;

/// The scale, of those tried, that leaves the least weighted error. It has either sign.
pub fn scale<const N: usize>(x: &[f32; N], half: f32) -> f32 {
    let extreme = x.iter().fold(
        0.0,
        |most: f32, &x| {
            if most.abs() < x.abs() { x } else { most }
        },
    );
    if extreme == 0.0 {
        return 0.0;
    }
    // In -1..=1, so that no sum is too large or too small for an f32.
    let x = x.map(|x| x / extreme);
    let mut best = (0.0, 0.0);
    let mut try_levels_of = |inverse: f32| {
        let q = levels(&x, inverse, half);
        let product = sum::<N>(|i| x[i] * x[i] * x[i] * q[i]);
        let square = sum::<N>(|i| x[i] * x[i] * q[i] * q[i]);
        let gain = product * product / square;
        if gain > best.1 {
            best = (product / square, gain);
        }
        best.0
    };
    for step in -REACH..=REACH {
        let off = f32::from(step) / PARTS;
        try_levels_of(-(half + off));
        try_levels_of(half - 1.0 + off);
    }
    let mut found = try_levels_of(-half);
    for _ in 0..ROUNDS {
        found = try_levels_of(1.0 / found);
    }
    found * extreme
}

/// The levels that are nearest to `x` times `inverse`.
#[inline]
pub fn levels<const N: usize>(x: &[f32; N], inverse: f32, half: f32) -> [f32; N] {
    x.map(|x| nearest(x * inverse, -half, half - 1.0))
}

/// The weighted error that is left with this scale.
#[inline]
pub fn error<const N: usize>(x: &[f32; N], scale: f32, half: f32) -> f32 {
    let q = levels(x, super::search::inverse(scale), half);
    sum::<N>(|i| {
        let off = x[i] * (scale * q[i] - x[i]);
        off * off
    })
}
