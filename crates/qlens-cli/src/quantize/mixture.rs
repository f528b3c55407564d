//! Which format each matrix of a model gets: what llama.cpp's `llama-quantize` gives it, so that files of a type are
//! the same mixture of formats wherever they were made.
//!
//! The rule is that of its `llama-quant.cpp` for dense models, without an importance matrix, but for Q4_0, which is
//! pure. Most matrices have the
//! format that the type is called after. Where an error does more harm there are more bits: in the matrix of the
//! output, in some layers' values and in what a feed-forward network gives back.

use qlens::gguf::{Gguf, Tensor};
use qlens::quant::Format;

/// What models can be turned into.
#[derive(clap::ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// 8.5 bits a weight
    #[value(name = "q8_0")]
    Q8_0,
    /// 4.5 bits a weight
    #[value(name = "q4_0")]
    Q4_0,
    /// 4.5 bits a weight, 6.6 in the output matrix and half of the values and down projections
    #[value(name = "q4_k_m")]
    Q4KM,
    /// 6.6 bits a weight
    #[value(name = "q6_k")]
    Q6K,
    /// 4.5 bits a weight, 6.6 in the output matrix, 5.5 in the first down projections
    #[value(name = "iq4_nl")]
    Iq4Nl,
}

impl Target {
    /// The format of most matrices.
    fn format(self) -> Format {
        match self {
            Self::Q8_0 => Format::Q8_0,
            Self::Q4_0 => Format::Q4_0,
            Self::Q4KM => Format::Q4K,
            Self::Q6K => Format::Q6K,
            Self::Iq4Nl => Format::Iq4Nl,
        }
    }

    /// Whether all matrices have that format. llama.cpp gives a Q4_0 file such an output matrix only when it is told
    /// to, with `--pure`; it is what takes the fewest instructions.
    fn is_pure(self) -> bool {
        matches!(self, Self::Q8_0 | Self::Q4_0)
    }

    /// ggml's number for a file of this type, `general.file_type`.
    pub fn file_type(self) -> u32 {
        match self {
            Self::Q8_0 => 7,
            Self::Q4_0 => 2,
            Self::Q4KM => 15,
            Self::Q6K => 18,
            Self::Iq4Nl => 25,
        }
    }
}

/// What a matrix is to its model, as far as its format depends on that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    /// Gives the logits.
    Output,
    /// Looks tokens up.
    Embedding,
    /// Gives an attention layer its values; a recurrent one its queries, keys and values.
    Values,
    /// The way back from the feed-forward network.
    Down,
    /// Any other.
    Other,
}

impl Role {
    fn of(name: &str) -> Self {
        let is = |part: &str| name.contains(part);
        if name == "output.weight" {
            Self::Output
        } else if name == "token_embd.weight" {
            Self::Embedding
        } else if is("attn_v.weight") || is("attn_qkv.weight") {
            Self::Values
        } else if is("ffn_down.weight") {
            Self::Down
        } else {
            Self::Other
        }
    }
}

