//! Events on their way from the sensors to the assistant, what it wants done about them, and application
//! time, which in a replay is theirs.

use embedded_io::Write;
use qlens_board::{Clock, Display, Power, SensorEvent, SensorKind, SensorSource};

use super::App;
use crate::{Action, Actions, State};

/// Time between two looks at battery and thermometer, in microseconds.
const POWER_US: u64 = 10_000_000;

/// Time between two reports of lost events, in microseconds.
const DROPPED_US: u64 = 1_000_000;

impl<D, S, C, P, R, W> App<'_, D, S, C, P, R, W>
where
    D: Display,
    S: SensorSource,
    C: Clock,
    P: Power,
    R: Write,
    W: Write,
{
    /// Tells the assistant what time of day it was when application time began. A replay knows it to the
    /// minute, so that starting it a little later changes nothing.
    pub(super) fn set_wall_origin(&mut self) {
        let clock = &self.ports.clock;
        let origin = clock.unix_s().map(|unix_s| {
            if self.replay {
                unix_s / 60 * 60
            } else {
                unix_s.saturating_sub(clock.now_us() / 1_000_000)
            }
        });
        self.assistant.set_wall_origin(origin);
    }

    /// Lets the assistant know what happened since the last call, and does what it wants done at once.
    /// For calls amid work: a mark, and all that comes after it, waits for the work's end.
    pub(super) fn poll(&mut self) {
        self.look_at_sensors();
        self.take_events(false);
    }

    /// The same, for calls while nothing is under way: marks are reported.
    pub(super) fn poll_at_rest(&mut self) {
        self.look_at_sensors();
        self.take_events(true);
    }

    fn look_at_sensors(&mut self) {
        let now = self.ports.clock.now_us();
        self.ports.sensors.poll(now, &mut self.events);
        let dropped = self.events.dropped();
        if dropped != self.dropped && now >= self.dropped_at_us {
            self.dropped = dropped;
            self.dropped_at_us = now.saturating_add(DROPPED_US);
            log::warn!("{dropped} events were lost so far, because more came than could wait");
            self.ports.report.dropped(dropped);
        }
        // In a replay, battery and temperature are what the recording says.
        if !self.replay && now >= self.power_at_us {
            self.power_at_us = now.saturating_add(POWER_US);
            self.poll_power(now);
        }
    }

    fn poll_power(&mut self, now: u64) {
        let power = &mut self.ports.power;
        let battery = power
            .battery()
            .map(|(percent, charging)| SensorKind::Battery { percent, charging });
        let temperature = power
            .temperature()
            .map(|milli_celsius| SensorKind::Temperature { milli_celsius });
        for kind in [battery, temperature].into_iter().flatten() {
            self.take_event(&SensorEvent::new(now, kind));
        }
    }

    /// Empties the queue up to the first mark that has to wait.
    fn take_events(&mut self, at_rest: bool) {
        while let Some(event) = self.events.peek() {
            let is_mark = matches!(event.kind, SensorKind::Mark { .. });
            if is_mark && !(at_rest && self.wanted.is_empty()) {
                return;
            }
            if let Some(event) = self.events.pop() {
                self.take_event(&event);
            }
        }
    }

    fn take_event(&mut self, event: &SensorEvent) {
        log::debug!("{:?}", event.kind);
        self.event_us = self.event_us.max(event.at_us);
        if let SensorKind::Mark { number } = event.kind {
            // Whoever waits for the mark looks at the display next.
            self.carry_out(Action::Draw.into());
            self.ports.report.mark(number);
            return;
        }
        let actions = self.assistant.on_event(event);
        let spoken = matches!(event.kind, SensorKind::Speech(_)) && !actions.is_empty();
        self.carry_out(actions);
        if spoken && self.assistant.state() == State::Error {
            self.tell_error();
            self.ready();
        }
    }

    /// Does at once what can be, and keeps the rest for whoever waits for it.
    pub(super) fn carry_out(&mut self, actions: Actions) {
        self.note_state();
        for action in actions {
            let outcome = match action {
                Action::Cancel | Action::Load | Action::Prompt => {
                    self.wanted = self.wanted.with(action);
                    Ok(())
                }
                Action::Wake => {
                    self.ports.sensors.wake(self.ports.clock.now_us());
                    self.hud.invalidate();
                    self.ports.display.set_on(true)
                }
                Action::Draw => self.draw(),
                Action::Sleep => {
                    self.ports.sensors.sleep(self.ports.clock.now_us());
                    self.ports.display.set_on(false)
                }
            };
            if outcome.is_err() {
                log::error!("the display does not take what is drawn");
            }
        }
    }

    fn draw(&mut self) -> Result<(), D::Error> {
        self.hud.draw(self.assistant, &mut self.ports.display)?;
        self.ports.display.flush()
    }
}
