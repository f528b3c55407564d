//! Replays the recorded traces in `traces/`: what the sensors and the model did, and at barriers what
//! the assistant has to have made of it. The format is described in `traces/README.md`.

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use embedded_graphics::geometry::Size;
use qlens_assistant::assistant::Progress;
use qlens_assistant::hud::Hud;
use qlens_assistant::{Actions, Assistant, Fault, Stop};
use qlens_board::{Direction, SensorEvent, SensorKind};
use serde::Deserialize;
use support::{Frame, REFERENCE};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Trace {
    about: String,
    display: Option<[u32; 2]>,
    system: Option<String>,
    script: Option<String>,
    /// Wall time at application time zero.
    unix_s: Option<u64>,
    step: Vec<Step>,
}

/// One thing that happens, at most, and what is true after it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Step {
    at_us: Option<u64>,
    event: Option<Event>,
    speech: Option<String>,
    loading: Option<(String, u64, u64)>,
    ready: Option<bool>,
    progress: Option<[u64; 2]>,
    token: Option<String>,
    stop: Option<StopName>,
    error: Option<(FaultName, String)>,
    drop_oldest: Option<bool>,
    /// How often it happens; events that are repeated are a microsecond apart.
    repeat: Option<u64>,
    /// The actions of all repetitions together.
    actions: Option<BTreeSet<String>>,
    expect: Option<Expect>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Event {
    Tap,
    DoubleTap,
    LongPress,
    SwipeForward,
    SwipeBack,
    SwipeUp,
    SwipeDown,
    HeadUp,
    HeadDown,
    Worn,
    Removed,
    Lost,
    Battery(u8),
    Temperature(i32),
    Ambient(u32),
    Mark(u32),
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
enum StopName {
    EndOfTurn,
    MaxTokens,
    ContextFull,
    Cancelled,
    Deadline,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
enum FaultName {
    Load,
    Generation,
    Speech,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Expect {
    state: Option<String>,
    asleep: Option<bool>,
    dashboard: Option<bool>,
    now_us: Option<u64>,
    question: Option<String>,
    answer: Option<String>,
    answer_bytes: Option<usize>,
    sentence: Option<String>,
    /// The page that is looked at, from 1, and how many there are.
    page: Option<[usize; 2]>,
    /// What stands on that page.
    page_text: Option<String>,
    /// Questions and answers that are remembered.
    turns: Option<Vec<[String; 2]>>,
    turn_count: Option<usize>,
    system: Option<String>,
    /// The menu's entry.
    chosen: Option<String>,
    captions: Option<Vec<String>>,
    waiting: Option<usize>,
    missed: Option<u32>,
    /// The list of notes.
    notes: Option<Vec<String>>,
    note_count: Option<usize>,
    lost: Option<u32>,
    /// What of the teleprompter's text was not read begins with this.
    ahead: Option<String>,
    time: Option<String>,
    /// What the last line says of a text that is read.
    hint: Option<String>,
    /// What the model is asked: how many turns, what the system prompt has in it, and the last turn.
    asked: Option<(usize, String, String)>,
}

fn apply(step: &Step, at_us: u64, assistant: &mut Assistant) -> Actions {
    let mut actions = Actions::NONE;
    if let Some(event) = &step.event {
        let kind = match *event {
            Event::Tap => SensorKind::Tap,
            Event::DoubleTap => SensorKind::DoubleTap,
            Event::LongPress => SensorKind::LongPress,
            Event::SwipeForward => SensorKind::Swipe(Direction::Forward),
            Event::SwipeBack => SensorKind::Swipe(Direction::Back),
            Event::SwipeUp => SensorKind::Swipe(Direction::Up),
            Event::SwipeDown => SensorKind::Swipe(Direction::Down),
            Event::HeadUp => SensorKind::HeadUp,
            Event::HeadDown => SensorKind::HeadDown,
            Event::Worn => SensorKind::Worn,
            Event::Removed => SensorKind::Removed,
            Event::Lost => SensorKind::Lost,
            Event::Battery(percent) => SensorKind::Battery {
                percent,
                charging: false,
            },
            Event::Temperature(milli_celsius) => SensorKind::Temperature { milli_celsius },
            Event::Ambient(lux) => SensorKind::Ambient { lux },
            Event::Mark(number) => SensorKind::Mark { number },
        };
        actions = actions.union(assistant.on_event(&SensorEvent::new(at_us, kind)));
    }
    if let Some(text) = &step.speech {
        // What is too long for an event can only come the other way.
        actions = actions.union(match SensorKind::speech(text) {
            Some(kind) => assistant.on_event(&SensorEvent::new(at_us, kind)),
            None => assistant.on_speech(text),
        });
    }
    if let Some((name, done, total)) = &step.loading {
        let progress = Progress {
            done: *done,
            total: *total,
        };
        actions = actions.union(assistant.on_loading(name, progress));
    }
    if step.ready == Some(true) {
        actions = actions.union(assistant.on_ready());
    }
    if let Some([done, total]) = step.progress {
        actions = actions.union(assistant.on_progress(Progress { done, total }));
    }
    if let Some(text) = &step.token {
        actions = actions.union(assistant.on_token(text));
    }
    if let Some(stop) = &step.stop {
        actions = actions.union(assistant.on_stop(match stop {
            StopName::EndOfTurn => Stop::EndOfTurn,
            StopName::MaxTokens => Stop::MaxTokens,
            StopName::ContextFull => Stop::ContextFull,
            StopName::Cancelled => Stop::Cancelled,
            StopName::Deadline => Stop::Deadline,
        }));
    }
    if let Some((fault, sentence)) = &step.error {
        let fault = match fault {
            FaultName::Load => Fault::Load,
            FaultName::Generation => Fault::Generation,
            FaultName::Speech => Fault::Speech,
        };
        actions = actions.union(assistant.on_error(fault, sentence));
    }
    actions
}

fn check(expect: &Expect, assistant: &Assistant, at: &str) {
    if let Some(state) = &expect.state {
        assert_eq!(assistant.state().name(), state, "{at}: state");
    }
    if let Some(asleep) = expect.asleep {
        assert_eq!(assistant.asleep(), asleep, "{at}: asleep");
    }
    if let Some(dashboard) = expect.dashboard {
        assert_eq!(assistant.dashboard(), dashboard, "{at}: dashboard");
    }
    if let Some(now_us) = expect.now_us {
        assert_eq!(assistant.now_us(), now_us, "{at}: time");
    }
    if let Some(question) = &expect.question {
        assert_eq!(assistant.question(), question, "{at}: question");
    }
    if let Some(answer) = &expect.answer {
        assert_eq!(assistant.answer(), answer, "{at}: answer");
    }
    if let Some(bytes) = expect.answer_bytes {
        assert_eq!(
            assistant.answer().len(),
            bytes,
            "{at}: length of the answer"
        );
    }
    if let Some(sentence) = &expect.sentence {
        assert_eq!(assistant.sentence(), sentence, "{at}: sentence");
    }
    if let Some(page) = expect.page {
        let shown = [assistant.page() + 1, assistant.pages().count()];
        assert_eq!(shown, page, "{at}: page");
    }
    if let Some(text) = &expect.page_text {
        let shown = assistant
            .pages()
            .slice(assistant.sheet().text, assistant.page());
        assert_eq!(shown, text, "{at}: text of the page");
    }
    if let Some(turns) = &expect.turns {
        let kept: Vec<[String; 2]> = assistant
            .conversation()
            .iter()
            .map(|(question, answer)| [question.into(), answer.into()])
            .collect();
        assert_eq!(&kept, turns, "{at}: turns");
    }
    if let Some(count) = expect.turn_count {
        assert_eq!(assistant.conversation().turns(), count, "{at}: turns");
    }
    if let Some(system) = &expect.system {
        assert_eq!(
            assistant.conversation().system(),
            Some(&**system),
            "{at}: system prompt"
        );
    }
    check_applications(expect, assistant, at);
}

fn check_applications(expect: &Expect, assistant: &Assistant, at: &str) {
    if let Some(chosen) = &expect.chosen {
        assert_eq!(assistant.chosen().name(), chosen, "{at}: entry of the menu");
    }
    let translate = assistant.captions();
    if let Some(captions) = &expect.captions {
        let shown: Vec<&str> = translate.captions().lines().collect();
        assert_eq!(&shown, captions, "{at}: captions");
    }
    if let Some(waiting) = expect.waiting {
        assert_eq!(translate.waiting(), waiting, "{at}: utterances that wait");
    }
    if let Some(missed) = expect.missed {
        assert_eq!(translate.missed(), missed, "{at}: utterances missed");
    }
    if let Some(notes) = &expect.notes {
        let listed: Vec<&str> = assistant.notes().list().lines().collect();
        assert_eq!(&listed, notes, "{at}: notes");
    }
    if let Some(count) = expect.note_count {
        assert_eq!(assistant.notes().count(), count, "{at}: notes");
    }
    if let Some(lost) = expect.lost {
        assert_eq!(assistant.notes().lost(), lost, "{at}: notes lost");
    }
    if let Some(ahead) = &expect.ahead {
        let prompter = assistant.teleprompter();
        let rest = &prompter.script()[prompter.read()..];
        assert!(rest.starts_with(ahead), "{at}: ahead is {rest:?}");
    }
    if let Some(time) = &expect.time {
        let shown = assistant.time_of_day().map(|time| time.to_string());
        assert_eq!(shown.unwrap_or_default(), *time, "{at}: time of day");
    }
    if let Some(hint) = &expect.hint {
        assert_eq!(assistant.sheet().hint, hint, "{at}: last line");
    }
    if let Some((turns, system, user)) = &expect.asked {
        let chat = assistant.chat();
        assert_eq!(chat.turns().len(), *turns, "{at}: turns of {chat:?}");
        let (first, last) = (chat.turns()[0].1, chat.turns()[turns - 1].1);
        assert!(first.contains(system), "{at}: the system prompt is {first}");
        assert_eq!(last, user, "{at}: what the model is asked");
    }
}

fn replay(name: &str, trace: &Trace) {
    assert!(!trace.about.is_empty(), "{name} says nothing about itself");
    let size = trace
        .display
        .map_or(REFERENCE, |[width, height]| Size::new(width, height));
    let mut assistant = Box::new(Assistant::new(size));
    assistant
        .set_system(trace.system.as_deref())
        .expect("a system prompt that fits");
    assistant
        .set_script(trace.script.as_deref().unwrap_or_default())
        .expect("a script that fits");
    assistant.set_wall_origin(trace.unix_s);
    let (mut hud, mut frame) = (Hud::new(size), Frame::new(size));
    hud.draw(&assistant, &mut frame).expect("draws");
    let (mut at_us, mut checked) = (0, 0);
    for (number, step) in trace.step.iter().enumerate() {
        let at = format!("{name}, step {}", number + 1);
        at_us = step.at_us.unwrap_or(at_us);
        let mut actions = Actions::NONE;
        for _ in 0..step.repeat.unwrap_or(1) {
            actions = actions.union(apply(step, at_us, &mut assistant));
            at_us += u64::from(step.repeat.is_some());
        }
        if let Some(dropped) = step.drop_oldest {
            assert_eq!(
                assistant.drop_oldest_turn(),
                dropped,
                "{at}: dropped a turn"
            );
        }
        if let Some(expected) = &step.actions {
            let names: BTreeSet<String> = actions
                .into_iter()
                .map(|action| action.name().into())
                .collect();
            assert_eq!(&names, expected, "{at}: actions");
            checked += 1;
        }
        if actions.contains(qlens_assistant::Action::Draw) {
            hud.draw(&assistant, &mut frame).expect("draws");
        }
        if let Some(expect) = &step.expect {
            check(expect, &assistant, &at);
            checked += 1;
            // What was drawn bit by bit is what would be drawn at once.
            let mut fresh = Frame::new(size);
            Hud::new(size).draw(&assistant, &mut fresh).expect("draws");
            if !assistant.asleep() {
                let differs = frame
                    .pixels
                    .iter()
                    .zip(&fresh.pixels)
                    .position(|(a, b)| a != b);
                let differs =
                    differs.map(|at| (at % size.width as usize, at / size.width as usize));
                assert_eq!(
                    differs, None,
                    "{at}: the display shows something else there"
                );
            }
        }
    }
    assert!(checked > 0, "{name} expects nothing");
}

#[test]
fn recorded_traces() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("traces");
    let mut names = BTreeSet::new();
    for entry in fs::read_dir(&folder).expect("the folder of the traces") {
        let path = entry.expect("an entry").path();
        if path
            .extension()
            .is_some_and(|extension| extension == "toml")
        {
            names.insert(path);
        }
    }
    assert!(
        names.len() >= 36,
        "only {} traces in {}",
        names.len(),
        folder.display()
    );
    for path in names {
        let name = path.file_stem().expect("a name").to_string_lossy();
        let text = fs::read_to_string(&path).expect("a readable trace");
        let trace = toml::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
        replay(&name, &trace);
    }
}
