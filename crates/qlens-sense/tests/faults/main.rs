//! Sensors that lie, babble, hang or go back in time: what comes of each, and what is counted.

mod sound;
mod touch;
mod worn;

use qlens_board::{Direction, SensorKind};
use qlens_sense::samples::{ImuSample, TouchSample};
use qlens_sense::{CLOCK_RESTART, Event, EventKind, Recogniser, Sensor, Settings, SettingsError};

const FINGER: TouchSample = TouchSample {
    x: 1000,
    y: 300,
    pressure: 500,
};
const NOBODY: TouchSample = TouchSample {
    x: 0,
    y: 0,
    pressure: 0,
};

/// Touch samples of 100 Hz from `from_us` until `to_us`.
fn touches(
    recogniser: &mut Recogniser,
    from_us: u64,
    to_us: u64,
    sample: TouchSample,
) -> Vec<EventKind> {
    (from_us..to_us)
        .step_by(10_000)
        .filter_map(|time_us| recogniser.touch(time_us, sample))
        .map(|event| event.kind)
        .collect()
}

/// A head at rest that pitches up by a slope of `x` to `z`; a bit of noise tells the part from one that hangs.
fn head(x: i16, z: i16, step: u64) -> ImuSample {
    ImuSample {
        accel: [x, 0, z + (step % 3) as i16],
        gyro: [0; 3],
    }
}

/// Motion samples of 200 Hz.
fn rest(recogniser: &mut Recogniser, from_us: u64, seconds: u64, x: i16, z: i16) -> Vec<EventKind> {
    (0..seconds * 200)
        .filter_map(|step| recogniser.imu(from_us + step * 5_000, head(x, z, step)))
        .map(|event| event.kind)
        .collect()
}

/// Samples of proximity, of 20 Hz.
fn wear(recogniser: &mut Recogniser, from: u64, to: u64, counts: u16) -> Vec<EventKind> {
    (from..to)
        .filter_map(|step| recogniser.proximity(step * 50_000, counts))
        .map(|event| event.kind)
        .collect()
}

/// Sound of a steady vowel, over noise.
fn sound(at: u64, loud: bool) -> i16 {
    let noise = (at.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 58) as i16 - 32;
    let vowel = if (at / 40).is_multiple_of(2) {
        3_000
    } else {
        -3_000
    };
    if loud { vowel + noise } else { noise }
}

/// Blocks of 20 ms from block `from` until block `to`.
fn listen(recogniser: &mut Recogniser, from: u64, to: u64, loud: bool) -> Vec<Event> {
    (from..to)
        .filter_map(|block| {
            let samples: Vec<_> = (block * 320..(block + 1) * 320)
                .map(|at| sound(at, loud))
                .collect();
            recogniser.microphone(block * 20_000, &samples)
        })
        .collect()
}

/// A tap of 100 ms that begins at this time, and what came of it.
fn tap(recogniser: &mut Recogniser, from_us: u64) -> Vec<EventKind> {
    let mut events = touches(recogniser, from_us, from_us + 100_000, FINGER);
    let lifted = touches(recogniser, from_us + 100_000, from_us + 150_000, NOBODY);
    events.extend(lifted);
    events
}

#[test]
fn time_at_its_end_breaks_nothing() {
    let mut recogniser = Recogniser::new();
    for time_us in [u64::MAX - 1, u64::MAX, 0, u64::MAX] {
        recogniser.touch(time_us, FINGER);
        recogniser.imu(time_us, head(0, 8192, 0));
        recogniser.proximity(time_us, 4000);
        recogniser.light(time_us, 0x0fff);
        recogniser.microphone(time_us, &[1, 2, 3]);
    }
    assert_eq!(recogniser.counts(Sensor::Touch).backwards, 1);
}

#[test]
fn off_the_head_only_wear_and_light_are_looked_at() {
    let mut recogniser = Recogniser::new();
    let removed = (0..40).find_map(|step| recogniser.proximity(step * 50_000, 0));
    assert_eq!(removed.map(|event| event.kind), Some(EventKind::Removed));
    assert!(touches(&mut recogniser, 0, 2_000_000, FINGER).is_empty());
    assert!(rest(&mut recogniser, 0, 3, 6000, 5000).is_empty());
    assert!(listen(&mut recogniser, 0, 50, false).is_empty());
    assert!(listen(&mut recogniser, 50, 100, true).is_empty());
    assert!(recogniser.light(0, 100).is_some());
}

