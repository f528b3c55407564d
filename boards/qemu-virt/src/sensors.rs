//! Everything that the wearer can do to this board, as one source of events: the touchpad, the speech
//! channel, and the console, on which a line typed counts as a long press and the words after it, so
//! that the board can be used without a window.

use core::cell::RefCell;
use core::fmt::Write as _;

use embedded_io::{Read, Write};
use qlens_board::event::{UTTERANCE_BYTES, Utterance};
use qlens_board::line::{Line, LineReader};
use qlens_board::queue::EventSink;
use qlens_board::{SensorEvent, SensorKind, SensorSource};

use crate::console::Console;
use crate::speech::{Channel, Report};
use crate::touchpad::Keyboard;

/// All sources of events.
pub struct Sensors<'c> {
    keyboard: Option<Keyboard>,
    channel: &'c RefCell<Option<Channel>>,
    spoken: LineReader<UTTERANCE_BYTES>,
    typed: LineReader<UTTERANCE_BYTES>,
}

impl<'c> Sensors<'c> {
    /// The sources that the machine has.
    pub fn new(keyboard: Option<Keyboard>, channel: &'c RefCell<Option<Channel>>) -> Self {
        Self {
            keyboard,
            channel,
            spoken: LineReader::new(),
            typed: LineReader::new(),
        }
    }

    fn poll_speech(&mut self, now_us: u64, events: &mut dyn EventSink) {
        let mut refused = None;
        if let Some(channel) = self.channel.borrow_mut().as_mut() {
            channel.poll(&mut |byte| match self.spoken.push(byte) {
                Some(Line::Text(text)) => said(text, now_us, events),
                Some(Line::Refused(error)) => refused = Some(error),
                None => {}
            });
        }
        if let Some(error) = refused {
            log::warn!("speech channel: {error}");
            let mut text = heapless::String::<160>::new();
            let _ = writeln!(text, "error {error}");
            let _ = Report(self.channel).write_all(text.as_bytes());
        }
    }

    fn poll_console(&mut self, now_us: u64, events: &mut dyn EventSink) {
        let mut bytes = [0; 64];
        let Ok(count) = Console.read(&mut bytes);
        for &byte in &bytes[..count] {
            // What is typed is shown, as terminals expect of what they talk to.
            match byte {
                0x08 | 0x7f => {
                    if self.typed.erase() {
                        let _ = Console.write_all(b"\x08 \x08");
                    }
                    continue;
                }
                b'\r' | b'\n' => drop(Console.write_all(b"\n")),
                _ => drop(Console.write_all(&[byte])),
            }
            match self.typed.push(byte) {
                Some(Line::Text(text)) => {
                    events.push(SensorEvent::new(now_us, SensorKind::LongPress));
                    said(text, now_us, events);
                }
                Some(Line::Refused(error)) => log::warn!("console: {error}"),
                None => {}
            }
        }
    }
}

/// A line is never longer than an utterance, as both have one limit.
fn said(text: &str, now_us: u64, events: &mut dyn EventSink) {
    if let Ok(text) = Utterance::try_from(text) {
        events.push(SensorEvent::new(now_us, SensorKind::Speech(text)));
    }
}

impl SensorSource for Sensors<'_> {
    fn poll(&mut self, now_us: u64, events: &mut dyn EventSink) {
        if let Some(keyboard) = &mut self.keyboard {
            keyboard.poll(now_us, events);
        }
        self.poll_speech(now_us, events);
        self.poll_console(now_us, events);
    }

    fn due_us(&self) -> Option<u64> {
        let more = self
            .channel
            .borrow()
            .as_ref()
            .is_some_and(Channel::has_more);
        if more {
            return Some(0);
        }
        self.keyboard.as_ref().and_then(SensorSource::due_us)
    }
}
