//! Random numbers that are the same on every machine.

/// Xorshift64*, which is enough to choose what to damage.
pub struct Random(u64);

impl Random {
    /// Those of a case: of this seed, target and index, whatever ran before.
    pub fn of_case(seed: u64, target: &str, index: u64) -> Self {
        let mut state = 0xcbf2_9ce4_8422_2325_u64;
        let words = [seed.to_le_bytes(), index.to_le_bytes()];
        for byte in words.as_flattened().iter().chain(target.as_bytes()) {
            state = (state ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
        let mut random = Self(state.max(1));
        // The first few are alike where the states are.
        for _ in 0..8 {
            random.number();
        }
        random
    }

    /// Any number.
    pub fn number(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    /// One below `end`, 0 if that is 0.
    pub fn below(&mut self, end: usize) -> usize {
        ((u128::from(self.number()) * end as u128) >> 64) as usize
    }

    /// Whether it falls so, one time in `n`.
    pub fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    /// One of some.
    ///
    /// # Panics
    /// If there are none.
    pub fn one<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())]
    }
}

#[cfg(test)]
mod tests {
    use super::Random;

    #[test]
    fn a_case_is_always_the_same_and_no_other() {
        let first = |seed, target, index| Random::of_case(seed, target, index).number();
        assert_eq!(first(1, "a", 2), first(1, "a", 2));
        let cases = [(1, "a", 2), (2, "a", 2), (1, "b", 2), (1, "a", 3)];
        let mut numbers = cases.map(|(seed, target, index)| first(seed, target, index));
        numbers.sort_unstable();
        assert!(numbers.windows(2).all(|pair| pair[0] != pair[1]));
    }
}
