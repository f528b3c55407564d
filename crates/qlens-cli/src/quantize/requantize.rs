//! One tensor from the format it has to another, on all cores, a batch at a time: what is in memory
//! does not grow with the tensor, nor with its rows, nor with the number of threads.

use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use qlens::quant::{Format, Layout, Matrix};
use qlens::workers::Workers;

use super::{
    blocks::{is_sound, q4_0, q8_0},
    five_bits::{q5_0, q5_1},
    iq4_nl::iq4_nl,
    k_quants::{q4_k, q5_k, q6_k},
};
use crate::failure::Failure;

/// Weights of a batch: 4.5 MB of Q8_0.
const BATCH: usize = 1 << 22;
/// Weights that a worker takes at once: enough that taking them costs nothing beside rounding them.
const SHARE: usize = 1 << 16;

/// A tensor that is to get another format.
///
/// Rows are whole blocks in the old format and in the new one, so that where one ends does not matter:
/// the tensor is one sequence of units, each the longer of the two blocks.
#[derive(Clone, Copy, Debug)]
pub struct Requantize<'m> {
    /// A row is a unit.
    units: Matrix<'m>,
    /// The new one.
    format: Format,
}

impl<'m> Requantize<'m> {
    /// Takes `weights` weights in the format `from` to the format `to`; `None` if they are not whole blocks of both, or
    /// `data` does not hold just them.
    pub fn new(from: Format, weights: usize, data: &'m [u8], to: Format) -> Option<Self> {
        let unit = from.block_len().max(to.block_len());
        if !weights.is_multiple_of(unit) {
            return None;
        }
        let units = Matrix::new(from, Layout::Rows, weights / unit, unit, data)?;
        Some(Self { units, format: to })
    }

    /// The new format.
    pub fn format(&self) -> Format {
        self.format
    }

    /// Bytes in the new format.
    pub fn bytes(&self) -> usize {
        self.units.rows() * self.unit_bytes()
    }

    /// Hands the blocks to `sink` in order: the same blocks whatever the number of workers. `refuse`
    /// makes a failure of the index of a weight that no block can stand for.
    pub fn run(
        &self,
        workers: &dyn Workers,
        refuse: &dyn Fn(usize) -> Failure,
        sink: &mut dyn FnMut(&[u8]) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let batch = (BATCH / self.units.cols()).min(self.units.rows());
        let mut out = vec![0; batch * self.unit_bytes()];
        for start in (0..self.units.rows()).step_by(batch) {
            let units = start..(start + batch).min(self.units.rows());
            let out = &mut out[..units.len() * self.unit_bytes()];
            self.batch(units, workers, out).map_err(refuse)?;
            sink(out)?;
        }
        Ok(())
    }

    fn unit_bytes(&self) -> usize {
        self.units.cols() / self.format.block_len() * self.format.block_bytes()
    }

    /// Shares `units` out among the workers; `Err` has the first weight that fails.
    fn batch(
        &self,
        units: Range<usize>,
        workers: &dyn Workers,
        out: &mut [u8],
    ) -> Result<(), usize> {
        let share = SHARE / self.units.cols();
        let outs = out.chunks_mut(share * self.unit_bytes());
        let tasks: Vec<_> = units
            .step_by(share)
            .zip(outs)
            .map(|(first, out)| Mutex::new((first, out, Ok(()))))
            .collect();
        workers.run(tasks.len(), &|task| {
            // Nobody else has this task: the lock only says so to the compiler.
            let mut task = tasks[task].lock().unwrap_or_else(PoisonError::into_inner);
            let (first, out, done) = &mut *task;
            *done = self.units(*first, out);
        });
        // In the order of the weights, so that a failure names the same one on every run.
        tasks.into_iter().try_for_each(|task| {
            let (_, _, done) = task.into_inner().unwrap_or_else(PoisonError::into_inner);
            done
        })
    }

    /// Fills `out` with the blocks from unit `first` on.
    fn units(&self, first: usize, out: &mut [u8]) -> Result<(), usize> {
        let mut weights = vec![0.0; self.units.cols()];
        for (index, out) in (first..).zip(out.chunks_exact_mut(self.unit_bytes())) {
            let is_there = self.units.dequantize_row(index, &mut weights);
            debug_assert!(is_there, "batches end where the tensor does");
            round(self.format, &weights, out).map_err(|at| index * self.units.cols() + at)?;
        }
        Ok(())
    }
}

/// Fills `out` with blocks of `format`; `Err` has the first weight of one that nothing can stand for.
fn round(format: Format, weights: &[f32], out: &mut [u8]) -> Result<(), usize> {
    match format {
        Format::Q8_0 => each(weights, out, q8_0, 0..2),
        Format::Q4_0 => each(weights, out, q4_0, 0..2),
        Format::Q5_0 => each(weights, out, q5_0, 0..2),
        Format::Q5_1 => each(weights, out, q5_1, 0..4),
        Format::Q4K => each(weights, out, q4_k, 0..4),
        Format::Q5K => each(weights, out, q5_k, 0..4),
        Format::Q6K => each(weights, out, q6_k, 208..210),
        Format::Iq4Nl => each(weights, out, iq4_nl, 0..2),
        _ => unreachable!("no mixture has {format}"),
    }
}

