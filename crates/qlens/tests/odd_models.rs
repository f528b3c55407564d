//! Models that no one would train: odd widths, one head, every shape that a sound file may have. And a
//! vocabulary made so that some text cannot be encoded.

mod support;

use qlens::{
    KvType,
    chat::Chat,
    kernel::Kernel,
    model::{self, Model},
    sampler::Sampler,
    session::Error,
    tokenizer::{EncodeError, Special},
    workers::{Inline, Threads, Workers},
};
use support::{Aligned, Setup, all_logits, with_session};

/// What a file says of a model, and its vocabulary.
#[derive(Clone, Debug)]
struct Shape {
    n_embd: u32,
    n_ff: u32,
    n_head: u32,
    n_head_kv: u32,
    head_dim: u32,
    n_rot: u32,
    n_layer: u32,
    n_vocab: u32,
    /// ggml's type of the matrices: 0 F32, 1 F16, 30 BF16.
    ggml_type: u32,
    /// Beyond the 256 bytes.
    tokens: Vec<String>,
    merges: Vec<String>,
}

impl Default for Shape {
    fn default() -> Self {
        Self {
            n_embd: 6,
            n_ff: 10,
            n_head: 3,
            n_head_kv: 1,
            head_dim: 2,
            n_rot: 2,
            n_layer: 2,
            n_vocab: 256,
            ggml_type: 0,
            tokens: Vec::new(),
            merges: Vec::new(),
        }
    }
}

fn text(out: &mut Vec<u8>, text: &str) {
    out.extend((text.len() as u64).to_le_bytes());
    out.extend(text.as_bytes());
}

/// The alphabet of byte-level BPE: printable bytes stand for themselves.
fn alphabet() -> impl Iterator<Item = String> {
    let mut others = 256..;
    (0..=255_u32).map(move |b| {
        let printable = matches!(b, 33..=126 | 161..=172 | 174..=255);
        let c = if printable { b } else { others.next().unwrap() };
        char::from_u32(c).unwrap().to_string()
    })
}

impl Shape {
    fn tensors(&self) -> Vec<(String, Vec<u32>)> {
        let (n, ff) = (self.n_embd, self.n_ff);
        let (q, kv) = (self.n_head * self.head_dim, self.n_head_kv * self.head_dim);
        let mut all = vec![
            ("token_embd.weight".to_owned(), vec![n, self.n_vocab]),
            ("output_norm.weight".to_owned(), vec![n]),
        ];
        for il in 0..self.n_layer {
            for (name, dims) in [
                ("attn_norm.weight", vec![n]),
                ("attn_q.weight", vec![n, q]),
                ("attn_q.bias", vec![q]),
                ("attn_k.weight", vec![n, kv]),
                ("attn_v.weight", vec![n, kv]),
                ("attn_v.bias", vec![kv]),
                ("attn_output.weight", vec![q, n]),
                ("ffn_norm.weight", vec![n]),
                ("ffn_gate.weight", vec![n, ff]),
                ("ffn_up.weight", vec![n, ff]),
                ("ffn_down.weight", vec![ff, n]),
            ] {
                all.push((format!("blk.{il}.{name}"), dims));
            }
        }
        all
    }

    fn file(&self) -> Aligned {
        let mut out = b"GGUF\x03\0\0\0".to_vec();
        let tensors = self.tensors();
        out.extend((tensors.len() as u64).to_le_bytes());
        let numbers = [
            ("qwen2.embedding_length", self.n_embd),
            ("qwen2.feed_forward_length", self.n_ff),
            ("qwen2.attention.head_count", self.n_head),
            ("qwen2.attention.head_count_kv", self.n_head_kv),
            ("qwen2.attention.key_length", self.head_dim),
            ("qwen2.attention.value_length", self.head_dim),
            ("qwen2.rope.dimension_count", self.n_rot),
            ("qwen2.block_count", self.n_layer),
            ("qwen2.context_length", 4096),
        ];
        out.extend((numbers.len() as u64 + 6).to_le_bytes());
        for (key, value) in numbers {
            text(&mut out, key);
            out.extend(4_u32.to_le_bytes());
            out.extend(value.to_le_bytes());
        }
        text(&mut out, "qwen2.attention.layer_norm_rms_epsilon");
        out.extend(6_u32.to_le_bytes());
        out.extend(1e-6_f32.to_le_bytes());
        for (key, value) in [
            ("general.architecture", "qwen2"),
            ("tokenizer.ggml.model", "gpt2"),
            ("tokenizer.ggml.pre", "qwen2"),
        ] {
            text(&mut out, key);
            out.extend(8_u32.to_le_bytes());
            text(&mut out, value);
        }
        let tokens: Vec<String> = alphabet().chain(self.tokens.iter().cloned()).collect();
        for (key, array) in [
            ("tokenizer.ggml.tokens", &tokens),
            ("tokenizer.ggml.merges", &self.merges),
        ] {
            text(&mut out, key);
            out.extend(9_u32.to_le_bytes());
            out.extend(8_u32.to_le_bytes());
            out.extend((array.len() as u64).to_le_bytes());
            for entry in array {
                text(&mut out, entry);
            }
        }
        let mut data = Vec::new();
        let mut random = 1_u32;
        for (name, dims) in &tensors {
            let ggml_type = if dims.len() == 1 { 0 } else { self.ggml_type };
            text(&mut out, name);
            out.extend((dims.len() as u32).to_le_bytes());
            for &dim in dims {
                out.extend(u64::from(dim).to_le_bytes());
            }
            out.extend(ggml_type.to_le_bytes());
            data.resize(usize::next_multiple_of(data.len(), 32), 0);
            out.extend((data.len() as u64).to_le_bytes());
            for _ in 0..dims.iter().product() {
                random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let value = (random >> 8) as f32 / (1 << 23) as f32 - 1.0;
                match ggml_type {
                    0 => data.extend(value.to_le_bytes()),
                    1 => data.extend(half::f16::from_f32(value).to_le_bytes()),
                    _ => data.extend(half::bf16::from_f32(value).to_le_bytes()),
                }
            }
        }
        out.resize(out.len().next_multiple_of(32), 0);
        out.extend(data);
        Aligned::from(out.as_slice())
    }
}

