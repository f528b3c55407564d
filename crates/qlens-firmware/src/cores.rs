//! The cores beside the first: switched on in the board's own way, put to work by the runtime's pool, asleep
//! whenever there is nothing to do.

use core::sync::atomic::{AtomicUsize, Ordering};

use qlens_board::{Clock, CoreError, SecondaryCores, Span};

use crate::clock::CounterClock;
use crate::{board, boot, mmu, platform, stacks};

/// Most cores that there can be on any board, the boot core included.
pub const MOST: usize = 8;

/// A core that has not reported after this long, in microseconds, will not.
const PATIENCE_US: u64 = 1_000_000;

/// What each started core is to do.
static ENTRIES: [spin::Once<fn(usize) -> !>; MOST] = [const { spin::Once::new() }; MOST];

/// Cores that have come up.
static RUNNING: AtomicUsize = AtomicUsize::new(0);

/// How a board switches a core on.
#[derive(Debug)]
pub struct Cores {
    /// Cores that the machine has, the boot core included.
    pub cores: usize,
    /// Switches on a core that is off; its first Rust function is to be [`come_up`].
    pub switch_on: fn(core: usize) -> Result<(), CoreError>,
}

impl SecondaryCores for Cores {
    fn count(&self) -> usize {
        self.cores.min(board().cores).min(MOST).saturating_sub(1)
    }

    fn start(&mut self, core: usize, entry: fn(usize) -> !) -> Result<(), CoreError> {
        let cores = self.count() + 1;
        if core == 0 || core >= cores {
            return Err(CoreError::NoSuchCore { core, cores });
        }
        if ENTRIES[core].is_completed() {
            return Err(CoreError::AlreadyOn { core });
        }
        ENTRIES[core].call_once(|| entry);
        let before = RUNNING.load(Ordering::Acquire);
        (self.switch_on)(core)?;
        let give_up = CounterClock.now_us() + PATIENCE_US;
        while RUNNING.load(Ordering::Acquire) == before {
            if CounterClock.now_us() > give_up {
                return Err(CoreError::Silent { core });
            }
            core::hint::spin_loop();
        }
        Ok(())
    }
}

/// The stack that a core may start on, which then is its exception stack. It belongs to this core alone.
pub fn start_stack(core: usize) -> Span {
    let [exception, _] = stacks::of(core);
    exception
}

/// First Rust on a secondary core, with the first page table, on [`start_stack`].
pub fn come_up(core: usize) -> ! {
    boot::prepare_core();
    mmu::enter();
    platform().init_core(core);
    boot::settle(core, work)
}

extern "C" fn work(core: usize) -> ! {
    RUNNING.fetch_add(1, Ordering::Release);
    match ENTRIES[core].get() {
        Some(entry) => entry(core),
        None => loop {
            platform().wait();
        },
    }
}
