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

mod access;
mod events;
mod model;
mod state;
mod touch;

use core::fmt::{self, Write as _};

use embedded_graphics::geometry::Size;
use heapless::String;
use qlens::chat::Chat;
pub use qlens::session::Stop;

use crate::action::{Action, Actions};
use crate::applications::ask::Ask;
pub use crate::applications::dashboard::Readings;
use crate::conversation::Error;
use crate::hud::Geometry;
pub use state::{Fault, Progress, State};

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
    ask: Ask,
    prefill: Progress,
    loading: Progress,
    model_name: String<MODEL_NAME_BYTES>,
    fault: Fault,
    sentence: String<SENTENCE_BYTES>,
    readings: Readings,
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
            ask: Ask::new(Geometry::new(display).page()),
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
            content: 0,
        }
    }

    /// Sets the system prompt, or with `None` leaves it to the model's own template.
    ///
    /// # Errors
    /// [`Error::SystemTooLong`]; the old one then stays.
    pub fn set_system(&mut self, system: Option<&str>) -> Result<(), Error> {
        self.ask.conversation.set_system(system)
    }

    /// The conversation as the session is to hold it: the system prompt, if one was set, and all turns
    /// that are remembered. Borrows the texts.
    pub fn chat(&self) -> Chat<'_> {
        self.ask.conversation.chat()
    }

    /// Forgets the oldest turn because the model's context is too small for [`chat`](Self::chat).
    ///
    /// Returns `false` if only the question itself is left: then it alone is too long, which is to be
    /// reported by [`on_error`](Self::on_error).
    pub fn drop_oldest_turn(&mut self) -> bool {
        self.ask.conversation.drop_oldest()
    }

    fn show_error(&mut self, fault: Fault, sentence: &dyn fmt::Display) -> Actions {
        self.fault = fault;
        self.outdate();
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

    /// What was shown is out of date as a whole.
    fn outdate(&mut self) {
        self.content = self.content.wrapping_add(1);
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
