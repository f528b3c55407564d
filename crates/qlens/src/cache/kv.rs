//! The KV cache: keys and values of every position of the context, in half precision or as int8.
//!
//! Layout `[attention layers, n_head_kv, context, head_dim]`, keys and values apart, so that attention of a
//! head reads one run of memory. Int8 keys are a matrix that queries are multiplied with as activations are with
//! any other, and so they are [interleaved](crate::quant::interleave), eight positions at a time.

use core::fmt;

use bytemuck::Zeroable as _;

use crate::{
    kernel::Compute,
    model::Config,
    quant::{
        BlockQ8_0, Format, GROUP,
        interleave::{OCTET, put_q8_0},
    },
};

/// Bytes of a block of eight positions' int8 keys.
const OCTET_BYTES: usize = OCTET * size_of::<BlockQ8_0>();

/// How keys and values are stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum KvType {
    /// IEEE 754 half precision: 2 bytes a value.
    #[default]
    F16,
    /// 32 int8 with an f16 scale, as [`Format::Q8_0`]: 1.0625 bytes a value. Only for heads of a multiple of
    /// 32 values.
    Q8_0,
}

impl KvType {
    /// Every type.
    pub const ALL: [Self; 2] = [Self::F16, Self::Q8_0];

    /// Its name, as on a command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::F16 => "f16",
            Self::Q8_0 => "q8_0",
        }
    }

    /// The type of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kv| kv.name() == name)
    }

    /// Positions that there is room for where `context` are needed; `None` if they cannot be counted.
    fn positions(self, context: usize) -> Option<usize> {
        match self {
            Self::F16 => Some(context),
            Self::Q8_0 => context.checked_next_multiple_of(OCTET),
        }
    }

    /// Bytes of one head's key or value; `None` where heads of this size cannot be stored so.
    pub fn row_bytes(self, head_dim: usize) -> Option<usize> {
        match self {
            Self::F16 => Format::F16,
            Self::Q8_0 => Format::Q8_0,
        }
        .row_bytes(head_dim)
    }
}

impl fmt::Display for KvType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// Keys and values of the whole context.
#[derive(Debug)]
pub(crate) struct KvCache<'a> {
    kv: KvType,
    keys: &'a mut [u8],
    values: &'a mut [u8],
    n_head_kv: usize,
    /// Bytes of a head's keys, or values.
    head: usize,
    /// Bytes of one of them.
    row: usize,
}

/// Keys and values of a head's first `n` positions.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Head<'c> {
    /// `[n, head_dim]` each.
    F16(&'c [u16], &'c [u16]),
    /// Keys, interleaved [`Format::Q8_0`], `n` rounded up to a multiple of 8; values, `[n, head_dim / 32]`.
    Q8_0(&'c [u8], &'c [BlockQ8_0]),
}

impl<'a> KvCache<'a> {
    /// Bytes of keys, and of values; `None` if they cannot be counted. `row`: [`KvType::row_bytes`].
    pub fn bytes(config: &Config, kv: KvType, context: usize, row: usize) -> Option<usize> {
        config
            .attention_layers()
            .checked_mul(config.n_head_kv)?
            .checked_mul(row)?
            .checked_mul(kv.positions(context)?)
    }

    /// `keys`, `values`: as many [`bytes`](Self::bytes) each, aligned as arrays of the arena are.
    pub fn new(
        config: &Config,
        kv: KvType,
        context: usize,
        keys: &'a mut [u8],
        values: &'a mut [u8],
    ) -> Self {
        let head = keys.len() / (config.attention_layers() * config.n_head_kv).max(1);
        Self {
            kv,
            keys,
            values,
            n_head_kv: config.n_head_kv,
            head,
            row: head / kv.positions(context).unwrap_or(1).max(1),
        }
    }

