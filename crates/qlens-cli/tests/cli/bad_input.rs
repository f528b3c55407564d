//! Files that are no models: a sentence, a status, and nothing else.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};

use qlens::gguf::Gguf;

use crate::support::{Changed, Outcome, QLENS, folder, is_root, model, path_in, qlens, run, text};

/// Every verb refuses the file with that status and a sentence that names it and says this.
#[track_caller]
fn every_verb_refuses(path: &str, says: &str) {
    let folder = folder();
    let out = path_in(&folder, "out");
    let text = text();
    for args in [
        &["inspect", path][..],
        &["inspect", path, "--json"],
        &["plan", path, "--board", "qemu-virt"],
        &["tokenize", path],
        &["logits", path, "--tokens", "1", "--out", &out],
        &["generate", path, "--tokens", "1"],
        &["generate", path, "--chat", "who?", "--json"],
        &["chat", path],
        &["bench", path],
        &["perplexity", path, &text],
        &["embed", path, "a"],
        &["quantize", path, &out, "q8_0"],
        &["pack", path, &out],
    ] {
        let said = run(args).refused(1);
        assert!(
            said.contains(path) && said.contains(says),
            "{args:?}: {said}"
        );
    }
    assert!(!fs::exists(&out).unwrap());
}

#[test]
fn what_is_not_gguf() {
    let folder = folder();
    let path = path_in(&folder, "picture.gguf");
    fs::write(&path, b"\x89PNG\r\n\x1a\n and so on").unwrap();
    every_verb_refuses(
        &path,
        "not a GGUF file: it begins with the bytes 89 50 4e 47",
    );
}

#[test]
fn an_empty_file() {
    let folder = folder();
    let path = path_in(&folder, "empty.gguf");
    fs::write(&path, "").unwrap();
    every_verb_refuses(&path, "the file is empty");
}

#[test]
fn a_directory() {
    let folder = folder();
    every_verb_refuses(folder.path().to_str().unwrap(), "it is a directory");
}

#[test]
fn a_missing_file() {
    let folder = folder();
    every_verb_refuses(&path_in(&folder, "nothing.gguf"), "there is no file");
    let link = path_in(&folder, "link.gguf");
    symlink("nowhere", &link).unwrap();
    every_verb_refuses(&link, "there is no file");
    // Something like a name gets the names.
    assert!(
        run(&["inspect", "qwen9"])
            .refused(1)
            .contains("qwen2.5-coder-0.5b-instruct-q4_k_m")
    );
}

#[test]
fn a_pipe_is_not_waited_for() {
    let folder = folder();
    let path = path_in(&folder, "pipe");
    assert!(
        Command::new("mkfifo")
            .arg(&path)
            .status()
            .unwrap()
            .success()
    );
    every_verb_refuses(&path, "it is not a regular file");
    every_verb_refuses("/dev/null", "it is not a regular file");
}

#[test]
fn no_permission() {
    let folder = folder();
    let (program, path) = (path_in(&folder, "qlens"), path_in(&folder, "model.gguf"));
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    fs::copy(QLENS, &program).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    fs::copy(model(), &path).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o000)).unwrap();
    let mut command = Command::new(&program);
    command
        .args(["inspect", &path])
        .stdin(Stdio::null())
        .current_dir("/");
    // Root may read everything, so it becomes nobody for this.
    if is_root() {
        command.uid(65534).gid(65534);
    }
    let said = Outcome::of(&mut command).refused(1);
    assert!(
        said.contains(&path) && said.contains("permission denied"),
        "{said}"
    );
}

