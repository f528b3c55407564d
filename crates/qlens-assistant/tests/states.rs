//! Every state meets everything that can happen, and the outcome is the one in the documentation's table.

use embedded_graphics::geometry::Size;
use qlens_assistant::assistant::Progress;
use qlens_assistant::{Action, Actions, Assistant, Fault, State, Stop};
use qlens_board::{Direction, SensorEvent, SensorKind};

const DISPLAY: Size = Size::new(480, 640);

/// The columns of the table. The error state has two: a model that is missing cannot be asked.
const SITUATIONS: [&str; 10] = [
    "loading",
    "idle",
    "idle-new",
    "listening",
    "thinking",
    "waiting",
    "answering",
    "paging",
    "error",
    "error-load",
];

/// The rows: what happens, and for each situation the state and the actions after it.
///
/// `-` is nothing; otherwise the new state's name (`=` for the old one) and the actions' initials:
/// Draw, Prompt, Cancel, Load, Sleep, Wake. A `*` instead: the dashboard is open after it.
const TABLE: &str = "
                  | loading   | idle    | idle-new | listening  | thinking     | waiting     | answering    | paging     | error       | error-load |
tap               | -         | paging D| -        | -          | -            | -           | = D          | = D        | idle D      | loading LD |
double-tap        | -         | -       | -        | idle D     | idle CD      | idle D      | idle CD      | idle D     | idle D      | -          |
long-press        | -         | listening D | listening D | listening D | listening CD | listening D | listening CD | listening D | listening D | -    |
swipe-forward     | -         | -       | -        | -          | -            | -           | = D          | = D        | -           | -          |
swipe-down        | -         | -       | -        | -          | -            | -           | = D          | = D        | -           | -          |
swipe-back        | -         | -       | -        | -          | -            | -           | -            | -          | -           | -          |
swipe-up          | -         | -       | -        | -          | -            | -           | -            | -          | -           | -          |
speech            | -         | -       | -        | thinking PD| -            | -           | -            | -          | -           | -          |
speech-empty      | -         | -       | -        | -          | -            | -           | -            | -          | -           | -          |
speech-long       | -         | -       | -        | error D    | -            | -           | -            | -          | -           | -          |
head-up           | -         | * D     | * D      | -          | -            | -           | -            | * D        | * D         | * D        |
head-down         | -         | -       | -        | -          | -            | -           | -            | -          | -           | -          |
worn              | -         | -       | -        | -          | -            | -           | -            | -          | -           | -          |
removed           | = S       | = S     | = S      | idle S     | idle CS      | idle S      | idle CS      | = S        | = S         | = S        |
battery           | -         | -       | -        | -          | -            | -           | -            | -          | -           | -          |
temperature       | -         | -       | -        | -          | -            | -           | -            | -          | -           | -          |
ambient           | -         | -       | -        | -          | -            | -           | -            | -          | -           | -          |
loading           | = D       | -       | -        | -          | -            | -           | -            | -          | -           | loading D  |
ready             | idle D    | -       | -        | -          | -            | -           | -            | -          | -           | idle D     |
progress          | -         | -       | -        | -          | = D          | -           | -            | -          | -           | -          |
token             | -         | -       | -        | -          | answering D  | -           | = D          | -          | -           | -          |
token-empty       | -         | -       | -        | -          | -            | -           | -            | -          | -           | -          |
stop              | -         | -       | -        | -          | error D      | = P         | paging D     | -          | -           | -          |
stop-full         | -         | -       | -        | -          | = P          | = P         | paging D     | -          | -           | -          |
error-load        | error D   | error D | error D  | error D    | error D      | error D     | error D      | error D    | error D     | error D    |
error-generation  | -         | -       | -        | -          | error D      | = P         | error D      | -          | -           | -          |
error-speech      | -         | -       | -        | error D    | -            | -           | -            | -          | -           | -          |
";

fn event(kind: SensorKind) -> SensorEvent {
    SensorEvent::new(1_000, kind)
}

fn listen_and_hear(assistant: &mut Assistant, question: &str) -> Actions {
    let _ = assistant.on_event(&event(SensorKind::LongPress));
    assistant.on_event(&event(SensorKind::speech(question).expect("is short")))
}

