//! Touchpads of glasses emit key events only; this turns presses and releases into what they mean.
//!
//! Codes are those of Linux' evdev. Arrow keys are swipes and BACK is a double tap, each at its
//! press. ENTER is a tap if released within [`HOLD_US`] and a long press once held that long, at the
//! moment it has been: the wearer feels the glasses listen while the finger is still down.
//!
//! Not supported: chords, and a double tap made of two ENTERs (the touchpad's own firmware joins
//! those into BACK).

use crate::event::{Direction, SensorEvent, SensorKind};
use crate::queue::EventSink;

/// Held this long, in microseconds, a touch is a long press.
pub const HOLD_US: u64 = 600_000;

/// Key codes of Linux' `input-event-codes.h`.
pub mod key {
    /// A tap, or a long press if held.
    pub const ENTER: u16 = 28;
    /// Swipe up.
    pub const UP: u16 = 103;
    /// Swipe back.
    pub const LEFT: u16 = 105;
    /// Swipe forward.
    pub const RIGHT: u16 = 106;
    /// Swipe down.
    pub const DOWN: u16 = 108;
    /// A double tap.
    pub const BACK: u16 = 158;
}

/// What a key did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Stroke {
    /// Went down.
    Press,
    /// Came up.
    Release,
    /// Is still down, says the keyboard's own repeat.
    Repeat,
}

impl Stroke {
    /// The value of an evdev key event; `None` for one that does not exist.
    pub const fn from_evdev(value: u32) -> Option<Self> {
        match value {
            0 => Some(Self::Release),
            1 => Some(Self::Press),
            2 => Some(Self::Repeat),
            _ => None,
        }
    }
}

/// The touchpad's state between two key events.
#[derive(Debug, Default)]
pub struct Touchpad {
    /// When the finger went down, if it is and the touch has not been reported yet.
    pressed_at: Option<u64>,
}

impl Touchpad {
    /// No finger on it.
    pub const fn new() -> Self {
        Self { pressed_at: None }
    }

    /// A key did something at `at_us`; keys that mean nothing are ignored.
    pub fn key(&mut self, code: u16, stroke: Stroke, at_us: u64, events: &mut dyn EventSink) {
        if code == key::ENTER {
            // The hold may have run out before this event was seen.
            self.tick(at_us, events);
            match stroke {
                // A second press without a release is the first one still held.
                Stroke::Press => {
                    self.pressed_at.get_or_insert(at_us);
                }
                Stroke::Release => {
                    if self.pressed_at.take().is_some_and(|at| at != REPORTED) {
                        events.push(SensorEvent::new(at_us, SensorKind::Tap));
                    }
                }
                Stroke::Repeat => {}
            }
            return;
        }
        if stroke != Stroke::Press {
            return;
        }
        let kind = match code {
            key::RIGHT => SensorKind::Swipe(Direction::Forward),
            key::LEFT => SensorKind::Swipe(Direction::Back),
            key::UP => SensorKind::Swipe(Direction::Up),
            key::DOWN => SensorKind::Swipe(Direction::Down),
            key::BACK => SensorKind::DoubleTap,
            _ => return,
        };
        events.push(SensorEvent::new(at_us, kind));
    }

    /// Time passed: reports the long press that has become one.
    pub fn tick(&mut self, now_us: u64, events: &mut dyn EventSink) {
        if let Some(due) = self.due_us()
            && now_us >= due
        {
            self.pressed_at = Some(REPORTED);
            events.push(SensorEvent::new(due, SensorKind::LongPress));
        }
    }

    /// When [`Touchpad::tick`] next has something to say; `None` if only a key can change anything.
    pub fn due_us(&self) -> Option<u64> {
        self.pressed_at
            .filter(|&at| at != REPORTED)
            .map(|at| at.saturating_add(HOLD_US))
    }
}

