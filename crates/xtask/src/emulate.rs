//! `cargo xtask emulate`: a board in QEMU, to use by hand (the display in a window if there is one, the
//! console here), for a debugger, or to be asked one question.

use std::env;
use std::io::{IsTerminal as _, Read as _, Write as _};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, Command, Stdio};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use indicatif::{ProgressBar, ProgressStyle};

use crate::ask::{self, Moment};
use crate::boards::{self, Board};
use crate::emulator::{Console, Display, Drive, Emulator, Machine};
use crate::glasses::{self, Glasses, Pace, Recording};
use crate::setup::{self, Need};
use crate::{demo, image, interrupt, model, workspace};

#[derive(clap::Args)]
pub struct Args {
    /// Board to emulate
    #[arg(long, value_name = "NAME", default_value = boards::DEFAULT)]
    board: String,
    /// Model by name, or any GGUF file [default: qwen2.5-coder-0.5b-instruct-q4_k_m]
    #[arg(long, value_name = "NAME|FILE")]
    model: Option<String>,
    /// Context in tokens [default: the firmware's]
    #[arg(long, value_name = "N")]
    ctx: Option<u32>,
    /// Processor, as QEMU names it [default: the board's]
    #[arg(long, value_name = "CPU")]
    cpu: Option<String>,
    /// RAM, as QEMU writes it: 1G, 700M [default: the board's]
    #[arg(long, value_name = "SIZE")]
    memory: Option<String>,
    /// Processor cores [default: 2, or what the board has]
    #[arg(long, value_name = "N")]
    smp: Option<u32>,
    /// Ask this, wait for the answer, and end
    #[arg(
        long,
        value_name = "QUESTION",
        conflicts_with = "gdb",
        allow_hyphen_values = true
    )]
    ask: Option<String>,
    /// The sensor hub as well, and somebody who wears the glasses: a scene of traces/, any other scene (.toml), or a
    /// recording, that is lived [default: demo]
    #[arg(
        long,
        value_name = "SCENE|FILE",
        num_args = 0..=1,
        default_missing_value = demo::SCENE,
        conflicts_with_all = ["ask", "gdb"]
    )]
    glasses: Option<PathBuf>,
    /// System prompt [default: the model's]
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    system: Option<String>,
    /// Longest answer in tokens [default: the firmware's]
    #[arg(long, value_name = "N")]
    max_tokens: Option<u32>,
    /// Where to save the display at the end [default: target/emulate/display.png]
    #[arg(long, value_name = "FILE")]
    picture: Option<PathBuf>,
    /// Print the answer as one line of JSON
    #[arg(long, requires = "ask")]
    json: bool,
    /// Wait for a debugger before the first instruction
    #[arg(long)]
    gdb: bool,
}

pub fn run(args: &Args) -> Result<()> {
    let board = boards::find(&args.board)?;
    if board.machine.is_none() {
        bail!("the board {:?} cannot be emulated", board.name);
    }
    setup::make_sure_of(&[
        Need::Target(&board.triple),
        Need::Program(&setup::QEMU_SYSTEM),
    ])?;
    if args.smp.is_some() && board.machine.is_some_and(boards::Machine::is_sold) {
        bail!("the board {:?} has the cores that it has", board.name);
    }
    let model = model::named_or_file(args.model.as_deref().unwrap_or(qlens_models::DEFAULT))?;
    let image = image::firmware(&board)?;
    let mut machine = Machine {
        cpu: args.cpu.as_deref(),
        memory: args.memory.as_deref(),
        context: args.ctx,
        system: args.system.as_deref(),
        max_tokens: args.max_tokens,
        ..Machine::of(&board, image.bootable(), Drive::File(&model))
    };
    machine.cores = args.smp.unwrap_or(machine.cores);
    if let Some(question) = &args.ask {
        return answer(&machine, question, args.picture.as_deref(), args.json);
    }
    if let Some(recording) = &args.glasses {
        return worn(machine, &Recording::named_or_file(recording)?);
    }
    if args.gdb {
        machine.gdb = Some(free_port()?);
    }
    by_hand(machine, args, &board, &image.path)
}

