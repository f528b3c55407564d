//! Arm's interrupt controller, used for one thing only: to wake cores that wait.
//!
//! Interrupts stay masked in PSTATE on every core; no handler ever runs. A device that needs care
//! makes its interrupt pending, WFI returns, and the loop that slept polls its devices, as it would
//! have anyway. That leaves no code to race with. Device interrupts are level-sensitive: they are
//! pending for as long as the device asks and vanish when its driver has answered, so nobody needs
//! to acknowledge them here. A software-generated one stays pending until it is acknowledged, and
//! [`wait`] does that after it woke.
//!
//! `GICv2` and v3 are both here because QEMU's machine comes with either, and real boards have either.

use core::ptr::NonNull;

use aarch64_cpu::asm;
use aarch64_cpu::asm::barrier;
use aarch64_cpu::registers::{MPIDR_EL1, Readable};
use arm_gic::gicv2::{self, GicV2};
use arm_gic::gicv3::{self, GicCpuInterface, GicV3, SgiTargetGroup};
use arm_gic::{IntId, InterruptGroup, UniqueMmioPointer};
use qlens_board::memory::Device;
use spin::Once;
use spin::mutex::SpinMutex;

/// Wakes a core; nothing more is meant by it.
const WAKE: IntId = IntId::sgi(0);

/// The virtual timer's private interrupt.
const TIMER: IntId = IntId::ppi(11);

/// All interrupts get the same priority; the mask lets it through.
const PRIORITY: u8 = 0x80;

/// Which controller a machine has, and where.
#[derive(Debug, Clone, Copy)]
pub enum Controller {
    /// A `GICv2`, such as the GIC-400.
    V2 {
        /// The distributor.
        distributor: Device,
        /// The interface that each core sees at this address.
        cpu_interface: Device,
    },
    /// A `GICv3` or v4.
    V3 {
        /// The distributor.
        distributor: Device,
        /// Two 64 KiB frames a core.
        redistributors: Device,
    },
}

static CONTROLLER: Once<Controller> = Once::new();

