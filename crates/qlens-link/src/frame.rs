//! One frame as bytes: header, payload, CRC-32, all of it COBS-coded and ended by a zero. The table of
//! fields is in the [crate's documentation](crate).

use crc::{CRC_32_ISO_HDLC, Crc};
use heapless::Vec;

use crate::counters::Counters;
use crate::message::VERSION;

/// Most bytes of a frame on the wire, its ending zero included.
pub const FRAME_BYTES: usize = 64;
/// What is left of them without the ending zero and the one byte that COBS adds.
const BODY_BYTES: usize = FRAME_BYTES - 2;
/// Bytes of the check sum.
const CRC_BYTES: usize = 4;
/// Most bytes of a message that one event frame carries; longer ones go in fragments.
pub const EVENT_PAYLOAD: usize = BODY_BYTES - CRC_BYTES - 6;
/// Most bytes of a stream's item. There are no fragments of those: if one was lost, so would be all.
pub const STREAM_PAYLOAD: usize = BODY_BYTES - CRC_BYTES - 5;

/// The check sum of Ethernet and zlib, by a table of 1 KiB: faster ones want 16 KiB of the hub's 96.
static CRC: Crc<u32> = Crc::<u32>::new(&CRC_32_ISO_HDLC);

/// The lower three bits of a frame's first byte.
mod kind {
    pub const MASK: u8 = 0x07;
    pub const HELLO: u8 = 1;
    pub const ACK: u8 = 2;
    pub const EVENT: u8 = 3;
    pub const STREAM: u8 = 4;
}

/// The upper five bits, which mean something else in each kind.
mod flag {
    pub const ASKS: u8 = 0x08;
    pub const HUB: u8 = 0x10;

    pub const KNOWS: u8 = 0x08;
    pub const ASLEEP: u8 = 0x10;
    pub const NOTED: u8 = 0x20;

    pub const FIRST: u8 = 0x08;
    pub const LAST: u8 = 0x10;

    pub const IMU: u8 = 0x08;
}

/// Which stream an item belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stream {
    Audio,
    Imu,
}

/// Introduces one side to the other. Its place of the version never changes, so that any two versions
/// understand at least that they do not understand each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Hello {
    pub version: u16,
    /// The sender is the hub.
    pub hub: bool,
    /// An answer is wanted.
    pub asks: bool,
    /// The sender's half of the session; never 0.
    pub nonce: u32,
    /// The receiver's half as the sender knows it; 0 if it does not.
    pub echo: u32,
    /// Names the time since the sender started; 0 until it heard from the other side.
    pub boot: u32,
}

/// What one side has of the other's events, and whether it is about to sleep.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ack {
    /// All frames before this one are in the queue; `None` until the first one came.
    pub next: Option<u16>,
    /// Bit `i`: frame `next + i` came, but waits for its turn or for room.
    pub seen: u32,
    /// The sender will not be heard until it is woken.
    pub asleep: bool,
    /// The sender knows that the receiver sleeps.
    pub noted: bool,
}

/// A frame of events, whole or a fragment of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct EventFrame<'a> {
    pub seq: u16,
    /// How far `seq` is after the oldest frame that the sender still holds.
    pub behind: u8,
    /// The message begins here.
    pub first: bool,
    /// The message ends here.
    pub last: bool,
    pub payload: &'a [u8],
}

/// What a frame of a session says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Body<'a> {
    Ack(Ack),
    Event(EventFrame<'a>),
    Stream {
        stream: Stream,
        seq: u16,
        payload: &'a [u8],
    },
}

/// A frame whose check sum was right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Frame<'a> {
    Hello(Hello),
    Session { session: u16, body: Body<'a> },
}

/// Why bytes with the right check sum are no frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Malformed;

fn bit(is: bool, flag: u8) -> u8 {
    if is { flag } else { 0 }
}

impl<'a> Frame<'a> {
    /// The frame as it goes onto the wire, its zero included.
    ///
    /// A payload that is too long is cut: senders keep to [`EVENT_PAYLOAD`] and [`STREAM_PAYLOAD`] by the
    /// types of their queues.
    pub fn encode(&self, wire: &mut [u8; FRAME_BYTES]) -> usize {
        let mut body = Vec::<u8, BODY_BYTES>::new();
        self.write(&mut body);
        let crc = CRC.checksum(&body);
        put(&mut body, &crc.to_le_bytes());
        // 62 bytes and COBS's one leave room for the zero.
        let length = cobs::try_encode(&body, &mut wire[..FRAME_BYTES - 1]).unwrap_or(0);
        wire[length] = 0;
        length + 1
    }

    fn write(&self, to: &mut Vec<u8, BODY_BYTES>) {
        match self {
            Self::Hello(hello) => {
                put(
                    to,
                    &[kind::HELLO | bit(hello.asks, flag::ASKS) | bit(hello.hub, flag::HUB)],
                );
                put(to, &hello.version.to_le_bytes());
                put(to, &hello.nonce.to_le_bytes());
                put(to, &hello.echo.to_le_bytes());
                put(to, &hello.boot.to_le_bytes());
            }
            Self::Session { session, body } => {
                let first = match body {
                    Body::Ack(ack) => {
                        kind::ACK
                            | bit(ack.next.is_some(), flag::KNOWS)
                            | bit(ack.asleep, flag::ASLEEP)
                            | bit(ack.noted, flag::NOTED)
                    }
                    Body::Event(event) => {
                        kind::EVENT | bit(event.first, flag::FIRST) | bit(event.last, flag::LAST)
                    }
                    Body::Stream { stream, .. } => {
                        kind::STREAM | bit(*stream == Stream::Imu, flag::IMU)
                    }
                };
                put(to, &[first]);
                put(to, &session.to_le_bytes());
                match body {
                    Body::Ack(ack) => {
                        put(to, &ack.next.unwrap_or(0).to_le_bytes());
                        put(to, &ack.seen.to_le_bytes());
                    }
                    Body::Event(event) => {
                        put(to, &event.seq.to_le_bytes());
                        put(to, &[event.behind]);
                        put(to, event.payload);
                    }
                    Body::Stream { seq, payload, .. } => {
                        put(to, &seq.to_le_bytes());
                        put(to, payload);
                    }
                }
            }
        }
    }

