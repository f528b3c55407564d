//! An hour of somebody's life with the glasses: what they do, and which events that has to give.

use qlens_board::Direction;
use qlens_recording::dice::Dice;
use qlens_recording::world::{Finger, Turn};
use qlens_sense::EventKind;

pub const SECOND: u64 = 1_000_000;

/// An event that has to come, once, between these times.
pub struct Truth {
    pub from_us: u64,
    pub to_us: u64,
    pub kind: EventKind,
}

/// What happens, and which events that has to give.
#[derive(Default)]
pub struct Script {
    pub truths: Vec<Truth>,
    pub life: qlens_recording::world::Script,
}

impl Script {
    /// What is done in so much time.
    pub fn new(length_us: u64, dice: &mut Dice) -> Self {
        let mut script = Self::default();
        script.life.worn.push((0, false));
        script.life.lux.push((0, 200.0));
        script.life.walks.push((0, false));
        script.truth(0, SECOND, EventKind::Ambient { lux: 200 });
        script.truth(0, 3 * SECOND, EventKind::Removed);
        let mut now_us = 5 * SECOND;
        script.put_on(now_us);
        now_us += 5 * SECOND;
        while now_us + 90 * SECOND < length_us {
            now_us = script.act(now_us, dice);
            now_us += micros(dice.between(2.0, 12.0));
        }
        script
    }

    fn truth(&mut self, from_us: u64, to_us: u64, kind: EventKind) {
        self.truths.push(Truth {
            from_us,
            to_us,
            kind,
        });
    }

    /// One thing is done; when it is over.
    fn act(&mut self, now_us: u64, dice: &mut Dice) -> u64 {
        match dice.between(0.0, 100.0) as u32 {
            0..14 => self.tap(now_us, EventKind::Tap, dice),
            14..26 => {
                let up_us = self.tap(now_us, EventKind::Tap, dice);
                let again_us = up_us + micros(dice.between(0.07, 0.7));
                self.tap(again_us, EventKind::DoubleTap, dice)
            }
            26..36 => self.hold(now_us, dice),
            36..60 => self.swipe(now_us, dice),
            60..72 => self.look_up(now_us, dice),
            72..80 => self.look_elsewhere(now_us, dice),
            80..86 => self.brush(now_us, dice),
            86..91 => {
                let walks = !self.life.walks.last().is_some_and(|walks| walks.1);
                self.life.walks.push((now_us, walks));
                now_us
            }
            91..96 => self.go_into_other_light(now_us, dice),
            96 | 97 => {
                self.life.shadows.push(now_us);
                now_us + SECOND
            }
            98 => {
                self.life.lifts.push(now_us);
                now_us + SECOND
            }
            _ => self.take_off(now_us, dice),
        }
    }

    fn tap(&mut self, now_us: u64, kind: EventKind, dice: &mut Dice) -> u64 {
        let to_us = now_us + micros(dice.between(0.05, 0.2));
        let from = (dice.between(200.0, 1800.0), dice.between(100.0, 500.0));
        // The fingertip rolls.
        let to = (
            from.0 + dice.between(-60.0, 60.0),
            from.1 + dice.between(-40.0, 40.0),
        );
        self.finger(now_us, to_us, from, to, dice);
        self.truth(now_us, to_us + SECOND / 10, kind);
        to_us
    }

    fn hold(&mut self, now_us: u64, dice: &mut Dice) -> u64 {
        let to_us = now_us + micros(dice.between(0.75, 3.0));
        let from = (dice.between(200.0, 1800.0), dice.between(150.0, 450.0));
        let to = (
            from.0 + dice.between(-100.0, 100.0),
            from.1 + dice.between(-60.0, 60.0),
        );
        self.finger(now_us, to_us, from, to, dice);
        self.truth(
            now_us + SECOND / 2,
            now_us + 7 * SECOND / 10,
            EventKind::LongPress,
        );
        to_us
    }

    fn swipe(&mut self, now_us: u64, dice: &mut Dice) -> u64 {
        let to_us = now_us + micros(dice.between(0.09, 0.4));
        let sign = if dice.between(0.0, 1.0) < 0.5 {
            -1.0
        } else {
            1.0
        };
        let (from, to, direction) = if dice.between(0.0, 1.0) < 0.5 {
            let length = dice.between(500.0, 1300.0);
            let middle = (dice.between(700.0, 1300.0), dice.between(200.0, 400.0));
            let slant = dice.between(-0.15, 0.15) * length;
            (
                (middle.0 - sign * length / 2.0, middle.1 - slant / 2.0),
                (middle.0 + sign * length / 2.0, middle.1 + slant / 2.0),
                if sign > 0.0 {
                    Direction::Forward
                } else {
                    Direction::Back
                },
            )
        } else {
            let length = dice.between(330.0, 500.0);
            let x = dice.between(300.0, 1700.0);
            let slant = dice.between(-0.25, 0.25) * length;
            (
                (x - slant / 2.0, 300.0 - sign * length / 2.0),
                (x + slant / 2.0, 300.0 + sign * length / 2.0),
                if sign > 0.0 {
                    Direction::Up
                } else {
                    Direction::Down
                },
            )
        };
        self.finger(now_us, to_us, from, to, dice);
        self.truth(now_us, to_us + SECOND / 10, EventKind::Swipe(direction));
        to_us
    }

