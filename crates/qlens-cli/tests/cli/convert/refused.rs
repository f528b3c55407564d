//! Checkpoints that are damaged, unfinished, or another family's: a sentence, and nothing is left behind.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use qlens::gguf::Gguf;
use qlens::quant::Format;
use qlens_fixtures::{Named, Shape};
use safetensors::Dtype;
use serde_json::{Value as Json, json};
use tempfile::TempDir;

use super::checkpoint::{Checkpoint, Tensor};
use super::made;
use crate::support::{Outcome, folder, names_in, path_in, qlens, run, signal, start};

/// A small checkpoint, and a folder to write it in.
struct Trial {
    folder: TempDir,
    checkpoint: Checkpoint,
}

impl Trial {
    fn new(named: Named) -> Self {
        let shape = Shape {
            n_ff: 64,
            ..named.shape()
        };
        let bytes = made(shape, Format::F16);
        Self {
            folder: folder(),
            checkpoint: Checkpoint::of(&Gguf::parse(&bytes).unwrap(), "model."),
        }
    }

    fn dir(&self) -> PathBuf {
        self.folder.path().join("checkpoint")
    }

    /// The sentence about the files that are there.
    fn refused(&self) -> String {
        let (dir, out) = (
            path_in(&self.folder, "checkpoint"),
            path_in(&self.folder, "new.gguf"),
        );
        let sentence = run(&["convert", &dir, &out]).refused(1);
        assert_eq!(names_in(self.folder.path()), ["checkpoint"], "{sentence}");
        sentence
    }

    /// Demands that a sentence about the checkpoint, changed, says this.
    #[track_caller]
    fn says(&self, said: &str, change: impl FnOnce(&mut Checkpoint)) {
        let mut checkpoint = self.checkpoint.clone();
        change(&mut checkpoint);
        fs::remove_dir_all(self.dir()).ok();
        checkpoint.write(&self.dir(), 1);
        let sentence = self.refused();
        assert!(sentence.contains(said), "{sentence}");
    }

    /// Demands that a sentence about the checkpoint in two files, one of them changed, says this.
    #[track_caller]
    fn says_of_file(&self, said: &str, name: &str, change: impl FnOnce(&mut Vec<u8>)) {
        fs::remove_dir_all(self.dir()).ok();
        self.checkpoint.write(&self.dir(), 2);
        let path = self.dir().join(name);
        let mut bytes = fs::read(&path).unwrap();
        change(&mut bytes);
        fs::write(&path, bytes).unwrap();
        let sentence = self.refused();
        assert!(sentence.contains(said), "{sentence}");
    }
}

#[test]
fn a_configuration_of_another_model_is_named() {
    let trial = Trial::new(Named::Qwen2Small);
    let set = |key: &'static str, value: Json| move |c: &mut Checkpoint| c.config[key] = value;
    trial.says(
        "its model_type is \"llama\", which is not supported; these are: qwen2, qwen3, qwen3_5, qwen3_5_text",
        set("model_type", json!("llama")),
    );
    trial.says("its model_type is \"Qwen2MoeForCausalLM\"", |c| {
        c.config["model_type"] = json!(null);
        c.config["architectures"] = json!(["Qwen2MoeForCausalLM"]);
    });
    trial.says("it has no hidden_size", set("hidden_size", json!(null)));
    trial.says(
        "its hidden_size is -1, not a number from 1 to 16777216",
        set("hidden_size", json!(-1)),
    );
    trial.says(
        "its num_hidden_layers is 4294967296, not a number from 1 to 256",
        set("num_hidden_layers", json!(1_u64 << 32)),
    );
    trial.says(
        "its rms_norm_eps is \"small\", not a number above 0",
        set("rms_norm_eps", json!("small")),
    );
    trial.says(
        "its positions are scaled (\"yarn\")",
        set("rope_scaling", json!({"type": "yarn", "factor": 4.0})),
    );
    trial.says(
        "its weights are quantized (\"gptq\")",
        set("quantization_config", json!({"quant_method": "gptq"})),
    );
    trial.says("config.json: it has no vocab_size", |c| {
        c.config = json!({"model_type": "qwen2", "text_config": c.config});
        c.config["text_config"]["vocab_size"] = json!(null);
    });
    trial.says_of_file("config.json: it is not JSON", "config.json", |bytes| {
        bytes.truncate(20);
    });
    trial.says_of_file("it is not text in UTF-8", "config.json", |bytes| {
        bytes[3] = 0xFF;
    });
    let trial = Trial::new(Named::Qwen35Small);
    let text = |key: &'static str, value: Json| {
        move |c: &mut Checkpoint| c.config["text_config"][key] = value
    };
    trial.says(
        "its layer_types are not 4 layers of which every 4th is full_attention",
        text("layer_types", json!(["linear_attention", "full_attention"])),
    );
    trial.says(
        "its linear_num_value_heads, 3, is no multiple of its linear_num_key_heads, 2",
        text("linear_num_value_heads", json!(3)),
    );
    trial.says("its partial_rotary_factor is not between 0 and 1", |c| {
        c.config["text_config"]["rope_parameters"]["partial_rotary_factor"] = json!(-0.5);
    });
}

