//! The identity mapping. The first instructions run on a table of huge blocks, because something has to be
//! there before memory may be touched with caches on; then every core moves to the real one, in which code cannot be written, data cannot be executed, and below each stack lies a page
//! that is not there.

use core::ptr::NonNull;

use aarch64_paging::descriptor::{El1Attributes, PhysicalAddress};
use aarch64_paging::mair::{Mair, MairAttribute, NormalMemory};
use aarch64_paging::paging::{Constraints, El1And0, MemoryRegion, PageTable, Translation, VaRange};
use aarch64_paging::{MapError, Mapping};
use qlens_board::memory::{Device, PAGE};
use qlens_board::{MemoryMap, Span, Usage};
use spin::Once;

use crate::{board, stacks};

/// Index 0: device memory, every access as written. Index 1: normal memory, cached.
pub const MAIR: Mair = Mair::EMPTY
    .with_attribute(0, MairAttribute::DEVICE_NGNRNE)
    .with_attribute(
        1,
        MairAttribute::normal(
            NormalMemory::WriteBackNonTransientReadWriteAllocate,
            NormalMemory::WriteBackNonTransientReadWriteAllocate,
        ),
    );

const DEVICE: El1Attributes = El1Attributes::ATTRIBUTE_INDEX_0
    .union(El1Attributes::VALID)
    .union(El1Attributes::ACCESSED)
    .union(El1Attributes::NON_GLOBAL)
    .union(El1Attributes::UXN)
    .union(El1Attributes::PXN);

/// Readable, writable and executable; only the first table uses it bare.
const NORMAL: El1Attributes = El1Attributes::ATTRIBUTE_INDEX_1
    .union(El1Attributes::INNER_SHAREABLE)
    .union(El1Attributes::VALID)
    .union(El1Attributes::ACCESSED)
    .union(El1Attributes::NON_GLOBAL)
    .union(El1Attributes::UXN);

const DATA: El1Attributes = NORMAL.union(El1Attributes::PXN);
const CONSTANTS: El1Attributes = DATA.union(El1Attributes::READ_ONLY);
const CODE: El1Attributes = NORMAL.union(El1Attributes::READ_ONLY);

/// Bytes that one entry of a level 1 table maps.
const LEVEL_1: u64 = 1 << 30;

/// Bytes that one entry of a level 2 table maps.
const LEVEL_2: u64 = 2 << 20;

/// Entries of a table.
const ENTRIES: usize = 512;

/// An entry that refers to a table of the next level, which is what these two bits mean together.
const NEXT_TABLE: usize = 0b11;

/// An entry of the first table: a block, or the address of a table with bits in it, which only the linker
/// knows.
#[derive(Clone, Copy)]
union Entry {
    block: usize,
    table: *const u8,
}

/// The table that is there before anything runs: the gigabyte in which RAM begins as memory, and what devices
/// are in as device memory, in gigabytes.
#[repr(C, align(4096))]
pub struct FirstTable([Entry; ENTRIES]);

// SAFETY: Nobody but the processor reads it, and nobody writes it.
unsafe impl Sync for FirstTable {}

impl FirstTable {
    /// The table for this board. `shared` is what the gigabyte gets in which RAM begins if there are devices
    /// in it, too.
    pub const fn new(
        memory: &MemoryMap<'_>,
        devices: &[Device],
        shared: &'static SharedGigabyte,
    ) -> Self {
        let mut table = [Entry { block: 0 }; ENTRIES];
        let first = memory.ram.start / LEVEL_1;
        let mut entry = 0;
        while entry < ENTRIES as u64 {
            let span = Span::new(entry * LEVEL_1, LEVEL_1);
            let has_devices = overlaps_any(span, devices);
            table[entry as usize] = if entry == first && has_devices {
                Entry {
                    table: (&raw const *shared)
                        .cast::<u8>()
                        .wrapping_byte_add(NEXT_TABLE),
                }
            } else {
                Entry {
                    block: if has_devices {
                        DEVICE.bits() | span.start as usize
                    } else if entry == first {
                        NORMAL.bits() | span.start as usize
                    } else {
                        0
                    },
                }
            };
            entry += 1;
        }
        Self(table)
    }
}

/// The gigabyte in which RAM begins, in blocks of two megabytes.
#[repr(C, align(4096))]
pub struct SharedGigabyte([usize; ENTRIES]);

impl SharedGigabyte {
    /// Device memory where devices are, memory where else there is RAM.
    pub const fn new(memory: &MemoryMap<'_>, devices: &[Device]) -> Self {
        let mut table = [0; ENTRIES];
        let start = memory.ram.start / LEVEL_1 * LEVEL_1;
        let mut entry = 0;
        while entry < ENTRIES {
            let span = Span::new(start + entry as u64 * LEVEL_2, LEVEL_2);
            if overlaps_any(span, devices) {
                table[entry] = DEVICE.bits() | span.start as usize;
            } else if span.overlaps(memory.ram) {
                table[entry] = NORMAL.bits() | span.start as usize;
            }
            entry += 1;
        }
        Self(table)
    }
}

