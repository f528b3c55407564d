//! Fixture models, their golden results, and sessions over them.
#![allow(dead_code, reason = "each test binary uses its part")]

use std::{collections::BTreeMap, path::PathBuf};

use qlens::{
    KvType,
    kernel::Kernel,
    model::Model,
    plan::{Limits, Plan},
    session::Session,
    workers::Workers,
};

pub fn data(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/data")
        .join(name)
}

/// A file in memory, aligned as a mapping would be.
pub struct Aligned(Vec<u64>, usize);

impl Aligned {
    pub fn read(name: &str) -> Self {
        let path = data(name);
        Self::from(
            std::fs::read(&path)
                .unwrap_or_else(|e| panic!("{}: {e}", path.display()))
                .as_slice(),
        )
    }
}

impl From<&[u8]> for Aligned {
    fn from(bytes: &[u8]) -> Self {
        let words = bytes.chunks(8).map(|chunk| {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            u64::from_ne_bytes(word)
        });
        Self(words.collect(), bytes.len())
    }
}

impl std::ops::Deref for Aligned {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        &bytemuck::cast_slice(&self.0)[..self.1]
    }
}

impl std::ops::DerefMut for Aligned {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut bytemuck::cast_slice_mut(&mut self.0)[..self.1]
    }
}

#[derive(serde::Deserialize)]
pub struct Case {
    pub tokens: Vec<u32>,
    pub llama_cpp_mean_kl: f64,
}

#[derive(serde::Deserialize)]
pub struct Golden {
    pub cases: Vec<Case>,
    pub greedy_after_case_1: Vec<u32>,
    pub greedy_margin: Vec<f32>,
}

/// Golden results by file name.
pub fn golden() -> BTreeMap<String, Golden> {
    serde_json::from_slice(&std::fs::read(data("fixtures.json")).unwrap()).unwrap()
}

/// How a session is set up.
#[derive(Clone, Copy, Debug)]
pub struct Setup {
    pub kernel: Kernel,
    pub batch: usize,
    pub context: usize,
    pub kv: KvType,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            kernel: Kernel::detect(),
            batch: 32,
            context: 256,
            kv: KvType::F16,
        }
    }
}

/// Runs `f` with a session over `model`.
pub fn with_session<T>(
    model: &[u8],
    setup: Setup,
    workers: &dyn Workers,
    f: impl FnOnce(Session<'_, '_, '_>) -> T,
) -> T {
    let model = Model::parse(model).unwrap();
    let limits = Limits {
        context: setup.context,
        batch: setup.batch,
        kv: setup.kv,
    };
    let plan = Plan::new(model.config(), &limits).unwrap();
    // What memory holds before may even be NaN.
    let mut arena = vec![0xFF; plan.total()];
    f(Session::new(&model, &plan, &mut arena, workers)
        .unwrap()
        .with_kernel(setup.kernel)
        .unwrap())
}

/// Logits after each of `tokens`, `[tokens, n_vocab]`.
pub fn all_logits(session: &mut Session<'_, '_, '_>, tokens: &[u32]) -> Vec<f32> {
    session.clear();
    session.feed_tokens(tokens).unwrap();
    let mut all = Vec::new();
    session
        .logits(&mut (), &mut |_, logits| all.extend_from_slice(logits))
        .unwrap();
    all
}
