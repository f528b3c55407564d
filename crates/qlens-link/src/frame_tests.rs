use std::vec::Vec;

use proptest::prelude::*;

use super::*;

fn hello() -> impl Strategy<Value = Frame<'static>> {
    any::<(bool, bool, u32, u32, u32)>().prop_map(|(hub, asks, nonce, echo, boot)| {
        Frame::Hello(Hello {
            version: VERSION,
            hub,
            asks,
            nonce,
            echo,
            boot,
        })
    })
}

fn ack() -> impl Strategy<Value = Frame<'static>> {
    any::<(u16, Option<u16>, u32, bool, bool)>().prop_map(|(session, next, seen, asleep, noted)| {
        let body = Body::Ack(Ack {
            next,
            seen,
            asleep,
            noted,
        });
        Frame::Session { session, body }
    })
}

/// Runs `check` with any frame that carries `bytes`, cut to what it may carry.
fn carrying(bytes: &[u8], numbers: (u16, u16, u8, bool, bool)) -> [Frame<'_>; 2] {
    let (session, seq, behind, first, last) = numbers;
    let event = EventFrame {
        seq,
        behind,
        first,
        last,
        payload: &bytes[..bytes.len().min(EVENT_PAYLOAD)],
    };
    let stream = Body::Stream {
        stream: if first { Stream::Audio } else { Stream::Imu },
        seq,
        payload: &bytes[..bytes.len().min(STREAM_PAYLOAD)],
    };
    let event = Body::Event(event);
    [
        Frame::Session {
            session,
            body: event,
        },
        Frame::Session {
            session,
            body: stream,
        },
    ]
}

fn wire(frame: &Frame<'_>) -> Vec<u8> {
    let mut wire = [0xaa; FRAME_BYTES];
    let length = frame.encode(&mut wire);
    wire[..length].to_vec()
}

/// What a deframer makes of bytes: the frames as they would be written again, and its counters.
fn read(bytes: &[u8]) -> (Vec<Vec<u8>>, Counters) {
    let mut deframer = Deframer::new();
    let mut counters = Counters::default();
    let mut frames = Vec::new();
    for &byte in bytes {
        if let Some(frame) = deframer.push(byte, &mut counters) {
            frames.push(wire(&frame));
        }
    }
    (frames, counters)
}

fn round_trip(frame: &Frame<'_>) -> Result<(), TestCaseError> {
    let wire = wire(frame);
    prop_assert!(wire.len() <= FRAME_BYTES);
    prop_assert_eq!(
        wire.iter().position(|&byte| byte == 0),
        Some(wire.len() - 1)
    );
    let mut deframer = Deframer::new();
    let mut counters = Counters::default();
    for &byte in &wire[..wire.len() - 1] {
        prop_assert!(deframer.push(byte, &mut counters).is_none());
    }
    prop_assert_eq!(deframer.push(0, &mut counters), Some(*frame));
    prop_assert_eq!(counters.frames_in.0, 1);
    Ok(())
}

