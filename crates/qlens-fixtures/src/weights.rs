//! Random weights in every format, the same on every machine: from integers, by operations that IEEE 754
//! rounds exactly.

use half::{bf16, f16};
use qlens::quant::{Format, GROUP};
use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{Rng as _, SeedableRng as _};

/// What there is to know of a format of blocks beside what [`Format::unpack`] does.
struct Blocks {
    /// ggml's name of it.
    name: &'static str,
    /// ggml's number for a file of mostly this format.
    file_type: u32,
    /// The byte of a block at which its f16 scale is.
    d: usize,
    /// The byte at which the f16 scale of its minima is, if it has any.
    dmin: Option<usize>,
    /// The format for rows that are no whole number of its blocks: the one that ggml's quantizer takes.
    otherwise: &'static str,
}

/// Every format of blocks, by name: those too that [`Format`] is still to learn.
#[rustfmt::skip]
const BLOCKS: [Blocks; 12] = [
    Blocks { name: "Q4_0", file_type: 2, d: 0, dmin: None, otherwise: "F16" },
    Blocks { name: "Q4_1", file_type: 3, d: 0, dmin: Some(2), otherwise: "F16" },
    Blocks { name: "Q5_0", file_type: 8, d: 0, dmin: None, otherwise: "F16" },
    Blocks { name: "Q5_1", file_type: 9, d: 0, dmin: Some(2), otherwise: "F16" },
    Blocks { name: "Q8_0", file_type: 7, d: 0, dmin: None, otherwise: "F16" },
    Blocks { name: "Q2_K", file_type: 10, d: 80, dmin: Some(82), otherwise: "IQ4_NL" },
    Blocks { name: "Q3_K", file_type: 12, d: 108, dmin: None, otherwise: "IQ4_NL" },
    Blocks { name: "Q4_K", file_type: 14, d: 0, dmin: Some(2), otherwise: "Q5_0" },
    Blocks { name: "Q5_K", file_type: 16, d: 0, dmin: Some(2), otherwise: "Q5_1" },
    Blocks { name: "Q6_K", file_type: 18, d: 208, dmin: None, otherwise: "Q8_0" },
    Blocks { name: "IQ4_NL", file_type: 25, d: 0, dmin: None, otherwise: "F16" },
    Blocks { name: "IQ4_XS", file_type: 30, d: 0, dmin: None, otherwise: "IQ4_NL" },
];

fn blocks(format: Format) -> &'static Blocks {
    let found = BLOCKS.iter().find(|blocks| blocks.name == format.name());
    found.unwrap_or_else(|| panic!("the blocks of {format} are not described here"))
}

/// The `general.file_type` of a file whose matrices have this format.
pub(crate) fn file_type(format: Format) -> u32 {
    match format {
        Format::F32 => 0,
        Format::F16 => 1,
        Format::Bf16 => 32,
        _ => blocks(format).file_type,
    }
}

/// `format`, or what takes its place in rows of `cols` weights that it does not divide.
pub(crate) fn fitting(format: Format, cols: usize) -> Format {
    let mut format = format;
    while !cols.is_multiple_of(format.block_len()) {
        let otherwise = blocks(format).otherwise;
        format = Format::ALL
            .into_iter()
            .find(|format| format.name() == otherwise)
            .unwrap_or(Format::F16);
    }
    format
}

/// The random numbers of one tensor.
pub(crate) struct Weights(Xoshiro256PlusPlus);

impl Weights {
    /// Those of the tensor of this name: no other tensor changes them.
    pub(crate) fn of(seed: u64, tensor: &str) -> Self {
        // FNV-1a.
        let hash = tensor
            .bytes()
            .fold(0xCBF2_9CE4_8422_2325_u64, |hash, byte| {
                (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01B3)
            });
        let mut seeds = Xoshiro256PlusPlus::seed_from_u64(seed);
        Self(Xoshiro256PlusPlus::seed_from_u64(seeds.next_u64() ^ hash))
    }

