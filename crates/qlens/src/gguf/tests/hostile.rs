//! Damaged and malicious files: whatever the bytes, an answer comes, soon, and what parses holds together.

use std::format;
use std::time::{Duration, Instant};
use std::vec;
use std::vec::Vec;

use proptest::prelude::*;

use super::super::writer::{Writer, array, number, string};
use super::super::*;
use super::sample;

/// Parses, and if that works reads everything that the file offers: what `parse` accepted has to
/// iterate to its end and lie inside the file.
fn exercise(file: &[u8]) {
    let Ok(gguf) = Gguf::parse(file) else {
        return;
    };
    let mut keys = 0;
    for (key, value) in gguf.metadata() {
        keys += 1;
        assert_eq!(
            gguf.get(key).map(|v| v.value_type()),
            Some(value.value_type())
        );
        let Some(array) = value.as_array() else {
            continue;
        };
        match array.strings() {
            Some(strings) => assert_eq!(strings.count(), array.len()),
            None => assert_eq!(array.scalars().count(), array.len()),
        }
    }
    assert_eq!(keys, gguf.metadata().len());
    assert_eq!(gguf.tensors().count(), gguf.tensor_count());
    assert!(gguf.data_offset() <= file.len());
    for tensor in gguf.tensors() {
        assert_eq!(gguf.tensor(tensor.name), Some(tensor));
        assert_eq!(tensor.offset % gguf.alignment(), 0);
        assert_eq!(tensor.data.is_some(), type_info(tensor.ggml_type).is_some());
        if let (Some(data), Some(info)) = (tensor.data, type_info(tensor.ggml_type)) {
            let blocks = tensor.n_elements() / u64::from(info.block_len);
            assert_eq!(data.len() as u64, blocks * u64::from(info.block_bytes));
            let start = tensor.offset as usize;
            assert_eq!(data, &file[start..start + data.len()]);
        }
    }
}

/// Numbers at which lengths and sizes go wrong.
const SHARP: [u64; 14] = [
    0,
    1,
    2,
    7,
    9,
    31,
    0xff,
    0xffff,
    0x7fff_ffff,
    0xffff_ffff,
    1 << 32,
    (1 << 63) - 1,
    1 << 63,
    u64::MAX,
];

#[test]
fn every_byte_changed() {
    let file = sample();
    for at in 0..file.len() {
        for byte in [
            0,
            1,
            7,
            8,
            9,
            13,
            0x7f,
            0x80,
            0xff,
            file[at] ^ 1,
            file[at].wrapping_add(1),
        ] {
            let mut file = file.clone();
            file[at] = byte;
            exercise(&file);
        }
    }
}

#[test]
fn sharp_numbers_at_every_byte() {
    let file = sample();
    for at in 0..file.len() {
        for value in SHARP {
            for width in [4, 8] {
                let mut file = file.clone();
                let width = width.min(file.len() - at);
                file[at..at + width].copy_from_slice(&value.to_le_bytes()[..width]);
                exercise(&file);
            }
        }
    }
}

/// One way of damaging a file.
#[derive(Debug, Clone)]
enum Damage {
    Set(prop::sample::Index, u8),
    Number(prop::sample::Index, u64),
    Cut(prop::sample::Index),
    Copy(prop::sample::Index, prop::sample::Index, usize),
    Insert(prop::sample::Index, Vec<u8>),
}

impl Damage {
    fn apply(&self, file: &mut Vec<u8>) {
        if file.is_empty() {
            return;
        }
        match self {
            Self::Set(at, byte) => *at.get_mut(file) = *byte,
            Self::Number(at, value) => {
                let at = at.index(file.len());
                let width = 8.min(file.len() - at);
                file[at..at + width].copy_from_slice(&value.to_le_bytes()[..width]);
            }
            Self::Cut(at) => file.truncate(at.index(file.len())),
            Self::Copy(from, to, len) => {
                let (from, to) = (from.index(file.len()), to.index(file.len()));
                let len = (*len).min(file.len() - from.max(to));
                file.copy_within(from..from + len, to);
            }
            Self::Insert(at, bytes) => {
                let at = at.index(file.len());
                file.splice(at..at, bytes.iter().copied());
            }
        }
    }
}

