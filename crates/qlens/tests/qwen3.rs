//! What a qwen3 file has to hold.

mod support;

use qlens::model::{Error, Model, TensorKind};
use support::Aligned;

#[test]
fn every_layer_has_norms_of_its_heads() {
    for (kind, name) in [
        (TensorKind::AttnQNorm, "blk.2.attn_q_norm.weight"),
        (TensorKind::AttnKNorm, "blk.2.attn_k_norm.weight"),
    ] {
        let mut model = Aligned::read("qwen3-q4_k_m.gguf");
        let at = model.windows(name.len()).position(|w| w == name.as_bytes());
        model[at.unwrap()] = b'x';
        let missing = Error::MissingTensor {
            kind,
            layer: Some(2),
        };
        assert_eq!(Model::parse(&model).unwrap_err(), missing);
    }
}
