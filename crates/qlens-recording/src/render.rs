//! A scene as a recording: the samples of all sensors at the rates of real parts, in the order of time.
//!
//! | sensor | samples a second |
//! |---|---|
//! | motion | 200 |
//! | touchpad | 100 |
//! | microphone | 50 blocks of 320 |
//! | proximity | 20 |
//! | light | 10 |
//! | battery, temperature | none but when the scene says how they are |
//!
//! The same scene gives the same bytes on every machine.

use core::ops::Range;
use std::vec::Vec;

use qlens_board::Direction;
use qlens_sense::samples::AUDIO_HZ;

use crate::dice::Dice;
use crate::record::{Pcm, Record, Sample};
use crate::scene::{Action, Scene, Step, Touch};
use crate::wire::{FRAME_BYTES, MAGIC, encode};
use crate::world::{Finger, Script, TICK_US, Turn, World};

/// Samples of the microphone in a record.
const BLOCK: usize = 320;
const BLOCK_US: u64 = BLOCK as u64 * 1_000_000 / AUDIO_HZ as u64;

const TAP_US: u64 = 120_000;
/// From the end of a tap to the beginning of the second of a double tap.
const BETWEEN_TAPS_US: u64 = 200_000;
const PRESS_US: u64 = 900_000;
const SWIPE_US: u64 = 250_000;
const TURN_US: u64 = 600_000;
/// Counts of a finger that is laid on.
const PRESSURE: f64 = 550.0;
const MIDDLE: (f64, f64) = (1000.0, 300.0);

/// How long an action takes, in microseconds: until a sensor hub has noticed it, which wants some things to last.
pub(crate) fn takes_us(action: &Action) -> u64 {
    match action {
        Action::Wear(true) => 1_200_000,
        Action::Wear(false) => 1_800_000,
        Action::Look { .. } => TURN_US + 400_000,
        Action::Touch(Touch::Tap) => TAP_US,
        Action::Touch(Touch::DoubleTap) => 2 * TAP_US + BETWEEN_TAPS_US,
        Action::Touch(Touch::LongPress) => PRESS_US,
        Action::Swipe(_) => SWIPE_US,
        Action::Speak { sound, .. } => sound.len() as u64 * 1_000_000 / u64::from(AUDIO_HZ),
        Action::Light { .. } => 1_500_000,
        Action::Walk(_)
        | Action::Battery { .. }
        | Action::Temperature { .. }
        | Action::Wait { .. } => 0,
    }
}

/// The recording of a scene, as the bytes of a file.
pub fn render(scene: &Scene) -> Vec<u8> {
    let mut tape = Tape::default();
    tape.write(
        0,
        Sample::Start {
            version: crate::VERSION,
            unix_s: scene.start_unix_s,
        },
    );
    for step in &scene.steps {
        tape.state(step);
    }
    let script = script(scene);
    let mut world = World::new(&script, scene.noise, scene.seed);
    for tick in 1..=scene.length_us / TICK_US {
        world.tick(tick, |at_us, sample| tape.write(at_us, sample));
    }
    microphone(scene, &mut tape);
    tape.in_order()
}

/// What hands, head and surroundings do.
fn script(scene: &Scene) -> Script {
    let mut script = Script {
        worn: [(0, false)].into(),
        ..Script::default()
    };
    for &Step { at_us, ref action } in &scene.steps {
        match *action {
            Action::Wear(on) => script.worn.push((at_us, on)),
            Action::Look { pitch } => script.turns.push(Turn {
                from_us: at_us,
                to_us: at_us + TURN_US,
                pitch,
            }),
            Action::Touch(Touch::Tap) => touch(&mut script, at_us, TAP_US, MIDDLE, MIDDLE),
            Action::Touch(Touch::DoubleTap) => {
                touch(&mut script, at_us, TAP_US, MIDDLE, MIDDLE);
                let again_us = at_us + TAP_US + BETWEEN_TAPS_US;
                touch(&mut script, again_us, TAP_US, MIDDLE, MIDDLE);
            }
            Action::Touch(Touch::LongPress) => touch(&mut script, at_us, PRESS_US, MIDDLE, MIDDLE),
            Action::Swipe(direction) => {
                let (from, to) = match direction {
                    Direction::Forward => ((550.0, 280.0), (1450.0, 320.0)),
                    Direction::Back => ((1450.0, 320.0), (550.0, 280.0)),
                    Direction::Up => ((980.0, 90.0), (1020.0, 510.0)),
                    Direction::Down => ((1020.0, 510.0), (980.0, 90.0)),
                };
                touch(&mut script, at_us, SWIPE_US, from, to);
            }
            Action::Walk(walks) => script.walks.push((at_us, walks)),
            Action::Light { lux } => script.lux.push((at_us, lux)),
            Action::Speak { .. }
            | Action::Battery { .. }
            | Action::Temperature { .. }
            | Action::Wait { .. } => {}
        }
    }
    script
}

