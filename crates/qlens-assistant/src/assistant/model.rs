//! What comes of the model: its loading, and the generations that it is asked for. At most one runs.

use core::fmt;

use qlens_board::NoteStore;

use super::{Assistant, Engine, Fault, MODEL_NAME_BYTES, Progress, State, Stop, cut};
use crate::action::{Action, Actions};

impl<N: NoteStore> Assistant<N> {
    /// `progress` bytes of the model named `name` are in memory.
    pub fn on_loading(&mut self, name: &str, progress: Progress) -> Actions {
        let retrying = self.load_failed();
        if self.state != State::Loading && !retrying {
            return Actions::NONE;
        }
        let changed = retrying
            || self.loading.percent() != progress.percent()
            || self.loading.total != progress.total
            || self.model_name != cut(name, MODEL_NAME_BYTES);
        self.loading = progress;
        let name = cut(name, MODEL_NAME_BYTES);
        if self.model_name != name {
            self.outdate();
            self.model_name.clear();
            let _ = self.model_name.push_str(name);
        }
        if retrying {
            return self.go(State::Loading);
        }
        self.redraw_if(changed)
    }

    /// The model is loaded and a session can be had.
    pub fn on_ready(&mut self) -> Actions {
        if self.state == State::Loading || self.load_failed() {
            return self.go(State::Idle);
        }
        Actions::NONE
    }

    /// So many of the prompt's tokens were read by the model.
    pub fn on_progress(&mut self, progress: Progress) -> Actions {
        if !self.is_thinking() || self.engine != Engine::Running {
            return Actions::NONE;
        }
        let changed = self.prefill.percent() != progress.percent();
        self.prefill = progress;
        self.redraw_if(changed)
    }

    /// The answer goes on with `text`, whole characters, possibly none.
    ///
    /// An answer that becomes longer than [`ANSWER_BYTES`](crate::conversation::ANSWER_BYTES) or
    /// [`MAX_PAGES`](crate::layout::MAX_PAGES) is cancelled there and can be read as far as it came; so are
    /// captions and summaries, which are shorter.
    pub fn on_token(&mut self, text: &str) -> Actions {
        if self.engine != Engine::Running || text.is_empty() {
            return Actions::NONE;
        }
        let more = match self.state {
            State::Translating => self.translate.grow(text),
            State::Summarizing => self.notes.grow(text),
            _ => self.ask.answer(text),
        };
        if more {
            return match self.state {
                State::Thinking => self.go(State::Answering),
                _ => self.redraw_if(true),
            };
        }
        self.engine = Engine::Stopping;
        self.end(Stop::MaxTokens).with(Action::Cancel)
    }

    /// What was generated has come as far as it will.
    fn end(&mut self, stop: Stop) -> Actions {
        match self.state {
            State::Translating => {
                self.translate.finish();
                match self.translate.next_waiting() {
                    Some(utterance) => self.translate(&utterance),
                    None => self.go(State::Captions),
                }
            }
            State::Summarizing => {
                self.notes.summary.ended = Some(stop);
                self.go(State::Summary)
            }
            _ => {
                self.ask.ended = Some(stop);
                self.go(State::Paging)
            }
        }
    }

    /// Whether what is being generated has a word already, or can be shown without.
    fn has_begun(&self) -> bool {
        match self.state {
            State::Thinking => false,
            State::Summarizing => !self.notes.summary().is_empty(),
            _ => true,
        }
    }

    /// The generation ended.
    pub fn on_stop(&mut self, stop: Stop) -> Actions {
        match self.engine {
            Engine::Free => Actions::NONE,
            Engine::Stopping => self.stopped_at_last(),
            Engine::Running if self.has_begun() => {
                self.engine = Engine::Free;
                self.end(stop)
            }
            Engine::Running => {
                if stop == Stop::ContextFull && self.drop_oldest_turn() {
                    return Actions::from(Action::Prompt);
                }
                self.engine = Engine::Free;
                self.take_back();
                self.show_error(
                    Fault::Generation,
                    &match stop {
                        Stop::EndOfTurn => "The model had nothing to say",
                        Stop::MaxTokens => "The answer may have no tokens at all",
                        Stop::ContextFull => "The question leaves no room for an answer",
                        Stop::Cancelled => "The answer was cancelled",
                        Stop::Deadline => "The answer took too long to begin",
                    },
                )
            }
        }
    }

    /// Something failed; `sentence` says what was wrong in words for the user, without a full stop.
    ///
    /// Whatever failed, the conversation stays, but for a question whose answer never began. An utterance
    /// that could not be translated costs its caption, not the page.
    pub fn on_error(&mut self, fault: Fault, sentence: &dyn fmt::Display) -> Actions {
        match fault {
            Fault::Load => {
                self.engine = Engine::Free;
                self.take_back();
                self.show_error(fault, sentence)
            }
            Fault::Generation => match self.engine {
                Engine::Free => Actions::NONE,
                Engine::Stopping => self.stopped_at_last(),
                Engine::Running => {
                    self.engine = Engine::Free;
                    if self.state == State::Translating {
                        return self.end(Stop::Cancelled);
                    }
                    self.take_back();
                    self.show_error(fault, sentence)
                }
            },
            Fault::Speech => match self.state {
                State::Listening => self.show_error(fault, sentence),
                State::Captions | State::Translating => {
                    self.translate.miss();
                    self.redraw_if(true)
                }
                state if state.is_of_notes() => {
                    self.notes.refuse();
                    self.redraw_if(state == State::Notes && !self.looking_up)
                }
                _ => Actions::NONE,
            },
        }
    }

    /// Begins a generation, or lets it begin when the end of the one that was cancelled is reported.
    pub(super) fn prompt(&mut self) -> Actions {
        self.prefill = Progress::default();
        if self.engine == Engine::Free {
            self.engine = Engine::Running;
            return Actions::from(Action::Prompt);
        }
        Actions::NONE
    }

    /// Ends what is being generated, if anything is. The caller sets the state.
    pub(super) fn cancel(&mut self) -> Actions {
        self.take_back();
        if self.engine != Engine::Running {
            return Actions::NONE;
        }
        self.engine = Engine::Stopping;
        Actions::from(Action::Cancel)
    }

    /// The end of a cancelled generation arrived: a question that waited for it can go.
    fn stopped_at_last(&mut self) -> Actions {
        if matches!(
            self.state,
            State::Thinking | State::Translating | State::Summarizing
        ) {
            self.engine = Engine::Running;
            return Actions::from(Action::Prompt);
        }
        self.engine = Engine::Free;
        Actions::NONE
    }

    /// Forgets a question whose answer never began; what is shown is again the answer before it.
    fn take_back(&mut self) {
        if self.state == State::Thinking {
            self.ask.take_back();
            self.outdate();
        }
    }
}
