//! Teleprompter: a text that is read aloud, and that turns its pages when the end of one was heard.
//!
//! What is heard is the end of an utterance, aligned with the words just ahead of what was read before. The
//! alignment is an edit distance ([Sellers 1980](https://doi.org/10.1016/0196-6774(80)90016-4)): a word that
//! was misheard, left out or put in costs one, and about one in four may. English goes by words, Chinese by
//! characters. The nearest of the best alignments counts; without one nothing moves, so whoever speaks freely
//! finds the text where it was.

use core::fmt;

use heapless::{String, Vec};

use crate::layout::{PageSize, Reader, is_wide};
use crate::typeface::Typeface;

/// Longest text, in bytes of UTF-8: as long as an answer.
pub const SCRIPT_BYTES: usize = crate::conversation::ANSWER_BYTES;

/// Words of the end of an utterance that are looked for.
const TAIL: usize = 12;
/// Words ahead that may be skipped at most.
const SLACK: usize = 12;

/// The text is longer than [`SCRIPT_BYTES`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct ScriptTooLong {
    /// Its length in bytes.
    pub bytes: usize,
}

impl fmt::Display for ScriptTooLong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the teleprompter's text has {} bytes, at most {SCRIPT_BYTES} fit",
            self.bytes
        )
    }
}

impl core::error::Error for ScriptTooLong {}

/// The text, and how far it was read.
#[derive(Debug)]
pub struct Teleprompter {
    script: String<SCRIPT_BYTES>,
    /// Whether somebody gave the text, so that no other is to be taken.
    given: bool,
    pub(crate) reader: Reader,
    /// The byte after the last word that was heard.
    read: usize,
}

impl Teleprompter {
    /// A teleprompter without a text, for pages of this size.
    pub const fn new(page: PageSize) -> Self {
        Self {
            script: String::new(),
            given: false,
            reader: Reader::new(page),
            read: 0,
        }
    }

    /// Gives it a text; none if it is blank.
    ///
    /// # Errors
    /// [`ScriptTooLong`]; the old one then stays.
    pub fn set_script(&mut self, text: &str) -> Result<(), ScriptTooLong> {
        let text = text.trim();
        self.script = String::try_from(text).map_err(|_| ScriptTooLong { bytes: text.len() })?;
        self.given = !text.is_empty();
        self.rewind();
        Ok(())
    }

    /// Opens where it was left, or at the beginning if it was read to its end. If no text was given, it is
    /// `otherwise`.
    pub fn open(&mut self, otherwise: &str) {
        let otherwise = otherwise.trim();
        if !self.given && self.script != otherwise {
            self.script.clear();
            let fits = otherwise.floor_char_boundary(SCRIPT_BYTES);
            let _ = self.script.push_str(&otherwise[..fits]);
            self.rewind();
        }
        if self.next_word().is_none() {
            self.rewind();
        }
    }

    /// Turns to the next page or the one before, from which it goes on; returns whether there is one.
    pub fn turn(&mut self, forward: bool) -> bool {
        let turned = self.reader.turn(forward);
        if turned {
            let page = self.reader.page();
            self.read = self.reader.pages().start(page).unwrap_or_default();
        }
        turned
    }

    /// Something was said: if it is of the text, what comes after it is shown. Returns whether it is.
    pub fn hear(&mut self, text: &str) -> bool {
        let Some(length) = self.matched(text) else {
            return false;
        };
        self.read += length;
        let at = self.next_word().unwrap_or(self.script.len());
        self.reader.show(at);
        true
    }

    /// The text; empty if there is none.
    pub fn script(&self) -> &str {
        &self.script
    }

    /// The byte after the last word that was heard, or the beginning of the page that was turned to since.
    pub const fn read(&self) -> usize {
        self.read
    }

    fn rewind(&mut self) {
        self.read = 0;
        self.reader.open(&self.script, &Typeface);
    }

    fn ahead(&self) -> &str {
        self.script.get(self.read..).unwrap_or_default()
    }

    /// Where the next word to be read begins.
    fn next_word(&self) -> Option<usize> {
        let word = words(self.ahead()).next()?;
        Some(self.read + word.start)
    }

