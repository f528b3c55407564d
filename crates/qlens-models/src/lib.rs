//! A model on this machine is a file that was checked once, byte for byte, against the manifest that
//! names it. This crate holds the manifests (`models/*.toml`, compiled in so that an installed `qlens`
//! knows them too; others lie in the cache), the cache folder outside the source tree, and the way from a source to a verified
//! file in that folder.
//!
//! Nothing here prints: progress goes to the caller's closure, failures are sentences in [`Error`].
//!
//! Not supported: more than one file a model.

mod assembly;
mod cache;
mod catalog;
mod digest;
mod error;
mod http;
mod hub;
mod manifest;
mod python;

pub use cache::{Cache, Clients, State};
pub use catalog::{DEFAULT, catalog, find};
pub use digest::{Hasher, Sha256};
pub use error::Error;
pub use hub::Hub;
pub use manifest::{Fit, Manifest, ManifestError, Part, Source};
pub use python::Pip;

use std::ops::ControlFlow;

/// What is being done with a model's bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Bytes come from the source.
    Fetching,
    /// Bytes that are on the disk already are read again and hashed.
    Verifying,
}

/// How far a long step has come; given to the caller several times a second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// What is being done.
    pub step: Step,
    /// Bytes behind us.
    pub done: u64,
    /// Bytes in all.
    pub total: u64,
}

/// The caller's side of a long step: it may draw `Progress` and answers whether to go on.
/// `Break` ends the step with [`Error::Cancelled`] and leaves what a later run can resume.
pub type Watch<'a> = dyn FnMut(Progress) -> ControlFlow<()> + 'a;
