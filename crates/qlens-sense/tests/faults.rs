//! Sensors that lie, babble, hang or go back in time: what comes of each, and what is counted.

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
fn touch(
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

#[test]
fn a_touch_out_of_range_is_no_touch() {
    let mut recogniser = Recogniser::new();
    let beyond = TouchSample {
        pressure: 1024,
        ..FINGER
    };
    assert!(touch(&mut recogniser, 0, 2_000_000, beyond).is_empty());
    assert_eq!(recogniser.counts(Sensor::Touch).out_of_range, 200);
    assert_eq!(recogniser.counts(Sensor::Touch).taken, 0);
    assert_eq!(recogniser.rejected(), 200);
}

#[test]
fn a_finger_that_never_lifts_is_one_long_press_and_then_stuck() {
    let mut recogniser = Recogniser::new();
    let events = touch(&mut recogniser, 0, 60_000_000, FINGER);
    assert_eq!(events, [EventKind::LongPress]);
    assert_eq!(recogniser.counts(Sensor::Touch).stuck, 4_000);
    // It works again once the water is wiped off.
    assert!(touch(&mut recogniser, 60_000_000, 60_100_000, NOBODY).is_empty());
    assert!(touch(&mut recogniser, 60_100_000, 60_200_000, FINGER).is_empty());
    let events = touch(&mut recogniser, 60_200_000, 60_300_000, NOBODY);
    assert_eq!(events, [EventKind::Tap]);
}

#[test]
fn a_pad_that_falls_silent_under_a_finger_reports_nothing() {
    let mut recogniser = Recogniser::new();
    assert!(touch(&mut recogniser, 0, 400_000, FINGER).is_empty());
    // Had it been held, this were a long press; nobody knows.
    assert!(touch(&mut recogniser, 2_000_000, 2_500_000, FINGER).is_empty());
    assert_eq!(recogniser.counts(Sensor::Touch).gaps, 1);
    assert_eq!(
        touch(&mut recogniser, 2_500_000, 2_600_000, NOBODY),
        [EventKind::Tap]
    );
}

#[test]
fn a_flood_of_touches_is_thinned_to_what_a_finger_can() {
    let mut recogniser = Recogniser::new();
    // Ten thousand touches a second, on and off in turn, for ten seconds.
    let events = (0..200_000u64)
        .filter_map(|step| {
            let sample = if step % 2 == 0 { FINGER } else { NOBODY };
            recogniser.touch(step * 50, sample)
        })
        .count();
    let counts = recogniser.counts(Sensor::Touch);
    assert_eq!((counts.taken, counts.flooded), (2_000, 198_000));
    // Every hundredth sample is one with a finger: held.
    assert_eq!(events, 1);
}

#[test]
fn late_touches_are_dropped_and_a_clock_that_began_anew_is_followed() {
    let mut recogniser = Recogniser::new();
    assert!(touch(&mut recogniser, 50_000_000, 50_100_000, FINGER).is_empty());
    assert_eq!(recogniser.touch(49_000_000, NOBODY), None);
    assert_eq!(
        touch(&mut recogniser, 50_100_000, 50_200_000, NOBODY),
        [EventKind::Tap]
    );
    let events = touch(&mut recogniser, 0, 1_200_000, FINGER);
    assert_eq!(events, [EventKind::LongPress]);
    let counts = recogniser.counts(Sensor::Touch);
    assert_eq!(counts.backwards, 1 + u32::from(CLOCK_RESTART));
    assert_eq!(counts.clock_restarts, 1);
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
fn a_motion_sensor_that_hangs_says_nothing_and_is_believed_again_when_it_moves() {
    let mut recogniser = Recogniser::new();
    assert!(rest(&mut recogniser, 0, 2, 0, 8192).is_empty());
    // It hangs at a word that would be a look up.
    let events = (400..4_000u64)
        .filter_map(|step| recogniser.imu(step * 5_000, head(5000, 6000, 0)))
        .collect::<Vec<_>>();
    assert_eq!(events, []);
    assert_eq!(recogniser.counts(Sensor::Imu).stuck, 3_400);
    let events = rest(&mut recogniser, 20_000_000, 2, 5000, 6000);
    assert_eq!(events, [EventKind::HeadUp]);
}

#[test]
fn a_motion_sensor_at_its_rails_is_not_measured_by() {
    let mut recogniser = Recogniser::new();
    assert!(rest(&mut recogniser, 0, 2, 0, 8192).is_empty());
    let events = (400..1_000u64)
        .filter_map(|step| {
            let mut sample = head(i16::MAX, 0, step);
            sample.gyro[1] = i16::MIN;
            recogniser.imu(step * 5_000, sample)
        })
        .collect::<Vec<_>>();
    assert_eq!(events, []);
    assert_eq!(recogniser.counts(Sensor::Imu).out_of_range, 600);
    // And it takes half a second to find the horizon again, not a wrong event.
    assert!(rest(&mut recogniser, 5_000_000, 3, 0, 8192).is_empty());
    assert_eq!(
        rest(&mut recogniser, 8_000_000, 3, 5000, 6000),
        [EventKind::HeadUp]
    );
    assert_eq!(
        rest(&mut recogniser, 11_000_000, 3, 0, 8192),
        [EventKind::HeadDown]
    );
}

#[test]
fn free_fall_is_not_a_place_to_look_up_to() {
    let mut recogniser = Recogniser::new();
    assert!(rest(&mut recogniser, 0, 2, 0, 8192).is_empty());
    assert!(rest(&mut recogniser, 2_000_000, 5, 300, 100).is_empty());
}

#[test]
fn a_blinded_proximity_sensor_changes_nothing() {
    let mut recogniser = Recogniser::new();
    assert_eq!(wear(&mut recogniser, 0, 20, 4500), [EventKind::Worn]);
    assert_eq!(wear(&mut recogniser, 20, 30, u16::MAX), []);
    assert_eq!(
        wear(&mut recogniser, 30, 100, 2400),
        [],
        "neither near nor far"
    );
    assert_eq!(wear(&mut recogniser, 100, 140, 300), [EventKind::Removed]);
    assert_eq!(recogniser.counts(Sensor::Proximity).out_of_range, 10);
}

#[test]
fn light_of_an_exponent_that_there_is_not_is_dropped() {
    let mut recogniser = Recogniser::new();
    assert_eq!(recogniser.light(0, 0xf123), None);
    assert_eq!(recogniser.counts(Sensor::Light).out_of_range, 1);
    let first = recogniser.light(100_000, 0x1388).map(|event| event.kind);
    assert_eq!(first, Some(EventKind::Ambient { lux: 18 }));
    // A sensor that always says the same is no news.
    assert!((2..1_000).all(|step| recogniser.light(step * 100_000, 0x1388).is_none()));
}

#[test]
fn off_the_head_only_wear_and_light_are_looked_at() {
    let mut recogniser = Recogniser::new();
    let removed = (0..40).find_map(|step| recogniser.proximity(step * 50_000, 0));
    assert_eq!(removed.map(|event| event.kind), Some(EventKind::Removed));
    assert!(touch(&mut recogniser, 0, 2_000_000, FINGER).is_empty());
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
    assert!(touch(&mut recogniser, 0, 300_000, FINGER).is_empty());
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
    assert!(touch(&mut recogniser, 310_000, 400_000, NOBODY).is_empty());
}

#[test]
fn a_microphone_that_is_muted_stuck_or_at_its_rails_is_no_voice() {
    let mut recogniser = Recogniser::new();
    assert!(listen(&mut recogniser, 0, 50, false).is_empty());
    let mut run = |from: u64, pick: &dyn Fn(usize) -> i16| {
        (from..from + 50)
            .filter_map(|block| {
                let samples: Vec<_> = (0..320).map(pick).collect();
                recogniser.microphone(block * 20_000, &samples)
            })
            .count()
    };
    assert_eq!(run(50, &|_| 0), 0);
    assert_eq!(run(100, &|_| 12_345), 0);
    assert_eq!(
        run(150, &|at| if at % 2 == 0 { i16::MAX } else { i16::MIN }),
        0
    );
    let counts = recogniser.counts(Sensor::Microphone);
    assert_eq!((counts.stuck, counts.out_of_range), (100, 50));
    assert!(listen(&mut recogniser, 200, 250, false).is_empty());
    assert_eq!(listen(&mut recogniser, 250, 300, true).len(), 1);
}

#[test]
fn a_hole_in_the_sound_ends_the_utterance_before_it() {
    let mut recogniser = Recogniser::new();
    assert!(listen(&mut recogniser, 0, 50, false).is_empty());
    let start = listen(&mut recogniser, 50, 75, true);
    let after = listen(&mut recogniser, 200, 225, true);
    assert_eq!(start.len(), 1);
    assert_eq!(after[0].at_us, 75 * 20_000);
    assert!(matches!(
        after[0].kind,
        EventKind::VoiceStop { utterance: 0, .. }
    ));
    // The next has no sound from before the hole.
    assert_eq!(
        after[1],
        Event::new(200 * 20_000, EventKind::VoiceStart { utterance: 1 })
    );
    assert_eq!(recogniser.counts(Sensor::Microphone).gaps, 1);
}

#[test]
fn a_flood_of_sound_is_thinned_and_a_block_too_long_refused() {
    let mut recogniser = Recogniser::new();
    for step in 0..10_000u64 {
        recogniser.microphone(step * 100, &[0; 320]);
    }
    let counts = recogniser.counts(Sensor::Microphone);
    assert!((45..=55).contains(&counts.taken), "{counts:?}");
    assert_eq!(counts.taken + counts.flooded, 10_000);
    assert_eq!(recogniser.microphone(2_000_000, &[0; 321]), None);
    assert_eq!(recogniser.counts(Sensor::Microphone).out_of_range, 1);
}

#[test]
fn a_fan_that_is_switched_on_is_no_endless_utterance() {
    let mut recogniser = Recogniser::new();
    assert!(listen(&mut recogniser, 0, 50, false).is_empty());
    let events = listen(&mut recogniser, 50, 1_000, true);
    let [start, stop] = &events[..] else {
        panic!("{events:?}");
    };
    assert!(stop.at_us - start.at_us < 5_000_000, "{events:?}");
}

#[test]
fn the_sound_of_an_utterance_is_read_whole_or_its_loss_counted() {
    for reads in [true, false] {
        let mut recogniser = Recogniser::new();
        let mut heard = Vec::new();
        let mut stop = None;
        for block in 0..200u64 {
            let samples: Vec<_> = (block * 320..(block + 1) * 320)
                .map(|at| sound(at, (100..140).contains(&block)))
                .collect();
            let event = recogniser.microphone(block * 20_000, &samples);
            if let Some(Event {
                kind: EventKind::VoiceStop { samples, .. },
                at_us,
            }) = event
            {
                stop = Some((at_us * 16 / 1000, samples));
            }
            let mut piece = [0; 20];
            while let Some(got) = reads.then(|| recogniser.read_voice(&mut piece)).flatten() {
                assert_eq!(got.first as usize, heard.len());
                heard.extend_from_slice(&piece[..got.len]);
            }
        }
        let (end, samples) = stop.expect("an utterance");
        // 0.8 s of voice, 0.08 s before it and 0.2 s after; in its next frame the filters still ring.
        assert!((54..=55).contains(&(samples / 320)), "{samples}");
        if reads {
            let begin = end - u64::from(samples);
            let right: Vec<_> = (begin..end)
                .map(|at| sound(at, (100 * 320..140 * 320).contains(&at)))
                .collect();
            assert_eq!(heard, right);
            assert_eq!(recogniser.voice_unread(), 0);
        } else {
            assert_eq!(heard.len(), 0);
            assert!(recogniser.voice_unread() >= samples - 4096);
        }
    }
}

#[test]
fn an_utterance_without_end_is_cut() {
    let mut recogniser = Recogniser::new();
    listen(&mut recogniser, 0, 50, false);
    // Half a second of voice, 100 ms without, and so on: a pause that the noise is heard in, and no hangover.
    let events: Vec<_> = (50..4_000u64)
        .filter_map(|block| {
            let loud = block % 30 < 25;
            listen(&mut recogniser, block, block + 1, loud).pop()
        })
        .collect();
    let EventKind::VoiceStop { samples, .. } = events[1].kind else {
        panic!("{events:?}");
    };
    assert_eq!(samples, 1_500 * 320);
    assert_eq!(
        events[2].at_us, events[1].at_us,
        "not a sample is lost or told twice"
    );
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
    assert!(touch(&mut recogniser, 0, 990_000, FINGER).is_empty());
    assert_eq!(
        touch(&mut recogniser, 990_000, 1_100_000, FINGER),
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
