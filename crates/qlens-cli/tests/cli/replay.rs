//! `qlens replay`.

use std::fs;
use std::path::PathBuf;

use serde_json::Value;

use crate::support::{fixture, folder, path_in, run};

fn scene(name: &str) -> String {
    let traces = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../traces"));
    traces.join(name).to_str().unwrap().to_owned()
}

fn lived(more: &[&str]) -> Value {
    let (scene, model) = (scene("demo.toml"), fixture("qwen2-q8_0.gguf"));
    let line = ["replay", &scene, &model, "--max-tokens", "12", "--json"];
    run(&[&line, more].concat()).json()
}

#[test]
fn the_same_is_lived_each_time_however_it_is_computed() {
    let first = lived(&["--threads", "1"]);
    assert_eq!(lived(&["--threads", "3"]), first);
    let names: Vec<_> = first["marks"].as_array().unwrap().iter().collect();
    let names: Vec<_> = names.iter().map(|mark| &mark["name"]).collect();
    let expected = [
        "dashboard",
        "listening",
        "answer",
        "paged",
        "dismissed",
        "removed",
    ];
    assert_eq!(names, expected);
    let events = first["events"].to_string();
    for event in [
        "Worn",
        "HeadUp",
        "LongPress",
        "VoiceStart",
        "packing list",
        "Removed",
    ] {
        assert!(events.contains(event), "{event}: {events}");
    }
    assert_eq!(first["answers"].as_array().unwrap().len(), 1);
    assert_eq!(first["errors"], Value::Array(Vec::new()));
}

#[test]
fn the_display_is_saved_wherever_the_recording_waits() {
    let folder = folder();
    let report = lived(&["--pictures", &path_in(&folder, "shown")]);
    let marks = report["marks"].as_array().unwrap();
    assert_eq!(marks.len(), 6);
    for mark in marks {
        let picture = fs::read(mark["picture"].as_str().unwrap()).unwrap();
        assert!(picture.starts_with(b"\x89PNG"));
    }
    // With the glasses off it is dark, and so is nothing else.
    let displays: Vec<_> = marks.iter().map(|mark| &mark["display"]).collect();
    assert!(displays[..5].iter().all(|display| *display != displays[5]));
}

#[test]
fn what_cannot_be_lived_is_named() {
    let (demo, model) = (scene("demo.toml"), fixture("qwen2-q8_0.gguf"));
    let said = run(&["replay", "/no/such.toml", &model]).refused(1);
    assert!(said.contains("/no/such.toml"), "{said}");
    let said = run(&["replay", &model, &model]).refused(1);
    assert!(said.contains("no recording"), "{said}");
    let said = run(&["replay", &demo, &model, "--board", "sensor-hub"]).refused(2);
    assert!(said.contains("runs no model"), "{said}");
    let said = run(&["replay", &demo, &demo]).refused(1);
    assert!(said.contains("not a GGUF file"), "{said}");
    let said = run(&["replay", &demo, &model, "--ctx", "100000"]).refused(1);
    assert!(said.contains("the glasses show an error"), "{said}");
}
