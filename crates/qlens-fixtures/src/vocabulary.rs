//! A vocabulary of bytes, a few merges and Qwen's control tokens.

use qlens_gguf::Directory;

use qlens::gguf::Value;
use qlens::model::Architecture;

/// Pairs that are one token. What they are of comes before them.
pub(crate) const MERGES: [(&str, &str); 8] = [
    ("t", "h"),
    ("i", "n"),
    ("e", "r"),
    ("Ġ", "t"),
    ("Ġ", "a"),
    ("th", "e"),
    ("in", "g"),
    ("Ġt", "he"),
];

const END_OF_TEXT: &str = "<|endoftext|>";
const END_OF_TURN: &str = "<|im_end|>";
const CONTROL: [&str; 3] = [END_OF_TEXT, "<|im_start|>", END_OF_TURN];

/// Types of tokens, by their numbers in `tokenizer.ggml.token_type`.
const NORMAL: i32 = 1;
const CONTROL_TYPE: i32 = 3;
const UNUSED: i32 = 5;

/// States a vocabulary of `n_vocab` tokens; those behind the control tokens are never used.
pub(crate) fn state(directory: &mut Directory<'_>, architecture: Architecture, n_vocab: usize) {
    let mut tokens: Vec<String> = byte_tokens().into_iter().map(String::from).collect();
    tokens.extend(MERGES.map(|(left, right)| format!("{left}{right}")));
    let mut types = vec![NORMAL; tokens.len()];
    tokens.extend(CONTROL.map(String::from));
    types.resize(tokens.len(), CONTROL_TYPE);
    let control = |text: &str| tokens.iter().position(|token| token == text);
    let end_of_turn = Value::U32(control(END_OF_TURN).unwrap_or_default() as u32);
    let end_of_text = Value::U32(control(END_OF_TEXT).unwrap_or_default() as u32);
    tokens.extend((tokens.len()..n_vocab).map(|id| format!("[PAD{id}]")));
    types.resize(tokens.len(), UNUSED);

    let pre = match architecture {
        Architecture::Qwen35 => "qwen35",
        _ => "qwen2",
    };
    directory.set("tokenizer.ggml.model", Value::Str("gpt2"));
    directory.set("tokenizer.ggml.pre", Value::Str(pre));
    directory.set_texts("tokenizer.ggml.tokens", &tokens);
    directory.set_i32s("tokenizer.ggml.token_type", &types);
    let merges = MERGES.map(|(left, right)| format!("{left} {right}"));
    directory.set_texts("tokenizer.ggml.merges", &merges);
    directory.set("tokenizer.ggml.eos_token_id", end_of_turn);
    directory.set("tokenizer.ggml.bos_token_id", end_of_text);
    directory.set("tokenizer.ggml.padding_token_id", end_of_text);
    directory.set("tokenizer.ggml.add_bos_token", Value::Bool(false));
}

/// The alphabet of byte-level BPE: a byte that prints as itself in Latin-1 stands for itself, the others for
/// the characters from U+0100 on, in their order.
fn byte_tokens() -> [char; 256] {
    let mut next = 0x100..;
    std::array::from_fn(|byte| match byte {
        0x21..=0x7E | 0xA1..=0xAC | 0xAE..=0xFF => char::from(byte as u8),
        _ => next.next().and_then(char::from_u32).unwrap_or_default(),
    })
}
