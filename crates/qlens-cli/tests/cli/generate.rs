//! `qlens generate`.

use std::io::Read as _;

use serde_json::Value;

use crate::support::{
    Outcome, first_text, fixture, golden, ids, list, model, one_line_of_json, qlens, run,
    run_with_input, signal, start, wait_until_it_listens, ways_to_compute,
};

fn generate(more: &[&str]) -> Value {
    run(&[&["generate", &model(), "--json"], more].concat()).json()
}

fn encoded(text: &str) -> Vec<u32> {
    let line = serde_json::to_string(text).unwrap();
    serde_json::from_str(&run_with_input(&["tokenize", &model()], &line).done()).unwrap()
}

#[test]
fn json_has_everything() {
    let report = generate(&["--tokens", "1,2,3", "-n", "9"]);
    assert_eq!(ids(&report["prompt_tokens"]), [1, 2, 3]);
    assert_eq!(ids(&report["tokens"]).len(), 9);
    assert!(report["text"].is_string());
    assert_eq!(report["stop"], "max_tokens");
    let stats = &report["stats"];
    for key in [
        "arena_bytes",
        "peak_rss_bytes",
        "context",
        "batch",
        "threads",
        "decode_passes",
    ] {
        assert!(stats[key].as_u64().unwrap() > 0, "{key}: {stats}");
    }
    for key in [
        "load_seconds",
        "prefill_seconds",
        "decode_seconds",
        "tokens_per_second",
        "prefill_tokens_per_second",
    ] {
        assert!(stats[key].as_f64().unwrap() > 0.0, "{key}: {stats}");
    }
    // The first token of nine follows from the prompt.
    assert_eq!(stats["decode_passes"], 8);
    let rate = 8.0 / stats["decode_seconds"].as_f64().unwrap();
    assert!((stats["tokens_per_second"].as_f64().unwrap() / rate - 1.0).abs() < 1e-6);
}

#[test]
fn greedy_is_the_default_and_follows_the_reference() {
    for name in [
        "qwen2-f16.gguf",
        "qwen2-q4_0.gguf",
        "qwen2-q4_k_m.gguf",
        "qwen2-q8_0.gguf",
    ] {
        let golden = golden(name);
        // As far as the reference's choices are clear.
        let clear = if name.contains("f16") { 0.02 } else { 0.35 };
        let sure = golden
            .greedy_margin
            .iter()
            .position(|&margin| margin < clear)
            .unwrap_or(golden.greedy_margin.len());
        let tokens = list(&golden.cases[1].tokens);
        let report = run(&[
            "generate",
            &fixture(name),
            "--json",
            "--tokens",
            &tokens,
            "-n",
            "24",
        ])
        .json();
        let found = ids(&report["tokens"]);
        assert_eq!(
            found[..sure.min(found.len())],
            golden.greedy_after_case_1[..sure],
            "{name}"
        );
    }
}

#[test]
fn the_tokens_are_the_same_however_they_are_computed() {
    let tokens = list(&golden("qwen2-q4_0.gguf").cases[2].tokens);
    let expected = generate(&["--tokens", &tokens, "-n", "40"])["tokens"].clone();
    for way in ways_to_compute() {
        let way = way.each_ref().map(String::as_str);
        let found = generate(&[&["--tokens", &tokens, "-n", "40"][..], &way].concat());
        assert_eq!(found["tokens"], expected, "{way:?}");
        assert_eq!(found["stats"]["kernel"], way[1]);
    }
}

#[test]
fn text_streams_as_it_is() {
    let args = ["generate", &model(), "--tokens", "1,2,3", "-n", "12"];
    let outcome = run(&args);
    let said = outcome.stderr.clone();
    assert!(
        said.contains("answer: 12 tokens") && said.contains("max_tokens"),
        "{said}"
    );
    let report = run(&[&args[..], &["--json"]].concat()).json();
    assert_eq!(
        outcome.done(),
        format!("{}\n", report["text"].as_str().unwrap())
    );
}

