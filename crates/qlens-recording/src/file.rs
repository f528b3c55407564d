//! Recordings as files, for those who play, draw or convert them.

use core::fmt;
use std::boxed::Box;
use std::io;
use std::path::{Path, PathBuf};
use std::vec::Vec;

use crate::record::{Record, Sample};
use crate::wire::{Decoder, FrameError, MAGIC};

/// A recording in memory.
#[derive(Debug, Clone)]
pub struct File {
    bytes: Vec<u8>,
    start_unix_s: u64,
    whole: usize,
}

/// Why a file is no recording that can be played.
#[derive(Debug)]
pub enum FileError {
    /// It cannot be read.
    Unreadable(PathBuf, io::Error),
    /// Its bytes are no recording, for one of the following reasons.
    Wrong(PathBuf, Box<FileError>),
    /// It does not begin as a recording does.
    NoRecording,
    /// The first frame is not whole, or something else than the start of a recording.
    NoStart,
    /// Made for another version of the format.
    Version(u16),
}

impl fmt::Display for FileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable(path, error) => {
                write!(f, "{}: cannot be read: {error}", path.display())
            }
            Self::Wrong(path, error) => write!(f, "{}: {error}", path.display()),
            Self::NoRecording => f.write_str(
                "no recording: it does not begin with `qlens-recording`; `cargo recording render` makes one of a scene",
            ),
            Self::NoStart => write!(
                f,
                "the frame at byte {} is not the start of a recording, which comes first",
                MAGIC.len()
            ),
            Self::Version(version) => write!(
                f,
                "a recording of version {version}, and {} is what can be read: render its scene anew",
                crate::VERSION
            ),
        }
    }
}

impl core::error::Error for FileError {}

/// Bytes after the last whole frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cut {
    /// Where in the file they are.
    pub offset: usize,
    /// How many.
    pub bytes: usize,
}

impl fmt::Display for Cut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the recording ends in the middle of the frame at byte {}: its {} bytes are left out",
            self.offset, self.bytes
        )
    }
}

impl File {
    /// Reads a file to its last whole frame.
    ///
    /// # Errors
    /// It cannot be read, or does not begin as a recording. What is damaged after that is found by [`Frames`].
    pub fn read(path: &Path) -> Result<Self, FileError> {
        let bytes =
            std::fs::read(path).map_err(|error| FileError::Unreadable(path.into(), error))?;
        Self::new(bytes).map_err(|error| FileError::Wrong(path.into(), error.into()))
    }

    /// The same of the bytes of a file.
    ///
    /// # Errors
    /// As [`File::read`].
    pub fn new(bytes: Vec<u8>) -> Result<Self, FileError> {
        let frames = bytes.strip_prefix(MAGIC).ok_or(FileError::NoRecording)?;
        let last = frames.iter().rposition(|&byte| byte == 0);
        let whole = MAGIC.len() + last.map_or(0, |at| at + 1);
        let mut file = Self {
            bytes,
            start_unix_s: 0,
            whole,
        };
        let mut decoder = Decoder::new();
        let first = file.frames().next().ok_or(FileError::NoStart)?;
        let Ok(Record {
            sample: Sample::Start { version, unix_s },
            ..
        }) = first.record(&mut decoder)
        else {
            return Err(FileError::NoStart);
        };
        if version != crate::VERSION {
            return Err(FileError::Version(version));
        }
        file.start_unix_s = unix_s;
        Ok(file)
    }

    /// Seconds since 1970, where the glasses were worn, at time 0.
    pub const fn start_unix_s(&self) -> u64 {
        self.start_unix_s
    }

    /// What is after the last whole frame, if the file was cut.
    pub fn cut(&self) -> Option<Cut> {
        let bytes = self.bytes.len() - self.whole;
        (bytes > 0).then_some(Cut {
            offset: self.whole,
            bytes,
        })
    }

    /// One frame after the other, from the start on.
    pub fn frames(&self) -> Frames<'_> {
        Frames {
            bytes: &self.bytes[..self.whole],
            offset: MAGIC.len(),
            at_us: 0,
        }
    }
}

/// The frames of a recording.
#[derive(Debug, Clone)]
pub struct Frames<'a> {
    bytes: &'a [u8],
    offset: usize,
    at_us: u64,
}

/// A frame of a recording.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame<'a> {
    /// Where in the file it is.
    pub offset: usize,
    /// Its bytes, as they go over the wire: the zero at its end is one of them.
    pub bytes: &'a [u8],
    /// When it was recorded, in microseconds; of one that is damaged, the time of the one before it.
    pub at_us: u64,
    /// The number of the mark that it is, if whoever plays it waits here until all that came before is done.
    pub wait: Option<u32>,
    /// Why it is no record, if it is none.
    pub fault: Option<FrameError>,
}

