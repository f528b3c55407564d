//! Translate: what is said appears as captions in the other language, newest last. Every utterance is
//! translated by itself, without what was said before it; one that comes while another is being translated
//! waits, and of too many that wait the oldest is lost and counted, because captions that lag are no captions.

use core::mem;

use heapless::{Deque, String};
use qlens::chat::Chat;
use qlens_board::Utterance;
use qlens_board::event::UTTERANCE_BYTES;

use super::language::Language;

/// Utterances that may wait for the one before them.
pub const MAX_WAITING: usize = 4;
/// Longest caption, in bytes of UTF-8: half again as much as an utterance has. A longer one is cut short.
pub const CAPTION_BYTES: usize = 1536;
/// Room for all captions that are kept, in bytes of UTF-8: more than any display has room for.
pub const CAPTIONS_BYTES: usize = 4096;

/// Put at the end of a caption that was cut short.
const ELLIPSIS: &str = "…";

const _: () = assert!(UTTERANCE_BYTES <= CAPTION_BYTES);
const _: () = assert!(CAPTION_BYTES < CAPTIONS_BYTES);

const SYSTEM: &str = "You are an interpreter. Reply with the translation and nothing else.";

/// How the model is told to translate: in front of what is to be translated, and by an example. A small
/// model answers a question that stands alone, whatever it was told before.
struct Instructions {
    told: &'static str,
    example: &'static str,
    translation: &'static str,
}

const INTO_CHINESE: Instructions = Instructions {
    told: "Translate into Chinese: ",
    example: "Translate into Chinese: Excuse me, where is the station?",
    translation: "请问，车站在哪里？",
};

const INTO_ENGLISH: Instructions = Instructions {
    told: "Translate into English: ",
    example: "Translate into English: 请问，车站在哪里？",
    translation: "Excuse me, where is the station?",
};

impl Instructions {
    fn of(text: &str) -> &'static Self {
        match Language::of(text) {
            Language::English => &INTO_CHINESE,
            Language::Chinese => &INTO_ENGLISH,
        }
    }
}

/// Bytes of what stands in front of an utterance.
const TOLD_BYTES: usize = 24;

const _: () = assert!(INTO_CHINESE.told.len() == TOLD_BYTES);
const _: () = assert!(INTO_ENGLISH.told.len() == TOLD_BYTES);

/// The captions, the utterance that is being translated, and those that wait.
#[derive(Debug)]
pub struct Translate {
    /// All captions, oldest first, each on a line of its own.
    captions: String<CAPTIONS_BYTES>,
    /// Where the newest caption begins.
    newest: usize,
    /// What the model is told, and the utterance that is being translated.
    asked: String<{ TOLD_BYTES + UTTERANCE_BYTES }>,
    waiting: Deque<Utterance, MAX_WAITING>,
    missed: u32,
}

impl Translate {
    /// No captions.
    pub const fn new() -> Self {
        Self {
            captions: String::new(),
            newest: 0,
            asked: String::new(),
            waiting: Deque::new(),
            missed: 0,
        }
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.captions.clear();
        self.newest = 0;
        self.asked.clear();
        self.waiting.clear();
        self.missed = 0;
    }

    /// Something was said while nothing was being translated: its caption begins, empty. Returns whether old
    /// captions left to make room for it. What is longer than an utterance is missed, and nothing begins.
    pub fn begin(&mut self, text: &str) -> Option<bool> {
        if text.len() > UTTERANCE_BYTES {
            self.miss();
            return None;
        }
        self.asked.clear();
        let _ = self.asked.push_str(Instructions::of(text).told);
        let _ = self.asked.push_str(text);
        let mut dropped = false;
        while self.captions.len() + 1 + CAPTION_BYTES > CAPTIONS_BYTES {
            let next = self
                .captions
                .find('\n')
                .map_or(self.captions.len(), |end| end + 1);
            self.captions.drain(..next);
            dropped = true;
        }
        if !self.captions.is_empty() {
            let _ = self.captions.push('\n');
        }
        self.newest = self.captions.len();
        Some(dropped)
    }

    /// Something was said while something else was being translated: it waits.
    pub fn wait(&mut self, text: &str) {
        let Ok(utterance) = Utterance::try_from(text) else {
            self.miss();
            return;
        };
        if self.waiting.is_full() {
            self.waiting.pop_front();
            self.miss();
        }
        let _ = self.waiting.push_back(utterance);
    }

    /// The utterance that waited longest.
    pub fn next_waiting(&mut self) -> Option<Utterance> {
        self.waiting.pop_front()
    }

    /// Something was said that will have no caption.
    pub fn miss(&mut self) {
        self.missed = self.missed.saturating_add(1);
    }

