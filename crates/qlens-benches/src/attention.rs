//! Attention of one position over a KV cache.

use qlens::{
    kernel::{Compute, Kernel},
    quant::{BlockQ8_0, Format, GROUP, Layout, Matrix},
};

use crate::{Work, compute, numbers, product::Inputs, warm};

/// Heads that share keys and values.
const HEADS: usize = 4;
const HEAD_DIM: usize = 64;
/// Positions in the cache.
const POSITIONS: usize = 64;
/// `1 / sqrt(HEAD_DIM)`.
const SCALE: f32 = 0.125;

/// All of it, with an f16 cache.
pub struct Attention {
    compute: Compute,
    q: Vec<f32>,
    keys: Vec<u16>,
    values: Vec<u16>,
    scores: Vec<f32>,
    out: Vec<f32>,
}

impl Attention {
    /// # Panics
    /// If the processor cannot run `kernel`.
    pub fn new(kernel: Kernel) -> Box<Self> {
        let cached = numbers::halves(2 * POSITIONS * HEAD_DIM);
        let (keys, values) = cached.split_at(POSITIONS * HEAD_DIM);
        warm(Self {
            compute: compute(kernel),
            q: numbers::floats(HEADS * HEAD_DIM),
            keys: keys.into(),
            values: values.into(),
            scores: vec![0.0; POSITIONS * HEADS],
            out: vec![0.0; HEADS * HEAD_DIM],
        })
    }
}

impl Work for Attention {
    fn run(&mut self) {
        let cached = (&self.keys[..], &self.values[..]);
        let (out, scores) = (&mut self.out, &mut self.scores);
        self.compute
            .attend(out, &self.q, cached, HEAD_DIM, scores, SCALE);
    }
}

/// Its first half with an int8 cache: queries are quantized and multiplied with the keys, which lie interleaved.
pub struct Scores {
    compute: Compute,
    q: Inputs,
    keys: Vec<u8>,
    out: Vec<f32>,
}

impl Scores {
    /// # Panics
    /// If the processor cannot run `kernel`.
    pub fn new(kernel: Kernel) -> Box<Self> {
        let row = size_of::<BlockQ8_0>() * HEAD_DIM / GROUP;
        warm(Self {
            compute: compute(kernel),
            q: Inputs::new(HEADS, HEAD_DIM),
            // Which of its bytes is which weight's does not matter here, so these are interleaved as they are.
            keys: numbers::blocks(POSITIONS * row),
            out: vec![0.0; HEADS * POSITIONS],
        })
    }
}

impl Work for Scores {
    fn run(&mut self) {
        self.q.quantize(self.compute);
        let layout = Layout::Interleaved;
        let keys = Matrix::new(Format::Q8_0, layout, POSITIONS, HEAD_DIM, &self.keys);
        if let Some(keys) = keys {
            self.q.multiply(self.compute, &keys, &mut self.out);
        }
    }
}

/// Its second half with an int8 cache: softmax, and the average of the values.
pub struct Average {
    compute: Compute,
    values: Vec<BlockQ8_0>,
    scores: Vec<f32>,
    out: Vec<f32>,
}

impl Average {
    /// # Panics
    /// If the processor cannot run `kernel`.
    pub fn new(kernel: Kernel) -> Box<Self> {
        let blocks = POSITIONS * HEAD_DIM / GROUP;
        let bytes = numbers::blocks(blocks * size_of::<BlockQ8_0>());
        warm(Self {
            compute: compute(kernel),
            values: bytemuck::cast_slice(&bytes).to_vec(),
            scores: numbers::floats(POSITIONS * HEADS),
            out: vec![0.0; HEADS * HEAD_DIM],
        })
    }
}

impl Work for Average {
    fn run(&mut self) {
        let (out, scores) = (&mut self.out, &mut self.scores);
        self.compute
            .average_q8_0(out, &self.values, HEAD_DIM, scores);
    }
}
