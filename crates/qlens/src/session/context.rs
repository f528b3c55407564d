//! What a session is fed: its context is rewritten from the first token that differs, and only that is
//! read anew.

use heapless::Vec;

use super::{Error, Session, Stats};
use crate::{
    chat::{self, Chat, Piece, Template},
    tokenizer::{Special, Tokenizer, Utf8Stream},
};

/// Writes tokens over the context; what differs from what stood there is no longer in the KV cache.
struct Rewrite<'s, 'm, 'a> {
    tokenizer: &'s Tokenizer<'m, 'a>,
    encoder: &'s mut [u8],
    tokens: &'s mut [u32],
    evaluated: &'s mut usize,
    /// Where the next token goes: past the end of the context, tokens are only counted.
    at: usize,
}

impl Rewrite<'_, '_, '_> {
    fn put(&mut self, id: u32) {
        if let Some(place) = self.tokens.get_mut(self.at)
            && *place != id
        {
            *place = id;
            *self.evaluated = (*self.evaluated).min(self.at);
        }
        self.at += 1;
    }

    /// The file's own beginning of every text, where it asks for one.
    fn begin(&mut self) {
        if self.at == 0
            && let Some(bos) = self.tokenizer.bos()
        {
            self.put(bos);
        }
    }

    fn text(&mut self, text: &str, special: Special) -> Result<(), Error> {
        self.begin();
        let (tokenizer, encoder) = (self.tokenizer, core::mem::take(&mut self.encoder));
        let encoded = tokenizer.encode(text, special, encoder, &mut |id| {
            self.put(id);
            Ok(())
        });
        self.encoder = encoder;
        encoded.map(|_| ()).map_err(Error::Encode)
    }

    fn parts(&mut self, parts: &[&str]) -> Result<(), Error> {
        let (tokenizer, encoder) = (self.tokenizer, core::mem::take(&mut self.encoder));
        let encoded = tokenizer.encode_parts(parts, encoder, &mut |id| {
            self.put(id);
            Ok(())
        });
        self.encoder = encoder;
        encoded.map(|_| ()).map_err(Error::Encode)
    }
}

/// Parts of a text between two special tokens. A turn has five of its own at most; where a vocabulary
/// lacks the tags of tools, all that tools gave back is between two.
const PARTS: usize = 6 * chat::MAX_TURNS;

/// Encodes the pieces of a prompt, texts between special tokens as one.
struct Pieces<'p, 's, 'm, 'a> {
    context: Rewrite<'s, 'm, 'a>,
    parts: Vec<&'p str, PARTS>,
    /// Whether the prompt ends in a thought.
    is_thinking: bool,
}

impl<'p> Pieces<'p, '_, '_, '_> {
    fn piece(&mut self, piece: Piece<'p>) -> Result<(), Error> {
        let text = match piece {
            Piece::Text(text) => text,
            Piece::Special(tag) => {
                self.is_thinking = tag == chat::THINK;
                if let Some(id) = self.context.tokenizer.special(tag) {
                    self.flush()?;
                    self.context.begin();
                    self.context.put(id);
                    return Ok(());
                }
                tag
            }
        };
        if text.is_empty() {
            return Ok(());
        }
        if self.parts.is_full() {
            self.flush()?;
        }
        // There is room.
        let _ = self.parts.push(text);
        Ok(())
    }

    fn flush(&mut self) -> Result<(), Error> {
        if !self.parts.is_empty() {
            self.context.begin();
            self.context.parts(&self.parts)?;
            self.parts.clear();
        }
        Ok(())
    }

    /// Tokens of the prompt, and whether it ends in a thought.
    fn finish(mut self) -> Result<(usize, bool), Error> {
        self.flush()?;
        Ok((self.context.at, self.is_thinking))
    }
}

