//! What the board does about its pace: it lights, dims and darkens the display, pauses between two pieces of
//! work, and gives a question up that would take too long.

use core::fmt;
use core::mem::replace;
use core::ops::RangeInclusive;

use embedded_io::Write;
use qlens::session::{Interrupt, Phase, Progress};
use qlens_board::{Clock, Display, NoteStore, Power, SensorSource, Throttle};

use super::App;
use super::events::Idle;
use crate::pace::{Conditions, HOLD_US, Held, Limit, Pace, Scene, pacing};
use crate::{Action, State};

/// Temperatures that a chip can have and still tell, in thousandths of a degree Celsius.
const PLAUSIBLE: RangeInclusive<i32> = -50_000..=150_000;

/// The pace, and what is known for it.
#[derive(Debug)]
pub struct Pacing {
    /// What holds now.
    pub pace: Pace,
    held: Held,
    /// Charge in per cent, and whether it is on the charger.
    pub battery: Option<(u8, bool)>,
    milli_celsius: Option<i32>,
    /// The model is being loaded or at work.
    pub working: bool,
    /// Application time at which the wearer did anything or the model worked, in microseconds.
    pub active_us: u64,
}

impl Pacing {
    /// Full, as nothing is known yet.
    pub fn new() -> Self {
        Self {
            pace: Pace::FULL,
            held: Held::default(),
            battery: None,
            milli_celsius: None,
            working: false,
            active_us: 0,
        }
    }

    /// Takes a temperature in thousandths of a degree Celsius. A sensor that says what cannot be is broken,
    /// and what it said before is the best that is known.
    pub fn feel(&mut self, milli_celsius: i32) {
        if PLAUSIBLE.contains(&milli_celsius) {
            self.milli_celsius = Some(milli_celsius);
        }
    }
}

/// One question's way through the model.
#[derive(Debug)]
pub struct Work {
    /// When it was asked: application time in microseconds.
    asked_us: u64,
    /// How far it was at the last look.
    at: Option<(Phase, usize)>,
    /// Since when it works without a pause, on the board's clock in microseconds.
    since_us: u64,
    /// What ended it. A model may have to finish a token nevertheless.
    ended: Option<Interrupt>,
}

/// Why a question is not answered: this keeps the model from working.
pub struct Exhausted(Limit);

impl fmt::Display for Exhausted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Limit::Heat => "the glasses are too hot to answer and have to cool down",
            Limit::Board => "the glasses cannot answer now and need a rest",
            Limit::Battery => "the battery is too low to answer: charge the glasses",
        })
    }
}

