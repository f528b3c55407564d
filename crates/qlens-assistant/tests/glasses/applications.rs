//! Applications other than Ask, with a model that answers whatever it is asked.

use qlens_assistant::State;
use qlens_board::{Direction, SensorKind};

use crate::world::{Glasses, SECOND, Seen, When, says};

const SWIPE: SensorKind = SensorKind::Swipe(Direction::Forward);

/// The touches that open the menu's entry `entry`, from 0, once the model is there.
fn open(entry: usize) -> Vec<(When, SensorKind)> {
    let mut script = vec![(When::Line("ready", 1), SWIPE); entry + 1];
    script.push((When::Line("ready", 1), SensorKind::Tap));
    script
}

fn states(seen: &Seen) -> Vec<&str> {
    let lines = seen.lines("state").into_iter();
    lines.map(|line| &line.text["state ".len()..]).collect()
}

/// The numbers of tokens of each context that the model was given.
fn prompts(seen: &Seen) -> Vec<usize> {
    let lines = seen.lines("prompt").into_iter();
    lines.map(|line| line.text.split(' ').count() - 1).collect()
}

#[test]
fn captions_come_one_after_the_other_each_by_itself() {
    let mut glasses = Glasses::new();
    glasses.script = open(1);
    glasses.script.extend([
        (When::Line("state captions", 1), says("Where is it?")),
        // While the first is being translated.
        (When::Line("token", 2), says("在那里。")),
        (When::Line("token", 3), says("Where is it?")),
    ]);
    let seen = glasses.go();
    assert_eq!(
        states(&seen),
        [
            "loading",
            "idle",
            "menu",
            "captions",
            "translating",
            "captions"
        ]
    );
    let prompts = seen.lines("prompt");
    assert_eq!((prompts.len(), seen.lines("done").len()), (3, 3));
    // What was said before is not in the context.
    assert_eq!(prompts[0].text, prompts[2].text);
    assert_ne!(prompts[0].text, prompts[1].text);
    let captions = seen.assistant.captions();
    assert_eq!(captions.captions().lines().count(), 3);
    assert_eq!((captions.waiting(), captions.missed()), (0, 0));
    assert_eq!(seen.assistant.conversation().turns(), 0);
}

#[test]
fn leaving_captions_ends_the_one_that_is_being_written() {
    let mut glasses = Glasses::new();
    glasses.settings.max_tokens = 400;
    glasses.script = open(1);
    glasses.script.extend([
        (When::Line("state captions", 1), says("Where is it?")),
        (When::Line("token", 2), says("在那里。")),
        (When::Line("token", 3), SensorKind::DoubleTap),
    ]);
    let seen = glasses.go();
    assert_eq!(seen.assistant.state(), State::Idle);
    assert_eq!(prompts(&seen).len(), 1);
    let done = &seen.lines[seen.place("done")].text;
    assert!(done.starts_with("done cancelled"), "{done}");
}

#[test]
fn notes_are_summed_up_as_far_as_the_context_has_room() {
    let mut glasses = Glasses::new();
    glasses.script = open(2);
    for number in 0..60 {
        let note = says("The carpenter comes on Thursday, 星期四木匠来。");
        let at_us = SECOND / 10 + number * 1_000;
        glasses.script.push((When::At(at_us), note));
    }
    glasses.script.push((When::At(SECOND / 2), SensorKind::Tap));
    let seen = glasses.go();
    assert_eq!(seen.assistant.notes().count(), 60);
    assert_eq!(seen.assistant.state(), State::Summary);
    assert!(!seen.assistant.answer().is_empty());
    let prompts = prompts(&seen);
    // 512 tokens of context, 12 of which are kept for the summary.
    assert!(
        prompts.len() == 1 && (400..=500).contains(&prompts[0]),
        "{prompts:?}"
    );
    assert_eq!(seen.lines("error").len(), 0);
}

/// A touchpad that tells of the tap before the double-tap that it begins.
#[test]
fn what_is_cancelled_before_it_was_begun_is_not_begun() {
    let mut glasses = Glasses::new();
    glasses.script = open(2);
    glasses.script.extend([
        (When::Line("state notes", 1), says("Buy milk.")),
        (When::At(SECOND / 2), SensorKind::Tap),
        (When::At(SECOND / 2), SensorKind::DoubleTap),
        (When::At(SECOND * 3 / 5), SensorKind::LongPress),
        (When::Line("state listening", 1), says("Hello?")),
    ]);
    let seen = glasses.go();
    assert_eq!(
        states(&seen)[3..],
        [
            "notes",
            "summarizing",
            "idle",
            "listening",
            "thinking",
            "answering",
            "paging"
        ]
    );
    assert_eq!((prompts(&seen).len(), seen.lines("error").len()), (1, 0));
    assert_eq!(seen.assistant.question(), "Hello?");
}
