//! What the pins are for.

use crate::board::device;
use crate::registers::Registers;

/// Functions of a pin, as the function select registers number them.
#[derive(Debug, Clone, Copy)]
pub enum Function {
    /// None, which is how a pin is left alone.
    #[cfg(device = "local")]
    Input = 0b000,
    /// The first alternative.
    Alt0 = 0b100,
    /// The fourth.
    #[cfg(device = "local")]
    Alt3 = 0b111,
}

/// Gives these pins a function.
pub fn select(pins: core::ops::RangeInclusive<u64>, function: Function) {
    let registers = Registers::of(device::GPIO);
    for pin in pins {
        // Ten pins a register, three bits a pin.
        let shift = pin % 10 * 3;
        registers.change(pin / 10 * 4, |value| {
            value & !(0b111 << shift) | (function as u32) << shift
        });
    }
}
