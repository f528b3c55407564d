//! The memory map of a board and the one question asked of it: does this model, with this arena,
//! fit? The host asks before anything is flashed and the firmware asks again at boot, with the same
//! code and the same numbers.
//!
//! A map is a handful of spans of one RAM. The model's span has a fixed start (a loader may have put
//! the model there) and reaches to the end of RAM unless `board.toml` bounds it, so that it grows
//! with the RAM that the board turns out to have. The arena lies directly behind the model, unless
//! the board gives it a span of its own.

use core::fmt;

/// The granule of every span: what the MMU can protect.
pub const PAGE: u64 = 4096;

/// A piece of address space.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Span {
    /// First byte.
    pub start: u64,
    /// Bytes.
    pub size: u64,
}

impl Span {
    /// `size` bytes from `start`.
    pub const fn new(start: u64, size: u64) -> Self {
        Self { start, size }
    }

    /// The byte behind the last; stops at the end of the address space.
    pub const fn end(self) -> u64 {
        self.start.saturating_add(self.size)
    }

    /// Every byte of `other` is in this span.
    pub const fn contains(self, other: Self) -> bool {
        self.start <= other.start && other.end() <= self.end()
    }

    /// At least one byte is in both.
    pub const fn overlaps(self, other: Self) -> bool {
        self.start < other.end() && other.start < self.end()
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}..{:#x}", self.start, self.end())
    }
}

/// What a region is for. A map has each at most once, [`Usage::Reserved`] as often as needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Usage {
    /// Somebody else's: a device tree, another processor's share.
    Reserved,
    /// The image: code, constants, variables.
    Firmware,
    /// One stack a core, with guard pages.
    Stacks,
    /// Memory that devices read and write: queues, descriptors.
    Dma,
    /// What the display shows.
    Framebuffer,
    /// The model's bytes.
    Model,
    /// The arena of the session: KV cache, scratch, tokenizer index.
    Arena,
}

impl fmt::Display for Usage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Reserved => "reserved",
            Self::Firmware => "firmware",
            Self::Stacks => "stacks",
            Self::Dma => "dma",
            Self::Framebuffer => "framebuffer",
            Self::Model => "model",
            Self::Arena => "arena",
        })
    }
}

/// A region as `board.toml` states it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Region {
    /// What it is for.
    pub usage: Usage,
    /// First byte.
    pub start: u64,
    /// Bytes; `None` reaches to the end of RAM.
    pub size: Option<u64>,
}

/// Why a map is not one, or why a model does not fit it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum MapError {
    /// The region is not inside RAM.
    OutsideRam {
        /// Which.
        usage: Usage,
        /// Where it was put.
        span: Span,
        /// The RAM there is.
        ram: Span,
    },
    /// Two regions share bytes.
    Overlap {
        /// One.
        first: Usage,
        /// The other.
        second: Usage,
        /// Lowest address that is in both.
        at: u64,
    },
    /// A start or size is no multiple of [`PAGE`].
    Unaligned {
        /// Which.
        usage: Usage,
        /// The number.
        value: u64,
    },
    /// A usage is there twice.
    Twice {
        /// Which.
        usage: Usage,
    },
    /// The question needs a region that the board does not have.
    Missing {
        /// Which.
        usage: Usage,
    },
    /// The board has less RAM than its fixed regions and the smallest model need.
    TooLittleRam {
        /// RAM found, bytes.
        found: u64,
        /// RAM needed, bytes.
        needed: u64,
    },
    /// The model and its arena do not fit.
    NoRoom {
        /// Bytes of the model.
        model: u64,
        /// Bytes of the arena.
        arena: u64,
        /// Bytes needed in the region that is too small.
        needed: u64,
        /// Bytes that region has.
        room: u64,
    },
}

impl fmt::Display for MapError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OutsideRam { usage, span, ram } => {
                write!(f, "region {usage} at {span} is not inside RAM, {ram}")
            }
            Self::Overlap { first, second, at } => {
                write!(f, "regions {first} and {second} overlap at {at:#x}")
            }
            Self::Unaligned { usage, value } => write!(
                f,
                "region {usage}: {value:#x} is not a multiple of {PAGE:#x}"
            ),
            Self::Twice { usage } => write!(f, "region {usage} is stated twice"),
            Self::Missing { usage } => write!(f, "the board has no {usage} region"),
            Self::TooLittleRam { found, needed } => write!(
                f,
                "too little RAM: {} MiB found, at least {} MiB needed",
                found >> 20,
                needed.div_ceil(1 << 20)
            ),
            Self::NoRoom {
                model,
                arena,
                needed,
                room,
            } => write!(
                f,
                "model of {model} bytes and arena of {arena} bytes need {needed} bytes, \
                 the board has {room}: {} bytes missing",
                needed.saturating_sub(*room)
            ),
        }
    }
}

impl core::error::Error for MapError {}

