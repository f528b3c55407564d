//! What the sensors notice, and where it goes.

use core::mem::replace;

use qlens_board::{Note, NoteStore, SensorEvent, SensorKind};

use super::{Assistant, Fault, Readings, State};
use crate::action::Actions;

impl<N: NoteStore> Assistant<N> {
    /// What a sensor noticed. Costs the same short time whatever happens, so a flood of events is only
    /// as slow as it is long; time that runs backwards is taken to stand still.
    pub fn on_event(&mut self, event: &SensorEvent) -> Actions {
        self.now_us = self.now_us.max(event.at_us);
        let silent = match event.kind {
            SensorKind::Lost => true,
            // The board may say this by itself.
            SensorKind::Battery { .. }
            | SensorKind::Temperature { .. }
            | SensorKind::Mark { .. } => self.silent,
            _ => false,
        };
        let told = replace(&mut self.silent, silent) != silent && self.state.tells_of_silence();
        let actions = self.notice(&event.kind);
        let time = self.time_of_day();
        let ticked = replace(&mut self.time, time) != time;
        let changed = if self.looking_up { ticked } else { told };
        actions.union(self.redraw_if(changed))
    }

    fn notice(&mut self, kind: &SensorKind) -> Actions {
        match kind {
            SensorKind::Battery { percent, charging } => {
                return self.read(Readings {
                    battery_percent: Some((*percent).min(100)),
                    charging: *charging,
                    ..self.dashboard.readings
                });
            }
            SensorKind::Temperature { milli_celsius } => {
                return self.read(Readings {
                    // A sensor that is broken may say anything.
                    celsius: Some((milli_celsius / 1000).clamp(-999, 999) as i16),
                    ..self.dashboard.readings
                });
            }
            SensorKind::Ambient { .. } | SensorKind::Mark { .. } => return Actions::NONE,
            SensorKind::Worn => return self.wear(),
            SensorKind::Removed => return self.remove(),
            _ if self.asleep => return Actions::NONE,
            _ => {}
        }
        if self.looking_up {
            match kind {
                SensorKind::LongPress => self.looking_up = false,
                SensorKind::HeadDown
                | SensorKind::Tap
                | SensorKind::DoubleTap
                | SensorKind::Swipe(_) => {
                    self.looking_up = false;
                    return self.redraw_if(true);
                }
                SensorKind::Speech(_) => {}
                _ => return Actions::NONE,
            }
        }
        match kind {
            SensorKind::Tap => self.tap(),
            SensorKind::DoubleTap => self.double_tap(),
            SensorKind::LongPress => self.long_press(),
            SensorKind::Swipe(direction) => self.swipe(*direction),
            SensorKind::HeadUp => self.look_up(self.state.may_open_dashboard()),
            SensorKind::Speech(text) => self.on_speech(text),
            // Whoever is being listened to would talk to nobody.
            SensorKind::Lost if self.state == State::Listening => {
                self.show_error(Fault::Speech, &"the sensors fell silent")
            }
            _ => Actions::NONE,
        }
    }

    /// What the user said. Speech events come here; a recogniser whose text is longer than an event
    /// can hold may call it itself.
    pub fn on_speech(&mut self, text: &str) -> Actions {
        let text = text.trim();
        if text.is_empty() || self.asleep {
            return Actions::NONE;
        }
        match self.state {
            State::Listening => {
                if let Err(error) = self.ask.ask(text) {
                    return self.show_error(Fault::Speech, &error);
                }
                self.outdate();
                self.go(State::Thinking).union(self.prompt())
            }
            State::Captions => self.translate(text),
            State::Translating => {
                self.translate.wait(text);
                self.redraw_if(true)
            }
            State::Teleprompter => {
                let heard = self.teleprompter.hear(text);
                self.redraw_if(heard)
            }
            state if state.is_of_notes() => self.note(text),
            _ => Actions::NONE,
        }
    }

    /// Begins a caption, and asks for it.
    pub(super) fn translate(&mut self, text: &str) -> Actions {
        let Some(dropped) = self.translate.begin(text) else {
            return self.redraw_if(true);
        };
        if dropped {
            self.outdate();
        }
        self.go(State::Translating).union(self.prompt())
    }

    fn note(&mut self, text: &str) -> Actions {
        let note = Note {
            at_us: self.now_us,
            unix_s: self.dashboard.unix_s(self.now_us),
            text,
        };
        let first = self.notes.count() == 0;
        let taken = self.notes.take(&note);
        // The first note takes the place of the words that invite to it.
        if first || taken != Ok(false) {
            self.outdate();
        }
        // Whoever waits for the summary or reads it is not disturbed: the list says what is lost.
        if let Err(error) = taken
            && self.state == State::Notes
        {
            return self.show_error(Fault::Speech, &error);
        }
        let shown = matches!(self.state, State::Notes | State::Forgetting);
        self.redraw_if(shown && !self.looking_up)
    }

    pub(super) fn look_up(&mut self, may: bool) -> Actions {
        self.looking_up = may;
        self.redraw_if(may)
    }

    fn read(&mut self, readings: Readings) -> Actions {
        let changed = self.dashboard.readings != readings;
        self.dashboard.readings = readings;
        self.redraw_if(changed && self.looking_up)
    }
}