    fn start(&self, layer: usize, head: usize) -> usize {
        (layer * self.n_head_kv + head) * self.head
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
        let head_dim = key.len() / self.n_head_kv;
        let heads = key.chunks_exact(head_dim).zip(value.chunks_exact(head_dim));
        for (head, (key, value)) in heads.enumerate() {
            let start = self.start(layer, head);
            let at = start + position * self.row;
            let values = &mut self.values[at..at + self.row];
            match self.kv {
                KvType::F16 => {
                    let keys = &mut self.keys[at..at + self.row];
                    compute.to_f16(bytemuck::cast_slice_mut(keys), key);
                    compute.to_f16(bytemuck::cast_slice_mut(values), value);
                }
                KvType::Q8_0 => {
                    let first = start + position / OCTET * OCTET * self.row;
                    let octets = self.keys[first..].chunks_exact_mut(OCTET_BYTES);
                    for (octet, key) in octets.zip(key.chunks_exact(GROUP)) {
                        let mut block = [BlockQ8_0::zeroed()];
                        compute.to_q8_0(&mut block, key);
                        put_q8_0(octet, position % OCTET, &block[0]);
                    }
                    compute.to_q8_0(bytemuck::cast_slice_mut(values), value);
                }
            }
        }
    }

    /// What a head has of its first `n` positions.
    pub fn head(&self, layer: usize, head: usize, n: usize) -> Head<'_> {
        let start = self.start(layer, head);
        let keys = |n: usize| &self.keys[start..start + n * self.row];
        let values = &self.values[start..start + n * self.row];
        match self.kv {
            KvType::F16 => Head::F16(bytemuck::cast_slice(keys(n)), bytemuck::cast_slice(values)),
            KvType::Q8_0 => Head::Q8_0(
                keys(n.next_multiple_of(OCTET)),
                bytemuck::cast_slice(values),
            ),
        }
    }
}

/// Keys and values of the first positions, as they are saved: layer by layer and head by head the keys, then the
/// values, in the layout that they have in the cache. Int8 keys come eight positions at a time; those of positions
/// that are not saved are zero.
impl KvCache<'_> {
    /// How it is stored.
    pub fn kv(&self) -> KvType {
        self.kv
    }

    /// The first `n` positions of everything, piece by piece.
    pub fn save<E>(&self, n: usize, put: &mut dyn FnMut(&[u8]) -> Result<(), E>) -> Result<(), E> {
        let whole = match self.kv {
            KvType::F16 => n,
            KvType::Q8_0 => n / OCTET * OCTET,
        };
        for start in (0..self.keys.len()).step_by(self.head.max(1)) {
            let keys = &self.keys[start..start + self.head];
            let (keys, rest) = keys.split_at(whole * self.row);
            put(keys)?;
            if whole < n {
                let octets = rest[..OCTET * self.row].chunks_exact(OCTET_BYTES);
                for octet in octets {
                    let mut copy = [0; OCTET_BYTES];
                    copy.copy_from_slice(octet);
                    for unused in n - whole..OCTET {
                        put_q8_0(&mut copy, unused, &BlockQ8_0::zeroed());
                    }
                    put(&copy)?;
                }
            }
            put(&self.values[start..start + n * self.row])?;
        }
        Ok(())
    }

    /// Lets `take` fill in what [`save`](Self::save) gave of `n` positions, which the context holds.
    pub fn restore<E>(
        &mut self,
        n: usize,
        take: &mut dyn FnMut(&mut [u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        let keys = match self.kv {
            KvType::F16 => n,
            KvType::Q8_0 => n.next_multiple_of(OCTET),
        };
        for start in (0..self.keys.len()).step_by(self.head.max(1)) {
            take(&mut self.keys[start..start + keys * self.row])?;
            take(&mut self.values[start..start + n * self.row])?;
        }
        Ok(())
    }
}

/// Numbers of scratch that queries of `heads` heads take to meet a cache of this type: they are quantized as
/// other [activations](crate::kernel::Quantized) are.
pub(crate) fn query_scratch(kv: KvType, head_dim: usize, heads: usize) -> usize {
    match kv {
        KvType::F16 => 0,
        KvType::Q8_0 => heads * (head_dim / size_of::<f32>() + 4 * head_dim / GROUP),
    }
}
