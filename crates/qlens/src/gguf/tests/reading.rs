//! Well-formed files read back as they were written.

use std::format;
use std::vec::Vec;

use super::super::writer::{Writer, array, number, string};
use super::super::*;
use super::*;

#[test]
fn reads_back_metadata() {
    let file = sample();
    let gguf = Gguf::parse(&file).unwrap();
    assert_eq!(gguf.version(), 3);
    assert_eq!(gguf.alignment(), 32);
    assert_eq!(gguf.bytes(), file);
    let keys: Vec<_> = gguf.metadata().map(|(key, _)| key).collect();
    assert_eq!(
        keys,
        [
            "general.architecture",
            "qwen2.block_count",
            "qwen2.rope.freq_base",
            "tokenizer.ggml.add_bos_token",
            "tokenizer.ggml.tokens",
            "tokenizer.ggml.token_type",
            "tokenizer.ggml.merges",
        ]
    );
    assert_eq!(gguf.get("general.architecture"), Some(Value::Str("qwen2")));
    assert_eq!(gguf.get("qwen2.block_count").unwrap().as_u64(), Some(24));
    assert_eq!(
        gguf.get("qwen2.rope.freq_base").unwrap().as_f32(),
        Some(1e6)
    );
    assert_eq!(
        gguf.get("tokenizer.ggml.add_bos_token").unwrap().as_bool(),
        Some(false)
    );
    assert_eq!(gguf.get("qwen2.block"), None);

    let tokens = gguf
        .get("tokenizer.ggml.tokens")
        .unwrap()
        .as_array()
        .unwrap();
    assert_eq!(tokens.element_type(), ValueType::Str);
    assert_eq!(tokens.len(), 4);
    let strings: Vec<_> = tokens.strings().unwrap().collect();
    assert_eq!(strings, [&b"a"[..], b"", "Ġthe".as_bytes(), b"b"]);
    assert!(tokens.i32s().is_none());
    assert_eq!(tokens.get(0), None, "strings have no constant-time access");

    let types = gguf
        .get("tokenizer.ggml.token_type")
        .unwrap()
        .as_array()
        .unwrap();
    let numbers: Vec<_> = types.i32s().unwrap().collect();
    assert_eq!(numbers, [1, 1, -3, i32::MAX]);
    assert_eq!(types.get(2), Some(Value::I32(-3)));
    assert_eq!(types.get(4), None);
    assert_eq!(types.get(usize::MAX), None);
    assert!(types.strings().is_none() && types.u32s().is_none());
}

#[test]
fn entries_are_cut_where_the_file_has_them() {
    let file = sample();
    let gguf = Gguf::parse(&file).unwrap();
    let entries: Vec<_> = gguf.encoded_metadata().collect();
    let keys: Vec<_> = entries.iter().map(|(key, _)| *key).collect();
    assert_eq!(
        keys,
        gguf.metadata().map(|(key, _)| key).collect::<Vec<_>>()
    );
    let block_count = [
        &string(b"qwen2.block_count")[..],
        &number::U32.to_le_bytes(),
        &24_u32.to_le_bytes(),
    ]
    .concat();
    assert_eq!(entries[1].1, block_count);
    // Back to back they are the metadata: header, entries, directory, with nothing between.
    let all: Vec<u8> = entries
        .iter()
        .flat_map(|(_, entry)| *entry)
        .copied()
        .collect();
    let directory = [&string(b"token_embd.weight")[..], &2_u32.to_le_bytes()].concat();
    assert_eq!(file[24..24 + all.len()], all);
    assert_eq!(file[24 + all.len()..][..directory.len()], directory);
}

#[test]
fn types_and_their_numbers_go_together() {
    for number in 0..13 {
        let value_type = ValueType::from_number(number).unwrap();
        assert_eq!(value_type.number(), number);
    }
    assert_eq!(ValueType::from_number(13), None);
}

#[test]
fn reads_back_tensors() {
    let file = sample();
    let gguf = Gguf::parse(&file).unwrap();
    assert_eq!(gguf.tensor_count(), 2);
    assert_eq!(gguf.tensors().len(), 2);
    assert_eq!(gguf.data_offset() % 32, 0);
    let start = gguf.data_offset() as u64;
    // Behind the name, the number of dimensions and two of them.
    let name = b"token_embd.weight";
    let named = file.windows(name.len()).position(|at| at == name).unwrap();
    assert_eq!(
        gguf.tensor("token_embd.weight"),
        Some(Tensor {
            name: "token_embd.weight",
            dims: [32, 2, 1, 1],
            n_dims: 2,
            ggml_type: Q8_0,
            type_at: named + name.len() + 4 + 2 * 8,
            offset: start,
            data: Some(&[7; 68]),
            index: 0,
        })
    );
    let norm = gguf.tensor("output_norm.weight").unwrap();
    assert_eq!((norm.offset, norm.index), (start + 96, 1));
    assert_eq!((norm.n_elements(), norm.type_name()), (3, "F32"));
    assert_eq!(norm.data, Some(&[9; 12][..]));
    assert_eq!(gguf.tensor("output.weight"), None);
}

