//! Watches a session at work: stops it at Ctrl-C, and shows how far it has read a long prompt.

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use qlens::session::{Interrupt, Phase, Progress, Watch};

use crate::interrupt;

/// Work that is over sooner shows no bar.
const PATIENCE: Duration = Duration::from_millis(500);

/// Stops at Ctrl-C; draws a bar on stderr where that is a terminal.
pub struct Supervisor {
    since: Instant,
    bar: Option<ProgressBar>,
}

impl Supervisor {
    /// Begins to watch.
    pub fn new() -> Self {
        Self {
            since: Instant::now(),
            bar: None,
        }
    }

    /// Removes the bar, if there is one.
    pub fn clear(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }
}

impl Watch for Supervisor {
    fn check(&mut self, at: Progress) -> Option<Interrupt> {
        if interrupt::came().is_some() {
            self.clear();
            return Some(Interrupt::Cancelled);
        }
        if at.phase == Phase::Prefill && at.total > 1 && self.since.elapsed() > PATIENCE {
            // Draws on stderr, and nothing where that is no terminal.
            let bar = self.bar.get_or_insert_with(|| prompt_bar(at.total));
            bar.set_position(at.done as u64);
        }
        None
    }
}

impl Drop for Supervisor {
    fn drop(&mut self) {
        self.clear();
    }
}

fn prompt_bar(total: usize) -> ProgressBar {
    let bar = ProgressBar::new(total as u64);
    if let Ok(style) =
        ProgressStyle::with_template("reading the prompt [{wide_bar}] {pos}/{len} tokens {eta}")
    {
        bar.set_style(style.progress_chars("=> "));
    }
    bar
}
