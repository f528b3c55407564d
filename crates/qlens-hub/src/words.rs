//! The words of an utterance, which ride along in a recording for as long as there is no recogniser that hears them in
//! its sound. They count only if a voice was heard: what is not recognised as speech is not said.

use qlens_board::Utterance;

/// Words may come so long after the end of their utterance, or wait so long for it to begin, in microseconds:
/// longer than a pause for breath, shorter than one for thought.
const NEAR_US: u64 = 1_000_000;

/// The words that are waited for, or wait.
#[derive(Debug)]
pub(crate) struct Words {
    /// Words whose utterance is not over.
    waiting: Utterance,
    /// When the last of them came.
    waiting_us: u64,
    speaks: bool,
    /// When the last utterance ended, if nobody has its words.
    stopped_us: Option<u64>,
    dropped: u32,
}

impl Words {
    pub const fn new() -> Self {
        Self {
            waiting: Utterance::new(),
            waiting_us: 0,
            speaks: false,
            stopped_us: None,
            dropped: 0,
        }
    }

    pub const fn dropped(&self) -> u32 {
        self.dropped
    }

    /// Another recording begins.
    pub fn forget(&mut self) {
        self.drop_waiting();
        self.speaks = false;
        self.stopped_us = None;
    }

    /// Words come at this time; they are back at once if their utterance is over.
    pub fn say(&mut self, at_us: u64, words: &str) -> Option<Utterance> {
        let over = self
            .stopped_us
            .take_if(|stopped_us| !self.speaks && at_us.saturating_sub(*stopped_us) <= NEAR_US);
        if over.is_some() {
            let Ok(words) = Utterance::try_from(words) else {
                self.dropped = self.dropped.saturating_add(1);
                return None;
            };
            return Some(words);
        }
        let room = self.waiting.capacity() - self.waiting.len();
        let apart = usize::from(!self.waiting.is_empty());
        if words.len() + apart > room {
            self.dropped = self.dropped.saturating_add(1);
            return None;
        }
        if apart > 0 {
            let _ = self.waiting.push(' ');
        }
        let _ = self.waiting.push_str(words);
        self.waiting_us = at_us;
        None
    }

    /// A voice is heard.
    pub fn voice_starts(&mut self) {
        self.speaks = true;
        self.stopped_us = None;
    }

    /// The utterance is over; its words, if they came.
    pub fn voice_stops(&mut self, at_us: u64) -> Option<Utterance> {
        self.speaks = false;
        if self.waiting.is_empty() {
            self.stopped_us = Some(at_us);
            return None;
        }
        Some(core::mem::take(&mut self.waiting))
    }

    /// Time passes: words that nobody was heard to say are dropped.
    pub fn wait(&mut self, now_us: u64) {
        if !self.speaks && now_us.saturating_sub(self.waiting_us) > NEAR_US {
            self.drop_waiting();
        }
    }

    fn drop_waiting(&mut self) {
        if !self.waiting.is_empty() {
            self.waiting.clear();
            self.dropped = self.dropped.saturating_add(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_come_with_the_end_of_their_utterance() {
        let mut words = Words::new();
        words.voice_starts();
        assert_eq!(words.say(2_000_000, "How far"), None);
        assert_eq!(words.say(2_500_000, "is it?"), None);
        let said = words.voice_stops(2_700_000);
        assert_eq!(said.as_deref(), Some("How far is it?"));
        // They were those of this utterance, and of no other.
        words.voice_starts();
        assert_eq!(words.voice_stops(4_000_000), None);
        assert_eq!(words.dropped(), 0);
    }

    #[test]
    fn words_that_come_late_belong_to_the_last_utterance() {
        let mut words = Words::new();
        words.voice_starts();
        assert_eq!(words.voice_stops(1_000_000), None);
        let said = words.say(1_900_000, "多远？");
        assert_eq!(said.as_deref(), Some("多远？"));
        assert_eq!(words.say(1_950_000, "again"), None);
        words.wait(3_000_000);
        assert_eq!(words.dropped(), 1);
    }

    #[test]
    fn words_without_a_voice_and_too_many_words_are_dropped() {
        let mut words = Words::new();
        assert_eq!(words.say(1_000_000, "nobody says this"), None);
        words.wait(2_000_000);
        assert_eq!(words.dropped(), 0);
        words.wait(2_000_001);
        assert_eq!(words.dropped(), 1);
        words.voice_starts();
        assert_eq!(words.voice_stops(2_500_000), None);
        words.voice_starts();
        let long = "a".repeat(qlens_board::event::UTTERANCE_BYTES);
        assert_eq!(words.say(3_000_000, &long), None);
        assert_eq!(words.say(3_100_000, "b"), None);
        assert_eq!(words.dropped(), 2);
        assert_eq!(words.voice_stops(3_200_000).as_deref(), Some(&*long));
        words.voice_starts();
        assert_eq!(words.say(4_000_000, "lost"), None);
        words.forget();
        assert_eq!(words.voice_stops(4_100_000), None);
        assert_eq!(words.dropped(), 3);
    }
}
