//! `cargo xtask bench`: what a change is worth, in figures that do not depend on the machine this runs on or
//! on who else uses it.
//!
//! | figures | how they come about |
//! |---|---|
//! | instructions a token | counted on the emulated board, by difference of two run lengths (`board`) |
//! | instructions from reset to the prompt | the same board, by the stamps of its log (`board`) |
//! | instructions a second at the prompt | counted by the board itself while nothing happens (`board`) |
//! | bytes of weights a token, bytes of the arena | what `qlens bench` says (`host`) |
//! | tokens a second here | the same; the one figure that is a bare time (`host`) |
//! | the sensor hub: bytes, stack, instructions a second | its ELF file, its log while a scene is lived (`hub`) |
//! | bytes of the firmware | its ELF file (`sections`) |
//! | cycles of the hot loops | `llvm-mca` on the compiler's assembly (`loops`, `mca`) |
//! | instructions of the kernels on x86-64 | counted by Callgrind ([`kernels`]) |

mod board;
mod figure;
mod host;
mod hub;
mod loops;
mod mca;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail, ensure};

use crate::boards::{self, Board};
use crate::emulator::{Drive, Machine};
use crate::model::{self, Model};
use crate::setup::{self, Need};
use crate::{glasses, image, kernels, sections};
use board::Wanted;
use figure::{Figure, Report};

/// Room beside a large model for everything else in RAM.
const BESIDE: u64 = 512 << 20;
/// With a model up to this size the board's own RAM does.
const SMALL: u64 = 600 << 20;

#[derive(clap::Args)]
pub struct Args {
    /// Model by name, or any GGUF file; may be given several times [default: qwen2.5-coder-0.5b-instruct-q4_k_m]
    #[arg(long, value_name = "NAME|FILE")]
    model: Vec<String>,
    /// Processor to count instructions on, as QEMU names it
    #[arg(long, value_name = "CPU", default_value = "cortex-a76")]
    cpu: String,
    /// Kernel to count [default: the fastest of the processor]
    #[arg(long, value_name = "NAME")]
    kernel: Option<String>,
    /// Count a decoded token behind so many others as well; takes minutes for 512
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=2000))]
    depth: Option<u32>,
    /// Only these figures; may be given several times
    #[arg(long, value_name = "FIGURES")]
    only: Vec<Group>,
    /// Make the instructions of the kernels the baseline that `cargo xtask test` compares with
    #[arg(long)]
    save: bool,
    /// Print one line of JSON
    #[arg(long)]
    json: bool,
    /// Show the change against an earlier run, saved with --json
    #[arg(long, value_name = "FILE")]
    compare: Option<PathBuf>,
}

/// Figures that are measured together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Group {
    /// Instructions a token
    Instructions,
    /// Instructions from reset to the prompt
    Ready,
    /// Instructions a second while nothing happens; takes half a minute
    Idle,
    /// Memory, and speed on this machine
    Host,
    /// The sensor hub, and what it costs the processor to have one
    Hub,
    /// Size of the firmware
    Firmware,
    /// Cycles of the hot loops
    Loops,
    /// Instructions of the kernels on x86-64
    Kernels,
}

pub fn run(args: &Args) -> Result<()> {
    // Before the minutes of measuring, not after.
    let earlier = args.compare.as_deref().map(read).transpose()?;
    let wants = |group| args.only.is_empty() || args.only.contains(&group);
    ensure!(
        !args.save || wants(Group::Kernels),
        "there is nothing to save: --save is for --only kernels"
    );
    let mut report = Report {
        cpu: args.cpu.clone(),
        kernel: None,
        figures: Vec::new(),
    };
    let counts = [Group::Instructions, Group::Ready, Group::Idle]
        .into_iter()
        .any(wants);
    let models = if counts || wants(Group::Host) {
        models(&args.model)?
    } else {
        Vec::new()
    };
    let board = boards::find(boards::DEFAULT)?;
    let firmware = if counts || wants(Group::Firmware) {
        if counts {
            setup::make_sure_of(&[Need::Program(&setup::QEMU_SYSTEM)])?;
        }
        Some(image::firmware(&board)?.path)
    } else {
        None
    };
    let qlens = wants(Group::Host).then(image::host_tool).transpose()?;
    for model in &models {
        // First, although last in the table: it is where a model that cannot be used is refused at once.
        let here = match &qlens {
            Some(qlens) => host::figures(qlens, model)?,
            None => Vec::new(),
        };
        if let (true, Some(firmware)) = (counts, &firmware) {
            let memory = memory(model);
            let machine = machine(&board, firmware, model, &args.cpu, memory.as_deref())?;
            if wants(Group::Instructions) {
                let wanted = Wanted {
                    kernel: args.kernel.as_deref(),
                    depth: args.depth,
                };
                let selftest = Machine {
                    selftest: true,
                    ..machine
                };
                let (figures, kernel) = board::instructions(&selftest, &wanted)?;
                report.figures.extend(figures);
                report.kernel = Some(kernel);
            }
            if wants(Group::Ready) {
                report.figures.extend(board::ready(&machine)?);
            }
            if wants(Group::Idle) {
                report.figures.push(board::idle(&machine, None)?);
                let hub = glasses::hub_image()?;
                let joined = Machine {
                    hub: true,
                    ..machine
                };
                report.figures.push(board::idle(&joined, Some(&hub))?);
            }
        }
        report.figures.extend(here);
    }
    if let (true, Some(firmware)) = (wants(Group::Firmware), &firmware) {
        report.figures.extend(sizes(firmware)?);
    }
    if wants(Group::Hub) {
        report.figures.extend(hub::figures()?);
    }
    if wants(Group::Loops) {
        report.figures.extend(loops::figures()?);
    }
    if wants(Group::Kernels) {
        if kernels::countable() {
            let counts = kernels::count()?;
            if args.save {
                kernels::save(&counts)?;
            }
            report.figures.extend(of_kernels(&counts));
        } else {
            eprintln!("{}", kernels::NOT_HERE);
        }
    }
    print(report, earlier.as_ref(), args.json)
}

