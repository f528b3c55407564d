//! `qlens embed`: what texts mean, a vector each, so that they can be searched by meaning.

use std::io::{self, BufRead as _};
use std::path::PathBuf;

use qlens::session::{Session, Stop};
use qlens::tokenizer::Special;
use serde::Serialize;

use crate::failure::{Failure, reason};
use crate::interrupt;
use crate::model_file::ModelFile;
use crate::output::Output;
use crate::runtime::{Runtime, RuntimeArgs, timed, token_count, usual_context};
use crate::watch::Supervisor;

/// Turn texts into vectors of length 1, one a line: the state of the last token, as Qwen3-Embedding has it
#[derive(clap::Args, Debug)]
pub struct EmbedArgs {
    #[arg(value_name = "MODEL", help = "GGUF file or name of a known model")]
    model: PathBuf,
    /// Texts; special tokens in them count [default: the lines of stdin]
    #[arg(value_name = "TEXT")]
    texts: Vec<String>,
    /// Print each vector as a JSON object with its text: text, embedding
    #[arg(long)]
    json: bool,
    /// Most tokens of a text [default: 2048, or what the model was trained for if that is less]
    #[arg(long, value_name = "N", value_parser = token_count())]
    ctx: Option<u32>,
    #[command(flatten)]
    runtime: RuntimeArgs,
}

/// What `--json` prints of a text.
#[derive(Serialize)]
struct Report<'a> {
    text: &'a str,
    embedding: &'a [f32],
}

/// Runs the verb.
pub fn run(args: &EmbedArgs) -> Result<(), Failure> {
    interrupt::listen();
    let file = ModelFile::open(&args.model)?;
    let model = file.model()?;
    let (context, n_embd) = (usual_context(args.ctx, &model), model.config().n_embd);
    let mut runtime = Runtime::new(&file, &model, &args.runtime, context)?;
    let (session, _) = runtime.session()?;
    let mut embedder = Embedder {
        session,
        embedding: vec![0.0; n_embd],
        json: args.json,
        output: Output::stdout(),
        texts: 0,
        tokens: 0,
    };
    let (outcome, took) = timed(|| {
        if args.texts.is_empty() {
            return embedder.lines();
        }
        let texts = (1..).zip(&args.texts);
        texts
            .into_iter()
            .try_for_each(|(number, text)| embedder.text(text, &format!("text {number}")))
    });
    outcome?;
    eprintln!(
        "texts: {}, {} tokens, {:.2} s; numbers of an embedding: {n_embd}",
        embedder.texts,
        embedder.tokens,
        took.as_secs_f64()
    );
    Ok(())
}

/// A session that embeds one text after the other.
struct Embedder<'m, 's> {
    session: Session<'m, 's, 's>,
    embedding: Vec<f32>,
    json: bool,
    output: Output,
    texts: usize,
    tokens: usize,
}

impl Embedder<'_, '_> {
    /// Embeds every line of stdin.
    fn lines(&mut self) -> Result<(), Failure> {
        let (mut input, mut line) = (io::stdin().lock(), Vec::new());
        for number in 1_u64.. {
            line.clear();
            let read = input.read_until(b'\n', &mut line).map_err(|error| {
                Failure::new(format_args!("stdin cannot be read: {}", reason(&error)))
            })?;
            if read == 0 {
                break;
            }
            let name = format!("line {number} of stdin");
            let text = line.strip_suffix(b"\n").unwrap_or(&line);
            let text = text.strip_suffix(b"\r").unwrap_or(text);
            let text = str::from_utf8(text)
                .map_err(|error| Failure::new(format_args!("{name} is not UTF-8: {error}")))?;
            self.text(text, &name)?;
        }
        Ok(())
    }

    /// Embeds a text; failures call it `name`.
    fn text(&mut self, text: &str, name: &str) -> Result<(), Failure> {
        if text.is_empty() {
            return Err(Failure::new(format_args!(
                "{name} is empty: there is nothing to embed"
            )));
        }
        let session = &mut self.session;
        session.clear();
        let fed = session.feed_text(text, Special::Parse).and_then(|()| {
            let end = session.tokenizer().added_eos();
            session.feed_tokens(end.as_slice())
        });
        fed.map_err(|error| match error {
            qlens::session::Error::PromptTooLong { tokens, context } => Failure::new(format_args!(
                "{name} has {tokens} tokens and --ctx is {context}: shorten it or use a larger --ctx"
            )),
            _ => Failure::new(format_args!("{name}: {error}")),
        })?;
        session
            .embed(&mut Supervisor::new(), &mut self.embedding)
            .map_err(Failure::new)?;
        if session.stop_reason() == Some(Stop::Cancelled) {
            return Err(interrupt::came().map_or_else(Failure::said, Failure::stopped));
        }
        if !self.embedding.iter().all(|x| x.is_finite()) {
            return Err(Failure::new(format_args!(
                "{name} has no embedding: the model computes something that is no number, its weights are damaged"
            )));
        }
        self.texts += 1;
        self.tokens += session.tokens().len();
        let embedding = &self.embedding;
        if self.json {
            self.output.json(&Report { text, embedding })
        } else {
            self.output.json(embedding)
        }
    }
}
