//! Registers of a device, 32 bits each: what the drivers here have in common.

use qlens_board::memory::Device;

/// The registers of a device of `board.toml`. Whoever makes one is its only user.
#[derive(Debug, Clone, Copy)]
pub struct Registers {
    base: u64,
    size: u64,
}

impl Registers {
    /// Those of this device.
    pub const fn of(device: Device) -> Self {
        Self {
            base: device.registers.start,
            size: device.registers.size,
        }
    }

    /// Reads the register at this offset, in bytes.
    pub fn read(self, offset: u64) -> u32 {
        // SAFETY: board.toml says that the device is there, and it is mapped as device memory; the offset is
        // inside.
        unsafe { self.at(offset).read_volatile() }
    }

    /// Writes it.
    pub fn write(self, offset: u64, value: u32) {
        // SAFETY: As in `read`. What a write does to memory (the mailbox) is seen to where it is done.
        unsafe { self.at(offset).write_volatile(value) };
    }

    /// Changes it.
    pub fn change(self, offset: u64, change: impl FnOnce(u32) -> u32) {
        self.write(offset, change(self.read(offset)));
    }

    fn at(self, offset: u64) -> *mut u32 {
        debug_assert!(offset.is_multiple_of(4) && offset < self.size);
        (self.base + offset) as *mut u32
    }
}
