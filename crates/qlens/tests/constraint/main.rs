//! Constraints: what they let through is what they were asked for, and nothing else (`answers`); everything that
//! can be asked for comes through, however it is cut into tokens (`documents`); a mask is what looking at every token
//! gives (`masks`); what is not supported is refused with a sentence (`refusals`), and what is damaged does no harm
//! (`hostile`).

#[path = "../support/mod.rs"]
mod support;

mod answers;
mod documents;
mod hostile;
mod masks;
mod refusals;
mod schemas;

use std::collections::HashMap;
use std::io::Read as _;
use std::sync::LazyLock;

use qlens::constraint::{Constraint, Error, Matcher, TokenClasses};
use qlens::gguf::Gguf;
use qlens::sampler::Mask as _;
use qlens::tokenizer::{Kind, Tokenizer};

/// A tokenizer and its classes.
struct Vocabulary {
    tokenizer: Tokenizer<'static, 'static>,
    classes: TokenClasses<'static>,
    /// By its bytes, every token that is text.
    ids: HashMap<Vec<u8>, u32>,
    end: u32,
}

impl Vocabulary {
    fn of(file: Vec<u8>) -> Self {
        let file: &'static [u8] = file.leak();
        let gguf = Gguf::parse(file).unwrap();
        let words = Tokenizer::index_bytes(&gguf).unwrap().div_ceil(4);
        let index = vec![0_u32; words].leak();
        let tokenizer = Tokenizer::new(&gguf, bytemuck::cast_slice_mut(index)).unwrap();
        let memory = vec![0xffff; tokenizer.n_vocab()].leak();
        let classes = TokenClasses::new(&tokenizer, memory).unwrap();
        let all = 0..tokenizer.n_vocab() as u32;
        let is_text = |&id: &u32| tokenizer.kind(id) == Some(Kind::Normal);
        let ids = all.filter(is_text).map(|id| (bytes(&tokenizer, id), id));
        let ids = ids.collect();
        Self {
            end: tokenizer.id_of("<|im_end|>").unwrap(),
            tokenizer,
            classes,
            ids,
        }
    }

    fn bytes(&self, id: u32) -> Vec<u8> {
        bytes(&self.tokenizer, id)
    }

    /// The token of a single byte.
    fn byte(&self, byte: u8) -> u32 {
        self.ids[&vec![byte]]
    }

    /// Every token that may come, by the mask.
    fn allowed(&self, matcher: &Matcher<'_>) -> Vec<u32> {
        let mut logits = vec![0.0; self.tokenizer.n_vocab()];
        matcher.apply(&mut logits);
        (0..)
            .zip(logits)
            .filter(|(_, logit)| !logit.is_nan())
            .map(|(id, _)| id)
            .collect()
    }

    /// Follows a text, one token for a byte; where it stops if it may not go on.
    fn follow<'c>(
        &'c self,
        constraint: &Constraint<'c>,
        text: &[u8],
    ) -> Result<Matcher<'c>, usize> {
        let mut matcher = Matcher::new(constraint, &self.classes);
        for (at, &byte) in text.iter().enumerate() {
            if !matcher.advance(self.byte(byte)) {
                return Err(at);
            }
        }
        Ok(matcher)
    }
}

fn bytes(tokenizer: &Tokenizer<'_, '_>, id: u32) -> Vec<u8> {
    tokenizer.token_bytes(id).unwrap().collect()
}

/// Bytes, few merges and six special tokens.
static SMALL: LazyLock<Vocabulary> =
    LazyLock::new(|| Vocabulary::of(support::Aligned::read("qwen2-q4_0.gguf").to_vec()));

/// That of Qwen2.5.
static QWEN: LazyLock<Vocabulary> = LazyLock::new(|| {
    let packed = std::fs::read(support::data("tokenizer/qwen2.5-vocabulary.gguf.zst")).unwrap();
    let mut file = Vec::new();
    ruzstd::decoding::StreamingDecoder::new(&packed[..])
        .unwrap()
        .read_to_end(&mut file)
        .unwrap();
    Vocabulary::of(file)
});

/// Memory that lives as long as the test.
fn words(count: usize) -> &'static mut [u32] {
    vec![0xdead_beef; count].leak()
}

fn schema(text: &str) -> Result<Constraint<'static>, Error> {
    Constraint::schema(text, words(Constraint::schema_words(text.len())))
}

fn choices(list: &[&str]) -> Constraint<'static> {
    Constraint::choices(list, words(Constraint::choices_words(list))).unwrap()
}

struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    fn below(&mut self, end: usize) -> usize {
        ((u128::from(self.next()) * end as u128) >> 64) as usize
    }

    fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    fn one<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())]
    }
}
