//! Blocks mean exactly what gguf's own dequantizer takes them for: see `data/README.md`.

mod support;

use qlens::quant::{Format, Layout, Matrix};
use support::data;

#[test]
fn blocks_mean_what_they_mean_to_gguf() {
    for format in Format::ALL.into_iter().filter(|f| f.is_quantized()) {
        let path = data(&format!("dequantize/{format}.bin"));
        let file = std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        let with_weights = format.block_bytes() + 4 * format.block_len();
        let cols = file.len() / with_weights * format.block_len();
        let (blocks, weights) = file.split_at(format.row_bytes(cols).unwrap());
        let (weights, []) = weights.as_chunks::<4>() else {
            panic!("{}: half a weight", path.display());
        };
        assert!(cols > 0 && weights.len() == cols, "{}", path.display());
        let matrix = Matrix::new(format, Layout::Rows, 1, cols, blocks).unwrap();
        let mut found = vec![0.0; cols];
        assert!(matrix.dequantize_row(0, &mut found));
        for (i, (&found, exact)) in found.iter().zip(weights).enumerate() {
            let exact = f32::from_le_bytes(*exact);
            // Of zero, either.
            assert!(
                found.to_bits() == exact.to_bits() || found == 0.0 && exact == 0.0,
                "{format} weight {i}: {found} for {exact}"
            );
        }
    }
}
