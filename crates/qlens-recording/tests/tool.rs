//! The tool `recording`, as it is called.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;

const DEMO: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../traces/demo.toml");

fn call(folder: &TempDir, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_recording"));
    let output = command.args(args).current_dir(folder).output();
    output.expect("it starts")
}

/// What it prints when all goes well, and what it says.
fn told(folder: &TempDir, args: &[&str]) -> (String, String) {
    let output = call(folder, args);
    let said = String::from_utf8(output.stderr).expect("is text");
    assert!(output.status.success(), "{args:?}: {said}");
    (String::from_utf8(output.stdout).expect("is text"), said)
}

/// What it says when it does not.
fn refusal(folder: &TempDir, args: &[&str]) -> String {
    let output = call(folder, args);
    assert_eq!(output.status.code(), Some(1), "{args:?}");
    assert!(output.stdout.is_empty(), "{args:?}");
    String::from_utf8(output.stderr).expect("is text")
}

#[test]
fn a_scene_becomes_a_recording_a_table_and_a_picture() {
    let folder = TempDir::new().expect("a folder");
    let (printed, said) = told(&folder, &["render", DEMO, "demo.qrec"]);
    assert_eq!(printed, "");
    assert!(said.contains("6 waits"), "{said}");

    let (info, said) = told(&folder, &["info", "demo.qrec", "--json"]);
    assert_eq!(said, "");
    let info: Value = serde_json::from_str(&info).expect("JSON");
    let rate = |sensor: &str| info["kinds"][sensor]["hz"].as_f64().expect("a number");
    for (sensor, hz) in [
        ("touch", 100.0),
        ("imu", 200.0),
        ("proximity", 20.0),
        ("light", 10.0),
        ("microphone", 50.0),
    ] {
        assert!(
            (rate(sensor) / hz - 1.0).abs() < 0.01,
            "{sensor}: {}",
            rate(sensor)
        );
    }
    assert_eq!(info["marks"].as_array().map(Vec::len), Some(6));
    assert_eq!(
        (&info["damaged"], &info["backwards"]),
        (&0.into(), &0.into())
    );

    let (events, _) = told(&folder, &["events", "demo.qrec", "--json"]);
    let kinds: Vec<String> = events
        .lines()
        .map(|line| {
            serde_json::from_str::<Value>(line).expect("JSON")["kind"]
                .as_str()
                .expect("a kind")
                .into()
        })
        .collect();
    assert!(
        kinds.ends_with(&["tap", "double-tap", "mark", "removed", "mark"].map(String::from)),
        "{kinds:?}"
    );

    told(&folder, &["csv", "demo.qrec", "demo.csv"]);
    told(&folder, &["from-csv", "demo.csv", "again.qrec"]);
    let [first, again] = ["demo.qrec", "again.qrec"]
        .map(|name| fs::read(folder.path().join(name)).expect("is there"));
    assert!(first == again);

    told(&folder, &["draw", "demo.qrec", "demo.png"]);
    let picture = fs::File::open(folder.path().join("demo.png")).expect("is there");
    let reader = png::Decoder::new(std::io::BufReader::new(picture))
        .read_info()
        .expect("a PNG");
    assert_eq!(reader.info().width, 1600);
    let (drawn, _) = told(&folder, &["draw", "demo.qrec"]);
    assert!(
        drawn.contains("head up") && drawn.contains("packing list"),
        "{drawn}"
    );
}

#[test]
fn a_recording_that_ends_within_a_frame_is_read_until_there() {
    let folder = TempDir::new().expect("a folder");
    let path = |name: &str| folder.path().join(name);
    told(&folder, &["render", DEMO, "demo.qrec"]);
    let mut bytes = fs::read(path("demo.qrec")).expect("is there");
    let middle = bytes.len() / 2;
    let end = middle
        + bytes[middle..]
            .iter()
            .position(|&byte| byte == 0)
            .expect("a frame's end");
    bytes.truncate(end + 6);
    // And one frame before it is damaged.
    bytes[1000] ^= 1;
    fs::write(path("cut.qrec"), &bytes).expect("is written");
    let (info, said) = told(&folder, &["info", "cut.qrec", "--json"]);
    let info: Value = serde_json::from_str(&info).expect("JSON");
    assert_eq!(info["cut_at_byte"], end + 1);
    assert_eq!(info["damaged"], 1);
    let cut = format!(
        "middle of the frame at byte {}: its 5 bytes are left out",
        end + 1
    );
    assert!(said.contains(&cut), "{said}");
    assert!(
        said.contains("a frame that is damaged or cut: left out"),
        "{said}"
    );
}

#[test]
fn what_cannot_be_done_is_said_in_a_sentence_and_leaves_nothing() {
    let folder = TempDir::new().expect("a folder");
    let path = |name: &str| folder.path().join(name);
    fs::write(
        path("wrong.toml"),
        "about = \"a\"\nstart = 2026-05-04T09:41:00\n[[do]]\nlook = 99\n",
    )
    .expect("is written");
    fs::write(
        path("wrong.csv"),
        "time_us,sensor,value...\n0,start,1,0\n1,light,bright\n",
    )
    .expect("is written");
    for (args, expected) in [
        (
            &["render", "wrong.toml", "out"][..],
            "error: wrong.toml:4: `look` is 99",
        ),
        (
            &["render", "none.toml", "out"],
            "error: none.toml: cannot be read",
        ),
        (
            &["render", DEMO, "none/out"],
            "error: none/out cannot be written",
        ),
        (&["info", "wrong.toml"], "error: wrong.toml: no recording"),
        (&["events", "none"], "error: none: cannot be read"),
        (&["draw", "none", "out"], "error: none: cannot be read"),
        (
            &["from-csv", "wrong.csv", "out"],
            "error: wrong.csv: line 3: word is \"bright\"",
        ),
        (
            &["from-csv", "none.csv", "out"],
            "error: none.csv: No such file",
        ),
    ] {
        let said = refusal(&folder, args);
        assert!(said.starts_with(expected), "{args:?}: {said}");
        assert_eq!(said.lines().count(), 1, "{said}");
    }
    assert!(!Path::new(&path("out")).exists());
}

#[test]
fn a_chart_of_anything_ends() {
    let folder = TempDir::new().expect("a folder");
    let marks = (0..5_000).map(|number| format!("{number},mark,{number},0"));
    let head = ["time_us,sensor,value...", "0,start,1,0"].map(String::from);
    let last = format!("{},light,65535", u64::MAX);
    let lines: Vec<String> = head.into_iter().chain(marks).chain([last]).collect();
    fs::write(folder.path().join("wild.csv"), lines.join("\n")).expect("is written");
    told(&folder, &["from-csv", "wild.csv", "wild.qrec"]);
    told(&folder, &["draw", "wild.qrec", "wild.png"]);
    let (drawn, _) = told(&folder, &["draw", "wild.qrec"]);
    assert!(drawn.contains("mark 4999"), "{drawn}");
}