impl<D, S, C, P, R, W, N> App<'_, D, S, C, P, R, W, N>
where
    D: Display,
    S: SensorSource,
    C: Clock,
    P: Power,
    R: Write,
    W: Write,
    N: NoteStore,
{
    /// Finds out which pace is right, and keeps it from now on.
    pub(super) fn keep_pace(&mut self) {
        let now = self.time_us();
        let known = &mut self.pacing;
        let scene = if known.working {
            Scene::Working
        } else if self.assistant.dashboard() || self.assistant.state() == State::Idle {
            Scene::Waiting
        } else {
            Scene::Reading
        };
        if scene == Scene::Working {
            known.active_us = now;
        }
        let conditions = Conditions {
            battery: known.battery,
            milli_celsius: known.milli_celsius,
            throttle: if self.replay {
                Throttle::None
            } else {
                self.ports.power.throttle()
            },
            scene,
            quiet_us: now.saturating_sub(known.active_us),
            worn: !self.assistant.asleep(),
        };
        let (pace, held) = pacing(&conditions, known.held);
        known.held = held;
        let old = replace(&mut known.pace, pace);
        if old.brightness != pace.brightness {
            self.light(old.brightness, pace.brightness);
        }
        let due_us = pace.due_us;
        if (Pace { due_us, ..old }) != pace {
            self.idle = Idle::default();
            log::info!("pace: {pace}");
            self.ports.report.pace(&pace);
        }
    }

    /// Changes the display's brightness.
    fn light(&mut self, from: u8, to: u8) {
        let display = &mut self.ports.display;
        let outcome = if to == 0 {
            display.set_on(false)
        } else if from == 0 {
            display.set_on(true).and(display.set_brightness(to))
        } else {
            display.set_brightness(to)
        };
        if outcome.is_err() {
            log::error!("the display does not take its brightness");
        }
        self.hud.invalidate();
        self.show_picture();
    }

    /// Draws what changed, if the display is lit.
    pub(super) fn show_picture(&mut self) {
        if self.pacing.pace.brightness == 0 {
            return;
        }
        let display = &mut self.ports.display;
        let drawn = self.hud.draw(self.assistant, display);
        if drawn.and_then(|()| display.flush()).is_err() {
            log::error!("the display does not take what is drawn");
        }
    }

    /// When the board must be awake although no sensor has anything to say, in microseconds on its clock.
    /// Nothing but a sensor ends the sleep of glasses that nobody wears, or the time between two events of
    /// a recording.
    pub(super) fn due_us(&self) -> Option<u64> {
        if self.replay || self.assistant.asleep() {
            return None;
        }
        let quiet = self.pacing.pace.due_us;
        let change = quiet.map(|quiet| self.pacing.active_us.saturating_add(quiet));
        Some(change.unwrap_or(u64::MAX).min(self.power_at_us))
    }

    /// Sleeps until a sensor or the pace wants something, but no longer than this.
    pub(super) fn sleep_until(&mut self, until_us: Option<u64>) {
        let due = [self.ports.sensors.due_us(), self.due_us(), until_us];
        self.ports.power.idle(due.into_iter().flatten().min());
    }

    /// A question begins its way.
    pub(super) fn begin_work(&self) -> Work {
        Work {
            asked_us: self.time_us(),
            at: None,
            since_us: self.ports.clock.now_us(),
            ended: None,
        }
    }

    /// Nothing is generated, and will not be until somebody charges the glasses.
    pub(super) fn battery_is_empty(&self) -> bool {
        matches!(self.exhausted(), Some(Exhausted(Limit::Battery)))
    }

    /// What keeps the model from working at all, if anything does.
    pub(super) fn exhausted(&self) -> Option<Exhausted> {
        let Pace { duty, limit, .. } = self.pacing.pace;
        limit.filter(|_| duty == 0).map(Exhausted)
    }

    /// Pauses as the pace wants it after each piece of work, looking at the sensors all the while. Returns
    /// what ends the work.
    pub(super) fn pause(&mut self, work: &mut Work, at: Progress) -> Option<Interrupt> {
        if work.ended.is_none() {
            work.ended = self.pause_or_end(work, at);
        }
        work.ended
    }

    fn pause_or_end(&mut self, work: &mut Work, at: Progress) -> Option<Interrupt> {
        let deadline_us = match at.phase {
            Phase::Prefill => work.asked_us.saturating_add(self.first_word_us),
            Phase::Decode => u64::MAX,
        };
        if self.time_us() >= deadline_us {
            return Some(Interrupt::Deadline);
        }
        // A piece of work is a batch or a pass for a token, not each layer of it.
        let here = Some((at.phase, at.done));
        let began_us = self.ports.clock.now_us();
        let mut worked_us = 0;
        if work.at != here {
            if work.at.is_some() {
                worked_us = began_us.saturating_sub(work.since_us);
            }
            work.at = here;
            work.since_us = began_us;
        }
        let deadline_us = deadline_us.min(self.time_us().saturating_add(HOLD_US));
        loop {
            if self.take(Action::Cancel) {
                return Some(Interrupt::Cancelled);
            }
            if let Some(pause_us) = self.pacing.pace.pause_us(worked_us) {
                let until_us = began_us.saturating_add(pause_us);
                if self.ports.clock.now_us() >= until_us {
                    return None;
                }
                self.sleep_until(Some(until_us));
                self.poll();
            } else if let interrupt @ Some(_) = self.hold(deadline_us) {
                return interrupt;
            }
            work.since_us = self.ports.clock.now_us();
        }
    }

    /// Sleeps until something happens while nothing may be generated, but no longer than until
    /// `deadline_us`, in application time.
    fn hold(&mut self, deadline_us: u64) -> Option<Interrupt> {
        self.poll_on_hold();
        if self.exhausted().is_none() || !self.wanted.is_empty() {
            return None;
        }
        // A battery is not charged within the time that somebody waits for an answer.
        if self.time_us() >= deadline_us || self.battery_is_empty() {
            return Some(Interrupt::Deadline);
        }
        if !(self.running)() {
            return Some(Interrupt::Cancelled);
        }
        self.sleep_until((!self.replay).then_some(deadline_us));
        None
    }
}
