//! The numbers of `config.json`, and the keys that they become.

use qlens::gguf::Value;
use qlens::model::{Architecture, DeltaNet};
use serde_json::Value as Json;

use crate::gguf_writer::Directory;

/// Model types that can be converted, and the name that their classes begin with.
const MODEL_TYPES: [(&str, &str, Architecture); 4] = [
    ("qwen2", "Qwen2", Architecture::Qwen2),
    ("qwen3", "Qwen3", Architecture::Qwen3),
    ("qwen3_5", "Qwen3_5", Architecture::Qwen35),
    ("qwen3_5_text", "Qwen3_5Text", Architecture::Qwen35),
];
/// What the names of classes end with.
const CLASSES: [&str; 3] = ["Model", "ForCausalLM", "ForConditionalGeneration"];

/// Bounds of what is believed, so that sizes of tensors cannot overflow.
const MOST: usize = 1 << 24;
pub const MOST_LAYERS: usize = 256;

/// How the rotary dimensions of Qwen3.5 are shared out where a checkpoint does not say.
const SECTIONS: [i32; 4] = [11, 11, 10, 0];

/// What of a `config.json` the conversion needs. Sizes are in elements.
pub struct Shape {
    pub architecture: Architecture,
    pub n_vocab: usize,
    /// Whether the output matrix is the embedding, if that is said.
    pub is_tied: Option<bool>,
    pub n_layer: usize,
    pub n_embd: usize,
    pub n_ff: usize,
    pub n_head: usize,
    pub n_head_kv: usize,
    pub head_dim: usize,
    /// Whether the width of a head is a number of its own.
    states_head_dim: bool,
    n_ctx_train: usize,
    rms_eps: f32,
    rope_theta: f32,
    pub delta_net: Option<DeltaNet>,
    n_rot: usize,
    sections: [i32; 4],
}

impl Shape {
    /// Reads it; a sentence if it is another family's, or lacks a number.
    pub fn read(config: &Json) -> Result<Self, String> {
        let architecture = architecture(config)?;
        let keys = Keys(config);
        if let Some(kind) = config.get("quantization_config").filter(|q| !q.is_null()) {
            let kind = kind["quant_method"].as_str().unwrap_or_default();
            return Err(format!(
                "its weights are quantized ({kind:?}); those in F32, F16 and BF16 can be converted"
            ));
        }
        let rope = keys.get("rope_parameters").or(keys.get("rope_scaling"));
        let rope = |key: &str| rope.and_then(|rope| rope.get(key)).or(keys.get(key));
        let rope_type = rope("rope_type").or(rope("type")).and_then(Json::as_str);
        if let Some(scaling) = rope_type.filter(|kind| !matches!(*kind, "default" | "mrope")) {
            return Err(format!(
                "its positions are scaled ({scaling:?}), which is not supported; remove rope_scaling from it \
                 for the context that the model was first trained for"
            ));
        }

        let n_embd = keys.size("hidden_size")?;
        let n_head = keys.size("num_attention_heads")?;
        // What the classes of the models take where a configuration does not say.
        let default_head_dim = match architecture {
            Architecture::Qwen3 => 128,
            Architecture::Qwen35 => 256,
            _ => n_embd / n_head,
        };
        let head_dim = keys.size_or("head_dim", default_head_dim)?;
        let mut delta_net = None;
        let (mut n_rot, mut sections) = (head_dim, SECTIONS);
        if architecture == Architecture::Qwen35 {
            delta_net = Some(keys.delta_net()?);
            let part = rope("partial_rotary_factor").map_or(Some(0.25), Json::as_f64);
            n_rot = part.map_or(0, |part| (head_dim as f64 * part) as usize);
            if n_rot == 0 || n_rot > head_dim {
                return Err("its partial_rotary_factor is not between 0 and 1".into());
            }
            if let Some(list) = rope("mrope_section") {
                sections = self::sections(list).ok_or("its mrope_section is no list of numbers")?;
            }
        }
        let is_tied = config.get("tie_word_embeddings").and_then(Json::as_bool);
        let shape = Self {
            architecture,
            n_vocab: keys.size("vocab_size")?,
            is_tied: is_tied.or(keys.get("tie_word_embeddings").and_then(Json::as_bool)),
            n_layer: keys.size_up_to("num_hidden_layers", MOST_LAYERS)?,
            n_embd,
            n_ff: keys.size("intermediate_size")?,
            n_head,
            n_head_kv: keys.size_or("num_key_value_heads", n_head)?,
            head_dim,
            states_head_dim: architecture != Architecture::Qwen2 || keys.get("head_dim").is_some(),
            n_ctx_train: keys.size("max_position_embeddings")?,
            rms_eps: float("rms_norm_eps", keys.get("rms_norm_eps"))?,
            rope_theta: float("rope_theta", rope("rope_theta"))?,
            delta_net,
            n_rot,
            sections,
        };
        shape.check_layer_types(&keys)?;
        Ok(shape)
    }

    /// Whether a layer is attention.
    pub fn is_attention(&self, layer: usize) -> bool {
        self.delta_net.as_ref().is_none_or(|delta_net| {
            layer >= self.n_layer || (layer + 1).is_multiple_of(delta_net.attention_interval)
        })
    }

