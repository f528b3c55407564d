//! Which tensors a model has: where a checkpoint has them, what they are called in the new file, and what
//! becomes of their weights.

use qlens::model::{Architecture, DeltaNet};

use super::shape::Shape;

/// A tensor that is to be made.
pub struct Wanted {
    /// Its name in the checkpoint, behind the prefix of the language model.
    pub source: String,
    /// Its name in the new file.
    pub name: String,
    /// Its elements along each dimension in the checkpoint, the contiguous one last.
    pub dims: Vec<usize>,
    pub change: Change,
    pub heads: Option<InHeads>,
}

/// What becomes of each weight.
#[derive(Clone, Copy, PartialEq)]
pub enum Change {
    None,
    /// Norms of Qwen3.5 are stored as what they differ from 1 by.
    AddOne,
    /// The decay of a head is stored as a logarithm, and without its sign.
    NegativeExp,
}

/// Where a tensor has one part for each value head, in an order that changes.
///
/// In a checkpoint the value heads of one key head are neighbours; in a GGUF file value head `h` meets key
/// head `h % n_head_k`.
#[derive(Clone, Copy)]
pub struct InHeads {
    /// Whether parts are columns.
    pub is_columns: bool,
    /// Rows or columns before the first head.
    start: usize,
    /// Rows or columns of a head.
    len: usize,
    n_head_k: usize,
    n_head_v: usize,
}

impl InHeads {
    /// The row or column of the checkpoint that becomes this one.
    pub fn source(&self, index: usize) -> usize {
        let Some(behind) = index.checked_sub(self.start) else {
            return index;
        };
        let (head, within) = (behind / self.len, behind % self.len);
        let group = self.n_head_v / self.n_head_k;
        let (turn, key_head) = (head / self.n_head_k, head % self.n_head_k);
        self.start + (key_head * group + turn) * self.len + within
    }
}

/// Tensors of a model with so many blocks behind its layers, each of which predicts a further token, in the
/// order of the new file.
pub fn wanted(shape: &Shape, further: usize, is_tied: bool) -> Vec<Wanted> {
    let mut list = List::new(shape);
    let embedding = [shape.n_vocab, shape.n_embd];
    list.weights("embed_tokens", "token_embd", &embedding);
    list.norm("norm", "output_norm", shape.n_embd);
    if !is_tied {
        list.weights("lm_head", "output", &embedding);
    }
    for layer in 0..shape.n_layer {
        list.from = format!("layers.{layer}.");
        list.to = format!("blk.{layer}.");
        list.layer(layer);
    }
    for block in 0..further {
        let layer = shape.n_layer + block;
        list.to = format!("blk.{layer}.");
        if block == 0 {
            list.from = "mtp.".into();
            let from_both = [shape.n_embd, 2 * shape.n_embd];
            list.weights("fc", "nextn.eh_proj", &from_both);
            list.norm("pre_fc_norm_embedding", "nextn.enorm", shape.n_embd);
            list.norm("pre_fc_norm_hidden", "nextn.hnorm", shape.n_embd);
            list.norm("norm", "nextn.shared_head_norm", shape.n_embd);
        }
        list.from = format!("mtp.layers.{block}.");
        list.layer(layer);
    }
    list.tensors
}

struct List<'s> {
    shape: &'s Shape,
    /// What the names in the checkpoint begin with.
    from: String,
    /// What the names in the new file begin with.
    to: String,
    tensors: Vec<Wanted>,
}

impl<'s> List<'s> {
    fn new(shape: &'s Shape) -> Self {
        Self {
            shape,
            from: String::new(),
            to: String::new(),
            tensors: Vec::new(),
        }
    }

    fn layer(&mut self, layer: usize) {
        let shape = self.shape;
        let behind = match shape.architecture {
            Architecture::Qwen35 => "post_attention_norm",
            _ => "ffn_norm",
        };
        self.norm("input_layernorm", "attn_norm", shape.n_embd);
        self.norm("post_attention_layernorm", behind, shape.n_embd);
        match &shape.delta_net {
            Some(delta_net) if !shape.is_attention(layer) => self.delta_net(delta_net),
            _ => self.attention(),
        }
        self.weights("mlp.gate_proj", "ffn_gate", &[shape.n_ff, shape.n_embd]);
        self.weights("mlp.up_proj", "ffn_up", &[shape.n_ff, shape.n_embd]);
        self.weights("mlp.down_proj", "ffn_down", &[shape.n_embd, shape.n_ff]);
    }

