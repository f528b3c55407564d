//! `qlens bench`.

use serde_json::Value;

use crate::support::{folder, model, path_in, run};

fn bench(more: &[&str]) -> Value {
    run(&[&["bench", &model(), "--json"], more].concat()).json()
}

#[test]
fn json_has_both_phases_and_the_settings() {
    let report = bench(&[
        "-p",
        "40",
        "-n",
        "10",
        "-r",
        "4",
        "--threads",
        "2",
        "--threads-batch",
        "3",
        "--batch",
        "16",
        "--kernel",
        "scalar",
    ]);
    for (phase, tokens) in [("prefill", 40), ("decode", 10)] {
        let measured = &report[phase];
        assert_eq!(measured["tokens"], tokens);
        let each: Vec<f64> = serde_json::from_value(measured["samples"].clone()).unwrap();
        assert_eq!(each.len(), 4);
        let mean = each.iter().sum::<f64>() / 4.0;
        assert!(
            (measured["tokens_per_second"].as_f64().unwrap() / mean - 1.0).abs() < 1e-9
                && mean > 0.0
        );
        assert!(measured["spread"].as_f64().unwrap() >= 0.0);
    }
    let settings = &report["settings"];
    assert_eq!(settings["threads"], 2);
    assert_eq!(settings["threads_batch"], 3);
    assert_eq!(settings["batch"], 16);
    assert_eq!(settings["kernel"], "scalar");
    assert_eq!(settings["context"], 40);
    assert_eq!(settings["repetitions"], 4);
    assert!(settings["bytes_per_token"].as_u64().unwrap() > 0);
}

#[test]
fn the_usual_lengths_are_128_and_64_three_times() {
    let report = bench(&[]);
    assert_eq!(
        (&report["prefill"]["tokens"], &report["decode"]["tokens"]),
        (&128.into(), &64.into())
    );
    assert_eq!(report["settings"]["repetitions"], 3);
}

#[test]
fn a_phase_of_no_tokens_is_skipped() {
    let report = bench(&["-p", "0", "-n", "2", "-r", "1"]);
    assert_eq!(
        (&report["prefill"], &report["decode"]["tokens"]),
        (&Value::Null, &2.into())
    );
    assert_eq!(report["decode"]["spread"], 0.0);
    let report = bench(&["-p", "1", "-n", "0", "-r", "1"]);
    assert_eq!(
        (&report["prefill"]["tokens"], &report["decode"]),
        (&1.into(), &Value::Null)
    );
    assert!(
        run(&["bench", &model(), "-p", "0", "-n", "0"])
            .refused(2)
            .contains("nothing to measure")
    );
}

#[test]
fn words_say_the_same() {
    let said = run(&["bench", &model(), "-p", "8", "-n", "8", "-r", "1"]).done();
    assert!(
        said.contains("prefill") && said.contains("decode") && said.contains("tokens/s"),
        "{said}"
    );
    assert!(
        !run(&["bench", &model(), "-p", "0", "-n", "8", "-r", "1"])
            .done()
            .contains("prefill")
    );
}

#[test]
fn a_context_that_is_too_short_is_refused() {
    let said = run(&["bench", &model(), "-n", "64", "-p", "0", "--ctx", "64"]).refused(2);
    assert!(said.contains("--ctx 65"), "{said}");
    assert!(
        run(&["bench", &model(), "-p", "513"])
            .refused(1)
            .contains("1 to 512")
    );
    assert_eq!(
        bench(&["-n", "64", "-p", "0", "-r", "1", "--ctx", "65"])["settings"]["context"],
        65
    );
}

#[test]
fn answers_to_prompts_of_a_file_are_counted_in_passes() {
    let folder = folder();
    let path = path_in(&folder, "prompts.toml");
    let answers = |text: &str, more: &[&str]| {
        std::fs::write(&path, text).unwrap();
        run(&[
            &[
                "bench",
                &model(),
                "--json",
                "-p",
                "0",
                "-n",
                "0",
                "--prompts",
                &path,
            ],
            more,
        ]
        .concat())
    };
    let file =
        "[[prompt]]\nname = \"echo\"\nmax_tokens = 80\ntext = \"hello, hello, hello, hello, \"";
    let measured = |draft| answers(file, &["--draft", draft]).json()["answers"][0].clone();
    let (plain, drafted) = (measured("0"), measured("3"));
    assert_eq!(plain["name"], "echo");
    assert_eq!(plain["tokens_per_pass"], 1.0);
    assert_eq!(drafted["tokens"], plain["tokens"]);
    assert!(drafted["decode_passes"].as_u64() <= plain["decode_passes"].as_u64());
    let said = answers("prompt = 1", &[]).refused(1);
    assert!(said.contains("prompts.toml: no file of prompts"), "{said}");
    assert!(
        answers(&file.replace("hello", &"hello ".repeat(600)), &[])
            .refused(1)
            .contains("--ctx")
    );
}

#[test]
fn the_prompts_that_come_along_are_read() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/prompts.toml");
    let said = run(&["bench", &model(), "-p", "0", "-n", "0", "--prompts", path]).refused(1);
    // Their texts are for a real vocabulary: the fixture's context is too short for them.
    assert!(said.contains("--ctx"), "{said}");
}
