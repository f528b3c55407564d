//! The header: everything that is not an array.

use super::{Error, HEADER_BYTES, MAGIC, VERSION};
use crate::{
    cache::KvType,
    session::thinking::{CLOSING_TOKENS, Thought},
};

const ENDED: u8 = 1;
const IN_THOUGHT: u8 = 2;
const BEGAN_IN_THOUGHT: u8 = 4;
const WITHIN_CHARACTER: u8 = 8;

/// What cannot differ between the session that was saved and that which takes its place.
#[derive(Clone, Copy, Debug)]
pub(super) struct Kind {
    pub kv: KvType,
    pub fingerprint: u64,
    pub attention_layers: usize,
    pub n_head_kv: usize,
    pub head_dim: usize,
    pub n_embd: usize,
    /// Numbers of a recurrent state.
    pub state: usize,
}

/// Where it stood.
#[derive(Clone, Copy, Debug)]
pub(super) struct Header {
    pub tokens: usize,
    /// Positions that the cache has seen, and those of the copies of its recurrent state.
    pub places: [usize; 3],
    /// Tokens of the context when the last answer began.
    pub prompt_tokens: usize,
    /// Whether the model ended its turn.
    pub ended: bool,
    /// Whether bytes of a character are held back until it is whole.
    pub within_character: bool,
    pub thought: Thought,
}

/// Puts fields one after the other.
struct Fields<'b>(&'b mut [u8]);

impl Fields<'_> {
    fn put<const N: usize>(&mut self, bytes: [u8; N]) {
        let (field, rest) = core::mem::take(&mut self.0).split_at_mut(N);
        field.copy_from_slice(&bytes);
        self.0 = rest;
    }

    fn count(&mut self, n: usize) {
        self.put((n as u32).to_le_bytes());
    }
}

fn kv_number(kv: KvType) -> u8 {
    match kv {
        KvType::F16 => 0,
        KvType::Q8_0 => 1,
    }
}

impl Header {
    /// As it is written. Every count fits: the longest context is 2^24 tokens.
    pub fn encode(&self, kind: &Kind) -> [u8; HEADER_BYTES] {
        let flag = |is: bool, bit: u8| if is { bit } else { 0 };
        let flags = flag(self.ended, ENDED)
            | flag(self.thought.is_open, IN_THOUGHT)
            | flag(self.thought.began_open, BEGAN_IN_THOUGHT)
            | flag(self.within_character, WITHIN_CHARACTER);
        let mut bytes = [0; HEADER_BYTES];
        let mut fields = Fields(&mut bytes);
        fields.put(MAGIC);
        fields.put(VERSION.to_le_bytes());
        fields.put([kv_number(kind.kv), flags, 0, 0]);
        fields.put(kind.fingerprint.to_le_bytes());
        fields.count(kind.attention_layers);
        fields.count(kind.n_head_kv);
        fields.count(kind.head_dim);
        fields.count(kind.n_embd);
        fields.put((kind.state as u64).to_le_bytes());
        fields.count(self.tokens);
        self.places.into_iter().for_each(|at| fields.count(at));
        fields.count(self.prompt_tokens);
        fields.count(self.thought.tokens);
        fields.count(self.thought.closing);
        bytes
    }

    /// Reads and checks it, for a session of this kind and `context`.
    pub fn decode<E>(
        bytes: &[u8; HEADER_BYTES],
        kind: &Kind,
        context: usize,
    ) -> Result<Self, Error<E>> {
        let found = field(bytes, 0);
        if found != MAGIC {
            return Err(Error::NotASession { found });
        }
        let found = number(bytes, 8, 4) as u32;
        if found != VERSION {
            return Err(Error::Version { found });
        }
        let most = |field, at: usize, bytes_of: usize, most: usize| {
            let (found, most) = (number(bytes, at, bytes_of), most as u64);
            if found > most {
                let at = at as u64;
                return Err(Error::TooLarge {
                    field,
                    at,
                    found,
                    most,
                });
            }
            Ok(found as usize)
        };
        let kv = most("the type of the KV cache", 12, 1, 1)?;
        let flags = most("the byte of flags", 13, 1, 15)? as u8;
        most("an unused field", 14, 2, 0)?;
        for (field, at, bytes_of, expected) in [
            (
                "the number of attention layers",
                24,
                4,
                kind.attention_layers,
            ),
            ("n_head_kv", 28, 4, kind.n_head_kv),
            ("head_dim", 32, 4, kind.head_dim),
            ("n_embd", 36, 4, kind.n_embd),
            ("the length of a recurrent state", 40, 8, kind.state),
        ] {
            let (found, expected) = (number(bytes, at, bytes_of), expected as u64);
            if found != expected {
                let at = at as u64;
                return Err(Error::OtherShape {
                    field,
                    at,
                    found,
                    expected,
                });
            }
        }
        let (found, expected) = (number(bytes, 16, 8), kind.fingerprint);
        if found != expected {
            return Err(Error::OtherModel { found, expected });
        }
        let found = if kv == 0 { KvType::F16 } else { KvType::Q8_0 };
        if found != kind.kv {
            let expected = kind.kv;
            return Err(Error::Kv { found, expected });
        }

        let tokens = number(bytes, 48, 4);
        if tokens > context as u64 {
            return Err(Error::TooLong { tokens, context });
        }
        let tokens = tokens as usize;
        let positions = most("the number of positions", 52, 4, tokens)?;
        let copies = if kind.state > 0 { positions } else { 0 };
        let places = [
            positions,
            most("the position of a prompt's copy", 56, 4, copies)?,
            most("the position of a draft's copy", 60, 4, copies)?,
        ];
        let prompt_tokens = most("the length of the last prompt", 64, 4, tokens)?;
        let generated = tokens - prompt_tokens;
        let closing = generated.min(CLOSING_TOKENS);
        Ok(Self {
            tokens,
            places,
            prompt_tokens,
            ended: flags & ENDED != 0,
            within_character: flags & WITHIN_CHARACTER != 0,
            thought: Thought {
                is_open: flags & IN_THOUGHT != 0,
                began_open: flags & BEGAN_IN_THOUGHT != 0,
                tokens: most("the length of thoughts", 68, 4, generated)?,
                closing: most("the number of closing tokens", 72, 4, closing)?,
            },
        })
    }
}

fn field<const N: usize>(bytes: &[u8; HEADER_BYTES], at: usize) -> [u8; N] {
    core::array::from_fn(|i| bytes[at + i])
}

/// The number in `len` bytes, at most eight.
fn number(bytes: &[u8; HEADER_BYTES], at: usize, len: usize) -> u64 {
    let bytes = bytes[at..at + len].iter().rev();
    bytes.fold(0, |n, &byte| n << 8 | u64::from(byte))
}
