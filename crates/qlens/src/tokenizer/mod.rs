//! Text to token ids and back, as the model was trained: Qwen's byte-level BPE, exactly, from what
//! the GGUF file says and nothing else.
//!
//! Text goes through four steps, each the same as in the reference (Hugging Face's `tokenizers`):
//! special tokens are cut out where that is asked for ([`Special`]); the rest is normalized to NFC;
//! cut into words by the pre-tokenizer that the file names; and each word's bytes are merged in the
//! order of the file's merges. All four stream: text of any length is encoded with memory that was
//! there before.
//!
//! That memory is the caller's, in two pieces. The *index* is what a vocabulary is looked up by:
//! [`Tokenizer::index_bytes`], 4.2 MB for the 151,936 tokens of Qwen2.5. A packed file brings it along,
//! and it is used where it lies, takes no memory and no time; of a plain file [`Tokenizer::new`] makes
//! it once, and it stays. The *scratch* of [`SCRATCH_BYTES`] is used while encoding only, so that it may
//! be shared with anything else that is not needed at that time.
//!
//! A word (a stretch of text that the pre-tokenizer does not cut) is encoded whole as long as it has
//! no more bytes than the scratch has symbols, 2,048; a longer one, of any length, in overlapping
//! windows, with the same result. (A list of merges that no training would make could refuse such a
//! word: [`EncodeError::Undecided`].)
//!
//! Not supported: vocabularies other than byte-level BPE (`tokenizer.ggml.model` other than `gpt2`),
//! pre-tokenizers other than `qwen2` and `qwen35`.

mod bpe;
mod builder;
mod byte_level;
mod error;
mod index;
mod nfc;
mod pretokenize;
mod slots;
mod special;
mod stored;
mod unicode;
mod utf8;
mod vocabulary;

pub use error::{EncodeError, Error, Full, IndexFault, Name};
pub use utf8::Utf8Stream;
pub use vocabulary::Kind;

use crate::gguf::Gguf;
use bpe::{Bytes, Symbols};
use byte_level::Spelled;
use index::Index;
use nfc::Source;
use pretokenize::{Chars, PreTokenizer};
use special::Specials;
use vocabulary::Vocabulary;

/// Bytes of the scratch that encoding needs. Less will do for vocabularies of short tokens, and more
/// makes the windows longer in which very long words are encoded.
pub const SCRATCH_BYTES: usize = bpe::WINDOW * bpe::SYMBOL_BYTES;

/// Bytes that a token may stand for. The longest of Qwen's is 128 spaces.
pub const MAX_TOKEN_BYTES: usize = 512;

/// Bytes that one token can add to a text: each of its bytes, and a character begun before, may turn
/// out to be broken and become U+FFFD.
pub const MAX_PIECE_BYTES: usize = (MAX_TOKEN_BYTES + 1) * char::REPLACEMENT_CHARACTER.len_utf8();

/// The metadata key under which a packed file has its index.
pub const INDEX_KEY: &str = stored::KEY;

const MODEL: &str = "tokenizer.ggml.model";
const PRE: &str = "tokenizer.ggml.pre";
pub(crate) const TOKENS: &str = "tokenizer.ggml.tokens";
const TYPES: &str = "tokenizer.ggml.token_type";
const MERGES: &str = "tokenizer.ggml.merges";
const EOS: &str = "tokenizer.ggml.eos_token_id";
const EOT: &str = "tokenizer.ggml.eot_token_id";
const BOS: &str = "tokenizer.ggml.bos_token_id";
const ADD_BOS: &str = "tokenizer.ggml.add_bos_token";
const ADD_EOS: &str = "tokenizer.ggml.add_eos_token";

/// What special tokens in a text are taken for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Special {
    /// The tokens that they name: for prompts that a program wrote.
    Parse,
    /// Text like any other: for whatever a person wrote, said, or put into a document. Nothing in
    /// such text becomes a special token.
    Plain,
}