const fn overlaps_any(span: Span, devices: &[Device]) -> bool {
    let mut index = 0;
    while index < devices.len() {
        if span.overlaps(devices[index].registers) {
            return true;
        }
        index += 1;
    }
    false
}

/// Tables beyond the root: one for each gigabyte that is not mapped whole, one for each two
/// megabytes that are mapped by pages. The devices, the image with its stacks and the two ends of
/// the RAM need eight or so.
const TABLES: usize = 24;

/// Page tables from a fixed pool. They are never given back.
struct Pool {
    tables: NonNull<PageTable<El1Attributes>>,
    taken: usize,
}

// SAFETY: The pool is the only user of the memory that it points to.
unsafe impl Send for Pool {}
// SAFETY: Through a shared reference nothing but address arithmetic is done.
unsafe impl Sync for Pool {}

static mut TABLE_POOL: [PageTable<El1Attributes>; TABLES] = [PageTable::EMPTY; TABLES];

impl Translation<El1Attributes> for Pool {
    fn allocate_table(&mut self) -> (NonNull<PageTable<El1Attributes>>, PhysicalAddress) {
        assert!(self.taken < TABLES, "more page tables needed than TABLES");
        // SAFETY: The index was just checked against the pool's length.
        let table = unsafe { self.tables.add(self.taken) };
        self.taken += 1;
        (table, PhysicalAddress(table.as_ptr() as usize))
    }

    unsafe fn deallocate_table(&mut self, _page_table: NonNull<PageTable<El1Attributes>>) {}

    fn physical_to_virtual(&self, pa: PhysicalAddress) -> NonNull<PageTable<El1Attributes>> {
        // The tables come from the image, which is mapped to itself and is not at address 0.
        NonNull::new(pa.0 as *mut _).unwrap_or(self.tables)
    }
}

static MAPPING: Once<Mapping<Pool, El1And0>> = Once::new();

/// Ends of the parts of the image, from the linker script.
mod image {
    unsafe extern "C" {
        pub static text_begin: u8;
        pub static text_end: u8;
        pub static rodata_begin: u8;
        pub static rodata_end: u8;
        pub static data_begin: u8;
    }
}

/// Makes the real mapping for the RAM that there is and moves this core to it.
///
/// # Errors
/// A region of the board that cannot be mapped, which is a fault of `board.toml`.
///
/// # Panics
/// If it needs more tables than `TABLES`, likewise.
pub fn init(map: &MemoryMap<'_>) -> Result<(), MapError> {
    // This runs once, on the boot core before any other is started, and nothing else names the pool.
    let pool = Pool {
        tables: NonNull::new(&raw mut TABLE_POOL).map_or(NonNull::dangling(), NonNull::cast),
        taken: 0,
    };
    let mut mapping = Mapping::with_asid_and_va_range(pool, 1, 1, El1And0, VaRange::Lower);
    let mut add = |span: Span, flags: El1Attributes| {
        let region = MemoryRegion::new(span.start as usize, span.end() as usize);
        let at = PhysicalAddress(region.start().0);
        mapping.map_range(&region, at, flags, Constraints::empty())
    };

    for device in board().devices {
        add(device.registers, DEVICE)?;
    }
    for region in map.regions {
        let flags = match region.usage {
            // What others wrote there is only read.
            Usage::Reserved => CONSTANTS,
            // These two are mapped in parts below.
            Usage::Firmware | Usage::Stacks => continue,
            Usage::Dma | Usage::Framebuffer | Usage::Model | Usage::Arena => DATA,
        };
        let rest = map.ram.end().saturating_sub(region.start);
        let size = region.size.unwrap_or(rest);
        // The caller found out that the RAM is too small; what is not there is not mapped.
        if size > 0 && map.ram.contains(Span::new(region.start, size)) {
            add(Span::new(region.start, size), flags)?;
        }
    }
    for (begin, end, flags) in [
        (
            &raw const image::text_begin,
            &raw const image::text_end,
            CODE,
        ),
        (
            &raw const image::rodata_begin,
            &raw const image::rodata_end,
            CONSTANTS,
        ),
    ] {
        add(between(begin as u64, end as u64), flags)?;
    }
    if let Some(firmware) = map.span(Usage::Firmware) {
        let data = &raw const image::data_begin as u64;
        add(between(data, firmware.end()), DATA)?;
    }
    for core in 0..board().cores {
        for stack in stacks::of(core) {
            add(stack, DATA)?;
        }
    }

    let mapping = MAPPING.call_once(|| mapping);
    // SAFETY: Everything the program uses is mapped as it was before, except that code and constants
    // became read-only and data not executable, and nothing relies on the contrary. The mapping is a
    // static and never dropped.
    unsafe { mapping.activate() };
    Ok(())
}

/// Moves another core to the mapping that the boot core made.
pub fn enter() {
    if let Some(mapping) = MAPPING.get() {
        // SAFETY: As in `init`.
        unsafe { mapping.activate() };
    }
}

/// The pages from `begin` up to `end`.
fn between(begin: u64, end: u64) -> Span {
    let start = begin / PAGE * PAGE;
    Span::new(start, end.next_multiple_of(PAGE) - start)
}
