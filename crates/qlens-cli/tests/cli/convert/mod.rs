//! `qlens convert`: checkpoints that a model's weights were taken apart into give the model again.

mod checkpoint;
mod refused;

use std::fs;
use std::path::Path;

use qlens::gguf::{Gguf, Value};
use qlens::quant::Format;
use qlens_fixtures::{Fixture, Named, Shape};
use safetensors::Dtype;
use serde_json::json;
use tempfile::TempDir;

use crate::support::{fixture, folder, path_in, run};
use checkpoint::{Checkpoint, Tensor, floats};

/// The bytes of a random model.
fn made(shape: Shape, format: Format) -> Vec<u8> {
    let mut bytes = Vec::new();
    let fixture = Fixture {
        shape,
        format,
        seed: 7,
    };
    fixture.write(&mut bytes).unwrap();
    bytes
}

/// The file with its decays as they come back from their logarithms, so that nothing else may differ.
fn rounded(mut bytes: Vec<u8>) -> Vec<u8> {
    let gguf = Gguf::parse(&bytes).unwrap();
    let places: Vec<_> = gguf
        .tensors()
        .filter(|tensor| tensor.name.ends_with("ssm_a"))
        .map(|tensor| (tensor.offset as usize, tensor.data.unwrap().len()))
        .collect();
    for (at, len) in places {
        floats(&mut bytes[at..at + len], |a| -(-a).ln().exp());
    }
    bytes
}

/// Writes a checkpoint, converts it and returns the new file, which is `new.gguf`.
fn converted(folder: &TempDir, checkpoint: &Checkpoint, shards: usize) -> Vec<u8> {
    let (dir, out) = (path_in(folder, "checkpoint"), path_in(folder, "new.gguf"));
    fs::remove_dir_all(&dir).ok();
    checkpoint.write(Path::new(&dir), shards);
    assert_eq!(run(&["convert", &dir, &out]).done(), "");
    fs::read(out).unwrap()
}

fn logits(folder: &TempDir, model: &[u8]) -> Vec<u8> {
    let (path, out) = (path_in(folder, "a.gguf"), path_in(folder, "logits.f32"));
    fs::write(&path, model).unwrap();
    let tokens = "72,101,108,108,264,33";
    run(&["logits", "--tokens", tokens, "--out", &out, &path]).done();
    fs::read(out).unwrap()
}

/// A value of metadata, to compare.
fn shown(value: Value<'_>) -> String {
    match value.as_array() {
        Some(array) => format!("{:?} {:?}", array.element_type(), array.encoded()),
        None => format!("{value:?}"),
    }
}

/// Every tensor of the one is in the other with the same bytes, and so is every key but the name's.
fn assert_holds(new: &Gguf<'_>, old: &Gguf<'_>) {
    for old in old.tensors() {
        let new = new.tensor(old.name).expect(old.name);
        let [(new_data, new), (old_data, old)] = [new, old].map(|tensor| {
            let shape = (tensor.name, tensor.ggml_type, tensor.n_dims, tensor.dims);
            (tensor.data.unwrap(), shape)
        });
        assert_eq!(new, old);
        assert!(new_data == old_data, "{}", old.0);
    }
    for (key, value) in old.metadata().filter(|(key, _)| *key != "general.name") {
        assert_eq!(new.get(key).map(shown), Some(shown(value)), "{key}");
    }
}

fn assert_round_trip(old: Vec<u8>, prefix: &str, shards: usize) {
    let folder = folder();
    let old = rounded(old);
    let gguf = Gguf::parse(&old).unwrap();
    let new = converted(&folder, &Checkpoint::of(&gguf, prefix), shards);
    let made = Gguf::parse(&new).unwrap();
    assert_holds(&made, &gguf);
    assert_eq!(made.tensor_count(), gguf.tensor_count());
    let keys = |gguf: &Gguf<'_>| -> Vec<String> {
        let mut keys: Vec<_> = gguf.metadata().map(|(key, _)| key.to_owned()).collect();
        keys.extend(
            [
                "general.quantization_version",
                "general.type",
                "tokenizer.ggml.add_eos_token",
            ]
            .map(String::from),
        );
        keys.sort();
        keys.dedup();
        keys
    };
    assert_eq!(keys(&made), keys(&gguf));
    let name = made.get("general.name").unwrap();
    assert_eq!(name.as_str(), Some("checkpoint"));
    assert!(logits(&folder, &new) == logits(&folder, &old));
}

#[test]
fn a_qwen2_checkpoint_becomes_the_model_that_it_was() {
    let old = fs::read(fixture("qwen2-f16.gguf")).unwrap();
    assert_round_trip(old, "model.", 1);
}

#[test]
fn a_qwen3_checkpoint_in_bf16_and_several_files_becomes_the_model_that_it_was() {
    let shape = Shape {
        // Neither the width of a head nor its part of the model's is the usual one.
        head_dim: 96,
        ..Named::Qwen3Small.shape()
    };
    assert_round_trip(made(shape, Format::Bf16), "model.", 3);
}