/// `--ask`: no hands.
fn answer(machine: &Machine<'_>, question: &str, picture: Option<&Path>, json: bool) -> Result<()> {
    eprintln!(
        "booting {} with {}",
        machine.board.name,
        machine.drive.model_name()
    );
    let mut emulator = Emulator::start(machine, Console::kept())?;
    boot(&mut emulator)?;
    let shown = &mut |_: &mut Emulator, moment: Moment<'_>| show(moment, json);
    let outcome = ask::ask(&mut emulator, question, shown);
    show(Moment::Text("\n"), json);
    // The display says what went wrong, too.
    if let Some(path) = picture {
        emulator.settled_pixels()?;
        emulator.save_picture(path)?;
        eprintln!("the display is saved as {}", path.display());
    }
    let answer = outcome?;
    emulator.quit()?;
    if json {
        println!("{}", serde_json::to_string(&answer)?);
    } else {
        eprintln!(
            "{} tokens in {:.1} s, {:.2} tokens/s decoding",
            answer.tokens.len(),
            answer.seconds,
            answer.tokens_per_second
        );
    }
    Ok(())
}

/// Waits for the prompt with the progress of loading on stderr.
fn boot(emulator: &mut Emulator) -> Result<()> {
    loading(&mut |progress| ask::wait_until_ready(emulator, progress))
}

/// Is told how many bytes of how many were read.
pub type Progress<'a> = &'a mut dyn FnMut(u64, u64);

