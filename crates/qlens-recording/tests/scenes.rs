//! The scenes of the repository, rendered: the same bytes on every machine, and what a hub tells of them.
//!
//! `QLENS_BLESS=1 cargo test -p qlens-recording --test scenes` writes what is expected anew; read it before it is
//! committed.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use proptest::prelude::*;
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

/// The recording of a scene, which has to be whole, in the order of time, and have the scene's waits.
fn sound_recording(scene: &Scene) -> File {
    let file = File::new(render(scene)).expect("a recording");
    let (mut last_us, mut waits) = (0, Vec::new());
    for frame in file.frames() {
        assert_eq!(frame.fault, None);
        assert!(last_us <= frame.at_us);
        last_us = frame.at_us;
        waits.extend(frame.wait);
    }
    assert_eq!(file.cut(), None);
    assert_eq!(file.start_unix_s(), scene.start_unix_s);
    assert_eq!(waits, scene.waits().map(|wait| wait.0).collect::<Vec<_>>());
    file
}

#[test]
fn each_scene_is_heard_as_it_is_said() {
    for path in scenes() {
        let scene = Scene::read(&path).unwrap_or_else(|error| panic!("{error}"));
        let file = sound_recording(&scene);
        let told = events(file.frames());
        let unheard = told
            .iter()
            .find(|told| matches!(told.what, What::Unheard(_)));
        assert_eq!(unheard, None);
    }
}

/// The example that people copy.
#[test]
fn the_scene_in_the_description_can_be_followed() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../traces");
    let text = fs::read_to_string(folder.join("README.md")).expect("is there");
    let (_, example) = text.split_once("```toml\n").expect("an example");
    let (example, _) = example.split_once("```").expect("its end");
    let scene = Scene::parse(example, &folder).unwrap_or_else(|error| panic!("{error}"));
    let told = events(sound_recording(&scene).frames());
    let heard = told.iter().any(|told| matches!(told.what, What::Speech(_)));
    assert!(heard, "{told:?}");
}

/// Something that can be done at any time.
fn entry() -> impl Strategy<Value = String> {
    let done = prop_oneof![
        Just("touch = \"tap\"".to_string()),
        Just("touch = \"double-tap\"".to_string()),
        Just("touch = \"long-press\"".to_string()),
        prop::sample::select(vec!["forward", "back", "up", "down"])
            .prop_map(|way| format!("swipe = \"{way}\"")),
        (-80..=80).prop_map(|pitch| format!("look = {pitch}")),
        any::<bool>().prop_map(|walks| format!("walk = {walks}")),
        (0..83_000).prop_map(|lux| format!("light = {lux}")),
        (0..=100).prop_map(|percent| format!("battery = {{ percent = {percent} }}")),
        (-55..=150).prop_map(|degrees| format!("temperature = {degrees}")),
        any::<u32>().prop_map(|name| format!("wait = \"{name}\"")),
        Just("speak = { sound = \"speech/en-1.ul\", words = \"字\" }".to_string()),
    ];
    (0.0..2.0, done).prop_map(|(after, done)| format!("[[do]]\nafter = {after}\n{done}\n"))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Whatever is done, its recording is whole, and the same each time.
    #[test]
    fn what_is_rendered_is_whole(
        noise in 0.0..=2.0,
        seed in 0..u64::from(u32::MAX),
        background in -96..-10,
        entries in prop::collection::vec(entry(), 0..8),
    ) {
        let text = format!(
            "about = \"anything\"\nstart = 1999-12-31T23:59:59\nnoise = {noise}\nseed = {seed}\nbackground = {background}\n{}",
            entries.concat()
        );
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../traces");
        let scene = Scene::parse(&text, &folder).map_err(|error| TestCaseError::fail(error.to_string()))?;
        sound_recording(&scene);
        prop_assert!(render(&scene) == render(&scene));
    }
}