impl<'m, 'a> Session<'m, 'a, '_> {
    /// Makes the context be exactly `chat`, ready for the assistant's turn.
    ///
    /// What the context already had in common with it stays in the KV cache. The form is that of the
    /// model's own template ([`Template`]).
    ///
    /// # Errors
    /// [`Error::PromptTooLong`] or [`Error::Encode`]; the context is then empty.
    /// [`Error::TooManyTurns`]; it is then as it was.
    pub fn feed(&mut self, chat: &Chat<'_>) -> Result<(), Error> {
        if chat.overflowed() {
            return Err(Error::TooManyTurns);
        }
        let template = Template::of(self.engine.model.gguf());
        let mut pieces = self.pieces();
        let rendered = template.render(chat, &mut |piece| pieces.piece(piece));
        let fed = rendered.and_then(|()| pieces.finish());
        self.set_prompt(fed)
    }

    /// Makes the context be exactly these pieces of a prompt: a conversation in another form than
    /// [`feed`](Self::feed) gives it.
    ///
    /// # Errors
    /// [`Error::PromptTooLong`] or [`Error::Encode`]; the context is then empty.
    pub fn feed_pieces<'p>(
        &mut self,
        prompt: impl IntoIterator<Item = Piece<'p>>,
    ) -> Result<(), Error> {
        let mut pieces = self.pieces();
        let fed = prompt.into_iter().try_for_each(|piece| pieces.piece(piece));
        let fed = fed.and_then(|()| pieces.finish());
        self.set_prompt(fed)
    }

    /// Begins to make the context a prompt in pieces.
    fn pieces<'p>(&mut self) -> Pieces<'p, '_, 'm, 'a> {
        Pieces {
            context: self.rewrite(0),
            parts: Vec::new(),
            is_thinking: false,
        }
    }

    /// Ends it.
    fn set_prompt(&mut self, fed: Result<(usize, bool), Error>) -> Result<(), Error> {
        let (tokens, is_thinking) = match fed {
            Ok((tokens, is_thinking)) => (Ok(tokens), is_thinking),
            Err(error) => (Err(error), false),
        };
        self.set_context(tokens)?;
        self.thinking.begin(is_thinking);
        Ok(())
    }

    /// Appends the tokens of `text` to the context.
    ///
    /// # Errors
    /// [`Error::PromptTooLong`] or [`Error::Encode`]; the context is then empty.
    pub fn feed_text(&mut self, text: &str, special: Special) -> Result<(), Error> {
        let mut context = self.rewrite(self.len);
        let total = context.text(text, special).map(|()| context.at);
        self.set_context(total)
    }

    /// Appends `tokens` to the context.
    ///
    /// # Errors
    /// [`Error::TokenOutOfRange`], or [`Error::PromptTooLong`]; the context is then as it was.
    pub fn feed_tokens(&mut self, tokens: &[u32]) -> Result<(), Error> {
        let n_vocab = self.logits.len();
        if let Some(&token) = tokens.iter().find(|&&id| id as usize >= n_vocab) {
            return Err(Error::TokenOutOfRange { token, n_vocab });
        }
        let (total, context) = (self.len + tokens.len(), self.tokens.len());
        let Some(room) = self.tokens.get_mut(self.len..total) else {
            return Err(Error::PromptTooLong {
                tokens: total,
                context,
            });
        };
        room.copy_from_slice(tokens);
        self.evaluated = self.evaluated.min(self.len);
        self.set_context(Ok(total))
    }

    /// Drops all but the first `len` tokens of the context and forgets the last answer; a shorter context stays as
    /// it is.
    ///
    /// What is left is not read again, but for the last token and, with a recurrent state, those since its last
    /// copy: where the last batch of a prompt began, or the last draft.
    pub fn truncate(&mut self, len: usize) {
        // It is no longer than what stood there, so it fits.
        let _ = self.set_context(Ok(len.min(self.len)));
    }

    /// Empties the context and forgets the last answer.
    pub fn clear(&mut self) {
        (self.len, self.evaluated) = (0, 0);
        self.begin_answer();
    }

    /// Nothing is known yet of what follows the context.
    pub(super) fn begin_answer(&mut self) {
        (self.ready, self.stop) = (false, None);
        self.thinking.begin(false);
        self.utf8 = Utf8Stream::default();
        self.stats = Stats {
            prompt_tokens: self.len,
            reused_tokens: self.evaluated,
            generated_tokens: 0,
            decode_passes: 0,
        };
    }

    /// Begins to write tokens at place `at` of the context.
    fn rewrite(&mut self, at: usize) -> Rewrite<'_, 'm, 'a> {
        Rewrite {
            tokenizer: &self.tokenizer,
            encoder: self.encoder,
            tokens: self.tokens,
            evaluated: &mut self.evaluated,
            at,
        }
    }

    /// Declares the first `len` tokens the context and begins a new answer. Without a length that
    /// fits, what was written of a prompt is no context, and neither is what it was written over.
    fn set_context(&mut self, len: Result<usize, Error>) -> Result<(), Error> {
        let context = self.tokens.len();
        let len = len.and_then(|tokens| {
            (tokens <= context)
                .then_some(tokens)
                .ok_or(Error::PromptTooLong { tokens, context })
        });
        let len = len.inspect_err(|_| self.clear())?;
        // The last token is read again even if it was read before, for the logits that follow it.
        self.evaluated = self.evaluated.min(len.saturating_sub(1));
        self.evaluated = self.cache.recurrent.rewind(self.evaluated);
        self.len = len;
        self.begin_answer();
        Ok(())
    }
}
