//! What the glasses do about what happens to them: a state machine. It has no clock, does no input or
//! output, and runs no model; see [`Actions`] for how its decisions leave it. What it decides about are the
//! [`applications`](crate::applications); Ask is the one that a long press opens from anywhere.
//!
//! | event          | loading | idle         | listening | thinking          | answering         | paging    | error              |
//! |----------------|---------|--------------|-----------|-------------------|-------------------|-----------|--------------------|
//! | Tap            | –       | last answer¹ | –         | –                 | next page         | next page | again² / back⁶     |
//! | `DoubleTap`    | –       | –            | idle      | cancel, idle      | cancel, idle      | idle      | –² / back⁶         |
//! | `LongPress`    | –       | listening    | listening | cancel, listening | cancel, listening | listening | –² / listening     |
//! | Swipe          | –       | menu         | –         | –                 | page              | page      | –                  |
//! | Speech³        | –       | –            | thinking  | –                 | –                 | –         | –                  |
//! | `HeadUp`       | –       | dashboard    | –         | –                 | –                 | dashboard | dashboard          |
//! | Lost           | –       | –            | error     | –                 | –                 | –         | –                  |
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
//! | event          | menu         | captions     | translating | notes        | summarizing      | summary     | forgetting      | teleprompter |
//! |----------------|--------------|--------------|-------------|--------------|------------------|-------------|-----------------|--------------|
//! | Tap            | opens it     | –            | –           | summarizing¹ | next page        | next page   | –               | –            |
//! | `DoubleTap`    | idle         | idle         | cancel, idle | idle        | cancel, idle     | notes       | notes           | idle         |
//! | `LongPress`    | listening    | listening    | cancel, listening | listening | cancel, listening | listening | listening       | listening    |
//! | Swipe          | moves        | –            | –           | page⁷        | page             | page        | back: notes, up: forgets, notes | page |
//! | Speech         | –            | translating  | waits⁸      | noted        | noted            | noted       | noted           | follows⁹     |
//! | `HeadUp`       | dashboard    | –            | –           | dashboard    | –                | dashboard   | dashboard       | –            |
//! | Lost           | –            | told¹⁰       | told¹⁰      | told¹⁰       | –                | –           | –               | told¹⁰       |
//! | Removed        | idle, sleep  | idle, sleep  | cancel, idle, sleep | idle, sleep | cancel, idle, sleep | idle, sleep | idle, sleep | sleep        |
//! | progress       | –            | –            | –           | –            | summarizing      | –           | –               | –            |
//! | token          | –⁴           | –⁴           | translating | –⁴           | summarizing      | –⁴          | –⁴              | –⁴           |
//! | stop           | –⁴           | –⁴           | captions⁸   | –⁴           | summary, error⁵  | –⁴          | –⁴              | –⁴           |
//! | error: load    | error        | error        | error       | error        | error            | error       | error           | error        |
//! | error: generation | –⁴        | –⁴           | captions⁸   | –⁴           | error⁶           | –⁴          | –⁴              | –⁴           |
//! | error: speech  | –            | counted      | counted     | counted      | counted          | counted     | counted         | –            |
//!
//! –: nothing happens. ¹ If there is one. ² When the model could not be loaded: there is nothing else to
//! do but to try again. ³ Speech without a press is not for us; empty speech is waited out; speech longer
//! than [`QUESTION_BYTES`](crate::conversation::QUESTION_BYTES) is refused with an error page. ⁴ What a
//! cancelled generation still says is dropped, its end is noted, and only then does the next `Prompt` go
//! out. ⁵ It stopped without a word.
//! But if the context was full and there are older turns, or notes, the oldest is dropped and the question
//! goes out again; and if the stop is that of a generation that was cancelled before, the question goes out
//! now. ⁶ To the notes if it was about them, else to idle. A note that its store refuses is an error page
//! over the list, and counted elsewhere. ⁷ A swipe beyond the last page asks whether to forget all notes.
//! ⁸ What waits goes next; of too many the oldest is dropped and counted. A caption without a translation,
//! because the model failed or said nothing, is what was said: there is no error page over captions.
//! ⁹ If it is what comes next in the text: that is dim then, and the page turns at its end.
//! ¹⁰ The last line says so until a sensor says something again.
//!
//! A touchpad may tell of a tap before it tells that it was the first half of a double-tap. So a tap does
//! nothing that a double-tap after it does not take back: it turns a page, opens what the double-tap leaves
//! again, or asks for a summary that the double-tap cancels; it never forgets notes.
//!
//! Whatever the state: `HeadDown` closes the dashboard, and so does a touch, which then does nothing else
//! unless it is a long press; Battery, Temperature and Ambient are noted, and redraw an open dashboard;
//! while the glasses are off, nothing but `Worn` and those three is listened to, and nothing is drawn. What
//! is there to be read is there again when they are worn; what listens is not. A mark changes nothing.
//! A question taken back before its answer began leaves the conversation; an answer that was cancelled
//! midway stays in it as far as it came.

mod access;
mod events;
mod model;
mod sheet;
mod state;
mod touch;