enum Gic {
    V2(GicV2<'static>),
    V3(GicV3<'static>),
}

static GIC: SpinMutex<Option<Gic>> = SpinMutex::new(None);

/// Sets up the controller and the boot core's part of it, for this many cores.
///
/// # Safety
/// The controller is where it is said to be, mapped as device memory, and nothing else uses it.
pub unsafe fn init(controller: Controller, cores: usize) {
    CONTROLLER.call_once(|| controller);
    let gic = match controller {
        Controller::V2 {
            distributor,
            cpu_interface,
        } => {
            // SAFETY: As the caller says.
            let mut gic = unsafe {
                GicV2::new(
                    distributor.registers.start as *mut _,
                    cpu_interface.registers.start as *mut _,
                )
            };
            gic.setup();
            Gic::V2(gic)
        }
        Controller::V3 {
            distributor,
            redistributors,
        } => {
            let registers =
                NonNull::new(distributor.registers.start as *mut gicv3::registers::Gicd);
            let frames =
                NonNull::new(redistributors.registers.start as *mut gicv3::registers::GicrSgi);
            let (Some(registers), Some(frames)) = (registers, frames) else {
                return;
            };
            // SAFETY: As the caller says.
            let gic =
                unsafe { GicV3::new(UniqueMmioPointer::new(registers), frames, cores.max(1)) };
            match gic {
                Ok(mut gic) => {
                    gic.setup(0);
                    Gic::V3(gic)
                }
                Err(error) => {
                    log::error!("interrupt controller: {error:?}; sleeping cores will not wake");
                    return;
                }
            }
        }
    };
    *GIC.lock() = Some(gic);
    enable_private(0);
}

/// Whether the cores' interfaces are registers of the processor.
fn is_v3() -> bool {
    matches!(CONTROLLER.get(), Some(Controller::V3 { .. }))
}

/// The part of a secondary core that it must do itself.
pub fn init_core(core: usize) {
    {
        let mut gic = GIC.lock();
        match gic.as_mut() {
            // The CPU interface's registers are a core's own.
            Some(Gic::V2(gic)) => gic.setup(),
            Some(Gic::V3(gic)) => {
                gic.init_cpu(core);
                GicCpuInterface::enable_group1(true);
            }
            None => {}
        }
    }
    enable_private(core);
}

/// Lets the wake-up and timer interrupts through to this core.
fn enable_private(core: usize) {
    let mut gic = GIC.lock();
    let outcome = match gic.as_mut() {
        Some(Gic::V2(gic)) => {
            gic.set_priority_mask(0xff);
            [WAKE, TIMER].into_iter().all(|id| {
                gic.set_interrupt_priority(id, PRIORITY);
                gic.enable_interrupt(id, true).is_ok()
            })
        }
        Some(Gic::V3(gic)) => {
            GicCpuInterface::set_priority_mask(0xff);
            [WAKE, TIMER].into_iter().all(|id| {
                gic.set_interrupt_priority(id, Some(core), PRIORITY).is_ok()
                    && gic.enable_interrupt(id, Some(core), true).is_ok()
            })
        }
        None => true,
    };
    if !outcome {
        log::error!("interrupt controller: core {core} will not be woken");
    }
}

/// Lets a device's interrupt, numbered as shared ones are, wake the boot core.
pub fn enable_shared(number: u32) {
    let id = IntId::spi(number);
    let mut gic = GIC.lock();
    let outcome = match gic.as_mut() {
        Some(Gic::V2(gic)) => {
            gic.set_interrupt_priority(id, PRIORITY);
            target_boot_core(number);
            gic.enable_interrupt(id, true).is_ok()
        }
        Some(Gic::V3(gic)) => {
            gic.set_interrupt_priority(id, None, PRIORITY).is_ok()
                && gic
                    .distributor()
                    .set_routing(id, Some(MPIDR_EL1.get()))
                    .is_ok()
                && gic.enable_interrupt(id, None, true).is_ok()
        }
        None => true,
    };
    if !outcome {
        log::error!("interrupt controller: shared interrupt {number} cannot be enabled");
    }
}

/// A `GICv2` sends a shared interrupt nowhere until told; the driver has no call for it.
fn target_boot_core(number: u32) {
    const ITARGETSR: u64 = 0x800;
    let Some(Controller::V2 { distributor, .. }) = CONTROLLER.get() else {
        return;
    };
    let register = distributor.registers.start + ITARGETSR + 32 + u64::from(number);
    // SAFETY: The register of this interrupt, one byte wide, in the distributor that the caller has
    // locked. Bit 0 is core 0.
    unsafe { (register as *mut u8).write_volatile(1) };
}

/// Wakes every other core that is in [`wait`], or is about to be.
pub fn wake_others() {
    // What was written for the others must be visible before they wake to look at it.
    barrier::dsb(barrier::ISHST);
    if is_v3() {
        // Only a wrong interrupt number is refused.
        let _ =
            GicCpuInterface::send_sgi(WAKE, gicv3::SgiTarget::All, SgiTargetGroup::CurrentGroup1);
    } else if let Some(Gic::V2(gic)) = GIC.lock().as_mut() {
        gic.send_sgi(
            WAKE,
            gicv2::SgiTarget::List {
                target_list_filter: gicv2::SgiTargetListFilter::ForwardOthersOnly,
                target_list: 0,
            },
        );
    }
}

/// Sleeps until an interrupt is pending on this core, at once if one is already. Wake-ups are taken
/// note of, so that the next call sleeps again.
pub fn wait() {
    barrier::dsb(barrier::SY);
    asm::wfi();
    acknowledge_wakes();
    // What the waker wrote is looked at after its wake-up was taken note of, not before.
    barrier::dsb(barrier::SY);
}

fn acknowledge_wakes() {
    if is_v3() {
        const GROUP: InterruptGroup = InterruptGroup::Group1;
        // Only wake-ups: a device's interrupt is still wanted as it is.
        while GicCpuInterface::get_pending_interrupt(GROUP) == Some(WAKE) {
            if let Some(id) = GicCpuInterface::get_and_acknowledge_interrupt(GROUP) {
                GicCpuInterface::end_interrupt(id, GROUP);
            }
        }
    } else if let Some(Gic::V2(gic)) = GIC.lock().as_mut() {
        const GROUP: InterruptGroup = InterruptGroup::Group0;
        // A GICv2 tells the sender of a wake-up in the number, so it is not compared; a device's
        // interrupt that is taken here becomes pending again at its end, if the device still asks.
        for _ in 0..8 {
            let Some(id) = gic.get_and_acknowledge_interrupt(GROUP) else {
                break;
            };
            gic.end_interrupt(id, GROUP);
        }
    }
}
