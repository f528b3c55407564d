//! What the glasses do about what happens to them: a state machine of seven states. It has no clock,
//! does no input or output, and runs no model; see [`Actions`] for how its decisions leave it.
//!
//! | event          | loading | idle         | listening | thinking          | answering         | paging    | error              |
//! |----------------|---------|--------------|-----------|-------------------|-------------------|-----------|--------------------|
//! | Tap            | –       | last answer¹ | –         | –                 | next page         | next page | again² / idle      |
//! | `DoubleTap`    | –       | –            | idle      | cancel, idle      | cancel, idle      | idle      | –² / idle          |
//! | `LongPress`    | –       | listening    | listening | cancel, listening | cancel, listening | listening | –² / listening     |
//! | Swipe          | –       | –            | –         | –                 | page              | page      | –                  |
//! | Speech³        | –       | –            | thinking  | –                 | –                 | –         | –                  |
//! | `HeadUp`       | –       | dashboard    | –         | –                 | –                 | dashboard | dashboard          |
//! | Removed        | sleep   | sleep        | idle, sleep | cancel, idle, sleep | cancel, idle, sleep | sleep | sleep            |
//! | loading        | loading | –            | –         | –                 | –                 | –         | loading² / –       |
//! | ready          | idle    | –            | –         | –                 | –                 | –         | idle² / –          |
//! | progress       | –       | –            | –         | thinking          | –                 | –         | –                  |
//! | token          | –       | –⁴           | –⁴        | answering         | answering         | –⁴        | –⁴                 |
//! | stop           | –       | –⁴           | –⁴        | error⁵            | paging            | –⁴        | –⁴                 |
//! | error: load    | error   | error        | error     | error             | error             | error     | error              |
//! | error: generation | –    | –⁴           | –⁴        | error             | error             | –⁴        | –⁴                 |
//! | error: speech³ | –       | –            | error     | –                 | –                 | –         | –                  |
//!
//! –: nothing happens. ¹ If there is one. ² When the model could not be loaded: there is nothing else to
//! do but to try again. ³ Speech without a press is not for us; empty speech is waited out; speech longer
//! than [`QUESTION_BYTES`](crate::conversation::QUESTION_BYTES) is refused with an error page. ⁴ What a
//! cancelled generation still says is dropped, its end is noted, and only then does the next `Prompt` go
//! out. ⁵ It stopped without a word.
//! But if the context was full and there are older turns, the oldest is dropped and the question goes out
//! again; and if the stop is that of a generation that was cancelled before, the question goes out now.
//!
//! Whatever the state: `HeadDown` closes the dashboard, and so does a touch, which then does nothing else
//! unless it is a long press; Battery, Temperature and Ambient are noted, and redraw an open dashboard;
//! while the glasses are off, nothing but `Worn` and those three is listened to, and nothing is drawn.
//! A question taken back before its answer began leaves the conversation; an answer that was cancelled
//! midway stays in it as far as it came.

mod state;
mod touch;

use core::fmt::{self, Write as _};

use embedded_graphics::geometry::Size;
use heapless::String;
use qlens::chat::Chat;
pub use qlens::session::Stop;
use qlens_board::{SensorEvent, SensorKind};

use crate::action::{Action, Actions};
use crate::conversation::{Conversation, Error};
use crate::hud::Geometry;
use crate::layout::Pages;
use crate::typeface::Typeface;
pub use state::{Fault, Progress, Readings, State};

/// Longest model name that is shown, in bytes of UTF-8. Longer ones are cut.
pub const MODEL_NAME_BYTES: usize = 64;
/// Longest sentence on an error page, in bytes of UTF-8. Longer ones are cut.
pub const SENTENCE_BYTES: usize = 256;

/// Whether a generation is under way outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Engine {
    /// None is: a prompt may go out.
    Free,
    /// One is, and its tokens are wanted.
    Running,
    /// One was cancelled, and its end has not been reported.
    Stopping,
}

/// The state machine. About 20 KiB, most of it text: put it in a `static`, not on a stack.
#[derive(Debug)]
pub struct Assistant {
    state: State,
    engine: Engine,
    asleep: bool,
    dashboard: bool,
    now_us: u64,
    conversation: Conversation,
    pages: Pages,
    /// The page that is looked at.
    page: usize,
    /// Why the last answer ended, if it did.
    ended: Option<Stop>,
    prefill: Progress,
    loading: Progress,
    model_name: String<MODEL_NAME_BYTES>,
    fault: Fault,
    sentence: String<SENTENCE_BYTES>,
    readings: Readings,
    wall_origin: Option<u64>,
    /// Counts what made everything that is shown out of date.
    content: u32,
}

