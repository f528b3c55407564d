//! Firmware for the Raspberry Pi 3 and 4: the glasses on a board that can be bought. See `README.md` for how to
//! put it on one. What it shares with other boards is `qlens_firmware`; which of the two boards this is built
//! for is what `board.toml` has devices for.
//!
//! | module | holds |
//! |---|---|
//! | `start` | from EL2 to EL1, and the other cores out of the boot loader's parking place |
//! | `machine`, `glasses` | what the machine can do, and the parts of the glasses that it is |
//! | `registers`, `gpio`, `mailbox`, `local`, `watchdog` | pins, the VideoCore, interrupts, the switch |
//! | `framebuffer`, `thermometer`, [`mini_uart`] | what is seen, how warm it is, the line to the sensor hub |
//! | `sdhci`, `read_ahead`, `card`, `settings` | the model into RAM, and what is wanted |

#![cfg(all(target_arch = "aarch64", target_os = "none"))]
#![no_std]

#[allow(
    clippy::unreadable_literal,
    reason = "the build script writes these numbers, nobody reads them"
)]
mod board;
mod card;
mod framebuffer;
mod glasses;
mod gpio;
#[cfg(device = "local")]
mod local;
mod machine;
mod mailbox;
pub mod mini_uart;
mod read_ahead;
mod registers;
mod sdhci;
mod settings;
mod start;
mod thermometer;
mod watchdog;