#[test]
fn a_prompt_is_text_in_which_special_tokens_count() {
    let report = generate(&["--prompt", "the one<|im_end|>", "-n", "1"]);
    assert_eq!(ids(&report["prompt_tokens"]), encoded("the one<|im_end|>"));
    assert_eq!(ids(&report["prompt_tokens"]).last(), Some(&266));
    // Also one that looks like a flag.
    assert_eq!(
        ids(&generate(&["--prompt", "--json", "-n", "1"])["prompt_tokens"]),
        encoded("--json")
    );
}

#[test]
fn a_question_is_put_as_the_model_was_trained() {
    let plain = "<|im_start|>user\nwho?<|im_end|>\n<|im_start|>assistant\n";
    let report = generate(&["--chat", "who?", "-n", "1"]);
    assert_eq!(
        ids(&report["prompt_tokens"]),
        encoded(plain),
        "this file states no default"
    );
    let report = generate(&["--chat", "who?", "--system", "Be the one.", "-n", "1"]);
    let told = format!("<|im_start|>system\nBe the one.<|im_end|>\n{plain}");
    assert_eq!(ids(&report["prompt_tokens"]), encoded(&told));
    // What a person writes is text and nothing else.
    let report = generate(&["--chat", "<|im_end|>", "-n", "1"]);
    assert_eq!(
        ids(&report["prompt_tokens"])
            .iter()
            .filter(|&&id| id == 266)
            .count(),
        1
    );
}

#[test]
fn a_seed_is_an_answer() {
    let answer = |seed: &str, more: &[&str]| {
        let args = [
            &[
                "--tokens", "1,2,3", "-n", "30", "--temp", "1.5", "--seed", seed,
            ],
            more,
        ]
        .concat();
        generate(&args)["tokens"].clone()
    };
    assert_eq!(
        answer("7", &[]),
        answer(
            "7",
            &["--threads", "1", "--batch", "1", "--kernel", "scalar"]
        )
    );
    assert_ne!(answer("7", &[]), answer("8", &[]));
    assert_ne!(
        answer("7", &[]),
        generate(&["--tokens", "1,2,3", "-n", "30"])["tokens"]
    );
    // One candidate is no choice.
    assert_eq!(
        answer("7", &["--top-k", "1"]),
        generate(&["--tokens", "1,2,3", "-n", "30"])["tokens"]
    );
    assert_ne!(answer("7", &["--top-k", "2"]), answer("7", &[]));
    assert_ne!(answer("7", &["--top-p", "0.3"]), answer("7", &[]));
    assert_ne!(answer("7", &["--min-p", "0.5"]), answer("7", &[]));
    let greedy = |more: &[&str]| {
        generate(&[&["--tokens", "1,2,3", "-n", "30"], more].concat())["tokens"].clone()
    };
    assert_ne!(greedy(&["--repetition-penalty", "2"]), greedy(&[]));
    assert_eq!(
        greedy(&["--repetition-penalty", "2", "--repeat-last-n", "0"]),
        greedy(&[])
    );
}

#[test]
fn the_stop_token_is_left_out() {
    let report = run(&[
        "generate",
        &fixture("qwen2-f16.gguf"),
        "--tokens",
        "1,2,3",
        "-n",
        "500",
        "--json",
        "--draft",
        "0",
    ])
    .json();
    assert_eq!(report["stop"], "end_of_turn");
    let tokens = ids(&report["tokens"]);
    assert!(!tokens.is_empty() && !tokens.contains(&266) && !tokens.contains(&264));
    // It cost a pass all the same.
    assert_eq!(
        report["stats"]["decode_passes"].as_u64().unwrap(),
        tokens.len() as u64
    );
}

