//! What the searches for scales have in common.

/// The integer nearest to `x` in `low..=high`; a tie goes to the even one.
#[inline]
pub fn nearest(x: f32, low: f32, high: f32) -> f32 {
    // Added to this, an f32 has no bits left for fractions. Unlike `round_ties_even` that is no call.
    const MAGIC: f32 = 1.5 * (1 << 23) as f32;
    x.clamp(low, high) + MAGIC - MAGIC
}

/// The first weight of the largest magnitude.
pub fn extreme(x: &[f32]) -> f32 {
    x.iter().fold(
        0.0,
        |most: f32, &x| {
            if most.abs() < x.abs() { x } else { most }
        },
    )
}

pub fn inverse(d: f32) -> f32 {
    if d == 0.0 { 0.0 } else { 1.0 / d }
}

/// Out of some attempts to say weights by levels and a scale, the one that takes the most off the error of zeros.
///
/// An error counts as much as the square of its weight: large weights matter most to products. For given levels `q`
/// the best scale is `sum(w x q) / sum(w q^2)`, `w = x^2`, and it takes `sum(w x q)^2 / sum(w q^2)` off the error.
#[derive(Clone, Copy, Debug, Default)]
pub struct Best {
    pub scale: f32,
    gain: f32,
}

impl Best {
    /// Takes the levels of which these are the sums, of `w x q` and of `w q^2`, if they are better; whether they are.
    #[inline]
    pub fn improves(&mut self, product: f32, square: f32) -> bool {
        let is_better = square > 0.0 && product * product > self.gain * square;
        if is_better {
            self.scale = product / square;
            self.gain = self.scale * product;
        }
        is_better
    }
}
