//! Figures of the emulated board, in instructions.
//!
//! With `-icount shift=0` QEMU's virtual time is the number of instructions that were executed, a nanosecond
//! each, and the machine's counter is set to tick once a nanosecond: two reads of `CNTVCT_EL0` differ by the
//! instructions between them, and a run gives the same number each time, to the last one. There is one core,
//! and no interrupt is ever taken. The firmware takes both reads itself, around the run alone (the self-test's
//! request `bench`).

use std::cell::RefCell;
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};

use super::figure::Figure;
use crate::ask;
use crate::emulator::{Console, Emulator, Hub, Machine, Report};
use crate::interrupt;

/// Two lengths of an answer, and two of a prompt in whole batches: their difference is the cost of the tokens
/// between, without what a run costs by itself.
const DECODE: [u64; 2] = [2, 6];
const PREFILL: [u64; 2] = [BATCH, 3 * BATCH];
const BATCH: u64 = 32;
/// A long prompt takes minutes, and nothing is heard of it.
const PATIENCE: Duration = Duration::from_hours(1);
/// The last line of the log may still be on its way when the report of the same moment is there.
const LOG: Duration = Duration::from_secs(5);

/// Longest silence of a board that rests: its display is dimmed first, and it looks around every ten seconds.
const REST: Duration = Duration::from_mins(2);

const PER_TOKEN: &str = "M instructions/token";

/// What is to be counted.
pub struct Wanted<'a> {
    /// Kernel, if not the fastest.
    pub kernel: Option<&'a str>,
    /// Position at which a decoded token is to be counted as well.
    pub depth: Option<u32>,
}

/// The answer to a request `bench`.
#[derive(Debug, PartialEq, Eq)]
struct Count {
    kernel: String,
    instructions: u64,
}

/// Instructions a token, and the kernel that was counted.
pub fn instructions(machine: &Machine<'_>, wanted: &Wanted<'_>) -> Result<(Vec<Figure>, String)> {
    let model = machine.drive.model_name();
    let mut emulator = Emulator::start(machine, Console::kept())?;
    ask::wait_until_ready(&mut emulator, &mut |_, _| {})?;
    let kernels = emulator.request("kernels", PATIENCE)?;
    if let Some(name) = wanted.kernel {
        let known = kernels.trim_start_matches("kernels ");
        ensure!(
            known.split(' ').any(|known| known == name),
            "the processor does not run a kernel {name:?}; it runs {known}"
        );
    }
    let kernel = wanted.kernel.map(|name| format!("kernel={name} "));
    let emulator = RefCell::new(emulator);
    let request = |line: &str| emulator.borrow_mut().request(line, PATIENCE);
    let count = |run: &str| {
        eprintln!("{model}: counting the instructions of {run}");
        let fields = kernel.as_deref().unwrap_or_default();
        let answer = request(&format!("bench {fields}batch={BATCH} {run}"))?;
        Count::parse(&answer).with_context(|| format!("{answer:?} is no answer to `bench`"))
    };
    let both = |layout: &str| -> Result<_> {
        let mut figures = Vec::new();
        let mut last = None;
        for (name, [short, long]) in [("prefill", PREFILL), ("decode", DECODE)] {
            let low = count(&format!("{name}={short}"))?;
            let high = count(&format!("{name}={long}"))?;
            let more = difference(&high, &low) / (long - short) as f64;
            let name = format!("{name}{layout}");
            figures.push(Figure::exact(model, &name, more, PER_TOKEN));
            last = Some(high);
        }
        Ok((figures, last.context("nothing was counted")?))
    };
    let (as_stored, mut answer) = both(", as the file is")?;
    let mut figures = Vec::new();
    // As an application uses a model that it has loaded into RAM; a packed file is so already.
    if request("interleave")? == "interleave changed=true" {
        (figures, answer) = both("")?;
    }
    figures.extend(as_stored);
    if let Some(depth) = wanted.depth {
        // One run at either place: what a run costs by itself goes out in the difference.
        let tokens = DECODE[1];
        let deep = count(&format!("decode={tokens} position={depth}"))?;
        let more = difference(&deep, &answer) / tokens as f64;
        let name = format!("decode at {depth}, more than at 0");
        figures.push(Figure::exact(model, &name, more, PER_TOKEN));
    }
    let mut emulator = emulator.into_inner();
    emulator.say("off")?;
    ensure!(
        emulator.ended(LOG)?.is_some(),
        "the machine did not switch itself off"
    );
    Ok((figures, answer.kernel))
}

/// In millions.
fn difference(high: &Count, low: &Count) -> f64 {
    (high.instructions as f64 - low.instructions as f64) / 1e6
}

impl Count {
    fn parse(answer: &str) -> Option<Self> {
        let fields = answer.strip_prefix("bench ")?;
        let field = |name: &str| {
            fields
                .split(' ')
                .find_map(|field| field.strip_prefix(name)?.strip_prefix('='))
        };
        let ticks: u128 = field("ticks")?.parse().ok()?;
        let hz: u128 = field("hz")?.parse().ok().filter(|&hz| hz > 0)?;
        Some(Self {
            kernel: field("kernel")?.into(),
            // An instruction is a nanosecond.
            instructions: (ticks * 1_000_000_000 / hz).try_into().ok()?,
        })
    }
}

