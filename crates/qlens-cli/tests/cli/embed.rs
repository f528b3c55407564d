//! `qlens embed`.

use std::io::{BufRead as _, BufReader, Write as _};

use serde_json::Value;

use crate::support::{
    Changed, Outcome, fixture, model, one_line_of_json, qlens, run, run_with_input, start,
    ways_to_compute,
};

fn vector(value: &Value) -> Vec<f32> {
    serde_json::from_value(value.clone()).unwrap()
}

/// The embeddings of these texts, each a line.
#[track_caller]
fn embed(model: &str, texts: &[&str]) -> Vec<Vec<f32>> {
    let output = run(&[&["embed", model], texts].concat()).done();
    let lines = output.lines().map(|line| format!("{line}\n"));
    let vectors: Vec<_> = lines.map(|line| vector(&one_line_of_json(&line))).collect();
    assert_eq!(vectors.len(), texts.len());
    vectors
}

fn dot(a: &[f32], b: &[f32]) -> f64 {
    let products = a.iter().zip(b).map(|(&a, &b)| f64::from(a) * f64::from(b));
    products.sum()
}

#[test]
fn each_text_has_a_vector_of_length_1() {
    let texts = ["the harbour", "the harbours", "1907", " "];
    let together = embed(&model(), &texts);
    for (text, vector) in texts.iter().zip(&together) {
        assert_eq!(vector.len(), 256);
        assert!((dot(vector, vector) - 1.0).abs() < 1e-6, "{text}");
        assert_eq!(embed(&model(), &[text])[0], *vector, "{text}");
    }
    assert_ne!(together[0], together[1]);
}

#[test]
fn lines_of_stdin_are_texts_and_json_says_which() {
    let input = "the harbour\r\n \n\u{4f60}\u{597d}";
    let output = run_with_input(&["embed", &model(), "--json"], input).done();
    let reports: Vec<Value> = output
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let texts = ["the harbour", " ", "\u{4f60}\u{597d}"];
    let expected = embed(&model(), &texts);
    assert_eq!(reports.len(), 3);
    for ((report, text), expected) in reports.iter().zip(texts).zip(expected) {
        assert_eq!(report["text"], text);
        assert_eq!(vector(&report["embedding"]), expected);
        assert_eq!(report.as_object().unwrap().len(), 2);
    }
    assert_eq!(run_with_input(&["embed", &model()], "").done(), "");
}

#[test]
fn each_answer_comes_at_once_and_words_go_to_stderr() {
    let mut child = start(&mut qlens(&["embed", &model()]));
    let mut input = child.stdin.take().unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap()).lines();
    for _ in 0..3 {
        input.write_all(b"a\n").unwrap();
        assert!(output.next().unwrap().unwrap().starts_with('['));
    }
    drop(input);
    let outcome = child.wait_with_output().unwrap();
    assert!(outcome.status.success());
    let words = String::from_utf8(outcome.stderr).unwrap();
    assert!(words.starts_with("texts: 3, 3 tokens"), "{words}");
}

/// The token that the file asks for is the last one, and so the one whose state counts.
#[test]
fn an_eos_that_the_file_asks_for_ends_every_text() {
    let key = b"tokenizer.ggml.add_bos_token";
    let asks = |model: &str, value: u8| {
        Changed::of(model, |bytes| {
            let at = bytes.windows(key.len()).position(|window| window == key);
            let at = at.unwrap();
            bytes[at..][..key.len()].copy_from_slice(b"tokenizer.ggml.add_eos_token");
            bytes[at + key.len() + 4] = value;
        })
    };
    for name in ["qwen2-q4_0.gguf", "qwen3-q4_k_m.gguf"] {
        let plain = embed(&fixture(name), &["the harbour", "the harbour<|im_end|>"]);
        assert_ne!(plain[0], plain[1]);
        let [off, on] = [0, 1].map(|value| {
            let changed = asks(name, value);
            embed(&changed.path, &["the harbour"]).remove(0)
        });
        assert_eq!(off, plain[0]);
        assert_eq!(on, plain[1]);
    }
}

#[test]
fn it_is_the_same_however_it_is_computed() {
    let text = "Two boats lay at the inner pier, and a man in a red coat was mending a net.";
    for name in ["qwen2-f16.gguf", "qwen3-q4_k_m.gguf"] {
        let path = fixture(name);
        let expected = run(&["embed", &path, text, "--threads", "1"]).done();
        for way in ways_to_compute() {
            let way = way.each_ref().map(String::as_str);
            let found = run(&[&["embed", &path, text][..], &way].concat()).done();
            assert!(found == expected, "{name} {way:?}");
        }
    }
}

#[test]
fn a_text_that_cannot_be_embedded_is_named() {
    let model = model();
    let refused = |args: &[&str], says: &str| {
        let said = run(&[&["embed", &model][..], args].concat()).refused(1);
        assert!(said.contains(says), "{said}");
    };
    refused(&[""], "text 1 is empty: there is nothing to embed");
    refused(
        &["abcd", "--ctx", "3"],
        "text 1 has 4 tokens and --ctx is 3",
    );
    refused(&["a", "--ctx", "100000"], "1 to 512");

    for (input, says) in [
        (&b"a\n\nb\n"[..], "line 2 of stdin is empty"),
        (b"a\n\r\n", "line 2 of stdin is empty"),
        (b"a\nb\xff\n", "line 2 of stdin is not UTF-8"),
    ] {
        let mut child = start(&mut qlens(&["embed", &model]));
        child.stdin.take().unwrap().write_all(input).unwrap();
        let outcome = Outcome::from(child.wait_with_output().unwrap());
        assert_eq!(outcome.status, Some(1));
        assert_eq!(outcome.stdout.lines().count(), 1, "the line before it");
        assert!(outcome.sentence().contains(says), "{outcome:?}");
    }
}
