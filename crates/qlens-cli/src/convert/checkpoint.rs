//! The files of a checkpoint: JSON, and tensors in one or several `*.safetensors`.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::Read as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use safetensors::SafeTensors;
use safetensors::tensor::TensorView;
use serde_json::Value as Json;

use crate::failure::{Failure, reason};
use crate::model_file::ModelFile;

/// Bytes of JSON that are read; the largest tokenizers take 20 million.
const MAX_JSON: u64 = 1 << 28;
/// Which tensor is in which file, if there are several files.
const INDEX: &str = "model.safetensors.index.json";
/// What else is read.
const OTHERS: [&str; 5] = [
    "config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "chat_template.jinja",
    "chat_template.json",
];

/// A file of JSON.
pub fn json(path: &Path) -> Result<Json, Failure> {
    let text = text(path)?;
    serde_json::from_str(&text)
        .map_err(|error| Failure::of_file(path, format_args!("it is not JSON: {error}")))
}

/// A file of JSON that need not be there.
pub fn json_if_any(path: &Path) -> Result<Json, Failure> {
    if path.exists() {
        json(path)
    } else {
        Ok(Json::Null)
    }
}

/// A file of text.
pub fn text(path: &Path) -> Result<String, Failure> {
    let cannot =
        |error| Failure::of_file(path, format_args!("it cannot be read: {}", reason(&error)));
    // Looked at before it is opened: opening a pipe would wait for a writer.
    if !fs::metadata(path).map_err(cannot)?.is_file() {
        return Err(Failure::of_file(path, "it is not a file"));
    }
    let file = File::open(path).map_err(cannot)?;
    let mut text = Vec::new();
    file.take(MAX_JSON + 1)
        .read_to_end(&mut text)
        .map_err(cannot)?;
    if text.len() as u64 > MAX_JSON {
        let what = format_args!("it is longer than {MAX_JSON} bytes");
        return Err(Failure::of_file(path, what));
    }
    String::from_utf8(text).map_err(|_| Failure::of_file(path, "it is not text in UTF-8"))
}

/// The files of tensors, mapped.
pub struct Shards {
    files: Vec<ModelFile>,
    /// The name of each tensor and the file in which it is to be, if the checkpoint says so.
    index: serde_json::Map<String, Json>,
}

impl Shards {
    /// Those that the checkpoint's index names, else every `model*.safetensors`, else every `*.safetensors`.
    pub fn open(folder: &Path) -> Result<Self, Failure> {
        let path = folder.join(INDEX);
        let mut index = serde_json::Map::new();
        let mut paths = if path.exists() {
            let Json::Object(found) = json(&path)?["weight_map"].take() else {
                return Err(Failure::of_file(&path, "it has no weight_map"));
            };
            index = found;
            named(&path, folder, &index)?
        } else {
            let all = listed(folder)?;
            let of_model: Vec<_> = all.iter().filter(|path| is_of_model(path)).collect();
            match of_model[..] {
                [] => all,
                _ => of_model.into_iter().cloned().collect(),
            }
        };
        paths.sort();
        paths.dedup();
        if paths.is_empty() {
            return Err(Failure::of_file(
                folder,
                "it has no tensors: no *.safetensors file is there",
            ));
        }
        let files: Result<_, _> = paths.into_iter().map(shard).collect();
        Ok(Self {
            files: files?,
            index,
        })
    }

    /// Whether this is one of the files, or another one of their checkpoint in `folder`.
    pub fn contain(&self, folder: &Path, found: &fs::Metadata) -> bool {
        let place = |found: &fs::Metadata| (found.dev(), found.ino());
        let is_it = |name| fs::metadata(folder.join(name)).is_ok_and(|m| place(&m) == place(found));
        self.files.iter().any(|file| file.is(found)) || OTHERS.into_iter().chain([INDEX]).any(is_it)
    }
}

fn shard(path: PathBuf) -> Result<ModelFile, Failure> {
    let fault = match fs::metadata(&path) {
        Ok(found) if found.is_dir() => "it is a directory; a file of tensors is needed",
        Ok(found) if found.len() == 0 => "it has no bytes; a file of tensors is needed",
        _ => return ModelFile::map(path),
    };
    Err(Failure::of_file(&path, fault))
}

