//! `cargo recording`: makes recordings of scenes, looks into them, converts them.

mod chart;
mod info;
mod picture;
mod table;
mod terminal;

use std::fs::Permissions;
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap::{Parser, Subcommand};
use qlens_recording::events::{What, events};
use qlens_recording::file::File;
use qlens_recording::render::render;
use qlens_recording::scene::Scene;
use qlens_sense::EventKind;
use serde_json::{Value, json};

use chart::Chart;

/// Recordings of what the sensors of a pair of glasses measured: make, look into, convert
#[derive(Parser)]
#[command(name = "cargo recording", bin_name = "cargo recording")]
struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Make a recording of a scene; traces/README.md says what a scene is
    Render {
        #[arg(value_name = "SCENE.toml")]
        scene: PathBuf,
        #[arg(value_name = "OUT.qrec")]
        out: PathBuf,
    },
    /// What is in a recording: length, records of each sensor, marks, damage
    Info {
        file: PathBuf,
        /// As one line of JSON
        #[arg(long)]
        json: bool,
    },
    /// Draw it over time: into a picture, or here
    Draw {
        file: PathBuf,
        #[arg(value_name = "OUT.png")]
        out: Option<PathBuf>,
    },
    /// Write it as CSV; without OUT to stdout
    #[command(after_help = table::COLUMNS)]
    Csv {
        file: PathBuf,
        #[arg(value_name = "OUT.csv")]
        out: Option<PathBuf>,
    },
    /// Make a recording of CSV
    #[command(after_help = table::COLUMNS)]
    FromCsv {
        #[arg(value_name = "IN.csv")]
        csv: PathBuf,
        #[arg(value_name = "OUT.qrec")]
        out: PathBuf,
    },
    /// What a sensor hub tells of it
    Events {
        file: PathBuf,
        /// One line of JSON for each
        #[arg(long)]
        json: bool,
    },
}

fn main() -> ExitCode {
    match run(Args::parse().verb) {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever reads stdout has read enough.
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let is_it = |error: &io::Error| error.kind() == io::ErrorKind::BrokenPipe;
    error
        .chain()
        .any(|cause| cause.downcast_ref().is_some_and(is_it))
}

fn run(verb: Verb) -> Result<()> {
    match verb {
        Verb::Render { scene, out } => {
            let scene = Scene::read(&scene)?;
            write_file(&out, |file| file.write_all(&render(&scene)))?;
            let seconds = scene.length_us as f64 / 1e6;
            eprintln!(
                "{}: {seconds:.1} s, {} waits",
                out.display(),
                scene.waits().count()
            );
            Ok(())
        }
        Verb::Info { file, json } => {
            let info = info::Info::new(&open(&file)?);
            let mut out = io::stdout().lock();
            if json {
                writeln!(out, "{}", info.json())?;
            } else {
                write!(out, "{info}")?;
            }
            Ok(())
        }
        Verb::Draw { file, out } => {
            let recording = open(&file)?;
            if let Some(out) = out {
                let picture = picture::draw(&Chart::new(&recording, picture::COLUMNS))?;
                write_file(&out, |file| file.write_all(&picture))
            } else {
                let chart = Chart::new(&recording, terminal::COLUMNS);
                terminal::draw(&chart, &mut io::stdout().lock()).map_err(Into::into)
            }
        }
        Verb::Csv { file, out } => {
            let recording = open(&file)?;
            match out {
                Some(out) => write_file(&out, |file| table::write(&recording, file)),
                None => table::write(&recording, io::stdout().lock()).map_err(Into::into),
            }
        }
        Verb::FromCsv { csv, out } => {
            let name = || csv.display().to_string();
            let text = std::fs::read(&csv).with_context(name)?;
            let recording = table::read(&text).with_context(name)?;
            write_file(&out, |file| file.write_all(&recording))
        }
        Verb::Events { file, json } => print_events(&open(&file)?, json),
    }
}

/// A recording, with a warning of what of it cannot be read.
fn open(path: &Path) -> Result<File> {
    let file = File::read(path)?;
    let warn = |what: String| eprintln!("warning: {}: {what}", path.display());
    let mut damaged = file
        .frames()
        .filter_map(|frame| Some((frame.offset, frame.fault?)));
    if let Some((offset, fault)) = damaged.next() {
        let more = match damaged.count() {
            0 => String::new(),
            more => format!(", and {more} more"),
        };
        warn(format!("at byte {offset} {fault}{more}: left out"));
    }
    if let Some(cut) = file.cut() {
        warn(cut.to_string());
    }
    Ok(file)
}

/// Writes a file, which appears whole or not at all.
fn write_file(
    path: &Path,
    write: impl FnOnce(&mut io::BufWriter<&mut tempfile::NamedTempFile>) -> io::Result<()>,
) -> Result<()> {
    let written = || -> io::Result<()> {
        let folder = path
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty());
        let mut file = tempfile::Builder::new()
            .prefix(".recording-")
            .permissions(Permissions::from_mode(0o666))
            .tempfile_in(folder.unwrap_or(Path::new(".")))?;
        let mut out = io::BufWriter::new(&mut file);
        write(&mut out)?;
        out.flush()?;
        drop(out);
        file.persist(path)?;
        Ok(())
    };
    written().with_context(|| format!("{} cannot be written", path.display()))
}

fn print_events(file: &File, json: bool) -> Result<()> {
    let mut out = io::stdout().lock();
    for told in events(file.frames()) {
        if json {
            let mut line = json!({ "at_us": told.at_us });
            describe(&told.what, &mut line);
            writeln!(out, "{line}")?;
        } else {
            writeln!(out, "{:9.3} {}", told.at_us as f64 / 1e6, told.what)?;
        }
    }
    Ok(())
}

/// Adds the kind of an event, and what it says.
fn describe(what: &What, line: &mut Value) {
    match what {
        What::Event(kind) => {
            line["kind"] = match kind {
                EventKind::Tap => "tap",
                EventKind::DoubleTap => "double-tap",
                EventKind::LongPress => "long-press",
                EventKind::Swipe(direction) => {
                    line["direction"] = direction.to_string().into();
                    "swipe"
                }
                EventKind::HeadUp => "head-up",
                EventKind::HeadDown => "head-down",
                EventKind::Worn => "worn",
                EventKind::Removed => "removed",
                EventKind::Ambient { lux } => {
                    line["lux"] = (*lux).into();
                    "light"
                }
                EventKind::VoiceStart { utterance } => {
                    line["utterance"] = (*utterance).into();
                    "voice-start"
                }
                EventKind::VoiceStop { utterance, samples } => {
                    line["utterance"] = (*utterance).into();
                    line["samples"] = (*samples).into();
                    "voice-stop"
                }
            }
            .into();
        }
        What::Speech(words) => {
            line["kind"] = "speech".into();
            line["words"] = words.as_str().into();
        }
        What::Unheard(words) => {
            line["kind"] = "unheard".into();
            line["words"] = words.as_str().into();
        }
        What::Battery { percent, charging } => {
            line["kind"] = "battery".into();
            line["percent"] = (*percent).into();
            line["charging"] = (*charging).into();
        }
        What::Temperature(milli_celsius) => {
            line["kind"] = "temperature".into();
            line["milli_celsius"] = (*milli_celsius).into();
        }
        What::Mark { number, wait } => {
            line["kind"] = "mark".into();
            line["number"] = (*number).into();
            line["wait"] = (*wait).into();
        }
    }
}
