//! Hash tables of an index: what they hold is kept elsewhere, a slot only says where.
//!
//! Nothing in them is trusted to be random. A file that was made to collide costs no more than a
//! bounded number of steps an entry and is then refused. A table that a file brings along may hold
//! anything: looking up takes as few steps there, and `equals` is asked about whatever is found.

/// Entries of a hash table of `len`, so that a third stays empty and probing short.
pub(super) const fn slots(len: usize) -> usize {
    len + len / 2 + 1
}

/// Slots that one look-up reads, at most. At this load real vocabularies need about a hundred; texts
/// chosen to collide are refused instead of making every look-up walk through them.
const MAX_PROBES: usize = 1024;

/// A hash table with open addressing and linear probing. A slot is 0, or a value plus one with, in
/// the bits above it, part of its hash, so that few look-ups compare a wrong value.
#[derive(Debug, Clone, Copy)]
pub(super) struct Slots<S> {
    slots: S,
    /// Bits that a value plus one takes.
    value_bits: u32,
}

/// Why a value was not entered.
pub(super) enum Refused {
    /// An equal one is there.
    Duplicate { first: u32 },
    /// [`MAX_PROBES`] slots are taken.
    Colliding,
}

impl<'a> Slots<&'a mut [u32]> {
    /// An empty table for `len` values, which are all less than `len`.
    pub(super) fn clear(slots: &'a mut [u32], len: usize) -> Self {
        slots.fill(0);
        Self::of(slots, len)
    }

    pub(super) fn insert(
        &mut self,
        hash: u64,
        value: u32,
        equals: impl Fn(u32) -> bool,
    ) -> Result<(), Refused> {
        match self.view().probe(hash, equals) {
            Probe::Found(first) => Err(Refused::Duplicate { first }),
            Probe::GaveUp => Err(Refused::Colliding),
            Probe::Empty(slot) => {
                let tag = hash as u32 & !self.value_mask();
                self.slots[slot] = tag | (value + 1);
                Ok(())
            }
        }
    }

    pub(super) fn find(&self, hash: u64, equals: impl Fn(u32) -> bool) -> Option<u32> {
        self.view().find(hash, equals)
    }

    fn view(&self) -> Slots<&[u32]> {
        Slots {
            slots: self.slots,
            value_bits: self.value_bits,
        }
    }
}

enum Probe {
    Found(u32),
    Empty(usize),
    GaveUp,
}

impl Slots<&[u32]> {
    pub(super) fn find(&self, hash: u64, equals: impl Fn(u32) -> bool) -> Option<u32> {
        match self.probe(hash, equals) {
            Probe::Found(value) => Some(value),
            Probe::Empty(_) | Probe::GaveUp => None,
        }
    }

    fn probe(&self, hash: u64, equals: impl Fn(u32) -> bool) -> Probe {
        let mask = self.value_mask();
        // The hash's upper half, taken as a fraction, of the number of slots.
        let mut slot = (((hash >> 32) * self.slots.len() as u64) >> 32) as usize;
        for _ in 0..MAX_PROBES {
            let found = self.slots[slot];
            if found == 0 {
                return Probe::Empty(slot);
            }
            if (found ^ hash as u32) & !mask == 0 {
                let value = (found & mask).wrapping_sub(1);
                if equals(value) {
                    return Probe::Found(value);
                }
            }
            slot += 1;
            if slot == self.slots.len() {
                slot = 0;
            }
        }
        Probe::GaveUp
    }
}

impl<S> Slots<S> {
    /// The table that was made in these slots, one or more, for `len` values.
    pub(super) fn of(slots: S, len: usize) -> Self {
        Self {
            slots,
            value_bits: usize::BITS - len.leading_zeros(),
        }
    }

    fn value_mask(&self) -> u32 {
        (1 << self.value_bits) - 1
    }
}

/// The hash of a text that may come in pieces (FNV-1a with a mixing step at the end, which its upper
/// bits need).
#[derive(Clone, Copy)]
pub(super) struct TextHash(u64);

impl Default for TextHash {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl TextHash {
    pub(super) fn then(self, text: &[u8]) -> Self {
        Self(text.iter().fold(self.0, |hash, &byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        }))
    }

    pub(super) fn finish(self) -> u64 {
        mix(self.0)
    }
}

pub(super) fn pair_hash(left: u32, right: u32) -> u64 {
    mix(u64::from(left) << 32 | u64::from(right))
}

/// Makes every bit of the result depend on every bit of `bits` (the multiply-xorshift of `SplitMix64`,
/// shortened).
fn mix(bits: u64) -> u64 {
    let mut bits = bits ^ bits >> 32;
    bits = bits.wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits ^= bits >> 29;
    bits = bits.wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ bits >> 32
}

#[cfg(test)]
mod tests {
    use std::vec;

    use super::*;

    const ALL: u64 = u64::MAX;

    #[test]
    fn values_of_one_hash_are_told_apart_and_wrap_around_the_tables_end() {
        let mut memory = [u32::MAX; slots(100)];
        let mut table = Slots::clear(&mut memory, 100);
        for value in 0..100 {
            assert!(table.find(ALL, |found| found == value).is_none());
            assert!(table.insert(ALL, value, |found| found == value).is_ok());
        }
        let table = Slots::of(&memory[..], 100);
        for value in 0..100 {
            assert_eq!(table.find(ALL, |found| found == value), Some(value));
        }
        assert_eq!(table.find(ALL, |_| false), None);
        assert_eq!(
            table.find(ALL ^ 0xff00, |_| true),
            None,
            "another hash, the same slot"
        );
    }

    #[test]
    fn a_second_value_that_equals_the_first_is_refused_by_name() {
        let mut memory = [0; slots(2)];
        let mut table = Slots::clear(&mut memory, 2);
        assert!(table.insert(7, 0, |_| true).is_ok());
        assert!(matches!(
            table.insert(7, 1, |_| true),
            Err(Refused::Duplicate { first: 0 })
        ));
    }

    #[test]
    fn hashes_made_to_collide_are_refused_before_they_cost_time() {
        let mut memory = vec![0; slots(4 * MAX_PROBES)];
        let mut table = Slots::clear(&mut memory, 4 * MAX_PROBES);
        for value in 0..MAX_PROBES as u32 {
            assert!(table.insert(0, value, |_| false).is_ok());
        }
        assert!(matches!(
            table.insert(0, MAX_PROBES as u32, |_| false),
            Err(Refused::Colliding)
        ));
        assert_eq!(table.find(0, |_| false), None);
    }

    #[test]
    fn the_hash_of_a_text_does_not_depend_on_how_it_is_cut() {
        let text = b"\xc4\xa0the";
        for cut in 0..=text.len() {
            let (head, tail) = text.split_at(cut);
            let pieces = TextHash::default().then(head).then(tail).finish();
            assert_eq!(pieces, TextHash::default().then(text).finish());
        }
    }
}
