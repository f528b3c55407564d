//! Why a scene cannot be followed.

use core::fmt;
use core::ops::Range;
use std::format;
use std::io;
use std::path::{Path, PathBuf};
use std::string::String;

/// Why a scene cannot be followed, where, and what can stand there instead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SceneError {
    path: Option<PathBuf>,
    line: Option<usize>,
    what: String,
}

impl SceneError {
    /// At these bytes of the scene's text.
    pub(super) fn new(text: &str, at: &Range<usize>, what: String) -> Self {
        let before = text.get(..at.start).unwrap_or_default();
        let line = 1 + before.matches('\n').count();
        Self {
            path: None,
            line: Some(line),
            what,
        }
    }

    /// No TOML, or not of a scene.
    pub(super) fn toml(text: &str, error: &toml::de::Error) -> Self {
        // What it says goes over several lines with a drawing of the place.
        let what = error.message().replace('\n', ", ");
        match error.span() {
            Some(span) => Self::new(text, &span, what),
            None => Self {
                path: None,
                line: None,
                what,
            },
        }
    }

    pub(super) fn file(path: &Path, error: &io::Error) -> Self {
        Self {
            path: Some(path.into()),
            line: None,
            what: format!("cannot be read: {error}"),
        }
    }

    pub(super) fn in_file(self, path: &Path) -> Self {
        Self {
            path: Some(path.into()),
            ..self
        }
    }

    /// Line of the scene that is wrong, if it is a line: the first is 1.
    pub const fn line(&self) -> Option<usize> {
        self.line
    }
}

impl fmt::Display for SceneError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.path, self.line) {
            (Some(path), Some(line)) => write!(f, "{}:{line}: ", path.display())?,
            (Some(path), None) => write!(f, "{}: ", path.display())?,
            (None, Some(line)) => write!(f, "line {line}: ")?,
            (None, None) => {}
        }
        f.write_str(&self.what)
    }
}

impl core::error::Error for SceneError {}