impl Assistant {
    /// An assistant that waits for its model, for a display of `display` pixels.
    pub const fn new(display: Size) -> Self {
        Self {
            state: State::Loading,
            engine: Engine::Free,
            asleep: false,
            dashboard: false,
            now_us: 0,
            conversation: Conversation::new(),
            pages: Pages::new(Geometry::new(display).page()),
            page: 0,
            ended: None,
            prefill: Progress { done: 0, total: 0 },
            loading: Progress { done: 0, total: 0 },
            model_name: String::new(),
            fault: Fault::Load,
            sentence: String::new(),
            readings: Readings {
                battery_percent: None,
                charging: false,
                celsius: None,
            },
            wall_origin: None,
            content: 0,
        }
    }

    /// Sets the system prompt, or with `None` leaves it to the model's own template.
    ///
    /// # Errors
    /// [`Error::SystemTooLong`]; the old one then stays.
    pub fn set_system(&mut self, system: Option<&str>) -> Result<(), Error> {
        self.conversation.set_system(system)
    }

    /// Sets the time of day at application time zero, in seconds since 1970-01-01; `None` if nobody knows.
    pub fn set_wall_origin(&mut self, seconds: Option<u64>) {
        self.wall_origin = seconds;
    }

    /// The time of day at application time zero, in seconds since 1970-01-01.
    pub const fn wall_origin(&self) -> Option<u64> {
        self.wall_origin
    }

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
        if let Err(error) = self.conversation.ask(text) {
            return self.show_error(Fault::Speech, &error);
        }
        self.prefill = Progress::default();
        self.ended = None;
        self.relayout();
        let actions = self.go(State::Thinking);
        if self.engine == Engine::Free {
            self.engine = Engine::Running;
            actions.with(Action::Prompt)
        } else {
            actions
        }
    }

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
            self.content = self.content.wrapping_add(1);
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
        if self.state != State::Thinking || self.engine != Engine::Running {
            return Actions::NONE;
        }
        let changed = self.prefill.percent() != progress.percent();
        self.prefill = progress;
        self.redraw_if(changed)
    }

    /// The answer goes on with `text`, whole characters, possibly none.
    ///
    /// An answer that becomes longer than [`ANSWER_BYTES`](crate::conversation::ANSWER_BYTES) or
    /// [`MAX_PAGES`](crate::layout::MAX_PAGES) is cancelled there and can be read as far as it came.
    pub fn on_token(&mut self, text: &str) -> Actions {
        if self.engine != Engine::Running || text.is_empty() {
            return Actions::NONE;
        }
        let following = self.page + 1 == self.pages.count();
        let room = self.conversation.answer(text).is_ok();
        let paged = self
            .pages
            .extend(self.conversation.last_answer(), &Typeface)
            .is_ok();
        if following {
            self.page = self.pages.count() - 1;
        }
        if room && paged {
            if self.state == State::Answering {
                return self.redraw_if(true);
            }
            return self.go(State::Answering);
        }
        self.engine = Engine::Stopping;
        self.ended = Some(Stop::MaxTokens);
        self.go(State::Paging).with(Action::Cancel)
    }

    /// The generation ended.
    pub fn on_stop(&mut self, stop: Stop) -> Actions {
        match self.engine {
            Engine::Free => Actions::NONE,
            Engine::Stopping => self.stopped_at_last(),
            Engine::Running => {
                if self.state == State::Answering {
                    self.engine = Engine::Free;
                    self.ended = Some(stop);
                    return self.go(State::Paging);
                }
                if stop == Stop::ContextFull && self.conversation.drop_oldest() {
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
    /// Whatever failed, the conversation stays, but for a question whose answer never began.
    pub fn on_error(&mut self, fault: Fault, sentence: &dyn fmt::Display) -> Actions {
        match fault {
            Fault::Load => {
                self.engine = Engine::Free;
                if self.state == State::Thinking {
                    self.take_back();
                }
                self.show_error(fault, sentence)
            }
            Fault::Generation => match self.engine {
                Engine::Free => Actions::NONE,
                Engine::Stopping => self.stopped_at_last(),
                Engine::Running => {
                    self.engine = Engine::Free;
                    if self.state == State::Thinking {
                        self.take_back();
                    }
                    self.show_error(fault, sentence)
                }
            },
            Fault::Speech if self.state == State::Listening => self.show_error(fault, sentence),
            Fault::Speech => Actions::NONE,
        }
    }

    /// The conversation as the session is to hold it: the system prompt, if one was set, and all turns
    /// that are remembered. Borrows the texts.
    pub fn chat(&self) -> Chat<'_> {
        self.conversation.chat()
    }

    /// Forgets the oldest turn because the model's context is too small for [`chat`](Self::chat).
    ///
    /// Returns `false` if only the question itself is left: then it alone is too long, which is to be
    /// reported by [`on_error`](Self::on_error).
    pub fn drop_oldest_turn(&mut self) -> bool {
        self.conversation.drop_oldest()
    }

    /// What the assistant is doing.
    pub const fn state(&self) -> State {
        self.state
    }

    /// Whether the glasses are off: the display is to be dark.
    pub const fn asleep(&self) -> bool {
        self.asleep
    }

    /// Whether the dashboard covers what else would be shown.
    pub const fn dashboard(&self) -> bool {
        self.dashboard
    }

    /// The latest time that any event had, in microseconds.
    pub const fn now_us(&self) -> u64 {
        self.now_us
    }

    /// The turns that are remembered.
    pub const fn conversation(&self) -> &Conversation {
        &self.conversation
    }

    /// The question that is being answered or was answered last; empty if there is none.
    pub fn question(&self) -> &str {
        self.conversation.last_question()
    }

    /// Its answer as far as it has come; empty if there is none.
    pub fn answer(&self) -> &str {
        self.conversation.last_answer()
    }

    /// The pages of the answer.
    pub const fn pages(&self) -> &Pages {
        &self.pages
    }

    /// The page that is looked at, from 0, always below the count.
    pub const fn page(&self) -> usize {
        self.page
    }

    /// Why the answer ended; `None` as long as it goes on, or if it was cancelled.
    pub const fn ended(&self) -> Option<Stop> {
        self.ended
    }

    /// Tokens of the prompt that the model has read.
    pub const fn prefill(&self) -> Progress {
        self.prefill
    }

    /// Bytes of the model that are loaded.
    pub const fn loading(&self) -> Progress {
        self.loading
    }

    /// Name of the model, as the loader gave it, possibly cut.
    pub fn model_name(&self) -> &str {
        &self.model_name
    }

    /// What the sentence of the error page is about.
    pub const fn fault(&self) -> Fault {
        self.fault
    }

    /// The sentence of the error page.
    pub fn sentence(&self) -> &str {
        &self.sentence
    }

    /// What the sensors said last.
    pub const fn readings(&self) -> Readings {
        self.readings
    }

    /// Changes whenever a page that was shown before is out of date as a whole, and not only longer: a
    /// picture of the same state and content need not be drawn anew.
    pub const fn content(&self) -> u32 {
        self.content
    }

    fn read(&mut self, readings: Readings) -> Actions {
        let changed = self.readings != readings;
        self.readings = readings;
        self.redraw_if(changed && self.dashboard)
    }

    /// Ends what is being generated, if anything is. The caller sets the state.
    fn cancel(&mut self) -> Actions {
        if self.state == State::Thinking {
            self.take_back();
        }
        if self.engine != Engine::Running {
            return Actions::NONE;
        }
        self.engine = Engine::Stopping;
        Actions::from(Action::Cancel)
    }

    /// The end of a cancelled generation arrived: a question that waited for it can go.
    fn stopped_at_last(&mut self) -> Actions {
        if self.state == State::Thinking {
            self.engine = Engine::Running;
            return Actions::from(Action::Prompt);
        }
        self.engine = Engine::Free;
        Actions::NONE
    }

    /// Forgets the newest question; what is shown is again the answer before it.
    fn take_back(&mut self) {
        self.conversation.take_back();
        self.ended = None;
        self.relayout();
    }

    fn relayout(&mut self) {
        self.content = self.content.wrapping_add(1);
        self.page = 0;
        self.pages.clear();
        // An answer that was too long once is as long as it was then.
        let _ = self
            .pages
            .extend(self.conversation.last_answer(), &Typeface);
    }

    fn show_error(&mut self, fault: Fault, sentence: &dyn fmt::Display) -> Actions {
        self.fault = fault;
        self.content = self.content.wrapping_add(1);
        self.sentence.clear();
        let _ = Sentence(&mut self.sentence).write_fmt(format_args!("{sentence}"));
        // The errors' own words begin small and end without a stop, to be quoted in others.
        if let Some(first) = self.sentence.get_mut(..1) {
            first.make_ascii_uppercase();
        }
        if self.sentence.ends_with(|last: char| last.is_alphanumeric()) {
            let _ = self.sentence.push('.');
        }
        self.go(State::Error)
    }

    fn load_failed(&self) -> bool {
        self.state == State::Error && self.fault == Fault::Load
    }

    fn go(&mut self, state: State) -> Actions {
        self.state = state;
        self.dashboard = false;
        self.redraw_if(true)
    }

    fn redraw_if(&self, changed: bool) -> Actions {
        if changed && !self.asleep {
            Actions::from(Action::Draw)
        } else {
            Actions::NONE
        }
    }
}

/// The longest head of `text` that has at most `bytes` bytes and ends with a whole character.
fn cut(text: &str, bytes: usize) -> &str {
    &text[..text.floor_char_boundary(bytes)]
}

/// Writes as much of a sentence as there is room for; the rest is lost, which is better than the whole.
struct Sentence<'s>(&'s mut String<SENTENCE_BYTES>);

impl fmt::Write for Sentence<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let room = self.0.capacity() - self.0.len();
        self.0.push_str(cut(text, room)).map_err(|_| fmt::Error)
    }
}