/// An assistant in this situation. But in the first ones, a question was answered before, on two pages.
fn situation(name: &str) -> Box<Assistant> {
    let mut assistant = Box::new(Assistant::new(DISPLAY));
    if name == "loading" {
        return assistant;
    }
    let _ = assistant.on_ready();
    if name == "idle-new" {
        return assistant;
    }
    let _ = listen_and_hear(&mut assistant, "What is this?");
    let _ = assistant.on_token("first page\n");
    for _ in 0..20 {
        let _ = assistant.on_token("more\n");
    }
    let _ = assistant.on_stop(Stop::EndOfTurn);
    let _ = assistant.on_event(&event(SensorKind::Swipe(Direction::Back)));
    assert_eq!((assistant.page(), assistant.pages().count()), (0, 2));
    match name {
        "paging" => {}
        "idle" => drop(assistant.on_event(&event(SensorKind::DoubleTap))),
        "listening" => drop(assistant.on_event(&event(SensorKind::LongPress))),
        "thinking" => drop(listen_and_hear(&mut assistant, "And this?")),
        "waiting" => {
            // A question that waits for the end of the generation that was cancelled for it.
            let _ = listen_and_hear(&mut assistant, "And this?");
            let _ = listen_and_hear(&mut assistant, "No, that?");
        }
        "answering" => {
            let _ = listen_and_hear(&mut assistant, "And this?");
            for _ in 0..20 {
                let _ = assistant.on_token("more\n");
            }
            let _ = assistant.on_event(&event(SensorKind::Swipe(Direction::Back)));
        }
        "error" => {
            let _ = listen_and_hear(&mut assistant, "And this?");
            let _ = assistant.on_error(Fault::Generation, &"it broke");
        }
        "error-load" => drop(assistant.on_error(Fault::Load, &"it is gone")),
        other => panic!("no situation {other}"),
    }
    assistant
}

fn happen(what: &str, assistant: &mut Assistant) -> Actions {
    let half = Progress { done: 5, total: 10 };
    let kind = match what {
        "tap" => SensorKind::Tap,
        "double-tap" => SensorKind::DoubleTap,
        "long-press" => SensorKind::LongPress,
        "swipe-forward" => SensorKind::Swipe(Direction::Forward),
        "swipe-back" => SensorKind::Swipe(Direction::Back),
        "swipe-up" => SensorKind::Swipe(Direction::Up),
        "swipe-down" => SensorKind::Swipe(Direction::Down),
        "speech" => SensorKind::speech("How far is it?").expect("is short"),
        "speech-empty" => SensorKind::speech(" \n").expect("is short"),
        "head-up" => SensorKind::HeadUp,
        "head-down" => SensorKind::HeadDown,
        "worn" => SensorKind::Worn,
        "removed" => SensorKind::Removed,
        "battery" => SensorKind::Battery {
            percent: 7,
            charging: true,
        },
        "temperature" => SensorKind::Temperature {
            milli_celsius: 41_000,
        },
        "ambient" => SensorKind::Ambient { lux: 300 },
        "speech-long" => return assistant.on_speech(&"long ".repeat(500)),
        "loading" => return assistant.on_loading("model", half),
        "ready" => return assistant.on_ready(),
        "progress" => return assistant.on_progress(half),
        "token" => return assistant.on_token("word"),
        "token-empty" => return assistant.on_token(""),
        "stop" => return assistant.on_stop(Stop::EndOfTurn),
        "stop-full" => return assistant.on_stop(Stop::ContextFull),
        "error-load" => return assistant.on_error(Fault::Load, &"no model"),
        "error-generation" => return assistant.on_error(Fault::Generation, &"no answer"),
        "error-speech" => return assistant.on_error(Fault::Speech, &"not understood"),
        other => panic!("no event {other}"),
    };
    assistant.on_event(&event(kind))
}

fn initials(actions: Actions) -> String {
    let mut order = [
        Action::Prompt,
        Action::Cancel,
        Action::Load,
        Action::Draw,
        Action::Sleep,
        Action::Wake,
    ];
    order.sort_by_key(|action| "PCLDSW".find(&action.name().to_uppercase()[..1]));
    order
        .iter()
        .filter(|&&action| actions.contains(action))
        .map(|action| action.name()[..1].to_uppercase())
        .collect()
}

#[test]
fn every_state_meets_every_event() {
    let mut rows = TABLE.trim_start_matches('\n').lines();
    let header: Vec<&str> = rows
        .next()
        .expect("a header")
        .split('|')
        .map(str::trim)
        .collect();
    assert_eq!(header[1..=SITUATIONS.len()], SITUATIONS);
    let mut met = 0;
    for row in rows {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        for (situation_name, cell) in SITUATIONS.iter().zip(&cells[1..]) {
            let mut assistant = situation(situation_name);
            let before = assistant.state();
            let actions = happen(cells[0], &mut assistant);
            let at = format!("{} while {situation_name}", cells[0]);
            let (state, expected) = cell.split_once(' ').unwrap_or((cell, ""));
            assert_eq!(initials(actions), expected.trim(), "actions: {at}");
            let state = if matches!(state, "-" | "=" | "*") {
                before.name()
            } else {
                state
            };
            assert_eq!(assistant.state().name(), state, "state: {at}");
            assert_eq!(
                assistant.dashboard(),
                cell.starts_with('*'),
                "dashboard: {at}"
            );
            assert_eq!(assistant.asleep(), cells[0] == "removed", "asleep: {at}");
            assert!(assistant.page() < assistant.pages().count(), "page: {at}");
            met += 1;
        }
    }
    assert_eq!(met, 27 * SITUATIONS.len());
}

