//! `qlens-log IMAGE`: what firmware says in defmt's coding comes in, lines of text go out. The words are in the image.
//!
//! A program of its own, because defmt-decoder changes how `serde_json` reads numbers in all that is built together
//! with it; for the same reason it is not among the workspace's default members.

use std::io::{self, Read as _, Write as _};
use std::process::ExitCode;
use std::{env, fs};

use anyhow::{Context as _, Result};
use defmt_decoder::{DecodeError, Table};

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(fault) => {
            eprintln!("error: {fault:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    let image = env::args_os()
        .nth(1)
        .context("which image? usage: qlens-log IMAGE < LOG")?;
    let elf = fs::read(&image).with_context(|| format!("cannot read {}", image.display()))?;
    let table = Table::parse(&elf)?
        .with_context(|| format!("{} says nothing by defmt", image.display()))?;
    let mut decoder = table.new_stream_decoder();
    let (mut log, mut out) = (io::stdin().lock(), io::stdout().lock());
    let mut buffer = [0; 4096];
    loop {
        let many = log.read(&mut buffer).context("cannot read the log")?;
        if many == 0 {
            return Ok(());
        }
        decoder.received(&buffer[..many]);
        loop {
            match decoder.decode() {
                Ok(frame) => writeln!(out, "{}", frame.display(false))?,
                Err(DecodeError::UnexpectedEof) => break,
                Err(DecodeError::Malformed) => writeln!(out, "a line that cannot be read")?,
            }
        }
        // Whoever reads it may wait for this line.
        out.flush()?;
    }
}
