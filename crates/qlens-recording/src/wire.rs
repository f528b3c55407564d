//! Records as frames, and frames as records.

use core::fmt;

use crc::{CRC_32_ISO_HDLC, Crc};
use heapless::Vec;
use qlens_board::event::UTTERANCE_BYTES;

use crate::parts::{self, IMU_BYTES, TOUCH_BYTES};
use crate::record::{Pcm, Record, Sample};

/// What a file of a recording begins with.
pub const MAGIC: &[u8; 16] = b"qlens-recording\0";

/// Most samples of sound in one record.
pub const MICROPHONE_SAMPLES: usize = qlens_sense::voice::FRAME;

/// Bytes before what the part says: the kind and the time.
const HEAD: usize = 9;
const CRC_BYTES: usize = 4;
/// Bytes of the longest record, which is one of words, and its check sum.
const BODY_BYTES: usize = HEAD + UTTERANCE_BYTES + CRC_BYTES;
/// Most bytes of a frame: COBS adds one to each 254, and the end is a zero.
pub const FRAME_BYTES: usize = BODY_BYTES + BODY_BYTES / 254 + 2;

/// The same as on the link between the chips.
static CRC: Crc<u32> = Crc::<u32>::new(&CRC_32_ISO_HDLC);

/// What byte 0 of a record says.
mod kind {
    pub const START: u8 = 0;
    pub const TOUCH: u8 = 1;
    pub const IMU: u8 = 2;
    pub const PROXIMITY: u8 = 3;
    pub const LIGHT: u8 = 4;
    pub const MICROPHONE: u8 = 5;
    pub const BATTERY: u8 = 6;
    pub const TEMPERATURE: u8 = 7;
    pub const WORDS: u8 = 8;
    pub const MARK: u8 = 9;
}

/// Why bytes are no record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum FrameError {
    /// More bytes without a zero than any frame has.
    TooLong,
    /// Not what COBS makes, or the check sum is another: some of it is missing or wrong.
    Damaged,
    /// Whole, but of a kind that this version does not know.
    Kind(u8),
    /// Whole, but no sensor of its kind says so many bytes, or these.
    Content {
        /// Byte 0 of the record.
        kind: u8,
        /// Bytes after the time.
        bytes: usize,
    },
}

impl fmt::Display for FrameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong => write!(f, "{FRAME_BYTES} bytes and no end of a frame"),
            Self::Damaged => f.write_str("a frame that is damaged or cut"),
            Self::Kind(kind) => write!(f, "a record of the unknown kind {kind}"),
            Self::Content { kind, bytes } => {
                write!(
                    f,
                    "a record of kind {kind} with {bytes} bytes that mean nothing"
                )
            }
        }
    }
}

impl core::error::Error for FrameError {}

/// Puts records together from the bytes of a recording, however they come.
///
/// It undoes COBS as they come: the hub gets them one by one, forty thousand a second, and looks at each only once.
#[derive(Debug)]
pub struct Decoder {
    /// The frame so far, as it was before it was coded.
    frame: [u8; FRAME_BYTES],
    length: usize,
    /// The byte that the present block began with, 0 before the first.
    code: u8,
    /// Bytes of the block that are to come.
    rest: u8,
    /// The frame is longer than any.
    is_too_long: bool,
}

impl Default for Decoder {
    fn default() -> Self {
        Self::new()
    }
}

impl Decoder {
    /// At the beginning of a frame, or anywhere.
    pub const fn new() -> Self {
        Self {
            frame: [0; FRAME_BYTES],
            length: 0,
            code: 0,
            rest: 0,
            is_too_long: false,
        }
    }