/// Everything that can happen, to an assistant whose glasses are off.
#[test]
fn while_the_glasses_are_off_only_wearing_them_counts() {
    for row in TABLE.trim_start_matches('\n').lines().skip(1) {
        let what = row.split('|').next().expect("a name").trim();
        for name in SITUATIONS {
            let mut assistant = situation(name);
            let _ = assistant.on_event(&event(SensorKind::Removed));
            let actions = happen(what, &mut assistant);
            let at = format!("{what} while off, before: {name}");
            if what == "worn" {
                assert_eq!(initials(actions), "DW", "{at}");
                assert!(!assistant.asleep(), "{at}");
            } else {
                assert!(assistant.asleep(), "{at}");
                assert!(!actions.contains(Action::Draw), "{at}");
                assert!(!actions.contains(Action::Prompt), "{at}");
            }
            assert!(!assistant.dashboard(), "{at}");
            assert_ne!(assistant.state(), State::Listening, "{at}");
        }
    }
}

/// With the dashboard open, a touch closes it and does nothing else, unless it is a long press.
#[test]
fn the_dashboard_takes_the_first_touch() {
    for name in ["idle", "paging", "error", "error-load"] {
        for what in [
            "tap",
            "double-tap",
            "swipe-forward",
            "swipe-up",
            "head-down",
        ] {
            let mut assistant = situation(name);
            let _ = assistant.on_event(&event(SensorKind::HeadUp));
            let before = (assistant.state(), assistant.page());
            assert_eq!(
                initials(happen(what, &mut assistant)),
                "D",
                "{what}, {name}"
            );
            assert_eq!(
                (assistant.state(), assistant.page()),
                before,
                "{what}, {name}"
            );
            assert!(!assistant.dashboard());
        }
        let mut assistant = situation(name);
        let _ = assistant.on_event(&event(SensorKind::HeadUp));
        assert_eq!(initials(happen("battery", &mut assistant)), "D");
        assert_eq!(
            initials(happen("battery", &mut assistant)),
            "",
            "nothing changed"
        );
        assert_eq!(initials(happen("temperature", &mut assistant)), "D");
        assert_eq!(initials(happen("speech", &mut assistant)), "");
        assert!(assistant.dashboard());
        let _ = happen("long-press", &mut assistant);
        assert!(!assistant.dashboard());
        let listens = assistant.state() == State::Listening;
        assert_eq!(listens, name != "error-load");
    }
}

/// Whatever is done in whatever order, at most one generation runs, and every prompt has its question.
#[test]
fn no_order_of_events_breaks_the_protocol() {
    let names: Vec<&str> = TABLE
        .trim_start_matches('\n')
        .lines()
        .skip(1)
        .map(|row| row.split('|').next().expect("a name").trim())
        .collect();
    // xorshift: the same walk in every run.
    let mut random = 0x2545_f491_4f6c_dd1d_u64;
    let mut assistant = Box::new(Assistant::new(DISPLAY));
    let (mut running, mut prompts) = (false, 0);
    for _ in 0..200_000 {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        let what = names[(random >> 33) as usize % names.len()];
        let ends = what.starts_with("stop") || matches!(what, "error-generation" | "error-load");
        if ends && running {
            running = false;
        } else if what.starts_with("stop") || what == "error-generation" {
            // A machine that keeps to the protocol does not report the end of nothing.
            continue;
        }
        let actions = happen(what, &mut assistant);
        if actions.contains(Action::Prompt) {
            assert!(!running, "a second prompt at {what}");
            assert!(!assistant.question().is_empty());
            assert!(assistant.answer().is_empty());
            running = true;
            prompts += 1;
        }
        if actions.contains(Action::Cancel) {
            assert!(running, "cancelled nothing at {what}");
        }
        assert!(assistant.page() < assistant.pages().count());
        let busy = matches!(assistant.state(), State::Thinking | State::Answering);
        assert!(
            !busy || running,
            "{} without a generation after {what}",
            assistant.state()
        );
    }
    assert!(prompts > 200, "{prompts}");
}

#[test]
fn it_fits_a_static() {
    assert!(size_of::<Assistant>() < 24 * 1024);
}
