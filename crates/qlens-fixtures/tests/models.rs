//! Every architecture in every format is a model that runs, and the same on every machine.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use qlens::KvType;
use qlens::gguf::{Gguf, Value};
use qlens::kernel::Kernel;
use qlens::model::{Architecture, Model};
use qlens::pack;
use qlens::plan::{Limits, Plan};
use qlens::quant::Format;
use qlens::session::Session;
use qlens::workers::Inline;
use qlens_fixtures::{Fixture, LEAST_VOCAB, Named};
use qlens_models::Hasher;

/// A file in memory, aligned as a mapping would be.
struct File(Vec<u64>, usize);

impl File {
    fn of(fixture: &Fixture) -> Self {
        let mut bytes = Vec::new();
        fixture.write(&mut bytes).unwrap();
        assert_eq!(bytes.len() as u64, fixture.bytes());
        let mut words = vec![0; bytes.len().div_ceil(8)];
        bytemuck::cast_slice_mut(&mut words)[..bytes.len()].copy_from_slice(&bytes);
        Self(words, bytes.len())
    }

    fn bytes(&self) -> &[u8] {
        &bytemuck::cast_slice(&self.0)[..self.1]
    }

    fn interleave(&mut self) {
        let mut scratch = vec![0; pack::scratch_bytes(&Gguf::parse(self.bytes()).unwrap())];
        let bytes = &mut bytemuck::cast_slice_mut(&mut self.0)[..self.1];
        pack::interleave(bytes, &mut scratch, &mut |_| {}).unwrap();
    }

    /// Logits behind each of a few tokens.
    fn logits(&self, kernel: Kernel) -> Vec<f32> {
        let model = Model::parse(self.bytes()).unwrap();
        let limits = Limits {
            context: 64,
            batch: 4,
            kv: KvType::F16,
        };
        let plan = Plan::new(model.config(), &limits).unwrap();
        let mut arena = vec![0xFF; plan.total()];
        let session = Session::new(&model, &plan, &mut arena, &Inline).unwrap();
        let mut session = session.with_kernel(kernel).unwrap();
        session.feed_tokens(&[72, 101, 108, 108, 264, 33]).unwrap();
        let mut all = Vec::new();
        session
            .logits(&mut (), &mut |_, logits| all.extend_from_slice(logits))
            .unwrap();
        all
    }
}

fn small(architecture: Architecture, format: Format) -> Fixture {
    Fixture {
        shape: Named::small(architecture).unwrap().shape(),
        format,
        seed: 1,
    }
}

fn bits(logits: &[f32]) -> Vec<u32> {
    logits.iter().map(|logit| logit.to_bits()).collect()
}

/// What each kernel says of a model, as its file has it and interleaved: the same, and of the order of 1.
fn assert_runs(fixture: &Fixture) {
    let what = (fixture.shape.architecture, fixture.format);
    let mut file = File::of(fixture);
    let logits = file.logits(Kernel::Scalar);
    let squares: f64 = logits.iter().map(|&logit| f64::from(logit).powi(2)).sum();
    let deviation = (squares / logits.len() as f64).sqrt();
    assert!((0.3..3.0).contains(&deviation), "{what:?}: {deviation}");
    let logits = bits(&logits);
    assert!(logits == bits(&file.logits(Kernel::detect())), "{what:?}");
    file.interleave();
    let interleaved = bits(&file.logits(Kernel::detect()));
    assert!(logits == interleaved, "{what:?} interleaved");
}

#[test]
fn every_architecture_runs_in_every_format() {
    for architecture in Architecture::ALL {
        for format in Format::ALL {
            assert_runs(&small(architecture, format));
        }
    }
}

#[test]
fn rows_that_no_block_divides_have_another_format() {
    // A multiple of 32, and one of 16.
    for n_ff in [17 * 32, 33 * 16] {
        for format in Format::ALL {
            let mut fixture = small(Architecture::Qwen2, format);
            fixture.shape.n_ff = n_ff;
            assert_runs(&fixture);
            let file = File::of(&fixture);
            let gguf = Gguf::parse(file.bytes()).unwrap();
            let down = gguf.tensor("blk.0.ffn_down.weight").unwrap().type_name();
            let expected = match format.name() {
                name @ ("F32" | "F16" | "BF16") => name,
                _ if n_ff % 32 != 0 => "F16",
                "Q4_K" => "Q5_0",
                "Q5_K" => "Q5_1",
                "Q6_K" => "Q8_0",
                "Q2_K" | "Q3_K" | "IQ4_XS" => "IQ4_NL",
                name => name,
            };
            assert_eq!(down, expected);
            let up = gguf.tensor("blk.0.ffn_up.weight").unwrap().type_name();
            assert_eq!(up, format.name());
        }
    }
}