    /// Takes a byte; `Some` at the end of a frame.
    ///
    /// # Errors
    /// What came until here is no record. The next one is not affected.
    pub fn push(&mut self, byte: u8) -> Option<Result<Record<'_>, FrameError>> {
        self.put(byte).then(|| self.record())
    }

    /// Takes a byte and says whether it ends a frame, which [`Decoder::record`] then reads: all that has to be done
    /// for most bytes, for whoever gets them one by one.
    #[inline]
    pub fn put(&mut self, byte: u8) -> bool {
        if byte == 0 {
            // Two zeros in a row: an empty frame, which says nothing.
            return self.code != 0;
        }
        if self.rest > 0 {
            self.rest -= 1;
            self.store(byte);
        } else {
            // A block stands for its bytes and a zero, but if it is as long as any, and but for the last.
            if !matches!(self.code, 0 | u8::MAX) {
                self.store(0);
            }
            self.code = byte;
            self.rest = byte - 1;
        }
        false
    }

    #[inline]
    fn store(&mut self, byte: u8) {
        if let Some(place) = self.frame.get_mut(self.length) {
            *place = byte;
            self.length += 1;
        } else {
            self.is_too_long = true;
        }
    }

    /// The frame that [`Decoder::put`] has just ended; the next one begins.
    ///
    /// # Errors
    /// What came is no record.
    pub fn record(&mut self) -> Result<Record<'_>, FrameError> {
        let length = core::mem::take(&mut self.length);
        let rest = core::mem::take(&mut self.rest);
        self.code = 0;
        if core::mem::take(&mut self.is_too_long) {
            return Err(FrameError::TooLong);
        }
        let whole = if rest == 0 {
            &self.frame[..length]
        } else {
            &[]
        };
        let (body, sum) = whole
            .split_last_chunk::<CRC_BYTES>()
            .ok_or(FrameError::Damaged)?;
        if CRC.checksum(body) != u32::from_le_bytes(*sum) {
            return Err(FrameError::Damaged);
        }
        read(body)
    }

    /// Bytes of a frame whose end has not come: of a recording that is over, what was cut.
    pub fn pending(&self) -> usize {
        self.length + usize::from(self.code != 0)
    }
}

/// A record whose check sum was right.
fn read(body: &[u8]) -> Result<Record<'_>, FrameError> {
    let (&[kind, ref time @ ..], content) = body
        .split_first_chunk::<HEAD>()
        .ok_or(FrameError::Damaged)?;
    let unreadable = FrameError::Content {
        kind,
        bytes: content.len(),
    };
    let sample = match (kind, content) {
        (kind::START, &[v0, v1, ref unix @ ..]) => Sample::Start {
            version: u16::from_le_bytes([v0, v1]),
            unix_s: u64::from_le_bytes(unix.try_into().map_err(|_| unreadable)?),
        },
        (kind::TOUCH, _) => {
            let finger: &[u8; TOUCH_BYTES] = content.try_into().map_err(|_| unreadable)?;
            Sample::Touch(parts::touch(finger))
        }
        (kind::IMU, _) => {
            let motion: &[u8; IMU_BYTES] = content.try_into().map_err(|_| unreadable)?;
            Sample::Imu(parts::imu(motion))
        }
        (kind::PROXIMITY, &[low, high]) => Sample::Proximity(u16::from_le_bytes([low, high])),
        (kind::LIGHT, &[high, low]) => Sample::Light(u16::from_be_bytes([high, low])),
        (kind::MICROPHONE, _) => match content.as_chunks::<2>() {
            (samples, []) if samples.len() <= MICROPHONE_SAMPLES => {
                Sample::Microphone(Pcm::new(samples))
            }
            _ => return Err(unreadable),
        },
        (kind::BATTERY, &[high, low, charging @ (0 | 1)]) => Sample::Battery {
            charge: u16::from_be_bytes([high, low]),
            charging: charging == 1,
        },
        (kind::TEMPERATURE, &[high, low]) => Sample::Temperature(i16::from_be_bytes([high, low])),
        (kind::WORDS, _) => {
            let words = core::str::from_utf8(content).map_err(|_| unreadable)?;
            Sample::Words(words)
        }
        (kind::MARK, &[n0, n1, n2, n3, wait @ (0 | 1)]) => Sample::Mark {
            number: u32::from_le_bytes([n0, n1, n2, n3]),
            wait: wait == 1,
        },
        (0..=kind::MARK, _) => return Err(unreadable),
        _ => return Err(FrameError::Kind(kind)),
    };
    Ok(Record::new(u64::from_le_bytes(*time), sample))
}