/// The tokenizer of a model: the file's vocabulary and its index.
#[derive(Debug, Clone)]
pub struct Tokenizer<'m, 'a> {
    vocabulary: Vocabulary<'m>,
    index: Index<'a>,
    specials: Specials,
    pre: PreTokenizer,
    bos: Option<u32>,
    eos: Option<u32>,
    adds_eos: bool,
    /// The tokens other than `eos` that end an answer.
    ends: [Option<u32>; 3],
}

impl<'m, 'a> Tokenizer<'m, 'a> {
    /// Bytes of memory that [`new`](Self::new) needs for this file: none if the file brings its index
    /// along. Quick: looks at counts and token types, not at texts.
    ///
    /// # Errors
    /// [`Error`], if the file has no vocabulary, or one of another kind, or an index that is not the
    /// vocabulary's.
    pub fn index_bytes(gguf: &Gguf<'m>) -> Result<usize, Error> {
        let vocabulary = Vocabulary::read(gguf)?;
        match stored::find(gguf)? {
            Some(words) => index::header(&vocabulary, words).map(|_| 0),
            None => index::bytes(&vocabulary),
        }
    }

    /// The tokenizer of a file, by the index that the file brings along, else by one made in `memory`,
    /// whatever that held before. `memory` has at least [`index_bytes`](Self::index_bytes) bytes and is
    /// aligned to 4.
    ///
    /// # Errors
    /// [`Error`] says which entry of the vocabulary is wrong, or how much memory is missing; or that the
    /// file's index is not one of its vocabulary.
    pub fn new(gguf: &Gguf<'m>, memory: &'a mut [u8]) -> Result<Self, Error>
    where
        'm: 'a,
    {
        let name = vocabulary::text(gguf, PRE)?;
        let pre = PreTokenizer::from_name(name).ok_or(Error::PreTokenizer {
            found: Name::new(name),
        })?;
        let vocabulary = Vocabulary::read(gguf)?;
        let index = if let Some(words) = stored::find(gguf)? {
            Index::stored(&vocabulary, words)?
        } else {
            let words = Index::build(&vocabulary, memory, 0)?;
            Index::over(&index::header(&vocabulary, words)?, words)
        };
        let specials = Specials::new(&vocabulary, &index);

        let id = |key| token_id(gguf, key, index.len());
        let asks = |key| gguf.get(key).and_then(|value| value.as_bool()) == Some(true);
        let bos = id(BOS)?.filter(|_| asks(ADD_BOS));
        let eos = id(EOS)?;
        let eot = id(EOT)?;
        let control = |text: &str| {
            let id = index.id_of(&vocabulary, text.as_bytes())?;
            let (_, kind) = index.token(&vocabulary, id)?;
            (kind == Kind::Control).then_some(id)
        };
        let ends = [eot, control("<|im_end|>"), control("<|endoftext|>")];
        Ok(Self {
            vocabulary,
            index,
            specials,
            pre,
            bos,
            eos,
            adds_eos: asks(ADD_EOS),
            ends,
        })
    }

    /// The number of tokens; ids are below it.
    pub fn n_vocab(&self) -> usize {
        self.index.len()
    }

    /// Encodes a text and hands its token ids to `out`, in order; returns how many there were. An
    /// empty text has none.
    ///
    /// `scratch` is memory of [`SCRATCH_BYTES`], aligned to 4, whatever it holds.
    ///
    /// # Errors
    /// [`EncodeError::Full`] if `out` said so; then it got the first ids of the text.
    pub fn encode(
        &self,
        text: &str,
        special: Special,
        scratch: &mut [u8],
        out: &mut dyn FnMut(u32) -> Result<(), Full>,
    ) -> Result<usize, EncodeError> {
        let mut encoder = self.encoder(scratch, out)?;
        let mut from = 0;
        if special == Special::Parse {
            while let Some(found) = self
                .specials
                .find(&self.vocabulary, &self.index, text, from)
            {
                encoder.text(Source {
                    parts: &[&text[from..found.start]],
                })?;
                encoder.id(found.id)?;
                from = found.end;
            }
        }
        encoder.text(Source {
            parts: &[&text[from..]],
        })?;
        Ok(encoder.count)
    }