    /// Reads what [`Frame::write`] wrote, check sum taken off.
    fn read(body: &'a [u8]) -> Result<Self, Malformed> {
        let (&[first], rest) = body.split_first_chunk().ok_or(Malformed)?;
        let flags = first & !kind::MASK;
        let has = |flag: u8| flags & flag != 0;
        let only = |known: u8| (flags & !known == 0).then_some(()).ok_or(Malformed);
        if first & kind::MASK == kind::HELLO {
            let (version, mut rest) = u16_of(rest)?;
            let mut words = [0; 3];
            // What another version says after its number is not ours to judge.
            if version == VERSION {
                for word in &mut words {
                    let (bytes, after) = rest.split_first_chunk().ok_or(Malformed)?;
                    *word = u32::from_le_bytes(*bytes);
                    rest = after;
                }
                if !rest.is_empty() {
                    return Err(Malformed);
                }
            }
            return Ok(Self::Hello(Hello {
                version,
                hub: has(flag::HUB),
                asks: has(flag::ASKS),
                nonce: words[0],
                echo: words[1],
                boot: words[2],
            }));
        }
        let (session, rest) = u16_of(rest)?;
        let (seq, rest) = u16_of(rest)?;
        let body = match first & kind::MASK {
            kind::ACK => {
                only(flag::KNOWS | flag::ASLEEP | flag::NOTED)?;
                let seen = u32::from_le_bytes(rest.try_into().map_err(|_| Malformed)?);
                Body::Ack(Ack {
                    next: has(flag::KNOWS).then_some(seq),
                    seen,
                    asleep: has(flag::ASLEEP),
                    noted: has(flag::NOTED),
                })
            }
            kind::EVENT => {
                only(flag::FIRST | flag::LAST)?;
                let (&[behind], payload) = rest.split_first_chunk().ok_or(Malformed)?;
                if payload.len() > EVENT_PAYLOAD {
                    return Err(Malformed);
                }
                Body::Event(EventFrame {
                    seq,
                    behind,
                    first: has(flag::FIRST),
                    last: has(flag::LAST),
                    payload,
                })
            }
            kind::STREAM => {
                only(flag::IMU)?;
                let stream = if has(flag::IMU) {
                    Stream::Imu
                } else {
                    Stream::Audio
                };
                Body::Stream {
                    stream,
                    seq,
                    payload: rest,
                }
            }
            _ => return Err(Malformed),
        };
        Ok(Self::Session { session, body })
    }
}

fn put(to: &mut Vec<u8, BODY_BYTES>, bytes: &[u8]) {
    let room = to.capacity() - to.len();
    // Cannot fail: it is cut to the room there is.
    let _ = to.extend_from_slice(&bytes[..bytes.len().min(room)]);
}

fn u16_of(bytes: &[u8]) -> Result<(u16, &[u8]), Malformed> {
    let (head, rest) = bytes.split_first_chunk().ok_or(Malformed)?;
    Ok((u16::from_le_bytes(*head), rest))
}

/// Cuts a stream of bytes at its zeros into frames. Whatever the bytes are, it holds one frame's worth.
#[derive(Debug)]
pub(crate) struct Deframer {
    bytes: [u8; FRAME_BYTES - 1],
    /// Bytes since the last zero; more than there is room for are counted and left out.
    length: usize,
}

impl Deframer {
    pub const fn new() -> Self {
        Self {
            bytes: [0; FRAME_BYTES - 1],
            length: 0,
        }
    }

    /// Takes one byte. If it ends a frame that is sound, that frame; if it ends one that is not, the
    /// reason is counted.
    pub fn push(&mut self, byte: u8, counters: &mut Counters) -> Option<Frame<'_>> {
        if byte != 0 {
            if let Some(place) = self.bytes.get_mut(self.length) {
                *place = byte;
            }
            self.length = self.length.saturating_add(1);
            return None;
        }
        let length = core::mem::take(&mut self.length);
        if length == 0 {
            return None;
        }
        let Some(coded) = self.bytes.get_mut(..length) else {
            counters.oversize.add(1);
            return None;
        };
        let decoded = cobs::decode_in_place(coded).ok();
        let Some((body, _)) = decoded
            .and_then(|length| coded.get(..length))
            .and_then(<[u8]>::split_last_chunk::<CRC_BYTES>)
            .filter(|(body, crc)| CRC.checksum(body) == u32::from_le_bytes(**crc))
        else {
            counters.corrupt.add(1);
            return None;
        };
        let frame = Frame::read(body).ok();
        match frame {
            Some(_) => counters.frames_in.add(1),
            None => counters.malformed.add(1),
        }
        frame
    }
}

#[cfg(test)]
#[path = "frame_tests.rs"]
mod tests;