/// Writes a record as a frame into `wire` and returns it; `None` for one that has more sound or words than
/// [`MICROPHONE_SAMPLES`] and [`UTTERANCE_BYTES`].
pub fn encode<'w>(record: &Record<'_>, wire: &'w mut [u8; FRAME_BYTES]) -> Option<&'w [u8]> {
    let mut body = Vec::<u8, BODY_BYTES>::new();
    let mut put = |bytes: &[u8]| body.extend_from_slice(bytes).ok();
    let mut head = |kind: u8| {
        put(&[kind])?;
        put(&record.at_us.to_le_bytes())
    };
    match record.sample {
        Sample::Start { version, unix_s } => {
            head(kind::START)?;
            put(&version.to_le_bytes())?;
            put(&unix_s.to_le_bytes())?;
        }
        Sample::Touch(sample) => {
            head(kind::TOUCH)?;
            put(&parts::of_touch(sample))?;
        }
        Sample::Imu(sample) => {
            head(kind::IMU)?;
            put(&parts::of_imu(sample))?;
        }
        Sample::Proximity(counts) => {
            head(kind::PROXIMITY)?;
            put(&counts.to_le_bytes())?;
        }
        Sample::Light(word) => {
            head(kind::LIGHT)?;
            put(&word.to_be_bytes())?;
        }
        Sample::Microphone(sound) => {
            if sound.len() > MICROPHONE_SAMPLES {
                return None;
            }
            head(kind::MICROPHONE)?;
            put(sound.bytes())?;
        }
        Sample::Battery { charge, charging } => {
            head(kind::BATTERY)?;
            put(&charge.to_be_bytes())?;
            put(&[charging.into()])?;
        }
        Sample::Temperature(word) => {
            head(kind::TEMPERATURE)?;
            put(&word.to_be_bytes())?;
        }
        Sample::Words(words) => {
            head(kind::WORDS)?;
            put(words.as_bytes())?;
        }
        Sample::Mark { number, wait } => {
            head(kind::MARK)?;
            put(&number.to_le_bytes())?;
            put(&[wait.into()])?;
        }
    }
    let sum = CRC.checksum(&body);
    body.extend_from_slice(&sum.to_le_bytes()).ok()?;
    let (end, room) = wire.split_last_mut()?;
    *end = 0;
    let length = cobs::try_encode(&body, room).ok()?;
    wire[length] = 0;
    Some(&wire[..=length])
}

#[cfg(test)]
mod tests {
    use std::string::String;
    use std::vec::Vec;

    use proptest::prelude::*;
    use qlens_sense::samples::{ImuSample, TouchSample};

    use super::*;

    fn wire_of(records: &[Record<'_>]) -> Vec<u8> {
        let mut wire = Vec::new();
        for record in records {
            wire.extend(encode(record, &mut [0; FRAME_BYTES]).expect("short enough"));
        }
        wire
    }

    /// What comes out of the decoder, as text, since records borrow from it.
    fn read_all(wire: &[u8]) -> (Vec<String>, Decoder) {
        let mut decoder = Decoder::new();
        let mut said = Vec::new();
        for &byte in wire {
            if let Some(result) = decoder.push(byte) {
                said.push(std::format!("{result:?}"));
            }
        }
        (said, decoder)
    }

    fn samples<'a>(sound: &'a [[u8; 2]], words: &'a str) -> [Sample<'a>; 10] {
        [
            Sample::Start {
                version: 1,
                unix_s: 1_764_149_400,
            },
            Sample::Touch(TouchSample {
                x: 2000,
                y: 0,
                pressure: 1023,
            }),
            Sample::Imu(ImuSample {
                accel: [i16::MIN, 0, i16::MAX],
                gyro: [1, -2, 3],
            }),
            Sample::Proximity(0x1234),
            Sample::Light(0x3456),
            Sample::Microphone(Pcm::new(sound)),
            Sample::Battery {
                charge: 0x5180,
                charging: true,
            },
            Sample::Temperature(-25 * 128),
            Sample::Words(words),
            Sample::Mark {
                number: u32::MAX,
                wait: true,
            },
        ]
    }

