//! What holds whatever the sensors say, and whenever.

use proptest::collection::vec;
use proptest::prelude::*;
use qlens_sense::samples::{ImuSample, TouchSample};
use qlens_sense::{Event, EventKind, Recogniser, Sensor};

/// One sample of any sensor.
#[derive(Debug, Clone)]
enum Sample {
    Touch(TouchSample),
    Imu(ImuSample),
    Proximity(u16),
    Light(u16),
    Microphone(Vec<i16>),
}

const SENSORS: [Sensor; 5] = [
    Sensor::Touch,
    Sensor::Imu,
    Sensor::Proximity,
    Sensor::Light,
    Sensor::Microphone,
];

impl Sample {
    fn sensor(&self) -> Sensor {
        match self {
            Self::Touch(_) => Sensor::Touch,
            Self::Imu(_) => Sensor::Imu,
            Self::Proximity(_) => Sensor::Proximity,
            Self::Light(_) => Sensor::Light,
            Self::Microphone(_) => Sensor::Microphone,
        }
    }

    fn give(&self, recogniser: &mut Recogniser, time_us: u64) -> Option<Event> {
        match self {
            Self::Touch(sample) => recogniser.touch(time_us, *sample),
            Self::Imu(sample) => recogniser.imu(time_us, *sample),
            Self::Proximity(counts) => recogniser.proximity(time_us, *counts),
            Self::Light(word) => recogniser.light(time_us, *word),
            Self::Microphone(samples) => recogniser.microphone(time_us, samples),
        }
    }
}

/// Mostly what a part can say, and sometimes what it cannot.
fn sample() -> impl Strategy<Value = Sample> {
    let pressure = prop_oneof![Just(0u16), 200u16..800, any::<u16>()];
    let word = prop_oneof![-9000i16..9000, any::<i16>()];
    prop_oneof![
        (0u16..2100, 0u16..620, pressure).prop_map(|(x, y, pressure)| Sample::Touch(TouchSample {
            x,
            y,
            pressure
        })),
        (any::<[i16; 3]>(), [word.clone(), word.clone(), word])
            .prop_map(|(gyro, accel)| Sample::Imu(ImuSample { accel, gyro })),
        prop_oneof![Just(300u16), Just(4500), any::<u16>()].prop_map(Sample::Proximity),
        any::<u16>().prop_map(Sample::Light),
        (vec(any::<i16>(), 0..330), any::<u8>()).prop_map(|(mut samples, quieter)| {
            for sample in &mut samples {
                *sample >>= quieter % 16;
            }
            Sample::Microphone(samples)
        }),
    ]
}

/// So much later, or earlier.
fn step() -> impl Strategy<Value = i64> {
    prop_oneof![
        8 => 0i64..30_000,
        1 => -50_000i64..0,
        1 => any::<i64>(),
    ]
}

/// What came of which sensor.
fn run(samples: &[(i64, Sample)], begin_us: u64) -> (Recogniser, Vec<(Sensor, Event)>) {
    let mut recogniser = Recogniser::new();
    let mut time_us = begin_us;
    let mut events = Vec::new();
    for (step, sample) in samples {
        time_us = time_us.saturating_add_signed(*step);
        let event = sample.give(&mut recogniser, time_us);
        events.extend(event.map(|event| (sample.sensor(), event)));
    }
    (recogniser, events)
}

