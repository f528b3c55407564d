//! The board's serial console and QEMU's own complaints: shown to a person, or kept so that a failure can
//! be told with the last that was said.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Read, Write as _};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use super::Report;

/// What a line of a report begins with on a console that carries reports, too.
const MARK: u8 = 0x1e;
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

    /// Listens to the console's stream and to QEMU's own until they end. Where reports come on the console, they
    /// are taken out of it and go to `reports`.
    pub fn listen(
        &self,
        console: Option<impl Read + Send + 'static>,
        complaints: Option<impl Read + Send + 'static>,
        reports: Option<Sender<Report>>,
    ) {
        if let Some(console) = console {
            self.clone().pump(console, reports);
        }
        if let Some(complaints) = complaints {
            self.clone().pump_complaints(complaints);
        }
    }

    fn pump(self, mut from: impl Read + Send + 'static, reports: Option<Sender<Report>>) {
        thread::spawn(move || {
            let mut buffer = [0; 4096];
            let mut splitter = Splitter::default();
            while let Ok(n @ 1..) = from.read(&mut buffer) {
                let Some(reports) = &reports else {
                    self.take(&buffer[..n]);
                    continue;
                };
                self.take(&splitter.split(&buffer[..n], &mut |line| {
                    // Nobody may be interested any more.
                    let _ = reports.send(Report::parse(line));
                }));
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

/// Takes reports out of what else is on a console.
#[derive(Default)]
struct Splitter {
    /// The line of a report, while it has no end.
    line: Option<Vec<u8>>,
}

impl Splitter {
    /// Hands on the reports that end in these bytes; returns the bytes of people.
    fn split(&mut self, bytes: &[u8], report: &mut dyn FnMut(&str)) -> Vec<u8> {
        let mut rest = Vec::new();
        for &byte in bytes {
            match (&mut self.line, byte) {
                (None, MARK) => self.line = Some(Vec::new()),
                (None, _) => rest.push(byte),
                (Some(line), b'\n') => {
                    report(&String::from_utf8_lossy(line));
                    self.line = None;
                }
                (Some(line), _) => line.push(byte),
            }
        }
        rest
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
    fn reports_are_taken_out_of_what_people_read() {
        let mut splitter = Splitter::default();
        let mut reports = Vec::new();
        let mut rest = Vec::new();
        for bytes in ["log\n\x1erea", "dy\n12", "3\x1etoken 7\n4\n"] {
            let take = &mut |line: &str| reports.push(line.to_owned());
            rest.extend(splitter.split(bytes.as_bytes(), take));
        }
        assert_eq!(reports, ["ready", "token 7"]);
        assert_eq!(rest, b"log\n1234\n");
    }

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
