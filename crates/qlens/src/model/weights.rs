//! Where each tensor of a model lies.
//!
//! Looking a tensor up by name takes a walk through the directory, so it is done once a session: the
//! places of a layer's tensors are a [`Layer`], and all layers a table in the session's arena.

use core::fmt::Write as _;

use bytemuck::{Pod, Zeroable};
use heapless::String;

use super::{Architecture, DeltaNet, Error, LayerPlace, Model, TensorKind};
use crate::{
    gguf::Tensor,
    quant::{self, Format, Matrix},
};

/// The place of a tensor in the model's bytes. Zero bytes long where a model does without it.
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C)]
pub struct Place {
    offset: u64,
    bytes: u64,
    rows: u32,
    cols: u32,
    /// ggml's number of the block format.
    ggml_type: u32,
    _pad: u32,
}

/// The places of a layer's tensors; those of its kind, and zeros for the others.
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C)]
pub struct Layer {
    pub attn_norm: Place,
    pub attn_q: Place,
    pub attn_q_bias: Place,
    pub attn_q_norm: Place,
    pub attn_k: Place,
    pub attn_k_bias: Place,
    pub attn_k_norm: Place,
    pub attn_v: Place,
    pub attn_v_bias: Place,
    pub attn_output: Place,
    pub attn_qkv: Place,
    pub attn_gate: Place,
    pub ssm_conv1d: Place,
    pub ssm_dt_bias: Place,
    pub ssm_a: Place,
    pub ssm_beta: Place,
    pub ssm_alpha: Place,
    pub ssm_norm: Place,
    pub ssm_out: Place,
    pub ffn_norm: Place,
    pub ffn_gate: Place,
    pub ffn_up: Place,
    pub ffn_down: Place,
}

/// A model's tensors.
#[derive(Clone, Copy, Debug)]
pub struct Weights<'m, 'a> {
    bytes: &'m [u8],
    token_embd: Place,
    output_norm: Place,
    output: Place,
    layers: &'a [Layer],
}

impl<'m, 'a> Weights<'m, 'a> {
    /// Finds all tensors of `model`; `table` has a place for each layer.
    pub fn locate(model: &Model<'m>, table: &'a mut [Layer]) -> Result<Self, Error> {
        for (il, layer) in table.iter_mut().enumerate() {
            *layer = Finder {
                model,
                layer: Some(il),
            }
            .layer(il)?;
        }
        let whole = Finder { model, layer: None };
        let c = model.config();
        let token_embd = whole.matrix(TensorKind::TokenEmbd, c.n_vocab, c.n_embd)?;
        Ok(Self {
            bytes: model.gguf().bytes(),
            token_embd,
            output_norm: whole.vector(TensorKind::OutputNorm, c.n_embd)?,
            // Without an output matrix of its own a model reads its embeddings backwards.
            output: whole
                .optional_matrix(TensorKind::Output, c.n_vocab, c.n_embd)?
                .unwrap_or(token_embd),
            layers: table,
        })
    }

    /// Whether [`locate`](Self::locate) will find everything.
    pub fn check(model: &Model<'m>) -> Result<(), Error> {
        Weights::locate(model, &mut [])?;
        for il in 0..model.config().n_layer {
            Finder {
                model,
                layer: Some(il),
            }
            .layer(il)?;
        }
        Ok(())
    }

