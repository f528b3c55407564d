//! The microphone: where someone speaks, and the sound of it cut to utterances.
//!
//! ```text
//!            2 of 3 frames loud: VoiceStart       200 ms not loud: VoiceStop
//!   ┌───────┐ from 80 ms before them  ┌───────┐
//!   │ Quiet │ ──────────────────────► │ Voice │ ──────► Quiet
//!   └───────┘                         └───────┘  or 30 s long, or a hole in the sound
//! ```
//!
//! A frame is 20 ms. It is loud if its power exceeds that of noise by more than frames of that noise differ among
//! themselves, in one of two bands: the low one has the vowels, which white noise hardly reaches, the high one
//! the consonants, and of the vowels what is above a car's rumble. Half of that is enough if the signal
//! crosses zero much more often, or more seldom, than the noise does: it has another spectrum.
//!
//! The floor, which is what noise is, is learned from the frames that are not loud, with a memory of a second, so that
//! a car that comes is noise. In speech it is raised to the least power of each second.
//!
//! In integers: samples are, their squares add up in 64 bits (`SMLAL`, one cycle), and a logarithm in 256ths is
//! made of the count of leading zeros.

mod floor;
mod sound;

use crate::event::{Event, EventKind};
use crate::intake::{Arrival, Counts, Intake, count};
use crate::samples::{AUDIO_HZ, at_rail};
use crate::settings::Settings;
use floor::{Floor, Spectrum};
pub use sound::Piece;
use sound::Sound;

/// Samples of a frame: 20 ms, in which speech is stationary.
pub const FRAME: usize = 320;
/// Frames of sound kept from before the first loud one: the soft beginning of a word.
pub const PRE_ROLL_FRAMES: u32 = 4;
/// Longest utterance, in frames: 30 s, what a recogniser takes at a time. One that goes on is cut there.
pub const LONGEST_FRAMES: u32 = 1500;

const FRAME_US: u64 = FRAME as u64 * 1_000_000 / AUDIO_HZ as u64;
/// Blocks of samples that come later than so leave a hole.
const JITTER_US: u64 = 10_000;

#[derive(Debug, Clone, Copy)]
enum Phase {
    Quiet,
    Voice {
        /// Frames since the utterance began, those before the voice included.
        frames: u32,
        /// The last ones that were not loud.
        quiet: u32,
    },
}

/// The recogniser of voice.
#[derive(Debug, Clone)]
pub struct Voice {
    intake: Intake,
    filter: Filter,
    floor: Floor,
    phase: Phase,
    /// Whether the last frames were loud, the latest in bit 0.
    loud: u8,
    utterance: u16,
    sound: Sound,
    /// When the next sample is due.
    next_us: u64,
}

impl Default for Voice {
    fn default() -> Self {
        Self::new()
    }
}

impl Voice {
    /// Nobody speaks, and how loud the noise is is not known yet.
    pub const fn new() -> Self {
        Self {
            intake: Intake::new(0, 0),
            filter: Filter::new(),
            floor: Floor::new(),
            phase: Phase::Quiet,
            loud: 0,
            utterance: 0,
            sound: Sound::new(),
            next_us: 0,
        }
    }

    /// What became of the sound: `taken`, `backwards`, `flooded` and `gaps` count blocks, `out_of_range` and
    /// `stuck` frames of which more than half is at the end of the range, or that are all the same.
    pub const fn counts(&self) -> Counts {
        self.intake.counts
    }

    /// Samples of utterances that were not read in time.
    pub const fn unread(&self) -> u32 {
        self.sound.dropped()
    }

    /// Sound of the utterance that is under way, or of the last, that was not read yet: as much as `out`
    /// takes. Read it after each block; 100 ms later the oldest is overwritten.
    pub fn read(&mut self, out: &mut [i16]) -> Option<Piece> {
        self.sound.read(out)
    }

    /// Ends an utterance that is under way: nobody listens any more.
    pub fn stop(&mut self) -> Option<Event> {
        self.loud = 0;
        let Phase::Voice { .. } = self.phase else {
            return None;
        };
        self.phase = Phase::Quiet;
        let samples = self.sound.end();
        let utterance = self.utterance;
        self.utterance = utterance.wrapping_add(1);
        let kind = EventKind::VoiceStop { utterance, samples };
        Some(Event::new(self.next_us, kind))
    }