    fn check_layer_types(&self, keys: &Keys<'_>) -> Result<(), String> {
        let types = keys.get("layer_types").and_then(Json::as_array);
        let (Some(types), Some(delta_net)) = (types, &self.delta_net) else {
            return Ok(());
        };
        let fits = |(layer, kind): (usize, &Json)| match kind.as_str() {
            Some("full_attention") => self.is_attention(layer),
            Some("linear_attention") => !self.is_attention(layer),
            _ => false,
        };
        if types.len() != self.n_layer || !types.iter().enumerate().all(fits) {
            return Err(format!(
                "its layer_types are not {} layers of which every {}th is full_attention and the others \
                 linear_attention",
                self.n_layer, delta_net.attention_interval
            ));
        }
        Ok(())
    }

    /// Writes the keys of a model with so many blocks behind its layers, each of which predicts a further token.
    pub fn state(&self, further: usize, directory: &mut Directory<'_>) {
        let key = |name: &str| format!("{}.{name}", self.architecture.name());
        let mut set = |name: &str, value| directory.set(&key(name), value);
        let number = |size: usize| Value::U32(size as u32);
        set("block_count", number(self.n_layer + further));
        set("context_length", number(self.n_ctx_train));
        set("embedding_length", number(self.n_embd));
        set("feed_forward_length", number(self.n_ff));
        set("attention.head_count", number(self.n_head));
        set("attention.head_count_kv", number(self.n_head_kv));
        set("attention.layer_norm_rms_epsilon", Value::F32(self.rms_eps));
        set("rope.freq_base", Value::F32(self.rope_theta));
        if self.states_head_dim {
            set("attention.key_length", number(self.head_dim));
            set("attention.value_length", number(self.head_dim));
        }
        if further > 0 {
            set("nextn_predict_layers", number(further));
        }
        if let Some(delta_net) = &self.delta_net {
            set("ssm.conv_kernel", number(delta_net.taps));
            set("ssm.state_size", number(delta_net.head_dim_k));
            set("ssm.group_count", number(delta_net.n_head_k));
            set("ssm.time_step_rank", number(delta_net.n_head_v));
            set("ssm.inner_size", number(delta_net.v_width()));
            let interval = number(delta_net.attention_interval);
            set("full_attention_interval", interval);
            set("rope.dimension_count", number(self.n_rot));
            directory.set_i32s(&key("rope.dimension_sections"), &self.sections);
        }
    }
}

fn architecture(config: &Json) -> Result<Architecture, String> {
    let class = config["architectures"][0].as_str().unwrap_or("");
    let stated = config["model_type"].as_str();
    let is_it = |&&(name, begin, _): &&(&str, &str, _)| match stated {
        Some(stated) => stated == name,
        None => class
            .strip_prefix(begin)
            .is_some_and(|rest| CLASSES.contains(&rest)),
    };
    match MODEL_TYPES.iter().find(is_it) {
        Some(&(.., architecture)) => Ok(architecture),
        None => Err(format!(
            "its model_type is {:?}, which is not supported; these are: {}",
            stated.unwrap_or(class),
            MODEL_TYPES.map(|(name, ..)| name).join(", ")
        )),
    }
}

/// A configuration, in which models that see as well have the numbers of their language model apart.
struct Keys<'c>(&'c Json);

impl<'c> Keys<'c> {
    fn get(&self, key: &str) -> Option<&'c Json> {
        let found = self.0.get("text_config").and_then(|text| text.get(key));
        found.or(self.0.get(key)).filter(|found| !found.is_null())
    }

    fn size(&self, key: &str) -> Result<usize, String> {
        self.size_up_to(key, MOST)
    }

    fn size_or(&self, key: &str, default: usize) -> Result<usize, String> {
        match self.get(key) {
            Some(_) => self.size(key),
            None => Ok(default),
        }
    }

    fn size_up_to(&self, key: &str, most: usize) -> Result<usize, String> {
        let found = self.get(key).ok_or_else(|| format!("it has no {key}"))?;
        let size = found.as_u64().and_then(|size| usize::try_from(size).ok());
        size.filter(|size| (1..=most).contains(size))
            .ok_or_else(|| format!("its {key} is {found}, not a number from 1 to {most}"))
    }

    fn delta_net(&self) -> Result<DeltaNet, String> {
        let types = self.get("layer_types").and_then(Json::as_array);
        let first = types.and_then(|types| types.iter().position(|kind| kind == "full_attention"));
        let found = DeltaNet {
            attention_interval: self.size_or(
                "full_attention_interval",
                first.map_or(4, |first| first + 1),
            )?,
            n_head_k: self.size("linear_num_key_heads")?,
            n_head_v: self.size("linear_num_value_heads")?,
            head_dim_k: self.size("linear_key_head_dim")?,
            head_dim_v: self.size("linear_value_head_dim")?,
            taps: self.size("linear_conv_kernel_dim")?,
        };
        if !found.n_head_v.is_multiple_of(found.n_head_k) {
            return Err(format!(
                "its linear_num_value_heads, {}, is no multiple of its linear_num_key_heads, {}",
                found.n_head_v, found.n_head_k
            ));
        }
        Ok(found)
    }
}

fn float(key: &str, found: Option<&Json>) -> Result<f32, String> {
    let found = found.ok_or_else(|| format!("it has no {key}"))?;
    let number = found.as_f64().map(|number| number as f32);
    number
        .filter(|number| number.is_finite() && *number > 0.0)
        .ok_or_else(|| format!("its {key} is {found}, not a number above 0"))
}

fn sections(list: &Json) -> Option<[i32; 4]> {
    let mut sections = [0; 4];
    for (section, found) in sections.iter_mut().zip(list.as_array()?) {
        *section = found.as_i64().and_then(|n| i32::try_from(n).ok())?;
    }
    Some(sections)
}