#[test]
fn tensors_that_are_not_the_models_are_named() {
    let trial = Trial::new(Named::Qwen2Small);
    trial.says("it has no tensor layers.4.input_layernorm.weight", |c| {
        c.config["num_hidden_layers"] = json!(5);
    });
    trial.says(
        "tensor \"layers.3.input_layernorm.weight\" has no place in a model of this shape",
        |c| c.config["num_hidden_layers"] = json!(3),
    );
    trial.says("it has no tensor lm_head.weight", |c| {
        c.tensors.remove("lm_head.weight");
    });
    trial.says(
        "tensor layers.1.mlp.down_proj.weight has the shape [64, 256], and config.json says [256, 64]",
        |c| {
            let name = "model.layers.1.mlp.down_proj.weight";
            c.tensors.get_mut(name).unwrap().shape.reverse();
        },
    );
    trial.says(
        "norm.weight is stored as F64; F32, F16 and BF16 can be converted",
        |c| {
            let wide = Tensor::zeros(Dtype::F64, &[256]);
            c.tensors.insert("model.norm.weight".into(), wide);
        },
    );
    trial.says("tensor layers.0.self_attn.q_proj.weight has in row 0 a weight that is no finite number in F16", |c| {
        let name = "model.layers.0.self_attn.q_proj.weight";
        let mut large = Tensor::zeros(Dtype::F32, &[256, 256]);
        large.data[..4].copy_from_slice(&1e6_f32.to_le_bytes());
        c.tensors.insert(name.into(), large);
    });
    trial.says("as well", |c| {
        let copy = c.tensors["model.norm.weight"].clone();
        c.tensors.insert("norm.weight".into(), copy);
    });
}

#[test]
fn damaged_files_of_tensors_are_named() {
    let trial = Trial::new(Named::Qwen3Small);
    let file = "model-00002-of-00002.safetensors";
    let length =
        |length: u64| move |bytes: &mut Vec<u8>| bytes[..8].copy_from_slice(&length.to_le_bytes());
    let unsound = "model-00002-of-00002.safetensors: it is no sound safetensors file";
    trial.says_of_file(unsound, file, |bytes| bytes.truncate(bytes.len() / 2));
    trial.says_of_file(unsound, file, |bytes| bytes.truncate(5));
    trial.says_of_file("no bytes", file, Vec::clear);
    trial.says_of_file(unsound, file, length(0));
    trial.says_of_file(unsound, file, length(7));
    trial.says_of_file(unsound, file, length(u64::MAX));
    trial.says_of_file(unsound, file, |bytes| bytes.push(0));
    // An offset that lies in the tensor before.
    trial.says_of_file(unsound, file, |bytes| {
        let first = b"\"data_offsets\":[0,";
        let at = bytes.windows(first.len()).position(|w| w == first).unwrap();
        bytes[at + 16] = b'1';
    });
    let index = "model.safetensors.index.json";
    trial.says_of_file("it has no weight_map", index, |bytes| *bytes = b"{}".into());
    let replace = |from: &'static str, to: &'static str| {
        move |bytes: &mut Vec<u8>| {
            *bytes = str::from_utf8(bytes).unwrap().replace(from, to).into();
        }
    };
    trial.says_of_file(
        "tensors are in \"model-00003-of-00002.safetensors\", which is not there",
        index,
        replace("00002-of", "00003-of"),
    );
    trial.says_of_file(
        "which is no name of a file",
        index,
        replace("model-00002", "../model-00002"),
    );
    trial.says_of_file(
        "it has no tensor \"model.none.weight\", which model.safetensors.index.json says is there",
        index,
        replace("model.norm.weight", "model.none.weight"),
    );
    fs::remove_file(trial.dir().join(index)).unwrap();
    fs::remove_file(trial.dir().join(file)).unwrap();
    assert!(trial.refused().contains("it has no tensor"));
    fs::remove_file(trial.dir().join("model-00001-of-00002.safetensors")).unwrap();
    assert!(trial.refused().contains("no *.safetensors file is there"));
    fs::create_dir(trial.dir().join("model.safetensors")).unwrap();
    assert!(trial.refused().contains("is a directory"));
}

