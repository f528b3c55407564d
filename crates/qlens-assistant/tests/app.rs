//! The application whole, on fakes of a board and a small random model: what a tool sees on the report
//! channel, with every fault that a board can have.

use std::cell::RefCell;
use std::convert::Infallible;
use std::rc::Rc;

use embedded_graphics::geometry::Size;
use embedded_io::{ErrorType, Write};
use qlens::KvType;
use qlens::chat::Chat;
use qlens::model::Model;
use qlens::plan::{Limits, Plan};
use qlens::sampler::Sampler;
use qlens::session::Session;
use qlens::workers::Inline;
use qlens_assistant::app::{App, Context, Memory, Ports, Settings};
use qlens_assistant::pace::FIRST_WORD_US;
use qlens_assistant::{Assistant, State};
use qlens_board::fake::{FakeClock, FakeDisplay, FakePower, FakeStore, StoreFault};
use qlens_board::memory::Region;
use qlens_board::queue::EventSink;
use qlens_board::sha256::Sha256;
use qlens_board::{
    Clock, MemoryMap, SensorEvent, SensorKind, SensorSource, Span, StoreError, Usage,
};

const MIB: u64 = 1 << 20;
const START: u64 = 0x4000_0000;
const DISPLAY: Size = Size::new(240, 160);
const PIXELS: usize = 240 * 160;

const SETTINGS: Settings = Settings {
    context: Context::AtMost(256),
    batch: 16,
    max_tokens: 12,
    draft: 3,
    kv: KvType::F16,
    first_word_us: FIRST_WORD_US,
    replay: false,
};

fn fixture() -> Vec<u8> {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../qlens/tests/data/qwen2-q8_0.gguf"
    );
    std::fs::read(path).expect("the fixture is in the repository")
}

/// The report channel, which the test and the wearer both read.
#[derive(Clone, Default)]
struct Lines(Rc<RefCell<Vec<u8>>>);

impl Lines {
    fn all(&self) -> Vec<String> {
        let text = String::from_utf8_lossy(&self.0.borrow()).into_owned();
        text.lines().map(str::to_string).collect()
    }

    fn count(&self, line: &str) -> usize {
        self.all()
            .iter()
            .filter(|l| l.split(' ').zip(line.split(' ')).all(|(a, b)| a == b))
            .count()
    }
}

impl ErrorType for Lines {
    type Error = Infallible;
}

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> Result<usize, Infallible> {
        self.0.borrow_mut().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> Result<(), Infallible> {
        Ok(())
    }
}

/// A wearer who waits for a line of the report, for the nth time, and then does something.
struct Wearer {
    lines: Lines,
    script: Vec<(&'static str, usize, SensorKind)>,
}

impl SensorSource for Wearer {
    fn poll(&mut self, now_us: u64, events: &mut dyn EventSink) {
        while let Some((line, times, kind)) = self.script.first()
            && self.lines.count(line) >= *times
        {
            events.push(SensorEvent::new(now_us, kind.clone()));
            self.script.remove(0);
        }
    }
}

fn says(text: &str) -> SensorKind {
    SensorKind::speech(text).expect("short")
}

/// Whether the display is on, as the test sees it after the run.
struct Outcome {
    lines: Vec<String>,
    console: Vec<u8>,
    state: State,
    asleep: bool,
    lit: usize,
    reads: usize,
    idles: usize,
}

impl Outcome {
    fn starting(&self, word: &str) -> Vec<&str> {
        let lines = self.lines.iter().map(String::as_str);
        lines
            .filter(|line| line.split(' ').next() == Some(word))
            .collect()
    }

    fn numbers(line: &str) -> Vec<u32> {
        line.split(' ')
            .skip(1)
            .map(|n| n.parse().unwrap())
            .collect()
    }

    fn tokens(&self) -> Vec<u32> {
        let lines = self.starting("token");
        lines.into_iter().flat_map(Self::numbers).collect()
    }
}

struct Run<'s> {
    settings: Settings,
    ram: u64,
    system: Option<&'static str>,
    script: Vec<(&'static str, usize, SensorKind)>,
    /// Called before each look at whether to go on, so that a test can mend a fault.
    store: FakeStore<'s>,
    /// The fault is gone after this many reads.
    mended_after: usize,
}

/// A store that mends itself.
struct Mending<'s>(FakeStore<'s>, usize);

