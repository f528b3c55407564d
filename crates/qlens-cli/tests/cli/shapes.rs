//! Models of real shapes, with nothing in their weights: what `qlens plan` says of them is what a session
//! takes, to the byte.

use std::fs::File;
use std::io::Write as _;

use memmap2::{Mmap, MmapMut};
use qlens::KvType;
use qlens::model::Model;
use qlens::plan::{Limits, Plan};
use qlens::quant::Format;
use qlens::session::Session;
use qlens::workers::Threads;
use qlens_fixtures::{Fixture, Named, Shape};
use serde_json::Value;

use crate::support::{folder, path_in, run};

/// Writes a model of this shape. Its weights are a hole: they take no space.
fn write(shape: Shape, path: &str) {
    let fixture = Fixture {
        shape,
        format: Format::Q4_0,
        seed: 0,
    };
    let mut file = File::create(path).unwrap();
    file.write_all(&fixture.head()).unwrap();
    file.set_len(fixture.bytes()).unwrap();
}

/// Layers that have keys and values.
fn attention_layers(shape: &Shape) -> usize {
    match shape.delta_net {
        Some(delta_net) => shape.n_layer / delta_net.attention_interval,
        None => shape.n_layer,
    }
}

/// Bytes of what does not grow with the context, all in f32: of each layer without keys and values a matrix a head and
/// the inputs that its convolution still needs, with two copies of these to go back to, and the convolution's kernel.
fn recurrent_state(shape: &Shape) -> usize {
    let Some(delta_net) = shape.delta_net else {
        return 0;
    };
    let v_width = delta_net.n_head_v * delta_net.head_dim_v;
    let channels = 2 * delta_net.n_head_k * delta_net.head_dim_k + v_width;
    let state = v_width * delta_net.head_dim_k + (delta_net.taps - 1) * channels;
    let layers = shape.n_layer - attention_layers(shape);
    layers * (3 * state + delta_net.taps * channels) * size_of::<f32>()
}

/// What the tool says, whether it fits or not.
fn plan(path: &str, board: &str, ctx: usize) -> Value {
    let ctx = ctx.to_string();
    let outcome = run(&["plan", path, "--board", board, "--ctx", &ctx, "--json"]);
    let report: Value = serde_json::from_str(&outcome.stdout).unwrap();
    assert_eq!(outcome.status == Some(0), report["fits"] == true);
    report
}

fn number(report: &Value, key: &str) -> usize {
    report[key].as_u64().unwrap() as usize
}

#[test]
fn a_session_takes_what_was_planned_to_the_byte() {
    let folder = folder();
    let workers = Threads::new(1);
    for named in [
        Named::Qwen25OneFive,
        Named::Qwen3ZeroSix,
        Named::Qwen35ZeroEight,
    ] {
        let (name, shape) = (format!("{named:?}"), named.shape());
        let path = path_in(&folder, &name);
        write(shape, &path);
        // SAFETY: nobody else knows the file.
        let map = unsafe { Mmap::map(&File::open(&path).unwrap()) }.unwrap();
        let model = Model::parse(&map).unwrap();
        for board in ["rokid", "qemu-virt"] {
            for ctx in [2048, 8192, 32_768] {
                let report = plan(&path, board, ctx);
                let limits = Limits {
                    context: number(&report, "context"),
                    batch: number(&report, "batch"),
                    kv: KvType::from_name(report["kv"].as_str().unwrap()).unwrap(),
                };
                assert_eq!(limits.context, ctx);
                let planned = Plan::new(model.config(), &limits).unwrap();
                let total = number(&report, "total");
                let stated = report["sections"].as_array().unwrap();
                let sum: usize = stated.iter().map(|section| number(section, "bytes")).sum();
                assert_eq!(total, sum + number(&report, "align") - 1);
                let bytes = |name: &str| {
                    let section = stated.iter().find(|section| section["name"] == name);
                    section.map_or(0, |section| number(section, "bytes"))
                };
                // Keys and values in f16.
                let kv = 2 * 2 * attention_layers(&shape) * shape.n_head_kv * shape.head_dim * ctx;
                assert_eq!(bytes("kv cache"), kv, "{name} on {board}, {ctx}");
                let state = recurrent_state(&shape);
                assert_eq!(bytes("recurrent state"), state, "{name} on {board}, {ctx}");

                // Memory that is not touched takes none.
                let mut arena = MmapMut::map_anon(total).unwrap();
                assert!(
                    Session::new(&model, &planned, &mut arena[..total - 1], &workers).is_err(),
                    "{name} on {board}, {ctx}"
                );
                Session::new(&model, &planned, &mut arena, &workers).unwrap();

                // And it fits a board if model and arena do.
                let room = report["budget_bytes"].as_u64().unwrap_or_else(|| {
                    let regions = report["regions"].as_array().unwrap();
                    let model = regions.iter().find(|region| region["usage"] == "model");
                    model.unwrap()["bytes"].as_u64().unwrap()
                });
                let pages = report["model_bytes"]
                    .as_u64()
                    .unwrap()
                    .next_multiple_of(4096);
                let free = room.checked_sub(pages + total as u64);
                assert_eq!(
                    report["free_bytes"].as_u64(),
                    free,
                    "{name} on {board}, {ctx}"
                );
            }
        }
    }
}

#[test]
fn rokid_has_room_for_long_conversations_of_the_small_models() {
    let folder = folder();
    let path = path_in(&folder, "model");
    write(Named::Qwen25OneFive.shape(), &path);
    let report = plan(&path, "rokid", 8192);
    assert_eq!(report["ram_bytes"], 1_u64 << 31);
    assert_eq!(report["fits"], true);
    let text = run(&["plan", &path, "--board", "rokid", "--ctx", "8192"]).done();
    assert!(
        text.contains("left to model and arena") && text.contains("it fits"),
        "{text}"
    );
    // No addresses where there is an operating system.
    assert!(!text.contains("0x"), "{text}");
}