fn touch(script: &mut Script, from_us: u64, takes_us: u64, from: (f64, f64), to: (f64, f64)) {
    script.fingers.push(Finger {
        from_us,
        to_us: from_us + takes_us,
        from,
        to,
        pressure: PRESSURE,
    });
}

/// What is said, over the noise of the room.
fn microphone(scene: &Scene, tape: &mut Tape) {
    // Numbers of its own: what the other sensors say does not depend on how long it is.
    let mut dice = Dice::new(!scene.seed);
    let level = libm::exp10(scene.background_db / 20.0) * 32_768.0;
    let speeches: Vec<(usize, &[i16])> = scene
        .steps
        .iter()
        .filter_map(|step| match &step.action {
            Action::Speak { sound, .. } => Some((samples(step.at_us), sound.as_slice())),
            _ => None,
        })
        .collect();
    for due_us in (0..scene.length_us / BLOCK_US).map(|block| block * BLOCK_US) {
        let mut block = [0.0; BLOCK].map(|_: f64| dice.normal() * level);
        for &(begins, sound) in &speeches {
            for (index, sum) in block.iter_mut().enumerate() {
                let place = (samples(due_us) + index).checked_sub(begins);
                *sum += f64::from(
                    place
                        .and_then(|place| sound.get(place))
                        .copied()
                        .unwrap_or(0),
                );
            }
        }
        let bytes = block.map(|sample| (sample.round() as i16).to_le_bytes());
        let jitter_us = dice.normal() * 200.0 * scene.noise;
        let at_us = due_us.saturating_add_signed(jitter_us as i64);
        tape.write(at_us, Sample::Microphone(Pcm::new(&bytes)));
    }
}

/// Samples of the microphone in so many microseconds.
const fn samples(us: u64) -> usize {
    (us * AUDIO_HZ as u64 / 1_000_000) as usize
}

/// Frames, and when each is due.
#[derive(Default)]
struct Tape {
    frames: Vec<u8>,
    places: Vec<(u64, Range<usize>)>,
}

impl Tape {
    fn write(&mut self, at_us: u64, sample: Sample<'_>) {
        let mut wire = [0; FRAME_BYTES];
        // A scene has no more words than a record, and a block less sound.
        if let Some(frame) = encode(&Record::new(at_us, sample), &mut wire) {
            let from = self.frames.len();
            self.frames.extend_from_slice(frame);
            self.places.push((at_us, from..self.frames.len()));
        }
    }

    /// What of a step is no sample of a sensor that always samples.
    fn state(&mut self, step: &Step) {
        let at_us = step.at_us;
        match &step.action {
            Action::Speak {
                words: Some(words), ..
            } => self.write(at_us + takes_us(&step.action), Sample::Words(words)),
            &Action::Battery { percent, charging } => {
                let charge = (percent * 256.0).round() as u16;
                self.write(at_us, Sample::Battery { charge, charging });
            }
            Action::Temperature { celsius } => {
                self.write(at_us, Sample::Temperature((celsius * 128.0).round() as i16));
            }
            &Action::Wait { number, .. } => self.write(at_us, Sample::Mark { number, wait: true }),
            _ => {}
        }
    }

    /// A file of all, in the order of time.
    fn in_order(mut self) -> Vec<u8> {
        // What is due at the same time stays as it was written.
        self.places.sort_by_key(|place| place.0);
        let mut file = Vec::with_capacity(MAGIC.len() + self.frames.len());
        file.extend_from_slice(MAGIC);
        for (_, place) in self.places {
            file.extend_from_slice(&self.frames[place]);
        }
        file
    }
}
