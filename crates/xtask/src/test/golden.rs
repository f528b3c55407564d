//! The real model on the host against the f32 reference: prompts, logits, greedy answers, memory.
//!
//! `golden/qwen2.5-coder-0.5b-q4_k_m.json` holds, for each prompt, what a forward pass with all weights
//! dequantized and all products in f32 gives: the 64 likeliest tokens after the prompt with their log
//! probabilities, and the greedy answer with the margin of each of its tokens.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use anyhow::{Result, ensure};
use object::{Object as _, ObjectSymbol as _};
use serde::Deserialize;
use serde_json::Value;

use super::Counts;
use super::bench::{self, Bench, Checks};
use crate::model::{self, Model};
use crate::workspace;

const GOLDEN: &str = include_str!("../../golden/qwen2.5-coder-0.5b-q4_k_m.json");
/// What llama.cpp reaches on this file.
const MOST_MEAN_KL: f64 = 0.0015;
/// A greedy answer may leave the reference's where the two best tokens are closer than this.
const CLOSE_CALL: f64 = 0.35;
const CONTEXT: &str = "1024";
/// What `qlens generate` may take beside the model file.
const MOST_MEMORY: u64 = 40_000_000;

#[derive(Deserialize)]
struct Case {
    prompt: String,
    system: String,
    tokens: Vec<u32>,
    last_top_ids: Vec<usize>,
    last_top_logprobs: Vec<f64>,
    greedy: Vec<u32>,
    greedy_margin: Vec<f64>,
}

pub fn run(_: bool) -> Result<Counts> {
    let bench = Bench::prepare()?;
    let model = model::default()?;
    let cases: Vec<Case> = serde_json::from_str(GOLDEN)?;
    let mut checks = Checks::default();
    checks.run("the prompts' tokens and the greedy answers", || {
        cases
            .iter()
            .try_for_each(|case| answer(&bench, &model, case))
    })?;
    checks.run("the logits after the prompts", || {
        logits(&bench, &model, &cases)
    })?;
    checks.run("memory", || memory(&bench, &model))?;
    checks.run("every intrinsic is an instruction", || {
        intrinsics(bench.qlens())
    })?;
    Ok(checks.counts)
}

fn answer(bench: &Bench, model: &Model, case: &Case) -> Result<()> {
    let mut command = qlens(bench, "generate", model);
    command.args(["--chat", &case.prompt, "--system", &case.system]);
    command.args([
        "-n",
        &case.greedy.len().to_string(),
        "--temp",
        "0",
        "--json",
    ]);
    let json: Value = serde_json::from_slice(&workspace::output(&mut command)?)?;
    ensure!(
        bench::ids(&json["prompt_tokens"])? == case.tokens,
        "{:?} became {}",
        case.prompt,
        json["prompt_tokens"]
    );
    let found = bench::ids(&json["tokens"])?;
    let sure = case
        .greedy_margin
        .iter()
        .take_while(|&&margin| margin >= CLOSE_CALL)
        .count();
    // The reference's answer ends with the stop token, which an answer leaves out.
    let n = sure.min(case.greedy.len() - 1);
    ensure!(
        found.get(..n) == Some(&case.greedy[..n]),
        "{:?} is answered {found:?}, and the reference answers {:?}",
        case.prompt,
        case.greedy
    );
    Ok(())
}

fn logits(bench: &Bench, model: &Model, cases: &[Case]) -> Result<()> {
    let mut sum = 0.0;
    for case in cases {
        let path = bench.scratch("logits.f32");
        let tokens: Vec<String> = case.tokens.iter().map(u32::to_string).collect();
        let mut command = qlens(bench, "logits", model);
        command
            .args(["--tokens", &tokens.join(",")])
            .arg("--out")
            .arg(&path);
        workspace::output(&mut command)?;
        let bytes = fs::read(&path)?;
        let row = bytes.len() / case.tokens.len();
        let last = bytes[bytes.len() - row..].as_chunks::<4>().0;
        let last: Vec<f64> = last.iter().map(|b| f32::from_le_bytes(*b).into()).collect();
        let kl = divergence(case, &last);
        println!("{kl:.6}  {:?}", case.prompt);
        sum += kl;
    }
    let mean = sum / cases.len() as f64;
    println!("mean KL divergence from the f32 reference: {mean:.6}");
    ensure!(
        mean <= MOST_MEAN_KL,
        "a mean KL of {mean:.6} is above {MOST_MEAN_KL}"
    );
    Ok(())
}

