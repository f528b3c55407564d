//! What is done with vectors, between the products.

use qlens::{
    kernel::{Compute, Kernel},
    sampler::Sampler,
};

use crate::{Work, compute, numbers, product::Inputs, warm};

/// A row of activations, as wide as the smallest Qwen2.5's.
const WIDTH: usize = 896;
/// Half of a head.
const PAIRS: usize = 32;
/// A vocabulary.
const LOGITS: usize = 16_384;

/// A row is normalised.
pub struct RmsNorm {
    compute: Compute,
    x: Vec<f32>,
    weight: Vec<f32>,
    out: Vec<f32>,
}

impl RmsNorm {
    /// # Panics
    /// If the processor cannot run `kernel`.
    pub fn new(kernel: Kernel) -> Box<Self> {
        warm(Self {
            compute: compute(kernel),
            x: numbers::floats(WIDTH),
            weight: numbers::floats(WIDTH),
            out: vec![0.0; WIDTH],
        })
    }
}

impl Work for RmsNorm {
    fn run(&mut self) {
        self.compute
            .rms_norm(&mut self.out, &self.x, &self.weight, 1e-6);
    }
}

/// A head is rotated.
pub struct Rope {
    compute: Compute,
    x: Vec<f32>,
    cos: Vec<f32>,
    sin: Vec<f32>,
}

impl Rope {
    /// # Panics
    /// If the processor cannot run `kernel`.
    pub fn new(kernel: Kernel) -> Box<Self> {
        warm(Self {
            compute: compute(kernel),
            x: numbers::floats(2 * PAIRS),
            cos: numbers::floats(PAIRS),
            sin: numbers::floats(PAIRS),
        })
    }
}

impl Work for Rope {
    fn run(&mut self) {
        self.compute.rope(&mut self.x, &self.cos, &self.sin);
    }
}

/// A row of the feed-forward network goes through its gate.
pub struct Swiglu {
    compute: Compute,
    gate: Vec<f32>,
    up: Vec<f32>,
}

impl Swiglu {
    /// # Panics
    /// If the processor cannot run `kernel`.
    pub fn new(kernel: Kernel) -> Box<Self> {
        warm(Self {
            compute: compute(kernel),
            gate: numbers::floats(WIDTH),
            up: numbers::floats(WIDTH),
        })
    }
}

impl Work for Swiglu {
    fn run(&mut self) {
        self.compute.swiglu(&mut self.gate, &self.up);
    }
}

/// Four rows of activations are quantized.
pub struct Quantize {
    compute: Compute,
    rows: Inputs,
}

impl Quantize {
    /// # Panics
    /// If the processor cannot run `kernel`.
    pub fn new(kernel: Kernel) -> Box<Self> {
        warm(Self {
            compute: compute(kernel),
            rows: Inputs::new(4, WIDTH),
        })
    }
}

impl Work for Quantize {
    fn run(&mut self) {
        self.rows.quantize(self.compute);
    }
}

/// The most likely token is found.
pub struct Argmax {
    sampler: Sampler,
    logits: Vec<f32>,
    token: u32,
}

impl Argmax {
    /// Its work is the same with every kernel.
    pub fn new() -> Box<Self> {
        warm(Self {
            sampler: Sampler::greedy(),
            logits: numbers::floats(LOGITS),
            token: 0,
        })
    }
}

impl Work for Argmax {
    fn run(&mut self) {
        self.token = self.sampler.sample(&mut self.logits, &[], &mut []);
    }
}