/// The SHA-256 of a file.
fn digest(fixture: &Fixture) -> String {
    let mut bytes = Vec::new();
    fixture.write(&mut bytes).unwrap();
    let mut digest = Hasher::default();
    digest.update(&bytes);
    digest.finish().to_string()
}

#[test]
fn the_bytes_are_the_same_everywhere() {
    let numbers = digest(&small(Architecture::Qwen35, Format::F16));
    let blocks = digest(&small(Architecture::Qwen3, Format::Q4K));
    assert_eq!(
        [numbers.as_str(), blocks.as_str()],
        [
            "8e3f3d6e156377c61588150c1557c47dfeebddcd8785f3fdecb5eef209bc1e89",
            "f7916194129561b0d9252fb0e634043d0b894d9a3c7473c630ad902ca004f340"
        ]
    );
}

#[test]
fn a_seed_changes_all_matrices_and_a_size_only_what_has_it() {
    let one = small(Architecture::Qwen35, Format::Q8_0);
    let other = Fixture { seed: 2, ..one };
    let mut shorter = one;
    (shorter.shape.n_layer, shorter.shape.n_vocab) = (3, LEAST_VOCAB);
    let files = [one, other, shorter].map(|fixture| File::of(&fixture));
    let [one, other, shorter] = files.each_ref().map(|f| Gguf::parse(f.bytes()).unwrap());
    for tensor in one.tensors() {
        let found = other.tensor(tensor.name).unwrap();
        assert_ne!(found.data, tensor.data, "{}", tensor.name);
    }
    for tensor in shorter.tensors() {
        let (found, data) = (one.tensor(tensor.name).unwrap(), tensor.data.unwrap());
        assert!(found.data.unwrap().starts_with(data), "{}", tensor.name);
    }
    assert_eq!(files[2].logits(Kernel::detect()).len() % LEAST_VOCAB, 0);
}

/// A value of metadata, to compare.
fn value(value: Value<'_>) -> String {
    match value.as_array() {
        Some(array) => format!("{:?} {:?}", array.element_type(), array.encoded()),
        None => format!("{value:?}"),
    }
}

#[test]
fn keys_and_tensors_are_those_of_the_reference_fixtures() {
    for name in ["qwen2-f16.gguf", "qwen35-f16.gguf"] {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../qlens/tests/data");
        let reference = fs::read(folder.join(name)).unwrap();
        let reference = Gguf::parse(&reference).unwrap();
        let architecture = reference.get("general.architecture").unwrap();
        let architecture = Architecture::ALL
            .into_iter()
            .find(|a| Some(a.name()) == architecture.as_str());
        let file = File::of(&small(architecture.unwrap(), Format::F16));
        let gguf = Gguf::parse(file.bytes()).unwrap();
        let keys = |gguf: &Gguf<'_>| -> BTreeMap<String, String> {
            let entries = gguf.metadata().map(|(key, v)| (key.to_owned(), value(v)));
            // Names differ, and how a rotation is shared out that text has only one of.
            entries
                .filter(|(key, _)| key != "general.name" && !key.ends_with("dimension_sections"))
                .collect()
        };
        assert_eq!(keys(&gguf), keys(&reference), "{name}");
        let tensors = |gguf: &Gguf<'_>| -> BTreeMap<String, (u32, [u64; 4])> {
            let entry = |tensor: qlens::gguf::Tensor<'_>| {
                (tensor.name.to_owned(), (tensor.ggml_type, tensor.dims))
            };
            gguf.tensors().map(entry).collect()
        };
        assert_eq!(tensors(&gguf), tensors(&reference), "{name}");
    }
}

#[test]
fn published_models_have_as_many_weights_as_published() {
    for (named, weights) in [
        (Named::Qwen25ZeroFive, 494_032_768),
        (Named::Qwen25OneFive, 1_543_714_304),
        (Named::Qwen3ZeroSix, 596_049_920),
        (Named::Qwen35ZeroEight, 752_393_024),
    ] {
        let fixture = Fixture {
            shape: named.shape(),
            format: Format::Q4_0,
            seed: 1,
        };
        assert_eq!(fixture.weights(), weights, "{named:?}");
    }
}
