//! The touchpad.

use crate::*;

#[test]
fn taps_come_in_ones_and_twos() {
    let mut recogniser = Recogniser::new();
    let events: Vec<_> = (0..5)
        .flat_map(|step| tap(&mut recogniser, step * 150_000))
        .collect();
    let (one, two) = (EventKind::Tap, EventKind::DoubleTap);
    assert_eq!(events, [one, two, one, two, one]);
}

#[test]
fn a_second_tap_is_one_for_800_ms_after_the_last_sample_of_the_first() {
    for (pause_us, kind) in [(800_000, EventKind::DoubleTap), (810_000, EventKind::Tap)] {
        let mut recogniser = Recogniser::new();
        assert_eq!(tap(&mut recogniser, 0), [EventKind::Tap]);
        let again_us = 90_000 + pause_us;
        assert!(touches(&mut recogniser, 150_000, again_us, NOBODY).is_empty());
        assert_eq!(tap(&mut recogniser, again_us), [kind]);
    }
}

#[test]
fn taps_with_a_swipe_between_them_are_two() {
    let mut recogniser = Recogniser::new();
    assert_eq!(tap(&mut recogniser, 0), [EventKind::Tap]);
    let swipe: Vec<_> = (0..10)
        .filter_map(|step: u16| {
            let finger = TouchSample {
                x: 500 + step * 100,
                ..FINGER
            };
            recogniser.touch(150_000 + u64::from(step) * 10_000, finger)
        })
        .map(|event| event.kind)
        .collect();
    assert_eq!(swipe, [EventKind::Swipe(Direction::Forward)]);
    assert!(touches(&mut recogniser, 250_000, 300_000, NOBODY).is_empty());
    assert_eq!(tap(&mut recogniser, 300_000), [EventKind::Tap]);
}

#[test]
fn where_a_finger_seems_to_be_as_it_lifts_is_no_swipe() {
    let mut recogniser = Recogniser::new();
    assert!(touches(&mut recogniser, 0, 100_000, FINGER).is_empty());
    let edge = TouchSample {
        x: 1800,
        y: 300,
        pressure: 150,
    };
    assert!(touches(&mut recogniser, 100_000, 150_000, edge).is_empty());
    assert_eq!(
        touches(&mut recogniser, 150_000, 200_000, NOBODY),
        [EventKind::Tap]
    );
}

#[test]
fn a_touch_out_of_range_is_no_touch() {
    let mut recogniser = Recogniser::new();
    let beyond = TouchSample {
        pressure: 1024,
        ..FINGER
    };
    assert!(touches(&mut recogniser, 0, 2_000_000, beyond).is_empty());
    assert_eq!(recogniser.counts(Sensor::Touch).out_of_range, 200);
    assert_eq!(recogniser.counts(Sensor::Touch).taken, 0);
    assert_eq!(recogniser.rejected(), 200);
}

#[test]
fn a_finger_that_never_lifts_is_one_long_press_and_then_stuck() {
    let mut recogniser = Recogniser::new();
    let events = touches(&mut recogniser, 0, 60_000_000, FINGER);
    assert_eq!(events, [EventKind::LongPress]);
    assert_eq!(recogniser.counts(Sensor::Touch).stuck, 4_000);
    // It works again once the water is wiped off.
    assert!(touches(&mut recogniser, 60_000_000, 60_100_000, NOBODY).is_empty());
    assert!(touches(&mut recogniser, 60_100_000, 60_200_000, FINGER).is_empty());
    let events = touches(&mut recogniser, 60_200_000, 60_300_000, NOBODY);
    assert_eq!(events, [EventKind::Tap]);
}

#[test]
fn a_pad_that_falls_silent_under_a_finger_reports_nothing() {
    let mut recogniser = Recogniser::new();
    assert!(touches(&mut recogniser, 0, 400_000, FINGER).is_empty());
    // Had it been held, this were a long press; nobody knows.
    assert!(touches(&mut recogniser, 2_000_000, 2_500_000, FINGER).is_empty());
    assert_eq!(recogniser.counts(Sensor::Touch).gaps, 1);
    assert_eq!(
        touches(&mut recogniser, 2_500_000, 2_600_000, NOBODY),
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
    assert!(touches(&mut recogniser, 50_000_000, 50_100_000, FINGER).is_empty());
    assert_eq!(recogniser.touch(49_000_000, NOBODY), None);
    assert_eq!(
        touches(&mut recogniser, 50_100_000, 50_200_000, NOBODY),
        [EventKind::Tap]
    );
    // The tap of the time before makes no double tap with one of the new time.
    assert!(touches(&mut recogniser, 0, 400_000, FINGER).is_empty());
    assert_eq!(
        touches(&mut recogniser, 400_000, 500_000, NOBODY),
        [EventKind::Tap]
    );
    let counts = recogniser.counts(Sensor::Touch);
    assert_eq!(counts.backwards, 1 + u32::from(CLOCK_RESTART));
    assert_eq!(counts.clock_restarts, 1);
}

#[test]
fn one_sample_is_no_finger() {
    let mut recogniser = Recogniser::new();
    assert!(touches(&mut recogniser, 0, 10_000, FINGER).is_empty());
    assert!(touches(&mut recogniser, 10_000, 500_000, NOBODY).is_empty());
    // Nor is it with hair behind it, which is light and lasts.
    let hair = TouchSample {
        pressure: 150,
        ..FINGER
    };
    assert!(touches(&mut recogniser, 500_000, 510_000, FINGER).is_empty());
    assert!(touches(&mut recogniser, 510_000, 2_000_000, hair).is_empty());
    assert!(touches(&mut recogniser, 2_000_000, 2_100_000, NOBODY).is_empty());
}
