//! Glasses that nobody wears.

use qlens_board::SensorKind;

use crate::world::{Glasses, SECOND, When, says};

#[test]
fn the_sensors_are_told_once_each_time() {
    let mut glasses = Glasses::new();
    glasses.script = vec![
        (When::At(SECOND / 10), SensorKind::Removed),
        (When::At(SECOND / 5), SensorKind::Removed),
        (When::At(SECOND / 2), SensorKind::Worn),
        (When::At(SECOND * 3 / 5), SensorKind::Worn),
        (When::At(SECOND * 4 / 5), SensorKind::Removed),
    ];
    let seen = glasses.go();
    assert_eq!(seen.sleeps, [true, false, true]);
    assert!(!seen.on);
}

#[test]
fn taken_off_amid_an_answer_the_board_sleeps_until_something_happens() {
    let mut glasses = Glasses::new();
    glasses.until_us = 3600 * SECOND;
    glasses.settings.max_tokens = 400;
    glasses.script = vec![
        (When::Line("ready", 1), SensorKind::LongPress),
        (When::Line("state listening", 1), says("Tell me a story.")),
        (When::Line("token", 3), SensorKind::Removed),
    ];
    let seen = glasses.go();
    assert!(
        seen.lines[seen.place("done")]
            .text
            .starts_with("done cancelled")
    );
    assert_eq!(seen.sleeps, [true]);
    assert!(!seen.on);
    // Once to the end of the hour, and a few before.
    assert!(seen.idles < 10, "{} sleeps in an hour", seen.idles);
    assert_eq!(seen.until_us, Some(3600 * SECOND));
}
