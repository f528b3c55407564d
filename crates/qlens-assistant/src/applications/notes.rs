//! Notes: what is said is kept, and summed up when somebody asks for it. The notes themselves lie in a
//! [`NoteStore`]; what is shown of them, and what the model is asked about, is a list with a note on each
//! line, oldest first.

use core::fmt::Write as _;

use heapless::String;
use qlens::chat::Chat;
use qlens::session::Stop;
use qlens_board::{Note, NoteError, NoteStore, RamNotes};

use super::dashboard::TimeOfDay;
use super::language::Language;
use crate::layout::{PageSize, Reader};
use crate::typeface::Typeface;

/// Notes that the store in RAM keeps at most.
pub const MAX_NOTES: usize = 64;
/// Room for the text of the notes in RAM, in bytes of UTF-8.
pub const NOTES_BYTES: usize = 6 * 1024;
/// Room for the list, in bytes of UTF-8. Of a store that holds more, the oldest notes are not listed.
pub const LIST_BYTES: usize = 8 * 1024;
/// Longest summary, in bytes of UTF-8. What a model says beyond it is not generated.
pub const SUMMARY_BYTES: usize = 4096;

/// Bytes of a line beside its note: `22:13 `, and the line break.
const FRAME_BYTES: usize = 7;

// Of the store in RAM, all notes are listed.
const _: () = assert!(NOTES_BYTES + MAX_NOTES * FRAME_BYTES <= LIST_BYTES);

/// The store that glasses without another one have.
pub type Store = RamNotes<NOTES_BYTES, MAX_NOTES>;

const IN_ENGLISH: &str =
    "The user has taken these notes. Write one short summary of all of them, in English.";

const IN_CHINESE: &str = "用户记了这些笔记。请用两三句中文总结全部笔记。";

/// The notes, their list, and their summary.
#[derive(Debug)]
pub struct Notes<N = Store> {
    store: N,
    list: String<LIST_BYTES>,
    pub(crate) reader: Reader,
    /// What the model is asked about: the list as it was then, without times, which a small model takes for
    /// the times of what was noted.
    asked: String<LIST_BYTES>,
    refused: u32,
    pub(crate) summary: Summary,
}

/// What the model made of the notes.
#[derive(Debug)]
pub(crate) struct Summary {
    pub(crate) text: String<SUMMARY_BYTES>,
    pub(crate) reader: Reader,
    /// Why it ended, if it did.
    pub(crate) ended: Option<Stop>,
}

impl<N> Notes<N> {
    /// The notes of `store`, for pages of this size.
    pub const fn new(page: PageSize, store: N) -> Self {
        Self {
            store,
            list: String::new(),
            reader: Reader::new(page),
            asked: String::new(),
            refused: 0,
            summary: Summary {
                text: String::new(),
                reader: Reader::new(page),
                ended: None,
            },
        }
    }
}

impl<N: NoteStore> Notes<N> {
    /// Lists what is in the store, and turns to the newest note.
    ///
    /// # Errors
    /// What the store says; what it gave before that is listed.
    pub fn open(&mut self) -> Result<(), NoteError> {
        let list = &mut self.list;
        list.clear();
        let read = self.store.visit(&mut |note| {
            append(list, note);
        });
        self.reopen();
        read
    }

    /// Keeps a note, and turns to it. Returns whether others left for it, so that the whole list is another.
    ///
    /// # Errors
    /// What the store says; the note was not kept then, and is counted.
    pub fn take(&mut self, note: &Note<'_>) -> Result<bool, NoteError> {
        let before = self.store.dropped();
        if let Err(error) = self.store.append(note) {
            self.refuse();
            return Err(error);
        }
        if self.store.dropped() != before {
            return self.open().map(|()| true);
        }
        if append(&mut self.list, note) {
            self.reopen();
            return Ok(true);
        }
        let _ = self.reader.grow(&self.list, &Typeface);
        self.reader.show_last();
        Ok(false)
    }

    /// Something was said that could not be kept.
    pub fn refuse(&mut self) {
        self.refused = self.refused.saturating_add(1);
    }

    /// Forgets all notes.
    ///
    /// # Errors
    /// What the store says; what it has left is listed.
    pub fn clear(&mut self) -> Result<(), NoteError> {
        let cleared = self.store.clear();
        self.refused = 0;
        self.open().and(cleared)
    }

