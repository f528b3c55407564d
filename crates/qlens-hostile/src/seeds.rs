//! What mutations begin with: sound files, schemas, templates, answers and manifests, all of the repository.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use qlens::gguf::Gguf;
use qlens::pack::{self, Plan};
use qlens::quant::interleave::interleave_rows;
use qlens::tokenizer::{INDEX_KEY, Tokenizer, precompile};
use qlens_gguf::Directory;

use crate::mutate::{self, Numbers};
use crate::{Aligned, Random, Target};

/// What `qlens pack` aligns tensors to.
const PAGE: u32 = 4096;
/// Files that are taken packed, too: one of each architecture.
const PACKED: [&str; 3] = ["qwen2-q4_k_m.gguf", "qwen3-q4_1.gguf", "qwen35-q4_k_m.gguf"];

/// A model's file of the repository.
pub fn fixture(name: &str) -> PathBuf {
    repository().join("crates/qlens/tests/data").join(name)
}

fn repository() -> &'static Path {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    own.ancestors().nth(2).unwrap_or(own)
}

/// The seeds of a target.
pub struct Seeds {
    target: Target,
    all: Vec<Seed>,
}

struct Seed {
    bytes: Vec<u8>,
    /// Of a GGUF file.
    numbers: Option<Numbers>,
}

impl Seeds {
    /// Those of a target.
    ///
    /// # Errors
    /// A file of the repository cannot be read, or is not what it was.
    pub fn of(target: Target) -> Result<Self> {
        let texts = match target {
            Target::Model => models()?,
            Target::Tokenizer => vocabularies()?,
            Target::Schema => folder("crates/qlens-hostile/seeds/schema", "json")?,
            Target::Answer => folder("crates/qlens-hostile/seeds/answer", "txt")?,
            Target::Template => folder("crates/qlens-jinja/templates", "jinja")?,
            Target::Manifest => folder("models", "toml")?,
        };
        let seed = |bytes: Vec<u8>| Seed {
            numbers: target.words().is_none().then(|| Numbers::of(&bytes)),
            bytes,
        };
        let all: Vec<Seed> = texts.into_iter().map(seed).collect();
        ensure!(!all.is_empty(), "{} has no seeds", target.name());
        Ok(Self { target, all })
    }

    /// As they are.
    pub fn sound(&self) -> impl Iterator<Item = &[u8]> {
        self.all.iter().map(|seed| &*seed.bytes)
    }

    /// One of them, mutated.
    pub fn mutated(&self, random: &mut Random) -> Aligned {
        let seed = &self.all[random.below(self.all.len())];
        let Some(words) = self.target.words() else {
            let mut file = Aligned::from(&*seed.bytes);
            if let Some(numbers) = &seed.numbers {
                let len = mutate::gguf(random, &mut file, numbers);
                file.truncate(len);
            }
            return file;
        };
        let text = |seed: &Seed| String::from_utf8_lossy(&seed.bytes).into_owned();
        let other = text(&self.all[random.below(self.all.len())]);
        let mut text = text(seed);
        mutate::text(random, &mut text, words, &other);
        let mut bytes = text.into_bytes();
        // Files are not always text.
        if random.one_in(50) {
            let all = 0..bytes.len();
            mutate::bytes(random, &mut bytes, all);
        }
        Aligned::from(&*bytes)
    }
}

/// The files of a folder, in the order of their names.
fn folder(name: &str, extension: &str) -> Result<Vec<Vec<u8>>> {
    let folder = repository().join(name);
    let entries = fs::read_dir(&folder).with_context(|| format!("cannot read {name}"))?;
    let mut paths = Vec::new();
    for entry in entries {
        let path = entry?.path();
        if path.extension().is_some_and(|found| found == extension) {
            paths.push(path);
        }
    }
    paths.sort_unstable();
    let read = |path: &PathBuf| fs::read(path).with_context(|| format!("{}", path.display()));
    paths.iter().map(read).collect()
}

/// Models as they are downloaded, and some as they are packed.
fn models() -> Result<Vec<Vec<u8>>> {
    let mut models = folder("crates/qlens/tests/data", "gguf")?;
    for name in PACKED {
        models.push(packed(&fs::read(fixture(name))?, true)?);
    }
    Ok(models)
}

/// Files without tensors, with and without the index of their vocabulary.
fn vocabularies() -> Result<Vec<Vec<u8>>> {
    let mut vocabularies = Vec::new();
    for name in PACKED {
        let file = Aligned::from(&*fs::read(fixture(name))?);
        let gguf = Gguf::parse(&file)?;
        vocabularies.push(Directory::of(&gguf).encode()?.0);
        vocabularies.push(packed(&file, false)?);
    }
    Ok(vocabularies)
}

/// The file with the index of its vocabulary and, with its tensors, each at a page and interleaved if it can be.
fn packed(file: &[u8], with_tensors: bool) -> Result<Vec<u8>> {
    let file = Aligned::from(file);
    let gguf = Gguf::parse(&file)?;
    let mut index = vec![0_u32; Tokenizer::index_bytes(&gguf)?.div_ceil(4)];
    let index = precompile(&gguf, bytemuck::cast_slice_mut(&mut index))?;
    let mut directory = Directory::of(&gguf);
    directory.align(PAGE)?;
    directory.set_words(INDEX_KEY, index);
    if !with_tensors {
        return Ok(directory.encode()?.0);
    }
    let mut scratch = vec![0; pack::scratch_bytes(&gguf)];
    let mut data = Vec::new();
    for tensor in gguf.tensors() {
        let mut bytes = tensor.data.unwrap_or_default().to_vec();
        let plan = Plan::of(&gguf, &tensor);
        if let Some(plan) = &plan {
            for rows in bytes.chunks_exact_mut(plan.octet_bytes) {
                interleave_rows(plan.format, rows, &mut scratch[..plan.octet_bytes]);
            }
        }
        let ggml_type = plan.map_or(tensor.ggml_type, |plan| plan.interleaved_type());
        let dims = &tensor.dims[..tensor.n_dims as usize];
        directory.tensor(tensor.name, dims, ggml_type, bytes.len() as u64);
        data.push(bytes);
    }
    let (mut out, mut layout) = directory.encode()?;
    for bytes in data {
        let padding = layout.advance(bytes.len());
        out.extend(bytes);
        out.resize(out.len() + padding, 0);
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Outcome;

    #[test]
    fn every_seed_is_taken() {
        for target in Target::ALL {
            for seed in Seeds::of(target).unwrap().sound() {
                assert_eq!(target.run(seed), Outcome::Taken, "{}", target.name());
            }
        }
    }

    #[test]
    fn a_mutation_can_be_made_again_and_some_are_taken() {
        for target in Target::ALL {
            let seeds = Seeds::of(target).unwrap();
            let case = |index| seeds.mutated(&mut Random::of_case(3, target.name(), index));
            let mut outcomes = [0; 3];
            for index in 0..40 {
                let input = case(index);
                assert!(*input == *case(index), "{}: {index}", target.name());
                outcomes[target.run(&input) as usize] += 1;
            }
            let [refused, _, taken] = outcomes;
            assert!(refused > 0 && taken > 0, "{}: {outcomes:?}", target.name());
        }
    }
}
