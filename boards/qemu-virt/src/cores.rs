//! The cores beside the first: switched on through PSCI, put to work by the runtime's pool, asleep in
//! WFI whenever there is nothing to do.

use core::sync::atomic::{AtomicUsize, Ordering};

use aarch64_rt::{Stack, start_core};
use qlens_board::{Clock, CoreError, SecondaryCores};
use smccc::Hvc;

use crate::clock::CounterClock;
use crate::{board, boot, gic, mmu, stacks};

/// Pages of the stack that a core starts on, which then is its exception stack.
const START_PAGES: usize = board::EXCEPTION_STACK_BYTES / 4096;

/// A core that has not reported after this long, in microseconds, will not.
const PATIENCE_US: u64 = 1_000_000;

/// What each started core is to do.
static ENTRIES: [spin::Once<fn(usize) -> !>; board::CORES] =
    [const { spin::Once::new() }; board::CORES];

/// Cores that have come up.
static RUNNING: AtomicUsize = AtomicUsize::new(0);

/// Secondary cores by PSCI `CPU_ON`.
#[derive(Debug, Default)]
pub struct PsciCores {
    started: usize,
}

impl PsciCores {
    /// All of them off.
    pub const fn new() -> Self {
        Self { started: 0 }
    }

    /// Cores that run besides the first.
    pub const fn started(&self) -> usize {
        self.started
    }
}

impl SecondaryCores for PsciCores {
    fn count(&self) -> usize {
        boot::machine().cores.len().saturating_sub(1)
    }

    fn start(&mut self, core: usize, entry: fn(usize) -> !) -> Result<(), CoreError> {
        let cores = boot::machine().cores.len();
        let affinity = match boot::machine().cores.get(core) {
            Some(&affinity) if core > 0 => affinity,
            _ => return Err(CoreError::NoSuchCore { core, cores }),
        };
        if ENTRIES[core].is_completed() {
            return Err(CoreError::AlreadyOn { core });
        }
        ENTRIES[core].call_once(|| entry);
        let [start_stack, _] = stacks::of(core);
        let before = RUNNING.load(Ordering::Acquire);
        // SAFETY: The stack belongs to this core alone, which is off; it lies in the first gigabyte
        // of RAM, which the initial page table maps as the real one does.
        unsafe {
            start_core::<Hvc, _, START_PAGES>(
                affinity,
                start_stack.start as *mut Stack<START_PAGES>,
                move || come_up(core),
            )
        }
        .map_err(|error| CoreError::Refused {
            core,
            code: i64::from(error) as i32,
        })?;
        let give_up = CounterClock.now_us() + PATIENCE_US;
        while RUNNING.load(Ordering::Acquire) == before {
            if CounterClock.now_us() > give_up {
                return Err(CoreError::Silent { core });
            }
            core::hint::spin_loop();
        }
        self.started += 1;
        Ok(())
    }
}

/// First Rust on a secondary core.
fn come_up(core: usize) {
    boot::prepare_core();
    mmu::enter();
    gic::init_core(core);
    boot::settle(core, work)
}

extern "C" fn work(core: usize) -> ! {
    RUNNING.fetch_add(1, Ordering::Release);
    match ENTRIES[core].get() {
        Some(entry) => entry(core),
        None => loop {
            gic::wait();
        },
    }
}
