//! The scenes of the repository, rendered: the same bytes on every machine, and what a hub tells of them.
//!
//! `QLENS_BLESS=1 cargo test -p qlens-recording --test scenes` writes what is expected anew; read it before it is
//! committed.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use qlens_recording::events::{What, events};
use qlens_recording::file::File;
use qlens_recording::render::render;
use qlens_recording::scene::Scene;
use sha2::{Digest as _, Sha256};

/// The scenes of the folder `traces/`.
fn scenes() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../traces");
    let entries = fs::read_dir(folder).expect("the folder is there");
    let paths = entries.map(|entry| entry.expect("is read").path());
    let mut scenes: Vec<_> = paths
        .filter(|path| path.extension().is_some_and(|end| end == "toml"))
        .collect();
    scenes.sort();
    scenes
}

/// SHA-256 of the recording, and its events.
fn describe(recording: Vec<u8>) -> String {
    let mut text = String::new();
    for byte in Sha256::digest(&recording) {
        write!(text, "{byte:02x}").expect("a string takes it");
    }
    text.push('\n');
    let file = File::new(recording).expect("a recording");
    for told in events(file.frames()) {
        let seconds = told.at_us as f64 / 1e6;
        writeln!(text, "{seconds:8.3} {}", told.what).expect("a string takes it");
    }
    text
}

#[test]
fn each_scene_gives_its_bytes_and_its_events() {
    let expected = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/expected");
    let scenes = scenes();
    assert!(scenes.len() >= 2);
    for path in scenes {
        let scene = Scene::read(&path).unwrap_or_else(|error| panic!("{error}"));
        let text = describe(render(&scene));
        let name = path.file_stem().expect("has a name").to_string_lossy();
        let kept = expected.join(format!("{name}.txt"));
        if std::env::var_os("QLENS_BLESS").is_some() {
            fs::write(&kept, &text).expect("is written");
        }
        let kept = fs::read_to_string(&kept).unwrap_or_default();
        assert!(text == kept, "{name}: expected\n{kept}\nfound\n{text}");
    }
}

#[test]
fn recordings_of_scenes_are_whole_and_in_the_order_of_time() {
    for path in scenes() {
        let scene = Scene::read(&path).unwrap_or_else(|error| panic!("{error}"));
        let file = File::new(render(&scene)).expect("a recording");
        let (mut last_us, mut waits) = (0, Vec::new());
        for frame in file.frames() {
            assert_eq!(frame.fault, None);
            assert!(last_us <= frame.at_us);
            last_us = frame.at_us;
            waits.extend(frame.wait);
        }
        assert_eq!(file.cut(), None);
        assert_eq!(file.start_unix_s(), scene.start_unix_s);
        let said: Vec<_> = scene.waits().map(|wait| wait.0).collect();
        assert_eq!(waits, said);
        let told = events(file.frames());
        let unheard = told
            .iter()
            .find(|told| matches!(told.what, What::Unheard(_)));
        assert_eq!(unheard, None);
    }
}