    pub fn token_embd(&self) -> Matrix<'m> {
        self.matrix(&self.token_embd)
    }

    pub fn output_norm(&self) -> &'m [f32] {
        self.vector(&self.output_norm)
    }

    pub fn output(&self) -> Matrix<'m> {
        self.matrix(&self.output)
    }

    pub fn layer(&self, il: usize) -> &'a Layer {
        &self.layers[il]
    }

    /// The matrix at a place, which `locate` has checked.
    pub fn matrix(&self, place: &Place) -> Matrix<'m> {
        quant::stored(place.ggml_type)
            .and_then(|(format, layout)| {
                Matrix::new(
                    format,
                    layout,
                    place.rows as usize,
                    place.cols as usize,
                    self.data(place),
                )
            })
            .expect("the place was checked when it was found")
    }

    /// The vector at a place, which `locate` has checked; empty where the model does without it.
    pub fn vector(&self, place: &Place) -> &'m [f32] {
        bytemuck::cast_slice(self.data(place))
    }

    /// Every tensor as a matrix, a vector as one of one row, in an order of their own, whatever the file's; one
    /// of no rows for each that the model does without.
    pub fn tensors(&self) -> impl Iterator<Item = Matrix<'m>> {
        let whole = [self.token_embd, self.output_norm, self.output];
        let layers: &[Place] = bytemuck::cast_slice(self.layers);
        whole
            .into_iter()
            .chain(layers.iter().copied())
            .map(|place| self.matrix(&place))
    }

    fn data(&self, place: &Place) -> &'m [u8] {
        &self.bytes[place.offset as usize..][..place.bytes as usize]
    }
}

/// Finds tensors and checks their shapes.
struct Finder<'g, 'm> {
    model: &'g Model<'m>,
    layer: Option<usize>,
}

