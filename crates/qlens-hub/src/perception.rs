//! From samples to events: the recognisers, the words that ride along, and what else a recording says.

use qlens_board::SensorKind;
use qlens_link::{AUDIO_SAMPLES, AudioChunk, Event, EventKind, HubConfig, ImuSample};
use qlens_recording::{Record, Sample, VERSION, parts};
use qlens_sense::{Recogniser, Settings};

use crate::words::Words;
use crate::{End, sensor};

/// What was lost, and why. Each stays at its maximum.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Counts {
    /// Records that were taken.
    pub records: u32,
    /// Frames that were damaged, cut, or mean nothing.
    pub damaged: u32,
    /// Records of a recording of another version.
    pub other_version: u32,
    /// Words that nobody was heard to say, or that were too many.
    pub words_dropped: u32,
    /// Settings that could not be followed.
    pub settings_refused: u32,
    /// Events that the link did not take.
    pub events_refused: u32,
}

fn count(counter: &mut u32) {
    *counter = counter.saturating_add(1);
}

/// What the hub knows of the world.
#[derive(Debug)]
pub(crate) struct Perception {
    recogniser: Recogniser,
    words: Words,
    config: HubConfig,
    /// The recording that comes in is of this version.
    is_readable: bool,
    counts: Counts,
}

impl Perception {
    pub fn new() -> Self {
        Self {
            recogniser: Recogniser::new(),
            words: Words::new(),
            config: HubConfig::default(),
            is_readable: true,
            counts: Counts::default(),
        }
    }

    pub fn counts(&self) -> Counts {
        Counts {
            words_dropped: self.words.dropped(),
            ..self.counts
        }
    }

    pub fn rejected(&self) -> u32 {
        self.recogniser.rejected()
    }

    pub fn damaged(&mut self) {
        count(&mut self.counts.damaged);
    }

    pub fn configure(&mut self, config: HubConfig) {
        let settings = Settings {
            double_tap_ms: config.double_tap_ms,
            long_press_ms: config.long_press_ms,
            head_up_centidegrees: config.head_up_centidegrees,
            head_down_centidegrees: config.head_down_centidegrees,
            voice_hangover_ms: config.voice_hangover_ms,
        };
        if self.recogniser.configure(settings).is_ok() {
            self.config = config;
        } else {
            count(&mut self.counts.settings_refused);
        }
    }

    /// Takes a record, and sends what is to be said of it.
    pub fn record(&mut self, record: &Record<'_>, end: &mut End, told: &mut dyn FnMut(&Event)) {
        let at_us = record.at_us;
        if let Sample::Start { version, .. } = record.sample {
            self.is_readable = version == VERSION;
            // Nothing of another recording says anything of this one.
            if let Some(event) = self.recogniser.end() {
                self.recognised(event, end, told);
            }
            self.recogniser = Recogniser::new();
            self.words.forget();
            self.configure(self.config);
        }
        if !self.is_readable {
            return count(&mut self.counts.other_version);
        }
        count(&mut self.counts.records);
        let recognised = match record.sample {
            Sample::Start { .. } => None,
            Sample::Touch(sample) => self.recogniser.touch(at_us, sample),
            Sample::Imu(sample) => {
                if self.config.imu {
                    end.send_imu(&ImuSample {
                        at_us,
                        accel: sample.accel,
                        gyro: sample.gyro,
                    });
                }
                self.recogniser.imu(at_us, sample)
            }
            Sample::Proximity(counts) => self.recogniser.proximity(at_us, counts),
            Sample::Light(word) => self.recogniser.light(at_us, word),
            Sample::Microphone(sound) => {
                let mut samples = [0; qlens_recording::wire::MICROPHONE_SAMPLES];
                for (place, sample) in samples.iter_mut().zip(sound.iter()) {
                    *place = sample;
                }
                let samples = &samples[..sound.len()];
                let recognised = self.recogniser.microphone(at_us, samples);
                self.words.wait(at_us);
                recognised
            }
            Sample::Battery { charge, charging } => {
                let percent = parts::percent(charge);
                let kind = SensorKind::Battery { percent, charging };
                return self.send(&sensor(at_us, kind), end, told);
            }
            Sample::Temperature(word) => {
                if let Some(milli_celsius) = parts::milli_celsius(word) {
                    let kind = SensorKind::Temperature { milli_celsius };
                    self.send(&sensor(at_us, kind), end, told);
                }
                return;
            }
            Sample::Words(words) => {
                if let Some(words) = self.words.say(at_us, words) {
                    self.send(&sensor(at_us, SensorKind::Speech(words)), end, told);
                }
                return;
            }
            Sample::Mark { number, .. } => {
                return self.send(&sensor(at_us, SensorKind::Mark { number }), end, told);
            }
        };
        if let Some(event) = recognised {
            self.recognised(event, end, told);
        }
        self.pass_on_sound(end);
    }

    /// Sends what the recognisers say.
    fn recognised(
        &mut self,
        event: qlens_sense::Event,
        end: &mut End,
        told: &mut dyn FnMut(&Event),
    ) {
        let at_us = event.at_us;
        let kind = match (event.kind, event.kind.sensor()) {
            (_, Some(kind)) => EventKind::Sensor(kind),
            (qlens_sense::EventKind::VoiceStart { utterance }, _) => {
                self.words.voice_starts();
                EventKind::VoiceStart { utterance }
            }
            (qlens_sense::EventKind::VoiceStop { utterance, samples }, _) => {
                EventKind::VoiceStop { utterance, samples }
            }
            // The rest is what `sensor` gives.
            _ => return,
        };
        let stops = matches!(kind, EventKind::VoiceStop { .. });
        self.send(&Event { at_us, kind }, end, told);
        if stops && let Some(words) = self.words.voice_stops(at_us) {
            self.send(&sensor(at_us, SensorKind::Speech(words)), end, told);
        }
    }

    fn send(&mut self, event: &Event, end: &mut End, told: &mut dyn FnMut(&Event)) {
        told(event);
        if end.send(event).is_err() {
            count(&mut self.counts.events_refused);
        }
    }

    /// The sound of an utterance has to be read while it is there, whether somebody wants it or not.
    fn pass_on_sound(&mut self, end: &mut End) {
        let mut samples = [0; AUDIO_SAMPLES];
        while let Some(piece) = self.recogniser.read_voice(&mut samples) {
            if self.config.audio {
                end.send_audio(&AudioChunk {
                    utterance: piece.utterance,
                    first: piece.first,
                    samples: samples[..piece.len].iter().copied().collect(),
                });
            }
        }
    }
}