#[test]
fn taking_the_glasses_off_ends_the_utterance_and_the_touch() {
    let mut recogniser = Recogniser::new();
    assert_eq!(wear(&mut recogniser, 0, 20, 4500), [EventKind::Worn]);
    assert!(listen(&mut recogniser, 0, 50, false).is_empty());
    let start = listen(&mut recogniser, 50, 60, true);
    assert!(matches!(
        start[..],
        [Event {
            kind: EventKind::VoiceStart { utterance: 0 },
            ..
        }]
    ));
    assert!(touches(&mut recogniser, 0, 300_000, FINGER).is_empty());
    assert_eq!(wear(&mut recogniser, 20, 60, 0), [EventKind::Removed]);
    let stop = listen(&mut recogniser, 60, 70, true);
    assert_eq!(stop.len(), 1);
    let EventKind::VoiceStop {
        utterance: 0,
        samples,
    } = stop[0].kind
    else {
        panic!("{stop:?}");
    };
    assert_eq!(u64::from(samples) * 125 / 2, stop[0].at_us - start[0].at_us);
    assert_eq!(wear(&mut recogniser, 60, 90, 4500), [EventKind::Worn]);
    // The finger that was there when they came off taps nothing.
    assert!(touches(&mut recogniser, 310_000, 400_000, NOBODY).is_empty());
}

#[test]
fn settings_that_cannot_be_are_refused_and_others_followed() {
    let mut recogniser = Recogniser::new();
    let wrong = Settings {
        head_down_centidegrees: 2500,
        ..Settings::DEFAULT
    };
    assert_eq!(
        recogniser.configure(wrong),
        Err(SettingsError::NoHysteresis {
            up: 2500,
            down: 2500
        })
    );
    let steep = Settings {
        head_up_centidegrees: 4500,
        long_press_ms: 1000,
        ..Settings::DEFAULT
    };
    assert_eq!(recogniser.configure(steep), Ok(()));
    assert!(
        rest(&mut recogniser, 0, 3, 5000, 6000).is_empty(),
        "40 degrees"
    );
    assert_eq!(
        rest(&mut recogniser, 3_000_000, 3, 6000, 5000),
        [EventKind::HeadUp]
    );
    assert!(touches(&mut recogniser, 0, 990_000, FINGER).is_empty());
    assert_eq!(
        touches(&mut recogniser, 990_000, 1_100_000, FINGER),
        [EventKind::LongPress]
    );
}

#[test]
fn each_event_is_the_applications_own_but_voice() {
    let swipe = EventKind::Swipe(Direction::Up);
    for (kind, sensor) in [
        (EventKind::Tap, Some(SensorKind::Tap)),
        (EventKind::DoubleTap, Some(SensorKind::DoubleTap)),
        (EventKind::LongPress, Some(SensorKind::LongPress)),
        (swipe, Some(SensorKind::Swipe(Direction::Up))),
        (EventKind::HeadUp, Some(SensorKind::HeadUp)),
        (EventKind::HeadDown, Some(SensorKind::HeadDown)),
        (EventKind::Worn, Some(SensorKind::Worn)),
        (EventKind::Removed, Some(SensorKind::Removed)),
        (
            EventKind::Ambient { lux: 7 },
            Some(SensorKind::Ambient { lux: 7 }),
        ),
        (EventKind::VoiceStart { utterance: 1 }, None),
        (
            EventKind::VoiceStop {
                utterance: 1,
                samples: 2,
            },
            None,
        ),
    ] {
        assert_eq!(kind.sensor(), sensor);
    }
}

#[test]
fn a_recording_that_ends_in_a_word_and_a_touch_ends_both() {
    let mut recogniser = Recogniser::new();
    assert_eq!(recogniser.end(), None);
    assert!(listen(&mut recogniser, 0, 50, false).is_empty());
    assert_eq!(listen(&mut recogniser, 50, 75, true).len(), 1);
    // Half a frame, which belongs to the word.
    let half: Vec<_> = (75 * 320..75 * 320 + 160)
        .map(|at| sound(at, true))
        .collect();
    assert_eq!(recogniser.microphone(1_500_000, &half), None);
    assert!(touches(&mut recogniser, 1_400_000, 1_510_000, FINGER).is_empty());
    let samples = (4 + 25) * 320 + 160;
    assert_eq!(
        recogniser.end(),
        Some(Event::new(
            1_510_000,
            EventKind::VoiceStop {
                utterance: 0,
                samples
            }
        ))
    );
    assert_eq!(recogniser.end(), None);
    assert!(touches(&mut recogniser, 1_510_000, 1_600_000, NOBODY).is_empty());
}