    /// The newest caption goes on. A caption is one line: line breaks are blanks. Returns whether it may go on
    /// further.
    pub fn grow(&mut self, piece: &str) -> bool {
        let most = self.newest + CAPTION_BYTES - ELLIPSIS.len();
        for ch in piece.chars() {
            let ch = if ch.is_control() { ' ' } else { ch };
            let blank = ch.is_whitespace();
            let after_blank = self
                .caption()
                .chars()
                .next_back()
                .is_none_or(char::is_whitespace);
            if blank && after_blank {
                continue;
            }
            if self.captions.len() + ch.len_utf8() > most {
                let _ = self.captions.push_str(ELLIPSIS);
                return false;
            }
            let _ = self.captions.push(ch);
        }
        true
    }

    /// The newest caption is as long as it gets. If the model said nothing, or failed, what stands there is
    /// what was said: half of those who read it can.
    pub fn finish(&mut self) {
        if self.caption().trim().is_empty() {
            self.captions.truncate(self.newest);
            let asked = mem::take(&mut self.asked);
            self.grow(asked.get(TOLD_BYTES..).unwrap_or_default());
            self.asked = asked;
        }
    }

    /// What the model is asked: the utterance alone, after an example.
    pub fn chat(&self) -> Chat<'_> {
        let instructions = Instructions::of(self.utterance());
        Chat::new()
            .with_thinking(Some(false))
            .system(SYSTEM)
            .user(instructions.example)
            .assistant(instructions.translation)
            .user(&self.asked)
    }

    /// All captions, oldest first, each on a line of its own.
    pub fn captions(&self) -> &str {
        &self.captions
    }

    /// Where the newest of them begins, in bytes.
    pub const fn newest(&self) -> usize {
        self.newest
    }

    /// The newest of them.
    pub fn caption(&self) -> &str {
        self.captions.get(self.newest..).unwrap_or_default()
    }

    /// What is being translated, or was last.
    pub fn utterance(&self) -> &str {
        self.asked.get(TOLD_BYTES..).unwrap_or_default()
    }

    /// Utterances that wait.
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Utterances that never had a caption since this was opened.
    pub const fn missed(&self) -> u32 {
        self.missed
    }
}

impl Default for Translate {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use qlens::chat::Role;

    use super::*;

    #[test]
    fn the_script_decides_into_which_language() {
        let mut translate = Translate::new();
        for (text, asked) in [
            (
                "Where is exit 8?",
                "Translate into Chinese: Where is exit 8?",
            ),
            (
                "八号出口在哪里？",
                "Translate into English: 八号出口在哪里？",
            ),
        ] {
            assert_eq!(translate.begin(text), Some(false));
            assert_eq!(translate.utterance(), text);
            let chat = translate.chat();
            let turns = chat.turns();
            assert_eq!(turns.len(), 4);
            assert!(turns[1].1.starts_with(&asked[..TOLD_BYTES]));
            assert_eq!(turns[3], (Role::User, asked));
        }
    }

    #[test]
    fn a_caption_is_one_line_and_begins_with_a_word() {
        let mut translate = Translate::new();
        assert_eq!(translate.begin("站在哪里？"), Some(false));
        for piece in ["\n", " Where", " is\n", "\n", "the station?", " \n"] {
            assert!(translate.grow(piece));
        }
        translate.finish();
        assert_eq!(translate.caption(), "Where is the station? ");
        assert_eq!(translate.begin("谢谢"), Some(false));
        assert!(translate.grow(" \n"));
        translate.finish();
        assert_eq!(translate.captions(), "Where is the station? \n谢谢");
    }

    #[test]
    fn whatever_is_said_the_captions_stay_within_their_room() {
        let mut translate = Translate::new();
        let mut dropped = 0;
        for _ in 0..20 {
            dropped += usize::from(translate.begin("再说一遍") == Some(true));
            let mut pieces = 0;
            while translate.grow("word, 站 ") {
                pieces += 1;
                assert!(pieces < 1_000);
            }
            assert!(translate.caption().ends_with('…'));
            assert!(translate.caption().len() <= CAPTION_BYTES);
            assert!(translate.captions().len() <= CAPTIONS_BYTES);
            translate.finish();
        }
        assert_eq!(dropped, 18);
    }

    #[test]
    fn of_too_many_that_wait_the_oldest_is_missed() {
        let mut translate = Translate::new();
        for text in ["a", "b", "c", "d", "e", "f"] {
            translate.wait(text);
        }
        assert_eq!((translate.waiting(), translate.missed()), (4, 2));
        assert_eq!(translate.next_waiting().as_deref(), Some("c"));
        let long = "x".repeat(1_025);
        translate.wait(&long);
        assert_eq!(translate.begin(&long), None);
        assert_eq!((translate.waiting(), translate.missed()), (3, 4));
        translate.clear();
        assert_eq!((translate.waiting(), translate.missed()), (0, 0));
    }
}
