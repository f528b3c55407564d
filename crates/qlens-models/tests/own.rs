//! Manifests that people write themselves.

use std::fs;
use std::path::{Path, PathBuf};

use qlens_models::{Cache, DEFAULT, catalog};

const TOY: &str = r#"
name = "toy"
architecture = "qwen3"
file = "toy.gguf"
size = 10
sha256 = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
licence = "Apache-2.0"

[[source]]
kind = "hugging-face"
repository = "owner/toy-GGUF"
"#;

/// A folder of somebody's manifests, and a cache in it.
fn scene(test: &str) -> (PathBuf, Cache) {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("own-{test}"));
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    let cache = Cache::at(folder.join("cache"));
    (folder, cache)
}

fn written(folder: &Path, name: &str, text: &str) -> PathBuf {
    let path = folder.join(name);
    fs::write(&path, text).unwrap();
    path
}

#[test]
fn one_is_known_by_its_name_once_it_was_shown() {
    let (folder, cache) = scene("known");
    assert_eq!(cache.find("toy").unwrap(), None);
    let toy = cache.adopt(&written(&folder, "mine.toml", TOY)).unwrap();
    assert_eq!(cache.find("toy").unwrap(), Some(toy.clone()));
    let (known, wrong) = cache.known().unwrap();
    assert_eq!(known.len(), catalog().unwrap().len() + 1);
    assert!(known.contains(&toy) && wrong.is_empty());

    // A better one takes its place.
    let better = TOY.replace("size = 10", "size = 11");
    cache
        .adopt(&written(&folder, "mine.toml", &better))
        .unwrap();
    assert_eq!(cache.find("toy").unwrap().unwrap().size, 11);
    assert_eq!(cache.known().unwrap().0.len(), known.len());
    let names: Vec<_> = fs::read_dir(cache.folder())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(names, ["toy.toml"]);
}

#[test]
fn one_that_is_compiled_in_needs_no_copy() {
    let (_, cache) = scene("copy");
    let shipped = format!("{}/../../models/{DEFAULT}.toml", env!("CARGO_MANIFEST_DIR"));
    assert_eq!(cache.adopt(Path::new(&shipped)).unwrap().name, DEFAULT);
    assert!(!cache.folder().exists());
}

#[test]
fn wrong_ones_are_refused_by_their_path_and_not_kept() {
    let (folder, cache) = scene("wrong");
    for (from, to, says) in [
        ("size = 10", "size = 0", "`size` is 0"),
        ("licence = \"Apache-2.0\"", "", "missing field `licence`"),
        ("licence", "license", "unknown field `license`"),
        ("\"toy.gguf\"", "\"../toy.gguf\"", "plain file name"),
        ("\"toy.gguf\"", "\"toy.gguf.toml\"", "ends in .gguf"),
        ("ba7816bf", "ba7816b", "64 hexadecimal digits"),
        ("name = \"toy\"", "name = \"..\"", "letters, digits"),
        (
            "\"toy\"",
            &format!("\"{DEFAULT}\""),
            "another model has this name",
        ),
        ("toy.gguf", &format!("{DEFAULT}.gguf"), "is the file of"),
        ("name", "\u{0}", "not a model manifest: line 2"),
    ] {
        let text = TOY.replace(from, to);
        assert_ne!(text, TOY);
        let path = written(&folder, "mine.toml", &text);
        let said = cache.adopt(&path).unwrap_err().to_string();
        assert!(said.contains(says), "{to}: {said}");
        assert!(said.starts_with(path.to_str().unwrap()), "{said}");
        assert!(said.contains("models/README.md"), "{said}");
        assert_eq!(said.lines().count(), 1, "{said}");
        assert!(!cache.folder().exists(), "{to}");
    }
    let said = cache.adopt(&folder).unwrap_err().to_string();
    assert!(said.contains("regular file"), "{said}");
    let said = cache
        .adopt(&folder.join("none.toml"))
        .unwrap_err()
        .to_string();
    assert!(
        said.contains("cannot read") && said.contains("none.toml"),
        "{said}"
    );
}

#[test]
fn wrong_ones_in_the_cache_do_not_hide_the_others() {
    let (_, cache) = scene("hidden");
    fs::create_dir_all(cache.folder()).unwrap();
    written(cache.folder(), "toy.toml", TOY);
    written(cache.folder(), "bad.toml", "name = 1");
    written(cache.folder(), "renamed.toml", &TOY.replace("toy", "other"));
    let (known, wrong) = cache.known().unwrap();
    assert!(known.iter().any(|manifest| manifest.name == "toy"));
    let said: Vec<String> = wrong.iter().map(ToString::to_string).collect();
    assert_eq!(said.len(), 2, "{said:?}");
    assert!(said[0].contains("bad.toml") && said[1].contains("has to be called other.toml"));
    assert!(
        cache
            .find("bad")
            .unwrap_err()
            .to_string()
            .contains("bad.toml")
    );
    assert!(cache.find("toy").unwrap().is_some());
    // What is no name is not looked for in other folders.
    assert_eq!(cache.find("../cache/toy").unwrap(), None);
}
