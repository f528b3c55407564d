//! `qlens logits`: what the model makes of each token, whole, for comparison with other programs.

use std::cell::RefCell;
use std::path::PathBuf;

use qlens::session::{Interrupt, Progress, Stop, Watch as _};

use crate::destination::Destination;
use crate::failure::Failure;
use crate::generate::refuse_prompt;
use crate::interrupt;
use crate::model_file::ModelArg;
use crate::runtime::{Runtime, RuntimeArgs, token_count};
use crate::watch::Supervisor;

/// Write the logits after each token of a prompt to a file
#[derive(clap::Args, Debug)]
pub struct LogitsArgs {
    #[command(flatten)]
    model: ModelArg,
    /// The prompt: ids separated by commas
    #[arg(long, value_name = "IDS", value_delimiter = ',', required = true)]
    tokens: Vec<u32>,
    #[arg(
        long,
        value_name = "FILE",
        help = "File to write: f32 little-endian, [n_tokens, n_vocab]"
    )]
    out: PathBuf,
    /// Tokens that the session has room for [default: as many as there are]
    #[arg(long, value_name = "N", value_parser = token_count())]
    ctx: Option<u32>,
    #[command(flatten)]
    runtime: RuntimeArgs,
}

/// Runs the verb.
pub fn run(args: &LogitsArgs) -> Result<(), Failure> {
    interrupt::listen();
    let file = args.model.open()?;
    let model = file.model()?;
    let context = args.ctx.map_or(
        args.tokens.len().min(model.config().n_ctx_train),
        |tokens| tokens as usize,
    );
    let mut destination = Destination::open(&args.out, &file)?;
    let mut runtime = Runtime::new(&file, &model, &args.runtime, context)?;
    let (mut session, _) = runtime.session()?;
    session
        .feed_tokens(&args.tokens)
        .map_err(|error| refuse_prompt(&error))?;

    // What keeps a row from being written also ends the computation of further ones.
    let trouble = RefCell::new(None);
    let mut supervisor = Supervisor::new();
    let mut watch = |at: Progress| {
        if trouble.borrow().is_some() {
            Some(Interrupt::Cancelled)
        } else {
            supervisor.check(at)
        }
    };
    let mut visit = |_: usize, logits: &[f32]| {
        let mut trouble = trouble.borrow_mut();
        if trouble.is_none() {
            *trouble = write_row(&mut destination, logits).err();
        }
    };
    session
        .logits(&mut watch, &mut visit)
        .map_err(Failure::new)?;
    supervisor.clear();
    if let Some(error) = trouble.into_inner() {
        return Err(error);
    }
    if session.stop_reason() == Some(Stop::Cancelled) {
        return Err(interrupt::came().map_or_else(Failure::said, Failure::stopped));
    }
    destination.finish()
}

fn write_row(destination: &mut Destination, logits: &[f32]) -> Result<(), Failure> {
    logits
        .iter()
        .try_for_each(|logit| destination.write(&logit.to_le_bytes()))
}