impl qlens_board::ModelStore for Mending<'_> {
    fn info(&mut self) -> Result<qlens_board::ModelInfo, StoreError> {
        let info = self.0.info();
        if self.0.fault == StoreFault::NoModel {
            self.tried();
        }
        info
    }

    fn read(
        &mut self,
        into: &mut [u8],
        arrived: &mut dyn FnMut(&[u8]) -> qlens_board::store::Flow,
    ) -> Result<(), StoreError> {
        let outcome = self.0.read(into, arrived);
        self.tried();
        outcome
    }
}

impl Mending<'_> {
    fn tried(&mut self) {
        self.1 = self.1.saturating_sub(1);
        if self.1 == 0 {
            self.0.fault = StoreFault::None;
        }
    }
}

impl<'s> Run<'s> {
    fn new(model: &'s [u8]) -> Self {
        let mut store = FakeStore::new("tiny.gguf", model);
        store.piece = 256 * 1024;
        Self {
            settings: SETTINGS,
            ram: 8 * MIB,
            system: None,
            script: Vec::new(),
            store,
            mended_after: 1,
        }
    }

    fn go(self) -> Outcome {
        let lines = Lines::default();
        let console = Lines::default();
        let clock = FakeClock::at(0);
        let mut assistant = Box::new(Assistant::new(DISPLAY));
        assistant.set_system(self.system).expect("short");
        let mut store = Mending(self.store, self.mended_after);
        let regions = [Region {
            usage: Usage::Model,
            start: START,
            size: None,
        }];
        let mut ram = vec![0xa5; self.ram as usize];
        let mut memory = Memory {
            map: MemoryMap {
                ram: Span::new(START, self.ram),
                regions: &regions,
            },
            model: &mut ram,
            arena: None,
        };
        // Long after the wearer has nothing more to do.
        let mut running = || clock.now_us() < 100_000;
        let ports = Ports {
            display: FakeDisplay::<PIXELS>::new(DISPLAY.width),
            sensors: Wearer {
                lines: lines.clone(),
                script: self.script,
            },
            clock: &clock,
            power: FakePower::new(&clock),
            report: lines.clone(),
            console: console.clone(),
        };
        let mut app = App::new(ports, &mut assistant, &mut running);
        app.run(
            &mut store,
            &mut memory,
            &self.settings,
            &Inline,
            Sha256::new,
        );
        let Ports { display, power, .. } = app.into_ports();
        Outcome {
            lines: lines.all(),
            console: console.0.borrow().clone(),
            state: assistant.state(),
            asleep: assistant.asleep(),
            lit: display.lit(),
            reads: store.0.reads,
            idles: power.idles,
        }
    }
}

/// What a session of its own says to the same chat.
fn expected(model: &[u8], chat: &Chat<'_>, limits: &Limits, most: usize) -> (Vec<u32>, Vec<u32>) {
    let model = Model::parse(model).expect("a good file");
    let plan = Plan::new(model.config(), limits).expect("possible");
    let mut arena = vec![0; plan.total()];
    let mut session = Session::new(&model, &plan, &mut arena, &Inline).expect("fits");
    session.feed(chat).expect("fits");
    session.set_max_tokens(Some(most));
    let prompt = session.tokens().to_vec();
    while session
        .next(&mut Sampler::greedy(), &mut ())
        .expect("works")
        .is_some()
    {}
    let answer = session.tokens()[prompt.len()..].to_vec();
    (prompt, answer)
}

#[test]
fn a_question_is_answered_and_reported() {
    let model = fixture();
    let mut run = Run::new(&model);
    run.system = Some("Be brief.");
    run.script = vec![
        ("ready", 1, SensorKind::LongPress),
        ("state listening", 1, says("Which way is north? 北在哪里？")),
    ];
    let outcome = run.go();

    let limits = Limits {
        context: 256,
        batch: 1,
        ..Limits::default()
    };
    let chat = Chat::new()
        .system("Be brief.")
        .user("Which way is north? 北在哪里？");
    let (prompt, answer) = expected(&model, &chat, &limits, 12);
    assert_eq!(Outcome::numbers(outcome.starting("prompt")[0]), prompt);
    assert_eq!(outcome.tokens(), answer);
    assert!(!answer.is_empty());

    let mut order = outcome
        .lines
        .iter()
        .map(|line| line.split(' ').next().unwrap())
        .collect::<Vec<_>>();
    order.dedup();
    order.retain(|word| !matches!(*word, "token" | "text"));
    order.dedup();
    assert_eq!(
        order,
        [
            "state", "loading", "state", "ready", "state", "prompt", "state", "done", "state",
            "ready"
        ]
    );
    assert_eq!(
        outcome.starting("state"),
        [
            "state loading",
            "state idle",
            "state listening",
            "state thinking",
            "state answering",
            "state paging"
        ]
    );
    let done = outcome.starting("done")[0];
    assert!(done.starts_with("done max_tokens prompt_us="), "{done}");
    assert!(
        done.ends_with(&format!("prompt_tokens={} tokens=12", prompt.len())),
        "{done}"
    );
    // The console has the text that the report has.
    let text: String = outcome
        .starting("text")
        .iter()
        .map(|line| serde_json_text(&line[5..]))
        .collect();
    assert_eq!(String::from_utf8_lossy(&outcome.console), text + "\n");
    assert!(outcome.lit > 100, "the display shows something");
}

