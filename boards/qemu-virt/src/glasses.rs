//! The application on this board: brings its parts up in order, and hands them to the loop that all
//! boards share.

use core::cell::RefCell;

use embedded_graphics::geometry::Size;
use qlens::KvType;
use qlens::workers::{Park, Pool, Workers};
use qlens_assistant::Assistant;
use qlens_assistant::app::{App, Context, Memory, Ports, Settings};
use qlens_board::{SecondaryCores, Usage};
use spin::mutex::SpinMutex;

use crate::clock::CounterClock;
use crate::console::Console;
use crate::cores::PsciCores;
use crate::power::BoardPower;
use crate::ramfb::{self, Ramfb};
use crate::sensors::Sensors;
use crate::speech::{Channel, Report};
use crate::store::BoardStore;
use crate::touchpad::Keyboard;
use crate::{board, boot, fw_cfg, gic, power, selftest, sha256};

/// Sleep and wake-up of the cores that help: WFI, and an interrupt from the one that has work.
#[derive(Debug)]
struct Wfi;

impl Park for Wfi {
    /// A wake-up that comes first stays pending and ends the sleep at once.
    fn park(&self, _worker: usize) {
        gic::wait();
    }

    fn wake_all(&self) {
        gic::wake_others();
    }
}

static POOL: Pool<Wfi> = Pool::new(Wfi);

/// Where a secondary core spends its life.
fn help(core: usize) -> ! {
    loop {
        POOL.serve(core);
    }
}

/// 70 KiB, so not on the stack.
static ASSISTANT: SpinMutex<Assistant> = SpinMutex::new(Assistant::new(Size::new(
    ramfb::WIDTH as u32,
    ramfb::HEIGHT as u32,
)));

/// The boot core's life.
pub fn main() -> ! {
    gic::init();
    let machine = boot::machine();
    log::info!(
        "{}: {} cores, {} MiB of RAM, GICv{}",
        board::NAME,
        machine.cores.len(),
        machine.ram_bytes >> 20,
        if machine.gic_v3 { 3 } else { 2 }
    );
    if let Err(error) = run() {
        log::error!("{error}");
    }
    power::off()
}

fn run() -> Result<(), Fatal> {
    let mut asked = fw_cfg::Settings::open().map_err(Fatal::Settings)?;
    let (display, fault) = Ramfb::new(&mut asked).map_err(Fatal::Display)?;
    if let Some(fault) = fault {
        log::warn!("{fault}");
    }
    start_cores();
    let channel = RefCell::new(Channel::find());
    let keyboard = Keyboard::find();
    if keyboard.is_none() {
        log::warn!("no touchpad: the machine has no virtio keyboard");
    }
    let mut store = BoardStore::new(&mut asked);
    let mut memory = memory()?;

    if asked.is_given("selftest") {
        selftest::run(&channel, &mut store, memory.model, &POOL);
        return Ok(());
    }

    let mut assistant = ASSISTANT.lock();
    let settings = settings(&mut asked, &mut assistant);
    let ports = Ports {
        display,
        sensors: Sensors::new(keyboard, &channel),
        clock: CounterClock,
        power: BoardPower,
        report: Report(&channel),
        console: Console,
    };
    let running = &mut || true;
    App::new(ports, &mut assistant, running).run(
        &mut store,
        &mut memory,
        &settings,
        &POOL,
        sha256::hasher,
    );
    Ok(())
}

/// Why the application cannot even show an error.
enum Fatal {
    Settings(fw_cfg::SettingError),
    Display(ramfb::DisplayError),
    Memory(qlens_board::memory::MapError),
}

impl core::fmt::Display for Fatal {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Settings(error) => error.fmt(f),
            Self::Display(error) => error.fmt(f),
            Self::Memory(error) => error.fmt(f),
        }
    }
}

/// Gives the other cores to the pool. Fewer cores are slower and nothing worse.
fn start_cores() {
    let mut cores = PsciCores::new();
    for core in 1..=cores.count() {
        if let Err(error) = cores.start(core, help) {
            log::warn!("{error}");
        }
    }
    // A core counts once it waits for work.
    while POOL.count() <= cores.started() {
        core::hint::spin_loop();
    }
}

/// The RAM behind everything else, for the model and its arena.
fn memory() -> Result<Memory<'static>, Fatal> {
    let map = board::MEMORY.with_ram(boot::machine().ram_bytes);
    let room = map.model_room().map_err(Fatal::Memory)?;
    debug_assert!(map.span(Usage::Arena).is_none());
    // SAFETY: The region is mapped read-write to the end of RAM, nothing else uses any of it, and
    // this is called once. Whatever bytes it holds are bytes.
    let model =
        unsafe { core::slice::from_raw_parts_mut(room.start as *mut u8, room.size as usize) };
    Ok(Memory {
        map,
        model,
        arena: None,
    })
}

/// What was asked for, or what `board.toml` says. A setting that makes no sense is told and left out.
fn settings(asked: &mut fw_cfg::Settings, assistant: &mut Assistant) -> Settings {
    let mut number = |name| match asked.number(name) {
        Ok(Some(0)) => {
            log::warn!("opt/qlens/{name} is 0 and makes no sense");
            None
        }
        Ok(number) => number,
        Err(error) => {
            log::warn!("{error}");
            None
        }
    };
    let context = number("ctx").map_or(Context::AtMost(board::CONTEXT), Context::Exactly);
    let max_tokens = number("max_tokens").unwrap_or(board::MAX_TOKENS);
    match asked.text("system") {
        Ok(system) => {
            if let Err(error) = assistant.set_system(system.as_deref()) {
                log::warn!("{error}; the model's own system prompt applies");
            }
        }
        Err(error) => log::warn!("{error}; the model's own system prompt applies"),
    }
    Settings {
        context,
        batch: board::BATCH,
        max_tokens,
        draft: board::DRAFT,
        // A name of board.toml is one of these: `qlens plan` is tested to take each.
        kv: KvType::from_name(board::KV).unwrap_or_default(),
    }
}
