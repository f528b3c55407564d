//! The sampler's random numbers: PCG32, the same sequence for the same seed on every machine.
//!
//! PCG-XSH-RR 64/32 of M. E. O'Neill, "PCG: A Family of Simple Fast Space-Efficient Statistically
//! Good Algorithms for Random Number Generation" (2014). Not for secrets.

/// Knuth's multiplier, which the reference uses.
const MULTIPLIER: u64 = 6_364_136_223_846_793_005;

/// The generator: 64 bits of state, and an odd increment that selects one of 2^63 sequences.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pcg32 {
    state: u64,
    increment: u64,
}

impl Pcg32 {
    /// The generator of a seed. Seeds that differ in one bit, as 0 and 1 do, give unrelated sequences:
    /// state and sequence are both drawn from the seed by `SplitMix64`.
    pub(super) fn from_seed(seed: u64) -> Self {
        let mut counter = seed;
        let state = splitmix64(&mut counter);
        Self::new(state, splitmix64(&mut counter))
    }

    /// The reference's initialization.
    fn new(state: u64, sequence: u64) -> Self {
        let mut pcg = Self {
            state: 0,
            increment: sequence << 1 | 1,
        };
        pcg.next_u32();
        pcg.state = pcg.state.wrapping_add(state);
        pcg.next_u32();
        pcg
    }

    fn next_u32(&mut self) -> u32 {
        let old = self.state;
        self.state = old.wrapping_mul(MULTIPLIER).wrapping_add(self.increment);
        let mixed = ((old >> 18 ^ old) >> 27) as u32;
        mixed.rotate_right((old >> 59) as u32)
    }

    /// A number from 0 up to but not including 1, of 53 random bits: two steps of the generator.
    pub(super) fn next_unit(&mut self) -> f64 {
        let high = u64::from(self.next_u32());
        let low = u64::from(self.next_u32());
        ((high << 32 | low) >> 11) as f64 / (1_u64 << 53) as f64
    }
}

/// `SplitMix64` of G. Steele, D. Lea and C. Flood, "Fast Splittable Pseudorandom Number Generators"
/// (2014): the customary way to spread a seed over a larger state.
fn splitmix64(counter: &mut u64) -> u64 {
    *counter = counter.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut mixed = *counter;
    mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ mixed >> 31
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first numbers of the reference's demonstration program, seeded with 42 and 54.
    #[test]
    fn follows_the_reference() {
        let mut pcg = Pcg32::new(42, 54);
        let expected = [
            0xa15c_02b7,
            0x7b47_f409,
            0xba1d_3330,
            0x83d2_f293,
            0xbfa4_784b,
            0xcbed_606e,
        ];
        assert_eq!(expected.map(|_| pcg.next_u32()), expected);
    }

    /// The first numbers of the reference from the seed 1234567.
    #[test]
    fn spreads_seeds_as_the_reference() {
        let mut counter = 1_234_567;
        let expected = [
            6_457_827_717_110_365_317,
            3_203_168_211_198_807_973,
            9_817_491_932_198_370_423,
        ];
        assert_eq!(expected.map(|_| splitmix64(&mut counter)), expected);
    }

    #[test]
    fn units_are_below_one_and_uniform() {
        let mut pcg = Pcg32::from_seed(7);
        let mut tenths = [0_u32; 10];
        for _ in 0..100_000 {
            let unit = pcg.next_unit();
            assert!((0.0..1.0).contains(&unit));
            tenths[(unit * 10.0) as usize] += 1;
        }
        // 10,000 expected, with a standard deviation of 95.
        assert!(
            tenths.iter().all(|&n| n.abs_diff(10_000) < 475),
            "{tenths:?}"
        );
        assert_ne!(
            Pcg32::from_seed(0).next_u32(),
            Pcg32::from_seed(1).next_u32()
        );
    }
}
