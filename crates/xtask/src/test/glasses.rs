//! Both chips of the glasses in QEMU: a recording gives the events, the answers and the display that it gives on the host,
//! where both chips' code runs in lockstep, pixel for pixel; a hub that dies is told of and joined again.

use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use qlens_recording::{FRAME_BYTES, Record, Sample, VERSION, wire};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::Counts;
use super::bench::{Bench, Checks};
use crate::demo;
use crate::emulator::{BadLink, Console, Drive, Hub, Machine, Report};
use crate::glasses::{self, Glasses, Pace, Recording};
use crate::{interrupt, workspace};

/// Scenes that are lived, and the small model that answers in each.
const SCENES: [(&str, &str); 2] = [("demo", "qwen2-q8_0"), ("notes", "qwen2-q4_k_m")];
/// Those that are left out if there is no time for everything.
const MORE_SCENES: [(&str, &str); 3] = [
    ("chinese", "qwen2-q4_k_m"),
    ("translate", "qwen2-q8_0"),
    ("teleprompter", "qwen2-q4_0"),
];
const MAX_TOKENS: u32 = 24;
/// A board that can be bought, with the hub on its second UART.
const SOLD: &str = "raspi3";
/// Frames that go over a link that fails, and as many as there is time for.
const FRAMES: u64 = 10_000;
const MANY_FRAMES: u64 = 1_000_000;
/// Events that are given to the hub at a time, and most that it has beyond those that came.
const BATCH: u32 = 16;
const UNDER_WAY: u32 = 256;
/// So long the processor may take to notice that the hub is gone, or there again, in an emulator that others keep waiting.
const PATIENCE: Duration = Duration::from_secs(20);

pub fn run(full: bool) -> Result<Counts> {
    let bench = Bench::prepare()?;
    let chips = Chips {
        hub: glasses::hub_image()?,
        bench,
    };
    let mut checks = Checks::default();
    let more = if full { &MORE_SCENES[..] } else { &[] };
    for &(scene, model) in SCENES.iter().chain(more) {
        checks.run(
            &format!("{scene}: events, answers and display are the host's"),
            || chips.same_as_host(&chips.bench, scene, model),
        )?;
    }
    let sold = Bench::prepare_for(SOLD)?;
    checks.run(
        &format!("demo on {SOLD}: events, answers and display are the host's"),
        || chips.same_as_host(&sold, "demo", "qwen2-q8_0"),
    )?;
    checks.run("a hub that starts again is joined again", || {
        chips.hub_starts_again()
    })?;
    checks.run("a hub that falls silent in a press is told of", || {
        chips.hub_falls_silent()
    })?;
    let frames = if full { MANY_FRAMES } else { FRAMES };
    checks.run(
        &format!("{frames} frames over a link that fails: nothing is lost, nothing comes twice"),
        || chips.bad_link(frames),
    )?;
    Ok(checks.counts)
}

/// Firmware of both.
struct Chips {
    bench: Bench,
    hub: std::path::PathBuf,
}

/// What came of a recording.
#[derive(Debug, PartialEq, Eq, Default)]
struct Lived {
    events: Vec<String>,
    answers: Vec<String>,
    /// Each mark that was waited at, and the SHA-256 of the display there.
    shown: Vec<(u64, String)>,
}

