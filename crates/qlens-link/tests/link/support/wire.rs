//! One direction of a link that drops, doubles, reorders and damages, the same each time for a seed.

use std::collections::VecDeque;

use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{Rng as _, SeedableRng as _};

/// Random numbers of a test.
pub struct Chance(Xoshiro256PlusPlus);

impl Chance {
    pub fn new(seed: u64) -> Self {
        Self(Xoshiro256PlusPlus::seed_from_u64(seed))
    }

    pub fn number(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// Below `end`.
    pub fn below(&mut self, end: u64) -> u64 {
        self.number() % end
    }

    /// True `many` times in a million.
    pub fn in_a_million(&mut self, many: u64) -> bool {
        self.below(1_000_000) < many
    }
}

/// What a link does to what it carries. All in a million.
#[derive(Clone, Copy, Default)]
pub struct Faults {
    /// Bytes that are lost, doubled, swapped with the next one or replaced: a quarter of them each.
    pub bytes: u64,
    /// Writes that are lost as a whole.
    pub lost: u64,
    /// Writes that come twice, the second time up to 30 ms later.
    pub doubled: u64,
    /// Writes that come up to 30 ms late, others overtaking them.
    pub late: u64,
}

impl Faults {
    pub const NONE: Self = Self {
        bytes: 0,
        lost: 0,
        doubled: 0,
        late: 0,
    };
    /// 1 byte in 100, and whole writes as well.
    pub const BAD: Self = Self {
        bytes: 10_000,
        lost: 10_000,
        doubled: 10_000,
        late: 10_000,
    };
}

/// Bytes under way in one direction, at 10 µs each: a line of a million baud.
pub struct Wire {
    pub faults: Faults,
    /// Nothing goes through.
    pub cut: bool,
    chance: Chance,
    /// When the line has taken the last byte.
    pub free_us: u64,
    /// What will come and when.
    flying: VecDeque<(u64, Vec<u8>)>,
    /// Frames of the last while, to be played again.
    recent: VecDeque<Vec<u8>>,
}

const BYTE_US: u64 = 10;

impl Wire {
    pub fn new(seed: u64, faults: Faults) -> Self {
        Self {
            faults,
            cut: false,
            chance: Chance::new(seed),
            free_us: 0,
            flying: VecDeque::new(),
            recent: VecDeque::new(),
        }
    }

    pub fn write(&mut self, now_us: u64, frame: &[u8]) {
        self.free_us = now_us.max(self.free_us) + frame.len() as u64 * BYTE_US;
        if self.recent.len() == 64 {
            self.recent.pop_front();
        }
        self.recent.push_back(frame.to_vec());
        if self.cut || self.chance.in_a_million(self.faults.lost) {
            return;
        }
        self.fly(frame, self.faults.late);
        if self.chance.in_a_million(self.faults.doubled) {
            self.fly(frame, 1_000_000);
        }
    }

    fn fly(&mut self, frame: &[u8], late: u64) {
        let delay = if self.chance.in_a_million(late) {
            self.chance.below(30_000)
        } else {
            0
        };
        let bytes = self.damage(frame);
        let at = self.free_us + delay;
        let place = self.flying.partition_point(|(other, _)| *other <= at);
        self.flying.insert(place, (at, bytes));
    }

    fn damage(&mut self, frame: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(frame.len() + 4);
        let mut rest = frame.iter().copied();
        while let Some(byte) = rest.next() {
            if !self.chance.in_a_million(self.faults.bytes) {
                bytes.push(byte);
                continue;
            }
            match self.chance.below(4) {
                0 => {}
                1 => bytes.extend([byte, byte]),
                2 => {
                    bytes.extend(rest.next());
                    bytes.push(byte);
                }
                _ => bytes.push(byte ^ (1 + self.chance.below(255)) as u8),
            }
        }
        bytes
    }

    /// The side that writes babbles for a moment: noise, or frames that it sent before.
    pub fn babble(&mut self, now_us: u64) {
        let again = self.chance.below(2) == 0 && !self.recent.is_empty();
        let bytes = if again {
            let which = self.chance.below(self.recent.len() as u64);
            self.recent[which as usize].clone()
        } else {
            let length = self.chance.below(200);
            (0..length).map(|_| self.chance.number() as u8).collect()
        };
        self.free_us = now_us.max(self.free_us) + bytes.len() as u64 * BYTE_US;
        self.flying.push_back((self.free_us, bytes));
    }

    /// What came by now.
    pub fn read(&mut self, now_us: u64) -> Option<Vec<u8>> {
        self.flying.front().filter(|(at, _)| *at <= now_us)?;
        self.flying.pop_front().map(|(_, bytes)| bytes)
    }
}