#[test]
fn a_qwen35_checkpoint_becomes_the_model_that_it_was() {
    let old = fs::read(fixture("qwen35-f16.gguf")).unwrap();
    assert_round_trip(old, "model.language_model.", 2);
}

#[test]
fn value_heads_are_told_apart_in_any_number_and_width() {
    let mut shape = Named::Qwen35Small.shape();
    let delta_net = shape.delta_net.as_mut().unwrap();
    (delta_net.n_head_k, delta_net.n_head_v) = (2, 6);
    (delta_net.head_dim_k, delta_net.head_dim_v) = (16, 32);
    delta_net.taps = 3;
    assert_round_trip(made(shape, Format::Bf16), "model.", 1);
}

#[test]
fn an_output_that_is_the_embedding_is_not_stored_again() {
    let shape = Shape {
        is_tied: true,
        ..Named::Qwen3Small.shape()
    };
    let old = made(shape, Format::F16);
    // Without the prefix: so are embedding models stored.
    assert_round_trip(old.clone(), "", 1);

    let folder = folder();
    let gguf = Gguf::parse(&old).unwrap();
    let mut checkpoint = Checkpoint::of(&gguf, "model.");
    let copy = checkpoint.tensors["model.embed_tokens.weight"].clone();
    checkpoint.tensors.insert("lm_head.weight".into(), copy);
    let new = converted(&folder, &checkpoint, 1);
    let made = Gguf::parse(&new).unwrap();
    assert_holds(&made, &gguf);
    assert!(made.tensor("output.weight").is_none());

    // Where it is not said, what is there says it.
    checkpoint.config["tie_word_embeddings"] = json!(null);
    let new = converted(&folder, &checkpoint, 1);
    assert!(Gguf::parse(&new).unwrap().tensor("output.weight").is_some());
    checkpoint.tensors.remove("lm_head.weight");
    let new = converted(&folder, &checkpoint, 1);
    assert!(Gguf::parse(&new).unwrap().tensor("output.weight").is_none());
}

#[test]
fn weights_in_f32_are_rounded_to_f16() {
    let old = made(Named::Qwen2Small.shape(), Format::F16);
    let gguf = Gguf::parse(&old).unwrap();
    let mut checkpoint = Checkpoint::of(&gguf, "model.");
    for tensor in checkpoint.tensors.values_mut() {
        if tensor.dtype == Dtype::F16 {
            let halves = tensor.data.as_chunks().0.iter();
            let wide = halves.map(|half| half::f16::from_le_bytes(*half).to_f32());
            // Less than half of the last place more is rounded away.
            let wide = wide.map(|weight| weight * (1.0 + 1.0 / 8192.0));
            tensor.data = wide.flat_map(f32::to_le_bytes).collect();
            tensor.dtype = Dtype::F32;
        }
    }
    let new = converted(&folder(), &checkpoint, 1);
    assert_holds(&Gguf::parse(&new).unwrap(), &gguf);
}

#[test]
fn blocks_that_predict_further_tokens_stand_behind_the_layers() {
    let old = rounded(fs::read(fixture("qwen35-f16.gguf")).unwrap());
    let gguf = Gguf::parse(&old).unwrap();
    let prefix = "model.language_model.";
    let mut checkpoint = Checkpoint::of(&gguf, prefix);
    let attention = format!("{prefix}layers.3.");
    let copies: Vec<_> = checkpoint
        .tensors
        .iter()
        .filter_map(|(name, tensor)| Some((name.strip_prefix(&attention)?, tensor)))
        .map(|(name, tensor)| (format!("mtp.layers.0.{name}"), tensor.clone()))
        .collect();
    checkpoint.tensors.extend(copies);
    let mut add = |name: &str, dtype, shape: &[usize]| {
        let zeros = Tensor::zeros(dtype, shape);
        checkpoint.tensors.insert(name.into(), zeros);
    };
    add("mtp.fc.weight", Dtype::F16, &[256, 512]);
    add("mtp.pre_fc_norm_embedding.weight", Dtype::F32, &[256]);
    add("mtp.pre_fc_norm_hidden.weight", Dtype::F32, &[256]);
    add("mtp.norm.weight", Dtype::F32, &[256]);
    // What sees is no part of the new file, whatever it is made of.
    add("model.visual.blocks.0.attn.qkv.weight", Dtype::I8, &[3, 5]);
    let folder = folder();
    let new = converted(&folder, &checkpoint, 1);
    let made = Gguf::parse(&new).unwrap();
    for old in gguf.tensors() {
        let new = made.tensor(old.name).unwrap().data.unwrap();
        assert!(new == old.data.unwrap(), "{}", old.name);
        if let Some(name) = old.name.strip_prefix("blk.3.") {
            let copy = made.tensor(&format!("blk.4.{name}")).unwrap();
            assert!(copy.data.unwrap() == old.data.unwrap(), "{name}");
        }
    }
    for (name, dims) in [
        ("eh_proj", [512, 256]),
        ("enorm", [256, 1]),
        ("hnorm", [256, 1]),
        ("shared_head_norm", [256, 1]),
    ] {
        let tensor = made.tensor(&format!("blk.4.nextn.{name}.weight")).unwrap();
        assert_eq!(tensor.dims[..2], dims, "{name}");
        let ones = [1_f32.to_le_bytes(); 256].concat();
        assert!(name == "eh_proj" || tensor.data.unwrap() == ones);
    }
    assert_eq!(made.tensor_count(), gguf.tensor_count() + 11 + 4);
    assert_eq!(made.get("qwen35.block_count"), Some(Value::U32(5)));
    let key = "qwen35.nextn_predict_layers";
    assert_eq!(made.get(key), Some(Value::U32(1)));
    assert!(logits(&folder, &new) == logits(&folder, &old));
}

