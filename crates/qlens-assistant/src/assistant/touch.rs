//! What the wearer's hands do to the assistant: touches, and taking the glasses off and putting them on.

use qlens_board::Direction;

use super::{Assistant, Fault, Progress, State};
use crate::action::{Action, Actions};

impl Assistant {
    pub(super) fn tap(&mut self) -> Actions {
        match self.state {
            State::Idle if !self.answer().is_empty() => {
                self.ask.reader.show_first();
                self.go(State::Paging)
            }
            State::Answering | State::Paging => self.turn_page(true),
            State::Error if self.fault == Fault::Load => {
                self.loading = Progress::default();
                self.go(State::Loading).with(Action::Load)
            }
            State::Error => self.go(State::Idle),
            _ => Actions::NONE,
        }
    }

    pub(super) fn double_tap(&mut self) -> Actions {
        match self.state {
            State::Listening | State::Paging => self.go(State::Idle),
            State::Thinking | State::Answering => {
                let cancel = self.cancel();
                self.go(State::Idle).union(cancel)
            }
            State::Error if self.fault != Fault::Load => self.go(State::Idle),
            _ => Actions::NONE,
        }
    }

    pub(super) fn long_press(&mut self) -> Actions {
        match self.state {
            State::Loading => Actions::NONE,
            State::Error if self.fault == Fault::Load => Actions::NONE,
            _ => {
                let cancel = self.cancel();
                self.go(State::Listening).union(cancel)
            }
        }
    }

    pub(super) fn swipe(&mut self, direction: Direction) -> Actions {
        match self.state {
            State::Answering | State::Paging => {
                self.turn_page(matches!(direction, Direction::Forward | Direction::Down))
            }
            _ => Actions::NONE,
        }
    }

    fn turn_page(&mut self, forward: bool) -> Actions {
        let changed = self.ask.reader.turn(forward);
        self.redraw_if(changed)
    }

    pub(super) fn remove(&mut self) -> Actions {
        if self.asleep {
            return Actions::NONE;
        }
        let cancel = self.cancel();
        if matches!(
            self.state,
            State::Listening | State::Thinking | State::Answering
        ) {
            self.state = State::Idle;
        }
        self.dashboard = false;
        self.asleep = true;
        cancel.with(Action::Sleep)
    }

    pub(super) fn wear(&mut self) -> Actions {
        if !self.asleep {
            return Actions::NONE;
        }
        self.asleep = false;
        Actions::from(Action::Wake).with(Action::Draw)
    }
}
