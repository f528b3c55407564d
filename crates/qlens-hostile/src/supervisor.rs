//! Has cases run by processes that a case may end, and goes on behind it.

use std::collections::VecDeque;
use std::env;
use std::io::{BufRead as _, BufReader};
use std::ops::Range;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result};
use qlens_hostile::{Outcome, Target};

use crate::progress::Meter;
use crate::worker::{Report, USED_UP};

/// After so many cases that are wrong, more say nothing new.
const MOST_FAILURES: usize = 10;
/// What the host tool says when a template takes more memory than it may, and ends.
const OUT_OF_MEMORY: &str = "the model's chat template takes more memory than it may";
/// Lines of what a process said last that are kept.
const LAST_LINES: usize = 12;

/// Where the cases come from.
#[derive(Clone, Copy, Debug)]
pub struct Run {
    pub target: Target,
    pub seed: u64,
}

/// What came of some cases.
#[derive(Debug, Default)]
pub struct Summary {
    pub outcomes: [u64; 3],
    /// Cases that ended their process, as they may: with a sentence, for want of memory.
    pub ended: u64,
    /// Most bytes, and the case that took them.
    pub peak: (usize, u64),
    /// Longest time, and the case that took it.
    pub slowest: (Duration, u64),
    /// Cases that are wrong, and what was said of them.
    pub failures: Vec<(u64, String)>,
}

impl Summary {
    fn add(&mut self, report: &Report) {
        self.outcomes[report.outcome as usize] += 1;
        self.peak = self.peak.max((report.peak, report.index));
        self.slowest = self.slowest.max((report.time, report.index));
    }

    fn merge(&mut self, other: Self) {
        for (sum, more) in self.outcomes.iter_mut().zip(other.outcomes) {
            *sum += more;
        }
        self.ended += other.ended;
        self.peak = self.peak.max(other.peak);
        self.slowest = self.slowest.max(other.slowest);
        self.failures.extend(other.failures);
    }
}

/// Runs cases in as many processes at once as there are processors.
pub fn run(run: Run, cases: Range<u64>) -> Result<Summary> {
    let count = cases.end - cases.start;
    let jobs = thread::available_parallelism().map_or(1, |n| n.get() as u64);
    let jobs = jobs.min(count / 100).max(1);
    let meter = Mutex::new(Meter::new(run.target.name(), count));
    let summaries = thread::scope(|scope| {
        let start = |job: u64| {
            let part = cases.start + count * job / jobs..cases.start + count * (job + 1) / jobs;
            let meter = &meter;
            scope.spawn(move || part_of(run, part, meter))
        };
        let threads: Vec<_> = (0..jobs).map(start).collect();
        let joined = threads.into_iter().map(thread::ScopedJoinHandle::join);
        joined.collect::<Vec<_>>()
    });
    let mut all = Summary::default();
    for summary in summaries {
        all.merge(summary.expect("threads of the supervisor do not panic")?);
    }
    all.failures.sort_unstable();
    Ok(all)
}

/// Cases one after the other, by one process after the other.
fn part_of(run: Run, cases: Range<u64>, meter: &Mutex<Meter>) -> Result<Summary> {
    let mut summary = Summary::default();
    let mut next = cases.start;
    while next < cases.end && summary.failures.len() < MOST_FAILURES {
        let before = next;
        let (status, said) = process(run, next..cases.end, &mut |report| {
            summary.add(&report);
            next = report.index + 1;
            if let Ok(mut meter) = meter.lock() {
                meter.advance();
            }
        })?;
        if status.success() || status.code() == Some(USED_UP) && next > before {
            continue;
        }
        if status.code() == Some(1) && said.contains(OUT_OF_MEMORY) {
            summary.outcomes[Outcome::Refused as usize] += 1;
            summary.ended += 1;
        } else {
            let how = match status.signal() {
                Some(signal) => format!("signal {signal}"),
                None => status.to_string(),
            };
            summary.failures.push((next, format!("{how}: {said}")));
        }
        next += 1;
    }
    Ok(summary)
}

/// One process: what it reports while it lives, how it ended, and its last words.
fn process(
    run: Run,
    cases: Range<u64>,
    report: &mut dyn FnMut(Report),
) -> Result<(ExitStatus, String)> {
    let own = env::current_exe().context("cannot find this program")?;
    let mut child = Command::new(own)
        .args([
            run.target.name(),
            "--seed",
            &run.seed.to_string(),
            "--worker",
        ])
        .args([cases.start.to_string(), cases.end.to_string()])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .context("cannot run this program again")?;
    let stderr = child.stderr.take();
    let listener = thread::spawn(move || {
        let mut last = VecDeque::new();
        for line in stderr
            .map(BufReader::new)
            .into_iter()
            .flat_map(|r| r.split(b'\n'))
        {
            let Ok(line) = line else { break };
            last.push_back(String::from_utf8_lossy(&line).into_owned());
            if last.len() > LAST_LINES {
                last.pop_front();
            }
        }
        Vec::from(last).join("\n")
    });
    if let Some(stdout) = child.stdout.take() {
        let mut lines = BufReader::new(stdout);
        let mut line = String::new();
        while lines.read_line(&mut line)? > 0 {
            // A line that was cut is no report.
            if let Some(said) = line.strip_suffix('\n').and_then(Report::parse) {
                report(said);
            }
            line.clear();
        }
    }
    let status = child.wait()?;
    let said = listener.join().unwrap_or_default();
    Ok((status, said))
}
