//! Every state meets everything that can happen, and the outcome is the one in the documentation's table.

use std::collections::BTreeSet;

use embedded_graphics::geometry::Size;
use qlens::chat::Role;
use qlens_assistant::assistant::Progress;
use qlens_assistant::{Action, Actions, Assistant, Fault, State, Stop};
use qlens_board::{Direction, SensorEvent, SensorKind};

const DISPLAY: Size = Size::new(480, 640);

/// A column for each situation, a row for whatever can happen: for each situation the state and the actions after it.
///
/// `-` is nothing; otherwise the new state's name (`=` for the old one) and the actions' initials:
/// Draw, Prompt, Cancel, Load, Sleep, Wake. A `*` instead: the dashboard is open after it.
const TABLE: &str = "
                  | loading   | idle    | idle-new | listening  | thinking     | waiting     | answering    | paging     | error       | error-load |
tap               | -         | paging D| -        | -          | -            | -           | = D          | = D        | idle D      | loading LD |
double-tap        | -         | -       | -        | idle D     | idle CD      | idle D      | idle CD      | idle D     | idle D      | -          |
long-press        | -         | listening D | listening D | listening D | listening CD | listening D | listening CD | listening D | listening D | -    |
swipe-forward     | -         | menu D  | menu D   | -          | -            | -           | = D          | = D        | -           | -          |
swipe-down        | -         | menu D  | menu D   | -          | -            | -           | = D          | = D        | -           | -          |
swipe-back        | -         | menu D  | menu D   | -          | -            | -           | -            | -          | -           | -          |
swipe-up          | -         | menu D  | menu D   | -          | -            | -           | -            | -          | -           | -          |
speech            | -         | -       | -        | thinking PD| -            | -           | -            | -          | -           | -          |
speech-empty      | -         | -       | -        | -          | -            | -           | -            | -          | -           | -          |
speech-long       | -         | -       | -        | error D    | -            | -           | -            | -          | -           | -          |
head-up           | -         | * D     | * D      | -          | -            | -           | -            | * D        | * D         | * D        |
head-down         | -         | -       | -        | -          | -            | -           | -            | -          | -           | -          |
lost              | -         | -       | -        | error D    | -            | -           | -            | -          | -           | -          |
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

/// The same for the other applications.
const APPLICATIONS: &str = "
                 | menu        | captions       | translating  | translating-later | notes-new   | notes          | summarizing  | summarizing-on | summary     | forgetting  | teleprompter | error-notes |
