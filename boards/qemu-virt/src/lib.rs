//! Firmware for QEMU's aarch64 `virt` machine: the glasses without the glasses. See `README.md` for
//! how to run it and what is on its channels.
//!
//! | module | holds |
//! |---|---|
//! | `boot`, `mmu`, `stacks`, `exceptions` | from reset to Rust, and what is printed when it goes wrong |
//! | `gic`, `clock`, `power`, `cores` | waiting, waking, time, the other cores |
//! | `device_tree`, `fw_cfg` | what the emulator says about the machine and about what is wanted |
//! | `console`, `touchpad`, `speech`, `sensors`, `ramfb` | what a person sees, types, says and touches |
//! | `virtio`, `dma`, `store`, `sha256` | the model into RAM |
//! | `glasses` | the application on this board |

#![cfg(target_os = "none")]
#![no_std]

#[allow(
    clippy::unreadable_literal,
    reason = "the build script writes these numbers, nobody reads them"
)]
mod board;
mod boot;
mod clock;
mod console;
mod cores;
mod device_tree;
mod dma;
mod exceptions;
mod fw_cfg;
mod gic;
mod glasses;
mod mmu;
mod power;
mod ramfb;
mod selftest;
mod sensors;
mod sha256;
mod speech;
mod stacks;
mod store;
mod touchpad;
mod virtio;
