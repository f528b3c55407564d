//! A conversation that outlives the program: `--session FILE`.
//!
//! The file is a saved session of the runtime, so that what was read once is not read again, and behind it, as JSON, the
//! texts that were said, from which every prompt is rendered.

use std::fs::File;
use std::io::{self, BufReader, ErrorKind, Read};
use std::path::Path;

use embedded_io_adapters::std::FromStd;
use qlens::session::{Session, saved};

use super::conversation::Conversation;
use crate::destination::Destination;
use crate::failure::{Failure, reason};
use crate::model_file::ModelFile;

/// Restores the session that is kept in a file, and gives what was said; `None` if there is no file yet.
pub fn load(
    path: &Path,
    session: &mut Session<'_, '_, '_>,
) -> Result<Option<Conversation>, Failure> {
    let refuse = |why: &dyn std::fmt::Display| Failure::of_file(path, why);
    let cannot_read = |error: &io::Error| {
        let why = format!("it cannot be read: {}", reason(error));
        refuse(&why)
    };
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(cannot_read(&error)),
    };
    let mut input = FromStd::new(BufReader::new(file));
    session.restore(&mut input).map_err(|error| match error {
        saved::Error::Read { error, .. } => cannot_read(&error),
        error => refuse(&error),
    })?;
    let mut text = String::new();
    let rest = input.into_inner().read_to_string(&mut text);
    rest.map_err(|error| cannot_read(&error))?;
    let conversation = serde_json::from_str(&text).map_err(|error| {
        let why = format!("what was said is not to be read behind the saved session: {error}");
        refuse(&why)
    })?;
    Ok(Some(conversation))
}

/// Keeps a session and what was said in a file.
pub fn store(
    path: &Path,
    model: &ModelFile,
    session: &Session<'_, '_, '_>,
    conversation: &Conversation,
) -> Result<(), Failure> {
    let mut destination = Destination::open(path, model)?;
    destination.write_with(|out| {
        session.save(&mut FromStd::new(&mut *out))?;
        serde_json::to_writer(out, conversation).map_err(io::Error::from)
    })?;
    destination.finish()
}
