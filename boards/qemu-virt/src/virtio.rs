//! Finds virtio devices. QEMU's machine has 32 slots at fixed addresses, each empty or not.

use core::ptr::NonNull;

use qlens_firmware::gic;
use virtio_drivers::transport::DeviceType;
use virtio_drivers::transport::mmio::{MmioTransport, VirtIOHeader};

use crate::board::device;

/// Bytes of a slot.
const SLOT_BYTES: usize = 0x200;

/// Where in a slot the type of its device is read, 0 for none: virtio 1.2, section 4.2.2, `DeviceID`.
const DEVICE_ID: usize = 0x08;

/// Where in a slot the number of a queue is written that has news for the device:
/// `QueueNotify`.
const QUEUE_NOTIFY: usize = 0x50;

/// A device that was found.
pub type Slot = MmioTransport<'static>;

/// The `nth` device of this type, from 0 in the order of QEMU's command line, its interrupt enabled; `None` if the
/// machine has not as many.
///
/// Asking for the same again gives the same device, to be driven afresh from its reset on; the
/// driver that had it before must be gone.
pub fn find(wanted: DeviceType, nth: usize) -> Option<(Slot, Doorbell)> {
    let slots = device::VIRTIO.registers.size as usize / SLOT_BYTES;
    // QEMU fills the slots from the last one down.
    let mut found = (0..slots).rev().filter_map(|slot| {
        let address = device::VIRTIO.registers.start as usize + slot * SLOT_BYTES;
        // A transport that is made only to ask for the type would reset the device when it is
        // dropped, under the hands of the driver that it may have already.
        // SAFETY: board.toml says that virtio slots are here, they are mapped as device memory;
        // reading the identification has no effect.
        let device_id = unsafe { ((address + DEVICE_ID) as *const u32).read_volatile() };
        (device_id == wanted as u32).then_some((slot, address))
    });
    let (slot, address) = found.nth(nth)?;
    let header = NonNull::new(address as *mut VirtIOHeader)?;
    // SAFETY: As above; each device has one driver at a time, on the boot core.
    let transport = unsafe { MmioTransport::new(header, SLOT_BYTES) }.ok()?;
    if let Some(first) = device::VIRTIO.interrupt {
        gic::enable_shared(first + slot as u32);
    }
    Some((transport, Doorbell { address }))
}

/// Tells a device that there is something in a queue, once more.
///
/// A driver may leave out the notification if the device says that it is looking anyway, but must
/// put a full barrier between publishing a request and asking (virtio 1.2, section 2.7.13.4.1).
/// virtio-drivers 0.13 has a release store and an acquire load there, which are allowed to pass each
/// other, so a request could be published and the device never told. Whoever is about to sleep until
/// a request is done rings first; a notification too many is harmless.
#[derive(Debug, Clone, Copy)]
pub struct Doorbell {
    address: usize,
}

impl Doorbell {
    /// Tells the device about this queue.
    pub fn ring(self, queue: u16) {
        // SAFETY: The register of a slot that `find` found; it is write-only and takes any queue
        // number at any time.
        unsafe { ((self.address + QUEUE_NOTIFY) as *mut u32).write_volatile(u32::from(queue)) };
    }
}
