//! Firmware for QEMU's aarch64 `virt` machine: the glasses without the glasses. See `README.md` for
//! how to run it and what is on its channels. What it shares with other boards is `qlens_firmware`.
//!
//! | module | holds |
//! |---|---|
//! | `machine`, `glasses` | what the machine can do, and the parts of the glasses that it is |
//! | `device_tree`, `fw_cfg` | what the emulator says about the machine and about what is wanted |
//! | `psci`, `rtc` | the other cores, and the switch; the time of day |
//! | `touchpad`, `port`, `speech`, `ramfb` | what a person touches, says and sees |
//! | `virtio`, `dma`, `store` | the model into RAM |

#![cfg(all(target_arch = "aarch64", target_os = "none"))]
#![no_std]

#[allow(
    clippy::unreadable_literal,
    reason = "the build script writes these numbers, nobody reads them"
)]
mod board;
mod device_tree;
mod dma;
mod fw_cfg;
mod glasses;
mod machine;
mod port;
mod psci;
mod ramfb;
mod rtc;
mod speech;
mod store;
mod touchpad;
mod virtio;
