use std::string::String;
use std::vec;
use std::vec::Vec as StdVec;

use proptest::prelude::*;
use qlens_board::{Direction, Utterance};
use serde::de::DeserializeOwned;

use super::*;
use crate::frame::{EVENT_PAYLOAD, STREAM_PAYLOAD};

fn bytes<T: Serialize>(message: &T) -> StdVec<u8> {
    let mut buffer = [0; 2 * MESSAGE_BYTES];
    postcard::to_slice(message, &mut buffer).unwrap().to_vec()
}

fn event(kind: EventKind) -> Event {
    Event { at_us: 300, kind }
}

fn sensor(kind: SensorKind) -> Event {
    event(EventKind::Sensor(kind))
}

fn comes_back<T: Serialize + DeserializeOwned + PartialEq + core::fmt::Debug>(message: &T) {
    let bytes = bytes(message);
    let (back, rest) = postcard::take_from_bytes::<T>(&bytes).unwrap();
    assert_eq!((&back, rest), (message, &[][..]));
}

/// The very bytes of each message. If this fails, [`VERSION`] has to be raised.
#[test]
fn the_bytes_of_version_1() {
    assert_eq!(VERSION, 1);
    // 300 is 0xac 0x02 in seven bits a byte.
    let sensors: [(SensorKind, &[u8]); 15] = [
        (SensorKind::Tap, &[0]),
        (SensorKind::DoubleTap, &[1]),
        (SensorKind::LongPress, &[2]),
        (SensorKind::Swipe(Direction::Forward), &[3, 0]),
        (SensorKind::Swipe(Direction::Back), &[3, 1]),
        (SensorKind::Swipe(Direction::Up), &[3, 2]),
        (SensorKind::Swipe(Direction::Down), &[3, 3]),
        (SensorKind::HeadUp, &[4]),
        (SensorKind::HeadDown, &[5]),
        (SensorKind::Worn, &[6]),
        (SensorKind::Removed, &[7]),
        (SensorKind::speech("hi").unwrap(), &[8, 2, b'h', b'i']),
        (SensorKind::Ambient { lux: 200 }, &[9, 0xc8, 1]),
        (
            SensorKind::Battery {
                percent: 50,
                charging: true,
            },
            &[10, 50, 1],
        ),
        (SensorKind::Temperature { milli_celsius: -3 }, &[11, 5]),
    ];
    for (kind, expected) in sensors {
        let message = sensor(kind);
        assert_eq!(bytes(&message), [&[0xac, 2, 0], expected].concat());
        comes_back(&message);
    }
    let others: [(EventKind, &[u8]); 3] = [
        (EventKind::VoiceStart { utterance: 7 }, &[1, 7]),
        (
            EventKind::VoiceStop {
                utterance: 7,
                samples: 16_000,
            },
            &[2, 7, 0x80, 0x7d],
        ),
        (
            EventKind::Stats(HubStats {
                uptime_s: 1,
                events_refused: 2,
                stream_unsent: 3,
                frames_corrupt: 4,
                samples_rejected: 5,
                stack_bytes: 6,
                busy_permille: 7,
            }),
            &[3, 1, 2, 3, 4, 5, 6, 7],
        ),
    ];
    for (kind, expected) in others {
        let message = event(kind);
        assert_eq!(bytes(&message), [&[0xac, 2], expected].concat());
        comes_back(&message);
    }
    let config = Command::Configure(HubConfig::default());
    assert_eq!(
        bytes(&config),
        [0, 1, 0, 0xa0, 6, 0xd8, 4, 0x88, 0x27, 0xb8, 0x17, 0xc8, 1]
    );
    comes_back(&config);
    let time = Command::Time { unix_us: 5 };
    assert_eq!(bytes(&time), [1, 5]);
    comes_back(&time);
    let chunk = AudioChunk {
        utterance: 7,
        first: 40,
        samples: Vec::from_slice(&[1, -2]).unwrap(),
    };
    assert_eq!(bytes(&chunk), [7, 40, 4, 1, 0, 0xfe, 0xff]);
    comes_back(&chunk);
    let sample = ImuSample {
        at_us: 1,
        accel: [1, -1, 2],
        gyro: [0, 3, -3],
    };
    assert_eq!(bytes(&sample), [1, 2, 1, 4, 0, 6, 5]);
    comes_back(&sample);
}

