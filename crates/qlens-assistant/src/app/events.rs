//! Events on their way from the sensors to the assistant, what it wants done about them, and application
//! time, which in a replay is theirs.

use embedded_io::Write;
use qlens_board::{Clock, Display, NoteStore, Power, SensorEvent, SensorKind, SensorSource};

use super::App;
use crate::{Action, Actions, State};

/// Time between two looks at battery and thermometer, in microseconds.
const POWER_US: u64 = 10_000_000;

/// Time between two reports of lost events, in microseconds.
const DROPPED_US: u64 = 1_000_000;

/// A time in which nothing happens.
#[derive(Debug, Default)]
pub struct Idle {
    /// When it began, in microseconds, and how many instructions had been executed then.
    since: Option<(u64, u32)>,
    /// What it costs was reported.
    told: bool,
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
    /// Application time in microseconds: the board's, or in a replay that of the newest event, so that the
    /// same events give the same display however long the board takes for them.
    pub(super) fn time_us(&self) -> u64 {
        if self.replay {
            self.event_us
        } else {
            self.ports.clock.now_us()
        }
    }

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
        self.take_events(|_| false);
    }

    /// The same, for calls while nothing is under way: marks are reported.
    pub(super) fn poll_at_rest(&mut self) {
        self.look_at_sensors();
        self.take_events(|_| true);
    }

    /// The same, for calls while the work is held up: a mark is reported, as nothing but what comes after it
    /// may let the work go on.
    pub(super) fn poll_on_hold(&mut self) {
        self.look_at_sensors();
        self.take_events(|app| app.exhausted().is_some());
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
            self.tell_idle(now);
        }
        self.keep_pace();
    }

    /// A rest begins, unless it began before.
    pub(super) fn begin_idle(&mut self) {
        if !self.idle.told && self.idle.since.is_none() {
            let now = self.ports.clock.now_us();
            let count = self.ports.power.instructions();
            self.idle.since = count.map(|count| (now, count));
        }
    }

    /// Reports what a rest costs, the looks at battery and thermometer included, once it was long enough
    /// for one at least.
    fn tell_idle(&mut self, now: u64) {
        if let Some((since, before)) = self.idle.since
            && let Some(count) = self.ports.power.instructions()
        {
            let us = now.saturating_sub(since);
            if us >= POWER_US {
                self.ports.report.idle(count.wrapping_sub(before), us);
                self.idle = Idle {
                    since: None,
                    told: true,
                };
            }
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
    fn take_events(&mut self, rests: fn(&Self) -> bool) {
        while let Some(event) = self.events.peek() {
            let is_mark = matches!(event.kind, SensorKind::Mark { .. });
            if is_mark && !(rests(self) && self.wanted.is_empty()) {
                return;
            }
            if let Some(event) = self.events.pop() {
                self.idle = Idle::default();
                self.take_event(&event);
            }
        }
    }

    fn take_event(&mut self, event: &SensorEvent) {
        log::debug!("{:?}", event.kind);
        self.event_us = self.event_us.max(event.at_us);
        if self.replay {
            // First what would have happened without the event.
            self.keep_pace();
        }
        match event.kind {
            SensorKind::Mark { number } => {
                // Whoever waits for the mark looks at the display next.
                self.carry_out(Action::Draw.into());
                self.ports.report.mark(number);
                return;
            }
            SensorKind::Battery { percent, charging } => {
                self.pacing.battery = Some((percent.min(100), charging));
            }
            SensorKind::Temperature { milli_celsius } => self.pacing.feel(milli_celsius),
            _ => {}
        }
        let actions = self.assistant.on_event(event);
        if is_of_wearer(&event.kind, actions) {
            self.pacing.active_us = self.time_us();
        }
        self.keep_pace();
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
            match action {
                Action::Cancel | Action::Load | Action::Prompt => {
                    self.wanted = self.wanted.with(action);
                }
                // The display follows the pace.
                Action::Wake => self.ports.sensors.wake(self.ports.clock.now_us()),
                Action::Sleep => self.ports.sensors.sleep(self.ports.clock.now_us()),
                Action::Draw => self.show_picture(),
            }
        }
    }
}

/// Whether somebody did this who then looks at the display. Head and voice are moved for other reasons, too:
/// they count if anything comes of them.
fn is_of_wearer(kind: &SensorKind, actions: Actions) -> bool {
    match kind {
        SensorKind::Tap
        | SensorKind::DoubleTap
        | SensorKind::LongPress
        | SensorKind::Swipe(_)
        | SensorKind::Worn => true,
        SensorKind::HeadUp | SensorKind::HeadDown | SensorKind::Speech(_) => !actions.is_empty(),
        _ => false,
    }
}
