//! Which models are known by name: those of `models/`, compiled in, and those whose manifests somebody
//! put beside the files in the cache.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Read as _};
use std::path::Path;

use crate::manifest::is_plain_name;
use crate::{Cache, Error, Manifest, ManifestError};

/// The model that is used when none is named.
pub const DEFAULT: &str = "qwen2.5-coder-0.5b-instruct-q4_k_m";

/// The manifests as they stand in `models/`. A test keeps the list and the folder equal.
const CATALOG: &[&str] = &[
    include_str!("../../../models/qwen2.5-coder-0.5b-instruct-q4_k_m.toml"),
    include_str!("../../../models/qwen2.5-coder-1.5b-instruct-q4_k_m.toml"),
];

/// A manifest is a page of text; what is longer than this is something else.
const MOST_BYTES: u64 = 1 << 20;

/// All models that are compiled in.
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

/// The model of that name that is compiled in, if there is one.
///
/// # Errors
/// As [`catalog`].
pub fn find(name: &str) -> Result<Option<Manifest>, ManifestError> {
    Ok(catalog()?
        .into_iter()
        .find(|manifest| manifest.name == name))
}

impl Cache {
    /// The model of that name, compiled in or of a manifest in this folder.
    ///
    /// # Errors
    /// [`Error::ManifestFile`] if there is a manifest of that name and it is wrong.
    pub fn find(&self, name: &str) -> Result<Option<Manifest>, Error> {
        if let Some(manifest) = find(name)? {
            return Ok(Some(manifest));
        }
        if !is_plain_name(name) {
            return Ok(None);
        }
        match read(&self.manifest_path(name)) {
            Err(Error::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => Ok(None),
            read => read.map(Some),
        }
    }

    /// Every model that is known, and what is wrong with the manifests in this folder that are.
    ///
    /// # Errors
    /// The folder cannot be read, or what is compiled in is wrong.
    pub fn known(&self) -> Result<(Vec<Manifest>, Vec<Error>), Error> {
        let (mut known, mut wrong) = (catalog()?, Vec::new());
        let entries = match fs::read_dir(self.folder()) {
            Ok(entries) => entries,
            Err(source) if source.kind() == io::ErrorKind::NotFound => return Ok((known, wrong)),
            Err(source) => return Err(Error::io("read", self.folder(), source)),
        };
        let mut paths: Vec<_> = entries
            .flatten()
            .map(|entry| entry.path())
            .filter(|path| {
                path.extension()
                    .is_some_and(|extension| extension == "toml")
            })
            .collect();
        paths.sort();
        for path in paths {
            match read(&path).and_then(|manifest| {
                without_conflict(&known, &path, &manifest)?;
                Ok(manifest)
            }) {
                Ok(manifest) => known.push(manifest),
                Err(error) => wrong.push(error),
            }
        }
        Ok((known, wrong))
    }

    /// Reads a manifest from anywhere and keeps a copy in this folder, so that the model is known by its
    /// name from then on. One that was kept under this name before is replaced.
    ///
    /// # Errors
    /// [`Error::ManifestFile`] if it is wrong, or its name or file is that of another model.
    pub fn adopt(&self, path: &Path) -> Result<Manifest, Error> {
        let text = read_text(path)?;
        let manifest = parse(path, &text)?;
        let (mut others, _) = self.known()?;
        // A copy of one that is compiled in is no other model.
        if others.contains(&manifest) {
            return Ok(manifest);
        }
        let is_own = find(&manifest.name)?.is_none();
        others.retain(|other| !is_own || other.name != manifest.name);
        without_conflict(&others, path, &manifest)?;

        fs::create_dir_all(self.folder())
            .map_err(|source| Error::io("create", self.folder(), source))?;
        let kept = self.manifest_path(&manifest.name);
        let growing = self.folder().join(format!("{}.toml.part", manifest.name));
        fs::write(&growing, text)
            .and_then(|()| fs::rename(&growing, &kept))
            .map_err(|source| {
                let _ = fs::remove_file(&growing);
                Error::io("write", &kept, source)
            })?;
        Ok(manifest)
    }

    fn manifest_path(&self, name: &str) -> std::path::PathBuf {
        self.folder().join(format!("{name}.toml"))
    }
}

/// The manifest in a file of this cache, which is called as the model is.
fn read(path: &Path) -> Result<Manifest, Error> {
    let manifest = parse(path, &read_text(path)?)?;
    if path
        .file_stem()
        .is_some_and(|stem| stem == manifest.name.as_str())
    {
        return Ok(manifest);
    }
    let what = format!("its file has to be called {}.toml", manifest.name);
    Err(wrong(path, &manifest.name, what))
}

fn read_text(path: &Path) -> Result<String, Error> {
    let at = |source: io::Error| Error::io("read", path, source);
    // Opening a pipe would wait for a writer.
    let found = fs::metadata(path).map_err(at)?;
    if !found.is_file() || found.len() > MOST_BYTES {
        let what = "a regular file of less than a megabyte is needed".into();
        return Err(Error::ManifestFile {
            path: path.to_owned(),
            error: ManifestError::Toml(what),
        });
    }
    let mut text = String::new();
    fs::File::open(path)
        .and_then(|file| file.take(MOST_BYTES).read_to_string(&mut text))
        .map_err(at)?;
    Ok(text)
}

fn parse(path: &Path, text: &str) -> Result<Manifest, Error> {
    Manifest::parse(text).map_err(|error| Error::ManifestFile {
        path: path.to_owned(),
        error,
    })
}

fn without_conflict(known: &[Manifest], path: &Path, new: &Manifest) -> Result<(), Error> {
    if known.iter().any(|other| other.name == new.name) {
        let what = "another model has this name; give it one of its own".into();
        return Err(wrong(path, &new.name, what));
    }
    match known.iter().find(|other| other.file == new.file) {
        None => Ok(()),
        Some(other) => {
            let what = format!("`file` {:?} is the file of {}", new.file, other.name);
            Err(wrong(path, &new.name, what))
        }
    }
}

fn wrong(path: &Path, name: &str, what: String) -> Error {
    Error::ManifestFile {
        path: path.to_owned(),
        error: ManifestError::Field {
            name: name.into(),
            what,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_catalog_is_the_folder() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../models");
        let files: Vec<_> = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| {
                path.extension()
                    .is_some_and(|extension| extension == "toml")
            })
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
}
