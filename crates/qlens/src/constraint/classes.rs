//! What masks want to know of every token at a glance.

use super::error::Error;
use crate::tokenizer::{Kind, MAX_TOKEN_BYTES, Tokenizer};

/// Its bytes have to be looked at.
pub(super) const WALK: u8 = 0;
/// The most characters that a class counts.
const MAX_CHARS: usize = 253;
/// Ends the answer.
pub(super) const END: u8 = 254;
/// Is no text: a special token, or one that stands for nothing.
pub(super) const NEVER: u8 = 255;

/// A model's tokens as constraints see them: what each begins with, and which of them are text that may stand
/// anywhere in a string.
///
/// Made once for a model, in 2 bytes a token, for all constraints and answers: 149 million instructions (x86-64, as
/// `examples/mask_cost.rs` says) and 304 kB for the 151,936 tokens of Qwen2.5. With it a mask reads the texts of few tokens.
#[derive(Debug, Clone)]
pub struct TokenClasses<'t> {
    pub(super) tokenizer: Tokenizer<'t, 't>,
    /// By token: its first byte, and above it its class: the number of its characters, if these are whole and none
    /// of them is a quote, a backslash or a control character; or one of the constants above.
    pub(super) classes: &'t [u16],
}

impl<'t> TokenClasses<'t> {
    /// Those of a tokenizer, in `memory` of at least [`Tokenizer::n_vocab`] elements, whatever is in it.
    ///
    /// # Errors
    /// [`Error::Memory`].
    pub fn new<'m: 't, 'a: 't>(
        tokenizer: &Tokenizer<'m, 'a>,
        memory: &'t mut [u16],
    ) -> Result<Self, Error> {
        let (found, enough) = (memory.len(), tokenizer.n_vocab());
        let classes = memory.get_mut(..enough).ok_or(Error::Memory {
            what: "the classes of tokens",
            found,
            enough,
        })?;
        for (id, class) in classes.iter_mut().enumerate() {
            *class = u16::from_le_bytes(class_of(tokenizer, id as u32));
        }
        Ok(Self {
            tokenizer: tokenizer.clone(),
            classes,
        })
    }
}

fn class_of(tokenizer: &Tokenizer<'_, '_>, id: u32) -> [u8; 2] {
    if tokenizer.is_end_of_turn(id) {
        return [0, END];
    }
    let mut text = heapless::Vec::<u8, MAX_TOKEN_BYTES>::new();
    if tokenizer.kind(id) == Some(Kind::Normal) {
        text.extend(tokenizer.token_bytes(id).into_iter().flatten());
    }
    let Some(&first) = text.first() else {
        return [0, NEVER];
    };
    let is_plain = |&byte: &u8| byte >= b' ' && !b"\"\\".contains(&byte);
    let chars = core::str::from_utf8(&text).map_or(0, |text| text.chars().count());
    let is_plain = chars <= MAX_CHARS && text.iter().all(is_plain);
    [first, if is_plain { chars as u8 } else { WALK }]
}
