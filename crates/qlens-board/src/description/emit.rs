//! What a board's build script makes of its `board.toml`: constants in Rust, and a linker script.

use core::fmt::Write as _;
use std::format;
use std::string::String;

use super::{Board, constant_name};
use crate::memory::{MemoryMap, Usage};

impl Board {
    /// Rust source of the board's constants: `NAME`, and one a device in a module `device`; where the firmware does
    /// not run from flash also `MEMORY`, `CORES`, `STACK_BYTES`, `EXCEPTION_STACK_BYTES`, `CONTEXT`, `BATCH`,
    /// `MAX_TOKENS`, `DRAFT`, `KV`, `DEVICES`.
    pub fn constants(&self) -> String {
        let mut source = String::from("// Made from board.toml by the build script.\n");
        // Writing to a `String` does not fail.
        let _ = self.write_constants(&mut source);
        source
    }

    fn write_constants(&self, out: &mut String) -> core::fmt::Result {
        writeln!(out, "/// The board's name.")?;
        writeln!(out, "pub const NAME: &str = {:?};", self.name)?;
        // A microcontroller's linker script has all there is to know of its memory.
        if self.flash.is_none() {
            self.write_memory(out)?;
        }
        self.write_devices(out)
    }

    fn write_memory(&self, out: &mut String) -> core::fmt::Result {
        let MemoryMap { ram, regions } = self.memory();
        writeln!(out, "/// The memory map, with the RAM of board.toml.")?;
        writeln!(
            out,
            "pub const MEMORY: qlens_board::MemoryMap<'static> = qlens_board::MemoryMap {{\n    \
             ram: qlens_board::Span::new({:#x}, {:#x}),\n    regions: &[",
            ram.start, ram.size
        )?;
        for region in regions {
            writeln!(
                out,
                "        qlens_board::memory::Region {{ usage: qlens_board::Usage::{:?}, \
                 start: {:#x}, size: {:?} }},",
                region.usage, region.start, region.size
            )?;
        }
        writeln!(out, "    ],\n}};")?;
        let session = self.session;
        for (name, about, value) in [
            ("CORES", "Cores that have a stack.", Some(self.cores.count)),
            (
                "STACK_BYTES",
                "Bytes of stack a core.",
                Some(self.cores.stack as usize),
            ),
            (
                "EXCEPTION_STACK_BYTES",
                "Bytes of the stack that exceptions are handled on, a core.",
                Some(self.cores.exception_stack as usize),
            ),
            (
                "CONTEXT",
                "Tokens of context when nobody says otherwise.",
                session.map(|s| s.context),
            ),
            (
                "BATCH",
                "Tokens of a prompt computed together.",
                session.map(|s| s.batch),
            ),
            (
                "MAX_TOKENS",
                "Most tokens of an answer when nobody says otherwise.",
                session.map(|s| s.max_tokens),
            ),
            (
                "DRAFT",
                "Most tokens of a draft; 0 for no drafts.",
                session.map(|s| s.draft),
            ),
        ] {
            if let Some(value) = value {
                writeln!(out, "/// {about}\npub const {name}: usize = {value:#x};")?;
            }
        }
        if let Some(session) = session {
            let kv = session.kv.name();
            writeln!(
                out,
                "/// Type of the KV cache.\npub const KV: &str = {kv:?};"
            )?;
        }
        writeln!(
            out,
            "/// All devices.\npub const DEVICES: &[qlens_board::memory::Device] = &["
        )?;
        for name in self.device.keys() {
            writeln!(out, "    device::{},", constant_name(name))?;
        }
        writeln!(out, "];")
    }

    fn write_devices(&self, out: &mut String) -> core::fmt::Result {
        writeln!(out, "/// Registers and interrupts.\npub mod device {{")?;
        for (name, entry) in &self.device {
            writeln!(
                out,
                "    /// `device.{name}`.\n    pub const {}: qlens_board::memory::Device = \
                 qlens_board::memory::Device {{ registers: qlens_board::Span::new({:#x}, {:#x}), \
                 interrupt: {:?} }};",
                constant_name(name),
                entry.base,
                entry.size,
                entry.interrupt
            )?;
        }
        writeln!(out, "}}")
    }

    /// The `MEMORY` part of a linker script: for firmware that runs from flash `FLASH` and `RAM`, as
    /// cortex-m-rt wants them, else the firmware's region under the name `image`; `None` on a board whose
    /// firmware has no region of its own.
    pub fn linker_memory(&self) -> Option<String> {
        if let (Some(flash), Some(ram)) = (self.flash, self.ram) {
            return Some(format!(
                "/* Made from board.toml by the build script. */\nMEMORY\n{{\n    \
                 FLASH : ORIGIN = {:#x}, LENGTH = {:#x}\n    RAM : ORIGIN = {:#x}, LENGTH = {:#x}\n}}\n",
                flash.start, flash.size, ram.start, ram.size
            ));
        }
        let span = self.memory().span(Usage::Firmware)?;
        Some(format!(
            "/* Made from board.toml by the build script. */\nMEMORY\n{{\n    \
             image : ORIGIN = {:#x}, LENGTH = {:#x}\n}}\n",
            span.start, span.size
        ))
    }
}