#[test]
fn reads_every_scalar_type() {
    let cases: [(u32, &[u8], Value); 12] = [
        (0, &[0xfe], Value::U8(0xfe)),
        (1, &[0xfe], Value::I8(-2)),
        (2, &[0xfe, 0xff], Value::U16(0xfffe)),
        (3, &[0xfe, 0xff], Value::I16(-2)),
        (4, &7_u32.to_le_bytes(), Value::U32(7)),
        (5, &(-7_i32).to_le_bytes(), Value::I32(-7)),
        (6, &1.5_f32.to_le_bytes(), Value::F32(1.5)),
        (7, &[1], Value::Bool(true)),
        (8, &string("é".as_bytes()), Value::Str("é")),
        (10, &(1_u64 << 40).to_le_bytes(), Value::U64(1 << 40)),
        (11, &(-1_i64).to_le_bytes(), Value::I64(-1)),
        (12, &0.25_f64.to_le_bytes(), Value::F64(0.25)),
    ];
    for (value_type, encoded, expected) in cases {
        let file = Writer::new().raw(b"k", value_type, encoded).finish();
        let found = Gguf::parse(&file).unwrap().get("k").unwrap();
        assert_eq!(found, expected);
        assert_eq!(Some(found.value_type()), ValueType::from_number(value_type));
        let Some(size) = found.value_type().size() else {
            continue;
        };
        // The same scalar twice in an array.
        assert_eq!(size, encoded.len());
        let twice = array(value_type, 2, &[encoded, encoded].concat());
        let file = Writer::new().raw(b"k", number::ARRAY, &twice).finish();
        let found = Gguf::parse(&file).unwrap().get("k").unwrap();
        let elements: Vec<_> = found.as_array().unwrap().scalars().collect();
        assert_eq!(elements, [expected, expected]);
    }
}

#[test]
fn converts_numbers_only_where_nothing_is_lost() {
    assert_eq!(Value::U8(3).as_u64(), Some(3));
    assert_eq!(Value::U64(u64::MAX).as_u64(), Some(u64::MAX));
    assert_eq!(Value::I32(3).as_u64(), Some(3));
    assert_eq!(Value::I32(-3).as_u64(), None);
    assert_eq!(Value::F32(3.0).as_u64(), None);
    assert_eq!(Value::Bool(true).as_u64(), None);
    assert_eq!(Value::F64(0.5).as_f32(), Some(0.5));
    assert_eq!(Value::U32(1).as_f32(), None);
    assert_eq!(Value::Str("1").as_bool(), None);
}

#[test]
fn a_file_of_nothing_is_a_file() {
    let file = Writer::new().finish();
    for len in [24, file.len()] {
        let gguf = Gguf::parse(&file[..len]).unwrap();
        assert_eq!(gguf.metadata().count(), 0);
        assert_eq!(gguf.tensors().count(), 0);
        assert_eq!(gguf.data_offset(), len);
        assert_eq!(gguf.get(""), None);
    }
}

#[test]
fn honours_the_alignment() {
    let file = Writer::new()
        .alignment(64)
        .tensor("a", &[1], F32, &[1; 4])
        .tensor("b", &[1], F32, &[2; 4])
        .finish();
    let gguf = Gguf::parse(&file).unwrap();
    assert_eq!((gguf.alignment(), gguf.data_offset() % 64), (64, 0));
    let b = gguf.tensor("b").unwrap();
    assert_eq!(b.offset as usize, gguf.data_offset() + 64);
    assert_eq!(b.data, Some(&[2; 4][..]));

    for alignment in [8, 65_536] {
        assert!(Gguf::parse(&Writer::new().alignment(alignment).finish()).is_ok());
    }
    for found in [0, 1, 4, 12, 33, 131_072, 1 << 31, u32::MAX] {
        let file = Writer::new().u32("general.alignment", found).finish();
        assert_eq!(error(&file), Error::Alignment { found });
    }
    let file = Writer::new().raw(b"general.alignment", 10, &[32, 0, 0, 0, 0, 0, 0, 0]);
    assert_eq!(
        error(&file.finish()),
        Error::AlignmentType {
            found: ValueType::U64
        }
    );
}

#[test]
fn an_unknown_type_has_a_name_and_no_data() {
    for (ggml_type, name) in [
        (31, "Q4_0_4_4"),
        (4, "Q4_2"),
        (43, "unknown"),
        (u32::MAX, "unknown"),
    ] {
        let file = Writer::new()
            .tensor("t", &[32], ggml_type, &[0; 32])
            .finish();
        let tensor = Gguf::parse(&file).unwrap().tensor("t").unwrap();
        assert_eq!((tensor.data, tensor.type_name()), (None, name));
        let outside = Writer::new().raw_tensor(b"t", &[32], ggml_type, 1 << 40);
        assert!(matches!(
            error(&outside.finish()),
            Error::TensorOutside { bytes: 0, .. }
        ));
    }
}

