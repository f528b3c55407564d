//! `qlens inspect`.

use std::fs;

use crate::support::{Changed, fixture, folder, model, path_in, run};

#[test]
fn json_says_what_a_file_is() {
    let report = run(&["inspect", &fixture("qwen2-q4_k_m.gguf"), "--json"]).json();
    assert_eq!(report["architecture"], "qwen2");
    assert_eq!(report["file_bytes"], 1_538_944);
    assert_eq!(report["gguf_version"], 3);
    assert_eq!(report["runs"], true);
    assert_eq!(report["obstacle"], serde_json::Value::Null);
    assert_eq!(report["encoding"], "Q4_K_M");
    assert_eq!(report["named_by"], "metadata");
    assert_eq!(report["metadata"]["qwen2.block_count"], 4);
    assert_eq!(report["metadata"]["tokenizer.ggml.tokens"]["len"], 288);
    assert_eq!(report["metadata"]["tokenizer.ggml.merges"][0], "t h");

    let tensors = &report["tensors"];
    let by_type = tensors["by_type"].as_array().unwrap();
    let sum = |field: &str| {
        by_type
            .iter()
            .map(|of| of[field].as_u64().unwrap())
            .sum::<u64>()
    };
    assert_eq!(tensors["count"], 51);
    assert_eq!(
        (sum("count"), sum("bytes")),
        (51, tensors["bytes"].as_u64().unwrap())
    );
    assert_eq!(by_type[0]["type"], "Q4_K");
    // Q4_K has 144 bytes for 256 weights.
    assert_eq!(
        by_type[0]["bytes"].as_u64().unwrap(),
        by_type[0]["elements"].as_u64().unwrap() / 256 * 144
    );
    // Of the embedding matrix a token reads one of 288 rows.
    let per_token = report["bytes_per_token"].as_u64().unwrap();
    assert!(
        per_token < sum("bytes") && per_token > sum("bytes") - 288 * 256,
        "{per_token}"
    );
}

#[test]
fn words_say_the_same() {
    let said = run(&["inspect", &model()]).done();
    for part in [
        "architecture     qwen2",
        "runs here        yes",
        "bytes of weights",
        "  Q4_0 ",
        "  F32 ",
        "general.name = fixture qwen2",
    ] {
        assert!(said.contains(part), "{part:?} is not in\n{said}");
    }
}

#[test]
fn a_conventional_file_name_is_taken_apart() {
    let folder = folder();
    let path = path_in(&folder, "Fixture-0.5B-Instruct-v1.2-Q4_0.gguf");
    std::os::unix::fs::symlink(fs::canonicalize(model()).unwrap(), &path).unwrap();
    let report = run(&["inspect", &path, "--json"]).json();
    assert_eq!(report["base_name"], "Fixture");
    assert_eq!(report["size"], "0.5B");
    assert_eq!(report["fine_tune"], "Instruct");
    assert_eq!(report["version"], "v1.2");
    assert_eq!(report["encoding"], "Q4_0");
    assert_eq!(report["named_by"], "file name");
    assert!(
        run(&["inspect", &path])
            .done()
            .contains("base name        Fixture (by its file name)")
    );
}

#[test]
fn another_architecture_is_named_and_everything_else_is_shown() {
    let changed = Changed::text("general.architecture", "llama");
    let report = run(&["inspect", &changed.path, "--json"]).json();
    assert_eq!(report["architecture"], "llama");
    assert_eq!(report["runs"], false);
    assert_eq!(report["bytes_per_token"], serde_json::Value::Null);
    assert!(
        report["obstacle"].as_str().unwrap().contains("llama"),
        "{report}"
    );
    assert_eq!(report["tensors"]["count"], 51);
    assert!(
        run(&["inspect", &changed.path])
            .done()
            .contains("runs here        no: architecture llama")
    );
}

#[test]
fn another_block_format_is_named_and_everything_else_is_shown() {
    // The format's number, its name, and whether its size is known.
    for (number, name, is_known) in [
        (16, "IQ2_XXS", true),
        (4, "Q4_2", false),
        (200, "unknown", false),
    ] {
        let changed = Changed::tensor_type("blk.2.ffn_up.weight", number);
        let report = run(&["inspect", &changed.path, "--json"]).json();
        assert_eq!(report["runs"], false);
        let obstacle = report["obstacle"].as_str().unwrap();
        assert!(
            obstacle.contains("blk.2.ffn_up.weight") && obstacle.contains(name),
            "{obstacle}"
        );
        let by_type = report["tensors"]["by_type"].as_array().unwrap();
        let of = by_type.iter().find(|of| of["ggml_type"] == number).unwrap();
        assert_eq!(
            (&of["type"], &of["supported"], &of["count"]),
            (&name.into(), &false.into(), &1.into())
        );
        assert_eq!(of["bytes"].is_u64(), is_known);
        assert!(
            run(&["inspect", &changed.path])
                .done()
                .contains("not supported")
        );
    }
}

#[test]
fn another_pre_tokenizer_is_named() {
    let changed = Changed::text("tokenizer.ggml.pre", "gpt-2");
    let report = run(&["inspect", &changed.path, "--json"]).json();
    assert_eq!(report["runs"], false);
    assert!(
        report["obstacle"].as_str().unwrap().contains("\"gpt-2\""),
        "{report}"
    );
}

#[test]
fn a_file_cannot_steer_the_terminal() {
    let changed = Changed::text("general.name", "fix\x1b[2Jqwen2\r");
    let said = run(&["inspect", &changed.path]).done();
    assert!(said.contains("fix\\u{1b}[2Jqwen2\\r"), "{said}");
    assert!(
        said.chars().all(|c| c == '\n' || !c.is_control()),
        "{said:?}"
    );
}