    /// Of mean 0 and standard deviation 1, nearly normal: the sum of four uniform ones. The normal
    /// distribution itself takes logarithms, which are not the same everywhere.
    pub(crate) fn deviate(&mut self) -> f32 {
        let bits = self.0.next_u64();
        let sum: u64 = (0..4).map(|i| bits >> (16 * i) & 0xFFFF).sum();
        // Each has a variance of 65536^2 / 12.
        let unit = 65_536.0 / 3.0_f32.sqrt();
        (sum as f32 - 131_070.0) / unit
    }

    /// Fills `out`, whole blocks in `format`, with weights of mean 0 and this standard deviation.
    pub(crate) fn fill(&mut self, format: Format, deviation: f32, out: &mut [u8]) {
        match format {
            Format::F32 => {
                for out in out.as_chunks_mut().0 {
                    *out = (self.deviate() * deviation).to_le_bytes();
                }
            }
            Format::F16 => {
                for out in out.as_chunks_mut().0 {
                    *out = f16::from_f32(self.deviate() * deviation).to_le_bytes();
                }
            }
            Format::Bf16 => {
                for out in out.as_chunks_mut().0 {
                    *out = bf16::from_f32(self.deviate() * deviation).to_le_bytes();
                }
            }
            _ => self.fill_blocks(format, deviation, out),
        }
    }

    /// Blocks of any bits, but for their scales: these are what gives the weights their deviation, from
    /// half of it to one and a half in each block.
    fn fill_blocks(&mut self, format: Format, deviation: f32, out: &mut [u8]) {
        let (d, dmin) = unit_scales(format);
        let blocks = blocks(format);
        self.0.fill_bytes(out);
        for block in out.chunks_exact_mut(format.block_bytes()) {
            let bits = u16::from_le_bytes([block[blocks.d], block[blocks.d + 1]]);
            let of_block = deviation * (0.5 + f32::from(bits) / 65_536.0);
            put(block, blocks.d, d * of_block);
            if let Some(at) = blocks.dmin {
                put(block, at, dmin * of_block);
            }
        }
    }
}

fn put(block: &mut [u8], at: usize, scale: f32) {
    block[at..at + 2].copy_from_slice(&f16::from_f32(scale).to_le_bytes());
}

/// The scales with which blocks of random bits hold weights of mean 0, if the format has minima, and
/// standard deviation 1. They are measured, on the same blocks every time, so that they need not be
/// derived for each format.
fn unit_scales(format: Format) -> (f32, f32) {
    const SAMPLE: usize = 256;
    let blocks = blocks(format);
    let mut random = Weights::of(0, format.name());
    let mut sample = vec![0; SAMPLE * format.block_bytes()];
    random.0.fill_bytes(&mut sample);
    // Scales that f16 has exactly and under which no block overflows.
    let mut moments = |d: f32, dmin: f32| {
        for block in sample.chunks_exact_mut(format.block_bytes()) {
            put(block, blocks.d, d);
            if let Some(at) = blocks.dmin {
                put(block, at, dmin);
            }
        }
        let n = SAMPLE * format.block_len();
        let (mut sum, mut squares) = (0.0, 0.0);
        for g in 0..n / GROUP {
            let group = format.unpack(&sample, g);
            for (i, &q) in group.q.iter().enumerate() {
                let scale = group.d * group.scales[i / 16] as f32;
                let weight =
                    f64::from(scale * f32::from(q) + group.min * group.mins[i / 16] as f32);
                sum += weight;
                squares += weight * weight;
            }
        }
        (sum / n as f64, (squares / n as f64).sqrt())
    };
    let dmin = match blocks.dmin {
        None => 0.0,
        Some(_) => -moments(1.0, 0.0).0 / moments(0.0, 1.0).0,
    };
    let deviation = moments(1.0, dmin as f32).1;
    ((1.0 / deviation) as f32, (dmin / deviation) as f32)
}