/// Sizes as the sums of a block's fields in `ggml-common.h`: scales, minimums, high bits, quants.
#[test]
fn knows_the_blocks_of_ggml() {
    let blocks = [
        (0, "F32", 1, 4),
        (1, "F16", 1, 2),
        (2, "Q4_0", 32, 2 + 16),
        (3, "Q4_1", 32, 2 + 2 + 16),
        (6, "Q5_0", 32, 2 + 4 + 16),
        (7, "Q5_1", 32, 2 + 2 + 4 + 16),
        (8, "Q8_0", 32, 2 + 32),
        (9, "Q8_1", 32, 2 + 2 + 32),
        (10, "Q2_K", 256, 16 + 64 + 2 + 2),
        (11, "Q3_K", 256, 32 + 64 + 12 + 2),
        (12, "Q4_K", 256, 2 + 2 + 12 + 128),
        (13, "Q5_K", 256, 2 + 2 + 12 + 32 + 128),
        (14, "Q6_K", 256, 128 + 64 + 16 + 2),
        (15, "Q8_K", 256, 4 + 256 + 32),
        (16, "IQ2_XXS", 256, 2 + 64),
        (17, "IQ2_XS", 256, 2 + 64 + 8),
        (18, "IQ3_XXS", 256, 2 + 96),
        (19, "IQ1_S", 256, 2 + 32 + 16),
        (20, "IQ4_NL", 32, 2 + 16),
        (21, "IQ3_S", 256, 2 + 64 + 8 + 32 + 4),
        (22, "IQ2_S", 256, 2 + 64 + 8 + 8),
        (23, "IQ4_XS", 256, 2 + 2 + 4 + 128),
        (29, "IQ1_M", 256, 32 + 16 + 8),
        (30, "BF16", 1, 2),
        (34, "TQ1_0", 256, 48 + 4 + 2),
        (35, "TQ2_0", 256, 64 + 2),
        (39, "MXFP4", 32, 1 + 16),
        (40, "NVFP4", 64, 4 + 32),
        (41, "Q1_0", 128, 2 + 16),
        (42, "Q2_0", 64, 2 + 16),
    ];
    for (number, name, block_len, block_bytes) in blocks {
        let expected = TypeInfo {
            name,
            block_len,
            block_bytes,
        };
        assert_eq!(type_info(number), Some(expected));
        assert_eq!(type_name(number), name);
    }
    for number in [4, 5, 31, 33, 36, 38, 43, u32::MAX] {
        assert_eq!(type_info(number), None);
    }
}

#[test]
fn a_vocabulary_is_walked_once_and_indexed_by_offset() {
    let count = 151_936;
    let tokens: Vec<_> = (0..count).map(|i| format!("token {i}")).collect();
    let file = Writer::new()
        .strs("small", &["x"])
        .strs("tokens", &tokens)
        .strs("merges", &tokens[..1000])
        .u32("last", 7)
        .finish();
    let gguf = Gguf::parse(&file).unwrap();
    let array = gguf.get("tokens").unwrap().as_array().unwrap();
    let mut strings = array.strings().unwrap();
    assert_eq!(strings.len(), count);
    let mut offsets = Vec::new();
    loop {
        let offset = strings.offset();
        let Some(token) = strings.next() else { break };
        assert_eq!(token, tokens[offsets.len()].as_bytes());
        offsets.push(offset);
    }
    assert_eq!(offsets.len(), count);
    for id in [0, 1, 77_777, count - 1] {
        assert_eq!(array.string_at(offsets[id]), Some(tokens[id].as_bytes()));
    }
    assert_eq!(array.string_at(array.encoded().len()), None);
    assert_eq!(array.string_at(usize::MAX), None);
    // Keys behind the vocabulary are found without walking it: the ends are remembered.
    let starts = ["tokens", "merges"].map(|key| {
        let encoded = gguf.get(key).unwrap().as_array().unwrap().encoded();
        encoded.as_ptr() as usize - file.as_ptr() as usize
    });
    assert!(starts.iter().all(|&start| gguf.strides.knows(start)));
    assert_eq!(gguf.get("last").unwrap().as_u64(), Some(7));
}

#[test]
fn text_is_utf8_and_tokens_need_not_be() {
    let bad = b"\xff\xfe";
    assert_eq!(
        error(&Writer::new().raw(bad, 0, &[0]).finish()),
        Error::NotUtf8 { what: KEY, at: 32 }
    );
    assert_eq!(
        error(&Writer::new().raw(b"k", number::STR, &string(bad)).finish()),
        Error::NotUtf8 {
            what: "a text value",
            at: 24 + 9 + 4 + 8
        }
    );
    assert_eq!(
        error(&Writer::new().raw_tensor(bad, &[1], F32, 0).finish()),
        Error::NotUtf8 {
            what: tensor::NAME,
            at: 32
        }
    );
    let file = Writer::new().strs("k", &[bad]).finish();
    let array = Gguf::parse(&file)
        .unwrap()
        .get("k")
        .unwrap()
        .as_array()
        .unwrap();
    assert_eq!(array.strings().unwrap().next(), Some(&bad[..]));
}
