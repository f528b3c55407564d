//! Where the wearer's notes are kept: in RAM here, in flash on a board that has some to spare.

use core::fmt;

use embedded_io::ErrorKind;
use heapless::{String, Vec};

/// One note.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Note<'t> {
    /// When it was taken: microseconds since the board started.
    pub at_us: u64,
    /// The same as the time of day: seconds since 1970-01-01, of the place where the glasses are worn. `None`
    /// if the board did not know.
    pub unix_s: Option<u64>,
    /// What was said.
    pub text: &'t str,
}

/// Why a store did not do as it was told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum NoteError {
    /// The note would not fit an empty store.
    TooLong {
        /// Bytes of its text.
        bytes: usize,
        /// Bytes of text that the store holds.
        capacity: usize,
    },
    /// The device failed.
    Device(ErrorKind),
}

impl fmt::Display for NoteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong { bytes, capacity } => write!(
                f,
                "the note has {bytes} bytes and the store holds {capacity}"
            ),
            Self::Device(ErrorKind::Other) => {
                f.write_str("the notes' store failed: the device reports an error")
            }
            Self::Device(kind) => write!(f, "the notes' store failed: {kind:?}"),
        }
    }
}

impl core::error::Error for NoteError {}

/// Keeps notes in the order in which they came. A store is bounded: when it is full, the oldest notes leave
/// for the newest one, and are counted. The note that is being taken is the one that is wanted now; which of
/// the old ones may go nobody can be asked while somebody talks.
pub trait NoteStore {
    /// Keeps a note; the oldest ones leave if that takes their room.
    ///
    /// # Errors
    /// [`NoteError::TooLong`], or what the device says. The note is then not kept, and no other left for it.
    fn append(&mut self, note: &Note<'_>) -> Result<(), NoteError>;

    /// Shows every note to `each`, oldest first.
    ///
    /// # Errors
    /// What the device says; the notes before the one that could not be read were shown.
    fn visit(&mut self, each: &mut dyn FnMut(&Note<'_>)) -> Result<(), NoteError>;

    /// Forgets all notes.
    ///
    /// # Errors
    /// What the device says; some notes may be left.
    fn clear(&mut self) -> Result<(), NoteError>;

    /// Notes that are kept.
    fn len(&self) -> usize;

    /// None is.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Notes that left to make room, since the store was cleared; stays at its maximum.
    fn dropped(&self) -> u32;
}

/// What is known of a note beside its text.
#[derive(Debug, Clone, Copy)]
struct Entry {
    at_us: u64,
    unix_s: Option<u64>,
    bytes: usize,
}

/// Notes in RAM, at most `NOTES` of them with `BYTES` bytes of text together. They are gone when the power is.
#[derive(Debug, Default)]
pub struct RamNotes<const BYTES: usize, const NOTES: usize> {
    /// All texts, oldest first, without gaps.
    text: String<BYTES>,
    entries: Vec<Entry, NOTES>,
    dropped: u32,
}

impl<const BYTES: usize, const NOTES: usize> RamNotes<BYTES, NOTES> {
    /// No notes.
    pub const fn new() -> Self {
        Self {
            text: String::new(),
            entries: Vec::new(),
            dropped: 0,
        }
    }
}

impl<const BYTES: usize, const NOTES: usize> NoteStore for RamNotes<BYTES, NOTES> {
    fn append(&mut self, note: &Note<'_>) -> Result<(), NoteError> {
        let bytes = note.text.len();
        if bytes > BYTES || NOTES == 0 {
            return Err(NoteError::TooLong {
                bytes,
                capacity: if NOTES == 0 { 0 } else { BYTES },
            });
        }
        while self.entries.is_full() || self.text.len() + bytes > BYTES {
            let oldest = self.entries.remove(0);
            self.text.drain(..oldest.bytes);
            self.dropped = self.dropped.saturating_add(1);
        }
        let entry = Entry {
            at_us: note.at_us,
            unix_s: note.unix_s,
            bytes,
        };
        // Both fit: the loop above made room, at the latest when the store was empty.
        if self.text.push_str(note.text).is_ok() {
            let _ = self.entries.push(entry);
        }
        Ok(())
    }

    fn visit(&mut self, each: &mut dyn FnMut(&Note<'_>)) -> Result<(), NoteError> {
        let mut rest = &*self.text;
        for entry in &self.entries {
            let (text, later) = rest.split_at(entry.bytes);
            rest = later;
            each(&Note {
                at_us: entry.at_us,
                unix_s: entry.unix_s,
                text,
            });
        }
        Ok(())
    }

    fn clear(&mut self) -> Result<(), NoteError> {
        *self = Self::new();
        Ok(())
    }

    fn len(&self) -> usize {
        self.entries.len()
    }

    fn dropped(&self) -> u32 {
        self.dropped
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use std::collections::VecDeque;
    use std::string::{String, ToString as _};
    use std::vec::Vec;

    use proptest::prelude::*;

    use super::*;

    type Kept = (u64, Option<u64>, String);

    fn kept(store: &mut dyn NoteStore) -> Vec<Kept> {
        let mut all = Vec::new();
        store
            .visit(&mut |note| all.push((note.at_us, note.unix_s, note.text.into())))
            .expect("RAM does not fail");
        all
    }

    #[test]
    fn notes_come_back_as_they_were_taken() {
        let mut store = RamNotes::<64, 4>::new();
        assert!(store.is_empty());
        let notes = [
            (5, Some(1_700_000_000), "buy milk"),
            (6, None, "买牛奶"),
            (7, Some(1_700_000_060), ""),
        ];
        for (at_us, unix_s, text) in notes {
            let note = Note {
                at_us,
                unix_s,
                text,
            };
            store.append(&note).expect("fits");
        }
        let expected = notes.map(|(at_us, unix_s, text)| (at_us, unix_s, text.to_string()));
        assert_eq!(kept(&mut store), expected);
        store.clear().expect("RAM does not fail");
        assert!(store.is_empty() && kept(&mut store).is_empty());
    }

    #[test]
    fn what_never_fits_costs_no_other_note() {
        let mut store = RamNotes::<8, 4>::new();
        let note = |text| Note {
            at_us: 0,
            unix_s: None,
            text,
        };
        store.append(&note("12345678")).expect("fits");
        let error = store.append(&note("123456789")).expect_err("does not fit");
        assert_eq!(
            error.to_string(),
            "the note has 9 bytes and the store holds 8"
        );
        assert_eq!((store.len(), store.dropped()), (1, 0));
        let none = RamNotes::<8, 0>::new().append(&note(""));
        assert!(matches!(none, Err(NoteError::TooLong { capacity: 0, .. })));
    }

    proptest! {
        #[test]
        fn a_full_store_holds_the_newest_that_fit(
            texts in proptest::collection::vec("[a-z站é😀]{0,12}", 0..60)
        ) {
            let mut store = RamNotes::<40, 6>::new();
            let mut model: VecDeque<Kept> = VecDeque::new();
            let mut dropped = 0;
            for (number, text) in texts.iter().enumerate() {
                let at_us = number as u64;
                let unix_s = (number % 2 == 0).then_some(at_us * 60);
                let result = store.append(&Note { at_us, unix_s, text });
                prop_assert_eq!(result.is_ok(), text.len() <= 40);
                if result.is_err() {
                    continue;
                }
                model.push_back((at_us, unix_s, text.clone()));
                while model.len() > 6 || model.iter().map(|kept| kept.2.len()).sum::<usize>() > 40 {
                    model.pop_front();
                    dropped += 1;
                }
                prop_assert_eq!(&kept(&mut store), model.make_contiguous());
                prop_assert_eq!((store.len(), store.dropped()), (model.len(), dropped));
            }
        }
    }
}