use core::fmt::{self, Write as _};

use embedded_graphics::geometry::Size;
use heapless::String;
use qlens::chat::Chat;
pub use qlens::session::Stop;
use qlens_board::NoteStore;

use crate::action::{Action, Actions};
use crate::applications::ask::Ask;
use crate::applications::dashboard::Dashboard;
pub use crate::applications::dashboard::{Readings, TimeOfDay};
pub use crate::applications::menu::Entry;
use crate::applications::menu::Menu;
use crate::applications::notes::{Notes, Store};
use crate::applications::teleprompter::{ScriptTooLong, Teleprompter};
use crate::applications::translate::Translate;
use crate::conversation::Error;
use crate::hud::Geometry;
pub use sheet::Sheet;
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

/// The state machine. About 70 KiB, most of it text: put it in a `static`, not on a stack.
///
/// `N` is where notes are kept.
#[derive(Debug)]
pub struct Assistant<N = Store> {
    state: State,
    engine: Engine,
    asleep: bool,
    /// Whether the dashboard is open.
    looking_up: bool,
    /// Whether the sensors fell silent and nothing came of them since.
    silent: bool,
    now_us: u64,
    ask: Ask,
    menu: Menu,
    translate: Translate,
    notes: Notes<N>,
    teleprompter: Teleprompter,
    dashboard: Dashboard,
    /// The time of day that was shown last, if the dashboard was open.
    time: Option<TimeOfDay>,
    prefill: Progress,
    loading: Progress,
    model_name: String<MODEL_NAME_BYTES>,
    fault: Fault,
    /// Where an error page that is put away leads.
    back: State,
    sentence: String<SENTENCE_BYTES>,
    /// Counts what made everything that is shown out of date.
    content: u32,
}

impl Assistant {
    /// An assistant that waits for its model, for a display of `display` pixels. Its notes are in RAM.
    pub const fn new(display: Size) -> Self {
        Self::with_notes(display, Store::new())
    }
}

impl<N> Assistant<N> {
    /// An assistant that waits for its model, for a display of `display` pixels, and keeps notes in `store`.
    pub const fn with_notes(display: Size, store: N) -> Self {
        let page = Geometry::new(display).page();
        Self {
            state: State::Loading,
            engine: Engine::Free,
            asleep: false,
            looking_up: false,
            silent: false,
            now_us: 0,
            ask: Ask::new(page),
            menu: Menu::new(),
            translate: Translate::new(),
            notes: Notes::new(page, store),
            teleprompter: Teleprompter::new(page),
            dashboard: Dashboard::new(),
            time: None,
            prefill: Progress { done: 0, total: 0 },
            loading: Progress { done: 0, total: 0 },
            model_name: String::new(),
            fault: Fault::Load,
            back: State::Idle,
            sentence: String::new(),
            content: 0,
        }
    }

    /// Sets the system prompt of Ask, or with `None` leaves it to the model's own template.
    ///
    /// # Errors
    /// [`Error::SystemTooLong`]; the old one then stays.
    pub fn set_system(&mut self, system: Option<&str>) -> Result<(), Error> {
        self.ask.conversation.set_system(system)
    }

    /// Gives the teleprompter its text; none if it is blank. Without one it takes the last answer.
    ///
    /// # Errors
    /// [`ScriptTooLong`]; the old one then stays.
    pub fn set_script(&mut self, text: &str) -> Result<(), ScriptTooLong> {
        self.outdate();
        self.teleprompter.set_script(text)
    }

    /// Says what time it is: `unix_s` seconds since 1970-01-01, of the place where the glasses are worn, when
    /// the time of events was zero; `None` if nobody knows. An open dashboard shows it with the next event.
    pub fn set_wall_origin(&mut self, unix_s: Option<u64>) {
        self.dashboard.wall_origin = unix_s;
    }

    /// What the session is to hold, for the generation that is wanted. Of Ask it is the conversation: the
    /// system prompt, if one was set, and all turns that are remembered. Of Translate it is one utterance, of
    /// Notes their list, each with instructions of its own. Borrows the texts.
    pub fn chat(&self) -> Chat<'_> {
        match self.state {
            State::Translating => self.translate.chat(),
            State::Summarizing => self.notes.chat(),
            _ => self.ask.conversation.chat(),
        }
    }

    /// Forgets the oldest turn because the model's context is too small for [`chat`](Self::chat); of notes,
    /// leaves the oldest one out.
    ///
    /// Returns `false` if only the question itself is left: then it alone is too long, which is to be
    /// reported by [`on_error`](Self::on_error).
    pub fn drop_oldest_turn(&mut self) -> bool
    where
        N: NoteStore,
    {
        match self.state {
            State::Translating => false,
            State::Summarizing => self.notes.skip_oldest(),
            _ => self.ask.conversation.drop_oldest(),
        }
    }

    fn show_error(&mut self, fault: Fault, sentence: &dyn fmt::Display) -> Actions {
        self.fault = fault;
        self.back = if self.state.is_of_notes() {
            State::Notes
        } else {
            State::Idle
        };
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
        self.looking_up = false;
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
