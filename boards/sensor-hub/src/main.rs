//! Firmware for the sensor hub, the chip of the glasses that never sleeps. See `README.md` for how to run it.
//!
//! | module | holds |
//! |---|---|
//! | `firmware` | the loop: samples into [`qlens_hub`], bytes over the link, sleep in between |
//! | `uart`, `clock` | the drivers |
//! | `stack` | how much of the stack was ever used |
//! | `faults` | what is said when it goes wrong |

#![cfg_attr(target_os = "none", no_std, no_main)]

#[cfg(target_os = "none")]
#[allow(
    clippy::unreadable_literal,
    reason = "the build script writes these numbers, nobody reads them"
)]
mod board;
#[cfg(target_os = "none")]
mod clock;
#[cfg(target_os = "none")]
mod faults;
#[cfg(target_os = "none")]
mod firmware;
#[cfg(target_os = "none")]
mod stack;
#[cfg(target_os = "none")]
mod uart;

#[cfg(not(target_os = "none"))]
fn main() {
    eprintln!("this is firmware: build it with `cargo xtask build --board sensor-hub`");
}
