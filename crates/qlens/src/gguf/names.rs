//! Finds a repeated key or tensor name without a heap and without comparing every pair.
//!
//! One hash table of a fixed size lives on the stack for the length of the check. More names than
//! it takes are checked in several passes, each over the names whose hash falls to it; the callers
//! cap the counts, so the passes are few. A file made so that its names collide is refused instead
//! of being compared at length.

use super::Error;
use super::read::Reader;

/// Slots of the table, four bytes each.
const SLOTS: usize = 1024;

/// Names that a pass takes on average: half of the slots, so that runs of taken slots stay short.
pub(super) const NAMES_PER_PASS: usize = SLOTS / 2;

/// The longest run of taken slots that is followed. At half load a run of 128 has a probability
/// of about 2 in 10^11 (the tail of linear probing falls by e^-0.19 a slot).
const LONGEST_RUN: usize = 128;

/// The names seen in one pass.
pub(super) struct Seen {
    /// Where in the file a name is (its length field), or 0: no name is at the magic number.
    slots: [u32; SLOTS],
    pass: u32,
    passes: u32,
}

impl Seen {
    /// The table for pass `pass` of `passes`.
    pub(super) fn new(pass: u32, passes: u32) -> Self {
        Self {
            slots: [0; SLOTS],
            pass,
            passes,
        }
    }

    /// Passes that `count` names need.
    pub(super) fn passes(count: usize) -> u32 {
        count
            .div_ceil(NAMES_PER_PASS)
            .try_into()
            .unwrap_or(u32::MAX)
    }

    /// Takes up `name`, whose length field is at byte `at` of the file, if it belongs to this pass.
    pub(super) fn insert(
        &mut self,
        file: &Reader<'_>,
        at: usize,
        name: &str,
        what: &'static str,
    ) -> Result<(), Error> {
        let hash = hash(name.as_bytes());
        if (hash / SLOTS as u32) % self.passes.max(1) != self.pass {
            return Ok(());
        }
        // Four bytes a slot hold the offsets of any file whose directory ends below 4 GiB.
        let Ok(offset) = u32::try_from(at) else {
            return Err(Error::TooLong {
                what: "the metadata",
                at,
                found: at as u64,
                most: u64::from(u32::MAX),
            });
        };
        for step in 0..LONGEST_RUN {
            let slot = &mut self.slots[(hash as usize + step) % SLOTS];
            if *slot == 0 {
                *slot = offset;
                return Ok(());
            }
            let first = *slot as usize;
            if Reader::new(file.file(), first).string(u64::MAX, what)? == name.as_bytes() {
                return Err(Error::Duplicate { what, at, first });
            }
        }
        Err(Error::Colliding { what, at })
    }
}

/// The slot that a name belongs in, for tests that need names of one slot.
#[cfg(test)]
pub(super) fn slot(name: &[u8]) -> usize {
    hash(name) as usize % SLOTS
}

/// FNV-1a with a final mix, so that every bit of the result depends on every byte.
fn hash(bytes: &[u8]) -> u32 {
    let mut hash = bytes.iter().fold(0x811c_9dc5_u32, |hash, &byte| {
        (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
    });
    hash ^= hash >> 16;
    hash = hash.wrapping_mul(0x85eb_ca6b);
    hash ^= hash >> 13;
    hash = hash.wrapping_mul(0xc2b2_ae35);
    hash ^ (hash >> 16)
}