    fn finger(
        &mut self,
        from_us: u64,
        to_us: u64,
        from: (f64, f64),
        to: (f64, f64),
        dice: &mut Dice,
    ) {
        let pressure = dice.between(350.0, 800.0);
        self.life.fingers.push(Finger {
            from_us,
            to_us,
            from,
            to,
            pressure,
        });
    }

    /// Hair, a sleeve: lighter than a finger, as long as it likes.
    fn brush(&mut self, now_us: u64, dice: &mut Dice) -> u64 {
        let to_us = now_us + micros(dice.between(0.05, 2.0));
        self.life.fingers.push(Finger {
            from_us: now_us,
            to_us,
            from: (dice.between(0.0, 2000.0), dice.between(0.0, 600.0)),
            to: (dice.between(0.0, 2000.0), dice.between(0.0, 600.0)),
            pressure: dice.between(50.0, 130.0),
        });
        to_us
    }

    fn turn(&mut self, from_us: u64, seconds: f64, pitch: f64) -> u64 {
        let to_us = from_us + micros(seconds);
        self.life.turns.push(Turn {
            from_us,
            to_us,
            pitch,
        });
        to_us
    }

    fn look_up(&mut self, now_us: u64, dice: &mut Dice) -> u64 {
        let there_us = self.turn(now_us, dice.between(0.3, 0.9), dice.between(35.0, 60.0));
        self.truth(now_us, there_us + SECOND, EventKind::HeadUp);
        let back_us = there_us + micros(dice.between(1.2, 5.0));
        let end_us = self.turn(back_us, dice.between(0.3, 0.9), dice.between(-20.0, 5.0));
        self.truth(back_us, end_us + SECOND, EventKind::HeadDown);
        end_us + SECOND
    }

    /// Not up: to the ground, to a clock on the wall, nodding, reading.
    fn look_elsewhere(&mut self, mut now_us: u64, dice: &mut Dice) -> u64 {
        if dice.between(0.0, 1.0) < 0.3 {
            for _ in 0..4 {
                now_us = self.turn(now_us, 0.25, dice.between(-20.0, -10.0));
                now_us = self.turn(now_us, 0.25, dice.between(0.0, 14.0));
            }
        } else {
            now_us = self.turn(now_us, dice.between(0.3, 0.9), dice.between(-45.0, 16.0));
            now_us += micros(dice.between(0.5, 4.0));
        }
        self.turn(now_us, dice.between(0.3, 0.9), dice.between(-20.0, 5.0))
    }

    fn go_into_other_light(&mut self, now_us: u64, dice: &mut Dice) -> u64 {
        let before = self.life.lux.last().map_or(200.0, |lux| lux.1);
        let factor = dice.between(1.6, 20.0);
        let after = if before * factor < 60_000.0 && (before < 20.0 || dice.between(0.0, 1.0) < 0.5)
        {
            before * factor
        } else {
            before / factor
        };
        let after = after.max(8.0);
        if (after / before).max(before / after) < 1.5 {
            return now_us;
        }
        self.life.lux.push((now_us, after));
        self.truth(
            now_us,
            now_us + 4 * SECOND,
            EventKind::Ambient { lux: after as u32 },
        );
        now_us + 4 * SECOND
    }

    fn put_on(&mut self, now_us: u64) {
        self.life.worn.push((now_us, true));
        self.truth(now_us, now_us + 5 * SECOND / 2, EventKind::Worn);
    }

    /// Off, into a bag where everything moves and touches, and on again.
    fn take_off(&mut self, now_us: u64, dice: &mut Dice) -> u64 {
        self.life.worn.push((now_us, false));
        self.truth(now_us, now_us + 3 * SECOND, EventKind::Removed);
        let mut then_us = now_us + 4 * SECOND;
        for _ in 0..10 {
            then_us = self.turn(then_us, 0.6, dice.between(-80.0, 80.0));
            let to_us = then_us + micros(dice.between(0.05, 1.0));
            let from = (dice.between(0.0, 2000.0), dice.between(0.0, 600.0));
            let to = (dice.between(0.0, 2000.0), dice.between(0.0, 600.0));
            self.finger(then_us, to_us, from, to, dice);
            then_us = to_us + SECOND / 10;
        }
        let on_us = self.turn(then_us, 1.0, 0.0) + 2 * SECOND;
        self.put_on(on_us);
        on_us + 4 * SECOND
    }
}

pub fn micros(seconds: f64) -> u64 {
    (seconds * 1e6) as u64
}
