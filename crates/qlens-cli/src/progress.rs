//! How far long work on a file is, on stderr: drawn only where that is a terminal, and only once the
//! work has turned out to be long.

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

/// Work that is over sooner shows no bar.
const PATIENCE: Duration = Duration::from_millis(500);

/// Bytes done out of bytes to do. The bar goes away with it.
pub struct Bytes {
    what: &'static str,
    since: Instant,
    done: u64,
    total: u64,
    bar: Option<ProgressBar>,
}

impl Bytes {
    /// Begins to count; `what` is said beside the bar.
    pub fn new(what: &'static str, total: u64) -> Self {
        Self {
            what,
            since: Instant::now(),
            done: 0,
            total,
            bar: None,
        }
    }

    /// Counts `bytes` more.
    pub fn add(&mut self, bytes: u64) {
        self.done += bytes;
        if self.since.elapsed() > PATIENCE {
            let bar = self.bar.get_or_insert_with(|| bar(self.what, self.total));
            bar.set_position(self.done);
        }
    }
}

impl Drop for Bytes {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

fn bar(what: &'static str, total: u64) -> ProgressBar {
    let bar = ProgressBar::new(total).with_message(what);
    let style = "{msg} [{wide_bar}] {decimal_bytes}/{decimal_total_bytes} {eta}";
    if let Ok(style) = ProgressStyle::with_template(style) {
        bar.set_style(style.progress_chars("=> "));
    }
    bar
}
