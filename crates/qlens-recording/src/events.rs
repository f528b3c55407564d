//! What a sensor hub tells of a recording.

use core::{fmt, mem};
use std::string::{String, ToString as _};
use std::vec::Vec;

use qlens_sense::voice::FRAME;
use qlens_sense::{Event, EventKind, Recogniser};

use crate::file::Frames;
use crate::parts;
use crate::record::{Record, Sample};
use crate::wire::Decoder;

/// Words that come so long after an utterance, in microseconds, are not of it.
pub const WORDS_LATE_US: u64 = 1_000_000;

/// One thing that is told, and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// Microseconds from the beginning of the recording.
    pub at_us: u64,
    /// What it is.
    pub what: What,
}

/// What is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// A gesture, wear, light, or where voice begins and ends.
    Event(EventKind),
    /// The words of an utterance, when that is over.
    Speech(String),
    /// Words that nobody was heard to say.
    Unheard(String),
    /// The battery.
    Battery {
        /// Charge left, 0 to 100.
        percent: u8,
        /// On the charger.
        charging: bool,
    },
    /// Temperature of the chip, in thousandths of a degree.
    Temperature(i32),
    /// A mark.
    Mark {
        /// Its number.
        number: u32,
        /// Whoever plays the recording waits here.
        wait: bool,
    },
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Event(EventKind::Swipe(direction)) => write!(f, "swipe {direction}"),
            Self::Event(EventKind::Ambient { lux }) => write!(f, "light {lux} lux"),
            Self::Event(EventKind::VoiceStart { utterance }) => {
                write!(f, "voice {utterance} begins")
            }
            Self::Event(EventKind::VoiceStop { utterance, samples }) => {
                let seconds = f64::from(*samples) / f64::from(qlens_sense::samples::AUDIO_HZ);
                write!(f, "voice {utterance} ends after {seconds:.2} s")
            }
            Self::Event(kind) => f.write_str(match kind {
                EventKind::Tap => "tap",
                EventKind::DoubleTap => "double tap",
                EventKind::LongPress => "long press",
                EventKind::HeadUp => "head up",
                EventKind::HeadDown => "head down",
                EventKind::Worn => "worn",
                _ => "removed",
            }),
            Self::Speech(words) => write!(f, "speech {words:?}"),
            Self::Unheard(words) => write!(f, "words without a voice {words:?}"),
            Self::Battery { percent, charging } => {
                let charger = if *charging { ", charging" } else { "" };
                write!(f, "battery {percent}%{charger}")
            }
            Self::Temperature(milli) => write!(f, "temperature {:.1} °C", f64::from(*milli) / 1e3),
            Self::Mark { number, wait } => {
                write!(f, "mark {number}{}", if *wait { ", wait" } else { "" })
            }
        }
    }
}

/// Everything that is told of these frames, in the order in which it is; what is damaged says nothing.
pub fn events(frames: Frames<'_>) -> Vec<Told> {
    let mut hub = Hub::default();
    let mut decoder = Decoder::new();
    for frame in frames {
        if let Ok(record) = frame.record(&mut decoder) {
            hub.take(&record);
        }
    }
    let last = hub.recogniser.end();
    hub.tell(last);
    hub.told
}

#[derive(Default)]
struct Hub {
    recogniser: Recogniser,
    told: Vec<Told>,
    /// Whether someone speaks, and when the last utterance ended.
    speaks: bool,
    ended_us: Option<u64>,
    /// Words of the utterance that is under way.
    words: Vec<String>,
}

impl Hub {
    fn take(&mut self, record: &Record<'_>) {
        let at_us = record.at_us;
        let event = match record.sample {
            Sample::Touch(sample) => self.recogniser.touch(at_us, sample),
            Sample::Imu(sample) => self.recogniser.imu(at_us, sample),
            Sample::Proximity(counts) => self.recogniser.proximity(at_us, counts),
            Sample::Light(word) => self.recogniser.light(at_us, word),
            Sample::Microphone(sound) => {
                let mut samples = [0; FRAME];
                let length = sound.len().min(FRAME);
                for (place, sample) in samples.iter_mut().zip(sound.iter()) {
                    *place = sample;
                }
                self.recogniser.microphone(at_us, &samples[..length])
            }
            Sample::Battery { charge, charging } => {
                let percent = parts::percent(charge);
                return self.say(at_us, What::Battery { percent, charging });
            }
            Sample::Temperature(word) => {
                let temperature = parts::milli_celsius(word).map(What::Temperature);
                return temperature
                    .into_iter()
                    .for_each(|what| self.say(at_us, what));
            }
            Sample::Words(words) => return self.hear(at_us, words),
            Sample::Mark { number, wait } => return self.say(at_us, What::Mark { number, wait }),
            Sample::Start { .. } => None,
        };
        self.tell(event);
    }

    fn say(&mut self, at_us: u64, what: What) {
        self.told.push(Told { at_us, what });
    }

    fn tell(&mut self, event: Option<Event>) {
        let Some(Event { at_us, kind }) = event else {
            return;
        };
        self.say(at_us, What::Event(kind));
        match kind {
            EventKind::VoiceStart { .. } => self.speaks = true,
            EventKind::VoiceStop { .. } => {
                self.speaks = false;
                self.ended_us = Some(at_us);
                for words in mem::take(&mut self.words) {
                    self.say(at_us, What::Speech(words));
                }
            }
            _ => {}
        }
    }

    fn hear(&mut self, at_us: u64, words: &str) {
        let since_us = self.ended_us.map(|ended_us| at_us.saturating_sub(ended_us));
        if self.speaks {
            self.words.push(words.to_string());
        } else if since_us.is_some_and(|since_us| since_us < WORDS_LATE_US) {
            self.say(at_us, What::Speech(words.to_string()));
        } else {
            self.say(at_us, What::Unheard(words.to_string()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_of_the_utterance_under_way_or_of_the_one_that_just_ended() {
        let mut hub = Hub::default();
        let utterance = 0;
        let samples = 16_000;
        hub.hear(1, "before");
        hub.tell(Some(Event::new(2, EventKind::VoiceStart { utterance })));
        hub.hear(3, "under way");
        hub.tell(Some(Event::new(
            4,
            EventKind::VoiceStop { utterance, samples },
        )));
        hub.hear(WORDS_LATE_US + 3, "just in time");
        hub.hear(WORDS_LATE_US + 4, "too late");
        let said: Vec<_> = hub
            .told
            .iter()
            .filter(|told| !matches!(told.what, What::Event(_)))
            .map(|told| (told.at_us, told.what.to_string()))
            .collect();
        let said: Vec<_> = said
            .iter()
            .map(|(at_us, what)| (*at_us, what.as_str()))
            .collect();
        assert_eq!(
            said,
            [
                (1, "words without a voice \"before\""),
                (4, "speech \"under way\""),
                (WORDS_LATE_US + 3, "speech \"just in time\""),
                (WORDS_LATE_US + 4, "words without a voice \"too late\""),
            ]
        );
    }
}
