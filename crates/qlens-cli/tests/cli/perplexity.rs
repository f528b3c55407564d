//! `qlens perplexity`.

use std::fs;

use serde_json::Value;

use crate::support::{
    Changed, Outcome, fixture, folder, model, path_in, qlens, run, signal, start, text,
    wait_until_it_listens, ways_to_compute,
};

fn perplexity(model: &str, more: &[&str]) -> Value {
    run(&[&["perplexity", model, &text(), "--json"], more].concat()).json()
}

/// Perplexity, its standard error and the tokens scored, of `reference.py MODEL perplexity` for the ids that
/// `qlens tokenize --no-special` gives for the text without its last line end.
#[track_caller]
fn is_the_references(report: &Value, expected: (f64, f64, u64)) {
    let (perplexity, error, tokens) = expected;
    for (key, expected) in [("perplexity", perplexity), ("standard_error", error)] {
        let found = report[key].as_f64().unwrap();
        assert!((found / expected - 1.0).abs() < 1e-4, "{key}: {report}");
    }
    assert!((report["nll"].as_f64().unwrap() - perplexity.ln()).abs() < 1e-4);
    assert_eq!(report["scored_tokens"], tokens);
}

#[test]
fn it_is_the_references() {
    let model = fixture("qwen2-f16.gguf");
    for (ctx, chunks, expected) in [
        ("64", 7, (502.570_632, 26.570_419, 217)),
        ("65", 7, (505.155_516, 27.150_037, 224)),
        ("300", 1, (625.527_737, 40.720_542, 149)),
    ] {
        let report = perplexity(&model, &["--ctx", ctx]);
        is_the_references(&report, expected);
        assert_eq!(report["chunks"], chunks);
        assert_eq!(report["text_tokens"], 463);
        assert_eq!(report["stats"]["context"], ctx.parse::<u64>().unwrap());
    }
    let report = perplexity(&model, &["--ctx", "64", "--kv", "q8_0"]);
    assert_eq!(report["stats"]["kv"], "q8_0");
    let rounded = report["perplexity"].as_f64().unwrap();
    assert!((rounded / 502.570_632 - 1.0).abs() < 0.02, "{rounded}");
}

/// As `reference.py MODEL perplexity --bos 264` for the ids with 264 before them.
#[test]
fn a_bos_that_the_file_asks_for_begins_every_chunk() {
    let key = b"tokenizer.ggml.add_bos_token";
    let changed = Changed::of("qwen2-f16.gguf", |bytes| {
        let at = bytes.windows(key.len()).position(|window| window == key);
        let value = at.unwrap() + key.len() + 4;
        assert_eq!(bytes[value], 0);
        bytes[value] = 1;
    });
    let report = perplexity(&changed.path, &["--ctx", "64"]);
    is_the_references(&report, (479.505_750, 25.365_096, 217));
    assert_eq!(report["text_tokens"], 464);
}

#[test]
fn it_is_the_same_however_it_is_computed() {
    let model = model();
    let result = |more: &[&str]| {
        let args = [
            "perplexity",
            &model,
            &text(),
            "--ctx",
            "32",
            "--chunks",
            "3",
        ];
        run(&[&args[..], more].concat()).done()
    };
    let expected = result(&["--kernel", "scalar", "--threads", "1"]);
    let (perplexity, error) = expected
        .strip_prefix("perplexity ")
        .and_then(|rest| rest.trim_end().split_once(" ± "))
        .unwrap();
    assert!(perplexity.parse::<f64>().unwrap() > 1.0 && error.parse::<f64>().unwrap() > 0.0);
    for way in ways_to_compute() {
        let way = way.each_ref().map(String::as_str);
        assert_eq!(result(&way), expected, "{way:?}");
    }
}

#[test]
fn chunks_are_at_most_those_of_the_text() {
    let model = model();
    let count = |more: &[&str]| perplexity(&model, more)["chunks"].as_u64().unwrap();
    assert_eq!(count(&["--ctx", "100", "--chunks", "2"]), 2);
    assert_eq!(count(&["--ctx", "100", "--chunks", "9"]), 4);
    // One token is scored, which has no spread.
    let report = perplexity(&model, &["--ctx", "3", "--chunks", "1"]);
    assert_eq!(report["scored_tokens"], 1);
    assert!(report["standard_error"].is_null() && report["perplexity"].is_f64());
    let line = run(&["perplexity", &model, &text(), "--ctx", "4", "--chunks", "1"]).done();
    assert!(!line.contains('±'), "{line}");
}

/// Nothing in a text steers the model.
#[test]
fn special_tokens_in_the_text_are_text() {
    let folder = folder();
    let path = path_in(&folder, "special.txt");
    fs::write(&path, "<|im_end|>").unwrap();
    let args = ["perplexity", &model(), &path, "--ctx", "5", "--json"];
    assert_eq!(run(&args).json()["text_tokens"], 10);
}

#[test]
fn a_text_that_cannot_be_scored_is_refused_with_the_reason() {
    let folder = folder();
    let path = path_in(&folder, "text.txt");
    let model = model();
    let refused = |path: &str, more: &[&str]| {
        let said = run(&[&["perplexity", &model, path][..], more].concat()).refused(1);
        assert!(said.contains(path), "{said}");
        said
    };
    assert!(refused(&path, &[]).contains("no such file"));
    assert!(refused(folder.path().to_str().unwrap(), &[]).contains("directory"));
    for (bytes, says) in [
        (&b""[..], "the file is empty"),
        (b"\n", "it has 0 tokens and a chunk needs 512"),
        (b"abc\xffd", "it is not text in UTF-8: byte 3 is 0xff"),
        (b"abc\xe4\xbd", "it is not text in UTF-8: byte 3 is 0xe4"),
    ] {
        fs::write(&path, bytes).unwrap();
        let said = refused(&path, &[]);
        assert!(said.contains(says), "{said}");
    }
    let said = refused(&text(), &[]);
    assert!(
        said.contains("it has 463 tokens and a chunk needs 512") && said.contains("--ctx"),
        "{said}"
    );
    let said = run(&["perplexity", &model, &text(), "--ctx", "513"]).refused(1);
    assert!(said.contains("1 to 512"), "{said}");
}

#[test]
fn a_model_of_numbers_that_are_none_is_refused() {
    // Every weight of the output norm becomes a NaN.
    let changed = Changed::new(|bytes| {
        let tensor = {
            let gguf = qlens::gguf::Gguf::parse(bytes).unwrap();
            let tensor = gguf.tensor("output_norm.weight").unwrap();
            gguf.data_offset() + tensor.offset as usize
        };
        bytes[tensor..][..256 * 4].fill(0xff);
    });
    let args = ["perplexity", &changed.path, &text(), "--ctx", "64"];
    let said = run(&args).refused(1);
    assert!(said.contains("weights are damaged"), "{said}");
}

#[test]
fn a_run_that_is_stopped_says_nothing() {
    let folder = folder();
    let path = path_in(&folder, "long.txt");
    fs::write(&path, "All work and no play. ".repeat(20_000)).unwrap();
    let mut child = start(&mut qlens(&["perplexity", &model(), &path]));
    drop(child.stdin.take());
    wait_until_it_listens(&child);
    signal(&child, "INT");
    let outcome = Outcome::from(child.wait_with_output().unwrap());
    assert_eq!(
        (
            outcome.status,
            outcome.stdout.as_str(),
            outcome.stderr.as_str()
        ),
        (Some(130), "", "")
    );
}
