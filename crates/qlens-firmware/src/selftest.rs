//! The firmware as its own test: where that is wished for, no application runs, and the second channel takes
//! the requests of [`qlens_assistant::app::selftest`] instead. Four more are bare metal's own:
//!
//! | line in | what happens |
//! |---|---|
//! | `fault <kind>` | the firmware goes wrong in that way: null, text, execute, stack, core-stack, undefined, panic |
//! | `hash <n>` | `hash hardware_us=… software_us=…`: SHA-256 of the model's first `n` bytes both ways |
//! | `interleave` | `interleave changed=true`: the model's matrices are permuted in place, from here on |
//! | `off` | the machine is switched off |
//!
//! `ready` says that lines are taken.

use core::cell::RefCell;
use core::fmt;

use embedded_io::Write;
use qlens::model::Model;
use qlens::pack;
use qlens::workers::Workers;
use qlens_assistant::app::selftest::{self, LINE_BYTES, Platform};
use qlens_board::line::{Line, LineReader};
use qlens_board::memory::PAGE;
use qlens_board::sha256::Sha256;
use qlens_board::store::Flow;
use qlens_board::{Clock, ModelStore, load_model};
use spin::mutex::SpinMutex;

use crate::channel::{Channel, Report};
use crate::clock::CounterClock;
use crate::{exceptions, power, sha256};

static LINES: SpinMutex<LineReader<LINE_BYTES>> = SpinMutex::new(LineReader::new());

/// A line that is complete.
type Request = heapless::String<LINE_BYTES>;

static REQUEST: SpinMutex<Request> = SpinMutex::new(Request::new());

/// Loads the model and answers requests until one is `off`.
pub fn run<C: Channel, M: ModelStore>(
    channel: &RefCell<Option<C>>,
    store: &mut M,
    ram: &mut [u8],
    workers: &dyn Workers,
) {
    let mut report = Report(channel);
    let loaded = load_model(store, ram, sha256::hasher(), &mut |_| Flow::Continue);
    let size = match loaded {
        Ok(info) => info.size as usize,
        Err(error) => {
            tell(&mut report, format_args!("error {error}"));
            0
        }
    };
    let pages = size.next_multiple_of(PAGE as usize).min(ram.len());
    let (model, arena) = ram.split_at_mut(pages);
    let model = &mut model[..size];
    let platform = Platform {
        workers,
        hasher: sha256::hasher,
        counter: &CounterClock,
    };
    tell(&mut report, format_args!("ready"));
    while answer(channel, model, arena, &platform, &mut report) {
        // As an application does it with a model that it has loaded.
        match pack::interleave(model, arena, &mut |_| {}) {
            Ok(changed) => tell(&mut report, format_args!("interleave changed={changed}")),
            Err(error) => tell(&mut report, format_args!("error {error}")),
        }
    }
}

/// Answers requests until one changes the model (`true`) or switches the machine off.
fn answer<C: Channel>(
    channel: &RefCell<Option<C>>,
    bytes: &[u8],
    arena: &mut [u8],
    platform: &Platform<'_>,
    report: &mut impl Write,
) -> bool {
    let model = Model::parse(bytes);
    if let (Err(error), false) = (&model, bytes.is_empty()) {
        tell(report, format_args!("error {error}"));
    }
    let mut request = REQUEST.lock();
    while receive(channel, &mut request) {
        let (word, rest) = request.split_once(' ').unwrap_or((&request, ""));
        match (word, &model) {
            ("off", _) => return false,
            ("interleave", _) => return true,
            ("fault", _) => fault(rest, platform.workers),
            ("hash", _) => hash(bytes, rest, report),
            (_, Ok(model)) => selftest::answer(&request, model, arena, platform, report),
            (_, Err(error)) => tell(report, format_args!("error {error}")),
        }
    }
    false
}

fn tell(report: &mut impl Write, line: fmt::Arguments<'_>) {
    let _ = report.write_fmt(line);
    let _ = report.write_all(b"\n");
}

/// Waits for a line; `false` if there is no channel that one could come by.
fn receive<C: Channel>(channel: &RefCell<Option<C>>, request: &mut Request) -> bool {
    request.clear();
    let mut lines = LINES.lock();
    loop {
        let mut channel = channel.borrow_mut();
        let Some(port) = channel.as_mut() else {
            return false;
        };
        port.poll(&mut |byte| match lines.push(byte) {
            // One request at a time: whoever sends waits for the answer.
            Some(Line::Text(text)) => {
                request.clear();
                let _ = request.push_str(text);
            }
            Some(Line::Refused(error)) => log::warn!("{error}"),
            None => {}
        });
        let more = port.has_more();
        drop(channel);
        if !request.is_empty() {
            return true;
        }
        if !more {
            power::idle(None);
        }
    }
}

/// Hashes the model's first bytes by the core's own instructions and without them.
fn hash(model: &[u8], count: &str, report: &mut impl Write) {
    let count = count.parse().unwrap_or(0).min(model.len());
    let time = |mut hash: Sha256| {
        let start = CounterClock.now_us();
        hash.update(&model[..count]);
        (hash.finish(), CounterClock.now_us() - start)
    };
    let (hardware, hardware_us) = time(sha256::hasher());
    let (software, software_us) = time(Sha256::new());
    if hardware == software {
        tell(
            report,
            format_args!("hash hardware_us={hardware_us} software_us={software_us}"),
        );
    } else {
        tell(report, format_args!("error the two hashes differ"));
    }
}

/// Goes wrong on purpose, to see what is printed.
fn fault(kind: &str, workers: &dyn Workers) {
    match kind {
        // SAFETY: None at all; the write is meant to fault before it does anything.
        "null" => unsafe { (8 as *mut u32).write_volatile(1) },
        // SAFETY: As above: code is mapped read-only.
        "text" => unsafe { (descend as *const () as *mut u32).write_volatile(1) },
        "execute" => {
            let data = [0xd65f_03c0_u32; 1];
            // SAFETY: As above: the stack is mapped not executable, so the call faults at once.
            let code: extern "C" fn() = unsafe { core::mem::transmute(data.as_ptr()) };
            code();
        }
        "stack" => {
            core::hint::black_box(descend(1));
        }
        // The boot core waits for its share; another one may take the second task.
        "core-stack" => workers.run(2, &|_| {
            if exceptions::this_core() > 0 {
                core::hint::black_box(descend(1));
            }
            let give_up = CounterClock.now_us() + 2_000_000;
            while CounterClock.now_us() < give_up {}
        }),
        // SAFETY: As above: the instruction is undefined for good.
        "undefined" => unsafe { core::arch::asm!("udf #0") },
        _ => panic!("a panic was asked for: {kind}"),
    }
}

/// Never comes back, and takes stack for each step.
fn descend(depth: u64) -> u64 {
    let step = core::hint::black_box([depth; 32]);
    if step[0] == 0 {
        return 0;
    }
    descend(step[0] + 1) + step[31]
}