/// The formats of one model's matrices.
#[derive(Debug)]
pub struct Mixture<'m> {
    target: Target,
    /// Whether the matrix that looks tokens up gives the logits, too.
    is_tied: bool,
    /// Query heads to a head of keys and values.
    group_size: u64,
    /// In the order of layers.
    values: Vec<(u64, &'m str)>,
    /// In the order of layers.
    downs: Vec<(u64, &'m str)>,
}

impl<'m> Mixture<'m> {
    /// What becomes of `gguf`.
    pub fn new(gguf: &Gguf<'m>, target: Target) -> Self {
        let in_layers = |role| {
            let mut names: Vec<_> = gguf
                .tensors()
                .filter(|tensor| Role::of(tensor.name) == role)
                .map(|tensor| (layer(tensor.name), tensor.name))
                .collect();
            names.sort_unstable();
            names
        };
        Self {
            target,
            is_tied: gguf.tensor("output.weight").is_none(),
            group_size: group_size(gguf).unwrap_or(0),
            values: in_layers(Role::Values),
            downs: in_layers(Role::Down),
        }
    }

    /// The format that a tensor gets; `None` for one that stays as it is: it is no matrix, too small to be worth it,
    /// or its rows are no whole blocks of any format.
    pub fn format(&self, tensor: &Tensor<'_>) -> Option<Format> {
        // As ggml counts dimensions: those behind the last one that is not 1 do not exist.
        let is_matrix = tensor.dims[1..].iter().any(|&dim| dim > 1);
        let is_small = ["_norm.weight", "ssm_conv1d"]
            .iter()
            .any(|part| tensor.name.contains(part));
        if !is_matrix || is_small {
            return None;
        }
        let mut format = self.wanted(tensor.name);
        while !tensor.dims[0].is_multiple_of(format.block_len() as u64) {
            format = smaller(format)?;
        }
        Some(format)
    }

    /// The format if rows were long enough for any.
    fn wanted(&self, name: &str) -> Format {
        let target = self.target;
        if target.is_pure() {
            return target.format();
        }
        let position = |of: &[(u64, &str)]| {
            let layer = layer(name);
            (of.partition_point(|&of| of < (layer, name)), of.len())
        };
        match Role::of(name) {
            Role::Embedding if !self.is_tied => target.format(),
            Role::Output | Role::Embedding => Format::Q6K,
            Role::Values => match target {
                Target::Q4KM if has_more_bits(position(&self.values)) => Format::Q6K,
                Target::Iq4Nl if self.group_size >= 4 => Format::Q5K,
                _ => target.format(),
            },
            Role::Down => {
                let (i, n) = position(&self.downs);
                match target {
                    Target::Q4KM if has_more_bits((i, n)) => Format::Q6K,
                    Target::Iq4Nl if i < n / 8 => Format::Q5K,
                    _ => target.format(),
                }
            }
            Role::Other => target.format(),
        }
    }
}

/// Whether matrix `i` of `n` is one of those that get more bits: the first and the last eighth, every third between.
fn has_more_bits((i, n): (usize, usize)) -> bool {
    i < n / 8 || i >= 7 * n / 8 || (i - n / 8) % 3 == 2
}

/// The format of shorter blocks that ggml takes where rows are too short for those of `format`.
fn smaller(format: Format) -> Option<Format> {
    match format {
        Format::Q4K => Some(Format::Q5_0),
        Format::Q5K => Some(Format::Q5_1),
        Format::Q6K => Some(Format::Q8_0),
        _ => None,
    }
}

/// The layer that a tensor is in; names of none come first.
fn layer(name: &str) -> u64 {
    let number = name
        .strip_prefix("blk.")
        .and_then(|of| of.split('.').next());
    number
        .and_then(|number| number.parse::<u64>().ok())
        .map_or(0, |layer| layer.saturating_add(1))
}

fn group_size(gguf: &Gguf<'_>) -> Option<u64> {
    let architecture = gguf.get("general.architecture")?.as_str()?;
    let heads = |of: &str| {
        gguf.get(&format!("{architecture}.attention.{of}"))?
            .as_u64()
    };
    heads("head_count")?.checked_div(heads("head_count_kv")?)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The layers of `n` whose matrices of this kind get `format`, where rows are whole superblocks.
    fn layers(target: Target, n: usize, kind: &str, format: Format) -> Vec<usize> {
        let names: Vec<_> = (0..n).map(|i| format!("blk.{i}.{kind}.weight")).collect();
        // In the order of their names, as files have them: 0, 1, 10, 11, …
        let mut sorted: Vec<_> = names.iter().map(|name| (layer(name), &**name)).collect();
        sorted.sort_unstable();
        let mixture = Mixture {
            target,
            is_tied: false,
            group_size: 7,
            values: sorted.clone(),
            downs: sorted,
        };
        (0..n)
            .filter(|&i| mixture.wanted(&names[i]) == format)
            .collect()
    }

    #[test]
    fn layers_with_more_bits_are_those_of_llama_cpp() {
        // What llama-quantize (b11434) made of Qwen2.5-Coder-0.5B, 24 layers.
        let more = [0, 1, 2, 5, 8, 11, 14, 17, 20, 21, 22, 23];
        for kind in ["ffn_down", "attn_v"] {
            assert_eq!(layers(Target::Q4KM, 24, kind, Format::Q6K), more, "{kind}");
        }
        assert_eq!(
            layers(Target::Iq4Nl, 24, "ffn_down", Format::Q5K),
            [0, 1, 2]
        );
        let all: Vec<_> = (0..24).collect();
        assert_eq!(layers(Target::Iq4Nl, 24, "attn_v", Format::Q5K), all);
        // Of Qwen2.5-Coder-1.5B, 28 layers, as Qwen publishes it.
        let more = [0, 1, 2, 5, 8, 11, 14, 17, 20, 23, 24, 25, 26, 27];
        assert_eq!(layers(Target::Q4KM, 28, "ffn_down", Format::Q6K), more);
        for target in [Target::Q8_0, Target::Q4_0, Target::Q6K] {
            for kind in ["ffn_down", "attn_v", "attn_qkv", "ffn_up"] {
                assert_eq!(layers(target, 24, kind, target.format()), all);
            }
        }
    }

    #[test]
    fn names_that_are_no_layers_come_first() {
        assert_eq!(layer("output.weight"), 0);
        assert_eq!(layer("blk.x.ffn_down.weight"), 0);
        assert_eq!((layer("blk.0.ffn_up"), layer("blk.10.ffn_up")), (1, 11));
        assert_eq!(layer(&format!("blk.{}.w", u64::MAX)), u64::MAX);
        assert_eq!(layer("blk.99999999999999999999.w"), 0);
    }
}
