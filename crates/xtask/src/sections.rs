//! What an image costs, by section: bytes that have to be stored (flash, or the file a loader reads) and
//! bytes of memory that it takes once it runs.

use std::fmt::Write as _;

use anyhow::{Context as _, Result, ensure};
use object::{File, Object as _, ObjectSection as _, ObjectSegment as _, SectionFlags, elf};

/// One section that is part of the running image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Section {
    /// Its name in the file.
    pub name: String,
    /// Where it runs.
    pub address: u64,
    /// Bytes in memory.
    pub size: u64,
    /// Whether its bytes are in the image (`.bss` and stacks are not).
    pub stored: bool,
    /// Whether it is written to while running.
    pub writable: bool,
}

impl Section {
    /// Bytes that have to be stored.
    pub fn flash(&self) -> u64 {
        if self.stored { self.size } else { 0 }
    }

    /// Bytes of memory that cannot be read from where they are stored.
    pub fn ram(&self) -> u64 {
        if self.writable { self.size } else { 0 }
    }
}

/// The sections of an ELF file that are allocated, in address order.
pub fn of_elf(bytes: &[u8]) -> Result<Vec<Section>> {
    let file = File::parse(bytes).context("the image is not an ELF file")?;
    let mut sections = Vec::new();
    for section in file.sections() {
        let SectionFlags::Elf {
            sh_type, sh_flags, ..
        } = section.flags()
        else {
            continue;
        };
        if !sh_flags.contains(elf::SHF_ALLOC) || section.size() == 0 {
            continue;
        }
        sections.push(Section {
            name: section.name().unwrap_or("?").into(),
            address: section.address(),
            size: section.size(),
            stored: sh_type != elf::SHT_NOBITS,
            writable: sh_flags.contains(elf::SHF_WRITE),
        });
    }
    sections.sort_by_key(|section| section.address);
    Ok(sections)
}

/// Most bytes of an image as it lies in memory.
const MOST: u64 = 64 << 20;

/// What an ELF file puts into memory, from the lowest address on; what is between its parts is zero, and
/// what is zero at the end is left out.
pub fn in_memory(bytes: &[u8]) -> Result<Vec<u8>> {
    let file = File::parse(bytes).context("the image is not an ELF file")?;
    let mut parts = Vec::new();
    for segment in file.segments() {
        let data = segment.data().context("the image is cut short")?;
        if !data.is_empty() {
            parts.push((segment.address(), data));
        }
    }
    let start = parts.iter().map(|(address, _)| *address).min();
    let start = start.context("the image puts nothing into memory")?;
    let mut memory = Vec::new();
    for (address, data) in parts {
        let at = address - start;
        ensure!(
            at + data.len() as u64 <= MOST,
            "the image has bytes at {start:#x} and at {address:#x}, too far from each other"
        );
        let at = at as usize;
        memory.resize(memory.len().max(at + data.len()), 0);
        memory[at..at + data.len()].copy_from_slice(data);
    }
    Ok(memory)
}

/// The table that is printed.
pub fn table(sections: &[Section]) -> String {
    let mut table = format!(
        "{:<24} {:>18} {:>12} {:>12}\n",
        "section", "address", "flash", "RAM"
    );
    let (mut flash, mut ram) = (0, 0);
    for section in sections {
        let (stored, written) = (section.flash(), section.ram());
        flash += stored;
        ram += written;
        let _ = writeln!(
            table,
            "{:<24} {:>#18x} {stored:>12} {written:>12}",
            section.name, section.address
        );
    }
    let _ = write!(table, "{:<24} {:>18} {flash:>12} {ram:>12}", "total", "");
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_its_own_test_binary() {
        let bytes = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        let sections = of_elf(&bytes).unwrap();
        let find = |name: &str| {
            sections
                .iter()
                .find(|section| section.name == name)
                .unwrap()
        };
        assert!(find(".text").stored && !find(".text").writable);
        assert!(!find(".bss").stored && find(".bss").writable);
        assert!(of_elf(&bytes[..40]).is_err());
    }

    #[test]
    fn in_memory_every_section_is_at_its_address() {
        let bytes = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        let memory = in_memory(&bytes).unwrap();
        let file = File::parse(&bytes[..]).unwrap();
        // A program for Linux begins with its own header, at address 0.
        let text = file.section_by_name(".text").unwrap();
        let at = text.address() as usize;
        let code = text.data().unwrap();
        assert!(!code.is_empty() && memory[at..].starts_with(code));
        assert!(in_memory(&bytes[..bytes.len() / 2]).is_err());
    }

    #[test]
    fn totals_count_stored_and_written_bytes() {
        let section = |name: &str, stored, writable| Section {
            name: name.into(),
            address: 0x40,
            size: 10,
            stored,
            writable,
        };
        let table = table(&[
            section(".text", true, false),
            section(".data", true, true),
            section(".bss", false, true),
        ]);
        let total: Vec<&str> = table.lines().last().unwrap().split_whitespace().collect();
        assert_eq!(total, ["total", "20", "20"]);
    }
}
