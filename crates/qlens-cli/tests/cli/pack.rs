//! `qlens pack` and `qlens unpack`.

use std::fs;

use qlens::gguf::{Gguf, interleaved};
use qlens::tokenizer::{SCRATCH_BYTES, Tokenizer};

use crate::support::{Changed, fixture, folder, names_in, path_in, run, run_with_input};

const FIXTURES: [&str; 4] = [
    "qwen2-f16.gguf",
    "qwen2-q4_0.gguf",
    "qwen2-q4_k_m.gguf",
    "qwen2-q8_0.gguf",
];
const QUESTION: [&str; 6] = ["--chat", "Which way?", "-n", "12", "--ctx", "128"];

/// Packs and unpacks a file and returns both results.
fn there_and_back(input: &str) -> (Vec<u8>, Vec<u8>) {
    let folder = folder();
    let (packed, unpacked) = (path_in(&folder, "packed"), path_in(&folder, "unpacked"));
    assert_eq!(run(&["pack", input, &packed]).done(), "");
    assert_eq!(run(&["unpack", &packed, &unpacked]).done(), "");
    assert_eq!(names_in(folder.path()), ["packed", "unpacked"]);
    (fs::read(packed).unwrap(), fs::read(unpacked).unwrap())
}

#[test]
fn unpacking_gives_the_very_file_back() {
    for name in FIXTURES {
        let original = fs::read(fixture(name)).unwrap();
        let (packed, unpacked) = there_and_back(&fixture(name));
        assert!(unpacked == original, "{name}");
        let (packed, original) = (
            Gguf::parse(&packed).unwrap(),
            Gguf::parse(&original).unwrap(),
        );
        assert_eq!(packed.alignment(), 4096);
        for (packed, original) in packed.tensors().zip(original.tensors()) {
            assert_eq!((packed.name, packed.dims), (original.name, original.dims));
            assert!(packed.offset.is_multiple_of(4096));
            let is_product = original.n_dims == 2
                && original.name != "token_embd.weight"
                && !name.contains("f16");
            assert_eq!(
                interleaved(packed.ggml_type).is_some(),
                is_product,
                "{}",
                packed.name
            );
        }
    }
}

#[test]
fn what_no_tensor_has_is_kept_too() {
    let odd = Changed::of("qwen2-q8_0.gguf", |bytes| {
        let gguf = Gguf::parse(bytes).unwrap();
        // Between two tensors of 48 bytes there is padding, and something may follow the last one.
        let mut ends: Vec<_> = gguf
            .tensors()
            .map(|tensor| (tensor.offset as usize, tensor.data.unwrap().len()))
            .collect();
        ends.sort_unstable();
        let gaps: Vec<usize> = ends
            .windows(2)
            .filter(|pair| pair[0].0 + pair[0].1 < pair[1].0)
            .map(|pair| pair[0].0 + pair[0].1)
            .collect();
        let padding = gguf.data_offset() - 1;
        for at in gaps {
            bytes[at] = 0xA5;
        }
        // The last byte before the data is padding unless the directory ends there.
        if bytes[padding] == 0 {
            bytes[padding] = 0x5A;
        }
        bytes.extend(b"and more");
    });
    let original = fs::read(&odd.path).unwrap();
    assert!(there_and_back(&odd.path).1 == original);
}

#[test]
fn a_packed_model_gives_the_same_answers() {
    let folder = folder();
    for name in FIXTURES {
        let packed = path_in(&folder, name);
        assert_eq!(run(&["pack", &fixture(name), &packed]).done(), "");
        let tokens = |path: &str| {
            let mut args = vec!["generate", path, "--json"];
            args.extend(QUESTION);
            run(&args).json()["tokens"].clone()
        };
        assert_eq!(tokens(&packed), tokens(&fixture(name)), "{name}");
        let logits = |path: &str, kernel: &str| {
            let out = path_in(&folder, "logits");
            let args = ["--tokens", "5,4,3,2,1", "--kernel", kernel, "--out", &out];
            assert_eq!(run(&[&["logits", path][..], &args].concat()).done(), "");
            fs::read(out).unwrap()
        };
        assert!(
            logits(&packed, "scalar") == logits(&fixture(name), "scalar"),
            "{name}"
        );
    }
}

