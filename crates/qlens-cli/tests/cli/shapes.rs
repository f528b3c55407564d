//! Models of real shapes, with nothing in their weights: what `qlens plan` says of them is what a session
//! takes, to the byte.

use std::fs::{self, File};
use std::io::Write as _;

use memmap2::{Mmap, MmapMut};
use qlens::KvType;
use qlens::gguf::Gguf;
use qlens::model::Model;
use qlens::plan::{Limits, Plan};
use qlens::session::Session;
use qlens::workers::Threads;
use serde_json::Value;

use crate::support::{fixture, folder, path_in, run};

/// What shapes a model, in elements.
struct Shape {
    /// Fixture of the same architecture: its metadata are taken where nothing else is said.
    fixture: &'static str,
    architecture: &'static str,
    n_layer: u64,
    n_embd: u64,
    n_ff: u64,
    n_head: u64,
    n_head_kv: u64,
    head_dim: u64,
    n_vocab: u64,
    n_ctx_train: u64,
}

const QWEN2_5_1_5B: Shape = Shape {
    fixture: "qwen2-q4_0.gguf",
    architecture: "qwen2",
    n_layer: 28,
    n_embd: 1536,
    n_ff: 8960,
    n_head: 12,
    n_head_kv: 2,
    head_dim: 128,
    n_vocab: 151_936,
    n_ctx_train: 32_768,
};

const QWEN3_0_6B: Shape = Shape {
    fixture: "qwen3-q4_k_m.gguf",
    architecture: "qwen3",
    n_layer: 28,
    n_embd: 1024,
    n_ff: 3072,
    n_head: 16,
    n_head_kv: 8,
    head_dim: 128,
    n_vocab: 151_936,
    n_ctx_train: 40_960,
};

/// ggml's numbers of types, and bytes of blocks of 32.
const F32: u32 = 0;
const Q4_0: u32 = 2;

impl Shape {
    fn keys(&self) -> Vec<(String, u64)> {
        let mut keys = vec![
            ("context_length", self.n_ctx_train),
            ("embedding_length", self.n_embd),
            ("block_count", self.n_layer),
            ("feed_forward_length", self.n_ff),
            ("attention.head_count", self.n_head),
            ("attention.head_count_kv", self.n_head_kv),
        ];
        // Where it is left out it is the embedding's width by the number of heads.
        if self.head_dim * self.n_head != self.n_embd {
            keys.push(("attention.key_length", self.head_dim));
            keys.push(("attention.value_length", self.head_dim));
        }
        keys.into_iter()
            .map(|(key, value)| (format!("{}.{key}", self.architecture), value))
            .collect()
    }

    /// Name, dimensions with the contiguous one first, and type of every tensor.
    fn tensors(&self) -> Vec<(String, Vec<u64>, u32)> {
        let (q, kv) = (self.n_head * self.head_dim, self.n_head_kv * self.head_dim);
        let mut tensors = vec![
            (
                "token_embd.weight".to_owned(),
                vec![self.n_embd, self.n_vocab],
                Q4_0,
            ),
            ("output_norm.weight".to_owned(), vec![self.n_embd], F32),
        ];
        let of_layer = |il: u64| {
            let mut layer = vec![
                ("attn_norm.weight", vec![self.n_embd], F32),
                ("ffn_norm.weight", vec![self.n_embd], F32),
                ("attn_q.weight", vec![self.n_embd, q], Q4_0),
                ("attn_k.weight", vec![self.n_embd, kv], Q4_0),
                ("attn_v.weight", vec![self.n_embd, kv], Q4_0),
                ("attn_output.weight", vec![q, self.n_embd], Q4_0),
                ("ffn_gate.weight", vec![self.n_embd, self.n_ff], Q4_0),
                ("ffn_up.weight", vec![self.n_embd, self.n_ff], Q4_0),
                ("ffn_down.weight", vec![self.n_ff, self.n_embd], Q4_0),
            ];
            layer.extend(match self.architecture {
                "qwen2" => vec![
                    ("attn_q.bias", vec![q], F32),
                    ("attn_k.bias", vec![kv], F32),
                    ("attn_v.bias", vec![kv], F32),
                ],
                _ => vec![
                    ("attn_q_norm.weight", vec![self.head_dim], F32),
                    ("attn_k_norm.weight", vec![self.head_dim], F32),
                ],
            });
            let name = move |(name, dims, kind)| (format!("blk.{il}.{name}"), dims, kind);
            layer.into_iter().map(name)
        };
        tensors.extend((0..self.n_layer).flat_map(of_layer));
        tensors
    }

    /// Writes a file of this shape. Its weights are a hole: they take no space.
    fn write(&self, path: &str) {
        let source = fs::read(fixture(self.fixture)).unwrap();
        let gguf = Gguf::parse(&source).unwrap();
        let (keys, tensors) = (self.keys(), self.tensors());
        let mut metadata: Vec<Vec<u8>> = gguf
            .encoded_metadata()
            .filter(|(name, _)| keys.iter().all(|(key, _)| key != name))
            .map(|(_, entry)| entry.to_vec())
            .collect();
        // An entry is the key, the type (4: u32) and the value.
        metadata.extend(keys.iter().map(|(key, value)| {
            let number = u32::try_from(*value).unwrap();
            [
                text(key),
                4_u32.to_le_bytes().to_vec(),
                number.to_le_bytes().to_vec(),
            ]
            .concat()
        }));
        let mut head = b"GGUF".to_vec();
        head.extend(3_u32.to_le_bytes());
        head.extend((tensors.len() as u64).to_le_bytes());
        head.extend((metadata.len() as u64).to_le_bytes());
        head.extend(metadata.concat());
        let alignment = gguf.alignment();
        let mut offset = 0_u64;
        for (name, dims, kind) in &tensors {
            head.extend(text(name));
            head.extend((dims.len() as u32).to_le_bytes());
            head.extend(dims.iter().flat_map(|dim| dim.to_le_bytes()));
            head.extend(kind.to_le_bytes());
            head.extend(offset.to_le_bytes());
            let elements: u64 = dims.iter().product();
            let bytes = match *kind {
                F32 => elements * 4,
                _ => elements / 32 * 18,
            };
            offset = (offset + bytes).next_multiple_of(alignment);
        }
        head.resize(head.len().next_multiple_of(alignment as usize), 0);
        let mut file = File::create(path).unwrap();
        file.write_all(&head).unwrap();
        file.set_len(head.len() as u64 + offset).unwrap();
    }
}

fn text(text: &str) -> Vec<u8> {
    [&(text.len() as u64).to_le_bytes()[..], text.as_bytes()].concat()
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
    for (name, shape) in [("qwen2.5-1.5b", QWEN2_5_1_5B), ("qwen3-0.6b", QWEN3_0_6B)] {
        let path = path_in(&folder, name);
        shape.write(&path);
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
                // f16 keys and values of every layer.
                let kv = 2 * 2 * shape.n_layer * shape.n_head_kv * shape.head_dim * ctx as u64;
                let cache = stated
                    .iter()
                    .find(|section| section["name"] == "kv cache")
                    .unwrap();
                assert_eq!(number(cache, "bytes") as u64, kv);

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
    QWEN2_5_1_5B.write(&path);
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
