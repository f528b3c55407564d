//! What each sensor measures of a script, with noise, jitter, bounce, bias that drifts, a gait.
//!
//! Sums, products and quotients, and sines from the crate `libm`: the same numbers on each machine.

use qlens_sense::samples::{ACCEL_COUNTS_PER_G, GYRO_COUNTS_PER_DPS, ImuSample, TouchSample};

use super::{Finger, Script};
use crate::dice::Dice;
use crate::record::Sample;

/// Brightness where the script says nothing of it, in lux.
const DUSK: f64 = 200.0;

/// Where in a list of things in the order of time we are.
#[derive(Debug, Clone, Default)]
struct Cursor(usize);

impl Cursor {
    /// The last thing that has begun.
    fn at<T>(&mut self, list: &[T], has_begun: impl Fn(&T) -> bool) -> Option<usize> {
        while self.0 < list.len() && has_begun(&list[self.0]) {
            self.0 += 1;
        }
        self.0.checked_sub(1)
    }
}

/// A person who follows a script, as sensors see them.
#[derive(Debug, Clone)]
pub struct World<'a> {
    script: &'a Script,
    amplitude: f64,
    dice: Dice,
    fingers: Cursor,
    turns: Cursor,
    worn: Cursor,
    lux: Cursor,
    walks: Cursor,
    shadows: Cursor,
    lifts: Cursor,
    /// Pitch at which the turn that is under way began, and the turn.
    turn: (f64, Option<usize>),
    pitch: f64,
    /// Slow wandering: pitch, roll, counts of proximity.
    wander: [f64; 3],
    gyro_bias: [f64; 3],
    accel_bias: [f64; 3],
    yaw_dps: f64,
    /// Along the face, in g: a bus brakes.
    thrust: f64,
    gait: f64,
    last_up: Option<[f64; 3]>,
    lux_seen: f64,
}

impl<'a> World<'a> {
    /// At the beginning of a script. The amplitude scales all noise; at 1 it is what such parts and people have. Up to
    /// 2 no sample is stamped as before the one before it.
    pub fn new(script: &'a Script, amplitude: f64, seed: u64) -> Self {
        let mut dice = Dice::new(seed);
        let mut three = |size: f64| [0; 3].map(|_| dice.between(-size, size) * amplitude);
        let (gyro_bias, accel_bias) = (three(1.0), three(0.02));
        Self {
            script,
            amplitude,
            dice,
            fingers: Cursor::default(),
            turns: Cursor::default(),
            worn: Cursor::default(),
            lux: Cursor::default(),
            walks: Cursor::default(),
            shadows: Cursor::default(),
            lifts: Cursor::default(),
            turn: (0.0, None),
            pitch: 0.0,
            wander: [0.0; 3],
            gyro_bias,
            accel_bias,
            yaw_dps: 0.0,
            thrust: 0.0,
            gait: 0.0,
            last_up: None,
            lux_seen: script.lux.first().map_or(DUSK, |lux| lux.1),
        }
    }

