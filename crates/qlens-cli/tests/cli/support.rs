//! Starting the program, and model files to start it with.

use std::fs;
use std::io::{Read, Write as _};
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

/// The program under test.
pub const QLENS: &str = env!("CARGO_BIN_EXE_qlens");

/// Path of a fixture model.
pub fn fixture(name: &str) -> String {
    format!("{}/../qlens/tests/data/{name}", env!("CARGO_MANIFEST_DIR"))
}

/// The fixture model that most tests use: it talks until its context is full.
pub fn model() -> String {
    fixture("qwen2-q4_0.gguf")
}

/// Path of a text that the fixtures' vocabulary has 463 tokens for.
pub fn text() -> String {
    format!("{}/tests/data/harbour.txt", env!("CARGO_MANIFEST_DIR"))
}

/// The program with these arguments, without standard input.
pub fn qlens(args: &[&str]) -> Command {
    let mut command = Command::new(QLENS);
    command.args(args).stdin(Stdio::null());
    command
}

/// Runs the program.
pub fn run(args: &[&str]) -> Outcome {
    Outcome::of(&mut qlens(args))
}

/// Runs the program with that on standard input.
pub fn run_with_input(args: &[&str], input: &str) -> Outcome {
    let mut child = start(&mut qlens(args));
    child
        .stdin
        .take()
        .unwrap()
        .write_all(input.as_bytes())
        .unwrap();
    Outcome::from(child.wait_with_output().unwrap())
}

