//! Notes in a store of the board's own, with the faults that a device has.

use std::cell::RefCell;
use std::rc::Rc;

use embedded_graphics::geometry::Size;
use embedded_io::ErrorKind;
use qlens_assistant::{Action, Actions, Assistant, Fault, State, Stop};
use qlens_board::{Direction, Note, NoteError, NoteStore, SensorEvent, SensorKind};

/// A card that keeps what it has while the glasses are switched off, and fails when it is told to.
#[derive(Debug, Default)]
struct Card {
    notes: Vec<(Option<u64>, String)>,
    broken: bool,
}

#[derive(Clone, Debug, Default)]
struct Slot(Rc<RefCell<Card>>);

impl Slot {
    fn works(&self) -> Result<(), NoteError> {
        if self.0.borrow().broken {
            return Err(NoteError::Device(ErrorKind::Other));
        }
        Ok(())
    }
}

impl NoteStore for Slot {
    fn append(&mut self, note: &Note<'_>) -> Result<(), NoteError> {
        self.works()?;
        let kept = (note.unix_s, note.text.into());
        self.0.borrow_mut().notes.push(kept);
        Ok(())
    }

    fn visit(&mut self, each: &mut dyn FnMut(&Note<'_>)) -> Result<(), NoteError> {
        for (at_us, (unix_s, text)) in (0..).zip(&self.0.borrow().notes) {
            self.works()?;
            each(&Note {
                at_us,
                unix_s: *unix_s,
                text,
            });
        }
        Ok(())
    }

    fn clear(&mut self) -> Result<(), NoteError> {
        self.works()?;
        self.0.borrow_mut().notes.clear();
        Ok(())
    }

    fn len(&self) -> usize {
        self.0.borrow().notes.len()
    }

    fn dropped(&self) -> u32 {
        0
    }
}

fn happen(assistant: &mut Assistant<Slot>, kind: SensorKind) -> Actions {
    assistant.on_event(&SensorEvent::new(0, kind))
}

fn say(assistant: &mut Assistant<Slot>, text: &str) -> Actions {
    happen(assistant, SensorKind::speech(text).expect("is short"))
}

fn swipe(assistant: &mut Assistant<Slot>, direction: Direction) -> Actions {
    happen(assistant, SensorKind::Swipe(direction))
}

/// Glasses that are switched on with this card in them, with the notes open.
fn switched_on(slot: &Slot) -> Box<Assistant<Slot>> {
    let mut assistant = Box::new(Assistant::with_notes(Size::new(480, 640), slot.clone()));
    assistant.set_wall_origin(Some(1_700_000_000));
    let _ = assistant.on_ready();
    for _ in 0..3 {
        let _ = swipe(&mut assistant, Direction::Forward);
    }
    let opened = happen(&mut assistant, SensorKind::Tap);
    assert!(opened.contains(Action::Draw));
    assistant
}

#[test]
fn notes_outlive_the_glasses() {
    let slot = Slot::default();
    let mut assistant = switched_on(&slot);
    for text in ["buy milk", "买牛奶"] {
        assert!(say(&mut assistant, text).contains(Action::Draw));
    }
    drop(assistant);
    let mut assistant = switched_on(&slot);
    assert_eq!(assistant.notes().list(), "22:13 buy milk\n22:13 买牛奶\n");
    assert!(happen(&mut assistant, SensorKind::Tap).contains(Action::Prompt));
    assert_eq!(
        assistant.chat().turns()[1].1,
        "- buy milk\n- 买牛奶",
        "the model is asked about them"
    );
}

#[test]
fn a_store_that_fails_is_told_of_and_costs_no_more_than_the_note() {
    let slot = Slot::default();
    let mut assistant = switched_on(&slot);
    let _ = say(&mut assistant, "buy milk");
    slot.0.borrow_mut().broken = true;
    let refused = say(&mut assistant, "买牛奶");
    assert!(refused.contains(Action::Draw));
    assert_eq!(
        (assistant.state(), assistant.fault()),
        (State::Error, Fault::Speech)
    );
    let sentence = "The notes' store failed: the device reports an error.";
    assert_eq!(assistant.sentence(), sentence);
    let _ = happen(&mut assistant, SensorKind::Tap);
    assert_eq!(assistant.state(), State::Notes);
    assert_eq!(assistant.notes().list(), "22:13 buy milk\n");
    assert_eq!(assistant.notes().lost(), 1);

    // They cannot be forgotten either.
    let _ = swipe(&mut assistant, Direction::Forward);
    let _ = swipe(&mut assistant, Direction::Up);
    assert_eq!(
        (assistant.state(), assistant.sentence()),
        (State::Error, sentence)
    );
    let _ = happen(&mut assistant, SensorKind::Tap);
    assert_eq!(assistant.state(), State::Notes);

    // Whoever reads a summary is not disturbed.
    slot.0.borrow_mut().broken = false;
    let _ = happen(&mut assistant, SensorKind::DoubleTap);
    let mut assistant = switched_on(&slot);
    let _ = happen(&mut assistant, SensorKind::Tap);
    let _ = assistant.on_token("Milk.");
    slot.0.borrow_mut().broken = true;
    assert!(say(&mut assistant, "one more").is_empty());
    assert_eq!(assistant.state(), State::Summarizing);
    let _ = assistant.on_stop(Stop::EndOfTurn);
    let _ = happen(&mut assistant, SensorKind::DoubleTap);
    assert_eq!(
        (assistant.state(), assistant.notes().lost()),
        (State::Notes, 1)
    );

    // A card that cannot be read when the notes are opened.
    let assistant = switched_on(&slot);
    assert_eq!(
        (assistant.state(), assistant.sentence()),
        (State::Error, sentence)
    );
    assert_eq!(assistant.back(), State::Notes);
}