    /// Notes that are kept.
    pub fn count(&self) -> usize {
        self.store.len()
    }

    /// Notes that were taken and are not kept any more, or never were.
    pub fn lost(&self) -> u32 {
        self.store.dropped().saturating_add(self.refused)
    }
}

impl<N> Notes<N> {
    /// All notes that are listed, one on a line, oldest first.
    pub fn list(&self) -> &str {
        &self.list
    }

    /// The summary as far as it has come.
    pub fn summary(&self) -> &str {
        &self.summary.text
    }

    /// Begins a summary of what is listed now.
    pub fn summarize(&mut self) {
        self.asked.clear();
        for line in self.list.lines() {
            let note = line.split_once(' ').map_or(line, |(_, note)| note);
            // Shorter than the line was.
            let _ = writeln!(self.asked, "- {note}");
        }
        let _ = self.asked.pop();
        self.summary.text.clear();
        self.summary.ended = None;
        self.summary.reader.open("", &Typeface);
    }

    /// The summary goes on. Returns whether it may go on further.
    pub fn grow(&mut self, piece: &str) -> bool {
        let summary = &mut self.summary;
        let piece = if summary.text.is_empty() {
            piece.trim_start()
        } else {
            piece
        };
        let room = summary.text.capacity() - summary.text.len();
        let fits = piece.floor_char_boundary(room);
        let _ = summary.text.push_str(&piece[..fits]);
        let paged = summary.reader.grow(&summary.text, &Typeface).is_ok();
        fits == piece.len() && paged
    }

    /// What the model is asked: to sum up the notes, in the language that they are in.
    pub fn chat(&self) -> Chat<'_> {
        let told = match Language::of(&self.asked) {
            Language::English => IN_ENGLISH,
            Language::Chinese => IN_CHINESE,
        };
        Chat::new()
            .with_thinking(Some(false))
            .system(told)
            .user(&self.asked)
    }

    /// Leaves the oldest note out of what the model is asked, because its context is too small.
    ///
    /// Returns `false` if it was the only one; it stays then.
    pub fn skip_oldest(&mut self) -> bool {
        let end = self.asked.find('\n');
        if let Some(end) = end {
            self.asked.drain(..=end);
        }
        end.is_some()
    }

    fn reopen(&mut self) {
        self.reader.open(&self.list, &Typeface);
        self.reader.show_last();
    }
}

/// Appends a note to the list, on one line. Returns whether older lines had to leave.
fn append(list: &mut String<LIST_BYTES>, note: &Note<'_>) -> bool {
    let most = LIST_BYTES - FRAME_BYTES;
    let text = &note.text[..note.text.floor_char_boundary(most)];
    let mut dropped = false;
    while !list.is_empty() && list.len() + text.len() > most {
        let next = list.find('\n').map_or(list.len(), |end| end + 1);
        list.drain(..next);
        dropped = true;
    }
    // The longest time of day has the room that was left for it.
    if let Some(unix_s) = note.unix_s {
        let _ = write!(list, "{} ", TimeOfDay::at(unix_s));
    } else {
        let _ = list.push_str("– ");
    }
    for ch in text.chars() {
        let _ = list.push(if ch.is_control() { ' ' } else { ch });
    }
    let _ = list.push('\n');
    dropped
}

#[cfg(test)]
mod tests {
    extern crate std;

    use std::format;
    use std::string::String;

    use embedded_io::ErrorKind;
    use qlens::chat::Role;

    use super::*;

    const PAGE: PageSize = PageSize {
        width: 456,
        lines: 3,
    };