tap              | captions D  | -              | -            | -                 | -           | summarizing PD | -            | = D            | = D         | -           | -            | notes D     |
double-tap       | idle D      | idle D         | idle CD      | idle D            | idle D      | idle D         | idle CD      | idle CD        | notes D     | notes D     | idle D       | notes D     |
long-press       | listening D | listening D    | listening CD | listening D       | listening D | listening D    | listening CD | listening CD   | listening D | listening D | listening D  | listening D |
swipe-forward    | = D         | -              | -            | -                 | -           | forgetting D   | -            | = D            | = D         | -           | = D          | -           |
swipe-down       | = D         | -              | -            | -                 | -           | forgetting D   | -            | = D            | = D         | -           | = D          | -           |
swipe-back       | = D         | -              | -            | -                 | -           | = D            | -            | -              | -           | notes D     | -            | -           |
swipe-up         | = D         | -              | -            | -                 | -           | = D            | -            | -              | -           | notes D     | -            | -           |
speech           | -           | translating PD | = D          | = D               | = D         | = D            | -            | -              | -           | = D         | -            | -           |
speech-empty     | -           | -              | -            | -                 | -           | -              | -            | -              | -           | -           | -            | -           |
speech-long      | -           | = D            | = D          | = D               | = D         | = D            | -            | -              | -           | = D         | -            | -           |
head-up          | * D         | -              | -            | -                 | * D         | * D            | -            | -              | * D         | * D         | -            | * D         |
head-down        | -           | -              | -            | -                 | -           | -              | -            | -              | -           | -           | -            | -           |
lost             | -           | = D            | = D          | = D               | = D         | = D            | -            | -              | -           | -           | = D          | -           |
worn             | -           | -              | -            | -                 | -           | -              | -            | -              | -           | -           | -            | -           |
removed          | idle S      | idle S         | idle CS      | idle S            | idle S      | idle S         | idle CS      | idle CS        | idle S      | idle S      | = S          | = S         |
battery          | -           | -              | -            | -                 | -           | -              | -            | -              | -           | -           | -            | -           |
temperature      | -           | -              | -            | -                 | -           | -              | -            | -              | -           | -           | -            | -           |
ambient          | -           | -              | -            | -                 | -           | -              | -            | -              | -           | -           | -            | -           |
loading          | -           | -              | -            | -                 | -           | -              | -            | -              | -           | -           | -            | -           |
ready            | -           | -              | -            | -                 | -           | -              | -            | -              | -           | -           | -            | -           |
progress         | -           | -              | -            | -                 | -           | -              | = D          | -              | -           | -           | -            | -           |
token            | -           | -              | = D          | -                 | -           | -              | = D          | = D            | -           | -           | -            | -           |
token-empty      | -           | -              | -            | -                 | -           | -              | -            | -              | -           | -           | -            | -           |
stop             | -           | -              | captions D   | = P               | -           | -              | error D      | summary D      | -           | -           | -            | -           |
stop-full        | -           | -              | captions D   | = P               | -           | -              | = P          | summary D      | -           | -           | -            | -           |
error-load       | error D     | error D        | error D      | error D           | error D     | error D        | error D      | error D        | error D     | error D     | error D      | error D     |
error-generation | -           | -              | captions D   | = P               | -           | -              | error D      | error D        | -           | -           | -            | -           |
error-speech     | -           | = D            | = D          | = D               | = D         | = D            | -            | -              | -           | -           | -            | -           |
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
        _ => open(name, &mut assistant),
    }
    assistant
}

fn swipe(assistant: &mut Assistant, direction: Direction) {
    let _ = assistant.on_event(&event(SensorKind::Swipe(direction)));
}

fn say(assistant: &mut Assistant, text: &str) -> Actions {
    assistant.on_event(&event(SensorKind::speech(text).expect("is short")))
}

/// Opens the application of this situation, from a page of an answer, and gets it there.
fn open(situation: &str, assistant: &mut Assistant) {
    let _ = assistant.on_event(&event(SensorKind::DoubleTap));
    let swipes = match situation {
        "menu" | "captions" | "translating" | "translating-later" => 1,
        "teleprompter" => 3,
        _ => 2,
    };
    // The first of them opens the menu.
    for _ in 0..=swipes {
        swipe(assistant, Direction::Forward);
    }
    if situation == "menu" {
        return;
    }
    let _ = assistant.on_event(&event(SensorKind::Tap));
    if situation.starts_with("translating") {
        let _ = say(assistant, "Wo ist der Bahnhof?");
        if situation == "translating-later" {
            let _ = assistant.on_event(&event(SensorKind::DoubleTap));
            swipe(assistant, Direction::Down);
            swipe(assistant, Direction::Down);
            let _ = assistant.on_event(&event(SensorKind::Tap));
            let _ = say(assistant, "车站在哪里？");
        }
        return;
    }
    if matches!(situation, "captions" | "notes-new" | "teleprompter") {
        return;
    }
    for _ in 0..20 {
        let _ = say(assistant, "buy milk 买牛奶");
    }
    match situation {
        "notes" => {}
        "forgetting" => swipe(assistant, Direction::Forward),
        "summarizing" | "summarizing-on" | "summary" | "error-notes" => {
            let _ = assistant.on_event(&event(SensorKind::Tap));
            if situation == "error-notes" {
                let _ = assistant.on_error(Fault::Generation, &"it broke");
            } else if situation != "summarizing" {
                for _ in 0..20 {
                    let _ = assistant.on_token("milk\n");
                }
                swipe(assistant, Direction::Back);
                assert_eq!((assistant.page(), assistant.pages().count()), (0, 2));
            }
            if situation == "summary" {
                let _ = assistant.on_stop(Stop::EndOfTurn);
            }
        }
        other => panic!("no situation {other}"),
    }
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
        "lost" => SensorKind::Lost,
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
    let mut met = 0;
    for table in [TABLE, APPLICATIONS] {
        met += every_state_of(table);
    }
    assert_eq!(met, 28 * (10 + 12));
}