/// Makes a block of each `N` weights; `scales` are its bytes that are f16.
fn each<const N: usize, const BYTES: usize>(
    weights: &[f32],
    out: &mut [u8],
    round: impl Fn(&[f32; N]) -> [u8; BYTES],
    scales: Range<usize>,
) -> Result<(), usize> {
    let blocks = out.as_chunks_mut().0.iter_mut();
    for (i, (weights, block)) in weights.as_chunks().0.iter().zip(blocks).enumerate() {
        *block = round(weights);
        if !is_sound(weights, &block[scales.clone()]) {
            return Err(i * N);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use qlens::{
        quant::GROUP,
        workers::{Inline, Threads},
    };

    use super::*;

    /// More than a batch, and no whole number of shares.
    const WEIGHTS: usize = BATCH + SHARE + 3 * GROUP;

    /// Bytes that are written in hexadecimal.
    fn bytes(text: &str) -> Vec<u8> {
        let byte = |at| u8::from_str_radix(&text[at..at + 2], 16).unwrap();
        (0..text.len()).step_by(2).map(byte).collect()
    }

    #[test]
    fn blocks_are_those_that_ggml_makes() {
        let lines = include_str!("ggml-blocks.txt").lines();
        let mut formats = Vec::new();
        for line in lines.filter(|line| !line.starts_with('#')) {
            let [name, weights, block] = line.split(' ').collect::<Vec<_>>()[..] else {
                panic!("{line}");
            };
            let named = |ggml_type: &u32| {
                Format::from_ggml(*ggml_type).is_some_and(|format| format.to_string() == name)
            };
            let format = Format::from_ggml((0..32).find(named).unwrap()).unwrap();
            let weights = bytes(weights);
            let halves = weights.as_chunks().0.iter();
            let weights: Vec<_> = halves
                .map(|&half| half::f16::from_le_bytes(half).to_f32())
                .collect();
            let block = bytes(block);
            let mut found = vec![0; block.len()];
            round(format, &weights, &mut found).unwrap();
            assert_eq!(found, block, "{name}");
            formats.push(format);
        }
        formats.dedup();
        let all = [
            Format::Q5_0,
            Format::Q4K,
            Format::Q6K,
            Format::Iq4Nl,
            Format::Q5K,
            Format::Q5_1,
        ];
        assert_eq!(formats, all);
    }

    fn weights() -> Vec<f32> {
        (0..WEIGHTS).map(|i| (i % 1009) as f32 - 500.0).collect()
    }

    fn run(weights: &[f32], target: Format, workers: &dyn Workers) -> Result<Vec<u8>, String> {
        let data: Vec<u8> = weights.iter().flat_map(|w| w.to_le_bytes()).collect();
        let requantize = Requantize::new(Format::F32, weights.len(), &data, target).unwrap();
        let mut out = Vec::new();
        let done = requantize.run(workers, &Failure::new, &mut |blocks| {
            out.extend_from_slice(blocks);
            Ok(())
        });
        done.map_err(|failure| failure.sentence().to_owned())?;
        assert_eq!(out.len(), requantize.bytes());
        Ok(out)
    }

    #[test]
    fn batches_and_workers_do_not_show() {
        let weights = weights();
        let groups = weights.as_chunks::<GROUP>().0;
        for workers in [&Inline as &dyn Workers, &Threads::new(3)] {
            let eight = run(&weights, Format::Q8_0, workers).unwrap();
            assert!(eight == groups.iter().flat_map(q8_0).collect::<Vec<_>>());
            let four = run(&weights, Format::Q4_0, workers).unwrap();
            assert!(four == groups.iter().flat_map(q4_0).collect::<Vec<_>>());
            // Slower, and shared out in the same way.
            let few = &weights[..SHARE + 3 * GROUP];
            let levels = run(few, Format::Iq4Nl, workers).unwrap();
            let groups = few.as_chunks::<GROUP>().0;
            assert!(levels == groups.iter().flat_map(iq4_nl).collect::<Vec<_>>());
        }
    }

    #[test]
    fn the_first_weight_that_fails_is_named() {
        for first in [0, SHARE + GROUP, BATCH + SHARE] {
            let mut weights = weights();
            weights[first + 5] = f32::NAN;
            weights[WEIGHTS - 1] = f32::INFINITY;
            for workers in [&Inline as &dyn Workers, &Threads::new(3)] {
                let said = run(&weights, Format::Q4_0, workers).unwrap_err();
                assert_eq!(said, first.to_string());
            }
        }
    }

    #[test]
    fn only_whole_blocks_of_both_formats() {
        let data = [0; 1024];
        let new = |format, weights, bytes: usize| {
            Requantize::new(format, weights, &data[..bytes], Format::Q4_0).map(|of| of.bytes())
        };
        assert_eq!(new(Format::F16, 64, 128), Some(36));
        assert_eq!(new(Format::F16, 48, 96), None);
        assert_eq!(new(Format::F16, 64, 126), None);
        assert_eq!(new(Format::Q6K, 512, 420), Some(288));
        assert_eq!(new(Format::Q6K, 288, 420), None);
    }
}