fn damage() -> impl Strategy<Value = Damage> {
    use prop::sample::Index;
    let number = prop_oneof![prop::sample::select(&SHARP[..]), any::<u64>(), 0_u64..512];
    prop_oneof![
        (any::<Index>(), any::<u8>()).prop_map(|(at, byte)| Damage::Set(at, byte)),
        (any::<Index>(), number).prop_map(|(at, value)| Damage::Number(at, value)),
        any::<Index>().prop_map(Damage::Cut),
        (any::<Index>(), any::<Index>(), 1_usize..64)
            .prop_map(|(from, to, len)| Damage::Copy(from, to, len)),
        (any::<Index>(), prop::collection::vec(any::<u8>(), 1..16))
            .prop_map(|(at, bytes)| Damage::Insert(at, bytes)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4096, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn damaged_files(damages in prop::collection::vec(damage(), 1..6)) {
        let mut file = sample();
        for damage in &damages {
            damage.apply(&mut file);
        }
        exercise(&file);
    }

    #[test]
    fn any_bytes_behind_a_header(
        tensors in 0_u64..4,
        keys in 0_u64..4,
        rest in prop::collection::vec(prop_oneof![0_u8..13, any::<u8>()], 0..256),
    ) {
        let mut file = vec![];
        file.extend(b"GGUF\x03\0\0\0");
        file.extend(tensors.to_le_bytes());
        file.extend(keys.to_le_bytes());
        file.extend(rest);
        exercise(&file);
    }

    #[test]
    fn any_tensor_directory(
        entries in prop::collection::vec(
            (
                "[a-c]{0,2}",
                prop::collection::vec(prop_oneof![prop::sample::select(&SHARP[..]), 0_u64..600], 0..6),
                0_u32..50,
                prop_oneof![prop::sample::select(&SHARP[..]), (0_u64..8).prop_map(|n| n * 32)],
            ),
            0..4,
        ),
        tail in 0_usize..4096,
    ) {
        let writer = entries.iter().fold(Writer::new(), |writer, (name, dims, ggml_type, offset)| {
            writer.raw_tensor(name.as_bytes(), dims, *ggml_type, *offset)
        });
        let mut file = writer.finish();
        file.resize(file.len() + tail, 0);
        exercise(&file);
    }
}

/// The slowest files that the limits let through. In a debug build on a busy machine they take well
/// under a second; a reader that compared all pairs of names, or believed a count, would take minutes.
#[test]
fn the_slowest_files_are_not_slow() {
    // As many tensors as may be, with names of full length that differ only at their end.
    let most_tensors = (0..MAX_TENSORS)
        .fold(Writer::new(), |writer, i| {
            writer.raw_tensor(format!("{i:064}").as_bytes(), &[1], 99, 0)
        })
        .finish();
    // As many keys as may be, each an array of empty strings.
    let strings = vec![0_u8; 8 * 4096];
    let most_arrays = (0..MAX_METADATA)
        .fold(Writer::new(), |writer, i| {
            let value = array(number::STR, 4096, &strings);
            writer.raw(format!("{i:0100}").as_bytes(), number::ARRAY, &value)
        })
        .finish();
    // One array that states more strings than the file could name, and could hold if they were empty.
    let mut one_array = Writer::new()
        .raw(
            b"k",
            number::ARRAY,
            &array(number::STR, 1 << 20, &string(b"")),
        )
        .finish();
    one_array.resize(16 << 20, 0);

    let start = Instant::now();
    assert!(Gguf::parse(&most_tensors).is_ok());
    assert!(Gguf::parse(&most_arrays).is_ok());
    assert!(Gguf::parse(&one_array).is_ok());
    assert!(
        start.elapsed() < Duration::from_secs(10),
        "{:?}",
        start.elapsed()
    );
}
