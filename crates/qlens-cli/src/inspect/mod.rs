//! `qlens inspect`: what a file is, also one that does not run here: this is what one asks about a
//! strange file.

mod identity;
mod metadata;
mod tensors;

use qlens::model::Model;
use qlens::tokenizer::Tokenizer;
use serde::Serialize;

use crate::failure::Failure;
use crate::model_file::{ModelArg, ModelFile};
use crate::output::Output;
use identity::Identity;
use metadata::Metadata;
use tensors::Tensors;

/// Show what a model file holds: identity, metadata, tensors by type, bytes read a decoded token
#[derive(clap::Args, Debug)]
pub struct InspectArgs {
    #[command(flatten)]
    model: ModelArg,
    /// Print one line of JSON
    #[arg(long)]
    json: bool,
}

/// Everything that is known about a file.
#[derive(Serialize)]
struct Report<'m> {
    file: String,
    file_bytes: u64,
    gguf_version: u32,
    alignment: u64,
    #[serde(flatten)]
    identity: Identity,
    architecture: Option<&'m str>,
    /// Whether this program can run it.
    runs: bool,
    /// Why not.
    obstacle: Option<String>,
    /// Bytes of weights that one decoded token reads.
    bytes_per_token: Option<u64>,
    tensors: Tensors,
    metadata: Metadata<'m>,
}

/// Runs the verb.
pub fn run(args: &InspectArgs) -> Result<(), Failure> {
    let file = args.model.open()?;
    let gguf = file.gguf()?;
    let runnable = runnable(&file);
    let report = Report {
        file: file.path().display().to_string(),
        file_bytes: file.size(),
        gguf_version: gguf.version(),
        alignment: gguf.alignment(),
        identity: Identity::of(file.path(), &gguf),
        architecture: gguf
            .get("general.architecture")
            .and_then(|value| value.as_str()),
        runs: runnable.is_ok(),
        bytes_per_token: runnable.as_ref().ok().map(Model::bytes_per_token),
        obstacle: runnable.err(),
        tensors: Tensors::of(&gguf),
        metadata: Metadata(gguf),
    };
    let mut output = Output::stdout();
    if args.json {
        output.json(&report)
    } else {
        report.print(&mut output)
    }
}

/// The model, if everything that running it needs is there and supported.
fn runnable(file: &ModelFile) -> Result<Model<'_>, String> {
    let model = Model::parse(file.bytes()).map_err(|error| error.to_string())?;
    let mut index = vec![0_u32; model.config().tokenizer_bytes.div_ceil(4)];
    Tokenizer::new(model.gguf(), bytemuck::cast_slice_mut(&mut index))
        .map_err(|error| error.to_string())?;
    Ok(model)
}

impl Report<'_> {
    fn print(&self, output: &mut Output) -> Result<(), Failure> {
        let mut field = |name: &str, value: &dyn std::fmt::Display| {
            output.line(format_args!("{name:<16} {value}"))
        };
        field("file", &self.file)?;
        field("size", &format_args!("{} bytes", self.file_bytes))?;
        field(
            "format",
            &format_args!(
                "GGUF version {}, alignment {}",
                self.gguf_version, self.alignment
            ),
        )?;
        self.identity.print(&mut field)?;
        field(
            "architecture",
            &self
                .architecture
                .map_or_else(|| "not stated".into(), metadata::one_line),
        )?;
        match &self.obstacle {
            None => field("runs here", &"yes")?,
            Some(obstacle) => field(
                "runs here",
                &format_args!("no: {}", metadata::one_line(obstacle)),
            )?,
        }
        if let Some(bytes) = self.bytes_per_token {
            field("a token reads", &format_args!("{bytes} bytes of weights"))?;
        }
        self.tensors.print(output)?;
        self.metadata.print(output)
    }
}
