//! Weights as levels `0..=top` times a scale, less an offset, such that the error is small.
//!
//! An error counts as much as the magnitude of its weight and the root mean square of the group together: large weights
//! matter most to products, and small ones are not to drown. For given levels the best scale and offset solve a linear
//! least-squares problem in two unknowns. Levels are those of some scales about the one that spans the group. It is what
//! `make_qkx2_quants` of ggml-quants.c finds, to the bit.

use qlens::quant::GROUP;

use super::search::nearest;

/// From one scale that is tried to the next, in levels that the weights spread over.
const STEP: f32 = 0.1;

/// What levels a format has, and which scales are tried for it.
#[derive(Clone, Copy, Debug)]
pub struct Levels {
    /// The highest.
    pub top: f32,
    /// How many levels more than those the weights spread over at first.
    pub first: f32,
    /// How many further scales are tried.
    pub steps: u8,
}

/// A weight is `scale q - offset`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Affine {
    pub scale: f32,
    /// Not negative.
    pub offset: f32,
    pub levels: [f32; GROUP],
}

impl Affine {
    /// The best, of those tried.
    pub fn fit(x: &[f32; GROUP], of: Levels) -> Self {
        let squares = x.iter().fold(0.0, |sum, x| sum + x * x);
        let mean = (squares / GROUP as f32).sqrt();
        let group = Group::new(*x, x.map(|x| mean + x.abs()));
        let low = x.iter().fold(0.0_f32, |low, &x| low.min(x));
        let high = x.iter().fold(f32::MIN, |high, &x| high.max(x));
        let range = high - low;
        // All are the same number, and none is above zero.
        if range == 0.0 {
            return Self {
                scale: 0.0,
                offset: -low,
                levels: [0.0; GROUP],
            };
        }
        let levels = |inverse: f32, low: f32| x.map(|x| nearest(inverse * (x - low), 0.0, of.top));
        let inverse = of.top / range;
        let span = Self {
            scale: 1.0 / inverse,
            offset: -low,
            levels: levels(inverse, low),
        };
        let mut best = (group.error(&span), span);
        for step in 0..=of.steps {
            let spread = of.first + STEP * f32::from(step) + of.top;
            // From the least weight, or where the best so far begins.
            let low = -best.1.offset;
            if let Some(found) = group.solve(levels(spread / (high - low), low)) {
                let error = group.error(&found);
                if error < best.0 {
                    best = (error, found);
                }
            }
        }
        best.1
    }
}

/// Weights, and how much their errors count.
struct Group {
    x: [f32; GROUP],
    counts: [f32; GROUP],
    /// Of the counts.
    sum: f32,
    /// Of the weights, as much as they count.
    sum_x: f32,
}

impl Group {
    fn new(x: [f32; GROUP], counts: [f32; GROUP]) -> Self {
        let of_x = counts.iter().zip(x).map(|(count, x)| count * x);
        Self {
            sum: counts.iter().fold(0.0, |sum, count| sum + count),
            sum_x: of_x.fold(0.0, |sum, x| sum + x),
            x,
            counts,
        }
    }

    /// The weighted error that is left.
    fn error(&self, of: &Affine) -> f32 {
        let terms = self.x.iter().zip(self.counts).zip(of.levels);
        terms.fold(0.0, |error, ((x, count), q)| {
            let off = of.scale * q - of.offset - x;
            error + count * (off * off)
        })
    }

    /// The scale and offset that are best for these levels; `None` if they are all the same.
    fn solve(&self, levels: [f32; GROUP]) -> Option<Affine> {
        let (mut sum_q, mut sum_qq, mut sum_qx) = (0.0, 0.0, 0.0);
        for ((x, count), q) in self.x.iter().zip(self.counts).zip(levels) {
            sum_q += count * q;
            sum_qq += count * q * q;
            sum_qx += count * q * x;
        }
        let determinant = self.sum * sum_qq - sum_q * sum_q;
        if determinant <= 0.0 {
            return None;
        }
        let low = (sum_qq * self.sum_x - sum_q * sum_qx) / determinant;
        let scale = (self.sum * sum_qx - self.sum_x * sum_q) / determinant;
        let (scale, offset) = if low > 0.0 {
            (sum_qx / sum_qq, 0.0)
        } else {
            (scale, -low)
        };
        Some(Affine {
            scale,
            offset,
            levels,
        })
    }
}
