//! Checkpoints as Hugging Face's library stores them, from GGUF files: the way back from what is tested.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use qlens::gguf::Gguf;
use safetensors::Dtype;
use safetensors::tensor::{TensorView, serialize};
use serde_json::{Value as Json, json};

/// What a layer's tensors are called in a checkpoint.
const LAYER: [(&str, &str); 24] = [
    ("attn_norm.weight", "input_layernorm.weight"),
    ("ffn_norm.weight", "post_attention_layernorm.weight"),
    (
        "post_attention_norm.weight",
        "post_attention_layernorm.weight",
    ),
    ("attn_q.weight", "self_attn.q_proj.weight"),
    ("attn_k.weight", "self_attn.k_proj.weight"),
    ("attn_v.weight", "self_attn.v_proj.weight"),
    ("attn_output.weight", "self_attn.o_proj.weight"),
    ("attn_q.bias", "self_attn.q_proj.bias"),
    ("attn_k.bias", "self_attn.k_proj.bias"),
    ("attn_v.bias", "self_attn.v_proj.bias"),
    ("attn_q_norm.weight", "self_attn.q_norm.weight"),
    ("attn_k_norm.weight", "self_attn.k_norm.weight"),
    ("attn_qkv.weight", "linear_attn.in_proj_qkv.weight"),
    ("attn_gate.weight", "linear_attn.in_proj_z.weight"),
    ("ssm_conv1d.weight", "linear_attn.conv1d.weight"),
    ("ssm_dt.bias", "linear_attn.dt_bias"),
    ("ssm_a", "linear_attn.A_log"),
    ("ssm_beta.weight", "linear_attn.in_proj_b.weight"),
    ("ssm_alpha.weight", "linear_attn.in_proj_a.weight"),
    ("ssm_norm.weight", "linear_attn.norm.weight"),
    ("ssm_out.weight", "linear_attn.out_proj.weight"),
    ("ffn_gate.weight", "mlp.gate_proj.weight"),
    ("ffn_up.weight", "mlp.up_proj.weight"),
    ("ffn_down.weight", "mlp.down_proj.weight"),
];

/// The expressions of the two pre-tokenizers.
const QWEN2: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
const QWEN35: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

/// A tensor of a checkpoint.
#[derive(Clone)]
pub struct Tensor {
    pub dtype: Dtype,
    pub shape: Vec<usize>,
    pub data: Vec<u8>,
}

impl Tensor {
    /// Of zeros.
    pub fn zeros(dtype: Dtype, shape: &[usize]) -> Self {
        let bytes = shape.iter().product::<usize>() * dtype.bitsize() / 8;
        Self {
            dtype,
            shape: shape.to_vec(),
            data: vec![0; bytes],
        }
    }

    fn row_bytes(&self) -> usize {
        self.shape.last().unwrap() * self.dtype.bitsize() / 8
    }
}

/// What a checkpoint's files hold.
#[derive(Clone)]
pub struct Checkpoint {
    pub tensors: BTreeMap<String, Tensor>,
    pub config: Json,
    pub tokenizer: Json,
    pub settings: Json,
}

impl Checkpoint {
    /// The checkpoint whose conversion gives this file: of F32, F16 and BF16, and without blocks that predict
    /// further tokens. Names begin with `prefix`.
    pub fn of(gguf: &Gguf<'_>, prefix: &str) -> Self {
        let mut tensors = BTreeMap::new();
        for tensor in gguf.tensors() {
            let name = name_of(tensor.name, prefix);
            tensors.insert(name, taken_apart(gguf, &tensor));
        }
        Self {
            tensors,
            config: config(gguf),
            tokenizer: tokenizer(gguf),
            settings: json!({"eos_token": "<|im_end|>", "bos_token": {"content": "<|endoftext|>"},
                "pad_token": "<|endoftext|>", "add_bos_token": false}),
        }
    }