    /// Encodes texts as if they were one, none with special tokens: what [`encode`](Self::encode) makes
    /// of them put together, with [`Special::Plain`]. (A word may reach across, so that encoding one
    /// after the other would not do.)
    ///
    /// # Errors
    /// As [`encode`](Self::encode).
    pub fn encode_parts(
        &self,
        parts: &[&str],
        scratch: &mut [u8],
        out: &mut dyn FnMut(u32) -> Result<(), Full>,
    ) -> Result<usize, EncodeError> {
        let mut encoder = self.encoder(scratch, out)?;
        encoder.text(Source { parts })?;
        Ok(encoder.count)
    }

    /// Where in `text`, at or behind byte `from`, the next special token is: what
    /// [`encode`](Self::encode) would take for one with [`Special::Parse`]. `None` also if `from` is no
    /// boundary of a character.
    pub fn find_special(&self, text: &str, from: usize) -> Option<core::ops::Range<usize>> {
        text.get(from..)?;
        let found = self
            .specials
            .find(&self.vocabulary, &self.index, text, from)?;
        Some(found.start..found.end)
    }

    /// The token of this text, if it is one that is looked for in texts ([`Special::Parse`]).
    pub fn special(&self, text: &str) -> Option<u32> {
        self.id_of(text)
            .filter(|&id| self.kind(id).is_some_and(Kind::is_special))
    }

    /// Encodes a text into `ids` and returns how many there were.
    ///
    /// # Errors
    /// [`EncodeError::TooLong`] counts the tokens of the whole text if `ids` is too short for them,
    /// and then holds the first ones.
    pub fn encode_into(
        &self,
        text: &str,
        special: Special,
        scratch: &mut [u8],
        ids: &mut [u32],
    ) -> Result<usize, EncodeError> {
        let room = ids.len();
        let mut free = ids.iter_mut();
        let tokens = self.encode(text, special, scratch, &mut |id| {
            if let Some(place) = free.next() {
                *place = id;
            }
            Ok(())
        })?;
        if tokens > room {
            return Err(EncodeError::TooLong { tokens, room });
        }
        Ok(tokens)
    }

    /// The bytes that a token stands for; `None` if there is no such token. They need not be whole
    /// characters: [`Utf8Stream`] makes text of them. Unused tokens stand for nothing.
    pub fn token_bytes(&self, id: u32) -> Option<TokenBytes<'m>> {
        let (text, kind) = self.index.token(&self.vocabulary, id)?;
        // Building has found every token's text to be good, but nobody has looked at all of the texts
        // to which an index in the file leads.
        let is_good = vocabulary::length(text, kind).is_some_and(|len| len <= MAX_TOKEN_BYTES);
        let text = core::str::from_utf8(text)
            .ok()
            .filter(|_| is_good && kind != Kind::Unused)
            .unwrap_or_default();
        Some(if kind == Kind::Normal {
            TokenBytes::Spelled(text.chars())
        } else {
            TokenBytes::Literal(text.bytes())
        })
    }

    /// The bytes of an ordinary token of which [`token_bytes`](Self::token_bytes) gave the same before: without
    /// another look at whether its text is a good one, which takes longer than reading it.
    #[inline]
    pub(crate) fn spelled_bytes(&self, id: u32) -> impl Iterator<Item = u8> + Clone + use<'m> {
        let token = self.index.token(&self.vocabulary, id);
        Spelled::new(token.map_or(&[], |(text, _)| text))
    }

    /// What a token is; `None` if there is no such token.
    pub fn kind(&self, id: u32) -> Option<Kind> {
        Some(self.index.token(&self.vocabulary, id)?.1)
    }

    /// Whether a token steers the model and is not part of a text.
    pub fn is_special(&self, id: u32) -> bool {
        self.kind(id) == Some(Kind::Control)
    }

    /// The token whose text in the file is exactly this. Ordinary tokens are spelled in the alphabet
    /// of byte-level BPE there (`Ġthe`), special ones as they are (`<|im_start|>`).
    pub fn id_of(&self, text: &str) -> Option<u32> {
        self.index.id_of(&self.vocabulary, text.as_bytes())
    }

    /// The token that every text is to begin with, if the file asks for one. Encoding does not add it.
    pub fn bos(&self) -> Option<u32> {
        self.bos
    }

    /// The token that the file says ends a text.
    pub fn eos(&self) -> Option<u32> {
        self.eos
    }

    /// The token that every text to be embedded is to end with, if the file asks for one: [`eos`](Self::eos),
    /// where `tokenizer.ggml.add_eos_token` is true. Encoding does not add it.
    pub fn added_eos(&self) -> Option<u32> {
        self.eos.filter(|_| self.adds_eos)
    }

    /// Whether this token ends an answer: `eos`, the file's end of turn, `<|im_end|>` or
    /// `<|endoftext|>`.
    pub fn is_end_of_turn(&self, id: u32) -> bool {
        self.eos == Some(id) || self.ends.contains(&Some(id))
    }

    fn encoder<'e>(
        &'e self,
        scratch: &'e mut [u8],
        out: &'e mut dyn FnMut(u32) -> Result<(), Full>,
    ) -> Result<Encoder<'e, 'm, 'a>, EncodeError> {
        Ok(Encoder {
            tokenizer: self,
            symbols: Symbols::new(scratch, self.index.longest)?,
            out,
            count: 0,
        })
    }
}

