//! A schema, compiled, and an answer held to it.

use std::fs;
use std::sync::LazyLock;

use qlens::constraint::{Constraint, Error, Matcher, TokenClasses};
use qlens::gguf::Gguf;
use qlens::sampler::Mask as _;
use qlens::tokenizer::Tokenizer;

use super::{Outcome, digest, refused};
use crate::mutate::Words;
use crate::{Aligned, seeds};

/// Tokens of an answer.
const STEPS: usize = 12;

pub static WORDS: Words = Words {
    pieces: &[
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        "\"",
        "\\",
        "\\u",
        "\\ud83d",
        "\\u0000",
        "-",
        "1e999",
        "0",
        "-0",
        "99999999999999999999",
        "4294967295",
        "4294967296",
        "-9223372036854775808",
        "0.5",
        "true",
        "null",
        "\"type\":",
        "\"enum\":",
        "\"const\":",
        "\"anyOf\":",
        "\"oneOf\":",
        "\"properties\":",
        "\"required\":",
        "\"items\":",
        "\"minItems\":",
        "\"maxItems\":",
        "\"minLength\":",
        "\"maxLength\":",
        "\"minimum\":",
        "\"maximum\":",
        "\"exclusiveMinimum\":",
        "\"$ref\":",
        "\"additionalProperties\":false,",
        "\"object\"",
        "\"array\"",
        "\"string\"",
        "\"integer\"",
        "\"number\"",
        "{\"type\":\"string\"}",
        "[\"a\",\"ab\"]",
    ],
    brackets: &[
        ("{", "}"),
        ("[", "]"),
        ("{\"anyOf\":[", "]}"),
        ("{\"type\":\"array\",\"items\":", "}"),
        ("{\"type\":\"object\",\"properties\":{\"a\":", "}}"),
        ("{\"enum\":[\"", "\"]}"),
    ],
};

/// The tokens of a small vocabulary, and how many there are.
static TOKENS: LazyLock<(TokenClasses<'static>, usize)> = LazyLock::new(|| {
    let file = fs::read(seeds::fixture("qwen2-q4_0.gguf")).expect("the fixture is there");
    let file: &'static Aligned = Box::leak(Box::new(Aligned::from(&*file)));
    let gguf = Gguf::parse(file).expect("it is sound");
    let bytes = Tokenizer::index_bytes(&gguf).expect("it has a vocabulary");
    let index = Box::leak(Box::new(Aligned::from(&*vec![0; bytes])));
    let tokenizer = Tokenizer::new(&gguf, index).expect("which can be indexed");
    let n_vocab = tokenizer.n_vocab();
    let classes = TokenClasses::new(&tokenizer, vec![0; n_vocab].leak());
    (classes.expect("and there is memory"), n_vocab)
});

pub fn run(text: &str) -> Outcome {
    let choices: Vec<&str> = text.split('|').collect();
    let mut memory = vec![0xdead_beef; Constraint::choices_words(&choices)];
    match Constraint::choices(&choices, &mut memory) {
        Ok(constraint) => hold(&constraint, digest(text.as_bytes())),
        Err(error) => check(&error),
    }
    let mut memory = vec![0xdead_beef; Constraint::schema_words(text.len())];
    match Constraint::schema(text, &mut memory) {
        Ok(constraint) => {
            hold(&constraint, digest(text.as_bytes()));
            Outcome::Taken
        }
        Err(error) => {
            check(&error);
            Outcome::Refused
        }
    }
}

fn check(error: &Error) {
    let is_short = matches!(error, Error::Memory { .. });
    assert!(!is_short, "what is said to be enough is not: {error}");
    refused(error);
}

/// Something may follow until the answer is over.
fn hold(constraint: &Constraint<'_>, mut state: u64) {
    let (tokens, n_vocab) = &*TOKENS;
    let mut matcher = Matcher::new(constraint, tokens);
    let mut logits = vec![0.0; *n_vocab];
    for _ in 0..STEPS {
        if matcher.is_over() {
            return;
        }
        logits.fill(0.0);
        matcher.apply(&mut logits);
        let allowed: Vec<u32> = (0..)
            .zip(&logits)
            .filter(|(_, logit)| !logit.is_nan())
            .map(|(id, _)| id)
            .collect();
        assert!(!allowed.is_empty(), "a dead end");
        state = state.rotate_left(11).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let token = allowed[(state >> 32) as usize % allowed.len()];
        assert!(matcher.allows(token), "the mask lets {token} through");
        assert!(matcher.advance(token), "and it may come");
    }
}
