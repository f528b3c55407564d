//! Flags, exit statuses, and where words and data go.

use std::process::Stdio;

use crate::support::{Outcome, model, qlens, run};

const VERBS: [&str; 7] = [
    "inspect", "plan", "tokenize", "logits", "generate", "chat", "bench",
];

#[test]
fn help_and_version_are_data() {
    assert!(
        run(&["--version"])
            .done()
            .starts_with(concat!("qlens ", env!("CARGO_PKG_VERSION")))
    );
    let help = run(&["--help"]).done();
    for part in VERBS.iter().chain(&[
        "models",
        "pull",
        "quantize",
        "pack",
        "unpack",
        "perplexity",
        "embed",
        "Exit status",
        "130",
    ]) {
        assert!(help.contains(part), "{part}");
    }
    for verb in VERBS {
        let help = run(&[verb, "--help"]).done();
        assert!(
            help.contains("[MODEL]") && help.contains("Qwen2.5-Coder"),
            "{help}"
        );
    }
    for verb in ["logits", "generate", "chat", "bench", "perplexity", "embed"] {
        let help = run(&[verb, "--help"]).done();
        for flag in [
            "--ctx",
            "--threads",
            "--batch",
            "--kernel",
            "scalar, neon, dotprod, i8mm, avx2, avx512",
            "--kv",
            "f16, q8_0",
        ] {
            assert!(help.contains(flag), "{verb} {flag}");
        }
    }
}

#[test]
fn a_wrong_command_line_is_status_2_and_words_only() {
    let model = model();
    for args in [
        &[][..],
        &["dance"],
        &["inspect", &model, "--loud"],
        &["generate", &model],
        &["generate", &model, "--tokens", "1", "--prompt", "x"],
        &["generate", &model, "--prompt", "x", "--system", "y"],
        &["generate", &model, "--tokens", "1,two"],
        &["generate", &model, "--tokens", "-1"],
        &["generate", &model, "--tokens", ""],
        &["generate", &model, "--tokens", "1", "-n", "-1"],
        &["generate", &model, "--tokens", "1", "--threads", "0"],
        &["generate", &model, "--tokens", "1", "--kv", "q4_0"],
        &["generate", &model, "--tokens", "1", "--batch", "0"],
        &["generate", &model, "--tokens", "1", "--ctx", "0"],
        &["generate", &model, "--tokens", "1", "--kernel", "mmx"],
        &["generate", &model, "--tokens", "1", "--temp", "-1"],
        &["generate", &model, "--tokens", "1", "--temp", "nan"],
        &["generate", &model, "--tokens", "1", "--top-p", "1.5"],
        &["generate", &model, "--tokens", "1", "--min-p", "-0.5"],
        &[
            "generate",
            &model,
            "--tokens",
            "1",
            "--repetition-penalty",
            "0",
        ],
        &["logits", &model, "--out", "/dev/null"],
        &["logits", &model, "--tokens", "1"],
        &["plan", &model],
        &["pull"],
        &["models", "all"],
        &["bench", &model, "-r", "0"],
        &["perplexity", &model],
        &["perplexity", &model, "/dev/null", "--ctx", "2"],
        &["perplexity", &model, "/dev/null", "--chunks", "0"],
        &["embed"],
        &["quantize", &model],
        &["quantize", &model, "/dev/null"],
        &["quantize", &model, "/dev/null", "q4_0", "--threads", "0"],
    ] {
        let outcome = run(args);
        assert_eq!(
            (outcome.status, outcome.stdout.as_str()),
            (Some(2), ""),
            "{args:?}"
        );
        assert!(!outcome.stderr.is_empty(), "{args:?}");
    }
}

#[test]
fn a_kernel_of_another_processor_is_refused_with_those_there_are() {
    let other = if cfg!(target_arch = "x86_64") {
        "neon"
    } else {
        "avx2"
    };
    let said = run(&["generate", &model(), "--tokens", "1", "--kernel", other]).refused(1);
    assert!(
        said.contains(other) && said.contains("it can run scalar"),
        "{said}"
    );
}

#[test]
fn a_reader_that_went_away_is_no_news() {
    let model = model();
    for args in [
        &["inspect", &model][..],
        &["inspect", &model, "--json"],
        &["plan", &model, "--board", "qemu-virt"],
        &["generate", &model, "--tokens", "1"],
        &["bench", &model, "-p", "1", "-n", "1", "-r", "1"],
        &["embed", &model, "a"],
    ] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let outcome = Outcome::of(qlens(args).stdout(writer).stderr(Stdio::piped()));
        assert_eq!(
            (outcome.status, outcome.stderr.as_str()),
            (Some(141), ""),
            "{args:?}"
        );
    }
}

#[test]
fn a_full_disk_is_named() {
    let full = std::fs::File::options()
        .write(true)
        .open("/dev/full")
        .unwrap();
    let outcome = Outcome::of(qlens(&["inspect", &model()]).stdout(full));
    assert_eq!(outcome.status, Some(1));
    assert!(
        outcome.sentence().contains("no space left on device"),
        "{outcome:?}"
    );
}