#[test]
fn drafts_change_the_passes_and_nothing_else() {
    let answer = |draft| {
        let text = "hello, hello, hello, hello, hello, ";
        generate(&["--prompt", text, "-n", "60", "--draft", draft])
    };
    let (plain, drafted) = (answer("0"), answer("3"));
    for key in ["prompt_tokens", "tokens", "text", "stop"] {
        assert_eq!(drafted[key], plain[key], "{key}");
    }
    let passes = |report: &Value| report["stats"]["decode_passes"].as_u64().unwrap();
    assert!(passes(&drafted) < passes(&plain));
}

#[test]
fn answers_end_at_their_limit_and_with_the_context() {
    let report = generate(&["--tokens", "1,2,3", "--ctx", "10"]);
    assert_eq!(
        (&report["stop"], ids(&report["tokens"]).len()),
        (&"context_full".into(), 7)
    );
    let report = generate(&["--tokens", "1,2,3", "-n", "0"]);
    assert_eq!(
        (&report["stop"], &report["tokens"]),
        (&"max_tokens".into(), &serde_json::json!([]))
    );
    assert_eq!(report["stats"]["tokens_per_second"], Value::Null);
    assert_eq!(report["text"], "");
}

#[test]
fn what_cannot_be_a_prompt_is_refused() {
    let refused = |more: &[&str]| run(&[&["generate", &model()], more].concat()).refused(1);
    assert!(
        refused(&["--tokens", "5,288"])
            .contains("token 288 is out of range: the vocabulary has 0 to 287")
    );
    assert!(refused(&["--tokens", "4294967295"]).contains("4294967295"));
    let said = refused(&["--tokens", "1,2,3", "--ctx", "2"]);
    assert!(
        said.contains("3 tokens") && said.contains("holds 2") && said.contains("--ctx"),
        "{said}"
    );
    let long = "word ".repeat(200);
    assert!(refused(&["--prompt", &long]).contains("holds 512"));
    assert!(refused(&["--chat", &long]).contains("holds 512"));
    assert!(refused(&["--prompt", ""]).contains("empty"));
    assert!(refused(&["--tokens", "1", "--ctx", "513"]).contains("1 to 512"));
}

#[test]
fn ctrl_c_ends_an_answer_cleanly() {
    for (more, is_json) in [(&[][..], false), (&["--json"], true)] {
        let args = [
            "generate",
            &model(),
            "--tokens",
            "1,2,3",
            "-n",
            "1000",
            "--kernel",
            "scalar",
            "--threads",
            "1",
        ];
        let mut child = start(&mut qlens(&[&args[..], more].concat()));
        let mut stdout = child.stdout.take().unwrap();
        let mut text = String::new();
        if is_json {
            // Nothing shows that it is at work but that it listens; scalar arithmetic takes seconds for
            // this answer.
            wait_until_it_listens(&child);
            std::thread::sleep(std::time::Duration::from_millis(300));
        } else {
            text = first_text(&mut stdout);
        }
        signal(&child, "INT");
        stdout.read_to_string(&mut text).unwrap();
        let outcome = Outcome::from(child.wait_with_output().unwrap());
        assert_eq!(outcome.status, Some(130), "{outcome:?}");
        assert!(text.ends_with('\n'));
        if is_json {
            let report = one_line_of_json(&text);
            assert_eq!(report["stop"], "cancelled");
            assert!(ids(&report["tokens"]).len() < 500);
        } else {
            assert!(outcome.stderr.contains("ended: cancelled"), "{outcome:?}");
        }
    }
}

#[test]
fn memory_is_the_model_and_the_arena() {
    let report = generate(&["--tokens", "1,2,3", "-n", "400"]);
    let stats = &report["stats"];
    let bytes = |key: &str| stats[key].as_u64().unwrap();
    let model = std::fs::metadata(model()).unwrap().len();
    assert!(
        bytes("peak_rss_bytes") < model + bytes("arena_bytes") + 16_000_000,
        "{stats}"
    );
}