impl Frame<'_> {
    /// What it says, which stays in the decoder.
    ///
    /// # Errors
    /// It says nothing, as [`Frame::fault`] has it.
    pub fn record<'d>(&self, decoder: &'d mut Decoder) -> Result<Record<'d>, FrameError> {
        *decoder = Decoder::new();
        let (last, rest) = self.bytes.split_last().ok_or(FrameError::Damaged)?;
        for &byte in rest {
            if let Some(Err(fault)) = decoder.push(byte) {
                return Err(fault);
            }
        }
        decoder.push(*last).unwrap_or(Err(FrameError::Damaged))
    }
}

impl<'a> Iterator for Frames<'a> {
    type Item = Frame<'a>;

    fn next(&mut self) -> Option<Frame<'a>> {
        // Zeros without a frame before them say nothing.
        let rest = self.bytes.get(self.offset..)?;
        self.offset += rest.iter().position(|&byte| byte != 0)?;
        let rest = self.bytes.get(self.offset..)?;
        let length = rest.iter().position(|&byte| byte == 0)? + 1;
        let mut frame = Frame {
            offset: self.offset,
            bytes: &rest[..length],
            at_us: self.at_us,
            wait: None,
            fault: None,
        };
        self.offset += length;
        match frame.record(&mut Decoder::new()) {
            Ok(record) => {
                frame.at_us = record.at_us;
                self.at_us = record.at_us;
                if let Sample::Mark { number, wait: true } = record.sample {
                    frame.wait = Some(number);
                }
            }
            Err(fault) => frame.fault = Some(fault),
        }
        Some(frame)
    }
}

#[cfg(test)]
mod tests {
    use std::string::ToString as _;

    use super::*;
    use crate::wire::{FRAME_BYTES, encode};

    fn recording(version: u16) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        let start = Sample::Start {
            version,
            unix_s: 77,
        };
        let mark = Sample::Mark {
            number: 1,
            wait: true,
        };
        for (at_us, sample) in [(0, start), (5, Sample::Proximity(3)), (9, mark)] {
            let record = Record::new(at_us, sample);
            bytes.extend(encode(&record, &mut [0; FRAME_BYTES]).expect("short"));
        }
        bytes
    }

    #[test]
    fn a_player_gets_every_byte_of_every_frame_and_when_to_wait() {
        let bytes = recording(crate::VERSION);
        let file = File::new(bytes.clone()).expect("a recording");
        let frames: Vec<_> = file.frames().collect();
        let wire: Vec<u8> = frames
            .iter()
            .flat_map(|frame| frame.bytes)
            .copied()
            .collect();
        assert_eq!(wire, bytes[MAGIC.len()..]);
        let told: Vec<_> = frames
            .iter()
            .map(|frame| (frame.at_us, frame.wait))
            .collect();
        assert_eq!(told, [(0, None), (5, None), (9, Some(1))]);
        assert_eq!((file.start_unix_s(), file.cut()), (77, None));
    }

    #[test]
    fn what_is_cut_or_damaged_is_named_and_the_rest_is_read() {
        let bytes = recording(crate::VERSION);
        for length in MAGIC.len()..bytes.len() {
            match File::new(bytes[..length].to_vec()) {
                Ok(file) => {
                    let read: usize = file.frames().map(|frame| frame.bytes.len()).sum();
                    let rest = length - MAGIC.len() - read;
                    let cut = file.cut().map_or(0, |cut| cut.bytes);
                    assert_eq!(
                        (cut, file.frames().find(|f| f.fault.is_some())),
                        (rest, None)
                    );
                }
                Err(error) => assert!(matches!(error, FileError::NoStart), "{error}"),
            }
        }
        let file = File::new(bytes.clone()).expect("a recording");
        let second = file.frames().nth(1).expect("three frames").offset;
        let mut damaged = bytes;
        damaged[second + 3] ^= 2;
        let file = File::new(damaged).expect("starts");
        let faults: Vec<_> = file.frames().map(|frame| frame.fault).collect();
        assert_eq!(faults, [None, Some(FrameError::Damaged), None]);
    }

    #[test]
    fn what_is_no_recording_is_refused() {
        let refusal = |bytes: &[u8]| {
            File::new(bytes.to_vec())
                .expect_err("no recording")
                .to_string()
        };
        assert!(refusal(b"qlens").contains("does not begin with"));
        assert!(refusal(MAGIC).contains("at byte 16"));
        assert!(refusal(&recording(9)).contains("version 9, and 1"));
        let path = Path::new("/no/such/file");
        let missing = File::read(path).expect_err("no file").to_string();
        assert!(
            missing.starts_with("/no/such/file: cannot be read"),
            "{missing}"
        );
    }
}
