//! A saved session: what [`Session::save`](super::Session::save) writes and
//! [`Session::restore`](super::Session::restore) takes.
//!
//! Numbers are little-endian, as on every machine that this runs on; counts, positions and lengths are in tokens.
//!
//! | byte | type | |
//! |---|---|---|
//! | 0 | 8 bytes | [`MAGIC`] |
//! | 8 | u32 | [`VERSION`] of the format |
//! | 12 | u8 | type of the KV cache: 0 is `f16`, 1 is `q8_0` |
//! | 13 | u8 | bit 0: the model ended its turn; bit 1: the answer is in a thought; bit 2: it began in one; bit 3: its last token ends inside a character |
//! | 14 | u16 | 0 |
//! | 16 | u64 | the model's fingerprint |
//! | 24 | u32 | attention layers |
//! | 28 | u32 | `n_head_kv` |
//! | 32 | u32 | `head_dim` |
//! | 36 | u32 | `n_embd` |
//! | 40 | u64 | numbers of a recurrent state; 0 for models without |
//! | 48 | u32 | `tokens`: length of the context |
//! | 52 | u32 | `positions`: as many of them, from the first on, are in the cache |
//! | 56 | u32 | where the copy of the recurrent state was made that is kept for the last batch of a prompt; 0 if there is none |
//! | 60 | u32 | likewise for the last draft |
//! | 64 | u32 | tokens of the context when the last answer began |
//! | 68 | u32 | tokens of that answer's thoughts, counted under a budget |
//! | 72 | u32 | tokens written of those that close a thought beyond its budget |
//! | 76 | u32 each | the tokens |
//! | | | keys and values of the positions: for each attention layer, for each KV head, the keys, `[positions, head_dim]`, then the values, likewise |
//! | | f32 each | the recurrent state after `positions`, then its copies; none at position 0, and no position twice |
//! | | f32 each | `[n_embd]`, the residual stream of the last token behind the last layer, if all tokens are in the cache |
//! | end | u32 | CRC-32 (ISO-HDLC) of all bytes before |
//!
//! The header alone says how long all of it is. Keys and values are f16, or blocks of 32 int8 with an f16 scale before
//! them; int8 keys are [interleaved](crate::quant::interleave) eight positions at a time, and where eight do not divide
//! `positions` they are filled up with zeros. A layer's recurrent state is `[taps - 1, channels]` inputs of the
//! convolution and `[n_head_v, head_dim_v / 32, head_dim_k, 32]` matrices.
//!
//! **The model's fingerprint** is a CRC-64 (XZ) of the shape and, for every tensor, its format, its shape and its middle row. That
//! is what logits depend on, read in milliseconds where a checksum of all weights takes seconds. A row of every
//! matrix tells fine-tunes and quantizations of one model apart. A model is the same interleaved or not; the length of
//! the context, batches, kernels and threads are no part of it, for no bit of the state depends on them. It is a
//! guard against mistakes: who can write a saved session can make a model say anything.
//!
//! **What is not a number** is restored like any other. Weights that overflow make such states by themselves, their
//! sessions go on with them, and so they do when they are saved in between; nothing but the answers suffers.

mod error;
mod header;
mod restore;
mod save;

use crc::{CRC_32_ISO_HDLC, Crc};

pub use error::Error;

/// What a saved session begins with.
pub const MAGIC: [u8; 8] = *b"qlensses";
/// The version of the format that is written, and the only one that is read.
pub const VERSION: u32 = 1;
/// Bytes before the tokens.
pub const HEADER_BYTES: usize = 76;

static CRC: Crc<u32> = Crc::<u32>::new(&CRC_32_ISO_HDLC);
