//! QEMU's machine: what it is found to be, and what it can do.

use qlens_firmware::gic::{self, Controller};
use qlens_firmware::{Platform, glasses};
use spin::Once;

use crate::board::device::{GIC_CPU_INTERFACE, GIC_DISTRIBUTOR, GIC_REDISTRIBUTORS, UART};
use crate::device_tree::{self, Tree};
use crate::glasses::VirtGlasses;
use crate::{board, fw_cfg, psci, rtc};

static FOUND: Once<Tree> = Once::new();

/// The machine as the device tree describes it. Before the boot core has read it, no cores and the RAM of
/// `board.toml`.
pub fn found() -> &'static Tree {
    FOUND.call_once(|| Tree {
        ram_bytes: board::MEMORY.ram.size,
        cores: heapless::Vec::new(),
        gic_v3: true,
    })
}

/// QEMU's `virt`.
struct Virt;

static VIRT: Virt = Virt;

qlens_firmware::firmware!(VIRT, board);

impl Platform for Virt {
    fn survey(&self) -> u64 {
        if !psci::at_el1() {
            log::error!(
                "the firmware starts at EL1 only: leave out virtualization=on and secure=on"
            );
            psci::off();
        }
        match device_tree::read() {
            Ok(tree) => FOUND.call_once(|| tree).ram_bytes,
            Err(error) => {
                log::error!("{error}: start the firmware as an ELF file with -kernel");
                psci::off();
            }
        }
    }

    fn main(&self) -> ! {
        let machine = found();
        let controller = if machine.gic_v3 {
            Controller::V3 {
                distributor: GIC_DISTRIBUTOR,
                redistributors: GIC_REDISTRIBUTORS,
            }
        } else {
            Controller::V2 {
                distributor: GIC_DISTRIBUTOR,
                cpu_interface: GIC_CPU_INTERFACE,
            }
        };
        // SAFETY: board.toml and the device tree say that it is there; all devices are mapped as such.
        unsafe { gic::init(controller, machine.cores.len()) };
        if let Some(number) = UART.interrupt {
            gic::enable_shared(number);
        }
        log::info!(
            "{}: {} cores, {} MiB of RAM, GICv{}",
            board::NAME,
            machine.cores.len(),
            machine.ram_bytes >> 20,
            if machine.gic_v3 { 3 } else { 2 }
        );
        match fw_cfg::Settings::open() {
            Ok(asked) => glasses::run(VirtGlasses { asked }),
            Err(error) => {
                log::error!("{error}");
                psci::off()
            }
        }
    }

    fn init_core(&self, core: usize) {
        gic::init_core(core);
    }

    fn wait(&self) {
        gic::wait();
    }

    fn wake_others(&self) {
        gic::wake_others();
    }

    fn off(&self) -> ! {
        psci::off()
    }

    fn unix_s(&self) -> Option<u64> {
        rtc::unix_s()
    }
}
