//! What masks want to know of every token at a glance.

use super::error::Error;
use crate::tokenizer::{Kind, MAX_TOKEN_BYTES, Tokenizer};

/// Its bytes have to be looked at.
pub(super) const WALK: u8 = 0;
/// The most characters that a class counts.
const MAX_CHARS: usize = 125;
/// Ends the answer.
pub(super) const END: u8 = 126;
/// Is no text: a special token, or one that stands for nothing.
pub(super) const NEVER: u8 = 127;
/// Set beside a class: the byte with it is the second one, and a space stands before it. Half of a vocabulary
/// begins with a space, so that this byte says nothing of a token.
const SPACED: u8 = 128;

/// What is known of a token at a glance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Class {
    /// Whether a space stands before `lead`.
    pub(super) is_spaced: bool,
    /// The first byte, or the one behind a space that others follow.
    pub(super) lead: u8,
    /// The number of its characters, if these are whole and none of them is a quote, a backslash or a control
    /// character; or one of the constants above.
    pub(super) chars: u8,
}

impl Class {
    #[inline]
    pub(super) fn unpack(packed: u16) -> Self {
        let [lead, class] = packed.to_le_bytes();
        Self {
            is_spaced: class & SPACED != 0,
            lead,
            chars: class & !SPACED,
        }
    }

    fn pack(self) -> u16 {
        u16::from_le_bytes([
            self.lead,
            self.chars | if self.is_spaced { SPACED } else { 0 },
        ])
    }

    fn without_text(chars: u8) -> Self {
        Self {
            is_spaced: false,
            lead: 0,
            chars,
        }
    }
}

/// A model's tokens as constraints see them: what each begins with, and which of them are text that may stand
/// anywhere in a string.
///
/// Made once for a model, in 2 bytes a token, for all constraints and answers: 133 million instructions (aarch64, as
/// `examples/mask_cost.rs` says) and 304 kB for the 151,936 tokens of Qwen2.5. With it a mask reads the texts of few tokens.
#[derive(Debug, Clone)]
pub struct TokenClasses<'t> {
    pub(super) tokenizer: Tokenizer<'t, 't>,
    /// By token, its [`Class`].
    classes: &'t [u16],
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
            *class = class_of(tokenizer, id as u32).pack();
        }
        Ok(Self {
            tokenizer: tokenizer.clone(),
            classes,
        })
    }

    /// The class of a token; of one that there is none, that of no text.
    pub(super) fn class(&self, token: u32) -> Class {
        let packed = self.classes.get(token as usize);
        packed.map_or(Class::without_text(NEVER), |&packed| Class::unpack(packed))
    }

    /// Those of all tokens.
    pub(super) fn iter(&self) -> impl ExactSizeIterator<Item = Class> {
        self.classes.iter().map(|&packed| Class::unpack(packed))
    }
}

fn class_of(tokenizer: &Tokenizer<'_, '_>, id: u32) -> Class {
    if tokenizer.is_end_of_turn(id) {
        return Class::without_text(END);
    }
    let mut text = heapless::Vec::<u8, MAX_TOKEN_BYTES>::new();
    if tokenizer.kind(id) == Some(Kind::Normal) {
        text.extend(tokenizer.token_bytes(id).into_iter().flatten());
    }
    let (is_spaced, lead) = match text[..] {
        [] => return Class::without_text(NEVER),
        [b' ', second, ..] => (true, second),
        [first, ..] => (false, first),
    };
    let is_plain = |&byte: &u8| byte >= b' ' && !b"\"\\".contains(&byte);
    let chars = core::str::from_utf8(&text).map_or(0, |text| text.chars().count());
    let is_plain = chars <= MAX_CHARS && text.iter().all(is_plain);
    Class {
        is_spaced,
        lead,
        chars: if is_plain { chars as u8 } else { WALK },
    }
}
