//! `qlens replay`: both chips of a pair of glasses on this machine, in lockstep, on a recording of their sensors. What
//! they recognise, answer and show is what the two boards recognise, answer and show, pixel for pixel; a
//! board that differs is wrong.

mod chips;
mod screen;

use std::cell::RefCell;
use std::fs;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use embedded_graphics::geometry::Size;
use embedded_io_adapters::std::FromStd;
use memmap2::MmapMut;
use qlens::KvType;
use qlens::workers::Threads;
use qlens_assistant::Assistant;
use qlens_assistant::app::{App, Context, Memory, Ports, Settings};
use qlens_assistant::pace::FIRST_WORD_US;
use qlens_board::sha256::Sha256;
use qlens_board::store::ReaderStore;
use qlens_board::{ModelInfo, Power, Throttle};
use qlens_recording::file::File;
use qlens_recording::{render, scene::Scene};
use serde::Serialize;

use crate::failure::Failure;
use crate::model_file::{ModelArg, ModelFile};
use crate::output::{Output, harmless};
use crate::{boards, interrupt, runtime};
use chips::{Chips, Report, Told};
use screen::{HEIGHT, Screen, WIDTH};

/// Bytes of the model that are read at a time.
const PIECE: usize = 1 << 20;

/// Play a recording of the sensors to both chips of the glasses, here: what they recognise, answer and show
#[derive(clap::Args, Debug)]
pub struct ReplayArgs {
    #[arg(
        value_name = "RECORDING",
        help = "Recording, or scene (.toml) to make one of: traces/demo.toml"
    )]
    recording: PathBuf,
    #[command(flatten)]
    model: ModelArg,
    /// Board whose memory and settings apply
    #[arg(long, value_name = "NAME", default_value = "qemu-virt")]
    board: String,
    /// Context in tokens [default: the board's]
    #[arg(long, value_name = "N", value_parser = runtime::token_count())]
    ctx: Option<u32>,
    /// Longest answer in tokens [default: the board's]
    #[arg(long, value_name = "N", value_parser = runtime::token_count())]
    max_tokens: Option<u32>,
    /// Threads to compute with [default: one a core]
    #[arg(long, value_name = "N", value_parser = runtime::thread_count())]
    threads: Option<u32>,
    /// Folder to save the display in, wherever the recording waits
    #[arg(long, value_name = "FOLDER")]
    pictures: Option<PathBuf>,
    /// Print one line of JSON: events, marks, answers
    #[arg(long)]
    json: bool,
}

/// What `--json` prints.
#[derive(Serialize, Default)]
struct Outcome {
    events: Vec<chips::Happened>,
    marks: Vec<Mark>,
    answers: Vec<String>,
    errors: Vec<String>,
}

/// A place where the recording waits.
#[derive(Serialize)]
struct Mark {
    number: u32,
    name: String,
    /// SHA-256 of the display, a byte a pixel, rows from the top.
    display: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    picture: Option<PathBuf>,
}

/// Runs the verb.
pub fn run(args: &ReplayArgs) -> Result<(), Failure> {
    let board = boards::find(&args.board)?;
    let Some(session) = board.session else {
        return Err(Failure::usage(format_args!(
            "the board {:?} runs no model",
            args.board
        )));
    };
    let (recording, names) = read(&args.recording)?;
    if let Some(cut) = recording.cut() {
        eprintln!("warning: {}: {cut}", args.recording.display());
    }
    let file = args.model.open()?;
    let mut store = store(&file)?;
    if let Some(folder) = &args.pictures {
        fs::create_dir_all(folder)
            .map_err(|error| Failure::of_file(folder, format_args!("cannot be made: {error}")))?;
    }
    interrupt::listen();

    let map = board.memory();
    let room = map.model_room().map_err(Failure::new)?;
    let size = usize::try_from(room.size).map_err(Failure::new)?;
    let mut memory = MmapMut::map_anon(size)
        .map_err(|error| Failure::new(format_args!("no memory for the board's RAM: {error}")))?;
    let settings = Settings {
        context: args.ctx.map_or(Context::AtMost(session.context), |tokens| {
            Context::Exactly(tokens as usize)
        }),
        batch: session.batch,
        max_tokens: args.max_tokens.map_or(session.max_tokens, |n| n as usize),
        draft: session.draft,
        kv: KvType::from_name(session.kv.name()).unwrap_or_default(),
        first_word_us: FIRST_WORD_US,
        replay: true,
    };
    let screen = Rc::new(RefCell::new(Screen::new()));
    let told = Rc::new(RefCell::new(Told::default()));
    let clock = chips::Time::new(recording.start_unix_s());
    let mut assistant = Box::new(Assistant::new(Size::new(WIDTH as u32, HEIGHT as u32)));
    let ports = Ports {
        display: screen::Shared(Rc::clone(&screen)),
        sensors: Chips::new(&recording, Rc::clone(&told), clock.clone()),
        clock: clock.clone(),
        power: Mains(clock),
        report: Report::new(Rc::clone(&told), Rc::clone(&screen)),
        console: FromStd::new(std::io::sink()),
    };
    let is_over = Rc::clone(&told);
    let running = &mut || !is_over.borrow().is_over && interrupt::came().is_none();
    App::new(ports, &mut assistant, running).run(
        &mut store,
        &mut Memory {
            map,
            model: &mut memory,
            arena: None,
        },
        &settings,
        &Threads::new(runtime::threads(args.threads)),
        Sha256::new,
    );
    if let Some(signal) = interrupt::came() {
        return Err(Failure::stopped(signal));
    }
    let told = told.take();
    tell(told, &names, args)
}

