//! Figures of the host tool: what it says of a model's memory, and how fast this machine is.

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result};
use serde::Deserialize;

use super::figure::Figure;
use crate::model::Model;
use crate::workspace;

/// Tokens of context for which memory is stated.
const CONTEXT: &str = "1024";

/// Of what `qlens bench --json` prints, what is wanted here.
#[derive(Deserialize)]
struct Answer {
    prefill: Rate,
    decode: Rate,
    settings: Settings,
}

#[derive(Deserialize)]
struct Rate {
    tokens_per_second: f64,
}

#[derive(Deserialize)]
struct Settings {
    bytes_per_token: u64,
    arena_bytes: u64,
    kernel: String,
    threads: u32,
}

/// Runs `qlens bench` on a model.
pub fn figures(qlens: &Path, model: &Model) -> Result<Vec<Figure>> {
    eprintln!("{}: qlens bench on this machine", model.name);
    let mut command = Command::new(qlens);
    command
        .arg("bench")
        .arg(&model.path)
        .args(["--ctx", CONTEXT, "--json"]);
    figures_of(&model.name, &workspace::output(&mut command)?)
}

fn figures_of(model: &str, json: &[u8]) -> Result<Vec<Figure>> {
    let Answer {
        prefill,
        decode,
        settings,
    } = serde_json::from_slice(json).context("`qlens bench` printed something else")?;
    let bytes = |name: &str, bytes: u64| Figure::exact(model, name, bytes as f64, "bytes");
    let here = format!("here, {}, {} threads", settings.kernel, settings.threads);
    let rate = |phase: &str, rate: &Rate| {
        let name = format!("{phase} {here}");
        Figure::measured(model, &name, rate.tokens_per_second, "tokens/s")
    };
    Ok(vec![
        bytes("weights read a decoded token", settings.bytes_per_token),
        bytes(&format!("arena, context {CONTEXT}"), settings.arena_bytes),
        rate("decode", &decode),
        rate("prefill", &prefill),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tools_answer_becomes_figures() {
        let json = br#"{"prefill":{"tokens":128,"tokens_per_second":80.5,"spread":1.0,"samples":[80.5]},
            "decode":{"tokens":64,"tokens_per_second":20.25,"spread":0.0,"samples":[20.25]},
            "settings":{"model":"/m.gguf","model_bytes":9,"bytes_per_token":5,"arena_bytes":7,"context":1024,
            "batch":32,"threads":2,"kernel":"avx2","repetitions":3,"warm_up_tokens":4,"peak_rss_bytes":null}}"#;
        let figures = figures_of("m", json).unwrap();
        let values: Vec<f64> = figures.iter().map(|figure| figure.value).collect();
        assert_eq!(values, [5.0, 7.0, 20.25, 80.5]);
        assert_eq!(figures[2].name, "decode here, avx2, 2 threads");
        assert!(figures[1].exact && !figures[2].exact);
        assert!(figures_of("m", b"{}").is_err());
    }
}