/// KL divergence over the reference's likeliest tokens and all the others taken as one.
fn divergence(case: &Case, logits: &[f64]) -> f64 {
    let largest = logits.iter().fold(f64::MIN, |a, &b| a.max(b));
    let log_sum = largest + logits.iter().map(|l| (l - largest).exp()).sum::<f64>().ln();
    let (mut kl, mut p_rest, mut q_rest) = (0.0, 1.0, 1.0);
    for (&id, &log_p) in case.last_top_ids.iter().zip(&case.last_top_logprobs) {
        let log_q = logits[id] - log_sum;
        kl += log_p.exp() * (log_p - log_q);
        p_rest -= log_p.exp();
        q_rest -= log_q.exp();
    }
    let (p_rest, q_rest) = (p_rest.max(1e-12), q_rest.max(1e-12));
    kl + p_rest * (p_rest / q_rest).ln()
}

/// The model is mapped, so that what counts is how much is resident beside it.
fn memory(bench: &Bench, model: &Model) -> Result<()> {
    let mut command = qlens(bench, "generate", model);
    command.args(["--chat", "Count from one to twenty.", "-n", "40", "--json"]);
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    let mut peak = 0;
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        peak = peak.max(resident_peak(child.id()).unwrap_or(0));
        thread::sleep(Duration::from_millis(5));
    };
    ensure!(status.success(), "qlens generate failed");
    ensure!(peak > 0, "the peak could not be read");
    let most = model.size + MOST_MEMORY;
    println!(
        "peak resident memory {peak} bytes, the model {} of it",
        model.size
    );
    ensure!(peak <= most, "{peak} bytes are above {most}");
    Ok(())
}

/// Those that may be called: `_xgetbv` tells whether the others may be, and the rest is what the writer of pictures sums
/// them up with. No kernel uses one of them.
const CALLED: [&str; 3] = ["_xgetbv", "_mm_shuffle_epi8", "_mm_clmulepi64_si128"];

/// What is inlined where the target features are not enabled stays a call for each vector: the same results, a
/// tenth as fast.
fn intrinsics(program: &Path) -> Result<()> {
    let bytes = fs::read(program)?;
    let file = object::File::parse(&*bytes)?;
    // As symbols spell paths.
    let functions: Vec<&str> = file
        .symbols()
        .filter_map(|symbol| symbol.name().ok())
        .filter(|name| {
            let inlined = ["core_arch", "6kernel4rows", "6kernel5octet"];
            let is_one_of = |parts: &[&str]| parts.iter().any(|part| name.contains(part));
            is_one_of(&inlined) && !is_one_of(&CALLED)
        })
        .collect();
    ensure!(
        file.symbols().next().is_some(),
        "the program has no symbols"
    );
    ensure!(functions.is_empty(), "these are functions: {functions:?}");
    Ok(())
}

/// `VmHWM` of a process, in bytes.
fn resident_peak(pid: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim()
        .strip_suffix("kB")?
        .trim()
        .parse::<u64>()
        .ok()
        .map(|kib| kib * 1024)
}

/// The host tool on `model`, to be given more arguments.
fn qlens(bench: &Bench, verb: &str, model: &Model) -> Command {
    let mut command = Command::new(bench.qlens());
    command.arg(verb).arg(&model.path).args(["--ctx", CONTEXT]);
    command
}
