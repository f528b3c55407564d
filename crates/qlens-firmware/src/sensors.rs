//! Text as events: what tools say on the board's second channel, and what is typed at the console, where a
//! line counts as a long press and the words after it, so that a board can be used with nothing but a console.

use core::cell::RefCell;
use core::fmt::Write as _;

use embedded_io::{Read, Write};
use qlens_board::event::{UTTERANCE_BYTES, Utterance};
use qlens_board::line::{Line, LineReader};
use qlens_board::queue::EventSink;
use qlens_board::{SensorEvent, SensorKind, SensorSource};

use crate::channel::{Channel, Report};
use crate::console::Console;

/// A line of the second channel is what was said.
#[derive(Debug)]
pub struct Spoken<'c, C> {
    channel: &'c RefCell<Option<C>>,
    lines: LineReader<UTTERANCE_BYTES>,
}

impl<'c, C> Spoken<'c, C> {
    /// What is said on this channel, if there is one.
    pub const fn new(channel: &'c RefCell<Option<C>>) -> Self {
        Self {
            channel,
            lines: LineReader::new(),
        }
    }
}

impl<C: Channel> SensorSource for Spoken<'_, C> {
    fn poll(&mut self, now_us: u64, events: &mut dyn EventSink) {
        let mut refused = None;
        if let Some(channel) = self.channel.borrow_mut().as_mut() {
            channel.poll(&mut |byte| match self.lines.push(byte) {
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

    fn due_us(&self) -> Option<u64> {
        let channel = self.channel.borrow();
        channel.as_ref().is_some_and(C::has_more).then_some(0)
    }
}

/// A line of the console is a long press and what was said.
#[derive(Debug, Default)]
pub struct Typed {
    lines: LineReader<UTTERANCE_BYTES>,
}

impl Typed {
    /// Nothing typed yet.
    pub const fn new() -> Self {
        Self {
            lines: LineReader::new(),
        }
    }
}

impl SensorSource for Typed {
    fn poll(&mut self, now_us: u64, events: &mut dyn EventSink) {
        let mut bytes = [0; 64];
        let Ok(count) = Console.read(&mut bytes);
        for &byte in &bytes[..count] {
            // What is typed is shown, as terminals expect of what they talk to.
            match byte {
                0x08 | 0x7f => {
                    if self.lines.erase() {
                        let _ = Console.write_all(b"\x08 \x08");
                    }
                    continue;
                }
                b'\r' | b'\n' => drop(Console.write_all(b"\n")),
                _ => drop(Console.write_all(&[byte])),
            }
            match self.lines.push(byte) {
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
