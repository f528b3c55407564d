//! A number that tells models apart, for what was computed by one and must not be continued by another.

use crc::{CRC_64_XZ, Crc};

use super::{Config, Weights};

static CRC: Crc<u64> = Crc::<u64>::new(&CRC_64_XZ);

/// A CRC-64 of what logits depend on: the numbers of the shape, and of every tensor its format, its shape and
/// its middle row, which is all of a vector.
///
/// A whole model takes seconds to read on a board, a row of each matrix milliseconds. Other models of a shape, other
/// fine-tunes and other quantizations of one differ in every matrix that they differ in at all, so that a
/// row shows it; who means to deceive is not stopped by any of this. The same model interleaved is the same model.
/// Names, the vocabulary and the chat template are left out: they say what tokens are called.
pub(crate) fn fingerprint(config: &Config, weights: &Weights<'_, '_>) -> u64 {
    let mut crc = CRC.digest();
    crc.update(config.architecture.name().as_bytes());
    let mut numbers = |numbers: &[usize]| {
        for &n in numbers {
            crc.update(&(n as u64).to_le_bytes());
        }
    };
    numbers(&[
        config.n_layer,
        config.n_embd,
        config.n_ff,
        config.n_head,
        config.n_head_kv,
        config.head_dim,
        config.n_rot,
        config.n_vocab,
        config.rope_theta.to_bits() as usize,
        config.rms_eps.to_bits() as usize,
    ]);
    if let Some(shape) = config.delta_net {
        numbers(&[
            shape.attention_interval,
            shape.n_head_k,
            shape.n_head_v,
            shape.head_dim_k,
            shape.head_dim_v,
            shape.taps,
        ]);
    }
    for tensor in weights.tensors() {
        let format = tensor.format().ggml_type();
        for n in [
            u64::from(format),
            tensor.rows() as u64,
            tensor.cols() as u64,
        ] {
            crc.update(&n.to_le_bytes());
        }
        tensor.show_row(tensor.rows() / 2, &mut |bytes| crc.update(bytes));
    }
    crc.finalize()
}