proptest! {
    #[test]
    fn a_hello_comes_back(frame in hello()) {
        round_trip(&frame)?;
    }

    #[test]
    fn an_ack_comes_back(frame in ack()) {
        round_trip(&frame)?;
    }

    #[test]
    fn a_payload_comes_back(bytes in prop::collection::vec(any::<u8>(), 0..=STREAM_PAYLOAD), numbers: (u16, u16, u8, bool, bool)) {
        for frame in carrying(&bytes, numbers) {
            round_trip(&frame)?;
        }
    }

    /// The check sum finds one wrong byte wherever it is, and the next frame is not harmed.
    #[test]
    fn a_wrong_byte_costs_a_frame(
        bytes in prop::collection::vec(any::<u8>(), 0..=EVENT_PAYLOAD),
        numbers: (u16, u16, u8, bool, bool),
        place: prop::sample::Index,
        flip in 1u8..,
        next in hello(),
    ) {
        let frame = carrying(&bytes, numbers)[0];
        let mut damaged = wire(&frame);
        let place = place.index(damaged.len() - 1);
        damaged[place] ^= flip;
        damaged.extend(wire(&next));
        let (frames, counters) = read(&damaged);
        prop_assert_eq!(frames, [wire(&next)]);
        prop_assert!((1..=2).contains(&counters.corrupt.0), "a zero makes two of one");
    }

    /// A zero that is lost costs the frames on both sides of it, no more.
    #[test]
    fn a_lost_zero_costs_two_frames(frames in prop::collection::vec(hello(), 3)) {
        let mut bytes = Vec::new();
        bytes.extend(wire(&frames[0]));
        bytes.pop();
        bytes.extend(wire(&frames[1]));
        bytes.extend(wire(&frames[2]));
        let (came, counters) = read(&bytes);
        prop_assert_eq!(came, [wire(&frames[2])]);
        prop_assert_eq!(counters.corrupt.0, 1);
    }

    /// Whatever comes, it is refused or it is what some sender would have written.
    #[test]
    fn noise_is_harmless(noise in prop::collection::vec(any::<u8>(), 0..400), next in hello()) {
        let mut bytes = noise;
        bytes.push(0);
        bytes.extend(wire(&next));
        let (frames, _) = read(&bytes);
        prop_assert_eq!(frames.last(), Some(&wire(&next)));
        prop_assert_eq!(frames.len(), 1, "noise has a right check sum once in 4 billion");
    }

    /// With a right check sum, the reader sees anything at all.
    #[test]
    fn nonsense_is_refused_or_understood(body in prop::collection::vec(any::<u8>(), 0..=BODY_BYTES - CRC_BYTES)) {
        let mut sealed = body.clone();
        sealed.extend(CRC.checksum(&body).to_le_bytes());
        let mut coded = [0; FRAME_BYTES];
        let length = cobs::try_encode(&sealed, &mut coded).unwrap();
        let (frames, counters) = read(&coded[..=length]);
        match Frame::read(&body) {
            Ok(Frame::Hello(hello)) if hello.version != VERSION => {
                prop_assert_eq!((hello.nonce, hello.echo, hello.boot), (0, 0, 0));
            }
            Ok(Frame::Session { body: Body::Ack(ack), .. }) => {
                prop_assert_eq!(counters.frames_in.0, 1);
                prop_assert!(ack.next.is_some() || frames.len() == 1);
            }
            Ok(_) => prop_assert_eq!(&frames, &[coded[..=length].to_vec()]),
            Err(Malformed) => prop_assert_eq!(counters.malformed.0, 1),
        }
    }
}

#[test]
fn too_many_bytes_are_skipped() {
    let mut bytes = std::vec![1; 100_000];
    bytes.push(0);
    bytes.extend([0, 0, 0]);
    let (frames, counters) = read(&bytes);
    assert!(frames.is_empty());
    assert_eq!((counters.oversize.0, counters.corrupt.0), (1, 0));
}

/// The very bytes: another program, in another language, has to write the same.
#[test]
fn the_wire_format_is_what_is_written_down() {
    let hello = Frame::Hello(Hello {
        version: 1,
        hub: true,
        asks: true,
        nonce: 0x0102_0304,
        echo: 0,
        boot: 0xa0b0_c0d0,
    });
    let body = [0x19, 1, 0, 4, 3, 2, 1, 0, 0, 0, 0, 0xd0, 0xc0, 0xb0, 0xa0];
    let mut sealed = body.to_vec();
    sealed.extend(CRC.checksum(&body).to_le_bytes());
    assert_eq!(wire(&hello), coded(&sealed));

    let event = Frame::Session {
        session: 0xbeef,
        body: Body::Event(EventFrame {
            seq: 0x0201,
            behind: 3,
            first: true,
            last: true,
            payload: b"hi",
        }),
    };
    let body = [0x1b, 0xef, 0xbe, 1, 2, 3, b'h', b'i'];
    let mut sealed = body.to_vec();
    sealed.extend(CRC.checksum(&body).to_le_bytes());
    assert_eq!(wire(&event), coded(&sealed));
    // The check value of CRC-32/ISO-HDLC in every catalogue.
    assert_eq!(CRC.checksum(b"123456789"), 0xcbf4_3926);
}

/// COBS by its definition: before each run without zeros, its length and one.
fn coded(bytes: &[u8]) -> Vec<u8> {
    let mut coded = Vec::new();
    for run in bytes.split(|&byte| byte == 0) {
        coded.push(run.len() as u8 + 1);
        coded.extend(run);
    }
    coded.push(0);
    coded
}
