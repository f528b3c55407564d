//! Gestures against noise: hours of a wearer's life that are computed together with what has to be recognised in
//! them, at several amplitudes of noise, and what is.
//!
//! The figures: `cargo test -p qlens-sense --test gestures -- --nocapture`.

mod script;

use std::collections::BTreeMap;

use qlens_recording::Sample;
use qlens_recording::dice::Dice;
use qlens_recording::world::{TICK_US, World};
use qlens_sense::{Event, EventKind, Recogniser};
use script::{SECOND, Script, Truth};

const HOUR: u64 = 3_600 * SECOND;
/// Noise of each of the ten hours, in that of usual parts and people.
const AMPLITUDES: [f64; 10] = [0.0, 0.5, 0.5, 1.0, 1.0, 1.0, 1.5, 1.5, 2.0, 2.0];

#[derive(Default)]
struct Tally {
    expected: usize,
    found: usize,
    stray: usize,
    /// Milliseconds from the first moment that it could have been known.
    delay_ms: u64,
}

fn run(script: &Script, amplitude: f64, seed: u64) -> Vec<Event> {
    let mut world = World::new(&script.life, amplitude, seed);
    let mut recogniser = Recogniser::new();
    let mut events = Vec::new();
    for tick in 1..HOUR / TICK_US {
        world.tick(tick, |at_us, sample| {
            events.extend(match sample {
                Sample::Imu(sample) => recogniser.imu(at_us, sample),
                Sample::Touch(sample) => recogniser.touch(at_us, sample),
                Sample::Proximity(counts) => recogniser.proximity(at_us, counts),
                Sample::Light(word) => recogniser.light(at_us, word),
                other => panic!("{other:?}"),
            });
        });
    }
    events
}

/// Whether an event is what had to come; brightness has to be right to a fifth.
fn is_it(truth: &Truth, event: &Event) -> bool {
    let on_time = (truth.from_us..=truth.to_us).contains(&event.at_us);
    on_time
        && match (truth.kind, event.kind) {
            (EventKind::Ambient { lux: right }, EventKind::Ambient { lux }) => {
                lux.abs_diff(right) <= right / 5 + 2
            }
            (right, kind) => right == kind,
        }
}

fn name(kind: EventKind) -> String {
    match kind {
        EventKind::Ambient { .. } => "Ambient".into(),
        kind => format!("{kind:?}"),
    }
}

#[test]
fn gestures_are_recognised_and_nothing_else_is() {
    let mut kinds = BTreeMap::<String, Tally>::new();
    let mut hours = Vec::new();
    for (hour, amplitude) in AMPLITUDES.into_iter().enumerate() {
        let seed = 100 + hour as u64;
        let script = Script::new(HOUR, &mut Dice::new(seed));
        let mut events = run(&script, amplitude, seed);
        let (mut found, mut strays) = (0, Vec::new());
        for truth in &script.truths {
            let tally = kinds.entry(name(truth.kind)).or_default();
            tally.expected += 1;
            if let Some(index) = events.iter().position(|event| is_it(truth, event)) {
                let event = events.remove(index);
                tally.found += 1;
                tally.delay_ms += (event.at_us - truth.from_us) / 1000;
                found += 1;
            } else {
                println!("missed at {amplitude}: {:?} {}", truth.kind, truth.from_us);
            }
        }
        for event in &events {
            kinds.entry(name(event.kind)).or_default().stray += 1;
            strays.push(format!("{event:?}"));
        }
        println!(
            "amplitude {amplitude}: {found} of {}, {strays:?}",
            script.truths.len()
        );
        hours.push((found, script.truths.len(), strays.len()));
    }
    for (kind, tally) in &kinds {
        println!(
            "{kind}: {} of {}, {} false, {} ms",
            tally.found,
            tally.expected,
            tally.stray,
            tally.delay_ms / tally.found.max(1) as u64
        );
    }
    for (kind, tally) in &kinds {
        assert!(tally.found * 100 >= tally.expected * 99, "{kind}");
    }
    for (hour, (found, expected, strays)) in hours.iter().enumerate() {
        let amplitude = AMPLITUDES[hour];
        assert!(
            found * 100 >= expected * 99,
            "{found} of {expected} at {amplitude}"
        );
        assert!(*strays <= 1, "{strays} false at {amplitude}");
    }
}
