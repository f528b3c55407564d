//! The application on a board: brings its parts up in order, and hands them to the loop that all boards
//! share.

use core::cell::RefCell;
use core::fmt;

use embedded_graphics::geometry::Size;
use qlens::workers::{Park, Pool, Workers};
use qlens_assistant::Assistant;
use qlens_assistant::app::{App, Memory, Ports};
use qlens_board::{Display, ModelStore, Power, SecondaryCores, SensorSource, Usage};
use spin::mutex::SpinMutex;

use crate::channel::{Channel, Report};
use crate::clock::CounterClock;
use crate::console::Console;
use crate::cores::Cores;
use crate::wishes::Wishes;
use crate::{board, platform, ram, selftest, sha256};

/// The picture of the glasses: 480 x 640, of one green, on which black means transparent.
pub const PICTURE: Size = Size::new(480, 640);

/// The parts of a board, made in the order of the methods and each once.
pub trait Glasses: 'static {
    /// What the wearer sees: a picture of [`PICTURE`].
    type Display: Display;
    /// Lines for tools.
    type Channel: Channel;
    /// What the wearer does.
    type Sensors<'c>: SensorSource;
    /// Where the model is.
    type Store: ModelStore;
    /// Battery and warmth.
    type Power: Power;
    /// Why there is no display.
    type Fault: fmt::Display;

    /// The display, black.
    ///
    /// # Errors
    /// There is nowhere to draw, so that not even an error could be shown.
    fn display(&mut self) -> Result<Self::Display, Self::Fault>;

    /// The cores beside the first.
    fn cores(&mut self) -> Cores;

    /// Where the model is. What is wrong with it is said when it is asked for.
    fn store(&mut self) -> Self::Store;

    /// What whoever started the board wants of it.
    fn wishes(&mut self) -> Wishes;

    /// The second channel; `None` if the machine has none.
    fn channel(&mut self) -> Option<Self::Channel>;

    /// Everything that the wearer can do, what is said on the channel included.
    fn sensors<'c>(&mut self, channel: &'c RefCell<Option<Self::Channel>>) -> Self::Sensors<'c>;

    /// Battery and warmth.
    fn power(&mut self) -> Self::Power;
}

/// Sleep and wake-up of the cores that help.
#[derive(Debug)]
struct Asleep;

impl Park for Asleep {
    /// A wake-up that comes first stays pending and ends the sleep at once.
    fn park(&self, _worker: usize) {
        platform().wait();
    }

    fn wake_all(&self) {
        platform().wake_others();
    }
}

static POOL: Pool<Asleep> = Pool::new(Asleep);

/// Where a secondary core spends its life.
fn help(core: usize) -> ! {
    loop {
        POOL.serve(core);
    }
}

/// 70 KiB, so not on the stack.
static ASSISTANT: SpinMutex<Assistant> = SpinMutex::new(Assistant::new(PICTURE));

/// The rest of the boot core's life. To be called once, from [`Platform::main`](crate::Platform::main).
pub fn run<G: Glasses>(mut glasses: G) -> ! {
    if let Err(error) = live(&mut glasses) {
        log::error!("{error}");
    }
    platform().off()
}

fn live<G: Glasses>(glasses: &mut G) -> Result<(), Fatal<G::Fault>> {
    let display = glasses.display().map_err(Fatal::Display)?;
    start_cores(glasses.cores());
    let mut store = glasses.store();
    let wishes = glasses.wishes();
    let channel = RefCell::new(glasses.channel());
    let sensors = glasses.sensors(&channel);
    let power = glasses.power();
    let mut memory = memory().map_err(Fatal::Memory)?;

    if wishes.selftest {
        selftest::run(&channel, &mut store, memory.model, &POOL);
        return Ok(());
    }

    let mut assistant = ASSISTANT.lock();
    let settings = wishes.settings(&mut assistant);
    let ports = Ports {
        display,
        sensors,
        clock: CounterClock,
        power,
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
enum Fatal<D> {
    Display(D),
    Memory(qlens_board::memory::MapError),
}

impl<D: fmt::Display> fmt::Display for Fatal<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Display(error) => error.fmt(f),
            Self::Memory(error) => error.fmt(f),
        }
    }
}

/// Gives the other cores to the pool. Fewer cores are slower and nothing worse.
fn start_cores(mut cores: Cores) {
    let mut started = 0;
    for core in 1..=cores.count() {
        match cores.start(core, help) {
            Ok(()) => started += 1,
            Err(error) => log::warn!("{error}"),
        }
    }
    // A core counts once it waits for work.
    while POOL.count() <= started {
        core::hint::spin_loop();
    }
}

/// The RAM behind everything else, for the model and its arena.
fn memory() -> Result<Memory<'static>, qlens_board::memory::MapError> {
    let map = board().memory.with_ram(ram());
    let room = map.model_room()?;
    debug_assert!(map.span(Usage::Arena).is_none());
    // SAFETY: The region is mapped read-write as far as there is RAM, nothing else uses any of it, and
    // this is called once. Whatever bytes it holds are bytes.
    let model =
        unsafe { core::slice::from_raw_parts_mut(room.start as *mut u8, room.size as usize) };
    Ok(Memory {
        map,
        model,
        arena: None,
    })
}
