//! `qlens models`.

use std::fs;

use serde_json::Value;

use crate::support::{Outcome, folder, qlens};

const DEFAULT: &str = "qwen2.5-coder-0.5b-instruct-q4_k_m";

fn models(cache: &tempfile::TempDir, more: &[&str]) -> Outcome {
    let args = [&["models"], more].concat();
    Outcome::of(qlens(&args).env("QLENS_CACHE", cache.path()))
}

fn named<'a>(report: &'a Value, name: &str) -> &'a Value {
    let models = report["models"].as_array().unwrap();
    models.iter().find(|model| model["name"] == name).unwrap()
}

#[test]
fn an_empty_cache_has_the_manifests() {
    let cache = folder();
    let report = models(&cache, &["--json"]).json();
    for (name, size) in [
        (DEFAULT, 491_400_064_u64),
        ("qwen2.5-coder-1.5b-instruct-q4_k_m", 1_117_320_768),
    ] {
        let model = named(&report, name);
        assert_eq!(model["size"], size);
        assert_eq!(model["cache"], "absent");
        assert_eq!(model["architecture"], "qwen2");
        assert_eq!(model["licence"], "Apache-2.0");
        assert_eq!(model["fits_from"], "manifest");
        let fits = model["fits"].as_array().unwrap();
        assert!(fits.iter().any(|fit| fit["board"] == "rokid"), "{model}");
    }
    let text = models(&cache, &[]).done();
    let line = text.lines().find(|line| line.starts_with(DEFAULT)).unwrap();
    for part in [
        "qwen2",
        "492 MB",
        "Apache-2.0",
        "absent",
        "qemu-virt 32768",
        "rokid 32768",
    ] {
        assert!(line.contains(part), "{line}");
    }
    // A look leaves nothing behind.
    assert_eq!(fs::read_dir(cache.path()).unwrap().count(), 0);
}

#[test]
fn what_a_stopped_fetch_left_is_told() {
    let cache = folder();
    let models_folder = cache.path().join("models");
    fs::create_dir(&models_folder).unwrap();
    let part = fs::File::create(models_folder.join(format!("{DEFAULT}.gguf.part"))).unwrap();
    part.set_len(491_400_064 / 4).unwrap();
    let report = models(&cache, &["--json"]).json();
    let model = named(&report, DEFAULT);
    assert_eq!(model["cache"], "partial");
    assert_eq!(model["partial_bytes"], 491_400_064 / 4);
    assert!(models(&cache, &[]).done().contains("partial 25%"));
    // As large as it should be, and nobody has looked yet whether it is the model.
    let whole = fs::File::create(models_folder.join(format!("{DEFAULT}.gguf"))).unwrap();
    whole.set_len(491_400_064).unwrap();
    assert!(models(&cache, &[]).done().contains("unverified"));
}

#[test]
fn a_wrong_manifest_is_named_behind_the_others() {
    let cache = folder();
    let models_folder = cache.path().join("models");
    fs::create_dir(&models_folder).unwrap();
    fs::write(
        models_folder.join("mine.toml"),
        "name = \"mine\"\nsise = 1\n",
    )
    .unwrap();
    let outcome = models(&cache, &[]);
    assert_eq!(outcome.status, Some(1));
    assert!(outcome.stdout.contains(DEFAULT), "{outcome:?}");
    let said = outcome.sentence();
    assert!(
        said.contains("mine.toml") && said.contains("line 2: unknown field `sise`"),
        "{said}"
    );
    // Whoever asks for that very model hears it, too.
    let asked = Outcome::of(qlens(&["inspect", "mine"]).env("QLENS_CACHE", cache.path()));
    assert!(asked.refused(1).contains("unknown field `sise`"));
}
