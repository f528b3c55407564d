//! A memory card as somebody would make it for a board: one FAT partition, the model's file in it, and
//! `qlens.txt` with what is wanted.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Seek as _, SeekFrom, Write as _};
use std::path::Path;

use anyhow::{Context as _, Result};
use fatfs::{FatType, FileSystem, FormatVolumeOptions, FsOptions};
use fscommon::{BufStream, StreamSlice};

use crate::model::Model;

/// The partition begins here, as partitioning tools have it.
const START: u64 = 1 << 20;

/// A smaller one is not FAT32.
const LEAST: u64 = 64 << 20;

/// Where a master boot record has its first partition, and its signature.
const ENTRY: usize = 446;
const SIGNATURE: [u8; 2] = [0x55, 0xaa];
/// FAT32, addressed by blocks.
const KIND: u8 = 0x0c;
const BLOCK: u64 = 512;

/// Writes the image of a card to `path`: `settings` as `qlens.txt`, and the model if there is one.
pub fn write(path: &Path, model: Option<&Model>, settings: &str) -> Result<()> {
    let fault = || format!("cannot write the card {}", path.display());
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(true)
        .open(path)
        .with_context(fault)?;
    // The tables take less than a sixteenth; emulators want a power of two.
    let bytes = model.map_or(0, |model| model.size + model.size / 16);
    let size = (bytes + START + LEAST / 2).next_power_of_two().max(LEAST);
    file.set_len(size).with_context(fault)?;
    file.write_all(&boot_record(size)).with_context(fault)?;
    fill(&file, size, model, settings).with_context(fault)
}

fn fill(file: &File, size: u64, model: Option<&Model>, settings: &str) -> Result<()> {
    let slice = |file| StreamSlice::new(file, START, size);
    let mut partition = slice(file.try_clone()?)?;
    fatfs::format_volume(
        &mut partition,
        FormatVolumeOptions::new().fat_type(FatType::Fat32),
    )?;
    partition.seek(SeekFrom::Start(0))?;
    let volume = FileSystem::new(BufStream::new(partition), FsOptions::new())?;
    let root = volume.root_dir();
    root.create_file("qlens.txt")?
        .write_all(settings.as_bytes())?;
    if let Some(model) = model {
        let mut from = fs::File::open(&model.path)?;
        let mut to = root.create_file(&format!("{}.gguf", model.name))?;
        io::copy(&mut from, &mut to)?;
    }
    drop(root);
    volume.unmount()?;
    Ok(())
}

/// The first block: one partition to the end.
fn boot_record(size: u64) -> [u8; BLOCK as usize] {
    let mut record = [0; BLOCK as usize];
    let entry = &mut record[ENTRY..ENTRY + 16];
    entry[4] = KIND;
    entry[8..12].copy_from_slice(&((START / BLOCK) as u32).to_le_bytes());
    entry[12..16].copy_from_slice(&(((size - START) / BLOCK) as u32).to_le_bytes());
    record[510..].copy_from_slice(&SIGNATURE);
    record
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use qlens_models::Sha256;

    use super::*;

    #[test]
    fn what_was_written_is_on_the_card() {
        let folder = crate::emulator::folder::Folder::new().unwrap();
        let path = folder.write("tiny.gguf", "not a model").unwrap();
        let model = Model {
            name: "Tiny Model-q8_0".into(),
            size: 11,
            sha256: Sha256([0; 32]),
            path,
        };
        write(&folder.card(), Some(&model), "ctx = 96\n").unwrap();
        let file = File::open(folder.card()).unwrap();
        let size = file.metadata().unwrap().len();
        assert_eq!(size, LEAST);
        let partition = StreamSlice::new(file, START, size).unwrap();
        let volume = FileSystem::new(partition, FsOptions::new()).unwrap();
        assert_eq!(volume.fat_type(), FatType::Fat32);
        for (name, expected) in [
            ("qlens.txt", "ctx = 96\n"),
            ("Tiny Model-q8_0.gguf", "not a model"),
        ] {
            let mut text = String::new();
            let mut file = volume.root_dir().open_file(name).unwrap();
            file.read_to_string(&mut text).unwrap();
            assert_eq!(text, expected);
        }
    }
}