/// A recording, and the names of its marks as far as they are known.
fn read(path: &Path) -> Result<(File, Vec<(u32, String)>), Failure> {
    if path
        .extension()
        .is_some_and(|extension| extension == "toml")
    {
        let scene = Scene::read(path).map_err(Failure::new)?;
        let names = scene.waits().map(|(number, name)| (number, name.into()));
        let names = names.collect();
        let recording = File::new(render::render(&scene)).map_err(Failure::new)?;
        return Ok((recording, names));
    }
    let recording = File::read(path).map_err(|error| Failure::of_file(path, error))?;
    Ok((recording, Vec::new()))
}

fn store(file: &ModelFile) -> Result<ReaderStore<FromStd<fs::File>>, Failure> {
    let path = file.path();
    let opened = fs::File::open(path).map_err(|error| Failure::of_file(path, error))?;
    let name = path.file_stem().unwrap_or_default().to_string_lossy();
    let info = ModelInfo::new(&name, file.size(), None);
    Ok(ReaderStore::new(FromStd::new(opened), info, PIECE))
}

fn tell(told: Told, names: &[(u32, String)], args: &ReplayArgs) -> Result<(), Failure> {
    let mut outcome = Outcome {
        events: told.events,
        answers: told.answers,
        errors: told.errors,
        ..Outcome::default()
    };
    for (number, pixels) in told.shown {
        let known = names.iter().find(|(known, _)| *known == number);
        let name = known.map_or_else(|| format!("mark-{number}"), |(_, name)| name.clone());
        let picture = args.pictures.as_ref();
        let picture = picture.map(|folder| folder.join(format!("{number}-{name}.png")));
        if let Some(picture) = &picture {
            screen::save(picture, &pixels)?;
        }
        let mut hash = Sha256::new();
        hash.update(&pixels);
        let display = qlens_board::sha256::Hex(&hash.finish()).to_string();
        outcome.marks.push(Mark {
            number,
            name,
            display,
            picture,
        });
    }
    let mut output = Output::stdout();
    if args.json {
        output.json(&outcome)?;
    } else {
        for event in &outcome.events {
            let seconds = event.at_us as f64 / 1e6;
            output.line(format_args!("{seconds:10.3} s  {}", event.what))?;
        }
        for answer in &outcome.answers {
            output.line(format_args!("\n> {}", harmless(answer)))?;
        }
        for mark in &outcome.marks {
            if let Some(picture) = &mark.picture {
                eprintln!("{}: {}", mark.name, picture.display());
            }
        }
    }
    match outcome.errors.first() {
        Some(error) => Err(Failure::new(format_args!(
            "the glasses show an error: {error}"
        ))),
        None => Ok(()),
    }
}

/// A desk has no battery; while there is nothing to do, time passes.
struct Mains(chips::Time);

impl Power for Mains {
    fn battery(&mut self) -> Option<(u8, bool)> {
        None
    }

    fn temperature(&mut self) -> Option<i32> {
        None
    }

    fn throttle(&mut self) -> Throttle {
        Throttle::None
    }

    fn idle(&mut self, _until_us: Option<u64>) {
        self.0.pass();
    }
}
