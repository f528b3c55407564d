//! Boards that run: small random models booted bare metal give the host's tokens on every kind of
//! processor, number of cores and way to load; touchpad, conversation and display do what they should.

use std::time::Duration;

use anyhow::{Result, bail, ensure};

use super::Counts;
use super::bench::{Bench, Checks, says};
use crate::ask;
use crate::emulator::{Console, Drive, Emulator, Key, Machine, Report};

/// One file for each set of block formats.
const FIXTURES: [&str; 4] = ["qwen2-f16", "qwen2-q8_0", "qwen2-q4_0", "qwen2-q4_k_m"];
/// In the fixtures every byte is a token, so the questions stay short.
pub(super) const QUESTION: &str = "Which way is north? 北在哪里？";
const PATIENCE: Duration = Duration::from_mins(1);

pub fn run(_: bool) -> Result<Counts> {
    let bench = Bench::prepare()?;
    let mut checks = Checks::default();
    for name in FIXTURES {
        checks.run(&format!("{name}: the host's tokens"), || {
            same_tokens(&bench, name, |machine| machine)
        })?;
    }
    // Processors with dotprod and without; one core, and more than the default.
    for (cpu, cores) in [
        ("cortex-a53", 1),
        ("cortex-a72", 3),
        ("cortex-a76", 1),
        ("max", 4),
    ] {
        checks.run(&format!("{cpu} x {cores}: the host's tokens"), || {
            same_tokens(&bench, "qwen2-q4_k_m", |machine| Machine {
                cpu: Some(cpu),
                cores,
                ..machine
            })
        })?;
    }
    checks.run("a system prompt: the host's tokens", || {
        same_tokens(&bench, "qwen2-q8_0", |machine| Machine {
            system: Some("Be brief,\nand kind."),
            ..machine
        })
    })?;
    checks.run(
        "a model that lies in RAM already: the host's tokens",
        || from_ram(&bench),
    )?;
    checks.run("instructions are counted, the same each time", || {
        counted(&bench)
    })?;
    checks.run("a second question keeps the conversation", || {
        second_question(&bench)
    })?;
    checks.run("a double-tap ends an answer", || cancel(&bench))?;
    checks.run(
        "a QEMU that does not start is reported in its own words",
        || {
            let machine = Machine {
                cpu: Some("abacus"),
                ..bench.machine(Drive::Missing)
            };
            let Err(fault) = Emulator::start(&machine, Console::kept()) else {
                bail!("it started")
            };
            says(&format!("{fault:#}"), &["abacus"])
        },
    )?;
    checks.run("the display shows text in one green", || display(&bench))?;
    Ok(checks.counts)
}

pub(super) fn same_tokens<'a>(
    bench: &'a Bench,
    fixture: &str,
    change: impl FnOnce(Machine<'a>) -> Machine<'a>,
) -> Result<()> {
    let model = Bench::fixture(fixture)?;
    let plain = change(bench.machine(Drive::Missing));
    let machine = Machine {
        drive: Drive::File(&model),
        ..plain
    };
    let mut emulator = Bench::boot(&machine)?;
    let answer = ask::ask(&mut emulator, QUESTION, &mut |_, _| {})?;
    emulator.quit()?;
    bench.same_as_host(&machine, &model, &answer)
}

fn from_ram(bench: &Bench) -> Result<()> {
    let model = Bench::fixture("qwen2-q4_0")?;
    let Some(start) = bench.board.model_start else {
        return Ok(());
    };
    let machine = bench.machine(Drive::Ram(&model, start));
    let mut emulator = Bench::boot(&machine)?;
    let answer = ask::ask(&mut emulator, QUESTION, &mut |_, _| {})?;
    emulator.quit()?;
    bench.same_as_host(&machine, &model, &answer)
}

/// What `cargo xtask bench` builds on.
fn counted(bench: &Bench) -> Result<()> {
    let model = Bench::fixture("qwen2-q4_k_m")?;
    let Some(start) = bench.board.model_start else {
        return Ok(());
    };
    let machine = Machine {
        cores: 1,
        icount: true,
        selftest: true,
        ..bench.machine(Drive::Ram(&model, start))
    };
    let mut emulator = Bench::boot(&machine)?;
    for run in ["bench decode=3", "bench prefill=40 position=5"] {
        let answers = [(); 2].map(|()| emulator.request(run, PATIENCE));
        let [first, second] = answers;
        let (first, second) = (first?, second?);
        ensure!(
            first.ends_with(" hz=1000000000"),
            "not a tick an instruction: {first}"
        );
        ensure!(first == second, "{run}: {first}, and then {second}");
    }
    emulator.quit()
}

pub(super) fn second_question(bench: &Bench) -> Result<()> {
    let model = Bench::fixture("qwen2-q8_0")?;
    let machine = bench.machine(Drive::File(&model));
    let mut emulator = Bench::boot(&machine)?;
    let first = ask::ask(&mut emulator, "one", &mut |_, _| {})?;
    let second = ask::ask(&mut emulator, "two", &mut |_, _| {})?;
    ensure!(
        second.prompt_tokens.starts_with(&first.prompt_tokens),
        "the second question's context does not begin with the first's"
    );
    ensure!(
        second.prompt_tokens.len() > first.prompt_tokens.len(),
        "the second question is not in its context"
    );
    emulator.quit()
}

fn cancel(bench: &Bench) -> Result<()> {
    let model = Bench::fixture("qwen2-q4_0")?;
    let machine = Machine {
        context: Some(512),
        max_tokens: Some(400),
        ..bench.machine(Drive::File(&model))
    };
    let mut emulator = Bench::boot(&machine)?;
    emulator.hold(Key::ENTER)?;
    emulator.wait_for("the assistant to listen", PATIENCE, |report| {
        matches!(report, Report::State(state) if state == "listening").then_some(())
    })?;
    emulator.say("count")?;
    emulator.wait_for("the first token", PATIENCE, |report| {
        matches!(report, Report::Token(_)).then_some(())
    })?;
    emulator.tap(Key::BACK)?;
    let done = emulator.wait_for("the end of the answer", PATIENCE, |report| match report {
        Report::Done(done) => Some(done.clone()),
        _ => None,
    })?;
    ensure!(
        done.reason.to_lowercase().contains("cancel"),
        "the answer ended by {:?}",
        done.reason
    );
    ensure!(
        done.tokens < 400,
        "all tokens were generated before the answer was cancelled"
    );
    // Nothing is lost: the next question is answered.
    let next = ask::ask(&mut emulator, "again", &mut |_, _| {})?;
    ensure!(
        !next.tokens.is_empty(),
        "no answer after one that was cancelled"
    );
    emulator.quit()
}

pub(super) fn display(bench: &Bench) -> Result<()> {
    let model = Bench::fixture("qwen2-q8_0")?;
    let machine = bench.machine(Drive::File(&model));
    let mut emulator = Bench::boot(&machine)?;
    let idle = emulator.settled_pixels()?;
    ask::ask(&mut emulator, QUESTION, &mut |_, _| {})?;
    let answered = emulator.settled_pixels()?;
    emulator.save_picture(&bench.scratch("display.png"))?;
    ensure!(
        (answered.width, answered.height) == (480, 640),
        "{} x {}",
        answered.width,
        answered.height
    );
    ensure!(answered != idle, "the display did not change");
    ensure!(answered.is_all_green(), "not every pixel is green");
    ensure!(
        answered.lines() >= 2,
        "{} lines of text on the display",
        answered.lines()
    );
    emulator.quit()
}
