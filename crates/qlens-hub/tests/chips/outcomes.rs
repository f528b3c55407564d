//! What comes of samples, of a hub that dies, of an application that does not listen.

use embedded_io::Write;
use qlens_board::SensorKind;
use qlens_link::{HubConfig, State};
use qlens_recording::{Pcm, Sample};

use crate::glasses::Glasses;

#[test]
fn samples_become_events_of_the_application() {
    let mut glasses = Glasses::new();
    glasses.begin();
    glasses.wear(0, true);
    glasses.touch(4_000_000, 100);
    glasses.touch(6_000_000, 700);
    glasses.sample(
        7_000_000,
        Sample::Battery {
            charge: 0x5180,
            charging: false,
        },
    );
    glasses.sample(7_000_000, Sample::Temperature(0x0c80));
    glasses.sample(
        7_000_000,
        Sample::Mark {
            number: 9,
            wait: true,
        },
    );
    glasses.pass(100);
    let celsius = SensorKind::Temperature {
        milli_celsius: 25_000,
    };
    let battery = SensorKind::Battery {
        percent: 81,
        charging: false,
    };
    let mark = SensorKind::Mark { number: 9 };
    let (tap, press) = (SensorKind::Tap, SensorKind::LongPress);
    assert_eq!(
        glasses.came,
        [SensorKind::Worn, tap, press, battery, celsius, mark]
    );
}

#[test]
fn words_ride_on_a_voice_and_on_nothing_else() {
    let mut glasses = Glasses::new();
    glasses.source.configure(HubConfig::DEFAULT);
    glasses.pass(200);
    glasses.begin();
    let mut at_us = 0;
    // Two seconds of a quiet room, one of a voice, and quiet again.
    let mut dice = 1_u32;
    for block in 0..400 {
        let mut samples = [[0; 2]; 160];
        for (index, sample) in samples.iter_mut().enumerate() {
            dice = dice.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let noise = (dice >> 26) as i16 - 32;
            let wave = if (index / 40_usize).is_multiple_of(2) {
                6000
            } else {
                -6000
            };
            let voice = if (200..300).contains(&block) { wave } else { 0 };
            *sample = (noise + voice).to_le_bytes();
        }
        if block == 40 {
            assert!(glasses.sample(at_us, Sample::Words("nobody said this")));
        }
        if block == 299 {
            assert!(glasses.sample(at_us, Sample::Words("多远？")));
        }
        glasses.sample(at_us, Sample::Microphone(Pcm::new(&samples)));
        glasses.pass(10);
        at_us += 10_000;
    }
    assert_eq!(glasses.came, [SensorKind::speech("多远？").unwrap()]);
    assert_eq!(glasses.hub.as_ref().unwrap().counts().words_dropped, 1);
    // A second of sound and more, in pieces of 1.25 ms.
    assert!(glasses.source.chunks() > 800, "{}", glasses.source.chunks());
}

#[test]
fn sound_that_nobody_asked_for_is_not_sent() {
    let mut glasses = Glasses::new();
    glasses.begin();
    glasses.pass(200);
    let wave = |index: usize| {
        if (index / 40_usize).is_multiple_of(2) {
            6000_i16
        } else {
            -6000
        }
    };
    let samples: Vec<_> = (0..160).map(|index| wave(index).to_le_bytes()).collect();
    let quiet = [[3, 0]; 160];
    for block in 0..300 {
        let samples = if block < 150 { &quiet[..] } else { &samples };
        glasses.sample(block * 10_000, Sample::Microphone(Pcm::new(samples)));
        glasses.pass(10);
    }
    assert_eq!(glasses.source.chunks(), 0);
    // A hub that starts again is told again.
    glasses.start_hub();
    glasses.pass(1000);
    glasses.begin();
    for block in 0..300 {
        let samples = if block < 150 { &quiet[..] } else { &samples };
        glasses.sample(block * 10_000, Sample::Microphone(Pcm::new(samples)));
        glasses.pass(10);
    }
    assert_eq!(glasses.source.chunks(), 0);
}

#[test]
fn the_application_processor_sleeps_while_nobody_wears_the_glasses() {
    let mut glasses = Glasses::new();
    glasses.begin();
    glasses.wear(0, true);
    glasses.wear(3_000_000, false);
    assert_eq!(glasses.came.last(), Some(&SensorKind::Removed));
    glasses.pass(1000);
    let before = glasses.awake;
    glasses.pass(60_000);
    assert_eq!(glasses.awake, before, "nothing woke it in a minute");
    assert_eq!(glasses.source.endpoint().state(), State::Asleep);
    // A light that comes on wakes it for a moment, putting the glasses on for good.
    for step in 0..40 {
        glasses.sample(70_000_000 + step * 100_000, Sample::Light(0x4fff));
        glasses.pass(100);
    }
    assert!(matches!(
        glasses.came.last(),
        Some(SensorKind::Ambient { .. })
    ));
    glasses.pass(1000);
    assert_eq!(glasses.source.endpoint().state(), State::Asleep);
    glasses.wear(80_000_000, true);
    assert_eq!(glasses.came.last(), Some(&SensorKind::Worn));
    assert_eq!(glasses.source.endpoint().state(), State::Up);
}

