//! `qlens quantize`.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};
use std::time::Duration;

use qlens::gguf::{Gguf, Tensor, Value};
use tempfile::TempDir;

use crate::support::{
    Changed, Outcome, QLENS, fixture, folder, is_root, model, names_in, path_in, qlens, run,
    signal, start,
};

/// Types with their `general.file_type` and the format of most matrices.
const TYPES: [(&str, u32, &str); 5] = [
    ("Q8_0", 7, "Q8_0"),
    ("Q4_0", 2, "Q4_0"),
    ("Q4_K_M", 15, "Q4_K"),
    ("Q6_K", 18, "Q6_K"),
    ("IQ4_NL", 25, "IQ4_NL"),
];

/// Matrices that are not of the format that the type is called after, but Q6_K, in what llama-quantize (b11434) makes of
/// the fixtures of an architecture. The convolutions of qwen35 stay F32.
const MORE_BITS: [(&str, &str, &[&str]); 3] = [
    ("", "IQ4_NL", &["output.weight"]),
    (
        "qwen2",
        "Q4_K_M",
        &[
            "output.weight",
            "blk.2.attn_v.weight",
            "blk.2.ffn_down.weight",
            "blk.3.attn_v.weight",
            "blk.3.ffn_down.weight",
        ],
    ),
    (
        "qwen35",
        "Q4_K_M",
        &[
            "output.weight",
            "blk.2.attn_qkv.weight",
            "blk.2.ffn_down.weight",
            "blk.3.attn_v.weight",
            "blk.3.ffn_down.weight",
        ],
    ),
];

