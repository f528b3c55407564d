//! The motion sensor: the pitch of the head over the horizon, looked up and looked down again.
//!
//! ```text
//!   ┌───────┐  pitch above 25° for 280 ms: HeadUp    ┌────┐
//!   │ Level │ ─────────────────────────────────────► │ Up │
//!   └───────┘ ◄───────────────────────────────────── └────┘
//!              below 15° for 280 ms: HeadDown
//! ```
//!
//! What is kept is not an angle but the direction of gravity as the head sees it, three numbers: the gyroscope
//! turns it, which is right for a second and wrong for a minute, and the accelerometer pulls it to what it
//! measures, which is right for a minute and wrong at every step (a complementary filter, after Mahony,
//! Hamel and Pflimlin, "Nonlinear Complementary Filters on the Special Orthogonal Group", 2008; the integral
//! of the same error is the gyroscope's bias). The sine of the pitch is its first number over its length, so
//! that thresholds are compared as squares, and neither root nor angle is computed. A compass would add
//! where north is, and pitch does not ask.
//!
//! In f32: the Cortex-M33 of such hubs has a single-precision FPU (the target ends in `eabihf`), which multiplies and
//! adds in a cycle, and a fixed-point filter would need 64-bit products for the same. Nothing but `+`, `-`, `×`
//! and comparisons is used of it, hence each machine computes the same bits.

use crate::event::{Event, EventKind};
use crate::intake::{Arrival, Counts, Intake, count};
use crate::samples::{ACCEL_COUNTS_PER_G, GYRO_COUNTS_PER_DPS, ImuSample, at_rail};
use crate::settings::Settings;

/// Pull of the accelerometer, a second: a step of walking (2 Hz) passes at a twelfth of its size, and what
/// the gyroscope drifts in a second is what stays wrong.
pub const PULL: f32 = 1.0;
/// The same after a start or a shock, for [`HURRY_US`].
pub const HURRIED_PULL: f32 = 10.0;
/// So long it hurries, and says nothing.
pub const HURRY_US: u64 = 500_000;
/// Pull on the estimate of the bias, a second and a second.
pub const BIAS_PULL: f32 = 0.05;
/// No such part has a larger bias, in radians a second: 5 °/s.
pub const BIAS_LIMIT: f32 = 0.0873;
/// Square of the specific force, in g², within which it is mostly gravity: 0.75 to 1.25 g.
pub const GRAVITY: core::ops::RangeInclusive<f32> = 0.5625..=1.5625;
/// So long beyond the threshold: half a step at 1.8 Hz is over sooner, and so is a nod.
pub const DWELL_US: u64 = 280_000;
/// So many samples that say the same in all six words, one second of them, are of a part that hangs: noise alone
/// changes some.
pub const STUCK_SAMPLES: u16 = 200;

/// Of a sensor of 200 Hz.
const SHORTEST_US: u32 = 2_500;
const LONGEST_US: u32 = 100_000;

const RADIANS_PER_COUNT: f32 = core::f32::consts::PI / 180.0 / GYRO_COUNTS_PER_DPS;

/// The recogniser of head movements.
#[derive(Debug, Clone)]
pub struct Head {
    intake: Intake,
    /// Specific force at rest in the axes of the head, in g: upwards. `None` before it is known.
    up: Option<[f32; 3]>,
    /// Of the gyroscope, in radians a second.
    bias: [f32; 3],
    /// Sines of the thresholds, and what they are of.
    sines: (f32, f32),
    of: (i16, i16),
    hurry_until_us: u64,
    looks_up: bool,
    other_us: Option<u64>,
    last: ImuSample,
    same: u16,
}

impl Default for Head {
    fn default() -> Self {
        Self::new()
    }
}

impl Head {
    /// The head is level, and where that is is not known yet.
    pub fn new() -> Self {
        Self {
            intake: Intake::new(SHORTEST_US, LONGEST_US),
            up: None,
            bias: [0.0; 3],
            sines: (0.0, 0.0),
            of: (0, 0),
            hurry_until_us: 0,
            looks_up: false,
            other_us: None,
            last: ImuSample::default(),
            same: 0,
        }
    }

    /// What became of the samples.
    pub const fn counts(&self) -> Counts {
        self.intake.counts
    }

    /// Forgets that the wearer looks up, and where up is.
    pub fn forget(&mut self) {
        self.up = None;
        self.looks_up = false;
        self.other_us = None;
    }

