//! What the tests of the reader share.

mod hostile;
mod reading;
mod refusing;

use std::vec::Vec;

use super::writer::Writer;
use super::{Error, Gguf};

const F32: u32 = 0;
const Q8_0: u32 = 8;
const Q4_K: u32 = 12;

/// Why a file is refused.
fn error(file: &[u8]) -> Error {
    Gguf::parse(file).expect_err("the file should be refused")
}

/// A file with a bit of everything.
fn sample() -> Vec<u8> {
    Writer::new()
        .str("general.architecture", "qwen2")
        .u32("qwen2.block_count", 24)
        .f32("qwen2.rope.freq_base", 1e6)
        .bool("tokenizer.ggml.add_bos_token", false)
        .strs("tokenizer.ggml.tokens", &["a", "", "Ġthe", "b"])
        .i32s("tokenizer.ggml.token_type", &[1, 1, -3, i32::MAX])
        .strs("tokenizer.ggml.merges", &["Ġ t", "Ġt he"])
        .tensor("token_embd.weight", &[32, 2], Q8_0, &[7; 68])
        .tensor("output_norm.weight", &[3], F32, &[9; 12])
        .finish()
}