/// The cells of a table's rows, the header first; the name of the row is the first of each.
fn cells(table: &str) -> Vec<Vec<&str>> {
    let rows = table.trim_start_matches('\n').lines();
    rows.map(|row| {
        let row = row.trim_end().trim_end_matches('|');
        row.split('|').map(str::trim).collect()
    })
    .collect()
}

/// All situations, and all that can happen.
fn headers() -> (Vec<&'static str>, Vec<&'static str>) {
    let situations = [TABLE, APPLICATIONS]
        .into_iter()
        .flat_map(|table| cells(table)[0][1..].to_vec());
    let events = cells(TABLE).into_iter().skip(1).map(|row| row[0]);
    (situations.collect(), events.collect())
}

fn every_state_of(table: &str) -> usize {
    let rows = cells(table);
    let mut met = 0;
    for cells in &rows[1..] {
        assert_eq!(cells.len(), rows[0].len(), "cells of {}", cells[0]);
        for (situation_name, cell) in rows[0][1..].iter().zip(&cells[1..]) {
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
    met
}

/// Everything that can happen, to an assistant whose glasses are off.
#[test]
fn while_the_glasses_are_off_only_wearing_them_counts() {
    let (situations, events) = headers();
    for what in events {
        for &name in &situations {
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
    for name in [
        "idle",
        "paging",
        "error",
        "error-load",
        "menu",
        "notes",
        "summary",
        "forgetting",
        "error-notes",
    ] {
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

/// A touchpad that tells of the tap before the double-tap that it begins.
#[test]
fn a_double_tap_leaves_whether_a_tap_was_told_before_it_or_not() {
    let (situations, _) = headers();
    for name in situations {
        let left = ["alone", "after a tap"].map(|how| {
            let mut assistant = situation(name);
            let notes = assistant.notes().count();
            if how == "after a tap" {
                let _ = happen("tap", &mut assistant);
            }
            let _ = happen("double-tap", &mut assistant);
            assert_eq!(assistant.notes().count(), notes, "{name}, {how}");
            assistant.state()
        });
        // A tap puts the error page away, or tries again.
        if !name.starts_with("error") {
            assert_eq!(left[0], left[1], "{name}");
        }
    }
}

/// Whatever is done in whatever order, at most one generation runs, and every prompt has its question.
#[test]
fn no_order_of_events_breaks_the_protocol() {
    let (_, names) = headers();
    // xorshift: the same walk in every run.
    let mut random = 0x2545_f491_4f6c_dd1d_u64;
    let mut assistant = Box::new(Assistant::new(DISPLAY));
    let (mut running, mut prompts) = (false, 0);
    let mut seen = BTreeSet::new();
    for _ in 0..1_000_000 {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        let what = names[(random >> 33) as usize % names.len()];
        // What ends everything, rarely, so that the walk gets far.
        let ends_all = matches!(what, "error-load" | "removed" | "long-press");
        if ends_all && !random.is_multiple_of(8) {
            continue;
        }
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
            let chat = assistant.chat();
            let last = chat.turns().last().expect("a turn");
            assert!(last.0 == Role::User && !last.1.is_empty());
            assert!(assistant.answer().is_empty());
            running = true;
            prompts += 1;
        }
        if actions.contains(Action::Cancel) {
            assert!(running, "cancelled nothing at {what}");
        }
        assert!(assistant.page() < assistant.pages().count());
        let busy = matches!(
            assistant.state(),
            State::Thinking | State::Answering | State::Translating | State::Summarizing
        );
        seen.insert(assistant.state().name());
        assert!(
            !busy || running,
            "{} without a generation after {what}",
            assistant.state()
        );
    }
    assert!(prompts > 200, "{prompts}");
    assert_eq!(seen.len(), State::ALL.len(), "{seen:?}");
}

#[test]
fn it_fits_a_static() {
    assert!(size_of::<Assistant>() < 72 * 1024);
}