    /// The length of the text ahead that ends with the end of what was said.
    fn matched(&self, said: &str) -> Option<usize> {
        let mut tail: Vec<&str, TAIL> = Vec::new();
        let mut heard = 0;
        for word in words(said) {
            if tail.is_full() {
                tail.remove(0);
            }
            let _ = tail.push(word.text);
            heard += 1;
        }
        let most = tail.len().checked_sub(1)? / 3;
        // The fewest mistakes with which the first words of the tail end at the word that is looked at; the
        // beginning may be anywhere.
        let mut mistakes = [0_usize; TAIL + 1];
        for (count, fewest) in mistakes.iter_mut().enumerate() {
            *fewest = count;
        }
        let mut best = None;
        let window = heard + SLACK.min(2 * tail.len());
        for word in words(self.ahead()).take(window) {
            let mut before = mistakes[0];
            for (index, said) in tail.iter().enumerate() {
                let wrong = usize::from(!are_alike(said, word.text));
                let fewest = (before + wrong)
                    .min(mistakes[index] + 1)
                    .min(mistakes[index + 1] + 1);
                before = mistakes[index + 1];
                mistakes[index + 1] = fewest;
            }
            let fewest = mistakes[tail.len()];
            if fewest <= most && best.is_none_or(|(least, _)| fewest < least) {
                best = Some((fewest, word.start + word.text.len()));
            }
        }
        best.map(|(_, end)| end)
    }
}

/// A word of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Word<'t> {
    /// Where it begins, in bytes.
    start: usize,
    text: &'t str,
}

/// The words of `text`: runs of letters and digits, apostrophes among them; of Chinese, each character.
fn words(text: &str) -> impl Iterator<Item = Word<'_>> {
    let mut at = 0;
    core::iter::from_fn(move || {
        let rest = text.get(at..)?;
        let begin = at + rest.find(char::is_alphanumeric)?;
        let rest = &text[begin..];
        let first = rest.chars().next()?;
        let length = if is_wide(first) {
            first.len_utf8()
        } else {
            let inside = |ch: char| ch.is_alphanumeric() && !is_wide(ch);
            rest.find(|ch| !(inside(ch) || matches!(ch, '\'' | '’')))
                .unwrap_or(rest.len())
        };
        at = begin + length;
        Some(Word {
            start: begin,
            text: &rest[..length],
        })
    })
}

/// Whether two words are the same but for case and, from four letters on, one letter.
fn are_alike(a: &str, b: &str) -> bool {
    let letters = |word: &'_ str| -> (usize, bool) {
        let count = letters_of(word).take(4).count();
        (count, count >= 4)
    };
    let may_differ = letters(a).1 && letters(b).1;
    let (mut a, mut b) = (letters_of(a), letters_of(b));
    loop {
        let (mut a_rest, mut b_rest) = (a.clone(), b.clone());
        match (a_rest.next(), b_rest.next()) {
            (None, None) => return true,
            (x, y) if x == y => (a, b) = (a_rest, b_rest),
            _ => {
                return may_differ
                    && (a_rest.clone().eq(b_rest.clone()) || a_rest.eq(b) || a.eq(b_rest));
            }
        }
    }
}

fn letters_of(word: &str) -> impl Iterator<Item = char> + Clone + '_ {
    word.chars()
        .filter(|ch| ch.is_alphanumeric())
        .flat_map(char::to_lowercase)
}

#[cfg(test)]
mod tests {
    extern crate std;

    use std::string::String;

    use super::*;

    const ENGLISH: &str = "Good evening, and thank you all for coming. Ten years ago we opened this shop with \
        two tables and one lamp. Tonight there are forty tables, and we still have the lamp. It hangs above \
        the door; look up when you go home. Thank you.";
    const CHINESE: &str = "各位晚上好，感谢大家的到来。十年前，我们用两张桌子和一盏灯开了这家店。今晚有四十张桌子，\
        那盏灯也还在。它就挂在门上方，回家时请抬头看看。谢谢大家。";

    fn prompting(script: &str) -> Teleprompter {
        let mut prompter = Teleprompter::new(PageSize {
            width: 456,
            lines: 1,
        });
        prompter.set_script(script).expect("fits");
        prompter
    }

    /// What is still ahead after this was said.
    fn ahead(prompter: &mut Teleprompter, said: &str) -> String {
        prompter.hear(said);
        prompter.ahead().into()
    }

    #[test]
    fn words_are_english_words_and_chinese_characters() {
        let found: std::vec::Vec<&str> =
            words(" It's 5 p.m., 请坐 don’t!").map(|w| w.text).collect();
        assert_eq!(found, ["It's", "5", "p", "m", "请", "坐", "don’t"]);
    }