#[test]
fn a_hub_that_falls_silent_in_a_press_is_told_of_and_comes_back() {
    let mut glasses = Glasses::new();
    glasses.begin();
    glasses.wear(0, true);
    glasses.touch(4_000_000, 700);
    assert_eq!(glasses.came.last(), Some(&SensorKind::LongPress));
    glasses.hub = None;
    glasses.pass(300);
    assert_eq!(glasses.came.last(), Some(&SensorKind::LongPress));
    glasses.pass(300);
    assert_eq!(glasses.came.last(), Some(&SensorKind::Lost));
    let told = glasses.came.len();
    glasses.pass(5_000);
    assert_eq!(glasses.came.len(), told, "it is told once");
    // It boots: joined again, and what it says counts.
    glasses.start_hub();
    glasses.pass(1000);
    assert_eq!(glasses.source.endpoint().state(), State::Up);
    glasses.begin();
    glasses.wear(0, true);
    glasses.touch(4_000_000, 100);
    assert_eq!(glasses.came[told..], [SensorKind::Worn, SensorKind::Tap]);
}

#[test]
fn an_application_that_does_not_listen_stops_the_recording_and_loses_nothing() {
    let mut glasses = Glasses::new();
    glasses.begin();
    glasses.pass(200);
    glasses.takes = false;
    let mut taken = 0;
    for step in 0..20_000 {
        if glasses.sample(
            step,
            Sample::Mark {
                number: taken,
                wait: false,
            },
        ) {
            taken += 1;
        }
        if step % 10 == 0 {
            glasses.pass(1);
        }
    }
    // The queues of both chips are full, and nobody waits for anybody.
    assert!((100..2_000).contains(&taken), "{taken}");
    glasses.takes = true;
    while taken < 5_000 {
        if glasses.sample(
            20_000,
            Sample::Mark {
                number: taken,
                wait: false,
            },
        ) {
            taken += 1;
        } else {
            glasses.pass(1);
        }
    }
    glasses.pass(2_000);
    let marks = (0..5_000).map(|number| SensorKind::Mark { number });
    assert!(glasses.came.iter().cloned().eq(marks));
    assert_eq!(glasses.queue.dropped(), 0);
    assert_eq!(glasses.hub.as_ref().unwrap().counts().events_refused, 0);
}

#[test]
fn a_babbling_hub_exhausts_nothing() {
    let mut glasses = Glasses::new();
    glasses.pass(100);
    glasses.hub = None;
    let mut wire = glasses.wires()[0].clone();
    let mut dice = 7_u32;
    for _ in 0..2_000 {
        let noise: Vec<u8> = (0..4_000)
            .map(|_| {
                dice = dice.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (dice >> 24) as u8
            })
            .collect();
        let Ok(_) = wire.write(&noise);
        glasses.pass(1);
        // It takes at most eight times 256 bytes a poll.
        let rest = wire.under_way();
        assert!(rest >= 4_000 - 8 * 256);
        wire.lose();
    }
    assert!(glasses.came.iter().all(|kind| *kind == SensorKind::Lost));
    glasses.start_hub();
    glasses.pass(1000);
    assert_eq!(glasses.source.endpoint().state(), State::Up);
}

#[test]
fn a_recording_that_ends_in_a_frame_costs_that_frame() {
    let mut glasses = Glasses::new();
    glasses.begin();
    glasses.wear(0, true);
    let hub = glasses.hub.as_mut().unwrap();
    for byte in [5, 9, 9] {
        hub.take(byte, &mut |_| {});
    }
    // The first frame of the next is lost with it, and no other.
    glasses.begin();
    assert_eq!(glasses.hub.as_ref().unwrap().counts().damaged, 1);
    glasses.begin();
    glasses.wear(0, true);
    glasses.touch(4_000_000, 100);
    let (worn, tap) = (SensorKind::Worn, SensorKind::Tap);
    assert_eq!(glasses.came, [worn.clone(), worn, tap]);
}

#[test]
fn a_recording_of_another_version_is_not_looked_at() {
    let mut glasses = Glasses::new();
    let start = |version| Sample::Start { version, unix_s: 0 };
    glasses.sample(0, start(99));
    glasses.wear(0, true);
    assert!(glasses.came.is_empty());
    assert!(glasses.hub.as_ref().unwrap().counts().other_version > 50);
    glasses.begin();
    glasses.wear(0, true);
    assert_eq!(glasses.came, [SensorKind::Worn]);
}