impl Chips {
    fn same_as_host(&self, bench: &Bench, scene: &str, model: &str) -> Result<()> {
        let model = Bench::fixture(model)?;
        let recording = Recording::of_repository(scene)?;
        let machine = Machine {
            context: None,
            max_tokens: Some(MAX_TOKENS),
            hub: true,
            replay: Some(recording.start_unix_s()),
            ..bench.machine(Drive::File(&model))
        };
        let path = workspace::root().join(format!("traces/{scene}.toml"));
        let mut command = Command::new(bench.qlens());
        command.arg("replay").args([&path, &model.path]).args([
            "--max-tokens",
            &MAX_TOKENS.to_string(),
            "--json",
        ]);
        let json = workspace::output(&mut command)?;
        let host = Lived::on_host(&serde_json::from_slice(&json)?)?;

        let console = Console::kept();
        let mut glasses = Glasses::start(&machine, &self.hub, false, &console)?;
        glasses.wait_until_ready(&mut |_, _| {})?;
        let mut lived = Lived::default();
        let mut answer = String::new();
        let mut answers = Vec::new();
        let mut heard = |report: &Report| match report {
            Report::Text(text) => answer.push_str(text),
            Report::Done(_) => answers.push(std::mem::take(&mut answer)),
            _ => {}
        };
        let mut at_mark = |glasses: &mut Glasses, number: u32| {
            let greens = glasses.processor.pixels()?.greens();
            let hash = qlens_models::Sha256(Sha256::digest(&greens).into());
            lived.shown.push((number.into(), hash.to_string()));
            Ok(())
        };
        glasses.play(&recording, Pace::AtOnce, &mut heard, &mut at_mark)?;
        lived.answers = answers;
        lived.events = events(&console.lines());
        ensure!(
            lived.events == host.events,
            "the hub recognised\n    {}\n  and on the host\n    {}",
            lived.events.join("\n    "),
            host.events.join("\n    ")
        );
        ensure!(lived.answers == host.answers, "another answer");
        let marks = (lived.shown.len(), host.shown.len());
        ensure!(marks.0 == marks.1 && marks.0 > 0, "{marks:?} marks");
        for (shown, expected) in lived.shown.iter().zip(&host.shown) {
            let name = recording.name(shown.0 as u32);
            // A board as it is sold has no clock, and shows no time.
            let is_timed = bench.board.name == SOLD && name == "dashboard";
            ensure!(is_timed || shown == expected, "another display at {name:?}");
        }
        if scene == "demo" {
            let took = demo::resting(&mut glasses)?;
            ensure!(took <= demo::REST_MOST, "the cores took {took:?} at rest");
        }
        glasses.quit()
    }

    fn hub_starts_again(&self) -> Result<()> {
        let model = Bench::fixture("qwen2-q8_0")?;
        let recording = Recording::of_repository("demo")?;
        let machine = Machine {
            hub: true,
            replay: Some(recording.start_unix_s()),
            ..self.bench.machine(Drive::File(&model))
        };
        let console = Console::kept();
        let mut glasses = Glasses::start(&machine, &self.hub, false, &console)?;
        let joined = |many: usize| {
            let start = Instant::now();
            let count = || count(&console, "sensor hub: joined");
            while count() < many {
                interrupt::check()?;
                ensure!(
                    start.elapsed() < PATIENCE,
                    "not joined{}",
                    console.last_lines()
                );
                std::thread::sleep(interrupt::POLL);
            }
            Ok(())
        };
        glasses.wait_until_ready(&mut |_, _| {})?;
        joined(1)?;
        glasses.hub.reset()?;
        joined(2)?;
        // What it recognises from then on arrives.
        let worn = recording.upto(1);
        glasses.play(&worn, Pace::AtOnce, &mut |_| {}, &mut |_, _| Ok(()))?;
        ensure!(
            count(&console, "hub: ") > 4,
            "nothing was recognised{}",
            console.last_lines()
        );
        glasses.quit()
    }

    fn hub_falls_silent(&self) -> Result<()> {
        let model = Bench::fixture("qwen2-q8_0")?;
        let recording = Recording::of_repository("demo")?;
        let machine = Machine {
            hub: true,
            replay: Some(recording.start_unix_s()),
            ..self.bench.machine(Drive::File(&model))
        };
        let mut glasses = Glasses::start(&machine, &self.hub, false, &Console::kept())?;
        glasses.wait_until_ready(&mut |_, _| {})?;
        let pressed = recording.upto(2);
        glasses.play(&pressed, Pace::AtOnce, &mut |_| {}, &mut |_, _| Ok(()))?;
        glasses.hub.freeze()?;
        let error = |report: &Report| match report {
            Report::State(state) if state == "error" => Some(()),
            _ => None,
        };
        glasses
            .processor
            .wait_for("the glasses to miss the hub", PATIENCE, error)?;
        glasses.quit()
    }
}

