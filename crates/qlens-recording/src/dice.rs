//! Numbers that look random, the same in each run and on each machine.

use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{Rng as _, SeedableRng as _};

/// A source of them.
#[derive(Debug, Clone)]
pub struct Dice(Xoshiro256PlusPlus);

impl Dice {
    /// Other numbers for another seed.
    pub fn new(seed: u64) -> Self {
        Self(Xoshiro256PlusPlus::seed_from_u64(seed))
    }

    /// Uniform between the two.
    pub fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * (self.0.next_u64() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Normally distributed enough, with a deviation of 1, up to 4.9: the sum of eight uniform ones.
    pub fn normal(&mut self) -> f64 {
        let lanes = [self.0.next_u64(), self.0.next_u64()];
        let sum: u64 = lanes
            .iter()
            .flat_map(|lane| [0, 16, 32, 48].map(|shift| lane >> shift & 0xffff))
            .sum();
        (sum as f64 / 65_536.0 - 4.0) * 1.224_745
    }
}