#[test]
fn a_vocabulary_keeps_what_its_tokens_are_for() {
    let old = made(Named::Qwen3Small.shape(), Format::F16);
    let gguf = Gguf::parse(&old).unwrap();
    let mut checkpoint = Checkpoint::of(&gguf, "model.");
    let added = checkpoint.tokenizer["added_tokens"].as_array_mut().unwrap();
    added.extend([
        json!({"id": 267, "content": "<think>", "special": false}),
        json!({"id": 268, "content": "<|fim_prefix|>", "special": false}),
    ]);
    checkpoint.settings["added_tokens_decoder"] =
        json!({"269": {"content": "<tool_call>", "special": false}});
    // As embedding models have it: a text ends with another token than a turn.
    checkpoint.tokenizer["post_processor"] = json!({"type": "Sequence", "processors": [
        {"type": "ByteLevel"},
        {"type": "TemplateProcessing", "single": [
            {"Sequence": {"id": "A", "type_id": 0}},
            {"SpecialToken": {"id": "<|endoftext|>", "type_id": 0}},
        ]},
    ]});
    checkpoint.settings["chat_template"] = json!("of the settings");
    let folder = folder();
    let new = converted(&folder, &checkpoint, 1);
    let made = Gguf::parse(&new).unwrap();
    let tokens = made.get("tokenizer.ggml.tokens").unwrap();
    let tokens = tokens.as_array().unwrap().strings().unwrap();
    let tokens: Vec<_> = tokens.skip(264).take(7).collect();
    let expected: [&[u8]; 7] = [
        b"<|endoftext|>",
        b"<|im_start|>",
        b"<|im_end|>",
        b"<think>",
        b"<|fim_prefix|>",
        b"<tool_call>",
        b"[PAD270]",
    ];
    assert_eq!(tokens, expected);
    let types = made.get("tokenizer.ggml.token_type").unwrap();
    let types = types.as_array().unwrap().encoded();
    let types: Vec<_> = types.as_chunks::<4>().0[264..271]
        .iter()
        .map(|bytes| i32::from_le_bytes(*bytes))
        .collect();
    assert_eq!(types, [3, 3, 3, 4, 3, 4, 5]);
    for (key, value) in [
        ("eos_token_id", Value::U32(264)),
        ("eot_token_id", Value::U32(266)),
        ("bos_token_id", Value::U32(264)),
        ("padding_token_id", Value::U32(264)),
        ("add_bos_token", Value::Bool(false)),
        ("add_eos_token", Value::Bool(true)),
    ] {
        let found = made.get(&format!("tokenizer.ggml.{key}"));
        assert_eq!(found, Some(value), "{key}");
    }
    let template = |bytes: &[u8]| {
        let made = Gguf::parse(bytes).unwrap();
        let found = made.get("tokenizer.chat_template")?;
        found.as_str().map(str::to_owned)
    };
    assert_eq!(template(&new).as_deref(), Some("of the settings"));

    let settings = checkpoint.settings.as_object_mut().unwrap();
    settings.remove("chat_template");
    // What no file of the tokenizer says, the configuration does.
    settings.remove("pad_token");
    checkpoint.config["pad_token_id"] = json!(265);
    checkpoint.tokenizer["model"]["merges"] = json!(["t h", "i n"]);
    let new = converted(&folder, &checkpoint, 1);
    assert_eq!(template(&new), None);
    let made = Gguf::parse(&new).unwrap();
    let padding = made.get("tokenizer.ggml.padding_token_id");
    assert_eq!(padding, Some(Value::U32(265)));
    let merges = made.get("tokenizer.ggml.merges").unwrap();
    assert_eq!(merges.as_array().unwrap().strings().unwrap().count(), 2);

    let (dir, out) = (path_in(&folder, "checkpoint"), path_in(&folder, "new.gguf"));
    fs::write(format!("{dir}/chat_template.jinja"), "of a file").unwrap();
    run(&["convert", &dir, &out]).done();
    let new = fs::read(out).unwrap();
    assert_eq!(template(&new).as_deref(), Some("of a file"));
}