/// Makes the index of a plain file in `memory`, as [`Tokenizer::new`] does, for a packed one to bring
/// along: returns its words, which the packed file has under [`INDEX_KEY`] as an array of bytes: zeros,
/// fewer than four, so that the words begin at a multiple of four from the start of the file, then the
/// words, little-endian.
///
/// # Errors
/// As [`Tokenizer::new`].
pub fn precompile<'a>(gguf: &Gguf<'_>, memory: &'a mut [u8]) -> Result<&'a [u32], Error> {
    let vocabulary = Vocabulary::read(gguf)?;
    Index::build(&vocabulary, memory, stored::fingerprint(&vocabulary))
}

/// The bytes of a token, in order.
#[derive(Debug, Clone)]
pub enum TokenBytes<'m> {
    /// Spelled in the alphabet of byte-level BPE.
    Spelled(core::str::Chars<'m>),
    /// As they are.
    Literal(core::str::Bytes<'m>),
}

impl Iterator for TokenBytes<'_> {
    type Item = u8;

    fn next(&mut self) -> Option<u8> {
        match self {
            Self::Spelled(chars) => chars.find_map(byte_level::byte_of),
            Self::Literal(bytes) => bytes.next(),
        }
    }
}

/// One encoding under way.
struct Encoder<'e, 'm, 'a> {
    tokenizer: &'e Tokenizer<'m, 'a>,
    symbols: Symbols<'e>,
    out: &'e mut dyn FnMut(u32) -> Result<(), Full>,
    count: usize,
}

impl Encoder<'_, '_, '_> {
    fn id(&mut self, id: u32) -> Result<(), Full> {
        (self.out)(id)?;
        self.count += 1;
        Ok(())
    }

    fn text(&mut self, text: Source<'_>) -> Result<(), EncodeError> {
        let Self {
            tokenizer,
            symbols,
            out,
            count,
        } = self;
        let mut chars = Chars::new(text);
        loop {
            let start = chars.clone();
            let Some(len) = tokenizer.pre.next_word(&mut chars) else {
                return Ok(());
            };
            let word = Bytes::new(start, len);
            symbols.encode(&tokenizer.index, word, len, &mut |id| {
                out(id)?;
                *count += 1;
                Ok(())
            })?;
        }
    }
}

/// The token that a key names, if the file has the key.
fn token_id(gguf: &Gguf<'_>, key: &'static str, tokens: usize) -> Result<Option<u32>, Error> {
    let Some(value) = gguf.get(key) else {
        return Ok(None);
    };
    let found = value.as_u64().ok_or(Error::Key {
        key,
        expected: "an integer",
    })?;
    if found >= tokens as u64 {
        return Err(Error::TokenId { key, found, tokens });
    }
    Ok(Some(found as u32))
}
