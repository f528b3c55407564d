//! Weights as levels `0..=top` times a scale, less an offset, such that the error is small.
//!
//! An error counts as much as the magnitude of its weight and the mean of the group together: large weights matter most
//! to products, and small ones are not to drown. For given levels the best scale and offset solve a linear least-squares
//! problem in two unknowns. Levels are those of some scales about the one that spans the group; then, in turn, what is
//! best for the levels and the levels that are nearest.

use qlens::quant::GROUP;

use super::search::{largest, nearest, sum};

/// How many scales are tried on either side of the one that spans the group.
const STEPS: i8 = 10;
/// How many levels the weights are further apart with each.
const STEP: f32 = 0.1;
/// How often levels are chosen anew for the scale and offset that were the best for those before.
const ROUNDS: usize = 2;

/// A weight is `scale q - offset`; neither is negative.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Affine {
    pub scale: f32,
    pub offset: f32,
}

impl Affine {
    /// The best for levels up to `top`, of those tried.
    pub fn fit(x: &[f32; GROUP], top: f32) -> Self {
        let largest = largest(x);
        if largest == 0.0 {
            return Self {
                scale: 0.0,
                offset: 0.0,
            };
        }
        // In -1..=1, so that no sum is too large or too small for an f32.
        let best = Group::new(x.map(|x| x / largest)).search(top);
        Self {
            scale: best.scale * largest,
            offset: best.offset * largest,
        }
    }

    /// The levels that are nearest.
    #[inline]
    pub fn levels(self, x: &[f32; GROUP], top: f32) -> [f32; GROUP] {
        let inverse = super::search::inverse(self.scale);
        x.map(|x| nearest((x + self.offset) * inverse, 0.0, top))
    }
}

/// Weights, and how much their errors count.
pub struct Group {
    x: [f32; GROUP],
    counts: [f32; GROUP],
    /// Of the counts.
    sum: f32,
    /// Of the weights, as much as they count.
    sum_x: f32,
}

impl Group {
    pub fn new(x: [f32; GROUP]) -> Self {
        let mean = (sum::<GROUP>(|i| x[i] * x[i]) / GROUP as f32).sqrt();
        let counts = x.map(|x| mean + x.abs());
        Self {
            sum: sum::<GROUP>(|i| counts[i]),
            sum_x: sum::<GROUP>(|i| counts[i] * x[i]),
            x,
            counts,
        }
    }

    /// The weighted error that is left with these levels.
    #[inline]
    pub fn error(&self, of: Affine, q: &[f32; GROUP]) -> f32 {
        sum::<GROUP>(|i| {
            let off = of.scale * q[i] - of.offset - self.x[i];
            self.counts[i] * off * off
        })
    }

    fn search(&self, top: f32) -> Affine {
        let (low, high) = self.x.iter().fold((0.0, f32::MIN), |(low, high), &x| {
            (f32::min(low, x), f32::max(high, x))
        });
        let range = high - low;
        let span = Affine {
            scale: range / top,
            offset: -low,
        };
        // All are the same number, and none is above zero.
        if range == 0.0 {
            return span;
        }
        let mut best = (self.error(span, &span.levels(&self.x, top)), span);
        let mut try_levels_of = |of: Affine| {
            let q = of.levels(&self.x, top);
            if let Some(found) = self.solve(&q) {
                let error = self.error(found, &q);
                if error < best.0 {
                    best = (error, found);
                }
            }
            best.1
        };
        for step in -STEPS..=STEPS {
            let scale = range / (top + f32::from(step) * STEP);
            try_levels_of(Affine { scale, ..span });
        }
        let mut found = try_levels_of(span);
        for _ in 0..ROUNDS {
            found = try_levels_of(found);
        }
        found
    }

    /// The scale and offset that are best for these levels; `None` if they are all the same.
    #[inline]
    fn solve(&self, q: &[f32; GROUP]) -> Option<Affine> {
        let sum_q = sum::<GROUP>(|i| self.counts[i] * q[i]);
        let sum_qq = sum::<GROUP>(|i| self.counts[i] * q[i] * q[i]);
        let sum_qx = sum::<GROUP>(|i| self.counts[i] * q[i] * self.x[i]);
        let determinant = self.sum * sum_qq - sum_q * sum_q;
        if determinant <= 0.0 {
            return None;
        }
        let offset = (sum_q * sum_qx - sum_qq * self.sum_x) / determinant;
        let scale = (self.sum * sum_qx - sum_q * self.sum_x) / determinant;
        let best = if offset < 0.0 {
            Affine {
                scale: sum_qx / sum_qq,
                offset: 0.0,
            }
        } else {
            Affine { scale, offset }
        };
        (best.scale > 0.0).then_some(best)
    }
}