/// Instructions from reset to the prompt, by the stamps of the log.
///
/// The board shares them with devices that it waits for, so that the last digits are not the same each time.
pub fn ready(machine: &Machine<'_>) -> Result<Vec<Figure>> {
    let model = machine.drive.model_name();
    eprintln!("{model}: counting the instructions from reset to the prompt");
    let mut emulator = Emulator::start(machine, Console::kept())?;
    ask::wait_until_ready(&mut emulator, &mut |_, _| {})?;
    let start = Instant::now();
    let times = loop {
        match Times::of(&emulator.console().lines()) {
            Some(times) => break times,
            None => ensure!(
                start.elapsed() < LOG,
                "the log does not say when the board was ready{}",
                emulator.console().last_lines()
            ),
        }
        sleep(interrupt::POLL);
    };
    emulator.quit()?;
    let figure = |name, us| Figure::measured(model, name, us as f64 / 1e3, "M instructions");
    Ok(vec![
        figure("reset to ready, model in RAM", times.ready),
        figure("of it, checksum of the model", times.checksum),
    ])
}

/// Instructions a second at the prompt, while nothing happens.
///
/// Virtual time passes there although nothing is executed, so the processor's own count of instructions is
/// taken: the application reports it when it has rested for a while, its looks at battery and thermometer
/// included.
///
/// With the image of a sensor hub that is joined, whose heartbeat is answered all the while.
pub fn idle(machine: &Machine<'_>, hub: Option<&Path>) -> Result<Figure> {
    let model = machine.drive.model_name();
    eprintln!("{model}: counting the instructions of a rest, for half a minute");
    let mut emulator = Emulator::start(machine, Console::kept())?;
    let hub = hub.map(|image| Hub::start(image, &emulator.link(), false, Console::kept()));
    let hub = hub.transpose()?;
    ask::wait_until_ready(&mut emulator, &mut |_, _| {})?;
    let (instructions, us) =
        emulator.wait_for("the board to rest", REST, |report| match *report {
            Report::Idle { instructions, us } => Some((instructions, us)),
            _ => None,
        })?;
    emulator.quit()?;
    ensure!(us > 0, "the board rested for no time at all");
    let a_second = instructions as f64 * 1e6 / us as f64;
    let with = if hub.is_some() {
        "at the prompt, with a sensor hub"
    } else {
        "at the prompt"
    };
    Ok(Figure::measured(model, with, a_second, "instructions/s"))
}

/// Microseconds of a boot.
#[derive(Debug, PartialEq, Eq)]
struct Times {
    /// From reset to the prompt.
    ready: u64,
    /// Of it, while the model was looked at byte by byte.
    checksum: u64,
}

impl Times {
    fn of(log: &[String]) -> Option<Self> {
        let stamp = |is: fn(&str) -> bool| log.iter().find_map(|line| stamped(line, is));
        let checking = stamp(|said| said.starts_with("checking "))?;
        let in_memory = stamp(|said| said.contains(" is in memory after "))?;
        Some(Self {
            ready: stamp(|said| said == "ready")?,
            checksum: in_memory.checked_sub(checking)?,
        })
    }
}

/// The time in microseconds of a line like `[    0.251740] INFO  qlens_assistant::app: ready`, if `is` takes
/// what it says.
fn stamped(line: &str, is: fn(&str) -> bool) -> Option<u64> {
    let (stamp, rest) = line.strip_prefix('[')?.split_once(']')?;
    let (_, said) = rest.split_once(": ")?;
    if !is(said) {
        return None;
    }
    let (seconds, micro) = stamp.trim().split_once('.')?;
    Some(seconds.parse::<u64>().ok()? * 1_000_000 + micro.parse::<u64>().ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_become_instructions() {
        for (answer, count) in [
            (
                "bench kernel=dotprod ticks=39480573 hz=62500000",
                Some(("dotprod", 631_689_168)),
            ),
            (
                "bench kernel=neon ticks=631689153 hz=1000000000",
                Some(("neon", 631_689_153)),
            ),
            ("bench kernel=neon ticks=7 hz=0", None),
            ("bench kernel=neon ticks=x hz=1", None),
            ("bench ticks=7 hz=1", None),
            ("logits sha256=ab", None),
        ] {
            let count = count.map(|(kernel, instructions)| Count {
                kernel: kernel.into(),
                instructions,
            });
            assert_eq!(Count::parse(answer), count, "{answer}");
        }
    }

    #[test]
    fn the_log_says_how_a_boot_went() {
        let log: Vec<String> = [
            "[    0.000950] INFO  qemu_virt::glasses: qemu-virt: 1 cores, 1024 MiB of RAM, GICv3",
            "[    0.001741] INFO  qlens_assistant::app: checking model, 491400064 bytes",
            "[    0.786150] INFO  qlens_assistant::app: model is in memory after 784 ms",
            "[    1.019360] INFO  qlens_assistant::app: context 2048 tokens, kernel dotprod",
            "[    1.019611] INFO  qlens_assistant::app: ready",
        ]
        .map(String::from)
        .into();
        let times = Times {
            ready: 1_019_611,
            checksum: 784_409,
        };
        assert_eq!(Times::of(&log), Some(times));
        assert_eq!(Times::of(&log[..4]), None);
        assert_eq!(Times::of(&["ready".into()]), None);
    }
}
