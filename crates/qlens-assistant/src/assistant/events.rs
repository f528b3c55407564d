//! What the sensors notice, and where it goes.

use qlens_board::{SensorEvent, SensorKind};

use super::{Assistant, Fault, Readings, State};
use crate::action::Actions;

impl Assistant {
    /// What a sensor noticed. Costs the same short time whatever happens, so a flood of events is only
    /// as slow as it is long; time that runs backwards is taken to stand still.
    pub fn on_event(&mut self, event: &SensorEvent) -> Actions {
        self.now_us = self.now_us.max(event.at_us);
        match &event.kind {
            SensorKind::Battery { percent, charging } => {
                return self.read(Readings {
                    battery_percent: Some((*percent).min(100)),
                    charging: *charging,
                    ..self.readings
                });
            }
            SensorKind::Temperature { milli_celsius } => {
                return self.read(Readings {
                    // A sensor that is broken may say anything.
                    celsius: Some((milli_celsius / 1000).clamp(-999, 999) as i16),
                    ..self.readings
                });
            }
            SensorKind::Ambient { .. } => return Actions::NONE,
            SensorKind::Worn => return self.wear(),
            SensorKind::Removed => return self.remove(),
            _ if self.asleep => return Actions::NONE,
            _ => {}
        }
        if self.dashboard {
            match event.kind {
                SensorKind::LongPress => self.dashboard = false,
                SensorKind::HeadDown
                | SensorKind::Tap
                | SensorKind::DoubleTap
                | SensorKind::Swipe(_) => {
                    self.dashboard = false;
                    return self.redraw_if(true);
                }
                _ => return Actions::NONE,
            }
        }
        match &event.kind {
            SensorKind::Tap => self.tap(),
            SensorKind::DoubleTap => self.double_tap(),
            SensorKind::LongPress => self.long_press(),
            SensorKind::Swipe(direction) => self.swipe(*direction),
            SensorKind::HeadUp => {
                self.dashboard = matches!(self.state, State::Idle | State::Paging | State::Error);
                self.redraw_if(self.dashboard)
            }
            SensorKind::Speech(text) => self.on_speech(text),
            _ => Actions::NONE,
        }
    }

    /// What the user said. Speech events come here; a recogniser whose text is longer than an event
    /// can hold may call it itself.
    pub fn on_speech(&mut self, text: &str) -> Actions {
        if self.state != State::Listening || self.asleep {
            return Actions::NONE;
        }
        let text = text.trim();
        if text.is_empty() {
            return Actions::NONE;
        }
        if let Err(error) = self.ask.ask(text) {
            return self.show_error(Fault::Speech, &error);
        }
        self.outdate();
        self.go(State::Thinking).union(self.prompt())
    }

    fn read(&mut self, readings: Readings) -> Actions {
        let changed = self.readings != readings;
        self.readings = readings;
        self.redraw_if(changed && self.dashboard)
    }
}