/// Starts the program with pipes.
pub fn start(command: &mut Command) -> Child {
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Waits for the first characters that the program puts out.
pub fn first_text(from: &mut impl Read) -> String {
    let mut bytes = Vec::new();
    loop {
        let mut byte = [0];
        from.read_exact(&mut byte).unwrap();
        bytes.extend(byte);
        if let Ok(text) = str::from_utf8(&bytes) {
            return text.to_owned();
        }
    }
}

/// Waits until the program has a handler for Ctrl-C.
pub fn wait_until_it_listens(child: &Child) {
    let caught = || {
        let status = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
        let mask = status
            .lines()
            .find_map(|line| line.strip_prefix("SigCgt:"))
            .unwrap();
        u64::from_str_radix(mask.trim(), 16).unwrap()
    };
    // The lowest bit is signal 1, and Ctrl-C is signal 2.
    while caught() & 2 == 0 {
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
}

/// Sends a signal, `INT` for Ctrl-C.
pub fn signal(child: &Child, name: &str) {
    let sent = Command::new("sh")
        .args(["-c", &format!("kill -{name} {}", child.id())])
        .status()
        .unwrap();
    assert!(sent.success());
}

/// What came out of a run.
#[derive(Debug)]
pub struct Outcome {
    pub status: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl From<Output> for Outcome {
    fn from(output: Output) -> Self {
        assert_eq!(output.status.signal(), None, "it was ended by a signal");
        Self {
            status: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

impl Outcome {
    pub fn of(command: &mut Command) -> Self {
        Self::from(command.output().unwrap())
    }

    /// What a run that did all it was asked put out.
    #[track_caller]
    pub fn done(self) -> String {
        assert_eq!(self.status, Some(0), "{self:?}");
        self.stdout
    }

    /// The one line of JSON that a run put out.
    #[track_caller]
    pub fn json(self) -> Value {
        one_line_of_json(&self.done())
    }

    /// What a run said that did nothing: one sentence, and nothing else.
    #[track_caller]
    pub fn refused(self, status: i32) -> String {
        assert_eq!(self.status, Some(status), "{self:?}");
        assert_eq!(self.stdout, "", "{self:?}");
        self.sentence()
    }

    /// The one sentence on stderr.
    #[track_caller]
    pub fn sentence(&self) -> String {
        assert!(
            self.stderr.starts_with("error: ") && self.stderr.ends_with('\n'),
            "{self:?}"
        );
        assert_eq!(self.stderr.lines().count(), 1, "{self:?}");
        self.stderr.clone()
    }
}

#[track_caller]
pub fn one_line_of_json(text: &str) -> Value {
    assert!(text.ends_with('\n') && text.lines().count() == 1, "{text}");
    serde_json::from_str(text).unwrap()
}

/// The ids in a JSON array.
#[track_caller]
pub fn ids(value: &Value) -> Vec<u32> {
    serde_json::from_value(value.clone()).unwrap()
}

/// A folder for one test.
pub fn folder() -> TempDir {
    TempDir::new().unwrap()
}

/// Path of a file in a folder, as an argument.
pub fn path_in(folder: &TempDir, name: &str) -> String {
    folder.path().join(name).to_str().unwrap().to_owned()
}

/// Whether this is root, whom no permission stops.
pub fn is_root() -> bool {
    fs::read_to_string("/proc/self/status")
        .unwrap()
        .lines()
        .any(|line| line.starts_with("Uid:\t0\t"))
}

/// Names of the files in a folder.
pub fn names_in(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// A fixture model with its bytes changed, in a folder of its own.
pub struct Changed {
    pub folder: TempDir,
    pub path: String,
}

impl Changed {
    pub fn new(change: impl FnOnce(&mut Vec<u8>)) -> Self {
        Self::of("qwen2-q4_0.gguf", change)
    }

    /// The fixture of that name, changed.
    pub fn of(name: &str, change: impl FnOnce(&mut Vec<u8>)) -> Self {
        let mut bytes = fs::read(fixture(name)).unwrap();
        change(&mut bytes);
        let folder = folder();
        let path = path_in(&folder, "model.gguf");
        fs::write(&path, bytes).unwrap();
        Self { folder, path }
    }

    /// With the value of a text key replaced by another text of the same length.
    pub fn text(key: &str, value: &str) -> Self {
        Self::new(|bytes| {
            let at = position(bytes, key.as_bytes()) + key.len() + 4;
            let len = u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap()) as usize;
            assert_eq!(len, value.len(), "{key}");
            bytes[at + 8..][..len].copy_from_slice(value.as_bytes());
        })
    }

    /// With this chat template, and with the tags of thoughts in place of tokens that nothing uses.
    pub fn template(source: &str) -> Self {
        Self::new(|bytes| {
            let entry =
                |text: &str| [&(text.len() as u64).to_le_bytes()[..], text.as_bytes()].concat();
            let old = ["[PAD267]", "[PAD268]", "[PAD269]"].map(entry).concat();
            let new = ["</think>", "<think>", "[PAD-269]"].map(entry).concat();
            let at = position(bytes, &old);
            bytes[at..at + old.len()].copy_from_slice(&new);
            let key = b"tokenizer.ggml.token_type";
            let at = position(bytes, key) + key.len() + 16 + 4 * 267;
            let user_defined = [4_u32.to_le_bytes(); 2].concat();
            bytes[at..at + 8].copy_from_slice(&user_defined);

            // In front of all other metadata, with padding that leaves the weights aligned.
            let text = 8_u32.to_le_bytes();
            let pair = |key: &str, value: &str| [&entry(key)[..], &text, &entry(value)].concat();
            let template = pair("tokenizer.chat_template", source);
            let rest = (template.len() + pair("padding", "").len()) % 32;
            let padding = pair("padding", &" ".repeat((32 - rest) % 32));
            let count = u64::from_le_bytes(bytes[16..24].try_into().unwrap()) + 2;
            bytes[16..24].copy_from_slice(&count.to_le_bytes());
            bytes.splice(24..24, [template, padding].concat());
        })
    }

    /// With another ggml type stated for a tensor of two dimensions.
    pub fn tensor_type(name: &str, ggml_type: u32) -> Self {
        Self::new(|bytes| {
            let at = position(bytes, name.as_bytes()) + name.len();
            assert_eq!(bytes[at..at + 4], 2_u32.to_le_bytes());
            bytes[at + 4 + 16..][..4].copy_from_slice(&ggml_type.to_le_bytes());
        })
    }
}

fn position(bytes: &[u8], of: &[u8]) -> usize {
    bytes
        .windows(of.len())
        .position(|window| window == of)
        .unwrap()
}

/// The reference's greedy continuations and how clear each step was.
#[derive(serde::Deserialize)]
pub struct Golden {
    pub cases: Vec<Case>,
    pub greedy_after_case_1: Vec<u32>,
    pub greedy_margin: Vec<f32>,
}

#[derive(serde::Deserialize)]
pub struct Case {
    pub tokens: Vec<u32>,
}

/// Golden results of a fixture model.
pub fn golden(name: &str) -> Golden {
    let path = PathBuf::from(fixture("fixtures.json"));
    let mut all: std::collections::BTreeMap<String, Golden> =
        serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    all.remove(name).unwrap()
}

/// Ids as an argument.
pub fn list(ids: &[u32]) -> String {
    ids.iter().map(u32::to_string).collect::<Vec<_>>().join(",")
}

/// Every way to compute that this processor has: flags that must not change any result.
pub fn ways_to_compute() -> Vec<[String; 6]> {
    let mut ways = Vec::new();
    for kernel in qlens::kernel::Kernel::ALL
        .into_iter()
        .filter(|kernel| kernel.is_available())
    {
        for (threads, batch) in [(1, 1), (1, 64), (2, 7), (2, 64), (3, 1)] {
            ways.push(
                [
                    "--kernel",
                    kernel.name(),
                    "--threads",
                    &threads.to_string(),
                    "--batch",
                    &batch.to_string(),
                ]
                .map(String::from),
            );
        }
    }
    ways
}
