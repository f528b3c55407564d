//! The last quarter of a second of sound, so that an utterance has what was said before it was known to be one.

/// Samples kept: 256 ms, of which the pre-roll and the frames that decide take at most 140.
const KEPT: usize = 4096;

/// Some sound of an utterance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Piece {
    /// The utterance that it belongs to.
    pub utterance: u16,
    /// Samples of the utterance before these.
    pub first: u32,
    /// How many were written to the front of the buffer.
    pub len: usize,
}

/// A ring of samples. Positions count samples since the start and wrap.
#[derive(Debug, Clone)]
pub(super) struct Sound {
    ring: [i16; KEPT],
    written: u32,
    /// Samples before `written` that hang together and belong to no utterance yet, up to [`KEPT`].
    loose: u32,
    /// Of the utterance: number, where it begins, the next sample to be read, and where it ends.
    utterance: u16,
    begin: u32,
    read: u32,
    end: Option<u32>,
    dropped: u32,
}

impl Sound {
    pub const fn new() -> Self {
        Self {
            ring: [0; KEPT],
            written: 0,
            loose: 0,
            utterance: 0,
            begin: 0,
            read: 0,
            end: Some(0),
            dropped: 0,
        }
    }

    pub const fn dropped(&self) -> u32 {
        self.dropped
    }

    pub fn push(&mut self, samples: &[i16]) {
        for &sample in samples {
            self.ring[self.written as usize % KEPT] = sample;
            self.written = self.written.wrapping_add(1);
        }
        self.loose = (self.loose + samples.len() as u32).min(KEPT as u32);
        // The oldest that nobody read is gone.
        let lost = self.behind().saturating_sub(KEPT as u32);
        let lost = lost.min(self.unread());
        self.skip(lost);
    }

    /// Samples between what is to be read next and what was written last.
    const fn behind(&self) -> u32 {
        self.written.wrapping_sub(self.read)
    }

    fn unread(&self) -> u32 {
        self.end.unwrap_or(self.written).wrapping_sub(self.read)
    }

    fn skip(&mut self, samples: u32) {
        self.read = self.read.wrapping_add(samples);
        self.dropped = self.dropped.saturating_add(samples);
    }

    /// What comes does not join what was.
    pub fn cut(&mut self) {
        self.loose = 0;
    }

    /// An utterance begins, up to so many samples ago; how many it has so far.
    pub fn begin(&mut self, utterance: u16, ago: u32) -> u32 {
        self.skip(self.unread());
        let samples = ago.min(self.loose);
        self.utterance = utterance;
        self.begin = self.written.wrapping_sub(samples);
        self.read = self.begin;
        self.end = None;
        samples
    }

    /// The utterance ends; how many samples it has.
    pub fn end(&mut self) -> u32 {
        self.end = Some(self.written);
        self.loose = 0;
        self.written.wrapping_sub(self.begin)
    }

    pub fn read(&mut self, out: &mut [i16]) -> Option<Piece> {
        let len = (self.unread() as usize).min(out.len());
        if len == 0 {
            return None;
        }
        let first = self.read.wrapping_sub(self.begin);
        for sample in &mut out[..len] {
            *sample = self.ring[self.read as usize % KEPT];
            self.read = self.read.wrapping_add(1);
        }
        Some(Piece {
            utterance: self.utterance,
            first,
            len,
        })
    }
}