/// The value of a JSON string without escapes of more than one character.
fn serde_json_text(json: &str) -> String {
    let inner = &json[1..json.len() - 1];
    let mut out = String::new();
    let mut chars = inner.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        match chars.next() {
            Some('n') => out.push('\n'),
            Some('r') => out.push('\r'),
            Some('t') => out.push('\t'),
            Some('u') => {
                let digits: String = chars.by_ref().take(4).collect();
                out.push(char::from_u32(u32::from_str_radix(&digits, 16).unwrap()).unwrap());
            }
            Some(other) => out.push(other),
            None => {}
        }
    }
    out
}

#[test]
fn every_fault_of_loading_is_shown_and_a_tap_tries_again() {
    let model = fixture();
    let middle = model.len() / 2;
    for (fault, word) in [
        (StoreFault::NoModel, "no model"),
        (StoreFault::FailsAt(middle), "failed at byte"),
        (StoreFault::EndsAt(middle), "ended at byte"),
        (StoreFault::FlipsBitAt(middle), "checksum"),
    ] {
        let mut run = Run::new(&model);
        run.store.fault = fault;
        run.mended_after = 2;
        run.script = vec![
            // Nobody is there to be talked to, nor anything to go back to.
            ("ready", 1, SensorKind::LongPress),
            ("ready", 1, says("Anybody there?")),
            ("ready", 1, SensorKind::DoubleTap),
            ("ready", 1, SensorKind::Tap),
            ("ready", 2, SensorKind::Tap),
            ("state idle", 1, SensorKind::LongPress),
            ("state listening", 1, says("hi")),
        ];
        let outcome = run.go();
        let errors = outcome.starting("error");
        assert_eq!(errors.len(), 2, "{:?}", outcome.lines);
        assert!(errors[0].contains(word), "{errors:?} does not say {word:?}");
        assert_eq!(outcome.tokens().len(), 12, "{:?}", outcome.lines);
        assert_eq!(outcome.state, State::Paging);
    }
}

#[test]
fn what_is_no_model_is_refused_by_name() {
    let text = b"This is not a model.\n".repeat(1000);
    let mut other = fixture();
    let at = other.windows(5).position(|w| w == b"qwen2").unwrap();
    other[at..at + 5].copy_from_slice(b"llama");
    let mut cut = fixture();
    cut.truncate(cut.len() / 2);
    for (bytes, word) in [(&text, "GGUF"), (&other, "llama"), (&cut, "bytes")] {
        let outcome = Run::new(bytes).go();
        let errors = outcome.starting("error");
        assert_eq!(errors.len(), 1);
        assert!(errors[0].contains(word), "{errors:?} does not say {word:?}");
        assert_eq!(outcome.state, State::Error);
        assert_eq!(outcome.lines.last().unwrap(), "ready");
        assert!(outcome.lit > 100, "the display shows the error");
    }
}

#[test]
fn too_little_memory_says_how_much_is_missing() {
    let model = fixture();
    let mut run = Run::new(&model);
    run.ram = 2 * MIB;
    let outcome = run.go();
    let error = outcome.starting("error")[0];
    let missing = model.len() as u64 - 2 * MIB;
    assert!(
        error.ends_with(&format!("{missing} bytes missing")),
        "{error}"
    );
    assert_eq!(outcome.reads, 0);

    // The model fits, its arena does not.
    let limits = Limits {
        context: 256,
        batch: 16,
        ..Limits::default()
    };
    let config = *Model::parse(&model).unwrap().config();
    let arena = Plan::new(&config, &limits).unwrap().total() as u64;
    let enough = (model.len() as u64).next_multiple_of(4096) + arena;
    let mut run = Run::new(&model);
    run.ram = enough;
    assert_eq!(run.go().state, State::Idle);
    let mut run = Run::new(&model);
    run.ram = enough - 1;
    let outcome = run.go();
    let error = outcome.starting("error")[0];
    assert!(error.ends_with(": 1 bytes missing"), "{error}");
}