#[test]
fn odd_shapes_give_the_same_on_every_kernel_batch_and_pool() {
    let shape = |n_embd, n_ff, (n_head, n_head_kv), (head_dim, n_rot), ggml_type| Shape {
        n_embd,
        n_ff,
        n_head,
        n_head_kv,
        head_dim,
        n_rot,
        ggml_type,
        ..Shape::default()
    };
    let tokens: Vec<u32> = (0..23).map(|i| i * 11 % 256).collect();
    let threads = Threads::new(3);
    for shape in [
        Shape::default(),
        shape(1, 1, (1, 1), (2, 2), 0),
        shape(42, 50, (3, 3), (14, 14), 1),
        shape(45, 33, (5, 1), (22, 6), 30),
        shape(17, 31, (4, 2), (1, 2), 0),
        shape(70, 100, (7, 1), (98, 34), 1),
        shape(16, 16, (1, 1), (130, 130), 0),
        shape(16, 20, (10, 2), (96, 10), 1),
        Shape {
            n_vocab: 300,
            n_layer: 1,
            ..Shape::default()
        },
    ] {
        let file = shape.file();
        if shape.n_rot > shape.head_dim {
            assert!(Model::parse(&file).is_err(), "{shape:?}");
            continue;
        }
        let kvs = KvType::ALL.into_iter();
        for kv in kvs.filter(|kv| kv.row_bytes(shape.head_dim as usize).is_some()) {
            let logits = |kernel, batch, workers: &dyn Workers| {
                let setup = Setup {
                    kernel,
                    batch,
                    context: 40,
                    kv,
                };
                with_session(&file, setup, workers, |mut s| all_logits(&mut s, &tokens))
            };
            let expected = logits(Kernel::Scalar, 1, &Inline);
            assert_eq!(expected.len(), tokens.len() * shape.n_vocab as usize);
            assert!(expected.iter().all(|x| x.is_finite()), "{shape:?}");
            for kernel in Kernel::ALL.into_iter().filter(|k| k.is_available()) {
                for (batch, workers) in [(1, &Inline as &dyn Workers), (5, &Inline), (40, &threads)]
                {
                    let got = logits(kernel, batch, workers);
                    let same = got
                        .iter()
                        .zip(&expected)
                        .all(|(a, b)| a.to_bits() == b.to_bits());
                    assert!(same, "{kernel}, {kv} cache, batches of {batch}: {shape:?}");
                }
            }
        }
    }
}

/// A vocabulary of pairs of codes in which the last pair of a word merges first, so that where a word
/// ends decides how it begins, however long it is.
fn undecided() -> (Shape, String) {
    let code = |i: usize| {
        format!(
            "{}{}zz",
            (b'A' + (i / 25) as u8) as char,
            (b'a' + (i % 25) as u8) as char
        )
    };
    let codes: Vec<String> = (0..513).map(code).collect();
    let mut shape = Shape::default();
    shape.tokens.push("zz".to_owned());
    shape.merges.push("z z".to_owned());
    for code in &codes {
        shape.tokens.extend([code[..2].to_owned(), code.clone()]);
        shape.merges.push(format!("{} {}", &code[..1], &code[1..2]));
        shape.merges.push(format!("{} zz", &code[..2]));
    }
    for pair in codes.windows(2).rev() {
        shape.tokens.push(pair.concat());
        shape.merges.push(pair.join(" "));
    }
    shape.n_vocab = 256 + shape.tokens.len() as u32;
    (shape, codes.concat())
}

#[test]
fn more_layers_than_any_model_has_are_refused_at_once() {
    let shape = |n_layer| Shape {
        n_layer,
        ..Shape::default()
    };
    assert!(Model::parse(&shape(256).file()).is_ok());
    assert_eq!(
        Model::parse(&shape(257).file()).err(),
        Some(model::Error::OutOfRange {
            key: "block_count",
            found: 257,
            most: 256
        })
    );
}

#[test]
fn a_text_that_cannot_be_encoded_leaves_an_empty_context() {
    let (shape, word) = undecided();
    let file = shape.file();
    let setup = Setup {
        context: 1024,
        ..Setup::default()
    };
    with_session(&file, setup, &Inline, |mut s| {
        let before = "before it, a text of many tokens";
        s.set_max_tokens(Some(2));
        for prefilled in [false, true] {
            for by_chat in [true, false] {
                s.clear();
                s.feed_text(before, Special::Plain).unwrap();
                s.prefill(&mut ()).unwrap();
                s.feed_tokens(&[]).unwrap();
                if prefilled {
                    s.prefill(&mut ()).unwrap();
                }
                let fed = if by_chat {
                    s.feed(&Chat::new().user(&word))
                } else {
                    s.feed_text(&word, Special::Plain)
                };
                assert!(
                    matches!(fed, Err(Error::Encode(EncodeError::Undecided { .. }))),
                    "{fed:?}"
                );
                assert!(s.tokens().is_empty());
                let next = s.next(&mut Sampler::greedy(), &mut ()).map(drop);
                assert_eq!(next, Err(Error::EmptyPrompt));
            }
        }
        // And the session is as good as new.
        s.feed_text(before, Special::Plain).unwrap();
        assert!(s.next(&mut Sampler::greedy(), &mut ()).unwrap().is_some());
    });
}
