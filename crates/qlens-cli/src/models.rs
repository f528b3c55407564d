//! `qlens models`: which models there are, which of them are here, and which boards they fit.

use qlens_board::description::Board;
use qlens_models::{Cache, Manifest, State};
use serde::Serialize;

use crate::boards;
use crate::failure::Failure;
use crate::model_file::ModelFile;
use crate::output::Output;
use crate::plan;

/// List the models that are known by name
///
/// The contexts are the longest that fit beside the model: computed from the file where it is in the
/// cache, else as its manifest states them.
#[derive(clap::Args, Debug)]
pub struct ModelsArgs {
    /// Print one line of JSON
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Report {
    /// Where files of models are.
    folder: String,
    models: Vec<ModelReport>,
}

#[derive(Serialize)]
struct ModelReport {
    name: String,
    architecture: String,
    licence: String,
    size: u64,
    sha256: String,
    /// Where its file is, or would be.
    path: String,
    /// `verified`, `unverified`, `partial` or `absent`.
    cache: &'static str,
    /// Bytes that a fetch which was stopped has left.
    partial_bytes: u64,
    /// Where the contexts come from: `file` or `manifest`.
    fits_from: &'static str,
    fits: Vec<Fit>,
    /// Why a file that is there cannot run.
    obstacle: Option<String>,
}

/// A board, and the longest context there.
#[derive(Serialize)]
struct Fit {
    board: String,
    /// `None` if the model does not fit at all.
    context: Option<usize>,
}

/// Runs the verb.
pub fn run(args: &ModelsArgs) -> Result<(), Failure> {
    let cache = Cache::of_user().map_err(Failure::new)?;
    let (known, wrong) = cache.known().map_err(Failure::new)?;
    let mut boards = boards::all()?;
    // A chip that only listens to sensors runs no model.
    boards.retain(|board| board.session.is_some());
    let report = Report {
        folder: cache.folder().display().to_string(),
        models: known
            .iter()
            .map(|manifest| ModelReport::of(&cache, manifest, &boards))
            .collect(),
    };
    let mut output = Output::stdout();
    if args.json {
        output.json(&report)?;
    } else {
        report.print(&mut output)?;
    }
    for error in &wrong {
        eprintln!("error: {error}");
    }
    if wrong.is_empty() {
        Ok(())
    } else {
        Err(Failure::said())
    }
}

impl ModelReport {
    fn of(cache: &Cache, manifest: &Manifest, boards: &[Board]) -> Self {
        let state = cache.state(manifest);
        let partial_bytes = cache.partial_bytes(manifest);
        let computed = (state == State::Verified).then(|| computed(cache, manifest, boards));
        let (fits_from, fits, obstacle) = match computed {
            Some(Ok(fits)) => ("file", fits, None),
            Some(Err(failure)) => ("file", Vec::new(), Some(failure.sentence().to_owned())),
            None => ("manifest", stated(manifest), None),
        };
        Self {
            name: manifest.name.clone(),
            architecture: manifest.architecture.clone(),
            licence: manifest.licence.clone(),
            size: manifest.size,
            sha256: manifest.sha256.to_string(),
            path: cache.path(manifest).display().to_string(),
            cache: match state {
                State::Verified => "verified",
                State::Unverified => "unverified",
                State::Absent if partial_bytes > 0 => "partial",
                State::Absent => "absent",
            },
            partial_bytes,
            fits_from,
            fits,
            obstacle,
        }
    }

    fn cell(&self) -> String {
        match self.cache {
            "partial" => format!("partial {}%", self.partial_bytes * 100 / self.size),
            other => other.to_owned(),
        }
    }

    fn boards(&self) -> String {
        if let Some(obstacle) = &self.obstacle {
            return obstacle.clone();
        }
        let fits = self.fits.iter().filter_map(|fit| {
            let context = fit.context?;
            Some(format!("{} {context}", fit.board))
        });
        match fits.collect::<Vec<_>>() {
            none if none.is_empty() => "none".into(),
            fits => fits.join(", "),
        }
    }
}

/// What the file says, board by board.
fn computed(cache: &Cache, manifest: &Manifest, boards: &[Board]) -> Result<Vec<Fit>, Failure> {
    let file = ModelFile::cached(cache, manifest)?;
    let model = file.model()?;
    let fit = |board: &Board| Fit {
        board: board.name.clone(),
        context: plan::usual_longest_context(model.config(), board, file.size()),
    };
    Ok(boards.iter().map(fit).collect())
}

/// What the manifest says.
fn stated(manifest: &Manifest) -> Vec<Fit> {
    let fit = |fit: &qlens_models::Fit| Fit {
        board: fit.name.clone(),
        context: Some(fit.context as usize),
    };
    manifest.boards.iter().map(fit).collect()
}

impl Report {
    fn print(&self, output: &mut Output) -> Result<(), Failure> {
        let header = ["name", "architecture", "size", "licence", "cache"].map(String::from);
        let mut rows = vec![(header, "boards, and the longest context there".to_owned())];
        rows.extend(self.models.iter().map(|model| {
            let cells = [
                model.name.clone(),
                model.architecture.clone(),
                format!("{} MB", model.size.div_ceil(1_000_000)),
                model.licence.clone(),
                model.cell(),
            ];
            (cells, model.boards())
        }));
        let mut widths = [0; 5];
        for (cells, _) in &rows {
            for (width, cell) in widths.iter_mut().zip(cells) {
                *width = cell.chars().count().max(*width);
            }
        }
        for ([name, architecture, size, licence, cache], boards) in &rows {
            output.line(format_args!(
                "{name:<0$}  {architecture:<1$}  {size:>2$}  {licence:<3$}  {cache:<4$}  {boards}",
                widths[0], widths[1], widths[2], widths[3], widths[4]
            ))?;
        }
        output.line(format_args!("files are in {}", self.folder))
    }
}
