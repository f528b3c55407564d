//! What is written is read back, and what must not be written is not.

use std::fs;
use std::path::Path;

use qlens::gguf::{Gguf, MAX_METADATA, Value};
use tempfile::TempDir;

use super::*;
use crate::model_file::ModelFile;

fn source() -> ModelFile {
    let path = "../qlens/tests/data/qwen2-q4_0.gguf";
    ModelFile::open(&Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

/// The source with its directory changed and all of its tensors copied.
fn copy(change: impl FnOnce(&mut Directory<'_>)) -> Vec<u8> {
    let (file, folder) = (source(), TempDir::new().unwrap());
    let gguf = file.gguf().unwrap();
    let mut directory = Directory::of(&gguf);
    change(&mut directory);
    for tensor in gguf.tensors() {
        let (dims, data) = (&tensor.dims[..tensor.n_dims as usize], tensor.data.unwrap());
        directory.tensor(tensor.name, dims, tensor.ggml_type, data.len() as u64);
    }
    let path = folder.path().join("copy.gguf");
    let destination = Destination::open(&path, &file).unwrap();
    let mut out = TensorData::begin(&directory, "copying", destination).unwrap();
    for tensor in gguf.tensors() {
        // In two parts, as data may come.
        let (first, second) = tensor.data.unwrap().split_at(5);
        out.write(first).unwrap();
        out.write(second).unwrap();
    }
    assert!(!path.exists(), "it has no name before it is whole");
    out.finish().unwrap();
    fs::read(path).unwrap()
}

fn keys<'m>(gguf: &Gguf<'m>) -> Vec<&'m str> {
    gguf.metadata().map(|(key, _)| key).collect()
}

#[test]
fn what_is_not_changed_is_copied_to_the_byte() {
    assert!(copy(|_| ()) == source().bytes());
    // And what is changed to what it was.
    let same = copy(|directory| {
        for (key, value) in source().gguf().unwrap().metadata() {
            directory.set(key, value);
        }
        directory.align(DEFAULT_ALIGNMENT).unwrap();
    });
    assert!(same == source().bytes());
}

#[test]
fn keys_are_replaced_in_their_place_appended_and_left_out() {
    let new = copy(|directory| {
        directory.set("general.name", Value::Str("another"));
        directory.set("qlens.new", Value::I64(-5));
        directory.set("qlens.newer", Value::Bool(true));
        directory.set_bytes("qlens.bytes", &[1, 2, 250]);
        directory.set_u64s("qlens.numbers", &[7, u64::MAX]);
    });
    let new = Gguf::parse(&new).unwrap();
    let file = source();
    let old = file.gguf().unwrap();
    let mut expected = keys(&old);
    expected.extend(["qlens.new", "qlens.newer", "qlens.bytes", "qlens.numbers"]);
    assert_eq!(keys(&new), expected);
    assert_eq!(new.get("general.name"), Some(Value::Str("another")));
    assert_eq!(new.get("qlens.new"), Some(Value::I64(-5)));
    assert_eq!(new.get("qlens.newer"), Some(Value::Bool(true)));
    let array = |key| new.get(key).unwrap().as_array().unwrap();
    assert_eq!(array("qlens.bytes").encoded(), [1, 2, 250]);
    let numbers = array("qlens.numbers").scalars().map(|value| value.as_u64());
    assert!(numbers.eq([Some(7), Some(u64::MAX)]));
}

#[test]
fn words_lie_at_multiples_of_four() {
    for len in 0..4 {
        let new = copy(|directory| {
            directory.set_words("qlens.words", &[7]);
            directory.set("qlens.text", Value::Str(&"text"[..len]));
            directory.set_words("qlens.words", &[1, 0x0403_0201]);
        });
        let gguf = Gguf::parse(&new).unwrap();
        assert_eq!(keys(&gguf).last(), Some(&"qlens.words"));
        let bytes = gguf.get("qlens.words").unwrap().as_array().unwrap();
        let (padding, words) = bytes.encoded().split_at(bytes.len() % 4);
        assert!(padding.iter().all(|&byte| byte == 0));
        assert_eq!(words, [1, 0, 0, 0, 1, 2, 3, 4]);
        let at = words.as_ptr().addr() - new.as_ptr().addr();
        assert!(at.is_multiple_of(4));
    }
}

#[test]
fn values_of_every_type_are_read_back() {
    let values = [
        Value::U8(200),
        Value::I8(-100),
        Value::U16(60_000),
        Value::I16(-30_000),
        Value::U32(4_000_000_000),
        Value::I32(-2_000_000_000),
        Value::F32(-1.5),
        Value::Bool(false),
        Value::Str("Ġ"),
        Value::U64(u64::MAX),
        Value::I64(i64::MIN),
        Value::F64(1e300),
    ];
    let new = copy(|directory| {
        for value in values {
            directory.set(value.value_type().name(), value);
        }
    });
    let new = Gguf::parse(&new).unwrap();
    for value in values {
        assert_eq!(new.get(value.value_type().name()), Some(value));
    }
}

#[test]
fn tensors_lie_where_the_alignment_says() {
    for bytes in [8, 64, 4096, 65_536] {
        let new = copy(|directory| directory.align(bytes).unwrap());
        let gguf = Gguf::parse(&new).unwrap();
        assert_eq!(gguf.alignment(), u64::from(bytes));
        let file = source();
        for (new, old) in gguf.tensors().zip(file.gguf().unwrap().tensors()) {
            assert!(new.offset.is_multiple_of(u64::from(bytes)));
            assert_eq!((new.name, new.data), (old.name, old.data));
        }
        assert!(new.len().is_multiple_of(bytes as usize));
        assert!(
            copy(|directory| {
                directory.align(bytes).unwrap();
                directory.align(DEFAULT_ALIGNMENT).unwrap();
            }) == source().bytes()
        );
    }
    for bytes in [0, 4, 24, 131_072] {
        let file = source();
        let refused = Directory::of(&file.gguf().unwrap()).align(bytes);
        assert!(refused.unwrap_err().to_string().contains("power of two"));
    }
}

#[test]
fn more_keys_than_a_reader_takes_are_refused() {
    let (file, folder) = (source(), TempDir::new().unwrap());
    let mut directory = Directory::of(&file.gguf().unwrap());
    for number in 0..MAX_METADATA {
        directory.set(&format!("key.{number}"), Value::U8(0));
    }
    let out = Destination::open(&folder.path().join("out"), &file).unwrap();
    let refused = TensorData::begin(&directory, "copying", out).err().unwrap();
    assert!(refused.sentence().contains("at most 512"));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
#[should_panic(expected = "every tensor was written")]
fn a_file_that_lacks_data_gets_no_name() {
    let (file, folder) = (source(), TempDir::new().unwrap());
    let mut directory = Directory::of(&file.gguf().unwrap());
    directory.tensor("weights", &[2], 0, 8);
    let out = Destination::open(&folder.path().join("out"), &file).unwrap();
    let mut data = TensorData::begin(&directory, "copying", out).unwrap();
    data.write(&[0; 7]).unwrap();
    let _ = data.finish();
}

#[test]
#[should_panic(expected = "as long as the directory says")]
fn a_tensor_does_not_run_into_the_next() {
    let (file, folder) = (source(), TempDir::new().unwrap());
    let mut directory = Directory::of(&file.gguf().unwrap());
    directory.tensor("weights", &[2], 0, 8);
    directory.tensor("more", &[2], 0, 8);
    let out = Destination::open(&folder.path().join("out"), &file).unwrap();
    let mut data = TensorData::begin(&directory, "copying", out).unwrap();
    let _ = data.write(&[0; 9]);
}