#[test]
fn a_file_cut_off_anywhere() {
    let bytes = fs::read(model()).unwrap();
    let gguf = Gguf::parse(&bytes).unwrap();
    let directory = gguf.data_offset();
    let end = gguf
        .tensors()
        .map(|t| t.offset as usize + t.data.unwrap().len())
        .max()
        .unwrap();
    let folder = folder();
    let path = path_in(&folder, "cut.gguf");
    let header = 1..28;
    let directory = (28..directory).step_by(directory / 60);
    let data = (gguf.data_offset()..end).step_by(end / 30);
    let mut cuts = 0;
    for len in header.chain(directory).chain(data).chain([end - 1]) {
        fs::write(&path, &bytes[..len]).unwrap();
        let said = run(&["inspect", &path]).refused(1);
        assert!(
            said.contains(&path) && (said.contains("cut off") || said.contains("damaged")),
            "{len}: {said}"
        );
        cuts += 1;
    }
    assert!(cuts > 100, "{cuts}");
    fs::write(&path, &bytes[..end - 1]).unwrap();
    every_verb_refuses(&path, "the file is cut off: tensor 50");
    fs::write(&path, &bytes[..100]).unwrap();
    every_verb_refuses(&path, "the file is damaged");
}

#[test]
fn what_runs_a_model_names_the_architecture_it_does_not_know() {
    let changed = Changed::text("general.architecture", "llama");
    for args in [
        &["generate", &changed.path, "--tokens", "1"][..],
        &["plan", &changed.path, "--board", "qemu-virt"],
        &["chat", &changed.path],
        &["bench", &changed.path],
    ] {
        let said = run(args).refused(1);
        assert!(
            said.contains("architecture llama is not supported; supported: qwen2"),
            "{said}"
        );
    }
}

#[test]
fn what_runs_a_model_names_the_format_it_does_not_know() {
    let changed = Changed::tensor_type("blk.1.attn_q.weight", 16);
    let said = run(&["generate", &changed.path, "--tokens", "1"]).refused(1);
    assert!(
        said.contains("blk.1.attn_q.weight is stored as IQ2_XXS, which is not supported"),
        "{said}"
    );
}

#[test]
fn a_vocabulary_of_another_kind_is_named() {
    let changed = Changed::text("tokenizer.ggml.pre", "gpt-2");
    for args in [
        &["generate", &changed.path, "--tokens", "1"][..],
        &["tokenize", &changed.path],
        &["chat", &changed.path],
    ] {
        let said = run(args).refused(1);
        assert!(
            said.contains("\"gpt-2\"") && said.contains(&changed.path),
            "{said}"
        );
    }
}

#[test]
fn no_model_at_all() {
    let cache = folder();
    for args in [
        &["inspect"][..],
        &["generate", "--chat", "who?"],
        &["chat"],
        &["bench"],
        &["plan", "--board", "qemu-virt"],
    ] {
        let said = Outcome::of(qlens(args).env("QLENS_CACHE", cache.path())).refused(1);
        for part in [
            "qwen2.5-coder-0.5b-instruct-q4_k_m",
            "qlens pull qwen2.5-coder-0.5b-instruct-q4_k_m",
            cache.path().to_str().unwrap(),
        ] {
            assert!(said.contains(part), "{said}");
        }
    }
    let mut command = qlens(&["inspect"]);
    for variable in ["QLENS_CACHE", "XDG_CACHE_HOME", "HOME"] {
        command.env_remove(variable);
    }
    assert!(Outcome::of(&mut command).refused(1).contains("HOME"));
}

#[test]
fn more_memory_than_there_is() {
    // A context that this file claims to know and no machine has the memory for.
    let changed = Changed::new(|bytes| {
        let key = b"qwen2.context_length";
        let at = bytes
            .windows(key.len())
            .position(|window| window == key)
            .unwrap()
            + key.len();
        assert_eq!(bytes[at + 4..at + 8], 512_u32.to_le_bytes());
        bytes[at + 4..at + 8].copy_from_slice(&(1_u32 << 24).to_le_bytes());
    });
    let args = [
        "generate",
        &changed.path,
        "--tokens",
        "1",
        "--ctx",
        "16777216",
        "-n",
        "1",
    ];
    // 35 GB of addresses where no more than 2 GB are allowed.
    let shell = format!("ulimit -v 2000000; exec {QLENS} {}", args.join(" "));
    let said = Outcome::of(Command::new("sh").args(["-c", &shell]).stdin(Stdio::null())).refused(1);
    assert!(
        said.contains("bytes of memory") && said.contains("--ctx"),
        "{said}"
    );
    assert!(!changed.folder.path().join("core").exists());
}