    /// Takes a block of up to [`FRAME`] samples, the first of which is of this time. A longer one is refused.
    pub fn block(&mut self, time_us: u64, block: &[i16], settings: &Settings) -> Option<Event> {
        if block.len() > FRAME {
            count(&mut self.intake.counts.out_of_range);
            return None;
        }
        let arrival = self.intake.arrive_between(
            time_us,
            self.next_us.saturating_sub(JITTER_US),
            self.next_us.saturating_add(JITTER_US),
        );
        let mut event = None;
        match arrival {
            Arrival::Drop => return None,
            Arrival::Anew => {
                // The frame and the words that were under way have a hole now.
                event = self.stop();
                self.filter = Filter::new();
                self.sound.cut();
                self.next_us = time_us;
            }
            Arrival::After(_) => {
                // The part's clock is not the hub's: it is followed, slower than blocks jitter.
                let late_us = (time_us as i64).wrapping_sub(self.next_us as i64);
                self.next_us = self.next_us.saturating_add_signed(late_us / 64);
            }
        }
        let (this, next) = block.split_at(block.len().min(FRAME - self.filter.samples()));
        self.feed(this);
        if self.filter.samples() == FRAME {
            event = self.frame(settings).or(event);
        }
        self.feed(next);
        event
    }

    fn feed(&mut self, samples: &[i16]) {
        self.filter.feed(samples);
        self.sound.push(samples);
        let micros = samples.len() as u64 * 1_000_000 / u64::from(AUDIO_HZ);
        self.next_us = self.next_us.saturating_add(micros);
    }

    /// A frame is complete.
    fn frame(&mut self, settings: &Settings) -> Option<Event> {
        let speaks = matches!(self.phase, Phase::Voice { .. });
        let loud = match self.filter.finish() {
            Frame::Stuck => {
                count(&mut self.intake.counts.stuck);
                false
            }
            Frame::Clipped => {
                count(&mut self.intake.counts.out_of_range);
                false
            }
            Frame::Heard(spectrum) => self.floor.is_loud(spectrum, speaks),
        };
        self.loud = self.loud << 1 | u8::from(loud);
        match &mut self.phase {
            Phase::Quiet => {
                if !loud || (self.loud & 0b111).count_ones() < 2 {
                    return None;
                }
                let frames = PRE_ROLL_FRAMES + if self.loud & 0b10 == 0 { 3 } else { 2 };
                let samples = self.sound.begin(self.utterance, frames * FRAME as u32);
                let frames = samples / FRAME as u32;
                self.phase = Phase::Voice { frames, quiet: 0 };
                let utterance = self.utterance;
                let length_us = u64::from(frames) * FRAME_US;
                let begun_us = self.next_us.saturating_sub(length_us);
                Some(Event::new(begun_us, EventKind::VoiceStart { utterance }))
            }
            Phase::Voice { frames, quiet } => {
                *frames += 1;
                *quiet = if loud { 0 } else { *quiet + 1 };
                let hangover = u32::from(settings.voice_hangover_ms) * 1000;
                if u64::from(*quiet) * FRAME_US < u64::from(hangover.max(1))
                    && *frames < LONGEST_FRAMES
                {
                    return None;
                }
                self.stop()
            }
        }
    }
}

/// What a frame is.
enum Frame {
    Heard(Spectrum),
    Clipped,
    Stuck,
}

/// Sums over the samples of a frame.
#[derive(Debug, Clone)]
struct Filter {
    samples: usize,
    first: i16,
    /// Bits in which samples differ from the first.
    differs: i16,
    railed: usize,
    /// The last sample, and the filters' states: 16 times a sample.
    last: i32,
    high_pass: i32,
    low_pass: i32,
    low: u64,
    high: u64,
    crossings: i32,
}

impl Filter {
    const fn new() -> Self {
        Self {
            samples: 0,
            first: 0,
            differs: 0,
            railed: 0,
            last: 0,
            high_pass: 0,
            low_pass: 0,
            low: 0,
            high: 0,
            crossings: 0,
        }
    }

    const fn samples(&self) -> usize {
        self.samples
    }

    fn feed(&mut self, samples: &[i16]) {
        if self.samples == 0 {
            self.first = samples.first().copied().unwrap_or(0);
        }
        self.samples += samples.len();
        for &sample in samples {
            self.differs |= sample ^ self.first;
            self.railed += usize::from(at_rail(sample));
            let scaled = i32::from(sample) * 16;
            let before = self.high_pass;
            // Without what is under 160 Hz: the hum of the mains, wind, and the part's offset.
            self.high_pass += scaled - self.last - self.high_pass / 16;
            self.last = scaled;
            // And what is under 700 Hz of it.
            self.low_pass += (self.high_pass - self.low_pass) / 4;
            let rest = self.high_pass - self.low_pass;
            self.low += i64::from(self.low_pass).pow(2) as u64;
            self.high += i64::from(rest).pow(2) as u64;
            self.crossings += i32::from((self.high_pass < 0) != (before < 0));
        }
    }

    /// What the frame was; the next begins.
    fn finish(&mut self) -> Frame {
        let frame = if self.differs == 0 {
            Frame::Stuck
        } else if self.railed > self.samples / 2 {
            Frame::Clipped
        } else {
            Frame::Heard(Spectrum::new(self.low, self.high, self.crossings))
        };
        *self = Self {
            last: self.last,
            high_pass: self.high_pass,
            low_pass: self.low_pass,
            ..Self::new()
        };
        frame
    }
}
