//! Marks of a recording, and application time in a replay.

use qlens_board::{SensorEvent, SensorKind};

use crate::world::{Flood, Glasses, SECOND, When, says};

fn mark(number: u32) -> SensorKind {
    SensorKind::Mark { number }
}

/// A recording with an event each tenth of a second.
fn recording(kinds: impl IntoIterator<Item = SensorKind>) -> Vec<SensorEvent> {
    let times = (1..).map(|tenth| tenth * SECOND / 10);
    times
        .zip(kinds)
        .map(|(at_us, kind)| SensorEvent::new(at_us, kind))
        .collect()
}

fn replay(kinds: impl IntoIterator<Item = SensorKind>) -> Glasses {
    let mut glasses = Glasses::new();
    glasses.settings.replay = true;
    glasses.recording = recording(kinds);
    glasses
}

#[test]
fn a_million_marks_in_a_row_are_each_reported_in_order() {
    let mut glasses = replay((0..1_000_000).map(mark));
    glasses.until_us = 10 * SECOND;
    let seen = glasses.go();
    let marks = seen.lines("mark");
    assert_eq!(marks.len(), 1_000_000);
    for (number, line) in marks.iter().enumerate() {
        assert_eq!(line.text, format!("mark {number}"));
    }
    assert!(seen.lines("dropped").is_empty());
}

#[test]
fn a_mark_waits_for_the_model_and_for_the_answer_and_so_does_what_follows_it() {
    let seen = replay([
        mark(1),
        SensorKind::LongPress,
        says("Which way is north?"),
        mark(2),
        SensorKind::DoubleTap,
        mark(3),
        mark(4),
    ])
    .go();
    assert!(seen.place("ready") < seen.place("mark 1"));
    assert!(seen.place("mark 1") < seen.place("state listening"));
    let done = seen.place("done max_tokens");
    assert!(done < seen.place("state paging"), "it was not cancelled");
    assert!(seen.place("state paging") < seen.place("mark 2"));
    assert_eq!(
        seen.texts()[seen.place("mark 2")..],
        ["mark 2", "state idle", "mark 3", "mark 4"]
    );
}

#[test]
fn a_mark_does_not_wait_for_a_model_that_cannot_be_loaded() {
    let mut glasses = replay([mark(1), SensorKind::Tap, mark(2)]);
    glasses.model.truncate(1000);
    let seen = glasses.go();
    assert_eq!(seen.lines("error").len(), 2);
    assert!(seen.place("error") < seen.place("mark 1"));
    assert_eq!(seen.texts().last(), Some(&"mark 2"));
}

#[test]
fn a_double_tap_that_comes_with_the_end_of_an_answer_leaves_nothing_to_wait_for() {
    // One token more or less, so that the double-tap comes before, with and after the last one.
    for nth in 10..=12 {
        let mut glasses = Glasses::new();
        glasses.script = vec![
            (When::Line("ready", 1), SensorKind::LongPress),
            (When::Line("state listening", 1), says("hi")),
            (When::Line("token", nth), SensorKind::DoubleTap),
            (When::Line("done", 1), mark(7)),
        ];
        let seen = glasses.go();
        assert_eq!(seen.lines("mark 7").len(), 1, "{:?}", seen.texts());
        assert!(seen.idles < 10, "{} sleeps: it did not rest", seen.idles);
    }
}

#[test]
fn the_same_recording_gives_the_same_display_however_fast_the_board_is() {
    let kinds = || {
        [
            mark(0),
            SensorKind::LongPress,
            mark(1),
            says("Tell me a story."),
            mark(2),
            SensorKind::HeadUp,
            SensorKind::Battery {
                percent: 14,
                charging: false,
            },
            mark(3),
            SensorKind::Removed,
            mark(4),
            SensorKind::Worn,
            SensorKind::DoubleTap,
            mark(5),
        ]
    };
    let run = |from_us, work_us, battery| {
        let mut glasses = replay(kinds());
        glasses.pictures = true;
        glasses.from_us = from_us;
        glasses.until_us = from_us + 1000 * SECOND;
        glasses.work_us = work_us;
        // The board's own readings are not the recording's.
        glasses.battery = battery;
        glasses.unix_s = Some(1_800_000_012 + from_us / SECOND);
        glasses.go()
    };
    let quick = run(0, 1, None);
    let slow = run(47 * SECOND, 100_000, Some((99, true)));
    for number in 0..6 {
        let words = format!("mark {number}");
        let [quick, slow] = [&quick, &slow].map(|seen| &seen.lines[seen.place(&words)].picture);
        assert!(quick == slow, "{words}: the pictures differ");
        // Those of glasses that nobody wears are dark.
        assert_eq!(quick.iter().any(|&pixel| pixel > 0), number != 4, "{words}");
    }
    assert_eq!(
        quick.assistant.wall_origin(),
        slow.assistant.wall_origin(),
        "started within a minute"
    );
    assert_eq!(quick.assistant.wall_origin(), Some(1_800_000_000));
}

