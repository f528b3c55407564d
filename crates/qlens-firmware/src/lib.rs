//! Firmware of any bare aarch64 board, less what is the board's own. A board crate brings a `board.toml`,
//! its drivers, a [`Platform`] and a [`glasses::Glasses`]; [`firmware!`] ties them to what is here:
//!
//! | module | holds |
//! |---|---|
//! | `boot`, [`mmu`], `stacks`, `exceptions` | from reset to Rust, and what is printed when it goes wrong |
//! | [`clock`], [`power`], [`pmu`], [`cores`], [`gic`] | time, sleep and what it costs, the other cores, an interrupt controller |
//! | [`console`], [`channel`], [`sensors`] | people at the console, tools at the report channel, both as events |
//! | [`sha256`], [`cache`] | what the core has instructions for |
//! | [`glasses`], [`selftest`], [`wishes`] | the application, the firmware as its own test, what is wanted of them |
//!
//! Nothing in here knows a board. On any other target than bare aarch64 this crate is empty.

#![cfg(all(target_arch = "aarch64", target_os = "none"))]
#![no_std]

mod boot;
pub mod cache;
pub mod channel;
pub mod clock;
pub mod console;
pub mod cores;
mod exceptions;
pub mod gic;
pub mod glasses;
pub mod mmu;
pub mod pmu;
pub mod power;
pub mod selftest;
pub mod sensors;
pub mod sha256;
mod stacks;
pub mod wishes;

use qlens_board::MemoryMap;
use qlens_board::memory::Device;

#[doc(hidden)]
pub use aarch64_rt;
pub use boot::ram;

/// What the shared code has to be able to do to a board from anywhere: in a panic, on any core.
pub trait Platform: Sync {
    /// Brings the console to its pins, and returns the rate of its clock in hertz if its line is to be set up
    /// from that; `None` if it is set up already. Called before anything else.
    fn prepare_console(&self) -> Option<u32> {
        None
    }

    /// Finds out what machine this is, and returns its bytes of RAM. Called once, on the boot core, on a
    /// small stack, with the first page table and a console that works. A machine that this firmware is not
    /// for is told about in the log and switched off.
    fn survey(&self) -> u64;

    /// The boot core's life, on its own stack and the real page table; [`glasses::run`] in the end.
    fn main(&self) -> !;

    /// What a secondary core has to do for itself, so that [`Platform::wait`] and
    /// [`Platform::wake_others`] work.
    fn init_core(&self, core: usize);

    /// Sleeps until an interrupt is pending on this core, at once if one is already. A wake-up by another
    /// core is taken note of, so that the next call sleeps again. Interrupts are masked for good; none is
    /// ever taken.
    fn wait(&self);

    /// Wakes every other core that is in [`Platform::wait`], or is about to be.
    fn wake_others(&self);

    /// Switches the machine off.
    fn off(&self) -> !;

    /// The time of day in seconds since 1970-01-01; `None` where nobody knows it.
    fn unix_s(&self) -> Option<u64> {
        None
    }
}

/// A board: its `board.toml` as constants, and what it can do.
pub struct Board {
    /// Its name.
    pub name: &'static str,
    /// What is where in its RAM.
    pub memory: MemoryMap<'static>,
    /// Everything that has registers.
    pub devices: &'static [Device],
    /// The PL011 for people.
    pub console: Device,
    /// Cores that have a stack.
    pub cores: usize,
    /// Bytes of stack a core.
    pub stack_bytes: u64,
    /// Bytes of the stack that exceptions are handled on, a core.
    pub exception_stack_bytes: u64,
    /// What a session gets when nobody asks for something else.
    pub session: Session,
    /// What it can do.
    pub platform: &'static dyn Platform,
}

/// What a session gets when nobody asks for something else.
#[derive(Debug, Clone, Copy)]
pub struct Session {
    /// Tokens of context.
    pub context: usize,
    /// Tokens of a prompt that are computed together.
    pub batch: usize,
    /// Most tokens of an answer.
    pub max_tokens: usize,
    /// Most tokens of a draft; 0 for no drafts.
    pub draft: usize,
    /// Type of the KV cache, by its name.
    pub kv: &'static str,
}

unsafe extern "Rust" {
    #[link_name = "qlens_firmware_board"]
    safe static BOARD: Board;
}

/// The board that this firmware is for.
pub fn board() -> &'static Board {
    &BOARD
}

/// The board's [`Platform`].
pub fn platform() -> &'static dyn Platform {
    BOARD.platform
}

/// Ties a board to this crate: `firmware!(PLATFORM, board)`, where `PLATFORM` is a static that implements
/// [`Platform`] and `board` the module of the constants that the build script made of `board.toml`. Its
/// `device.uart` is the console.
#[macro_export]
macro_rules! firmware {
    ($platform:path, $board:ident) => {
        #[unsafe(export_name = "qlens_firmware_board")]
        static BOARD: $crate::Board = $crate::Board {
            name: $board::NAME,
            memory: $board::MEMORY,
            devices: $board::DEVICES,
            console: $board::device::UART,
            cores: $board::CORES,
            stack_bytes: $board::STACK_BYTES as u64,
            exception_stack_bytes: $board::EXCEPTION_STACK_BYTES as u64,
            session: $crate::Session {
                context: $board::CONTEXT,
                batch: $board::BATCH,
                max_tokens: $board::MAX_TOKENS,
                draft: $board::DRAFT,
                kv: $board::KV,
            },
            platform: &$platform,
        };

        static FIRST_TABLE: $crate::mmu::FirstTable =
            $crate::mmu::FirstTable::new(&$board::MEMORY, $board::DEVICES, &SHARED_GIGABYTE);
        static SHARED_GIGABYTE: $crate::mmu::SharedGigabyte =
            $crate::mmu::SharedGigabyte::new(&$board::MEMORY, $board::DEVICES);

        $crate::aarch64_rt::enable_mmu!(
            FIRST_TABLE,
            $crate::mmu::MAIR.0,
            $crate::aarch64_rt::DEFAULT_SCTLR,
            $crate::aarch64_rt::DEFAULT_TCR
        );
    };
}
