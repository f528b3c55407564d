//! What a text means, as a vector: for search by meaning.

use super::{Error, Session, Watch};

impl Session<'_, '_, '_> {
    /// Reads what is new of the context and writes its embedding into `out`, `[n_embd]`: the state of the last
    /// token after the output norm, scaled to length 1, so that the inner product of two embeddings is the
    /// cosine between them.
    ///
    /// This is what Qwen3-Embedding was trained for ("last-token pooling"), and its texts end with the token
    /// that [`Tokenizer::added_eos`](crate::tokenizer::Tokenizer::added_eos) gives. Other models have a last
    /// state, too, and no training that makes it say much.
    ///
    /// An interrupt ([`stop_reason`](Self::stop_reason)) leaves `out` as it was.
    ///
    /// # Errors
    /// The context is empty; or `out` has another length.
    pub fn embed(&mut self, watch: &mut dyn Watch, out: &mut [f32]) -> Result<(), Error> {
        let n_embd = self.engine.model.config().n_embd;
        if out.len() != n_embd {
            let found = out.len();
            return Err(Error::EmbeddingLength { found, n_embd });
        }
        if self.len == 0 {
            return Err(Error::EmptyPrompt);
        }
        self.evaluated = self.cache.recurrent.rewind(self.evaluated);
        while self.evaluated < self.len {
            let tokens = self.batch.min(self.len - self.evaluated);
            if !self.pass(watch, tokens)? {
                return Ok(());
            }
        }
        let position = self.len - 1;
        let pass = self.engine.pass(self.progress().phase, 1, position);
        pass.state(&self.scratch, position - self.rows.start, out);
        normalize(out);
        Ok(())
    }
}

/// Scales a vector to length 1; one of zeros has no direction and stays.
fn normalize(x: &mut [f32]) {
    let squares: f64 = x.iter().map(|&x| f64::from(x) * f64::from(x)).sum();
    if squares > 0.0 {
        let length = libm::sqrt(squares);
        for x in x {
            *x = (f64::from(*x) / length) as f32;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::normalize;

    #[test]
    fn a_vector_keeps_its_direction_and_gets_length_1() {
        for (mut x, expected) in [
            ([3.0, -4.0], [0.6, -0.8]),
            ([0.0, 0.0], [0.0, 0.0]),
            ([1e-38, 0.0], [1.0, 0.0]),
            ([3e38, -4e37], [0.991_228, -0.132_163_73]),
        ] {
            normalize(&mut x);
            for (x, expected) in x.into_iter().zip(expected) {
                assert!((x - expected).abs() < 1e-6, "{x} {expected}");
            }
        }
    }
}