/// Shows the progress of a board that reads its model, while `wait` waits for it.
pub fn loading(wait: &mut dyn FnMut(Progress<'_>) -> Result<()>) -> Result<()> {
    let terminal = std::io::stderr().is_terminal();
    let bar = if terminal {
        ProgressBar::no_length()
    } else {
        ProgressBar::hidden()
    };
    if let Ok(style) =
        ProgressStyle::with_template("the board reads the model [{wide_bar}] {decimal_bytes}")
    {
        bar.set_style(style.progress_chars("=> "));
    }
    let outcome = wait(&mut |done, total| {
        bar.set_length(total);
        bar.set_position(done);
    });
    bar.finish_and_clear();
    outcome
}

/// Data goes to stdout: the JSON line if there is one, else the answer's text.
fn show(moment: Moment<'_>, json: bool) {
    if let Moment::Text(text) = moment {
        if json {
            eprint!("{text}");
        } else {
            print(text);
        }
    }
}

/// A piece of an answer, as it comes.
pub fn print(text: &str) {
    print!("{text}");
    let _ = std::io::stdout().flush();
}

/// Runs until QEMU ends, its window is closed, or Ctrl-C.
fn by_hand(mut machine: Machine<'_>, args: &Args, board: &Board, elf: &Path) -> Result<()> {
    let default_picture = workspace::target_folder()?.join("emulate/display.png");
    let picture = args.picture.as_deref().unwrap_or(&default_picture);
    match window() {
        Ok(()) => machine.display = Display::Window,
        Err(why) => eprintln!(
            "no window: {why}; the display is saved as {} at the end",
            picture.display()
        ),
    }
    eprintln!("booting {}; type a line to ask, Ctrl-C to end", board.name);
    let mut emulator = Emulator::start(&machine, Console::shown())?;
    if let Some(port) = machine.gdb {
        let image = workspace::quoted(elf.as_os_str());
        eprintln!("waiting for a debugger; attach with one of:");
        eprintln!("    gdb-multiarch {image} -ex 'target remote 127.0.0.1:{port}'");
        eprintln!("    lldb {image} -o 'gdb-remote 127.0.0.1:{port}'");
    }
    let terminal = Terminal::by_character();
    if let Some(stdin) = emulator.take_stdin() {
        thread::spawn(move || type_into(stdin));
    }
    while !interrupt::came() {
        if let Some(status) = emulator.ended(Duration::from_millis(200))? {
            drop(terminal);
            if status.success() {
                return Ok(());
            }
            bail!(
                "QEMU ended by itself ({status}){}",
                emulator.console().last_lines()
            );
        }
        // Reports are for programs; a person has the console.
        while emulator.next_report().is_ok_and(|report| report.is_some()) {}
    }
    drop(terminal);
    emulator.save_picture(picture)?;
    eprintln!("\nthe display is saved as {}", picture.display());
    emulator.quit()
}

/// `--glasses`: both chips, and a recording that is lived. With a window they go on until it is closed.
fn worn(mut machine: Machine<'_>, recording: &Recording) -> Result<()> {
    let hub = glasses::hub_image()?;
    machine.hub = true;
    machine.replay = Some(recording.start_unix_s());
    let pictures = workspace::output_folder("emulate")?;
    let window = window();
    match &window {
        Ok(()) => machine.display = Display::Window,
        Err(why) => eprintln!(
            "no window: {why}; the display is saved in {} wherever the recording waits",
            pictures.display()
        ),
    }
    eprintln!("booting {} and the sensor hub", machine.board.name);
    let mut glasses = Glasses::start(&machine, &hub, false, &Console::shown())?;
    glasses.wait_until_ready(&mut |_, _| {})?;
    let mut at_mark = |glasses: &mut Glasses, number: u32| {
        let name = recording.name(number);
        let picture = pictures.join(format!("{number}-{name}.png"));
        glasses.processor.save_picture(&picture)?;
        eprintln!("{name}: {}", picture.display());
        Ok(())
    };
    glasses.play(recording, Pace::Lived, &mut |_| {}, &mut at_mark)?;
    if window.is_ok() {
        eprintln!("the recording is over; close the window or press Ctrl-C");
        while !interrupt::came()
            && glasses
                .processor
                .ended(Duration::from_millis(200))?
                .is_none()
        {}
    }
    glasses.quit()
}

/// Passes what is typed on to the board, a character at a time.
fn type_into(mut console: ChildStdin) {
    let mut stdin = std::io::stdin().lock();
    let mut buffer = [0; 256];
    while let Ok(n @ 1..) = stdin.read(&mut buffer) {
        if console
            .write_all(&buffer[..n])
            .and_then(|()| console.flush())
            .is_err()
        {
            return;
        }
    }
    // Keeping the pipe open keeps the console of a board without a keyboard alive.
    loop {
        thread::park();
    }
}

/// Whether QEMU can open a window here, else why not.
fn window() -> Result<(), String> {
    let is_set = |name| env::var_os(name).is_some_and(|value| !value.is_empty());
    if !is_set("DISPLAY") && !is_set("WAYLAND_DISPLAY") {
        return Err("neither DISPLAY nor WAYLAND_DISPLAY is set".into());
    }
    let list = Command::new("qemu-system-aarch64")
        .args(["-display", "help"])
        .stdin(Stdio::null())
        .output()
        .map_err(|fault| fault.to_string())?;
    if String::from_utf8_lossy(&list.stdout)
        .lines()
        .any(|line| line.trim() == "gtk")
    {
        return Ok(());
    }
    Err("QEMU has none (apt-get install --no-install-recommends qemu-system-gui)".into())
}

/// The usual port of debuggers, or any if that is taken.
fn free_port() -> Result<u16> {
    let listener =
        TcpListener::bind("127.0.0.1:1234").or_else(|_| TcpListener::bind("127.0.0.1:0"));
    let listener = listener.context("no port is free for a debugger")?;
    Ok(listener.local_addr()?.port())
}

/// A terminal that passes each key on as it is typed and leaves the echo to the board; as it was when this
/// is dropped. Ctrl-C stays with the terminal.
struct Terminal(Option<String>);

impl Terminal {
    fn by_character() -> Self {
        if !std::io::stdin().is_terminal() {
            return Self(None);
        }
        let saved = stty(&["-g"]);
        stty(&["-icanon", "-echo", "min", "1", "time", "0"]);
        Self(saved)
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        if let Some(saved) = &self.0 {
            stty(&[saved]);
        }
    }
}

fn stty(arguments: &[&str]) -> Option<String> {
    let answer = Command::new("stty")
        .args(arguments)
        .stdin(Stdio::inherit())
        .output()
        .ok()?;
    answer
        .status
        .success()
        .then(|| String::from_utf8_lossy(&answer.stdout).trim().to_owned())
}