proptest! {
    #[test]
    fn every_sample_is_taken_or_counted(samples in vec((step(), sample()), 0..600)) {
        // Never taken off, so that each is looked at.
        let samples: Vec<_> = samples
            .into_iter()
            .filter(|(_, sample)| !matches!(sample, Sample::Proximity(_)))
            .collect();
        let (recogniser, _) = run(&samples, 1_000_000_000);
        for sensor in SENSORS {
            let given = samples.iter().filter(|(_, sample)| sample.sensor() == sensor).count();
            let counts = recogniser.counts(sensor);
            // The sample that shows that the clock began anew is counted as old, and taken.
            let mut known = counts.taken + counts.backwards - counts.clock_restarts + counts.flooded;
            match sensor {
                // Taken in part.
                Sensor::Imu => {}
                // Blocks that are too long, and frames at the rails, which random sound has not.
                _ => known += counts.out_of_range,
            }
            prop_assert_eq!(known as usize, given, "{:?}: {:?}", sensor, counts);
        }
    }

    #[test]
    fn what_begins_ends_before_it_begins_again(samples in vec((step(), sample()), 0..600)) {
        let (_, events) = run(&samples, 0);
        let (mut worn, mut up, mut voice, mut utterances) = (None, false, false, 0);
        for (sensor, event) in events {
            let right = match event.kind {
                EventKind::Worn => worn.replace(true) != Some(true),
                EventKind::Removed => {
                    up = false;
                    worn.replace(false) != Some(false)
                }
                EventKind::HeadUp => !core::mem::replace(&mut up, true),
                EventKind::HeadDown => core::mem::replace(&mut up, false),
                EventKind::VoiceStart { utterance } => {
                    !core::mem::replace(&mut voice, true) && utterance == utterances
                }
                EventKind::VoiceStop { utterance, samples } => {
                    utterances += 1;
                    core::mem::replace(&mut voice, false)
                        && utterance == utterances - 1
                        && samples <= 1_500 * 320
                }
                _ => true,
            };
            prop_assert!(right, "{event:?}");
            let off = worn == Some(false) && event.kind != EventKind::Removed;
            let ends = matches!(event.kind, EventKind::VoiceStop { .. });
            prop_assert!(!off || ends || sensor == Sensor::Light, "{event:?} while off");
        }
    }

    /// Only differences of times count: a hub that has been up for years does the same.
    #[test]
    fn when_the_clock_began_does_not_matter(
        samples in vec((0i64..40_000, sample()), 0..400),
        later_us in 0u64..u64::MAX / 2,
    ) {
        let (_, now) = run(&samples, 500_000);
        let (_, later) = run(&samples, 500_000 + later_us);
        prop_assert_eq!(now.len(), later.len());
        for ((_, now), (_, later)) in now.into_iter().zip(later) {
            prop_assert_eq!(Event::new(now.at_us + later_us, now.kind), later);
        }
    }

    /// Blocks are how sound is carried, not what it is.
    #[test]
    fn how_sound_is_cut_into_blocks_does_not_matter(
        sizes in vec(1usize..=160, 1..50),
        bursts in vec((1u64..60, 0i16..6), 1..12),
    ) {
        let mut sound = vec![0i16; 16_000];
        for (frames, loudness) in bursts {
            let begin = sound.len() as u64;
            sound.extend((begin..begin + frames * 320).map(|at| {
                let noise = (at.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 58) as i16 - 32;
                noise * (1 << loudness)
            }));
        }
        let listen = |sizes: &[usize]| {
            let mut recogniser = Recogniser::new();
            let (mut events, mut heard, mut at) = (Vec::new(), Vec::new(), 0);
            for size in sizes.iter().cycle() {
                // Two samples are a whole number of microseconds.
                let end = sound.len().min(at + 2 * size);
                let block = &sound[at..end];
                if block.is_empty() {
                    break;
                }
                events.extend(recogniser.microphone(at as u64 * 125 / 2, block));
                let mut piece = [0; 512];
                while let Some(got) = recogniser.read_voice(&mut piece) {
                    heard.extend(piece[..got.len].iter().map(|&sample| (got.utterance, sample)));
                }
                at = end;
            }
            (events, heard)
        };
        prop_assert_eq!(listen(&sizes), listen(&[160]));
    }
}

/// The memory that the hub has for it: all but the last 256 ms of sound is a few hundred bytes.
#[test]
fn the_state_is_small() {
    let sound = 4096 * size_of::<i16>();
    assert!(
        size_of::<Recogniser>() - sound < 1024,
        "{}",
        size_of::<Recogniser>() - sound
    );
    for (size, limit) in [
        (size_of::<qlens_sense::touch::Touch>(), 160),
        (size_of::<qlens_sense::head::Head>(), 192),
        (size_of::<qlens_sense::wear::Wear>(), 96),
        (size_of::<qlens_sense::light::Light>(), 96),
    ] {
        assert!(size <= limit, "{size} of {limit}");
    }
}
