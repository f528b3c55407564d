//! How far a run is, on stderr: a bar on a terminal, a line now and then elsewhere.

use std::io::IsTerminal as _;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

/// Between two lines where stderr is no terminal.
const LINE_EVERY: Duration = Duration::from_secs(15);

/// Counts cases.
pub struct Meter {
    bar: ProgressBar,
    what: &'static str,
    done: u64,
    count: u64,
    said: Instant,
}

impl Meter {
    /// At none of so many.
    pub fn new(what: &'static str, count: u64) -> Self {
        let bar = if std::io::stderr().is_terminal() {
            ProgressBar::new(count)
        } else {
            ProgressBar::hidden()
        };
        let style = ProgressStyle::with_template("{msg} [{wide_bar}] {pos}/{len} {per_sec} {eta}");
        if let Ok(style) = style {
            bar.set_style(style.progress_chars("=> "));
        }
        bar.set_message(what);
        Self {
            bar,
            what,
            done: 0,
            count,
            said: Instant::now(),
        }
    }

    /// One more is done.
    pub fn advance(&mut self) {
        self.done += 1;
        self.bar.set_position(self.done);
        if self.bar.is_hidden() && self.said.elapsed() > LINE_EVERY {
            self.said = Instant::now();
            eprintln!("{}: {} of {}", self.what, self.done, self.count);
        }
    }
}

impl Drop for Meter {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