#[test]
fn the_time_of_day_is_that_of_application_time_zero() {
    let mut glasses = Glasses::new();
    glasses.from_us = 12_345_678;
    glasses.until_us = 13 * SECOND;
    glasses.unix_s = Some(1_800_000_012);
    assert_eq!(glasses.go().assistant.wall_origin(), Some(1_800_000_000));
    assert_eq!(Glasses::new().go().assistant.wall_origin(), None);
}

#[test]
fn a_flood_is_counted_and_the_wearer_is_heard_amid_it() {
    let mut glasses = Glasses::new();
    glasses.until_us = 4 * SECOND;
    // A layer takes five milliseconds, in which fifty readings come.
    glasses.work_us = 5000;
    glasses.settings.max_tokens = 400;
    glasses.flood = Some(Flood {
        kind: SensorKind::Ambient { lux: 7 },
        apart_us: 100,
        from_us: 0,
        to_us: 3 * SECOND,
    });
    glasses.script = vec![
        (When::Line("ready", 1), SensorKind::LongPress),
        (When::Line("state listening", 1), says("hi")),
        (When::Line("token", 2), SensorKind::DoubleTap),
    ];
    let seen = glasses.go();
    // Three touches and a sentence among thirty thousand readings.
    let done = &seen.lines[seen.place("done")].text;
    assert!(done.starts_with("done cancelled"), "{done}");
    let tokens: usize = done.rsplit('=').next().unwrap().parse().unwrap();
    assert!(tokens <= 3, "{done}: it went on after the double-tap");
    let told = seen.lines("dropped");
    assert!((3..=5).contains(&told.len()), "{} reports", told.len());
    let dropped: u32 = told.last().unwrap().text[8..].parse().unwrap();
    assert!((10_000..30_000).contains(&dropped), "{dropped}");
}

#[test]
fn a_touchpad_that_babbles_costs_its_own_touches_and_no_word_of_the_answer() {
    let run = |babbles_from_us: Option<u64>| {
        let mut glasses = Glasses::new();
        glasses.until_us = 5 * SECOND;
        glasses.work_us = 5000;
        glasses.flood = babbles_from_us.map(|from_us| Flood {
            kind: SensorKind::Tap,
            apart_us: 100,
            from_us,
            to_us: 3 * SECOND,
        });
        glasses.script = vec![
            (When::Line("ready", 1), SensorKind::LongPress),
            (When::Line("state listening", 1), says("hi")),
            (When::At(4 * SECOND), SensorKind::LongPress),
        ];
        glasses.go()
    };
    let calm = run(None);
    let babbling = run(Some(calm.lines[calm.place("token")].at_us));
    let tokens = |seen: &crate::world::Seen| -> Vec<String> {
        let tokens = seen.lines("token");
        tokens.iter().map(|line| line.text.clone()).collect()
    };
    assert_eq!(tokens(&babbling), tokens(&calm));
    assert_eq!(babbling.lines("state listening").len(), 2);
    assert!(babbling.lines("dropped").len() >= 2);
}

#[test]
fn times_that_cannot_be_are_borne() {
    for replay in [false, true] {
        let mut glasses = Glasses::new();
        glasses.settings.replay = replay;
        let at = [u64::MAX, 0, u64::MAX - 1, 1];
        let kinds = [
            SensorKind::LongPress,
            says("hi"),
            SensorKind::HeadUp,
            SensorKind::DoubleTap,
        ];
        glasses.recording = vec![SensorEvent::new(0, mark(0))];
        for (at_us, kind) in at.into_iter().zip(kinds) {
            glasses.recording.push(SensorEvent::new(at_us, kind));
        }
        glasses.recording.push(SensorEvent::new(5, mark(1)));
        let seen = glasses.go();
        assert!(seen.on);
        assert!(seen.place("state thinking") < seen.place("mark 1"));
    }
}