    /// Takes a sample.
    pub fn sample(
        &mut self,
        time_us: u64,
        sample: ImuSample,
        settings: &Settings,
    ) -> Option<Event> {
        let elapsed_us = match self.intake.arrive(time_us) {
            Arrival::Drop => return None,
            Arrival::Anew => {
                self.up = None;
                self.same = 0;
                0
            }
            Arrival::After(elapsed_us) => elapsed_us,
        };
        if self.is_stuck(sample) {
            count(&mut self.intake.counts.stuck);
            self.up = None;
            return None;
        }
        let lost_turn = sample.gyro.into_iter().any(at_rail);
        if lost_turn || sample.accel.into_iter().any(at_rail) {
            count(&mut self.intake.counts.out_of_range);
        }
        if lost_turn {
            // How far it turned nobody knows; the accelerometer will tell.
            self.hurry_until_us = time_us.saturating_add(HURRY_US);
        }
        let force = sample
            .accel
            .map(|word| f32::from(word) * (1.0 / ACCEL_COUNTS_PER_G));
        // Which a force at the rails is not.
        let is_gravity = GRAVITY.contains(&square(force));
        let Some(up) = self.up else {
            if is_gravity {
                self.up = Some(force);
                self.hurry_until_us = time_us.saturating_add(HURRY_US);
            }
            return None;
        };
        let hurried = time_us < self.hurry_until_us;
        let up = self.turn(
            up,
            sample.gyro,
            is_gravity.then_some(force),
            elapsed_us,
            hurried,
        );
        self.up = Some(up);
        if hurried {
            self.other_us = None;
            return None;
        }
        self.decide(time_us, up, settings)
    }

    /// Whether the part has said this for a second.
    fn is_stuck(&mut self, sample: ImuSample) -> bool {
        self.same = if sample == self.last {
            self.same.saturating_add(1)
        } else {
            0
        };
        self.last = sample;
        self.same >= STUCK_SAMPLES
    }

    /// Where up is after a sample.
    fn turn(
        &mut self,
        mut up: [f32; 3],
        gyro: [i16; 3],
        force: Option<[f32; 3]>,
        elapsed_us: u32,
        hurried: bool,
    ) -> [f32; 3] {
        let dt = elapsed_us as f32 * 1e-6;
        let mut rate = gyro.map(|word| f32::from(word) * RADIANS_PER_COUNT);
        for (rate, bias) in rate.iter_mut().zip(self.bias) {
            *rate -= bias;
        }
        // What stands still in the world turns the other way in the axes of the head.
        let turned = cross(up, rate);
        for (up, turned) in up.iter_mut().zip(turned) {
            *up += turned * dt;
        }
        let Some(force) = force else {
            return up;
        };
        if !hurried {
            let error = cross(force, up);
            for (bias, error) in self.bias.iter_mut().zip(error) {
                *bias = (*bias - error * (BIAS_PULL * dt)).clamp(-BIAS_LIMIT, BIAS_LIMIT);
            }
        }
        let pull = if hurried { HURRIED_PULL } else { PULL };
        for (up, force) in up.iter_mut().zip(force) {
            // At most the whole way: the longest step of time is a tenth of a second.
            *up += (force - *up) * (pull * dt);
        }
        up
    }

    fn decide(&mut self, time_us: u64, up: [f32; 3], settings: &Settings) -> Option<Event> {
        let thresholds = (
            settings.head_up_centidegrees,
            settings.head_down_centidegrees,
        );
        if thresholds != self.of {
            self.of = thresholds;
            self.sines = (sine(thresholds.0), sine(thresholds.1));
        }
        let length = square(up);
        let signed = |sine: f32| sine * sine.abs();
        let height = signed(up[0]);
        let other = if self.looks_up {
            height < signed(self.sines.1) * length
        } else {
            height > signed(self.sines.0) * length
        };
        if !other {
            self.other_us = None;
            return None;
        }
        let since_us = *self.other_us.get_or_insert(time_us);
        // Saturating, for a clock that began anew in between.
        if time_us.saturating_sub(since_us) < DWELL_US {
            return None;
        }
        self.other_us = None;
        self.looks_up = !self.looks_up;
        let kind = if self.looks_up {
            EventKind::HeadUp
        } else {
            EventKind::HeadDown
        };
        Some(Event::new(time_us, kind))
    }
}

fn square(v: [f32; 3]) -> f32 {
    v[0] * v[0] + v[1] * v[1] + v[2] * v[2]
}

fn cross(a: [f32; 3], b: [f32; 3]) -> [f32; 3] {
    [
        a[1] * b[2] - a[2] * b[1],
        a[2] * b[0] - a[0] * b[2],
        a[0] * b[1] - a[1] * b[0],
    ]
}

/// The sine of so many hundredths of a degree, up to [`Settings::STEEPEST`] either way, by its series: right to
/// 1e-5. Computed when the thresholds change, not for samples.
fn sine(centidegrees: i16) -> f32 {
    let x = f32::from(centidegrees) * (core::f32::consts::PI / 18_000.0);
    let xx = x * x;
    x * (1.0 - xx / 6.0 * (1.0 - xx / 20.0 * (1.0 - xx / 42.0 * (1.0 - xx / 72.0))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sines_are_right_where_they_are_needed() {
        for centidegrees in -Settings::STEEPEST..=Settings::STEEPEST {
            let right = f64::from(centidegrees).to_radians() / 100.0;
            let error = f64::from(sine(centidegrees)) - right.sin();
            assert!(error.abs() < 1e-5, "{centidegrees}: {error}");
        }
    }
}