impl Chips {
    /// Events go to the hub as marks of a recording, each of which the processor reports, in order.
    fn bad_link(&self, frames: u64) -> Result<()> {
        let model = Bench::fixture("qwen2-q8_0")?;
        let machine = Machine {
            hub: true,
            replay: Some(0),
            ..self.bench.machine(Drive::File(&model))
        };
        let console = Console::kept();
        let mut processor = Bench::boot(&machine)?;
        let link = BadLink::to(processor.link(), 1)?;
        let mut hub = Hub::start(&self.hub, &link.end(), false, console.clone())?;
        hub.play(&frame(Sample::Start {
            version: VERSION,
            unix_s: 0,
        }))?;
        let (mut sent, mut came) = (0, 0);
        let mut heard = Instant::now();
        while link.frames() < frames || came < sent {
            interrupt::check()?;
            // As many as the queues of both chips hold are under way.
            if link.frames() < frames && sent - came < UNDER_WAY {
                let marks = (sent..sent + BATCH).map(|number| {
                    frame(Sample::Mark {
                        number,
                        wait: false,
                    })
                });
                hub.play(&marks.collect::<Vec<_>>().concat())?;
                sent += BATCH;
            } else {
                std::thread::sleep(Duration::from_millis(1));
            }
            while let Some(report) = processor.report()? {
                if let Report::Mark(number) = report {
                    ensure!(number == came, "event {number} came, {came} was next");
                    came += 1;
                    heard = Instant::now();
                }
            }
            ensure!(
                heard.elapsed() < PATIENCE,
                "nothing came after event {came} of {sent}{}",
                console.last_lines()
            );
        }
        println!("{came} events in {} frames", link.frames());
        hub.quit()?;
        processor.quit()
    }
}

/// A record as it goes to the hub.
fn frame(sample: Sample<'_>) -> Vec<u8> {
    let mut bytes = [0; FRAME_BYTES];
    wire::encode(&Record::new(0, sample), &mut bytes)
        .unwrap_or_default()
        .to_vec()
}

impl Lived {
    /// As `qlens replay --json` tells it.
    fn on_host(json: &Value) -> Result<Self> {
        let list = |name: &str| json[name].as_array().context("no such list").cloned();
        let text = |value: &Value| value.as_str().map(str::to_owned).unwrap_or_default();
        let events = list("events")?;
        let event =
            |event: &Value| plain(&format!("{} us: {}", event["at_us"], text(&event["what"])));
        let shown = list("marks")?;
        let mark = |mark: &Value| Some((mark["number"].as_u64()?, text(&mark["display"])));
        Ok(Self {
            events: events.iter().map(event).collect(),
            answers: list("answers")?.iter().map(text).collect(),
            shown: shown.iter().filter_map(mark).collect(),
        })
    }
}

/// What the hub told of in its log, in the words of the host.
fn events(lines: &[String]) -> Vec<String> {
    let events = lines.iter().filter_map(|line| line.strip_prefix("hub: "));
    let events = events.filter_map(|line| Some(&line[line.find(|c: char| c.is_ascii_digit())?..]));
    let events = events.filter(|line| line.contains(" us: "));
    events.map(plain).collect()
}

/// An event without what only one of the two ways of writing it has.
fn plain(event: &str) -> String {
    let event = event.replace('"', "");
    match event.split_once("Sensor(") {
        Some((time, kind)) => format!("{time}{}", kind.strip_suffix(')').unwrap_or(kind)),
        None => event,
    }
}

fn count(console: &Console, what: &str) -> usize {
    let lines = console.lines();
    lines.iter().filter(|line| line.contains(what)).count()
}
