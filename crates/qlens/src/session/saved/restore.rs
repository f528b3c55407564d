//! Taking a session up again.

use crc::{Digest, Table};
use embedded_io::{Read, ReadExactError};

use super::{CRC, Error, HEADER_BYTES, header::Header};
use crate::session::{Session, Stop};

/// Reads part after part, and counts them into the checksum.
struct Input<'i, R: ?Sized> {
    reader: &'i mut R,
    crc: Digest<'static, u32, Table<1>>,
    at: u64,
}

impl<R: Read + ?Sized> Input<'_, R> {
    fn take(&mut self, part: &'static str, bytes: &mut [u8]) -> Result<(), Error<R::Error>> {
        let (at, len) = (self.at, bytes.len() as u64);
        self.reader.read_exact(bytes).map_err(|error| match error {
            ReadExactError::UnexpectedEof => Error::Ends {
                part,
                at,
                bytes: len,
            },
            ReadExactError::Other(error) => Error::Read { at, error },
        })?;
        self.crc.update(bytes);
        self.at += len;
        Ok(())
    }
}

impl Session<'_, '_, '_> {
    /// Puts a [saved](Self::save) session in this one's place, and reads it to its last byte and no further. It has to be
    /// of this model and type of KV cache; its tokens have to fit. Everything else may differ: context, batch, kernel,
    /// threads, whether the model is interleaved.
    ///
    /// What then follows is what would have followed in the session that was saved, bit for bit:
    /// [`next`](Self::next) goes on with its answer, unless the model had ended that, and
    /// [`feed`](Self::feed) and its relatives, and [`truncate`](Self::truncate), reuse what they would have reused. An
    /// interrupt is forgotten; settings are this session's.
    ///
    /// # Errors
    /// Whatever is wrong with it, and where. The context is then empty, and the session as usable as a new one.
    pub fn restore<R: Read + ?Sized>(&mut self, input: &mut R) -> Result<(), Error<R::Error>> {
        self.clear();
        let restored = self.take(input);
        restored.inspect_err(|_| self.clear())
    }

    fn take<R: Read + ?Sized>(&mut self, reader: &mut R) -> Result<(), Error<R::Error>> {
        let mut input = Input {
            reader,
            crc: CRC.digest(),
            at: 0,
        };
        let mut bytes = [0; HEADER_BYTES];
        input.take("the header", &mut bytes)?;
        let header = Header::decode(&bytes, &self.kind(), self.tokens.len())?;

        let (n_vocab, tokens) = (self.logits.len(), &mut self.tokens[..header.tokens]);
        input.take("the tokens", bytemuck::cast_slice_mut(tokens))?;
        if let Some(index) = tokens.iter().position(|&id| id as usize >= n_vocab) {
            let token = tokens[index];
            return Err(Error::TokenOutOfRange {
                index,
                token,
                n_vocab,
            });
        }
        let [positions, ..] = header.places;
        let mut take = |bytes: &mut [u8]| input.take("the keys and values", bytes);
        self.cache.kv.restore(positions, &mut take)?;
        let mut take = |bytes: &mut [u8]| input.take("the recurrent state", bytes);
        self.cache.recurrent.restore(header.places, &mut take)?;
        self.rows = 0..0;
        if positions == header.tokens && positions > 0 {
            let row = &mut self.scratch.x[..self.engine.model.config().n_embd];
            input.take("the last row", bytemuck::cast_slice_mut(row))?;
            self.rows = positions - 1..positions;
        }
        let computed = input.crc.clone().finalize();
        let mut bytes = [0; 4];
        input.take("the checksum", &mut bytes)?;
        let found = u32::from_le_bytes(bytes);
        if found != computed {
            return Err(Error::Checksum { found, computed });
        }
        self.take_up(&header);
        Ok(())
    }

    /// Declares what was read the context.
    fn take_up(&mut self, header: &Header) {
        (self.len, self.evaluated) = (header.tokens, header.places[0]);
        self.begin_answer();
        self.thinking.thought = header.thought;
        self.stats.prompt_tokens = header.prompt_tokens;
        self.stats.reused_tokens = self.evaluated.min(header.prompt_tokens);
        self.stats.generated_tokens = header.tokens - header.prompt_tokens;
        self.stop = header.ended.then_some(Stop::EndOfTurn);
        if !header.within_character {
            return;
        }
        // The answer's text brings its beginning back.
        for &token in &self.tokens[header.prompt_tokens..header.tokens] {
            self.text.clear();
            let bytes = self.tokenizer.token_bytes(token);
            let _ = self.utf8.push(bytes.into_iter().flatten(), &mut self.text);
        }
    }
}
