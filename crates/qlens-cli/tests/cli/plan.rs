//! `qlens plan`.

use std::fs::{self, File};

use qlens::KvType;
use qlens_board::description::KvCache;
use serde_json::Value;

use crate::support::{folder, model, path_in, run};

fn plan(model: &str, more: &[&str]) -> Value {
    run(&[&["plan", model, "--board", "qemu-virt", "--json"], more].concat()).json()
}

#[test]
fn the_total_is_the_sections_and_the_slack() {
    for more in [&[][..], &["--ctx", "17"], &["--ctx", "512", "--batch", "1"]] {
        let report = plan(&model(), more);
        let sections = report["sections"].as_array().unwrap();
        let sum: u64 = sections
            .iter()
            .map(|section| section["bytes"].as_u64().unwrap())
            .sum();
        let align = report["align"].as_u64().unwrap();
        assert_eq!(
            report["total"].as_u64().unwrap(),
            sum + align - 1,
            "{report}"
        );
        assert!(
            sections
                .iter()
                .all(|section| section["bytes"].as_u64().unwrap().is_multiple_of(align))
        );
        assert_eq!(report["fits"], true);
        assert_eq!(report["longest_context"], 512);
    }
}

#[test]
fn the_arena_is_what_a_session_then_takes() {
    for (ctx, batch, kv) in [
        ("40", "8", "f16"),
        ("512", "32", "f16"),
        ("100", "8", "q8_0"),
    ] {
        let plan = plan(&model(), &["--ctx", ctx, "--batch", batch, "--kv", kv]);
        assert_eq!(plan["kv"], kv);
        let planned = plan["total"].clone();
        let report = run(&[
            "generate",
            &model(),
            "--tokens",
            "1",
            "-n",
            "1",
            "--json",
            "--ctx",
            ctx,
            "--batch",
            batch,
            "--kv",
            kv,
        ]);
        assert_eq!(report.json()["stats"]["arena_bytes"], planned);
    }
}

#[test]
fn a_q8_0_cache_leaves_room() {
    let cache = |kv: &[&str]| {
        let report = plan(&model(), kv);
        let sections = report["sections"].as_array().unwrap().iter();
        let mut cache = sections.filter(|section| section["name"] == "kv cache");
        cache.next().unwrap()["bytes"].as_u64().unwrap()
    };
    // What the board states is f16.
    let whole = cache(&[]);
    assert_eq!(cache(&["--kv", "f16"]), whole);
    assert_eq!(cache(&["--kv", "q8_0"]), whole * 17 / 32);
    // Every type that a board may state is one of the runtime.
    for kv in [KvCache::F16, KvCache::Q8_0] {
        assert!(KvType::from_name(kv.name()).is_some());
    }
}

#[test]
fn the_boards_regions_are_shown() {
    let report = plan(&model(), &[]);
    let regions = report["regions"].as_array().unwrap();
    let usages: Vec<&str> = regions
        .iter()
        .map(|region| region["usage"].as_str().unwrap())
        .collect();
    assert!(
        usages.contains(&"model")
            && usages.contains(&"firmware")
            && usages.contains(&"reserved: device tree")
    );
    let ends = regions
        .iter()
        .map(|region| region["start"].as_u64().unwrap() + region["bytes"].as_u64().unwrap());
    assert!(
        ends.clone()
            .zip(regions.iter().skip(1))
            .all(|(end, next)| end <= next["start"].as_u64().unwrap())
    );
    assert!(
        run(&["plan", &model(), "--board", "qemu-virt"])
            .done()
            .contains("it fits")
    );
}

/// The fixture model with so much behind it that it leaves `room` bytes for an arena on the board. The
/// file has holes: it takes no space.
fn padded(path: &str, room: u64) {
    fs::copy(model(), path).unwrap();
    let regions = plan(&model(), &[])["regions"].clone();
    let region = regions
        .as_array()
        .unwrap()
        .iter()
        .find(|region| region["usage"] == "model")
        .unwrap()["bytes"]
        .clone();
    File::options()
        .write(true)
        .open(path)
        .unwrap()
        .set_len(region.as_u64().unwrap() - room)
        .unwrap();
}

#[test]
fn what_does_not_fit_is_refused_with_the_longest_context_that_does() {
    let folder = folder();
    let path = path_in(&folder, "big.gguf");
    let total = |ctx: &str| plan(&model(), &["--ctx", ctx])["total"].as_u64().unwrap();
    let room = u64::midpoint(total("1"), total("512")) / 4096 * 4096;
    padded(&path, room);

    let refused = run(&[
        "plan",
        &path,
        "--board",
        "qemu-virt",
        "--ctx",
        "512",
        "--json",
    ]);
    assert_eq!(refused.status, Some(1));
    let report: Value = serde_json::from_str(&refused.stdout).unwrap();
    assert_eq!(
        (&report["fits"], &report["free_bytes"]),
        (&false.into(), &Value::Null)
    );
    let longest = report["longest_context"].as_u64().unwrap();
    assert!((2..512).contains(&longest), "{longest}");
    let said = refused.sentence();
    assert!(
        said.contains(&format!("--ctx {longest}")) && said.contains("bytes missing"),
        "{said}"
    );

    assert_eq!(plan(&path, &["--ctx", &longest.to_string()])["fits"], true);
    let beyond = (longest + 1).to_string();
    assert_eq!(
        run(&["plan", &path, "--board", "qemu-virt", "--ctx", &beyond]).status,
        Some(1)
    );
    assert!(total(&beyond) > room && total(&longest.to_string()) <= room);
}

#[test]
fn a_model_that_leaves_no_room_says_so() {
    let folder = folder();
    let path = path_in(&folder, "big.gguf");
    padded(&path, 0);
    let refused = run(&["plan", &path, "--board", "qemu-virt"]);
    assert_eq!(refused.status, Some(1));
    assert!(
        refused.sentence().contains("a smaller model is needed"),
        "{refused:?}"
    );
}

#[test]
fn an_unknown_board_lists_those_there_are() {
    let said = run(&["plan", &model(), "--board", "toaster"]).refused(2);
    assert!(
        said.contains("\"toaster\"") && said.contains("qemu-virt"),
        "{said}"
    );
}

#[test]
fn a_context_longer_than_the_model_knows_is_refused() {
    let said = run(&["plan", &model(), "--board", "qemu-virt", "--ctx", "513"]).refused(1);
    assert!(said.contains("1 to 512"), "{said}");
}
