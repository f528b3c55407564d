//! `board.toml`: the one source of a board's memory map, addresses and budgets. Its build script
//! turns it into the linker script and the constants of the firmware, and the host tool reads the
//! same file to say whether a model fits.
//!
//! ```toml
//! name = "example"
//! about = "a sentence"
//! target = "aarch64-unknown-none"
//!
//! [cores]                  # how many the firmware has stacks for
//! count = 4
//! stack = 0x4_0000         # bytes a core
//! exception_stack = 0x4000
//!
//! [session]                # what applies when nobody asks for something else
//! context = 2048
//! batch = 32
//! max_tokens = 256
//! draft = 3                # 0: off
//! kv = "f16"               # or "q8_0"; may be left out
//!
//! [ram]                    # size: what the board is sold with; firmware measures
//! start = 0x4000_0000
//! size = 0x4000_0000
//!
//! [flash]                  # if the firmware runs from flash; RAM then holds its data and its one stack
//! start = 0x0
//! size = 0x1_8000
//!
//! [[reserved]]             # any number
//! about = "device tree"
//! start = 0x4000_0000
//! size = 0x20_0000
//!
//! [region.firmware]        # also stacks, dma, framebuffer, model, arena
//! start = 0x4020_0000
//! size = 0x80_0000         # left out: to the end of RAM
//!
//! [device.uart]            # any name
//! base = 0x900_0000
//! size = 0x1000
//! interrupt = 1
//! ```
//!
//! A board with an operating system on it, where qlens is a program among others, has no addresses of
//! its own to give away. In place of `[ram]`, regions, devices and the sizes of stacks it states
//!
//! ```toml
//! [userspace]
//! ram = 0x8000_0000        # what the board is sold with
//! budget = 0x6000_0000     # bytes for the model and the arena of the session
//! ```

mod build;
mod emit;
mod error;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::string::String;
use std::vec::Vec;

use serde::Deserialize;

pub use build::build_firmware;
pub use error::DescriptionError;

use crate::memory::{Device, MemoryMap, Region, Span, Usage};

/// A board, as its `board.toml` states it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Board {
    /// The folder's name under `boards/`.
    pub name: String,
    /// One sentence for people.
    pub about: String,
    /// The Rust target that its firmware is built for.
    pub target: String,
    /// Its cores.
    pub cores: Cores,
    /// What a session gets when nobody asks for something else; `None` on a board without models.
    pub session: Option<SessionDefaults>,
    /// What an operating system leaves to qlens; `None` on a board without one.
    pub userspace: Option<Userspace>,
    ram: Option<SpanEntry>,
    flash: Option<SpanEntry>,
    #[serde(default)]
    reserved: Vec<ReservedEntry>,
    #[serde(default)]
    region: BTreeMap<UsageName, RegionEntry>,
    #[serde(default)]
    device: BTreeMap<String, DeviceEntry>,
    /// Filled from the entries above once they are known to make a map.
    #[serde(skip)]
    regions: Vec<Region>,
}

/// The cores of a board.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cores {
    /// Most cores that the firmware uses.
    pub count: usize,
    /// Bytes of stack a core; 0 where the operating system sees to it.
    #[serde(default)]
    pub stack: u64,
    /// Bytes of the stack that exceptions are handled on, a core; 0 where the operating system sees to it.
    #[serde(default)]
    pub exception_stack: u64,
}

/// What an operating system leaves to qlens.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Userspace {
    /// Bytes of RAM that the board is sold with.
    pub ram: u64,
    /// Bytes of it for the model and the arena of the session.
    pub budget: u64,
}

/// What a session gets when nobody asks for something else.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SessionDefaults {
    /// Tokens of context.
    pub context: usize,
    /// Tokens of a prompt that are computed together.
    pub batch: usize,
    /// Most tokens of an answer.
    pub max_tokens: usize,
    /// Most tokens of a draft; 0 for no drafts.
    pub draft: usize,
    /// How keys and values of the context are stored.
    #[serde(default)]
    pub kv: KvCache,
}

/// Types of the KV cache.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KvCache {
    /// Half precision.
    #[default]
    F16,
    /// Int8 with a scale for each 32.
    #[serde(rename = "q8_0")]
    Q8_0,
}