#[test]
fn a_packed_model_brings_its_tokenizers_index_along() {
    let folder = folder();
    let packed = path_in(&folder, "packed");
    let plain = fixture("qwen2-q4_k_m.gguf");
    run(&["pack", &plain, &packed]).done();
    let tokenizer = |path: &str| {
        let plan = run(&["plan", path, "--board", "qemu-virt", "--json"]).json();
        let sections = plan["sections"].as_array().unwrap().clone();
        let section = |name| sections.iter().find(|section| section["name"] == name);
        section("tokenizer").unwrap()["bytes"].as_u64().unwrap()
    };
    // What is left is for encoding.
    assert_eq!(tokenizer(&packed), SCRATCH_BYTES as u64);
    let bytes = fs::read(&plain).unwrap();
    let index = Tokenizer::index_bytes(&Gguf::parse(&bytes).unwrap()).unwrap();
    assert_eq!(
        tokenizer(&plain),
        (SCRATCH_BYTES + index.next_multiple_of(64)) as u64
    );
    let ids = |path: &str| {
        let texts = "\"Which way?<|im_end|>\"\n\"café  1234\"\n";
        run_with_input(&["tokenize", path], texts).done()
    };
    assert_eq!(ids(&packed), ids(&plain));

    // A token that was renamed afterwards.
    let mut bytes = fs::read(&packed).unwrap();
    let token = b"\x0a\0\0\0\0\0\0\0<|im_end|>";
    let at = bytes.windows(token.len()).position(|at| at == token);
    bytes[at.unwrap() + 10] = b'X';
    fs::write(&packed, bytes).unwrap();
    let said = run(&["generate", &packed, "--prompt", "x", "-n", "1"]).refused(1);
    assert!(
        said.contains("another vocabulary") && said.contains("qlens pack"),
        "{said}"
    );
}

#[test]
fn what_is_packed_already_and_what_is_not() {
    let folder = folder();
    let (packed, out) = (path_in(&folder, "packed"), path_in(&folder, "out"));
    let plain = fixture("qwen2-q4_0.gguf");
    // The first has no matrix that could be interleaved.
    for plain in [&fixture("qwen2-f16.gguf"), &plain] {
        run(&["pack", plain, &packed]).done();
        let said = run(&["pack", &packed, &out]).refused(1);
        assert!(said.contains("packed already"), "{said}");
        let said = run(&["quantize", &packed, &out, "q8_0"]).refused(1);
        assert!(said.contains("qlens unpack"), "{said}");
    }
    let said = run(&["unpack", &plain, &out]).refused(1);
    assert!(said.contains("not packed by qlens"), "{said}");
    let said = run(&["pack", &plain, &plain]).refused(1);
    assert!(said.contains("own file"), "{said}");
    assert_eq!(names_in(folder.path()), ["packed"]);
}

#[test]
fn a_packed_file_that_was_damaged_is_not_unpacked() {
    let folder = folder();
    let (packed, out) = (path_in(&folder, "packed"), path_in(&folder, "out"));
    run(&["pack", &fixture("qwen2-q4_k_m.gguf"), &packed]).done();
    let whole = fs::read(&packed).unwrap();
    let last = whole.len() - 5000;
    let offsets = b"qlens.pack.offsets";
    let offsets = whole
        .windows(offsets.len())
        .position(|at| at == offsets)
        .unwrap()
        + 40;
    for at in [last, offsets, offsets + 8] {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x10;
        fs::write(&packed, bytes).unwrap();
        let said = run(&["unpack", &packed, &out]).refused(1);
        assert!(said.contains("damaged"), "{at}: {said}");
        assert_eq!(names_in(folder.path()), ["packed"]);
    }
}

#[test]
fn tensors_that_share_bytes_cannot_be_packed() {
    let shared = Changed::of("qwen2-q8_0.gguf", |bytes| {
        let gguf = Gguf::parse(bytes).unwrap();
        let named = |name: &str| gguf.tensor(name).unwrap();
        let (gate, up) = (named("blk.0.ffn_gate.weight"), named("blk.0.ffn_up.weight"));
        let offset = gate.offset - gguf.data_offset() as u64;
        let at = up.type_at + 4;
        bytes[at..at + 8].copy_from_slice(&offset.to_le_bytes());
    });
    let out = path_in(&shared.folder, "out");
    let said = run(&["pack", &shared.path, &out]).refused(1);
    assert!(said.contains("share bytes"), "{said}");
    assert_eq!(names_in(shared.folder.path()), ["model.gguf"]);
}

#[test]
fn tensors_that_share_bytes_were_not_packed() {
    let folder = folder();
    let (packed, out) = (path_in(&folder, "packed"), path_in(&folder, "out"));
    run(&["pack", &fixture("qwen2-q8_0.gguf"), &packed]).done();
    let mut bytes = fs::read(&packed).unwrap();
    let gguf = Gguf::parse(&bytes).unwrap();
    let named = |name: &str| gguf.tensor(name).unwrap();
    let (gate, up) = (named("blk.0.ffn_gate.weight"), named("blk.0.ffn_up.weight"));
    let offset = gate.offset - gguf.data_offset() as u64;
    let at = up.type_at + 4;
    bytes[at..at + 8].copy_from_slice(&offset.to_le_bytes());
    fs::write(&packed, bytes).unwrap();
    let said = run(&["unpack", &packed, &out]).refused(1);
    assert!(said.contains("share bytes"), "{said}");
    assert_eq!(names_in(folder.path()), ["packed"]);
}
