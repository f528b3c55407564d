//! The board's serial console and QEMU's own complaints: shown to a person, or kept so that a failure can
//! be told with the last that was said.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Read, Write as _};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

/// Lines that are kept.
const KEPT: usize = 400;
/// Lines that are shown with a failure.
const SHOWN: usize = 12;

/// What came out of a machine so far; clones share it.
#[derive(Clone, Default)]
pub struct Console {
    kept: Arc<Mutex<Kept>>,
    shown: bool,
}

#[derive(Default)]
struct Kept {
    lines: VecDeque<String>,
    /// The last line, while it has no end.
    open: Vec<u8>,
}

impl Console {
    /// A console that is only kept.
    pub fn kept() -> Self {
        Self::default()
    }

    /// A console that is passed on to stdout as it comes.
    pub fn shown() -> Self {
        Self {
            shown: true,
            ..Self::default()
        }
    }

    /// Listens to the console's stream and to QEMU's own until they end.
    pub fn listen(
        &self,
        console: Option<impl Read + Send + 'static>,
        complaints: Option<impl Read + Send + 'static>,
    ) {
        if let Some(console) = console {
            self.clone().pump(console);
        }
        if let Some(complaints) = complaints {
            self.clone().pump_complaints(complaints);
        }
    }

    fn pump(self, mut from: impl Read + Send + 'static) {
        thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(n @ 1..) = from.read(&mut buffer) {
                self.take(&buffer[..n]);
            }
        });
    }

    fn pump_complaints(self, from: impl Read + Send + 'static) {
        thread::spawn(move || {
            for line in BufReader::new(from).split(b'\n').map_while(Result::ok) {
                // A ROM for PCs, which QEMU looks for even on a machine that cannot run it.
                if !line.starts_with(b"Could not open option rom 'vgabios-ramfb.bin'") {
                    self.take(&[&line[..], b"\n"].concat());
                }
            }
        });
    }

    fn take(&self, bytes: &[u8]) {
        if self.shown {
            let mut stdout = std::io::stdout().lock();
            let _ = stdout.write_all(bytes).and_then(|()| stdout.flush());
        }
        self.lock().push(bytes);
    }

    /// Adds a line that came another way.
    pub fn say(&self, line: &str) {
        self.take(format!("{line}\n").as_bytes());
    }

    /// The end of a sentence about a failure: the last lines that were said.
    pub fn last_lines(&self) -> String {
        let lines = self.lines();
        if lines.is_empty() {
            return "; nothing was said on the console".into();
        }
        let mut text = String::from("; the last lines on the console:");
        for line in lines.iter().skip(lines.len().saturating_sub(SHOWN)) {
            let _ = write!(text, "\n    {line}");
        }
        text
    }

    /// Everything that is kept, oldest line first.
    pub fn lines(&self) -> Vec<String> {
        let kept = self.lock();
        let open = (!kept.open.is_empty()).then(|| text_of(&kept.open));
        kept.lines.iter().cloned().chain(open).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn push(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            if byte != b'\n' {
                self.open.push(byte);
                continue;
            }
            self.lines.push_back(text_of(&self.open));
            self.open.clear();
            if self.lines.len() > KEPT {
                self.lines.pop_front();
            }
        }
    }
}

/// A line as text, without the carriage returns of a serial line.
fn text_of(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).replace('\r', "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_the_last_lines_across_chunks() {
        let console = Console::kept();
        assert!(console.last_lines().contains("nothing"));
        for n in 0..KEPT + 5 {
            console.lock().push(format!("line {n}\r").as_bytes());
            console.lock().push(b"\nopen");
            console.lock().open.clear();
        }
        console.lock().push("中".as_bytes());
        let lines = console.lines();
        assert_eq!(lines.len(), KEPT + 1);
        assert_eq!((lines[0].as_str(), lines[KEPT].as_str()), ("line 5", "中"));
        let last = console.last_lines();
        assert!(
            last.contains(&format!("line {}", KEPT + 4)) && !last.contains("line 5\n"),
            "{last}"
        );
    }
}