fn read(path: &Path) -> Result<Report> {
    let text =
        fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    serde_json::from_str(&text).with_context(|| {
        format!(
            "{} is not what `cargo xtask bench --json` prints",
            path.display()
        )
    })
}

fn models(named: &[String]) -> Result<Vec<Model>> {
    if named.is_empty() {
        return Ok(vec![model::default()?]);
    }
    named
        .iter()
        .map(|name| model::named_or_file(name))
        .collect()
}

/// RAM for a model that the board's own is too small for, as QEMU writes it.
fn memory(model: &Model) -> Option<String> {
    (model.size > SMALL).then(|| format!("{}M", (model.size + BESIDE) >> 20))
}

/// The board with its instructions counted. The model lies in RAM, because virtual time stands still while a
/// drive is waited for.
fn machine<'a>(
    board: &'a Board,
    firmware: &'a Path,
    model: &'a Model,
    cpu: &'a str,
    memory: Option<&'a str>,
) -> Result<Machine<'a>> {
    let Some(start) = board.model_start else {
        bail!("the board {:?} has no place for a model", board.name);
    };
    Ok(Machine {
        cpu: Some(cpu),
        memory,
        cores: 1,
        icount: true,
        ..Machine::of(board, firmware, Drive::Ram(model, start))
    })
}

/// Bytes of the firmware by section.
fn sizes(firmware: &Path) -> Result<Vec<Figure>> {
    let bytes =
        fs::read(firmware).with_context(|| format!("cannot read {}", firmware.display()))?;
    let sections = sections::of_elf(&bytes)?;
    let (mut figures, mut flash, mut ram) = (Vec::new(), 0, 0);
    let mut add = |name: &str, bytes: u64, unit| {
        if bytes > 0 {
            figures.push(Figure::exact("firmware", name, bytes as f64, unit));
        }
    };
    for section in &sections {
        flash += section.flash();
        ram += section.ram();
        add(&section.name, section.flash(), "bytes of flash");
        add(&section.name, section.ram(), "bytes of RAM");
    }
    add("total", flash, "bytes of flash");
    add("total", ram, "bytes of RAM");
    Ok(figures)
}

/// Instructions of each bench of the kernels.
fn of_kernels(counts: &kernels::Counts) -> Vec<Figure> {
    let of_group = |(group, benches): (&String, &BTreeMap<String, u64>)| {
        let of = format!("benches of {group}, instructions counted by Callgrind");
        let figures = benches.iter();
        figures
            .map(|(bench, &count)| Figure::exact(&of, bench, count as f64, "Ir"))
            .collect::<Vec<_>>()
    };
    counts.iter().flat_map(of_group).collect()
}

fn print(mut report: Report, earlier: Option<&Report>, json: bool) -> Result<()> {
    if let Some(earlier) = earlier {
        let missing = report.compare(earlier);
        if missing > 0 {
            eprintln!("{missing} figures of the earlier run were not measured now");
        }
        let differ = report.kernel.is_some() && report.kernel != earlier.kernel;
        if report.cpu != earlier.cpu || differ {
            eprintln!(
                "the earlier run was on {}, kernel {}",
                earlier.cpu,
                earlier.kernel.as_deref().unwrap_or("not counted")
            );
        }
    }
    if json {
        println!("{}", serde_json::to_string(&report)?);
    } else {
        print!("{}", report.table(earlier.is_some()));
    }
    Ok(())
}