    /// Writes it with its tensors in this many files; with an index if they are several.
    pub fn write(&self, dir: &Path, shards: usize) {
        fs::create_dir_all(dir).unwrap();
        let put = |name: &str, value: &Json| fs::write(dir.join(name), value.to_string()).unwrap();
        put("config.json", &self.config);
        put("tokenizer.json", &self.tokenizer);
        put("tokenizer_config.json", &self.settings);
        let views: Vec<_> = self
            .tensors
            .iter()
            .map(|(name, t)| {
                let view = TensorView::new(t.dtype, t.shape.clone(), &t.data).unwrap();
                (name, view)
            })
            .collect();
        let mut index = serde_json::Map::new();
        for (i, part) in views.chunks(views.len().div_ceil(shards)).enumerate() {
            let file = match shards {
                1 => "model.safetensors".to_owned(),
                _ => format!("model-{:05}-of-{shards:05}.safetensors", i + 1),
            };
            for (name, _) in part {
                index.insert((*name).clone(), json!(file));
            }
            let bytes = serialize(part.iter().map(|(name, view)| (*name, view)), None).unwrap();
            fs::write(dir.join(file), bytes).unwrap();
        }
        if shards > 1 {
            let index = json!({"metadata": {}, "weight_map": index});
            put("model.safetensors.index.json", &index);
        }
    }
}

/// The checkpoint's name of a tensor.
fn name_of(name: &str, prefix: &str) -> String {
    match name {
        "token_embd.weight" => format!("{prefix}embed_tokens.weight"),
        "output_norm.weight" => format!("{prefix}norm.weight"),
        "output.weight" => "lm_head.weight".to_owned(),
        _ => {
            let (layer, name) = name.strip_prefix("blk.").unwrap().split_once('.').unwrap();
            let found = LAYER.iter().find(|(ours, _)| *ours == name).unwrap();
            format!("{prefix}layers.{layer}.{}", found.1)
        }
    }
}

fn number(gguf: &Gguf<'_>, key: &str) -> usize {
    let architecture = gguf.get("general.architecture").unwrap().as_str().unwrap();
    let found = gguf.get(&format!("{architecture}.{key}"));
    found.unwrap().as_u64().unwrap() as usize
}

/// A tensor as a checkpoint stores it.
fn taken_apart(gguf: &Gguf<'_>, tensor: &qlens::gguf::Tensor<'_>) -> Tensor {
    let dims = &tensor.dims[..tensor.n_dims as usize];
    let mut made = Tensor {
        dtype: match tensor.ggml_type {
            0 => Dtype::F32,
            1 => Dtype::F16,
            30 => Dtype::BF16,
            other => panic!("{} is of type {other}", tensor.name),
        },
        shape: dims.iter().rev().map(|&dim| dim as usize).collect(),
        data: tensor.data.unwrap().to_vec(),
    };
    if gguf.get("general.architecture").unwrap().as_str() != Some("qwen35") {
        return made;
    }
    let name = tensor.name.rsplit_once('.').unwrap();
    let name = match name {
        (before, "weight" | "bias") => before.rsplit('.').next().unwrap(),
        (_, last) => last,
    };
    let (keys, values) = (
        number(gguf, "ssm.group_count"),
        number(gguf, "ssm.time_step_rank"),
    );
    let head = number(gguf, "ssm.inner_size") / values;
    let before = 2 * keys * number(gguf, "ssm.state_size");
    let row = made.row_bytes();
    let element = made.dtype.bitsize() / 8;
    // Heads of one key head become neighbours.
    let group = |data: &mut [u8], bytes: usize| {
        let old = data.to_vec();
        assert_eq!(old.len(), values * bytes, "{name}");
        for (new, old) in old.chunks(bytes).enumerate().map(|(from, part)| {
            let (turn, key) = (from / keys, from % keys);
            (key * (values / keys) + turn, part)
        }) {
            data[new * bytes..][..bytes].copy_from_slice(old);
        }
    };
    match name {
        "attn_qkv" => group(&mut made.data[before * row..], head * row),
        "attn_gate" => group(&mut made.data, head * row),
        "ssm_conv1d" => {
            group(&mut made.data[before * row..], head * row);
            made.shape.insert(1, 1);
        }
        "ssm_beta" | "ssm_alpha" => group(&mut made.data, row),
        "ssm_dt" => group(&mut made.data, element),
        "ssm_a" => {
            group(&mut made.data, element);
            floats(&mut made.data, |a| (-a).ln());
        }
        "ssm_out" => made
            .data
            .chunks_mut(row)
            .for_each(|row| group(row, head * element)),
        "ssm_norm" => (),
        _ if name.ends_with("norm") => floats(&mut made.data, |weight| weight - 1.0),
        _ => (),
    }
    made
}

/// Changes F32 weights.
pub fn floats(data: &mut [u8], change: impl Fn(f32) -> f32) {
    for bytes in data.as_chunks_mut().0 {
        *bytes = change(f32::from_le_bytes(*bytes)).to_le_bytes();
    }
}

