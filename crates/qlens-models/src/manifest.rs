//! `models/*.toml`: one manifest a model says what it is, what its bytes must be, where they come from
//! and which boards it fits, so that none of this is written into a program.

use std::collections::BTreeSet;
use std::fmt;

use serde::Deserialize;

use crate::Sha256;

/// The model that is used when none is named.
pub const DEFAULT: &str = "qwen2.5-coder-0.5b-instruct-q4_k_m";

/// The manifests as they stand in `models/`. A test keeps the list and the folder equal.
const CATALOG: &[&str] = &[include_str!(
    "../../../models/qwen2.5-coder-0.5b-instruct-q4_k_m.toml"
)];

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
    /// Where the bytes come from; the first that answers is taken.
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
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Source {
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
            Self::Toml(what) => write!(f, "a model manifest cannot be read: {}", what.trim_end()),
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
            toml::from_str(text).map_err(|error| ManifestError::Toml(error.to_string()))?;
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

    fn fault(&self) -> Option<String> {
        if !is_plain_name(&self.name) {
            return Some("`name` must be letters, digits and `._-`".into());
        }
        // The name becomes a path in the cache: it must not be able to leave it.
        if !is_plain_name(&self.file) {
            return Some(format!("`file` {:?} must be a plain file name", self.file));
        }
        if self.sources.is_empty() {
            return Some("it names no source".into());
        }
        self.sources
            .iter()
            .find_map(|Source::PythonPackages { version, parts }| {
                if !is_plain_name(version) {
                    return Some(format!("`version` {version:?} is not a version"));
                }
                if let Some(part) = parts.iter().find(|part| !is_plain_name(&part.package)) {
                    return Some(format!("{:?} is not the name of a package", part.package));
                }
                let sum = parts
                    .iter()
                    .try_fold(0_u64, |sum, part| sum.checked_add(part.size));
                (sum != Some(self.size))
                    .then(|| format!("its parts do not add up to `size`, {} bytes", self.size))
            })
    }
}

/// Whether a string can stand as a file name, a package or a version wherever it is put: no separator,
/// no leading dot or dash.
fn is_plain_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "._-".contains(c))
}

/// All models that are known.
///
/// # Errors
/// [`ManifestError`] if a manifest that was compiled in is wrong, or two have one name.
pub fn catalog() -> Result<Vec<Manifest>, ManifestError> {
    let manifests: Vec<Manifest> = CATALOG
        .iter()
        .map(|text| Manifest::parse(text))
        .collect::<Result<_, _>>()?;
    let mut seen = BTreeSet::new();
    match manifests
        .iter()
        .find(|manifest| !seen.insert(&manifest.name))
    {
        None => Ok(manifests),
        Some(twin) => Err(ManifestError::Field {
            name: twin.name.clone(),
            what: "another has the same name".into(),
        }),
    }
}

/// The model of that name, if there is one.
///
/// # Errors
/// As [`catalog`].
pub fn find(name: &str) -> Result<Option<Manifest>, ManifestError> {
    Ok(catalog()?
        .into_iter()
        .find(|manifest| manifest.name == name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_catalog_is_the_folder() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../models");
        let files: Vec<_> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect();
        assert_eq!(files.len(), CATALOG.len());
        for manifest in catalog().unwrap() {
            assert!(
                files
                    .iter()
                    .any(|file| file.file_stem().unwrap() == manifest.name.as_str()),
                "{manifest:?}"
            );
        }
        let default = find(DEFAULT)
            .unwrap()
            .expect("the default model has a manifest");
        assert_eq!(default.size, 491_400_064);
        assert!(default.context_on("qemu-virt").unwrap() >= 1024);
        assert_eq!(default.context_on("no such board"), None);
        assert_eq!(find("no such model").unwrap(), None);
    }

    #[test]
    fn a_wrong_manifest_is_refused_with_the_reason() {
        let good = CATALOG[0];
        for (from, to, expected) in [
            ("name = \"qwen", "title = \"qwen", "title"),
            ("size = 491_400_064", "size = 491_400_063", "add up"),
            ("size = 89_128_960", "size = 0xffffffffffffffff", "add up"),
            ("file = \"qwen", "file = \"../qwen", "plain file name"),
            ("file = \"qwen", "file = \"/qwen", "plain file name"),
            ("sha256 = \"1d", "sha256 = \"d", "64 hexadecimal digits"),
            ("kind = \"python-packages\"", "kind = \"floppy\"", "floppy"),
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
}