/// The largest of each fits where it has to: an event into a message, the rest into one frame.
#[test]
fn the_largest_messages_fit() {
    let text = String::from_utf8(vec![b'a'; qlens_board::event::UTTERANCE_BYTES]).unwrap();
    let speech = Event {
        at_us: u64::MAX,
        kind: EventKind::Sensor(SensorKind::Speech(
            Utterance::try_from(text.as_str()).unwrap(),
        )),
    };
    assert!(bytes(&speech).len() <= MESSAGE_BYTES);
    comes_back(&speech);
    let stats = Event {
        at_us: u64::MAX,
        kind: EventKind::Stats(HubStats {
            uptime_s: u32::MAX,
            events_refused: u32::MAX,
            stream_unsent: u32::MAX,
            frames_corrupt: u32::MAX,
            samples_rejected: u32::MAX,
            stack_bytes: u32::MAX,
            busy_permille: u16::MAX,
        }),
    };
    assert!(bytes(&stats).len() <= EVENT_PAYLOAD);
    let config = Command::Configure(HubConfig {
        audio: true,
        imu: true,
        double_tap_ms: u16::MAX,
        long_press_ms: u16::MAX,
        head_up_centidegrees: i16::MIN,
        head_down_centidegrees: i16::MIN,
        voice_hangover_ms: u16::MAX,
    });
    assert!(bytes(&config).len() <= EVENT_PAYLOAD);
    let chunk = AudioChunk {
        utterance: u16::MAX,
        first: u32::MAX,
        samples: Vec::from_array([i16::MIN; AUDIO_SAMPLES]),
    };
    assert!(bytes(&chunk).len() <= STREAM_PAYLOAD);
    let sample = ImuSample {
        at_us: u64::MAX,
        accel: [i16::MIN; 3],
        gyro: [i16::MIN; 3],
    };
    assert!(bytes(&sample).len() <= STREAM_PAYLOAD);
}

#[test]
fn sensor_events_map_one_to_one() {
    let tap = SensorEvent::new(5, SensorKind::Tap);
    assert_eq!(Event::from(tap.clone()).into_sensor(), Ok(tap));
    let voice = event(EventKind::VoiceStart { utterance: 1 });
    assert_eq!(voice.clone().into_sensor(), Err(voice));
}

#[test]
fn a_chunk_of_too_many_samples_or_half_a_one_is_refused() {
    let long = [&[0, 0, 42][..], &[0; 42]].concat();
    assert!(postcard::from_bytes::<AudioChunk>(&long).is_err());
    assert!(postcard::from_bytes::<AudioChunk>(&[0, 0, 3, 1, 2, 3]).is_err());
    assert!(postcard::from_bytes::<AudioChunk>(&[0, 0, 2, 1, 2]).is_ok());
}

proptest! {
    /// Whatever bytes come, they are refused or they are a message that is sane.
    #[test]
    fn any_bytes_are_refused_or_a_message(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
        if let Ok(event) = postcard::from_bytes::<Event>(&bytes) {
            comes_back(&event);
        }
        if let Ok(command) = postcard::from_bytes::<Command>(&bytes) {
            comes_back(&command);
        }
        if let Ok(chunk) = postcard::from_bytes::<AudioChunk>(&bytes) {
            comes_back(&chunk);
        }
    }

    #[test]
    fn speech_comes_back(text in "\\PC{0,200}", at_us: u64) {
        let kind = EventKind::Sensor(SensorKind::speech(&text).unwrap());
        comes_back(&Event { at_us, kind });
    }
}
