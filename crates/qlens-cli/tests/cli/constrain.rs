//! `qlens generate --choices` and `--schema`.

use std::fs;

use serde_json::Value;

use crate::support::{folder, model, path_in, run, ways_to_compute};

fn generate(more: &[&str]) -> Value {
    run(&[&["generate", &model(), "--tokens", "1,2,3", "--json"], more].concat()).json()
}

#[test]
fn the_answer_is_one_of_the_choices() {
    for sampling in [&["--temp", "0"][..], &["--temp", "1.5", "--top-k", "5"]] {
        let more = [&["--choices", "yes|no|-maybe|你好"], sampling].concat();
        let report = generate(&more);
        assert_eq!(report["stop"], "end_of_turn");
        let text = report["text"].as_str().unwrap();
        assert!(["yes", "no", "-maybe", "你好"].contains(&text), "{text}");
        // Nothing can follow, which needs no pass to be known.
        let tokens = report["tokens"].as_array().unwrap().len() as u64;
        assert!(report["stats"]["decode_passes"].as_u64().unwrap() < tokens);
    }
    assert_eq!(
        generate(&["--choices", "-n"])["text"],
        "-n",
        "one is no choice"
    );
}

#[test]
fn the_answer_is_json_of_the_schema_however_it_is_computed() {
    let folder = folder();
    let path = path_in(&folder, "schema.json");
    let schema = r#"{"type": "object", "required": ["intent", "minutes"], "properties": {
        "intent": {"enum": ["set_timer", "none"]},
        "minutes": {"type": "integer", "minimum": 1, "maximum": 90},
        "note": {"type": "string", "maxLength": 5}}}"#;
    fs::write(&path, schema).unwrap();
    let report = generate(&["--schema", &path]);
    let answer: Value = serde_json::from_str(report["text"].as_str().unwrap()).unwrap();
    assert!(["set_timer", "none"].contains(&answer["intent"].as_str().unwrap()));
    assert!((1..=90).contains(&answer["minutes"].as_u64().unwrap()));
    for way in ways_to_compute() {
        let way = way.each_ref().map(String::as_str);
        let found = generate(&[&["--schema", &path][..], &way].concat());
        assert_eq!(found["tokens"], report["tokens"], "{way:?}");
    }
}

#[test]
fn what_is_no_constraint_is_refused_before_the_model_is_opened() {
    let folder = folder();
    let path = path_in(&folder, "schema.json");
    let refused = |more: &[&str], status| {
        run(&[&["generate", "no-such-model", "--tokens", "1"], more].concat()).refused(status)
    };
    assert!(refused(&["--choices", ""], 2).contains("choice 1 has 0 bytes"));
    assert!(refused(&["--choices", "yes||no"], 2).contains("choice 2 has 0 bytes"));
    let file = ["--schema", &path];
    assert!(refused(&file, 1).contains("schema.json: cannot be read: no such file"));
    for (schema, says) in [
        (&b"{"[..], "the schema is not JSON: at byte 1"),
        (b"\xff", "cannot be read"),
        (b"{\"type\":\"text\"}", "is no type"),
        (
            br##"{"type":"object","properties":{"next":{"$ref":"#"}}}"##,
            "\"$ref\" at byte 39 of the schema is not supported",
        ),
    ] {
        fs::write(&path, schema).unwrap();
        let said = refused(&file, 1);
        assert!(
            said.contains("schema.json: ") && said.contains(says),
            "{said}"
        );
    }
    let folder = folder.path().to_str().unwrap();
    assert!(refused(&["--schema", folder], 1).contains("is a directory"));
    let both = ["--choices", "yes", "--schema", &path];
    let outcome = run(&[&["generate", "--tokens", "1"], &both[..]].concat());
    assert_eq!(outcome.status, Some(2));
    assert!(
        outcome.stderr.contains("cannot be used with"),
        "{outcome:?}"
    );
}
