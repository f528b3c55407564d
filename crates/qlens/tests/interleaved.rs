//! Models whose matrices are interleaved in place: the way there and back, and what is left alone.

mod support;

use qlens::{
    gguf::{self, Gguf},
    model::Model,
    pack::{self, Error},
};
use support::{Aligned, golden};

const FIXTURE: &str = "qwen2-q4_k_m.gguf";

fn scratch(model: &[u8]) -> Vec<u8> {
    vec![0; pack::scratch_bytes(&Gguf::parse(model).unwrap())]
}

#[test]
fn there_and_back() {
    for file in golden().into_keys() {
        let original = Aligned::read(&file);
        let mut model = Aligned::from(&*original);
        let mut scratch = scratch(&model);
        let mut seen = 0;
        let changed = pack::interleave(&mut model, &mut scratch, &mut |done| {
            assert!(done > seen && done <= original.len());
            seen = done;
        });
        assert_eq!(changed, Ok(true), "{file}");
        assert!(file.contains("f16") || seen > 0);
        Model::parse(&model).unwrap();
        // Whoever finds it interleaved leaves it so.
        let first = model.to_vec();
        if !file.contains("f16") {
            assert_eq!(
                pack::interleave(&mut model, &mut scratch, &mut |_| {}),
                Ok(false)
            );
        }
        assert!(*model == first[..]);
        pack::deinterleave(&mut model, &mut scratch).unwrap();
        assert!(*model == *original, "{file}");
    }
}

#[test]
fn every_matrix_of_a_product_and_nothing_else() {
    let mut model = Aligned::read(FIXTURE);
    let before: Vec<u32> = types(&model);
    let mut scratch = scratch(&model);
    pack::interleave(&mut model, &mut scratch, &mut |_| {}).unwrap();
    let gguf = Gguf::parse(&model).unwrap();
    for (tensor, before) in gguf.tensors().zip(before) {
        let is_product = tensor.n_dims == 2 && tensor.name != "token_embd.weight";
        let plain = gguf::interleaved(tensor.ggml_type);
        assert_eq!(plain, is_product.then_some(before), "{}", tensor.name);
        assert_eq!(
            tensor.type_name().strip_suffix("x8"),
            is_product.then(|| gguf::type_name(before)),
        );
    }
}

fn types(model: &[u8]) -> Vec<u32> {
    let gguf = Gguf::parse(model).unwrap();
    gguf.tensors().map(|tensor| tensor.ggml_type).collect()
}

#[test]
fn a_byte_of_scratch_too_few_changes_nothing() {
    let original = Aligned::read(FIXTURE);
    let mut model = Aligned::from(&*original);
    let mut scratch = scratch(&model);
    let needed = scratch.len();
    let refused = pack::interleave(&mut model, &mut scratch[1..], &mut |_| {});
    assert_eq!(
        refused,
        Err(Error::Scratch {
            needed,
            found: needed - 1
        })
    );
    assert!(*model == *original);
}

#[test]
fn tensors_that_share_bytes_stay_as_they_are() {
    let mut model = Aligned::read(FIXTURE);
    // The second of two matrices of one type and shape gets the place of the first.
    let gguf = Gguf::parse(&model).unwrap();
    let named = |name: &str| gguf.tensor(name).unwrap();
    let (gate, up) = (named("blk.0.ffn_gate.weight"), named("blk.0.ffn_up.weight"));
    assert_eq!((gate.ggml_type, gate.dims), (up.ggml_type, up.dims));
    let offset = gate.offset - gguf.data_offset() as u64;
    let at = up.type_at + 4;
    model[at..at + 8].copy_from_slice(&offset.to_le_bytes());
    let before = model.to_vec();
    let mut scratch = scratch(&model);
    pack::interleave(&mut model, &mut scratch, &mut |_| {}).unwrap();
    let gguf = Gguf::parse(&model).unwrap();
    for name in ["blk.0.ffn_gate.weight", "blk.0.ffn_up.weight"] {
        assert_eq!(
            gguf::interleaved(gguf.tensor(name).unwrap().ggml_type),
            None
        );
    }
    assert!(pack::is_interleaved(&gguf));
    pack::deinterleave(&mut model, &mut scratch).unwrap();
    assert!(*model == before[..]);
}

#[test]
fn what_is_no_model_is_refused() {
    let mut text = Aligned::from(&b"This is not a model, nor will it be one."[..]);
    let refused = pack::interleave(&mut text, &mut [], &mut |_| {});
    assert!(matches!(
        refused,
        Err(Error::Gguf(gguf::Error::NotGguf { .. }))
    ));
    // Any file that can be read can be interleaved, and one that is cut anywhere cannot be read.
    let model = Aligned::read(FIXTURE);
    let mut scratch = scratch(&model);
    for end in (0..model.len()).step_by(model.len() / 100) {
        let mut cut = Aligned::from(&model[..end]);
        assert!(pack::interleave(&mut cut, &mut scratch, &mut |_| {}).is_err());
        assert!(*cut == model[..end]);
    }
}