/// The files that an index names.
fn named(
    path: &Path,
    folder: &Path,
    index: &serde_json::Map<String, Json>,
) -> Result<Vec<PathBuf>, Failure> {
    let mut paths = Vec::new();
    for file in index.values() {
        let plain = file.as_str().filter(|&name| {
            Path::new(name)
                .file_name()
                .is_some_and(|plain| plain == name)
        });
        let Some(plain) = plain else {
            let what = format!("it says that tensors are in {file}, which is no name of a file");
            return Err(Failure::of_file(path, what));
        };
        let file = folder.join(plain);
        if !file.exists() {
            let what = format!("it says that tensors are in {plain:?}, which is not there");
            return Err(Failure::of_file(path, what));
        }
        paths.push(file);
    }
    Ok(paths)
}

/// Every `*.safetensors` of a folder.
fn listed(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    let cannot = |error: std::io::Error| {
        Failure::of_file(
            folder,
            format_args!("it cannot be read: {}", reason(&error)),
        )
    };
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder).map_err(cannot)? {
        let path = entry.map_err(cannot)?.path();
        if path.extension().is_some_and(|kind| kind == "safetensors") {
            paths.push(path);
        }
    }
    Ok(paths)
}

fn is_of_model(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default();
    name.as_encoded_bytes().starts_with(b"model")
}

/// A tensor where it is stored.
pub struct Stored<'a> {
    pub view: TensorView<'a>,
    pub file: &'a Path,
}

/// The tensors of a checkpoint, by their names behind the prefix of the language model.
pub struct Weights<'a> {
    folder: &'a Path,
    tensors: HashMap<String, Stored<'a>>,
}

impl<'a> Weights<'a> {
    /// Reads the headers of all files.
    pub fn read(folder: &'a Path, shards: &'a Shards) -> Result<Self, Failure> {
        let mut tensors: HashMap<String, Stored<'a>> = HashMap::new();
        let mut places = HashMap::new();
        for shard in &shards.files {
            let file = shard.path();
            let header = SafeTensors::deserialize(shard.bytes()).map_err(|error| {
                // It may have words of the file.
                let error = error.to_string().replace(char::is_control, " ");
                Failure::of_file(file, format!("it is no sound safetensors file: {error}"))
            })?;
            for (full, view) in header.tensors() {
                if let Some(name) = stripped(&full)
                    && let Some(other) = tensors.insert(name, Stored { view, file })
                {
                    let other = other.file.display();
                    let what = format!("tensor {full:?} is in {other} as well");
                    return Err(Failure::of_file(file, what));
                }
                places.insert(full, file);
            }
        }
        for (full, file) in &shards.index {
            let file = folder.join(file.as_str().unwrap_or_default());
            if places.get(full).is_none_or(|&found| found != file) {
                let what = format!("it has no tensor {full:?}, which {INDEX} says is there");
                return Err(Failure::of_file(&file, what));
            }
        }
        Ok(Self { folder, tensors })
    }

    /// Whether there is a tensor of this name.
    pub fn has(&self, name: &str) -> bool {
        self.tensors.contains_key(name)
    }

    /// The tensor of this name, which is then not here any more.
    pub fn take(&mut self, name: &str) -> Result<Stored<'a>, Failure> {
        self.tensors
            .remove(name)
            .ok_or_else(|| Failure::of_file(self.folder, format_args!("it has no tensor {name}")))
    }

    /// A sentence if a tensor is left.
    pub fn end(&self) -> Result<(), Failure> {
        match self.tensors.iter().min_by_key(|(name, _)| *name) {
            None => Ok(()),
            Some((name, stored)) => {
                let what = format!("tensor {name:?} has no place in a model of this shape");
                Err(Failure::of_file(stored.file, what))
            }
        }
    }
}

/// The name behind the prefix of the language model; `None` for what is no part of it, or no weight.
fn stripped(name: &str) -> Option<String> {
    if name.contains("visual.") || name.ends_with(".rotary_emb.inv_freq") {
        return None;
    }
    let name = name.replacen("language_model.", "", 1);
    Some(name.strip_prefix("model.").unwrap_or(&name).to_owned())
}