#[test]
fn vocabularies_that_are_not_qwens_are_named() {
    let trial = Trial::new(Named::Qwen2Small);
    trial.says("it has no vocabulary of byte-pair encoding", |c| {
        c.tokenizer["model"]["vocab"] = json!([]);
    });
    trial.says("token \"new\" has no id below 288", |c| {
        c.tokenizer["model"]["vocab"]["new"] = json!(288);
    });
    trial.says("an added token has no content", |c| {
        c.tokenizer["added_tokens"][0] = json!({"id": 3});
    });
    trial.says(
        "one of its merges is [\"a\"], which is not two texts",
        |c| {
            c.tokenizer["model"]["merges"][0] = json!(["a"]);
        },
    );
    trial.says(
        "it cuts text into words by an expression that is not Qwen's: \"a\\nb\"",
        |c| {
            let part = &mut c.tokenizer["pre_tokenizer"]["pretokenizers"][0];
            part["pattern"]["Regex"] = json!("a\nb");
        },
    );
    fs::remove_file(trial.dir().join("tokenizer.json")).unwrap();
    assert!(
        trial
            .refused()
            .contains("tokenizer.json: it cannot be read")
    );
}

#[test]
fn what_is_there_already_stays_unless_all_went_well() {
    let trial = Trial::new(Named::Qwen2Small);
    trial.checkpoint.write(&trial.dir(), 1);
    let dir = path_in(&trial.folder, "checkpoint");
    let weights = format!("{dir}/model.safetensors");
    let link = path_in(&trial.folder, "link");
    std::os::unix::fs::symlink(format!("{dir}/tokenizer.json"), &link).unwrap();
    for path in [&weights, &format!("{dir}/config.json"), &link] {
        let before = fs::read(path).unwrap();
        let said = run(&["convert", &dir, path]).refused(1);
        assert!(said.contains("own file"), "{said}");
        assert!(fs::read(path).unwrap() == before);
    }
    let said = run(&["convert", &dir, "/dev/full"]).refused(1);
    assert!(said.contains("no space left"), "{said}");
    let said = run(&["convert", &weights, "/dev/null"]).refused(1);
    assert!(said.contains("config.json: it cannot be read"), "{said}");
}

#[test]
fn a_run_that_is_stopped_leaves_nothing() {
    // Large enough to be still at work when the signal comes.
    let mut trial = Trial::new(Named::Qwen2Small);
    let n_vocab = 200_000;
    trial.checkpoint.config["vocab_size"] = json!(n_vocab);
    for name in ["model.embed_tokens.weight", "lm_head.weight"] {
        let large = Tensor::zeros(Dtype::F16, &[n_vocab, 256]);
        trial.checkpoint.tensors.insert(name.into(), large);
    }
    trial.checkpoint.write(&trial.dir(), 1);
    let dir = path_in(&trial.folder, "checkpoint");
    for (name, status) in [("INT", 130), ("TERM", 143)] {
        let folder = folder();
        let out = path_in(&folder, "out.gguf");
        let child = start(&mut qlens(&["convert", &dir, &out]));
        // Its temporary file shows that it is at work.
        while names_in(folder.path()).is_empty() {
            std::thread::sleep(Duration::from_millis(1));
        }
        signal(&child, name);
        let outcome = Outcome::from(child.wait_with_output().unwrap());
        assert_eq!(
            (outcome.status, outcome.stderr.as_str()),
            (Some(status), "")
        );
        assert_eq!(names_in(folder.path()), [""; 0]);
    }
}