fn config(gguf: &Gguf<'_>) -> Json {
    let architecture = gguf.get("general.architecture").unwrap().as_str().unwrap();
    let float = |key: &str| {
        let found = gguf.get(&format!("{architecture}.{key}")).unwrap();
        f64::from(found.as_f32().unwrap())
    };
    let number = |key: &str| json!(number(gguf, key));
    let mut config = json!({
        "model_type": architecture,
        "vocab_size": texts(gguf, "tokenizer.ggml.tokens").len(),
        "tie_word_embeddings": gguf.tensor("output.weight").is_none(),
        "hidden_size": number("embedding_length"),
        "num_hidden_layers": number("block_count"),
        "intermediate_size": number("feed_forward_length"),
        "num_attention_heads": number("attention.head_count"),
        "num_key_value_heads": number("attention.head_count_kv"),
        "rms_norm_eps": float("attention.layer_norm_rms_epsilon"),
        "max_position_embeddings": number("context_length"),
        "rope_scaling": null,
    });
    if architecture == "qwen2" {
        config["rope_theta"] = json!(float("rope.freq_base"));
        return config;
    }
    config["head_dim"] = number("attention.key_length");
    if architecture == "qwen3" {
        config["rope_theta"] = json!(float("rope.freq_base"));
        return config;
    }
    let head = config["head_dim"].as_u64().unwrap() as f64;
    let part = number("rope.dimension_count").as_u64().unwrap() as f64 / head;
    let sections = gguf.get("qwen35.rope.dimension_sections").unwrap();
    let sections = sections.as_array().unwrap().encoded();
    let sections: Vec<i32> = sections
        .as_chunks()
        .0
        .iter()
        .map(|bytes| i32::from_le_bytes(*bytes))
        .collect();
    config["rope_parameters"] = json!({"rope_type": "default", "mrope_interleaved": true,
        "rope_theta": float("rope.freq_base"), "partial_rotary_factor": part,
        "mrope_section": sections[..3]});
    let values = number("ssm.time_step_rank");
    let inner = number("ssm.inner_size").as_u64().unwrap();
    config["linear_num_key_heads"] = number("ssm.group_count");
    config["linear_key_head_dim"] = number("ssm.state_size");
    config["linear_value_head_dim"] = json!(inner / values.as_u64().unwrap());
    config["linear_num_value_heads"] = values;
    config["linear_conv_kernel_dim"] = number("ssm.conv_kernel");
    config["full_attention_interval"] = number("full_attention_interval");
    json!({"model_type": "qwen3_5", "architectures": ["Qwen3_5ForConditionalGeneration"],
        "text_config": config, "vision_config": {"hidden_size": 8}})
}

fn texts<'m>(gguf: &Gguf<'m>, key: &str) -> Vec<&'m str> {
    let array = gguf.get(key).unwrap().as_array().unwrap();
    let texts = array.strings().unwrap();
    texts.map(|text| str::from_utf8(text).unwrap()).collect()
}

/// `tokenizer.json` of a fixture's vocabulary: three control tokens, and nothing but padding behind them.
fn tokenizer(gguf: &Gguf<'_>) -> Json {
    let tokens = texts(gguf, "tokenizer.ggml.tokens");
    let control = tokens.iter().position(|token| *token == "<|endoftext|>");
    let control = control.unwrap();
    let vocab: serde_json::Map<_, _> = tokens[..control]
        .iter()
        .enumerate()
        .map(|(id, token)| ((*token).to_owned(), json!(id)))
        .collect();
    let added: Vec<_> = (control..control + 3)
        .map(|id| json!({"id": id, "content": tokens[id], "special": true}))
        .collect();
    let merges: Vec<Vec<&str>> = texts(gguf, "tokenizer.ggml.merges")
        .iter()
        .map(|merge| merge.split(' ').collect())
        .collect();
    let expression = match gguf.get("tokenizer.ggml.pre").unwrap().as_str() {
        Some("qwen35") => QWEN35,
        _ => QWEN2,
    };
    json!({
        "added_tokens": added,
        "model": {"type": "BPE", "vocab": vocab, "merges": merges},
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [
            {"type": "Split", "pattern": {"Regex": expression}, "behavior": "Isolated"},
            {"type": "ByteLevel", "add_prefix_space": false},
        ]},
        "post_processor": {"type": "ByteLevel", "add_prefix_space": false},
    })
}