    #[test]
    fn one_letter_may_differ_in_a_word_that_is_not_short() {
        for (a, b) in [
            ("Tables", "table"),
            ("coming", "comming"),
            ("forty", "farty"),
            ("don't", "DONT"),
            ("灯", "灯"),
        ] {
            assert!(are_alike(a, b) && are_alike(b, a), "{a} {b}");
        }
        for (a, b) in [
            ("the", "then"),
            ("to", "two"),
            ("lamp", "clamps"),
            ("灯", "等"),
            ("go", ""),
        ] {
            assert!(!are_alike(a, b) && !are_alike(b, a), "{a} {b}");
        }
    }

    #[test]
    fn what_was_said_is_behind_and_what_comes_next_ahead() {
        let mut prompter = prompting(ENGLISH);
        let rest = ahead(&mut prompter, "good evening and thank you all for coming");
        assert!(rest.starts_with(". Ten years"), "{rest}");
        // Misheard, a word too many, one left out.
        let rest = ahead(
            &mut prompter,
            "ten years ago we we open this shop with two table and one lump",
        );
        assert!(rest.starts_with(". Tonight"), "{rest}");
        // Some of it was not heard at all.
        let rest = ahead(&mut prompter, "we still have the lamp");
        assert!(rest.starts_with(". It hangs"), "{rest}");

        let mut prompter = prompting(CHINESE);
        let rest = ahead(&mut prompter, "各位晚上好感谢大家的到来");
        assert!(rest.starts_with("。十年前"), "{rest}");
        // A homophone, one character left out.
        let rest = ahead(&mut prompter, "十年前我们用两张桌子和一展灯开这家店");
        assert!(rest.starts_with("。今晚"), "{rest}");
    }

    #[test]
    fn who_speaks_freely_moves_nothing() {
        let mut prompter = prompting(ENGLISH);
        let begin = ahead(&mut prompter, "good evening and thank you all");
        for said in [
            "sorry, can you hear me at the back?",
            "the",
            "lamp",
            "",
            "!?",
            "我们马上开始",
            // Too far ahead for so few words.
            "when you go home",
            // Behind.
            "good evening and",
        ] {
            assert_eq!(ahead(&mut prompter, said), begin, "{said}");
        }
        assert!(ahead(&mut prompter, "for").starts_with(" coming"));
    }

    #[test]
    fn pages_turn_with_the_speech_and_never_back() {
        for script in [ENGLISH, CHINESE] {
            let mut prompter = prompting(script);
            let count = prompter.reader.pages().count();
            assert!(count > 2);
            for page in 0..count {
                assert_eq!(prompter.reader.page(), page);
                let text = prompter.reader.pages().slice(script, page);
                assert!(prompter.hear(text), "page {page}");
                assert!(!prompter.hear("nothing of that, 没有"));
            }
            assert!(!prompter.hear(script));
            assert_eq!(prompter.reader.page(), count - 1);
            // Read to its end, it begins anew; left before that, it goes on.
            prompter.open("");
            assert_eq!(prompter.reader.page(), 0);
            assert!(prompter.turn(true));
            prompter.open("another");
            assert_eq!(prompter.reader.page(), 1);
        }
    }

    #[test]
    fn the_end_of_the_text_is_shown_however_it_was_reached() {
        for script in [ENGLISH, CHINESE] {
            let mut prompter = prompting(script);
            let pages = prompter.reader.pages().count();
            let (before, page) = (prompter.reader.pages(), pages - 2);
            let (start, whole) = (before.start(page), before.slice(script, page).len());
            for _ in 0..page {
                assert!(prompter.turn(true));
            }
            assert_eq!(Some(prompter.read()), start);
            // The last two pages in one breath.
            let text = &script[prompter.read()..];
            assert!(whole < text.len() && prompter.hear(text));
            assert_eq!(prompter.reader.page() + 1, pages);
        }
    }

    #[test]
    fn without_a_text_it_takes_the_other_one() {
        let mut prompter = prompting(" \n");
        prompter.open(ENGLISH);
        assert_eq!(prompter.script(), ENGLISH);
        assert!(prompter.turn(true) && prompter.read() > 0);
        prompter.open(ENGLISH);
        assert_eq!(prompter.reader.page(), 1);
        prompter.open(CHINESE);
        assert_eq!((prompter.script(), prompter.read()), (CHINESE, 0));
        let long = "x".repeat(SCRIPT_BYTES + 1);
        let error = prompter.set_script(&long);
        assert_eq!(error, Err(ScriptTooLong { bytes: 8193 }));
        prompter.set_script(ENGLISH).expect("fits");
        prompter.open(CHINESE);
        assert_eq!(prompter.script(), ENGLISH);
        prompter.set_script("").expect("fits");
        prompter.open("");
        assert_eq!(prompter.script(), "");
        assert!(!prompter.hear("hello") && !prompter.turn(true));
    }
}