    fn note(unix_s: Option<u64>, text: &str) -> Note<'_> {
        Note {
            at_us: 1,
            unix_s,
            text,
        }
    }

    #[test]
    fn the_list_has_a_line_for_each_note() {
        let mut notes = Notes::new(PAGE, Store::new());
        assert_eq!(
            notes.take(&note(Some(1_700_000_000), "buy milk")),
            Ok(false)
        );
        assert_eq!(notes.take(&note(None, "给妈妈\n打电话")), Ok(false));
        assert_eq!(notes.list(), "22:13 buy milk\n– 给妈妈 打电话\n");
        for number in 0..3 {
            assert_eq!(notes.take(&note(None, &format!("{number}"))), Ok(false));
        }
        assert_eq!((notes.reader.page(), notes.reader.pages().count()), (1, 2));
        assert_eq!((notes.count(), notes.lost()), (5, 0));
        assert_eq!(notes.clear(), Ok(()));
        assert_eq!((notes.list(), notes.count()), ("", 0));
    }

    #[test]
    fn the_language_of_the_notes_is_that_of_the_summary() {
        for (text, language) in [("buy milk", "English"), ("买牛奶", "中文")] {
            let mut notes = Notes::new(PAGE, Store::new());
            for _ in 0..3 {
                assert_eq!(notes.take(&note(Some(0), text)), Ok(false));
            }
            notes.summarize();
            // As if the context were too small for two of them.
            assert!(notes.skip_oldest() && notes.skip_oldest() && !notes.skip_oldest());
            let chat = notes.chat();
            assert!(chat.turns()[0].1.contains(language));
            let left = format!("- {text}");
            assert_eq!(chat.turns()[1], (Role::User, &*left));
        }
    }

    #[test]
    fn a_full_store_loses_its_oldest_and_says_so() {
        let mut notes = Notes::new(PAGE, Store::new());
        let long = "站".repeat(341);
        for number in 0..5 {
            let text = format!("{number}{long}");
            assert_eq!(notes.take(&note(Some(0), &text)), Ok(false));
        }
        assert_eq!(notes.take(&note(Some(0), &long)), Ok(false));
        assert_eq!(notes.take(&note(Some(0), &long)), Ok(true));
        assert!(notes.list().starts_with("00:00 1站"));
        assert_eq!((notes.count(), notes.lost()), (6, 1));
        for _ in 0..100 {
            assert!(notes.take(&note(Some(0), "x")).is_ok());
        }
        assert_eq!(notes.count(), MAX_NOTES);
        assert_eq!(notes.list().lines().count(), MAX_NOTES);
    }

    /// A store on a device with much room, which fails when it is told to.
    #[derive(Default)]
    struct Card {
        notes: std::vec::Vec<String>,
        broken: bool,
    }

    impl Card {
        fn works(&self) -> Result<(), NoteError> {
            if self.broken {
                return Err(NoteError::Device(ErrorKind::Other));
            }
            Ok(())
        }
    }

    impl NoteStore for Card {
        fn append(&mut self, note: &Note<'_>) -> Result<(), NoteError> {
            self.works()?;
            self.notes.push(note.text.into());
            Ok(())
        }

        fn visit(&mut self, each: &mut dyn FnMut(&Note<'_>)) -> Result<(), NoteError> {
            self.works()?;
            for text in &self.notes {
                each(&note(None, text));
            }
            Ok(())
        }

        fn clear(&mut self) -> Result<(), NoteError> {
            self.works()?;
            self.notes.clear();
            Ok(())
        }

        fn len(&self) -> usize {
            self.notes.len()
        }

        fn dropped(&self) -> u32 {
            0
        }
    }

    #[test]
    fn of_a_larger_store_the_newest_notes_are_listed() {
        let mut notes = Notes::new(PAGE, Card::default());
        let long = "y".repeat(9_000);
        assert_eq!(notes.take(&note(None, &long)), Ok(false));
        assert!(notes.list().len() <= LIST_BYTES);
        let mut whole = 0;
        for number in 0..100 {
            let text = format!("{number} {}", "x".repeat(300));
            whole += usize::from(notes.take(&note(None, &text)) == Ok(true));
        }
        assert!(whole > 0 && notes.count() == 101);
        let last = notes.list().lines().last();
        assert!(last.is_some_and(|line| line.starts_with("– 99 x")));
        let grown = String::from(notes.list());
        assert_eq!(notes.open(), Ok(()));
        assert_eq!(notes.list(), grown);
    }

    #[test]
    fn a_store_that_fails_is_told_of_and_the_note_counted() {
        let mut notes = Notes::new(PAGE, Card::default());
        assert_eq!(notes.take(&note(None, "one")), Ok(false));
        notes.store.broken = true;
        let failed = Err(NoteError::Device(ErrorKind::Other));
        assert_eq!(notes.take(&note(None, "two")), failed);
        assert_eq!((notes.list(), notes.lost()), ("– one\n", 1));
        notes.store.broken = false;
        assert_eq!(notes.open(), Ok(()));
        assert_eq!(notes.list(), "– one\n");
    }
}
