//! The weights in blocks are those that gguf-py reads in them, to the bit.

mod support;

use qlens::quant::{Format, Layout, Matrix};
use support::data;

#[test]
fn blocks_mean_what_ggml_says() {
    for format in [Format::Iq4Nl, Format::Iq4Xs, Format::Q3K] {
        let file = |ending| {
            let name = format.name().to_lowercase();
            std::fs::read(data(&format!("blocks/{name}.{ending}"))).unwrap()
        };
        let (blocks, known) = (file("bin"), file("f32"));
        let known: Vec<f32> = known
            .as_chunks()
            .0
            .iter()
            .map(|b| f32::from_le_bytes(*b))
            .collect();
        let row = Matrix::new(format, Layout::Rows, 1, known.len(), &blocks).unwrap();
        let mut found = vec![0.0; known.len()];
        assert!(row.dequantize_row(0, &mut found));
        assert_eq!(found, known, "{format}");
    }
}
