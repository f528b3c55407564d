//! The KV cache: keys and values of every position of the context, in half precision.
//!
//! Layout `[n_layer, n_head_kv, context, head_dim]`, keys and values apart, so that attention of a
//! head reads one run of memory.

use crate::{kernel::Compute, model::Config};

/// How keys and values are stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum KvType {
    /// IEEE 754 half precision.
    #[default]
    F16,
}

impl KvType {
    /// Bytes of one head's key or value.
    pub const fn row_bytes(self, head_dim: usize) -> usize {
        match self {
            Self::F16 => 2 * head_dim,
        }
    }
}

/// Keys and values of the whole context.
#[derive(Debug)]
pub(crate) struct KvCache<'a> {
    keys: &'a mut [u16],
    values: &'a mut [u16],
    n_head_kv: usize,
    context: usize,
    head_dim: usize,
}

impl<'a> KvCache<'a> {
    /// Elements of `keys`, and of `values`; `None` if they cannot be counted.
    pub fn elements(config: &Config, context: usize) -> Option<usize> {
        config
            .n_layer
            .checked_mul(config.kv_width())?
            .checked_mul(context)
    }

    /// `keys`, `values`: [`elements`](Self::elements) each.
    pub fn new(
        config: &Config,
        context: usize,
        keys: &'a mut [u16],
        values: &'a mut [u16],
    ) -> Self {
        Self {
            keys,
            values,
            n_head_kv: config.n_head_kv,
            context,
            head_dim: config.head_dim,
        }
    }

    fn start(&self, layer: usize, head: usize) -> usize {
        (layer * self.n_head_kv + head) * self.context * self.head_dim
    }

    /// Keeps `key` and `value`, both `[n_head_kv, head_dim]`, as those of `position`.
    pub fn write(
        &mut self,
        compute: Compute,
        layer: usize,
        position: usize,
        key: &[f32],
        value: &[f32],
    ) {
        for head in 0..self.n_head_kv {
            let from = head * self.head_dim..(head + 1) * self.head_dim;
            let at = self.start(layer, head) + position * self.head_dim;
            compute.to_f16(&mut self.keys[at..at + self.head_dim], &key[from.clone()]);
            compute.to_f16(&mut self.values[at..at + self.head_dim], &value[from]);
        }
    }

    /// Keys and values, `[n, head_dim]` each, of a head's first `n` positions.
    pub fn head(&self, layer: usize, head: usize, n: usize) -> (&[u16], &[u16]) {
        let start = self.start(layer, head);
        let range = start..start + n * self.head_dim;
        (&self.keys[range.clone()], &self.values[range])
    }
}
