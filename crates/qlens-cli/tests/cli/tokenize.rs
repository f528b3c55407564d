//! `qlens tokenize`.

use std::io::{BufRead as _, BufReader, Write as _};

use crate::support::{Changed, model, qlens, run_with_input, start};

#[test]
fn a_line_in_is_a_line_out() {
    let input = "\"a\"\n\"\"\n\"abc\\n\"\n\"the\"\n";
    let output = run_with_input(&["tokenize", &model()], input).done();
    let lines: Vec<Vec<u32>> = output
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines.len(), 4);
    assert_eq!(lines[0], [97]);
    assert!(lines[1].is_empty());
    assert_eq!(lines[2], [97, 98, 99, 10]);
    assert_eq!(lines[3].len(), 1, "a merge");
    assert_eq!(run_with_input(&["tokenize", &model()], "").done(), "");
    // A last line that does not end is a line.
    assert_eq!(
        run_with_input(&["tokenize", &model()], "\"a\"").done(),
        "[97]\n"
    );
}

#[test]
fn special_tokens_are_parsed_unless_they_are_not_to_be() {
    let input = "\"<|im_end|>\"\n";
    assert_eq!(
        run_with_input(&["tokenize", &model()], input).done(),
        "[266]\n"
    );
    let plain = run_with_input(&["tokenize", &model(), "--no-special"], input).done();
    let ids: Vec<u32> = serde_json::from_str(&plain).unwrap();
    assert!(ids.len() >= 8 && ids.iter().all(|&id| id < 264), "{plain}");
}

#[test]
fn a_bad_line_is_named_and_the_lines_before_it_are_answered() {
    for (bad, says) in [
        ("\"\\ud83d\"", "surrogate"),
        ("\"\\ude00x\"", "surrogate"),
        ("", "is empty"),
        ("a", "is not a JSON string"),
        ("{\"text\": \"a\"}", "is not a JSON string"),
    ] {
        let outcome = run_with_input(
            &["tokenize", &model()],
            &format!("\"a\"\n\"b\"\n{bad}\n\"c\"\n"),
        );
        assert_eq!(
            (outcome.status, outcome.stdout.as_str()),
            (Some(1), "[97]\n[98]\n"),
            "{bad}"
        );
        let said = outcome.sentence();
        assert!(said.contains("line 3") && said.contains(says), "{said}");
    }
}

#[test]
fn each_answer_comes_at_once() {
    let mut child = start(&mut qlens(&["tokenize", &model()]));
    let mut input = child.stdin.take().unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap()).lines();
    for _ in 0..3 {
        input.write_all(b"\"a\"\n").unwrap();
        assert_eq!(output.next().unwrap().unwrap(), "[97]");
    }
    drop(input);
    assert!(child.wait().unwrap().success());
}

#[test]
fn only_the_vocabulary_has_to_be_supported() {
    let changed = Changed::text("general.architecture", "llama");
    assert_eq!(
        run_with_input(&["tokenize", &changed.path], "\"a\"\n").done(),
        "[97]\n"
    );
}
