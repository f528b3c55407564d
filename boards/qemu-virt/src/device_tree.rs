//! What the emulator says about the machine it made: how much RAM, which cores, which interrupt
//! controller. QEMU leaves a flattened device tree at the start of RAM; everything that does not
//! change with the command line comes from `board.toml` instead.

use core::fmt;

use dtoolkit::Node;
use dtoolkit::fdt::{Fdt, FdtNode};
use qlens_board::Span;

use crate::board;

/// What the device tree tells.
#[derive(Debug, Clone)]
pub struct Tree {
    /// Bytes of RAM from its start on.
    pub ram_bytes: u64,
    /// Affinity of each core, as PSCI wants it, the boot core first; as many as there are stacks.
    pub cores: heapless::Vec<u64, { board::CORES }>,
    /// The interrupt controller is a `GICv3` or v4, not a v2.
    pub gic_v3: bool,
}

/// Why the device tree is of no use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TreeError {
    /// No device tree where one should be, or a broken one.
    NotATree,
    /// It does not say how much RAM there is.
    NoMemory,
    /// It lists no core.
    NoCores,
}

impl fmt::Display for TreeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotATree => "there is no device tree at the start of RAM",
            Self::NoMemory => "the device tree does not say how much RAM there is",
            Self::NoCores => "the device tree lists no core",
        })
    }
}

impl core::error::Error for TreeError {}

/// The span that holds the device tree: the reserved one at the start of RAM.
fn tree_span() -> Span {
    let start = board::MEMORY.ram.start;
    let size = board::MEMORY
        .regions
        .iter()
        .find(|region| region.start == start)
        .and_then(|region| region.size);
    Span::new(start, size.unwrap_or(0))
}

/// Reads the device tree.
///
/// # Errors
/// Which part of it is missing.
pub fn read() -> Result<Tree, TreeError> {
    let span = tree_span();
    // SAFETY: QEMU filled this reserved part of RAM before the firmware started, it is mapped, and
    // nothing ever writes to it.
    let bytes: &'static [u8] =
        unsafe { core::slice::from_raw_parts(span.start as *const u8, span.size as usize) };
    // The header says how long the tree is; the reserved span is longer.
    let length = bytes
        .get(4..8)
        .and_then(|size| size.try_into().ok())
        .map_or(0, u32::from_be_bytes) as usize;
    let tree = bytes.get(..length).ok_or(TreeError::NotATree)?;
    let tree = Fdt::new(tree).map_err(|_| TreeError::NotATree)?;
    Ok(Tree {
        ram_bytes: ram_bytes(tree).ok_or(TreeError::NoMemory)?,
        cores: cores(tree).ok_or(TreeError::NoCores)?,
        gic_v3: gic_v3(tree),
    })
}

fn ram_bytes(tree: Fdt<'_>) -> Option<u64> {
    let start = board::MEMORY.ram.start;
    tree.root()
        .children()
        .filter(|node| node.name_without_address() == "memory")
        .filter_map(|node| node.reg().ok().flatten())
        .flatten()
        .find(|reg| reg.address::<u64>() == Ok(start))?
        .size::<u64>()
        .ok()
}

fn cores(tree: Fdt<'_>) -> Option<heapless::Vec<u64, { board::CORES }>> {
    let mut cores = heapless::Vec::new();
    for core in tree.cpus().ok()?.cpus() {
        let affinity = core.reg().ok()??.next()?.address::<u64>().ok()?;
        if cores.push(affinity).is_err() {
            break;
        }
    }
    (!cores.is_empty()).then_some(cores)
}

fn gic_v3(tree: Fdt<'_>) -> bool {
    let is_v3 = |node: FdtNode<'_>| {
        node.compatible()
            .is_some_and(|mut names| names.any(|name| name == "arm,gic-v3"))
    };
    tree.root()
        .children()
        .filter(|node| node.property("interrupt-controller").is_some())
        .any(is_v3)
}