impl KvCache {
    /// Its name, as in the file.
    pub const fn name(self) -> &'static str {
        match self {
            Self::F16 => "f16",
            Self::Q8_0 => "q8_0",
        }
    }
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
struct SpanEntry {
    start: u64,
    size: u64,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct ReservedEntry {
    about: String,
    start: u64,
    size: u64,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
struct RegionEntry {
    start: u64,
    size: Option<u64>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
struct DeviceEntry {
    base: u64,
    size: u64,
    interrupt: Option<u32>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
enum UsageName {
    Firmware,
    Stacks,
    Dma,
    Framebuffer,
    Model,
    Arena,
}

impl From<UsageName> for Usage {
    fn from(name: UsageName) -> Self {
        match name {
            UsageName::Firmware => Self::Firmware,
            UsageName::Stacks => Self::Stacks,
            UsageName::Dma => Self::Dma,
            UsageName::Framebuffer => Self::Framebuffer,
            UsageName::Model => Self::Model,
            UsageName::Arena => Self::Arena,
        }
    }
}

impl Board {
    /// Reads and checks the text of a `board.toml`.
    ///
    /// # Errors
    /// What is wrong with it, in a sentence that names the entry.
    pub fn parse(text: &str) -> Result<Self, DescriptionError> {
        let mut board: Self =
            toml::from_str(text).map_err(|error| DescriptionError::Syntax(Box::new(error)))?;
        board.check_kind()?;
        let reserved = board.reserved.iter().map(|entry| Region {
            usage: Usage::Reserved,
            start: entry.start,
            size: Some(entry.size),
        });
        let regions = board.region.iter().map(|(&name, entry)| Region {
            usage: name.into(),
            start: entry.start,
            size: entry.size,
        });
        board.regions = reserved.chain(regions).collect();
        if board.userspace.is_some() {
            // The budget is one span, and the arena comes behind the model as it does in RAM.
            board.regions.push(Region {
                usage: Usage::Model,
                start: 0,
                size: None,
            });
        }
        board.regions.sort_by_key(|region| region.start);
        board.memory().check().map_err(DescriptionError::Map)?;
        board.check_cores()?;
        Ok(board)
    }

    /// Reads and checks a `board.toml`.
    ///
    /// # Errors
    /// As [`Board::parse`], and whatever reading the file says.
    pub fn read(path: &Path) -> Result<Self, DescriptionError> {
        Self::parse(&fs::read_to_string(path).map_err(DescriptionError::File)?)
    }

    /// Checks that the file describes bare metal or a program's budget, and does not mix them.
    fn check_kind(&self) -> Result<(), DescriptionError> {
        if self.ram.is_some() == self.userspace.is_some() {
            return Err(DescriptionError::Ram);
        }
        let Some(Userspace { ram, budget }) = self.userspace else {
            return Ok(());
        };
        for (what, is_there) in [
            ("[flash]", self.flash.is_some()),
            ("[[reserved]]", !self.reserved.is_empty()),
            ("[region]", !self.region.is_empty()),
            ("[device]", !self.device.is_empty()),
            ("cores.stack", self.cores.stack != 0),
            ("cores.exception_stack", self.cores.exception_stack != 0),
        ] {
            if is_there {
                return Err(DescriptionError::Userspace { what });
            }
        }
        if budget > ram {
            let (what, value) = ("userspace.budget", budget);
            return Err(DescriptionError::Number { what, value });
        }
        Ok(())
    }

    fn check_cores(&self) -> Result<(), DescriptionError> {
        let Cores {
            count,
            stack,
            exception_stack,
        } = self.cores;
        // A microcontroller's one stack is what its data leave of the RAM.
        let stacks = if self.userspace.is_some() || self.flash.is_some() {
            &[][..]
        } else {
            &[
                ("cores.stack", stack, true),
                ("cores.exception_stack", exception_stack, true),
            ]
        };
        for &(what, value, whole_pages) in
            [("cores.count", count as u64, false)].iter().chain(stacks)
        {
            if value == 0 || whole_pages && value % crate::memory::PAGE != 0 {
                return Err(DescriptionError::Number { what, value });
            }
        }
        if let Some(span) = self.memory().span(Usage::Stacks) {
            let needed = self.cores.bytes();
            if needed > span.size {
                return Err(DescriptionError::Stacks {
                    needed,
                    found: span.size,
                });
            }
        }
        if let Some(session) = self.session {
            for (what, value) in [
                ("session.context", session.context),
                ("session.batch", session.batch),
                ("session.max_tokens", session.max_tokens),
            ] {
                if value == 0 {
                    return Err(DescriptionError::Number { what, value: 0 });
                }
            }
        }
        Ok(())
    }

    /// The memory map, with the RAM that the file states. Where there is an operating system it is the
    /// budget, counted from 0, with the model's region over all of it.
    pub fn memory(&self) -> MemoryMap<'_> {
        let ram = match (self.ram, self.userspace) {
            (Some(ram), _) => Span::new(ram.start, ram.size),
            (None, Some(userspace)) => Span::new(0, userspace.budget),
            // `parse` takes no file with neither.
            (None, None) => Span::new(0, 0),
        };
        MemoryMap {
            ram,
            regions: &self.regions,
        }
    }

    /// Bytes of RAM that the board is sold with.
    pub fn ram_bytes(&self) -> u64 {
        self.userspace
            .map_or(self.memory().ram.size, |userspace| userspace.ram)
    }

    /// A device by its name in the file.
    pub fn device(&self, name: &str) -> Option<Device> {
        self.device.get(name).map(|entry| entry.device())
    }

    /// What is said of each reserved range, in order of the file.
    pub fn reserved(&self) -> impl Iterator<Item = (&str, Span)> {
        self.reserved
            .iter()
            .map(|entry| (entry.about.as_str(), Span::new(entry.start, entry.size)))
    }
}

impl Cores {
    /// Bytes that the stacks of all cores take: each has two stacks with a guard page below each.
    pub fn bytes(&self) -> u64 {
        let guards = 2 * crate::memory::PAGE;
        self.stack
            .saturating_add(self.exception_stack)
            .saturating_add(guards)
            .saturating_mul(self.count as u64)
    }
}

impl DeviceEntry {
    fn device(self) -> Device {
        Device {
            registers: Span::new(self.base, self.size),
            interrupt: self.interrupt,
        }
    }
}

/// `name` as a Rust constant is written.
fn constant_name(name: &str) -> String {
    name.to_uppercase().replace('-', "_")
}

#[cfg(test)]
mod tests;
