//! What the emulated stages share: the firmware, the host tool that says what is right, small models, and
//! the way one check is run and counted.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context as _, Result, bail, ensure};
use qlens_models::Sha256;
use serde_json::Value;

use super::Counts;
use crate::ask::{self, Answer};
use crate::boards::{self, Board};
use crate::emulator::{Console, Drive, Emulator, Machine};
use crate::model::Model;
use crate::setup::{self, Need};
use crate::{image, interrupt, workspace};

/// Where the small random models lie.
const FIXTURES: &str = "crates/qlens/tests/data";

/// Built once for all stages that boot something.
pub struct Bench {
    pub board: Board,
    image: PathBuf,
    qlens: PathBuf,
    scratch: PathBuf,
}

impl Bench {
    /// For the reference board.
    pub fn prepare() -> Result<Self> {
        Self::prepare_for(boards::DEFAULT)
    }

    /// For the board of that name.
    pub fn prepare_for(name: &str) -> Result<Self> {
        let board = boards::find(name)?;
        setup::make_sure_of(&[
            Need::Target(&board.triple),
            Need::Program(&setup::QEMU_SYSTEM),
        ])?;
        let image = image::firmware(&board)?.bootable().to_owned();
        Ok(Self {
            board,
            image,
            qlens: image::host_tool()?,
            scratch: workspace::output_folder("emulated-tests")?,
        })
    }

    /// The machine with that drive and a context that small models have room in.
    pub fn machine<'a>(&'a self, drive: Drive<'a>) -> Machine<'a> {
        Machine {
            context: Some(256),
            max_tokens: Some(24),
            ..Machine::of(&self.board, &self.image, drive)
        }
    }

    /// A small model of the repository.
    pub fn fixture(name: &str) -> Result<Model> {
        model_in(
            &workspace::root()
                .join(FIXTURES)
                .join(format!("{name}.gguf")),
        )
    }

    /// A file like that of `model` with other bytes, its hash right or not.
    pub fn spoiled(
        &self,
        model: &Model,
        name: &str,
        change: impl FnOnce(&mut Vec<u8>),
    ) -> Result<Model> {
        let mut bytes = fs::read(&model.path)?;
        change(&mut bytes);
        let path = self.scratch.join(format!("{name}.gguf"));
        fs::write(&path, bytes).with_context(|| format!("cannot write {}", path.display()))?;
        model_in(&path)
    }

    /// A path for a file of a check.
    pub fn scratch(&self, name: &str) -> PathBuf {
        self.scratch.join(name)
    }

    /// The host tool.
    pub fn qlens(&self) -> &Path {
        &self.qlens
    }

    /// Boots and waits for the prompt.
    pub fn boot(machine: &Machine<'_>) -> Result<Emulator> {
        let mut emulator = Emulator::start(machine, Console::kept())?;
        ask::wait_until_ready(&mut emulator, &mut |_, _| {})?;
        Ok(emulator)
    }

    /// The host tool's answer to the same question: token ids of prompt and answer, and the text.
    pub fn host_answer(
        &self,
        machine: &Machine<'_>,
        model: &Model,
        question: &str,
    ) -> Result<Answer> {
        let mut command = Command::new(&self.qlens);
        command
            .arg("generate")
            .arg(&model.path)
            .args(["--chat", question, "--temp", "0", "--json"]);
        if let Some(context) = machine.context {
            command.args(["--ctx", &context.to_string()]);
        }
        if let Some(system) = machine.system {
            command.args(["--system", system]);
        }
        command.args(["-n", &machine.max_tokens.unwrap_or(256).to_string()]);
        let json: Value = serde_json::from_slice(&workspace::output(&mut command)?)
            .context("qlens printed no JSON")?;
        Ok(Answer {
            question: question.into(),
            prompt_tokens: ids(&json["prompt_tokens"])?,
            tokens: ids(&json["tokens"])?,
            text: json["text"]
                .as_str()
                .context("qlens printed no text")?
                .into(),
            ..Answer::default()
        })
    }

    /// Fails unless the board's answer is the host's, token for token.
    pub fn same_as_host(&self, machine: &Machine<'_>, model: &Model, board: &Answer) -> Result<()> {
        let host = self.host_answer(machine, model, &board.question)?;
        ensure!(
            !host.tokens.is_empty(),
            "the host generated nothing to compare with"
        );
        for (what, board, host) in [
            ("prompt", &board.prompt_tokens, &host.prompt_tokens),
            ("answer", &board.tokens, &host.tokens),
        ] {
            let same = board.iter().zip(host).take_while(|(a, b)| a == b).count();
            ensure!(
                board == host,
                "the {what} differs from the host's at token {same}: board {:?}, host {:?}",
                &board[same..],
                &host[same..]
            );
        }
        ensure!(
            board.text == host.text,
            "the text is {:?}, the host's {:?}",
            board.text,
            host.text
        );
        Ok(())
    }
}

fn model_in(path: &Path) -> Result<Model> {
    let sha256 = Sha256::of_file(path, &mut |_| std::ops::ControlFlow::Continue(()))?;
    let name = path
        .file_stem()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    Ok(Model {
        name,
        path: path.into(),
        size: path.metadata()?.len(),
        sha256,
    })
}

/// A list of token ids.
pub fn ids(json: &Value) -> Result<Vec<u32>> {
    let ids = json.as_array().context("qlens printed no list of ids")?;
    ids.iter()
        .map(|id| {
            id.as_u64()
                .and_then(|id| id.try_into().ok())
                .context("an id is no number")
        })
        .collect()
}

/// The checks of one stage.
#[derive(Default)]
pub struct Checks {
    pub counts: Counts,
}

impl Checks {
    /// Runs one and says how it went; nothing that it does ends the stage.
    pub fn run(&mut self, name: &str, check: impl FnOnce() -> Result<()>) -> Result<()> {
        interrupt::check()?;
        println!("test {name} ...");
        let start = Instant::now();
        let outcome = check();
        interrupt::check()?;
        let seconds = start.elapsed().as_secs_f64();
        match &outcome {
            Ok(()) => println!("test {name} ... ok ({seconds:.1} s)"),
            Err(fault) => println!("test {name} ... FAILED ({seconds:.1} s): {fault:#}"),
        }
        self.counts.add(Counts::one(outcome.is_ok()));
        Ok(())
    }
}

/// Fails unless `text` holds one of `words`, in any case.
pub fn says(text: &str, words: &[&str]) -> Result<()> {
    let lower = text.to_lowercase();
    if words.iter().any(|word| lower.contains(word)) {
        return Ok(());
    }
    bail!("it says {text:?}, none of {words:?}")
}