/// Stands in [`Touchpad::pressed_at`] for a press that was already reported as long: its release
/// means nothing more.
const REPORTED: u64 = u64::MAX;

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use super::*;
    use crate::queue::EventQueue;

    /// Runs `(code, stroke, at)`; a code of 0 is a tick.
    fn run(script: &[(u16, Stroke, u64)]) -> Vec<(u64, SensorKind)> {
        let mut pad = Touchpad::new();
        let mut queue = EventQueue::<16>::new();
        for &(code, stroke, at) in script {
            if code == 0 {
                pad.tick(at, &mut queue);
            } else {
                pad.key(code, stroke, at, &mut queue);
            }
        }
        core::iter::from_fn(|| queue.pop())
            .map(|event| (event.at_us, event.kind))
            .collect()
    }

    use Stroke::{Press, Release, Repeat};

    #[test]
    fn a_short_touch_is_a_tap_when_it_ends() {
        let got = run(&[
            (key::ENTER, Press, 1_000),
            (0, Press, 300_000),
            (key::ENTER, Release, 600_999),
        ]);
        assert_eq!(got, [(600_999, SensorKind::Tap)]);
    }

    #[test]
    fn a_held_touch_is_a_long_press_while_it_lasts() {
        let got = run(&[
            (key::ENTER, Press, 1_000),
            (key::ENTER, Repeat, 500_000),
            (0, Press, 601_000),
            (0, Press, 900_000),
            (key::ENTER, Release, 1_000_000),
        ]);
        assert_eq!(got, [(601_000, SensorKind::LongPress)]);
    }

    /// The firmware was busy and saw press and release together.
    #[test]
    fn a_hold_seen_only_at_its_release_is_still_a_long_press() {
        let got = run(&[(key::ENTER, Press, 0), (key::ENTER, Release, 2_000_000)]);
        assert_eq!(got, [(HOLD_US, SensorKind::LongPress)]);
    }

    #[test]
    fn taps_follow_each_other_and_a_hold() {
        let got = run(&[
            (key::ENTER, Press, 0),
            (key::ENTER, Release, 10),
            (key::ENTER, Press, 20),
            (key::ENTER, Release, 30),
            (key::ENTER, Press, 1_000_000),
            (0, Press, 1_700_000),
            (key::ENTER, Release, 1_800_000),
            (key::ENTER, Press, 1_900_000),
            (key::ENTER, Release, 1_900_010),
        ]);
        assert_eq!(
            got,
            [
                (10, SensorKind::Tap),
                (30, SensorKind::Tap),
                (1_600_000, SensorKind::LongPress),
                (1_900_010, SensorKind::Tap),
            ]
        );
    }

    #[test]
    fn arrows_swipe_and_back_is_a_double_tap() {
        let keys = [key::RIGHT, key::LEFT, key::UP, key::DOWN, key::BACK];
        let script: Vec<_> = keys
            .iter()
            .flat_map(|&code| [(code, Press, 5), (code, Repeat, 6), (code, Release, 7)])
            .collect();
        let kinds: Vec<_> = run(&script).into_iter().map(|(_, kind)| kind).collect();
        assert_eq!(
            kinds,
            [
                SensorKind::Swipe(Direction::Forward),
                SensorKind::Swipe(Direction::Back),
                SensorKind::Swipe(Direction::Up),
                SensorKind::Swipe(Direction::Down),
                SensorKind::DoubleTap,
            ]
        );
    }

    #[test]
    fn what_means_nothing_is_ignored() {
        assert!(run(&[(30, Press, 1), (30, Release, 2), (key::ENTER, Release, 3)]).is_empty());
        assert_eq!(Stroke::from_evdev(3), None);
    }

    #[test]
    fn a_press_that_is_never_released_says_when_it_is_due() {
        let mut pad = Touchpad::new();
        let mut queue = EventQueue::<2>::new();
        assert_eq!(pad.due_us(), None);
        pad.key(key::ENTER, Press, 7, &mut queue);
        assert_eq!(pad.due_us(), Some(7 + HOLD_US));
        pad.tick(7 + HOLD_US, &mut queue);
        assert_eq!(pad.due_us(), None);
        // Time running on, or back, brings no second one.
        pad.tick(u64::MAX, &mut queue);
        pad.tick(0, &mut queue);
        assert_eq!(queue.len(), 1);
    }
}