impl<'m> Finder<'_, 'm> {
    /// A layer: what mixes positions, and a gated feed-forward network.
    fn layer(&self, il: usize) -> Result<Layer, Error> {
        use TensorKind as K;
        let c = self.model.config();
        let ffn_norm = match c.architecture {
            Architecture::Qwen2 | Architecture::Qwen3 => K::FfnNorm,
            Architecture::Qwen35 => K::PostAttentionNorm,
        };
        let layer = Layer {
            attn_norm: self.vector(K::AttnNorm, c.n_embd)?,
            ffn_norm: self.vector(ffn_norm, c.n_embd)?,
            ffn_gate: self.matrix(K::FfnGate, c.n_ff, c.n_embd)?,
            ffn_up: self.matrix(K::FfnUp, c.n_ff, c.n_embd)?,
            ffn_down: self.matrix(K::FfnDown, c.n_embd, c.n_ff)?,
            ..Layer::zeroed()
        };
        match (c.place(il), c.delta_net) {
            (LayerPlace::DeltaNet(_), Some(shape)) => self.delta_net(&shape, &layer),
            _ => self.attention(&layer),
        }
    }

    fn attention(&self, layer: &Layer) -> Result<Layer, Error> {
        use TensorKind as K;
        let c = self.model.config();
        let (q, kv) = (c.q_width(), c.kv_width());
        // What an architecture does without is not looked for: its forward pass would ignore it.
        let head_norm = |kind| match c.architecture {
            Architecture::Qwen2 => Ok(Place::zeroed()),
            Architecture::Qwen3 | Architecture::Qwen35 => self.vector(kind, c.head_dim),
        };
        let bias = |kind, len| match c.architecture {
            Architecture::Qwen2 | Architecture::Qwen3 => self.optional_vector(kind, len),
            Architecture::Qwen35 => Ok(Place::zeroed()),
        };
        // Each query head has its gate behind it.
        let q_rows = match c.architecture {
            Architecture::Qwen2 | Architecture::Qwen3 => q,
            Architecture::Qwen35 => 2 * q,
        };
        Ok(Layer {
            attn_q: self.matrix(K::AttnQ, q_rows, c.n_embd)?,
            attn_q_bias: bias(K::AttnQBias, q)?,
            attn_q_norm: head_norm(K::AttnQNorm)?,
            attn_k: self.matrix(K::AttnK, kv, c.n_embd)?,
            attn_k_bias: bias(K::AttnKBias, kv)?,
            attn_k_norm: head_norm(K::AttnKNorm)?,
            attn_v: self.matrix(K::AttnV, kv, c.n_embd)?,
            attn_v_bias: bias(K::AttnVBias, kv)?,
            attn_output: self.matrix(K::AttnOutput, c.n_embd, q)?,
            ..*layer
        })
    }

    fn delta_net(&self, shape: &DeltaNet, layer: &Layer) -> Result<Layer, Error> {
        use TensorKind as K;
        let n_embd = self.model.config().n_embd;
        let (heads, width) = (shape.n_head_v, shape.v_width());
        Ok(Layer {
            attn_qkv: self.matrix(K::AttnQkv, shape.channels(), n_embd)?,
            attn_gate: self.matrix(K::AttnGate, width, n_embd)?,
            ssm_conv1d: self.vector(K::SsmConv1d, shape.channels() * shape.taps)?,
            ssm_dt_bias: self.vector(K::SsmDtBias, heads)?,
            ssm_a: self.vector(K::SsmA, heads)?,
            ssm_beta: self.matrix(K::SsmBeta, heads, n_embd)?,
            ssm_alpha: self.matrix(K::SsmAlpha, heads, n_embd)?,
            ssm_norm: self.vector(K::SsmNorm, shape.head_dim_v)?,
            ssm_out: self.matrix(K::SsmOut, n_embd, width)?,
            ..*layer
        })
    }

    fn tensor(&self, kind: TensorKind) -> Option<Tensor<'m>> {
        let mut name: String<64> = String::new();
        if let Some(layer) = self.layer {
            write!(name, "blk.{layer}.").ok()?;
        }
        name.push_str(kind.name()).ok()?;
        self.model.gguf().tensor(&name)
    }

    /// A matrix of `rows` rows of `cols`.
    fn optional_matrix(
        &self,
        kind: TensorKind,
        rows: usize,
        cols: usize,
    ) -> Result<Option<Place>, Error> {
        let Some(tensor) = self.tensor(kind) else {
            return Ok(None);
        };
        let layer = self.layer;
        let stored = quant::stored(tensor.ggml_type);
        let (format, layout) = stored.ok_or(Error::Format {
            kind,
            layer,
            ggml_type: tensor.ggml_type,
        })?;
        let shape = Error::Shape { kind, layer };
        if tensor.dims != [cols as u64, rows as u64, 1, 1] {
            return Err(shape);
        }
        let data = tensor.data.ok_or(shape)?;
        Matrix::new(format, layout, rows, cols, data).ok_or(shape)?;
        Ok(Some(place(&tensor, data, rows, cols)))
    }

    fn matrix(&self, kind: TensorKind, rows: usize, cols: usize) -> Result<Place, Error> {
        let found = self.optional_matrix(kind, rows, cols)?;
        found.ok_or(Error::MissingTensor {
            kind,
            layer: self.layer,
        })
    }

    /// A vector of `len` f32; a place of zero bytes if there is none.
    fn optional_vector(&self, kind: TensorKind, len: usize) -> Result<Place, Error> {
        let Some(tensor) = self.tensor(kind) else {
            return Ok(Place::zeroed());
        };
        let layer = self.layer;
        if tensor.ggml_type != Format::F32.ggml_type() {
            return Err(Error::Format {
                kind,
                layer,
                ggml_type: tensor.ggml_type,
            });
        }
        let shape = Error::Shape { kind, layer };
        let data = tensor.data.filter(|d| d.len() == 4 * len).ok_or(shape)?;
        bytemuck::try_cast_slice::<u8, f32>(data).map_err(|_| Error::Misaligned)?;
        Ok(place(&tensor, data, 1, len))
    }

    fn vector(&self, kind: TensorKind, len: usize) -> Result<Place, Error> {
        let place = self.optional_vector(kind, len)?;
        if place.bytes == 0 {
            return Err(Error::MissingTensor {
                kind,
                layer: self.layer,
            });
        }
        Ok(place)
    }
}

fn place(tensor: &Tensor<'_>, data: &[u8], rows: usize, cols: usize) -> Place {
    Place {
        offset: tensor.offset,
        bytes: data.len() as u64,
        rows: rows as u32,
        cols: cols as u32,
        ggml_type: tensor.ggml_type,
        _pad: 0,
    }
}
