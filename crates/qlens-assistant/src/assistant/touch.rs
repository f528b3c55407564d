//! What the wearer's hands do to the assistant: touches, and taking the glasses off and putting them on.

use qlens_board::{Direction, NoteStore};

use super::{Assistant, Entry, Fault, Progress, State};
use crate::action::{Action, Actions};
use crate::applications::menu::Menu;

impl<N: NoteStore> Assistant<N> {
    pub(super) fn tap(&mut self) -> Actions {
        match self.state {
            State::Idle if !self.answer().is_empty() => {
                self.ask.reader.show_first();
                self.go(State::Paging)
            }
            State::Answering | State::Paging | State::Summarizing | State::Summary => {
                self.turn_page(true)
            }
            State::Error if self.fault == Fault::Load => {
                self.loading = Progress::default();
                self.go(State::Loading).with(Action::Load)
            }
            State::Error => self.put_error_away(),
            State::Menu => self.open(self.menu.chosen()),
            State::Notes if self.notes.count() > 0 => {
                self.notes.summarize();
                self.outdate();
                self.go(State::Summarizing).union(self.prompt())
            }
            _ => Actions::NONE,
        }
    }

    pub(super) fn double_tap(&mut self) -> Actions {
        match self.state {
            State::Loading | State::Idle => Actions::NONE,
            State::Error if self.fault == Fault::Load => Actions::NONE,
            State::Error => self.put_error_away(),
            State::Summary | State::Forgetting => {
                self.outdate();
                self.go(State::Notes)
            }
            _ => {
                let cancel = self.cancel();
                self.go(State::Idle).union(cancel)
            }
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
        let forward = matches!(direction, Direction::Forward | Direction::Down);
        match self.state {
            State::Idle => {
                self.menu = Menu::new();
                self.go(State::Menu)
            }
            State::Menu => {
                let moved = self.menu.step(forward);
                self.redraw_if(moved)
            }
            State::Answering
            | State::Paging
            | State::Summarizing
            | State::Summary
            | State::Teleprompter => self.turn_page(forward),
            State::Notes => {
                let turned = self.turn_page(forward);
                if turned.is_empty() && forward && self.notes.count() > 0 {
                    return self.go(State::Forgetting);
                }
                turned
            }
            State::Forgetting => match direction {
                Direction::Up => self.forget(),
                Direction::Back => self.go(State::Notes),
                _ => Actions::NONE,
            },
            _ => Actions::NONE,
        }
    }

    fn turn_page(&mut self, forward: bool) -> Actions {
        let turned = match self.state {
            State::Notes => self.notes.reader.turn(forward),
            State::Summarizing | State::Summary => self.notes.summary.reader.turn(forward),
            State::Teleprompter => self.teleprompter.turn(forward),
            _ => self.ask.reader.turn(forward),
        };
        self.redraw_if(turned)
    }

    fn forget(&mut self) -> Actions {
        let cleared = self.notes.clear();
        self.outdate();
        let actions = self.go(State::Notes);
        match cleared {
            Ok(()) => actions,
            Err(error) => self.show_error(Fault::Speech, &error),
        }
    }

    /// Opens what was chosen.
    fn open(&mut self, entry: Entry) -> Actions {
        self.outdate();
        match entry {
            Entry::Ask => self.go(State::Listening),
            Entry::Translate => {
                self.translate.clear();
                self.go(State::Captions)
            }
            Entry::Notes => {
                let listed = self.notes.open();
                let actions = self.go(State::Notes);
                match listed {
                    Ok(()) => actions,
                    Err(error) => self.show_error(Fault::Speech, &error),
                }
            }
            Entry::Teleprompter => {
                self.teleprompter.open(self.ask.conversation.last_answer());
                self.go(State::Teleprompter)
            }
            Entry::Dashboard => {
                let actions = self.go(State::Idle);
                actions.union(self.look_up(true))
            }
        }
    }

    fn put_error_away(&mut self) -> Actions {
        self.outdate();
        self.go(self.back)
    }

    pub(super) fn remove(&mut self) -> Actions {
        if self.asleep {
            return Actions::NONE;
        }
        let cancel = self.cancel();
        // What is there to be read stays; whoever puts the glasses on again is not listened to unasked.
        if !matches!(
            self.state,
            State::Loading | State::Idle | State::Paging | State::Error | State::Teleprompter
        ) {
            self.state = State::Idle;
        }
        self.looking_up = false;
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