#[test]
fn a_context_is_cut_to_the_model_unless_somebody_asked_for_it() {
    let model = fixture();
    let mut run = Run::new(&model);
    run.settings.context = Context::AtMost(1_000_000);
    assert_eq!(run.go().state, State::Idle);
    let mut run = Run::new(&model);
    run.settings.context = Context::Exactly(1_000_000);
    let outcome = run.go();
    assert!(outcome.starting("error")[0].contains("context of 1000000 tokens"));
}

#[test]
fn a_double_tap_ends_the_reading_of_a_prompt_and_an_answer() {
    let model = fixture();
    for (when, reason) in [("prompt", "cancelled"), ("token", "cancelled")] {
        let mut run = Run::new(&model);
        run.settings.max_tokens = 200;
        run.script = vec![
            ("ready", 1, SensorKind::LongPress),
            ("state listening", 1, says("Tell me a long story.")),
            (when, 1, SensorKind::DoubleTap),
            ("ready", 2, SensorKind::LongPress),
            ("state listening", 2, says("again")),
        ];
        let outcome = run.go();
        let done = outcome.starting("done");
        assert!(done[0].starts_with(&format!("done {reason}")), "{done:?}");
        let tokens: usize = done[0].rsplit('=').next().unwrap().parse().unwrap();
        assert!(tokens < 3, "{done:?}: it went on after the double-tap");
        assert_eq!(done.len(), 2, "the next question is answered");
    }
}

#[test]
fn a_question_that_is_too_long_costs_only_itself() {
    let model = fixture();
    let mut run = Run::new(&model);
    run.settings.context = Context::Exactly(96);
    run.system = Some("Hm.");
    run.script = vec![
        ("ready", 1, SensorKind::LongPress),
        ("state listening", 1, says(&"far too long ".repeat(12))),
        ("ready", 2, SensorKind::LongPress),
        ("state listening", 2, says("hi")),
    ];
    let outcome = run.go();
    let error = outcome.starting("error")[0];
    assert!(error.contains("context") && error.contains("96"), "{error}");
    assert!(
        !outcome.tokens().is_empty(),
        "the next question is answered"
    );
}

#[test]
fn a_long_conversation_loses_its_oldest_turns_and_never_the_system_prompt() {
    let model = fixture();
    let mut run = Run::new(&model);
    run.settings.context = Context::Exactly(128);
    run.system = Some("Hm.");
    for turn in 1..=6 {
        run.script.push(("ready", turn, SensorKind::LongPress));
        run.script
            .push(("state listening", turn, says("and then?")));
    }
    let outcome = run.go();
    assert_eq!(outcome.starting("error"), [""; 0]);
    assert_eq!(outcome.starting("done").len(), 6);
    let prompts = outcome.starting("prompt");
    let kept = prompts.windows(2).filter(|two| two[1].starts_with(two[0]));
    assert!(kept.count() < 5, "no turn had to leave");
    let first = Outcome::numbers(prompts[0]);
    for prompt in &prompts {
        let prompt = Outcome::numbers(prompt);
        assert!(prompt.len() + 12 <= 128, "{} tokens", prompt.len());
        // `<|im_start|>system\nHm.<|im_end|>\n`: what comes before the first question.
        assert_eq!(prompt[..10], first[..10]);
    }
}

#[test]
fn glasses_that_are_off_are_dark_and_come_back() {
    let model = fixture();
    let mut run = Run::new(&model);
    run.script = vec![("ready", 1, SensorKind::Removed)];
    let outcome = run.go();
    assert!(outcome.asleep);
    let mut run = Run::new(&model);
    run.script = vec![
        ("ready", 1, SensorKind::Removed),
        ("ready", 1, SensorKind::Worn),
        ("ready", 1, SensorKind::LongPress),
    ];
    let outcome = run.go();
    assert!(!outcome.asleep && outcome.lit > 100);
    assert_eq!(outcome.state, State::Listening);
    assert!(outcome.idles > 50, "with nothing to do it sleeps");
}
