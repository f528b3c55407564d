//! Runs cases in a process of its own, which ends with the first one that is wrong.

use std::fs;
use std::io::{self, Write as _};
use std::ops::Range;
use std::path::Path;
use std::process;
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result};
use qlens_hostile::{MOST_BYTES, Outcome, Random, Seeds, Target};

use crate::heap;
use crate::watchdog::{self, MOST_TIME};

/// Says that the process is used up and another one is to go on.
pub const USED_UP: i32 = 75;
/// The main thread, and the one that watches it.
const THREADS: usize = 2;

/// What is said of a case: `INDEX OUTCOME PEAK MICROSECONDS`.
#[derive(Clone, Copy, Debug)]
pub struct Report {
    pub index: u64,
    pub outcome: Outcome,
    pub peak: usize,
    pub time: Duration,
}

impl Report {
    /// Reads a line.
    pub fn parse(line: &str) -> Option<Self> {
        let mut words = line.split(' ');
        let mut number = || words.next()?.parse::<u64>().ok();
        let (index, outcome) = (number()?, number()?);
        let outcomes = [Outcome::Refused, Outcome::TooLarge, Outcome::Taken];
        Some(Self {
            index,
            outcome: *outcomes.get(usize::try_from(outcome).ok()?)?,
            peak: usize::try_from(number()?).ok()?,
            time: Duration::from_micros(number()?),
        })
    }
}

/// Runs these cases and writes a line for each to stdout. What is wrong is said on stderr, and the process aborts.
pub fn run(target: Target, seed: u64, cases: Range<u64>) -> Result<()> {
    let seeds = Seeds::of(target)?;
    begin(target, &seeds);
    let mut out = io::stdout().lock();
    for index in cases {
        let input = seeds.mutated(&mut Random::of_case(seed, target.name(), index));
        let Case {
            outcome,
            peak,
            time,
        } = case(|| target.run(&input));
        let (number, micros) = (outcome as u8, time.as_micros());
        writeln!(out, "{index} {number} {peak} {micros}")?;
        if target == Target::Template && outcome == Outcome::Refused && others_run() {
            process::exit(USED_UP);
        }
    }
    Ok(())
}

/// Runs one input, held to the same.
pub fn run_input(target: Target, input: &[u8]) -> Result<Case> {
    begin(target, &Seeds::of(target)?);
    Ok(case(|| target.run(input)))
}

/// What became of an input.
#[derive(Clone, Copy, Debug)]
pub struct Case {
    pub outcome: Outcome,
    /// Most bytes at once.
    pub peak: usize,
    /// What it took of a processor.
    pub time: Duration,
}

fn begin(target: Target, seeds: &Seeds) {
    watch();
    // What is made once is no case's.
    for seed in seeds.sound().take(1) {
        target.run(seed);
    }
}

/// Has panics end the process, whichever thread's they are, and looks at the time from now on.
fn watch() {
    let print = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        print(panic);
        process::abort();
    }));
    watchdog::start();
}

fn case(run: impl FnOnce() -> Outcome) -> Case {
    let ((outcome, time), peak) = heap::most(|| watchdog::watched(run));
    if peak > MOST_BYTES {
        eprintln!("it takes {peak} bytes at once, and at most {MOST_BYTES} are allowed");
        process::abort();
    }
    if time > MOST_TIME {
        eprintln!("it takes {time:?}, and at most {MOST_TIME:?} is allowed");
        process::abort();
    }
    Case {
        outcome,
        peak,
        time,
    }
}

/// Whether a thread goes on that was given up: it would be in the way of the next case.
fn others_run() -> bool {
    let count = || fs::read_dir("/proc/self/task").map_or(THREADS, Iterator::count);
    for _ in 0..20 {
        if count() <= THREADS {
            return false;
        }
        // One that has just ended takes a moment to be gone.
        thread::sleep(Duration::from_millis(1));
    }
    true
}

/// Writes the input of a case to a file.
pub fn write(target: Target, seed: u64, index: u64, path: &Path) -> Result<()> {
    let mut random = Random::of_case(seed, target.name(), index);
    let input = Seeds::of(target)?.mutated(&mut random);
    fs::write(path, &*input).with_context(|| format!("cannot write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use std::env;
    use std::hint::{black_box, spin_loop};
    use std::os::unix::process::ExitStatusExt as _;
    use std::process::Command;

    use super::*;

    /// Says to a process that it is to be wrong, and how.
    const WRONG: &str = "QLENS_HOSTILE_WRONG";
    const SIGABRT: i32 = 6;

    fn panic() -> Outcome {
        // As in a thread that a template is run on: nobody else would hear of it.
        let panicked = thread::spawn(|| assert!(black_box(false), "on purpose")).join();
        drop(panicked);
        Outcome::Refused
    }

    fn hang() -> Outcome {
        loop {
            spin_loop();
        }
    }

    fn take() -> Outcome {
        drop(black_box(vec![1_u8; MOST_BYTES + 1]));
        Outcome::Taken
    }

    /// Runs this very test in processes that are wrong in each way.
    #[test]
    fn what_is_wrong_ends_the_process_with_a_sentence() {
        type Way = (&'static str, fn() -> Outcome, &'static str);
        let ways: [Way; 3] = [
            ("panic", panic, "on purpose"),
            ("hang", hang, "it takes longer than 1s"),
            ("take", take, "bytes at once, and at most 64000000"),
        ];
        if let Ok(name) = env::var(WRONG) {
            watch();
            for (_, run, _) in ways.iter().filter(|way| way.0 == name) {
                case(run);
            }
            return;
        }
        for (name, _, says) in ways {
            let done = Command::new(env::current_exe().unwrap())
                .args(["--exact", "--nocapture"])
                .arg("worker::tests::what_is_wrong_ends_the_process_with_a_sentence")
                .env(WRONG, name)
                .output()
                .unwrap();
            let said = String::from_utf8_lossy(&done.stderr);
            assert_eq!(done.status.signal(), Some(SIGABRT), "{name}: {said}");
            assert!(said.contains(says), "{name}: {said}");
        }
    }
}