    /// Tells `say` what is measured at a tick, with the time that the hub stamps on it (microseconds). Ticks are
    /// [`TICK_US`](super::TICK_US) long, and begin with 1.
    pub fn tick(&mut self, tick: u64, mut say: impl FnMut(u64, Sample<'static>)) {
        let now_us = tick * super::TICK_US;
        let sample = self.imu(now_us);
        say(self.stamp(now_us, 200.0), Sample::Imu(sample));
        if tick.is_multiple_of(2) {
            let sample = self.touch(now_us);
            say(self.stamp(now_us, 500.0), Sample::Touch(sample));
        }
        if tick.is_multiple_of(10) {
            let counts = self.proximity(now_us);
            say(self.stamp(now_us, 1_000.0), Sample::Proximity(counts));
        }
        if tick.is_multiple_of(20) {
            let word = self.light(now_us);
            say(self.stamp(now_us, 1_000.0), Sample::Light(word));
        }
    }

    /// The time that the hub stamps on a sample that was due now.
    fn stamp(&mut self, now_us: u64, jitter_us: f64) -> u64 {
        now_us.saturating_add_signed((self.dice.normal() * jitter_us * self.amplitude) as i64)
    }

    fn chance(&mut self, probability: f64) -> bool {
        self.dice.between(0.0, 1.0) < probability
    }

    fn touch(&mut self, now_us: u64) -> TouchSample {
        let noise = self.amplitude;
        let finger = self
            .fingers
            .at(&self.script.fingers, |finger| finger.from_us <= now_us)
            .map(|index| &self.script.fingers[index])
            .filter(|finger| now_us < finger.to_us);
        let (mut place, mut pressure) = match finger {
            None => ((0.0, 0.0), 0.0),
            Some(finger) => self.contact(finger, now_us),
        };
        pressure += self.dice.normal() * 15.0 * noise;
        // A discharge: one sample of a finger that is none.
        if self.chance(2e-5 * noise) {
            pressure = 700.0;
            place = (
                self.dice.between(0.0, 2000.0),
                self.dice.between(0.0, 600.0),
            );
        }
        TouchSample {
            x: place.0.clamp(0.0, 2000.0) as u16,
            y: place.1.clamp(0.0, 600.0) as u16,
            pressure: pressure.clamp(0.0, 1023.0) as u16,
        }
    }

    fn contact(&mut self, finger: &Finger, now_us: u64) -> ((f64, f64), f64) {
        let noise = self.amplitude;
        let edge_us = (now_us - finger.from_us).min(finger.to_us - now_us) as f64;
        let share = (now_us - finger.from_us) as f64 / (finger.to_us - finger.from_us) as f64;
        let share = smooth(share);
        let mut place = (
            finger.from.0 + (finger.to.0 - finger.from.0) * share,
            finger.from.1 + (finger.to.1 - finger.from.1) * share,
        );
        // Lands and lifts in 8 ms, and there its place is that of an edge.
        let whole = (edge_us / 8_000.0).min(1.0);
        let blur = (8.0 + 40.0 * (1.0 - whole)) * noise;
        place.0 += self.dice.normal() * blur;
        place.1 += self.dice.normal() * blur;
        if self.chance(0.005 * noise) {
            place.0 += self.dice.between(-500.0, 500.0);
            place.1 += self.dice.between(-300.0, 300.0);
        }
        let mut pressure = finger.pressure * whole;
        // Bounces in its first and last 15 ms, and now and then in between.
        let bounces = if edge_us < 15_000.0 { 0.15 } else { 0.003 };
        if self.chance(bounces * noise) {
            pressure *= 0.1;
        }
        (place, pressure)
    }

    fn imu(&mut self, now_us: u64) -> ImuSample {
        const DT: f64 = 0.005;
        let noise = self.amplitude;
        self.turn_head(now_us);
        for (wander, (size, seconds)) in
            self.wander
                .iter_mut()
                .zip([(2.0, 5.0), (6.0, 5.0), (200.0, 30.0)])
        {
            let step = self.dice.normal() * size * (2.0 * DT / seconds).sqrt();
            *wander += step - *wander * (DT / seconds);
        }
        if self.chance(DT / 4.0) {
            // Looks around, or starts or stops to move.
            self.yaw_dps = self.dice.between(-1.0, 1.0) * 150.0;
            self.thrust = self.dice.between(-0.06, 0.06) * noise;
        } else if self.chance(DT * 2.0) {
            self.yaw_dps = 0.0;
        }
        let walks = self.walks.at(&self.script.walks, |walks| walks.0 <= now_us);
        let walks = walks.is_some_and(|index| self.script.walks[index].1);
        self.gait += DT * core::f64::consts::TAU * 1.8;
        let step = if walks { noise } else { 0.0 };
        let (sin, cos) = libm::sincos(self.gait);
        let pitch = (self.pitch + self.wander[0] + 2.0 * step * cos).to_radians();
        let roll = (self.wander[1] + 1.5 * step * libm::sin(self.gait / 2.0)).to_radians();
        let (pitch_sin, pitch_cos) = libm::sincos(pitch);
        let (roll_sin, roll_cos) = libm::sincos(roll);
        let up = [pitch_sin, pitch_cos * roll_sin, pitch_cos * roll_cos];
        let last = self.last_up.replace(up).unwrap_or(up);
        let change = [0, 1, 2].map(|axis| (up[axis] - last[axis]) / DT);
        // The rate of turn that moves what is up so, and the one about it, which does not.
        let [x, y, z] = up;
        let turn = [
            change[1] * z - change[2] * y,
            change[2] * x - change[0] * z,
            change[0] * y - change[1] * x,
        ];
        let bounce = 1.0 + 0.25 * step * sin;
        let thrust = self.thrust + 0.1 * step * cos;
        // Forwards in the world, as the head sees it.
        let ahead = [pitch_cos, -pitch_sin * roll_sin, -pitch_sin * roll_cos];
        let mut sample = ImuSample::default();
        for axis in 0..3 {
            self.gyro_bias[axis] = (self.gyro_bias[axis] + self.dice.normal() * 0.003 * noise)
                .clamp(-2.0 * noise, 2.0 * noise);
            let rate = turn[axis].to_degrees()
                + self.yaw_dps * up[axis]
                + self.gyro_bias[axis]
                + self.dice.normal() * 0.1 * noise;
            let force = up[axis] * bounce
                + ahead[axis] * thrust
                + self.accel_bias[axis]
                + self.dice.normal() * 0.005 * noise;
            sample.gyro[axis] = (rate * f64::from(GYRO_COUNTS_PER_DPS)) as i16;
            sample.accel[axis] = (force * f64::from(ACCEL_COUNTS_PER_G)) as i16;
        }
        sample
    }

    fn turn_head(&mut self, now_us: u64) {
        let index = self
            .turns
            .at(&self.script.turns, |turn| turn.from_us <= now_us);
        if index != self.turn.1 {
            self.turn = (self.pitch, index);
        }
        if let Some(index) = index {
            let to = &self.script.turns[index];
            let share = (now_us - to.from_us) as f64 / (to.to_us - to.from_us) as f64;
            self.pitch = self.turn.0 + (to.pitch - self.turn.0) * smooth(share.min(1.0));
        }
    }

    fn proximity(&mut self, now_us: u64) -> u16 {
        let noise = self.amplitude;
        let worn = self.worn.at(&self.script.worn, |worn| worn.0 <= now_us);
        let (since_us, worn) = worn.map_or((0, false), |index| self.script.worn[index]);
        let lift = self.lifts.at(&self.script.lifts, |&at_us| at_us <= now_us);
        let lifted = lift.is_some_and(|index| now_us - self.script.lifts[index] < 300_000);
        let there = if worn { 4500.0 } else { 300.0 };
        // A hand takes 400 ms, and is seen before and after.
        let share = ((now_us - since_us) as f64 / 400_000.0).min(1.0);
        let mut counts = there * share + (1.0 - share) * self.dice.between(300.0, 4500.0);
        if lifted || self.chance(0.002 * noise) {
            counts = 200.0;
        }
        counts += self.wander[2] + self.dice.normal() * 120.0 * noise;
        counts.clamp(0.0, 65_534.0) as u16
    }

    fn light(&mut self, now_us: u64) -> u16 {
        let noise = self.amplitude;
        let lux = self.lux.at(&self.script.lux, |lux| lux.0 <= now_us);
        let lux = lux.map_or(DUSK, |index| self.script.lux[index].1);
        self.lux_seen += (lux - self.lux_seen) * 0.5;
        let shadow = self
            .shadows
            .at(&self.script.shadows, |&at_us| at_us <= now_us);
        let dark = shadow.is_some_and(|index| now_us - self.script.shadows[index] < 600_000);
        let lux = self.lux_seen * if dark { 0.5 } else { 1.0 };
        word((lux * (1.0 + 0.03 * noise * self.dice.normal())).max(0.0))
    }
}

/// From 0 to 1 as a limb moves: without a jerk.
fn smooth(share: f64) -> f64 {
    share * share * share * (10.0 - 15.0 * share + 6.0 * share * share)
}

/// Illuminance as the OPT3001 says it.
fn word(lux: f64) -> u16 {
    let mut mantissa = (lux * 100.0) as u32;
    let mut exponent = 0;
    while mantissa > 0xfff {
        mantissa >>= 1;
        exponent += 1;
    }
    exponent << 12 | mantissa as u16
}