/// The format that a tensor of this fixture has after it was quantized.
fn format_of(fixture: &str, target: usize, tensor: &Tensor<'_>) -> &'static str {
    if !is_matrix(tensor) || tensor.name.contains("ssm_conv1d") {
        return "F32";
    }
    let (target, _, most) = TYPES[target];
    // Layers of qwen3 are those of qwen2.
    let architecture = if fixture.starts_with("qwen35") {
        "qwen35"
    } else {
        "qwen2"
    };
    let has_more = MORE_BITS.iter().any(|(of, name, tensors)| {
        (of.is_empty() || *of == architecture) && *name == target && tensors.contains(&tensor.name)
    });
    if has_more { "Q6_K" } else { most }
}

/// The bytes that come of a file.
fn quantized(input: &str, target: &str) -> Vec<u8> {
    let folder = folder();
    let out = path_in(&folder, "out.gguf");
    assert_eq!(run(&["quantize", input, &out, target]).done(), "");
    assert_eq!(names_in(folder.path()), ["out.gguf"]);
    fs::read(out).unwrap()
}

fn is_matrix(tensor: &Tensor<'_>) -> bool {
    tensor.n_dims > 1
}

#[test]
fn it_is_what_ggml_makes_of_the_same_weights() {
    for (source, target, name) in [
        ("qwen2-f16.gguf", "q8_0", "qwen2-q8_0.gguf"),
        ("qwen2-f16.gguf", "q4_0", "qwen2-q4_0.gguf"),
        ("qwen2-f16.gguf", "q4_k_m", "qwen2-q4_k_m.gguf"),
        ("qwen35-f16.gguf", "q4_k_m", "qwen35-q4_k_m.gguf"),
    ] {
        let (ours, theirs) = (
            quantized(&fixture(source), target),
            fs::read(fixture(name)).unwrap(),
        );
        let (ours, theirs) = (Gguf::parse(&ours).unwrap(), Gguf::parse(&theirs).unwrap());
        for our in ours.tensors() {
            let their = theirs.tensor(our.name).unwrap();
            assert_eq!((our.dims, our.n_dims), (their.dims, their.n_dims));
            // A Q4_0 file of theirs has more bits in its output matrix unless it is made with `--pure`.
            if (target, our.name) == ("q4_0", "output.weight") {
                assert_eq!((our.type_name(), their.type_name()), ("Q4_0", "Q6_K"));
                continue;
            }
            assert_eq!(our.type_name(), their.type_name(), "{}", our.name);
            assert!(our.data == their.data, "{target} {}", our.name);
        }
        assert_eq!(ours.tensor_count(), theirs.tensor_count());
        assert_eq!(ours.metadata().len(), theirs.metadata().len());
        for (key, value) in theirs.metadata() {
            assert_eq!(ours.get(key), Some(value), "{key}");
        }
    }
}

#[test]
fn matrices_get_the_formats_that_llama_cpp_gives_them_and_all_else_stays_in_its_place() {
    for name in [
        "qwen2-f16.gguf",
        "qwen2-q4_0.gguf",
        "qwen2-q4_k_m.gguf",
        "qwen3-q5_1.gguf",
        "qwen35-f16.gguf",
    ] {
        let before = fs::read(fixture(name)).unwrap();
        let before = Gguf::parse(&before).unwrap();
        for (i, (target, file_type, _)) in TYPES.into_iter().enumerate() {
            let after = quantized(&fixture(name), target);
            let after = Gguf::parse(&after).unwrap();
            assert_eq!(after.tensor_count(), before.tensor_count());
            for (old, new) in before.tensors().zip(after.tensors()) {
                assert_eq!((old.name, old.dims), (new.name, new.dims));
                let expected = format_of(name, i, &old);
                assert_eq!(new.type_name(), expected, "{name} {target} {}", old.name);
                // What has the format already is not rounded again.
                if new.ggml_type == old.ggml_type {
                    assert!(new.data == old.data, "{}", old.name);
                }
            }
            let mut expected: Vec<_> = before.metadata().map(|(key, _)| key).collect();
            if !expected.contains(&"general.quantization_version") {
                expected.push("general.quantization_version");
            }
            let keys: Vec<_> = after.metadata().map(|(key, _)| key).collect();
            assert_eq!(keys, expected, "{name}");
            for (key, value) in after.metadata() {
                let expected = match key {
                    "general.file_type" => Value::U32(file_type),
                    "general.quantization_version" => Value::U32(2),
                    _ => before.get(key).unwrap(),
                };
                assert_eq!(value, expected, "{name} {key}");
            }
        }
    }
}

#[test]
fn the_result_is_a_model_that_runs() {
    let folder = folder();
    let out = path_in(&folder, "out.gguf");
    for (target, _, most) in TYPES {
        run(&["quantize", &fixture("qwen35-f16.gguf"), &out, target]).done();
        let report = run(&["inspect", &out, "--json"]).json();
        assert_eq!(report["runs"], true);
        assert_eq!(report["encoding"], target);
        let by_type = report["tensors"]["by_type"].as_array().unwrap();
        assert!(by_type.iter().any(|of| of["type"] == most), "{report}");
        run(&["generate", &out, "--tokens", "1,2,3", "-n", "4"]).done();
    }
}

#[test]
fn threads_and_the_spelling_of_the_type_do_not_show() {
    let folder = folder();
    let out = path_in(&folder, "out.gguf");
    for (target, ..) in TYPES {
        let input = fixture("qwen2-f16.gguf");
        let expected = quantized(&input, target);
        for threads in ["1", "2", "3", "64"] {
            let lower = target.to_lowercase();
            run(&["quantize", &input, &out, &lower, "--threads", threads]).done();
            assert!(fs::read(&out).unwrap() == expected, "{target} {threads}");
        }
    }
}

#[test]
fn a_pipe_is_written_to() {
    let input = fixture("qwen2-f16.gguf");
    let mut command = qlens(&["quantize", &input, "/dev/stdout", "q4_0"]);
    let piped = command.output().unwrap();
    assert!(piped.status.success() && piped.stdout == quantized(&input, "q4_0"));
}

/// The f16 fixture with the dimensions of `blk.0.ffn_up.weight`, 256 and 512, changed.
fn with_dims(dims: [u64; 2]) -> Changed {
    Changed::of("qwen2-f16.gguf", |bytes| {
        let name = b"blk.0.ffn_up.weight";
        let at = bytes.windows(name.len()).position(|at| at == name);
        let at = at.unwrap() + name.len() + 4;
        assert_eq!(bytes[at..at + 8], 256_u64.to_le_bytes());
        bytes[at..at + 8].copy_from_slice(&dims[0].to_le_bytes());
        bytes[at + 8..at + 16].copy_from_slice(&dims[1].to_le_bytes());
    })
}

#[test]
fn what_is_no_matrix_of_whole_blocks_stays() {
    for (dims, changes) in [
        // Rows that are no multiple of 32.
        ([16, 8192], false),
        // A vector, whatever the number of dimensions says.
        ([131_072, 1], false),
        ([32, 4096], true),
        ([65_536, 2], true),
    ] {
        let changed = with_dims(dims);
        let out = quantized(&changed.path, "q8_0");
        let before = fs::read(&changed.path).unwrap();
        let (before, out) = (Gguf::parse(&before).unwrap(), Gguf::parse(&out).unwrap());
        let [before, after] = [before, out].map(|of| of.tensor("blk.0.ffn_up.weight").unwrap());
        assert_eq!(after.dims, before.dims);
        assert_eq!(after.type_name(), if changes { "Q8_0" } else { "F16" });
        assert_eq!(after.data == before.data, !changes);
    }
}

#[test]
fn rows_that_are_no_whole_superblocks_get_shorter_blocks() {
    for (dims, q4_k_m, q6_k) in [
        ([512, 256], "Q4_K", "Q6_K"),
        ([128, 1024], "Q5_0", "Q8_0"),
        ([32, 4096], "Q5_0", "Q8_0"),
        ([16, 8192], "F16", "F16"),
    ] {
        let changed = with_dims(dims);
        for (target, expected) in [("q4_k_m", q4_k_m), ("q6_k", q6_k)] {
            let out = quantized(&changed.path, target);
            let out = Gguf::parse(&out).unwrap();
            let tensor = out.tensor("blk.0.ffn_up.weight").unwrap();
            assert_eq!(tensor.type_name(), expected, "{dims:?} {target}");
        }
    }
}

#[test]
fn tied_embeddings_get_the_bits_of_the_output() {
    // This one has no output matrix.
    let changed = Changed::of("qwen2-q8_0.gguf", |bytes| {
        let name = b"output.weight";
        let at = bytes.windows(name.len()).position(|at| at == name).unwrap();
        bytes[at..at + name.len()].copy_from_slice(b"sundry.weight");
    });
    for (target, tied, sundry) in [
        ("q8_0", "Q8_0", "Q8_0"),
        ("q4_0", "Q4_0", "Q4_0"),
        ("q4_k_m", "Q6_K", "Q4_K"),
        ("iq4_nl", "Q6_K", "IQ4_NL"),
    ] {
        let out = quantized(&changed.path, target);
        let out = Gguf::parse(&out).unwrap();
        let of = |name| out.tensor(name).unwrap().type_name();
        assert_eq!(
            (of("token_embd.weight"), of("sundry.weight")),
            (tied, sundry)
        );
    }
}

#[test]
fn values_that_many_heads_share_get_more_bits_in_iq4_nl() {
    for (heads, expected) in [(4, "IQ4_NL"), (8, "Q5_K")] {
        let changed = Changed::of("qwen2-f16.gguf", |bytes| {
            let key = b"qwen2.attention.head_count";
            let at = bytes.windows(key.len()).position(|at| at == key).unwrap();
            let at = at + key.len() + 4;
            assert_eq!(bytes[at..at + 4], 4_u32.to_le_bytes());
            bytes[at..at + 4].copy_from_slice(&u32::to_le_bytes(heads));
        });
        let out = quantized(&changed.path, "iq4_nl");
        let out = Gguf::parse(&out).unwrap();
        for layer in 0..4 {
            let values = out.tensor(&format!("blk.{layer}.attn_v.weight")).unwrap();
            assert_eq!(values.type_name(), expected);
        }
    }
}

/// A run that is refused, with nothing left in the folder of its output.
#[track_caller]
fn refused(input: &str, says: &[&str]) {
    let folder = folder();
    let said = run(&["quantize", input, &path_in(&folder, "out.gguf"), "q4_0"]).refused(1);
    for part in says {
        assert!(said.contains(part), "{said}");
    }
    assert_eq!(names_in(folder.path()), [""; 0]);
}

#[test]
fn a_format_that_is_not_known_is_named_with_its_tensor() {
    for (number, name) in [(4, "Q4_2"), (18, "IQ3_XXS"), (200, "unknown (type 200)")] {
        let changed = Changed::tensor_type("blk.2.ffn_up.weight", number);
        refused(&changed.path, &[&changed.path, "blk.2.ffn_up.weight", name]);
    }
}

#[test]
fn a_weight_that_is_no_number_is_named_with_its_tensor() {
    for bits in [0x7e00_u16, 0x7c00, 0xfc00] {
        let changed = Changed::of("qwen2-f16.gguf", |bytes| {
            let tensor = Gguf::parse(bytes).unwrap();
            let tensor = tensor.tensor("blk.1.attn_v.weight").unwrap();
            let at = tensor.offset as usize + 3 * 512 + 10;
            bytes[at..at + 2].copy_from_slice(&bits.to_le_bytes());
        });
        refused(&changed.path, &["blk.1.attn_v.weight", "row 3", "Q4_0"]);
    }
}

#[test]
fn a_type_that_is_not_known_is_refused_with_those_that_are() {
    let folder = folder();
    let out = path_in(&folder, "out.gguf");
    for target in ["q5_0", "q4_k", ""] {
        let outcome = run(&["quantize", &model(), &out, target]);
        assert_eq!((outcome.status, outcome.stdout.as_str()), (Some(2), ""));
        assert!(
            outcome.stderr.contains("q8_0, q4_0, q4_k_m, q6_k, iq4_nl"),
            "{outcome:?}"
        );
    }
    assert_eq!(names_in(folder.path()), [""; 0]);
}

#[test]
fn the_input_is_not_written_over_under_any_name() {
    let folder = folder();
    let original = path_in(&folder, "model.gguf");
    fs::copy(model(), &original).unwrap();
    let (link, hard) = (path_in(&folder, "link"), path_in(&folder, "hard"));
    symlink(&original, &link).unwrap();
    fs::hard_link(&original, &hard).unwrap();
    for out in [&original, &link, &hard] {
        let said = run(&["quantize", &original, out, "q8_0"]).refused(1);
        assert!(said.contains("the model's own file"), "{said}");
    }
    assert!(fs::read(&original).unwrap() == fs::read(model()).unwrap());
    assert_eq!(names_in(folder.path()), ["hard", "link", "model.gguf"]);
}

#[test]
fn a_place_where_no_file_can_be_is_named() {
    let folder = folder();
    let inside = path_in(&folder, "no/such/out.gguf");
    let said = run(&["quantize", &model(), &inside, "q8_0"]).refused(1);
    assert!(
        said.contains(&inside) && said.contains("no such file or directory"),
        "{said}"
    );
    let said = run(&[
        "quantize",
        &model(),
        folder.path().to_str().unwrap(),
        "q8_0",
    ])
    .refused(1);
    assert!(said.contains("it is a directory"), "{said}");
    assert_eq!(names_in(folder.path()), [""; 0]);
}

#[test]
fn a_folder_that_may_not_be_written_to_is_named() {
    let folder = folder();
    let open = |name: &str, mode| {
        fs::set_permissions(folder.path().join(name), fs::Permissions::from_mode(mode)).unwrap();
    };
    for (from, name) in [(QLENS, "qlens"), (&model(), "model.gguf")] {
        fs::copy(from, folder.path().join(name)).unwrap();
        open(name, 0o755);
    }
    open("", 0o555);
    let mut command = Command::new(folder.path().join("qlens"));
    command
        .args(["quantize", "model.gguf", "out.gguf", "q8_0"])
        .current_dir(&folder)
        .stdin(Stdio::null());
    // Root may write anywhere, so it becomes nobody for this.
    if is_root() {
        command.uid(65534).gid(65534);
    }
    let said = Outcome::of(&mut command).refused(1);
    assert!(
        said.contains("out.gguf: it cannot be written: permission denied"),
        "{said}"
    );
    open("", 0o755);
    assert_eq!(names_in(folder.path()), ["model.gguf", "qlens"]);
}

#[test]
fn a_disk_that_is_full_is_named_and_nothing_is_left() {
    let said = run(&["quantize", &model(), "/dev/full", "q8_0"]).refused(1);
    assert!(
        said.contains("/dev/full") && said.contains("no space left"),
        "{said}"
    );
    // A limit to the size of files is a disk that fills up half-way.
    let folder = folder();
    let out = path_in(&folder, "out.gguf");
    let shell = format!(
        "trap '' XFSZ; ulimit -f 1000; exec {QLENS} quantize {} {out} q8_0",
        model()
    );
    let said = Outcome::of(Command::new("sh").args(["-c", &shell]).stdin(Stdio::null())).refused(1);
    assert!(
        said.contains(&out) && said.contains("file too large"),
        "{said}"
    );
    assert_eq!(names_in(folder.path()), [""; 0]);
}

/// A file of one matrix of 2^31 zeros that takes no room on the disk: seconds of work.
fn large(folder: &TempDir) -> String {
    let path = path_in(folder, "large.gguf");
    let mut head = b"GGUF".to_vec();
    head.extend(3_u32.to_le_bytes());
    head.extend([1_u64, 0].map(u64::to_le_bytes).as_flattened());
    head.extend(1_u64.to_le_bytes());
    head.push(b'w');
    head.extend(2_u32.to_le_bytes());
    head.extend([1_u64 << 16, 1 << 15].map(u64::to_le_bytes).as_flattened());
    head.extend(1_u32.to_le_bytes());
    head.extend(0_u64.to_le_bytes());
    let len = head.len().next_multiple_of(32) as u64 + (1 << 32);
    fs::write(&path, head).unwrap();
    let file = fs::File::options().write(true).open(&path).unwrap();
    file.set_len(len).unwrap();
    path
}

#[test]
fn a_run_that_is_stopped_leaves_nothing() {
    let input = folder();
    let large = large(&input);
    for (name, status) in [("INT", 130), ("TERM", 143)] {
        let folder = folder();
        let out = path_in(&folder, "out.gguf");
        let args = ["quantize", &large, &out, "q4_0", "--threads", "1"];
        let child = start(&mut qlens(&args));
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