    #[test]
    fn every_record_comes_out_as_it_went_in() {
        let sound = [[0, 0]; MICROPHONE_SAMPLES];
        let words = "字".repeat(UTTERANCE_BYTES / 3);
        let records: Vec<_> = samples(&sound, &words)
            .into_iter()
            .enumerate()
            .map(|(at, sample)| Record::new(u64::MAX - at as u64, sample))
            .collect();
        let expected: Vec<_> = records
            .iter()
            .map(|record| std::format!("{:?}", Ok::<_, FrameError>(*record)))
            .collect();
        assert_eq!(read_all(&wire_of(&records)).0, expected);
    }

    /// Recordings are kept: what a version wrote, it reads for ever.
    #[test]
    fn the_bytes_of_a_frame_stay_what_they_are() {
        let light = Record::new(0x0102, Sample::Light(0x3456));
        assert_eq!(
            wire_of(&[light]),
            [
                4, 4, 2, 1, 1, 1, 1, 1, 1, 7, 0x34, 0x56, 0x26, 0x01, 0xf2, 0xf1, 0
            ]
        );
    }

    #[test]
    fn what_is_too_long_is_not_written_and_not_read() {
        let sound = [[1, 1]; MICROPHONE_SAMPLES + 1];
        let words = "a".repeat(UTTERANCE_BYTES + 1);
        for sample in [Sample::Microphone(Pcm::new(&sound)), Sample::Words(&words)] {
            assert_eq!(encode(&Record::new(0, sample), &mut [0; FRAME_BYTES]), None);
        }
        let tap = wire_of(&[Record::new(5, Sample::Proximity(7))]);
        let flood = [vec_of(0x55, FRAME_BYTES * 3), std::vec![0], tap].concat();
        let (said, decoder) = read_all(&flood);
        assert_eq!(said.len(), 2);
        assert_eq!(said[0], "Err(TooLong)");
        assert!(said[1].contains("Proximity(7)"));
        assert_eq!(decoder.pending(), 0);
    }

    fn vec_of(byte: u8, many: usize) -> Vec<u8> {
        std::vec![byte; many]
    }

    #[test]
    fn whole_frames_that_mean_nothing_are_told_apart() {
        let frame = |body: &[u8]| {
            let mut bytes = body.to_vec();
            bytes.extend(CRC.checksum(body).to_le_bytes());
            let mut wire = std::vec![0; bytes.len() + 3];
            let length = cobs::encode(&bytes, &mut wire);
            wire.truncate(length);
            wire.push(0);
            read_all(&wire).0
        };
        let head = |kind: u8| [&[kind][..], &[0; 8]].concat();
        assert_eq!(frame(&head(77)), ["Err(Kind(77))"]);
        assert_eq!(frame(&[1, 2]), ["Err(Damaged)"]);
        for kind in 0..=9 {
            let odd = [head(kind), std::vec![0xff; 3]].concat();
            let said = frame(&odd);
            assert!(said[0].starts_with("Err(Content"), "{kind}: {said:?}");
        }
    }

    proptest! {
        /// Cut anywhere, damaged anywhere: what is whole comes, nothing else does.
        #[test]
        fn damage_costs_the_frames_that_it_hits(at in 0_usize..100, bit in 0_u8..8, cut in 0_usize..100) {
            let words = "How far is it?";
            let sound = [[3, 4]; 5];
            let records: Vec<_> = samples(&sound, words).map(|sample| Record::new(9, sample)).into();
            let whole = wire_of(&records);
            let mut damaged = whole[..whole.len() - cut].to_vec();
            let at = at % damaged.len();
            damaged[at] ^= 1_u8 << bit;
            let good: Vec<String> = read_all(&whole).0;
            for said in read_all(&damaged).0 {
                prop_assert!(said.starts_with("Err(") || good.contains(&said), "{}", said);
            }
        }

        #[test]
        fn noise_is_never_a_record(noise in prop::collection::vec(any::<u8>(), 0..4000)) {
            for said in read_all(&noise).0 {
                prop_assert!(said.starts_with("Err("), "{}", said);
            }
        }
    }
}
