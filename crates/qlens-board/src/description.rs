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

mod emit;

use std::collections::BTreeMap;
use std::path::Path;
use std::string::String;
use std::vec::Vec;
use std::{fmt, fs, io};

use serde::Deserialize;

use crate::memory::{Device, MapError, MemoryMap, Region, Span, Usage};

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
    ram: SpanEntry,
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
    /// Bytes of stack a core.
    pub stack: u64,
    /// Bytes of the stack that exceptions are handled on, a core.
    pub exception_stack: u64,
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

/// Why there is no description.
#[derive(Debug)]
pub enum DescriptionError {
    /// The file could not be read.
    File(io::Error),
    /// It is not TOML, or lacks or misspells something.
    Syntax(Box<toml::de::Error>),
    /// Its regions do not make a memory map.
    Map(MapError),
    /// The stacks region is too small for the cores.
    Stacks {
        /// Bytes that the cores need, guard pages included.
        needed: u64,
        /// Bytes that the region has.
        found: u64,
    },
    /// A number that must not be zero, or must be a multiple of a page, is not.
    Number {
        /// Its name in the file.
        what: &'static str,
        /// The number.
        value: u64,
    },
}

impl fmt::Display for DescriptionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(error) => write!(f, "cannot be read: {error}"),
            Self::Syntax(error) => write!(f, "is not a board description: {error}"),
            Self::Map(error) => error.fmt(f),
            Self::Stacks { needed, found } => write!(
                f,
                "the stacks region has {found} bytes, its cores need {needed}"
            ),
            Self::Number { what, value } => write!(
                f,
                "{what} = {value:#x}: a number above zero is needed, and whole pages for a stack"
            ),
        }
    }
}

impl std::error::Error for DescriptionError {}

impl Board {
    /// Reads and checks the text of a `board.toml`.
    ///
    /// # Errors
    /// What is wrong with it, in a sentence that names the entry.
    pub fn parse(text: &str) -> Result<Self, DescriptionError> {
        let mut board: Self =
            toml::from_str(text).map_err(|error| DescriptionError::Syntax(Box::new(error)))?;
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

    fn check_cores(&self) -> Result<(), DescriptionError> {
        let Cores {
            count,
            stack,
            exception_stack,
        } = self.cores;
        for (what, value, whole_pages) in [
            ("cores.count", count as u64, false),
            ("cores.stack", stack, true),
            ("cores.exception_stack", exception_stack, true),
        ] {
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

    /// The memory map, with the RAM that the file states.
    pub fn memory(&self) -> MemoryMap<'_> {
        MemoryMap {
            ram: Span::new(self.ram.start, self.ram.size),
            regions: &self.regions,
        }
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