    fn attention(&mut self) {
        let shape = self.shape;
        let (embd, head) = (shape.n_embd, shape.head_dim);
        let (q, kv) = (shape.n_head * head, shape.n_head_kv * head);
        let q_rows = match shape.architecture {
            // Each head has a gate behind it.
            Architecture::Qwen35 => 2 * q,
            _ => q,
        };
        self.weights("self_attn.q_proj", "attn_q", &[q_rows, embd]);
        self.weights("self_attn.k_proj", "attn_k", &[kv, embd]);
        self.weights("self_attn.v_proj", "attn_v", &[kv, embd]);
        self.weights("self_attn.o_proj", "attn_output", &[embd, q]);
        if shape.architecture == Architecture::Qwen2 {
            for (name, len) in [("q", q), ("k", kv), ("v", kv)] {
                let from = format!("self_attn.{name}_proj.bias");
                let to = format!("attn_{name}.bias");
                self.push(&from, &to, &[len], Change::None, None);
            }
        } else {
            self.norm("self_attn.q_norm", "attn_q_norm", head);
            self.norm("self_attn.k_norm", "attn_k_norm", head);
        }
    }

    fn delta_net(&mut self, of: &DeltaNet) {
        let (embd, heads, v) = (self.shape.n_embd, of.n_head_v, of.head_dim_v);
        let (channels, width) = (of.channels(), of.v_width());
        let in_heads = |is_columns, start, len| {
            Some(InHeads {
                is_columns,
                start,
                len,
                n_head_k: of.n_head_k,
                n_head_v: of.n_head_v,
            })
        };
        let values = in_heads(false, 2 * of.k_width(), v);
        let [rows, columns] = [false, true].map(|is_columns| in_heads(is_columns, 0, v));
        let [row, column] = [false, true].map(|is_columns| in_heads(is_columns, 0, 1));
        let none = Change::None;
        #[rustfmt::skip]
        let all: [(&str, &str, &[usize], _, _); 9] = [
            ("in_proj_qkv.weight", "attn_qkv.weight", &[channels, embd], none, values),
            ("in_proj_z.weight", "attn_gate.weight", &[width, embd], none, rows),
            ("conv1d.weight", "ssm_conv1d.weight", &[channels, 1, of.taps], none, values),
            ("dt_bias", "ssm_dt.bias", &[heads], none, column),
            ("A_log", "ssm_a", &[heads], Change::NegativeExp, column),
            ("in_proj_b.weight", "ssm_beta.weight", &[heads, embd], none, row),
            ("in_proj_a.weight", "ssm_alpha.weight", &[heads, embd], none, row),
            // The one norm that is stored as it is.
            ("norm.weight", "ssm_norm.weight", &[v], none, None),
            ("out_proj.weight", "ssm_out.weight", &[embd, width], none, columns),
        ];
        for (from, to, dims, change, heads) in all {
            self.push(&format!("linear_attn.{from}"), to, dims, change, heads);
        }
    }

    fn weights(&mut self, from: &str, to: &str, dims: &[usize]) {
        let [from, to] = [from, to].map(|name| format!("{name}.weight"));
        self.push(&from, &to, dims, Change::None, None);
    }

    fn norm(&mut self, from: &str, to: &str, len: usize) {
        let [from, to] = [from, to].map(|name| format!("{name}.weight"));
        let change = match self.shape.architecture {
            Architecture::Qwen35 => Change::AddOne,
            _ => Change::None,
        };
        self.push(&from, &to, &[len], change, None);
    }

    fn push(
        &mut self,
        from: &str,
        to: &str,
        dims: &[usize],
        change: Change,
        heads: Option<InHeads>,
    ) {
        self.tensors.push(Wanted {
            source: format!("{}{from}", self.from),
            name: format!("{}{to}", self.to),
            dims: dims.to_vec(),
            change,
            heads,
        });
    }
}
