//! Computes masks, for an instruction counter to watch: what one costs is the difference between two runs, divided
//! by the difference of their counts.
//!
//! ```text
//! cargo build --release -p qlens --example mask_cost
//! valgrind --tool=callgrind --callgrind-out-file=/dev/null target/release/examples/mask_cost MODEL.gguf STATE COUNT
//! ```
//!
//! `STATE` is one of `choice`, `key`, `value`, `string`, `bounded`, `character`; or `classes`, which makes the
//! classes of all tokens `COUNT` times over; or `greedy`, which samples greedily in a string from logits whose
//! highest may come.

use std::error::Error;
use std::hint::black_box;

use qlens::constraint::{Constraint, Matcher, TokenClasses};
use qlens::gguf::Gguf;
use qlens::sampler::{Mask as _, Sampler};
use qlens::tokenizer::Tokenizer;

const SCHEMA: &str = r#"{"type": "object", "required": ["intent"], "properties": {
    "intent": {"type": "string"}, "place": {"type": "string", "maxLength": 20},
    "minutes": {"type": ["integer", "null"], "minimum": 0, "maximum": 600}}}"#;
const CHOICES: [&str; 5] = [
    "navigate",
    "translate",
    "set a timer",
    "take a note",
    "none of these",
];

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().collect();
    let [_, path, state, count] = &args[..] else {
        return Err("usage: mask_cost MODEL.gguf STATE COUNT".into());
    };
    let bytes = std::fs::read(path)?;
    let gguf = Gguf::parse(&bytes)?;
    let mut index = vec![0_u32; Tokenizer::index_bytes(&gguf)?.div_ceil(4)];
    let tokenizer = Tokenizer::new(&gguf, bytemuck::cast_slice_mut(&mut index))?;
    let mut classes = vec![0; tokenizer.n_vocab()];
    let tokens = TokenClasses::new(&tokenizer, &mut classes)?;
    let mut memory =
        vec![0; Constraint::schema_words(SCHEMA.len()) + Constraint::choices_words(&CHOICES)];
    let before = match state.as_str() {
        "key" => "{",
        "value" => r#"{"intent":"#,
        "string" | "greedy" => r#"{"intent":"where is"#,
        "bounded" => r#"{"intent":"","place":"123456789012345"#,
        "character" => "{\"intent\":\"\u{4f60}",
        _ => "",
    };
    let constraint = if before.is_empty() {
        Constraint::choices(&CHOICES, &mut memory)?
    } else {
        Constraint::schema(SCHEMA, &mut memory)?
    };
    let mut matcher = Matcher::new(&constraint, &tokens);
    let mut bytes = before.as_bytes().to_vec();
    if state == "character" {
        // In the middle of it.
        bytes.pop();
    }
    let spelled = |byte: u8| {
        (0..tokenizer.n_vocab() as u32).find(|&id| {
            tokenizer
                .token_bytes(id)
                .is_some_and(|bytes| bytes.eq([byte]))
        })
    };
    for byte in bytes {
        let token = spelled(byte).ok_or("the vocabulary lacks a byte")?;
        assert!(matcher.advance(token));
    }

    let mut logits = vec![0.0; tokenizer.n_vocab()];
    matcher.apply(&mut logits);
    let allowed = logits.iter().filter(|logit| !logit.is_nan()).count();
    println!("{allowed} of {} tokens may come", logits.len());
    let (mut candidates, mut scratch) = (vec![0; logits.len()], vec![0; logits.len()]);
    let best = spelled(b' ').unwrap_or(0) as usize;
    for _ in 0..count.parse::<usize>()? {
        match state.as_str() {
            "classes" => drop(black_box(TokenClasses::new(&tokenizer, &mut scratch)?)),
            "greedy" => {
                logits[best] = 1.0;
                black_box(Sampler::greedy().sample_masked(
                    &mut logits,
                    &[],
                    &mut candidates,
                    &matcher,
                ));
            }
            _ => matcher.apply(black_box(&mut logits)),
        }
    }
    Ok(())
}
