//! Writing a session down.

use crc::{Digest, Table};
use embedded_io::Write;

use super::{
    CRC,
    header::{Header, Kind},
};
use crate::{
    model,
    session::{Session, Stop},
};

/// Counts what is written into the checksum.
struct Output<'o, W: ?Sized> {
    writer: &'o mut W,
    crc: Digest<'static, u32, Table<1>>,
}

impl<W: Write + ?Sized> Output<'_, W> {
    fn put(&mut self, bytes: &[u8]) -> Result<(), W::Error> {
        self.crc.update(bytes);
        self.writer.write_all(bytes)
    }
}

impl Session<'_, '_, '_> {
    /// Writes the session down, for [`restore`](Self::restore): its tokens, what the cache holds of them, and how far the
    /// last answer is. Nothing of the session changes. The format is that of [`saved`](super).
    ///
    /// What is not written: settings ([`set_max_tokens`](Self::set_max_tokens) and the like), the sampler and
    /// the constraint, which are the caller's, and drafts. It takes about 2 KiB of stack and no other memory.
    ///
    /// # Errors
    /// The writer's. What it was given until then is no saved session.
    pub fn save<W: Write + ?Sized>(&self, out: &mut W) -> Result<(), W::Error> {
        let recurrent = &self.cache.recurrent;
        // Beyond the context there is a draft at most, and it is not kept.
        let places = recurrent.places(self.evaluated.min(self.len));
        let header = Header {
            tokens: self.len,
            places,
            prompt_tokens: self.stats.prompt_tokens,
            ended: self.stop == Some(Stop::EndOfTurn),
            within_character: self.utf8.is_within_character(),
            thought: self.thinking.thought,
        };
        let mut output = Output {
            writer: out,
            crc: CRC.digest(),
        };
        output.put(&header.encode(&self.kind()))?;
        output.put(bytemuck::cast_slice(self.tokens()))?;
        let mut put = |bytes: &[u8]| output.put(bytes);
        self.cache.kv.save(places[0], &mut put)?;
        recurrent.save(places, &mut put)?;
        if places[0] == self.len && self.len > 0 {
            // It was read by the last pass: nothing else reads the end of the context.
            let n_embd = self.engine.model.config().n_embd;
            let row = (self.len - 1 - self.rows.start) * n_embd;
            put(bytemuck::cast_slice(&self.scratch.x[row..][..n_embd]))?;
        }
        let Output { writer, crc } = output;
        writer.write_all(&crc.finalize().to_le_bytes())?;
        writer.flush()
    }

    pub(super) fn kind(&self) -> Kind {
        let config = self.engine.model.config();
        Kind {
            kv: self.cache.kv.kv(),
            fingerprint: model::fingerprint(config, &self.engine.weights),
            attention_layers: config.attention_layers(),
            n_head_kv: config.n_head_kv,
            head_dim: config.head_dim,
            n_embd: config.n_embd,
            state: self.cache.recurrent.numbers(),
        }
    }
}