/// Where a model and its arena go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Layout {
    /// The model's bytes, whole pages.
    pub model: Span,
    /// The arena's bytes, exactly as many as asked for, on a page boundary.
    pub arena: Span,
}

/// The RAM of a board and what is where in it.
#[derive(Debug, Clone, Copy)]
pub struct MemoryMap<'a> {
    /// All of the RAM.
    pub ram: Span,
    /// The regions, in any order.
    pub regions: &'a [Region],
}

/// `value` rounded up to a page; `None` past the end of the address space.
fn page_up(value: u64) -> Option<u64> {
    value.checked_add(PAGE - 1).map(|v| v / PAGE * PAGE)
}

impl MemoryMap<'_> {
    /// The same map on a board that has `bytes` of RAM.
    #[must_use]
    pub const fn with_ram(self, bytes: u64) -> Self {
        Self {
            ram: Span::new(self.ram.start, bytes),
            ..self
        }
    }

    /// Checks that every region lies inside RAM on page boundaries and that no two overlap.
    ///
    /// # Errors
    /// The first region that does not.
    pub fn check(&self) -> Result<(), MapError> {
        for (index, region) in self.regions.iter().enumerate() {
            let usage = region.usage;
            let span = self.span_of(region);
            if let Some(value) = [span.start, span.size].into_iter().find(|v| v % PAGE != 0) {
                return Err(MapError::Unaligned { usage, value });
            }
            if span.size == 0 || !self.ram.contains(span) {
                return Err(MapError::OutsideRam {
                    usage,
                    span,
                    ram: self.ram,
                });
            }
            for earlier in &self.regions[..index] {
                if usage != Usage::Reserved && earlier.usage == usage {
                    return Err(MapError::Twice { usage });
                }
                let other = self.span_of(earlier);
                if span.overlaps(other) {
                    return Err(MapError::Overlap {
                        first: earlier.usage,
                        second: usage,
                        at: span.start.max(other.start),
                    });
                }
            }
        }
        Ok(())
    }

    /// The bytes of RAM without which not even the fixed regions exist.
    pub fn least_ram(&self) -> u64 {
        self.regions
            .iter()
            .map(|region| region.start.saturating_add(region.size.unwrap_or(PAGE)))
            .max()
            .unwrap_or(self.ram.start)
            .saturating_sub(self.ram.start)
    }

    /// Where the region of this usage lies in the RAM there is.
    pub fn span(&self, usage: Usage) -> Option<Span> {
        self.regions
            .iter()
            .find(|region| region.usage == usage)
            .map(|region| self.span_of(region))
    }

    fn span_of(&self, region: &Region) -> Span {
        let rest = self.ram.end().saturating_sub(region.start);
        Span::new(region.start, region.size.unwrap_or(rest))
    }

    /// Most bytes that a model may have on this board, its arena not counted.
    ///
    /// # Errors
    /// [`MapError::Missing`] on a board that runs no models, [`MapError::TooLittleRam`] if the
    /// region lies beyond the RAM there is.
    pub fn model_room(&self) -> Result<Span, MapError> {
        let usage = Usage::Model;
        let span = self.span(usage).ok_or(MapError::Missing { usage })?;
        if span.size == 0 || !self.ram.contains(span) {
            return Err(MapError::TooLittleRam {
                found: self.ram.size,
                needed: self.least_ram(),
            });
        }
        Ok(span)
    }

    /// Places a model of `model` bytes and an arena of `arena` bytes.
    ///
    /// # Errors
    /// [`MapError::NoRoom`] says what is needed and what there is; [`MapError::Missing`] and
    /// [`MapError::TooLittleRam`] as [`MemoryMap::model_room`].
    pub fn place(&self, model: u64, arena: u64) -> Result<Layout, MapError> {
        let room = self.model_room()?;
        let refuse = |needed: Option<u64>, room: u64| MapError::NoRoom {
            model,
            arena,
            needed: needed.unwrap_or(u64::MAX),
            room,
        };
        let model_pages = page_up(model).ok_or(refuse(None, room.size))?;
        if let Some(own) = self.span(Usage::Arena) {
            if model_pages > room.size {
                return Err(refuse(Some(model_pages), room.size));
            }
            if arena > own.size {
                return Err(refuse(Some(arena), own.size));
            }
            return Ok(Layout {
                model: Span::new(room.start, model_pages),
                arena: Span::new(own.start, arena),
            });
        }
        let needed = model_pages.checked_add(arena);
        if needed.is_none_or(|needed| needed > room.size) {
            return Err(refuse(needed, room.size));
        }
        Ok(Layout {
            model: Span::new(room.start, model_pages),
            arena: Span::new(room.start + model_pages, arena),
        })
    }
}

/// Registers of a device, and the interrupt that it raises.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Device {
    /// Where its registers are.
    pub registers: Span,
    /// Its interrupt, numbered as the interrupt controller numbers shared ones (from 0).
    pub interrupt: Option<u32>,
}

#[cfg(test)]
#[path = "memory_tests.rs"]
mod tests;
