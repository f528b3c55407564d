//! Motion, wear and light.

use crate::*;

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
fn a_wearer_is_there_only_once_that_lasts() {
    let mut recogniser = Recogniser::new();
    // Nearly a second of nobody is no beginning of somebody.
    assert_eq!(wear(&mut recogniser, 0, 19, 0), []);
    assert_eq!(wear(&mut recogniser, 19, 20, 20_000), []);
    assert_eq!(wear(&mut recogniser, 20, 23, 3_500), []);
    // And what is in between begins anew.
    assert_eq!(wear(&mut recogniser, 23, 50, 2_400), []);
    assert_eq!(wear(&mut recogniser, 50, 51, 8_000), []);
    assert_eq!(wear(&mut recogniser, 51, 60, 4_500), []);
    assert_eq!(wear(&mut recogniser, 60, 62, 4_500), [EventKind::Worn]);
}

#[test]
fn glasses_that_come_on_again_are_level() {
    let mut recogniser = Recogniser::new();
    assert_eq!(wear(&mut recogniser, 0, 20, 4500), [EventKind::Worn]);
    assert_eq!(rest(&mut recogniser, 0, 3, 5000, 6000), [EventKind::HeadUp]);
    assert_eq!(wear(&mut recogniser, 20, 60, 0), [EventKind::Removed]);
    assert_eq!(wear(&mut recogniser, 60, 90, 4500), [EventKind::Worn]);
    assert_eq!(
        rest(&mut recogniser, 3_000_000, 3, 5000, 6000),
        [EventKind::HeadUp]
    );
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
fn the_first_second_decides_who_is_there() {
    let mut recogniser = Recogniser::new();
    assert_eq!(wear(&mut recogniser, 0, 10, 4500), []);
    assert_eq!(wear(&mut recogniser, 10, 11, 4500), [EventKind::Worn]);
}

#[test]
fn after_a_gap_the_horizon_is_found_at_once() {
    let mut recogniser = Recogniser::new();
    assert!(rest(&mut recogniser, 0, 2, 0, 8192).is_empty());
    let up = (0..600)
        .find_map(|step| recogniser.imu(12_000_000 + step * 5_000, head(5000, 6000, step)))
        .expect("a look up");
    // Half a second to be sure of it, and the time that it has to last.
    assert!(up.at_us <= 12_800_000, "{up:?}");
    assert_eq!(recogniser.counts(Sensor::Imu).gaps, 1);
}

#[test]
fn brightness_is_told_without_its_noise() {
    let mut recogniser = Recogniser::new();
    // A fifth up and down about 8 and then about 32 lux.
    let told: Vec<_> = (0..200u64)
        .filter_map(|step| {
            let centilux = if step < 100 { 800 } else { 3200 };
            let word = if step % 2 == 0 {
                centilux * 6 / 5
            } else {
                centilux * 4 / 5
            };
            recogniser.light(step * 100_000, word)
        })
        .map(|event| event.kind)
        .collect();
    let [EventKind::Ambient { .. }, EventKind::Ambient { lux }] = told[..] else {
        panic!("{told:?}");
    };
    assert!((31..=33).contains(&lux), "{lux}");
}
