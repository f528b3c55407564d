//! Every kernel equals the scalar one bit for bit, and the scalar one equals the dequantized product.

use std::{vec, vec::Vec};

use proptest::prelude::*;

use super::STATE_COLUMNS;
use super::{Activations, Compute, Kernel, Quantized, RowLayout, TILE};
use crate::{
    quant::{
        BlockQ8_0, Format, GROUP, Layout, Matrix,
        interleave::{OCTET, interleave_rows},
    },
    workers::Columns,
};

fn kernels() -> impl Iterator<Item = Compute> {
    Kernel::ALL.into_iter().filter_map(|k| Compute::new(k).ok())
}

fn scalar() -> Compute {
    Compute::new(Kernel::Scalar).unwrap()
}

/// Bits, so that -0 and NaN count too.
fn bits(x: &[f32]) -> Vec<u32> {
    x.iter().map(|x| x.to_bits()).collect()
}

const EMPTY: BlockQ8_0 = BlockQ8_0 {
    d: [0; 2],
    q: [0; GROUP],
};

/// Random bytes make random weights, except that scales must not be NaN or absurd.
fn tame_scales(format: Format, data: &mut [u8]) {
    // Clears the top exponent bit: below 2 for f16 and, as the high half of an f32, likewise.
    change_scales(format, data, |high| high & 0xBF);
}

/// Makes what `change` says of the upper byte of each block scale.
fn change_scales(format: Format, data: &mut [u8], change: impl Fn(u8) -> u8) {
    let scales: &[usize] = match format {
        Format::Q8_0
        | Format::Q4_0
        | Format::Q5_0
        | Format::Iq4Nl
        | Format::Iq4Xs
        | Format::F16
        | Format::Bf16 => &[0],
        Format::Q4_1 | Format::Q5_1 | Format::Q4K | Format::Q5K => &[0, 2],
        Format::Q2K => &[80, 82],
        Format::Q6K => &[208],
        Format::Q3K => &[108],
        Format::F32 => &[2],
    };
    for block in data.chunks_exact_mut(format.block_bytes()) {
        for &at in scales {
            block[at + 1] = change(block[at + 1]);
        }
    }
}

fn random_bytes(seed: u64, len: usize) -> Vec<u8> {
    let mut state = seed | 1;
    core::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 24) as u8
    })
    .take(len)
    .collect()
}

/// Values of every size from -2 to 2 times `scale`, with zeros and an outlier now and then.
fn random_floats(seed: u64, len: usize, scale: f32) -> Vec<f32> {
    random_bytes(seed, 2 * len)
        .chunks_exact(2)
        .map(|b| match b[0] {
            0..8 => 0.0,
            8 => scale * 100.0,
            _ => (f32::from(b[0]) + f32::from(b[1]) / 256.0 - 128.0) / 64.0 * scale,
        })
        .collect()
}

fn layout(rows: usize, cols: usize) -> RowLayout {
    RowLayout {
        rows,
        groups: cols / GROUP,
    }
}

/// Memory for quantized rows.
struct Room {
    q: Vec<i8>,
    d: Vec<f32>,
    s: Vec<f32>,
    bias: Vec<i32>,
}

impl Room {
    fn new(rows: usize, cols: usize) -> Self {
        let padded = rows.next_multiple_of(TILE);
        let groups = padded * cols / GROUP;
        Self {
            // What lies in padding must not matter.
            q: vec![99; padded * cols],
            d: vec![f32::NAN; groups],
            s: vec![f32::NAN; groups],
            bias: vec![i32::MIN; 2 * groups],
        }
    }

    /// Whole rows of groups of `x` are quantized, others left alone.
    fn quantize(&mut self, compute: Compute, x: &[f32], cols: usize) -> Quantized<'_> {
        let mut quantized = Quantized {
            q: &mut self.q,
            d: &mut self.d,
            s: &mut self.s,
            bias: &mut self.bias,
        };
        if cols.is_multiple_of(GROUP) {
            let rows = x.len() / cols;
            for (t, x) in x.chunks_exact(cols).enumerate() {
                compute.quantize(x, t, layout(rows, cols), &mut quantized);
            }
        }
        quantized
    }
}

fn product(compute: Compute, matrix: &Matrix<'_>, x: &[f32]) -> Vec<f32> {
    let (rows, cols) = (matrix.rows(), matrix.cols());
    let tokens = x.len() / cols;
    let mut room = Room::new(tokens, cols);
    let quantized = room.quantize(scalar(), x, cols);
    let mut out = vec![0.0; tokens * rows];
    let activations = Activations {
        x,
        quantized: quantized.rows(layout(tokens, cols)),
    };
    compute.matmul(matrix, &activations, &mut Columns::all(&mut out, rows));
    out
}

/// Row `r` of the matrix that `seed` makes.
fn data_of_row(format: Format, rows: usize, cols: usize, seed: u64, r: usize) -> Vec<u8> {
    let bytes = format.row_bytes(cols).unwrap();
    let mut data = random_bytes(seed, rows * bytes);
    tame_scales(format, &mut data);
    data[r * bytes..][..bytes].to_vec()
}

/// The same matrix with its rows interleaved, as far as they can be.
fn interleaved(format: Format, rows: usize, data: &[u8]) -> Vec<u8> {
    let mut data = data.to_vec();
    let bytes = OCTET * data.len() / rows;
    for rows in data.chunks_exact_mut(bytes) {
        interleave_rows(format, rows, &mut vec![0; bytes]);
    }
    data
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn products_have_the_same_bits(
        format in proptest::sample::select(Format::ALL.to_vec()),
        // Now and then more columns than a panel of weights has.
        rows in 1..72usize, groups in prop_oneof![5 => 1..12usize, 1 => 30..40usize], tokens in 1..11usize,
        seed: u64, scale in -140..60i32,
    ) {
        let blocks = if format.block_len() > GROUP { groups.div_ceil(8) } else { groups };
        let cols = if format.is_quantized() { blocks * format.block_len() } else { blocks * 29 };
        let mut data = random_bytes(seed, rows * format.row_bytes(cols).unwrap());
        tame_scales(format, &mut data);
        let matrix = Matrix::new(format, Layout::Rows, rows, cols, &data).unwrap();
        let x = random_floats(seed ^ 1, tokens * cols, 2f32.powi(scale));
        let expected = product(scalar(), &matrix, &x);
        for kernel in kernels() {
            prop_assert_eq!(bits(&product(kernel, &matrix, &x)), bits(&expected), "{} {}", kernel.kernel(), format);
        }
        if format.is_quantized() {
            let data = interleaved(format, rows, &data);
            let matrix = Matrix::new(format, Layout::Interleaved, rows, cols, &data).unwrap();
            for kernel in kernels() {
                let found = product(kernel, &matrix, &x);
                prop_assert_eq!(bits(&found), bits(&expected), "{} {}, interleaved", kernel.kernel(), format);
            }
            let (mut whole, mut row) = (vec![0.0; cols], vec![0.0; cols]);
            for r in 0..rows {
                format.dequantize(&data_of_row(format, rows, cols, seed, r), &mut whole);
                prop_assert!(matrix.dequantize_row(r, &mut row));
                prop_assert_eq!(bits(&row), bits(&whole));
            }
        }
    }

    #[test]
    fn products_are_the_dequantized_ones(
        format in proptest::sample::select(Format::ALL.to_vec()), seed: u64,
    ) {
        let (rows, cols) = (5, 512);
        let mut data = random_bytes(seed, rows * format.row_bytes(cols).unwrap());
        tame_scales(format, &mut data);
        let matrix = Matrix::new(format, Layout::Rows, rows, cols, &data).unwrap();
        let x = random_floats(seed ^ 2, cols, 1.0);
        // What the int8 activations stand for, so that only summation differs.
        let mut room = Room::new(1, cols);
        let quantized = room.quantize(scalar(), &x, cols);
        let quantized = quantized.rows(layout(1, cols));
        let seen: Vec<f64> = if format.is_quantized() {
            (0..cols).map(|i| f64::from(quantized.d(0, i / GROUP)) * f64::from(quantized.q(0, i / GROUP)[i % GROUP])).collect()
        } else {
            x.iter().map(|&x| f64::from(x)).collect()
        };
        let out = product(scalar(), &matrix, &x);
        let mut row = vec![0.0; cols];
        for (r, &out) in out.iter().enumerate() {
            prop_assert!(matrix.dequantize_row(r, &mut row));
            let exact: f64 = row.iter().zip(&seen).map(|(&w, x)| f64::from(w) * x).sum();
            let size: f64 = row.iter().zip(&seen).map(|(&w, x)| (f64::from(w) * x).abs()).sum();
            prop_assert!((f64::from(out) - exact).abs() <= 1e-5 * size, "{format}: {out} for {exact}");
        }
    }

    #[test]
    fn quantized_activations_have_the_same_bits(
        seed: u64, groups in 1..9usize, rows in 1..7usize, scale in -140..120i32,
    ) {
        let cols = groups * GROUP;
        let x = random_floats(seed, rows * cols, 2f32.powi(scale));
        let mut room = Room::new(rows, cols);
        room.quantize(scalar(), &x, cols);
        for kernel in kernels() {
            let mut found = Room::new(rows, cols);
            found.quantize(kernel, &x, cols);
            prop_assert_eq!(&found.q, &room.q);
            prop_assert_eq!(bits(&found.d), bits(&room.d));
            prop_assert_eq!(bits(&found.s), bits(&room.s));
            prop_assert_eq!(&found.bias, &room.bias);
        }
        let quantized = room.quantize(scalar(), &x, cols);
        for (t, x) in x.chunks_exact(cols).enumerate() {
            let quantized = quantized.rows(layout(rows, cols));
            for (i, x) in x.iter().enumerate().filter(|_| scale > -120) {
                let (q, d) = (f32::from(quantized.q(t, i / GROUP)[i % GROUP]), quantized.d(t, i / GROUP));
                prop_assert!((q * d - x).abs() <= d * 0.5001, "{x} became {q} * {d}");
            }
        }
    }

    #[test]
    fn float_operations_have_the_same_bits(seed: u64, len in 1..100usize, scale in -8..5i32) {
        let scale = 2f32.powi(scale);
        let (a, b) = (random_floats(seed, len, scale), random_floats(seed ^ 3, len, scale));
        let run = |kernel: Compute| {
            let mut out = vec![0.0; len];
            kernel.rms_norm(&mut out, &a, &b, 1e-6);
            let mut sum = a.clone();
            kernel.add(&mut sum, &b);
            let mut gated = a.clone();
            kernel.swiglu(&mut gated, &b);
            let mut rotated = random_floats(seed ^ 4, 2 * len, scale);
            kernel.rope(&mut rotated, &a, &b);
            let mut halves = vec![0; len];
            kernel.to_f16(&mut halves, &a);
            let halves: Vec<f32> = halves.into_iter().map(f32::from).collect();
            [out, sum, gated, rotated, halves].map(|x| bits(&x))
        };
        for kernel in kernels() {
            prop_assert_eq!(run(kernel), run(scalar()), "{}", kernel.kernel());
        }
    }

    #[test]
    fn recurrent_operations_have_the_same_bits(
        seed: u64, len in 1..100usize, taps in 1..6usize, rows in 1..40usize, scale in -8..5i32,
    ) {
        let floats = |more: u64, len| random_floats(seed ^ more, len, 2f32.powi(scale));
        let run = |kernel: Compute| {
            let mut gated = floats(1, len);
            kernel.gate(&mut gated, &floats(2, len));
            let mut unit = floats(1, len);
            kernel.l2_norm(&mut unit, 1e-6, 0.5);
            let mut convolved = floats(1, len);
            kernel.convolve(&mut convolved, &floats(3, (taps - 1) * len), &floats(4, taps * len));
            let (mut out, mut state) = (vec![0.0; STATE_COLUMNS], floats(5, rows * STATE_COLUMNS));
            let (q, k, v) = (floats(6, rows), floats(7, rows), floats(8, STATE_COLUMNS));
            kernel.delta_rule(&mut out, &mut state, &q, &k, &v, (0.75, 0.3));
            [gated, unit, convolved, out, state].map(|x| bits(&x))
        };
        for kernel in kernels() {
            prop_assert_eq!(run(kernel), run(scalar()), "{}", kernel.kernel());
        }
    }

    #[test]
    fn the_delta_rule_is_the_papers(seed: u64, rows in 1..40usize, decay in 0f32..1.0, beta in 0f32..1.0) {
        let before = random_floats(seed, rows * STATE_COLUMNS, 1.0);
        let [q, k] = [1, 2].map(|more| random_floats(seed ^ more, rows, 0.3));
        let v = random_floats(seed ^ 3, STATE_COLUMNS, 1.0);
        let (mut out, mut state) = (vec![0.0; STATE_COLUMNS], before.clone());
        scalar().delta_rule(&mut out, &mut state, &q, &k, &v, (decay, beta));
        let largest = |x: &[f32]| x.iter().fold(0.0, |a: f64, x| a.max(f64::from(x.abs())));
        let sum = |x: &[f32]| 1.0 + x.iter().map(|x| f64::from(x.abs())).sum::<f64>();
        let moved = largest(&k) * (largest(&v) + largest(&before) * sum(&k));
        let bound = 1e-6 * (1.0 + largest(&before) + moved);
        for (c, &out) in out.iter().enumerate() {
            let mut column: Vec<f64> = before[c..].iter().step_by(STATE_COLUMNS).map(|&x| f64::from(x)).collect();
            for x in &mut column {
                *x *= f64::from(decay);
            }
            let dot = |column: &[f64], x: &[f32]| column.iter().zip(x).map(|(a, &b)| a * f64::from(b)).sum::<f64>();
            let d = (f64::from(v[c]) - dot(&column, &k)) * f64::from(beta);
            column.iter_mut().zip(&k).for_each(|(x, &k)| *x += f64::from(k) * d);
            prop_assert!((f64::from(out) - dot(&column, &q)).abs() < bound * sum(&q));
            for (exact, found) in column.iter().zip(state[c..].iter().step_by(STATE_COLUMNS)) {
                prop_assert!((exact - f64::from(*found)).abs() < bound);
            }
        }
    }

    #[test]
    fn q8_0_copies_are_ggmls(seed: u64, groups in 1..5usize, scale in -30..20i32) {
        let x = random_floats(seed, groups * GROUP, 2f32.powi(scale));
        let mut blocks = vec![EMPTY; groups];
        for kernel in kernels() {
            kernel.to_q8_0(&mut blocks, &x);
            for (block, x) in blocks.iter().zip(x.chunks(GROUP)) {
                let d = x.iter().fold(0.0, |a: f32, x| a.max(x.abs())) / 127.0;
                let inverse = if d > 0.0 { 1.0 / d } else { 0.0 };
                prop_assert_eq!(block.d, half::f16::from_f32(d).to_le_bytes());
                prop_assert_eq!(block.q.to_vec(), x.iter().map(|x| (x * inverse).round() as i8).collect::<Vec<_>>());
            }
        }
    }

    #[test]
    fn averages_of_q8_0_values_have_the_same_bits(
        seed: u64, heads in 1..5usize, groups in 1..5usize, positions in 1..70usize,
    ) {
        let head_dim = groups * GROUP;
        let scores = random_floats(seed, 4 * positions, 1.0);
        let x = random_floats(seed ^ 6, positions * head_dim, 0.5);
        let mut values = vec![EMPTY; positions * groups];
        scalar().to_q8_0(&mut values, &x);
        let run = |kernel: Compute| {
            let (mut out, mut scores) = (vec![0.0; heads * head_dim], scores.clone());
            kernel.average_q8_0(&mut out, &values, head_dim, &mut scores);
            out
        };
        let expected = run(scalar());
        for kernel in kernels() {
            prop_assert_eq!(bits(&run(kernel)), bits(&expected), "{}", kernel.kernel());
        }
        // And they are averages.
        for (h, expected) in expected.chunks(head_dim).enumerate() {
            let weights: Vec<f64> = scores.chunks(4).map(|s| f64::from(s[h]).exp()).collect();
            let total: f64 = weights.iter().sum();
            for (i, &found) in expected.iter().enumerate() {
                let value = |n: usize| {
                    let block = &values[n * groups + i / GROUP];
                    f64::from(half::f16::from_le_bytes(block.d)) * f64::from(block.q[i % GROUP])
                };
                let exact: f64 = weights.iter().enumerate().map(|(n, w)| w / total * value(n)).sum();
                prop_assert!((f64::from(found) - exact).abs() < 1e-4 * (1.0 + exact.abs()));
            }
        }
    }

    #[test]
    fn attention_has_the_same_bits(
        seed: u64, heads in 1..5usize, head_dim in prop_oneof![Just(64_usize), Just(128), Just(256), 1..150usize],
        positions in 1..70usize,
    ) {
        let q = random_floats(seed, heads * head_dim, 1.0);
        let cache = random_floats(seed ^ 5, 2 * positions * head_dim, 0.5);
        let mut halves = vec![0; cache.len()];
        scalar().to_f16(&mut halves, &cache);
        let (keys, values) = halves.split_at(positions * head_dim);
        let scale = 1.0 / (head_dim as f32).sqrt();
        let run = |kernel: Compute| {
            let (mut out, mut scores) = (vec![0.0; heads * head_dim], vec![0.0; 4 * positions]);
            kernel.attend(&mut out, &q, (keys, values), head_dim, &mut scores, scale);
            out
        };
        let expected = run(scalar());
        for kernel in kernels() {
            prop_assert_eq!(bits(&run(kernel)), bits(&expected), "{}", kernel.kernel());
        }
        // And it is attention.
        let value = |x: u16| f64::from(half::f16::from_bits(x).to_f32());
        for (q, expected) in q.chunks(head_dim).zip(expected.chunks(head_dim)) {
            let scores: Vec<f64> = keys
                .chunks(head_dim)
                .map(|k| k.iter().zip(q).map(|(&k, &q)| value(k) * f64::from(q)).sum::<f64>() * f64::from(scale))
                .collect();
            let largest = scores.iter().fold(f64::MIN, |a, &b| a.max(b));
            let weights: Vec<f64> = scores.iter().map(|s| (s - largest).exp()).collect();
            let total: f64 = weights.iter().sum();
            for d in 0..head_dim {
                let exact: f64 =
                    weights.iter().zip(values.chunks(head_dim)).map(|(w, v)| w / total * value(v[d])).sum();
                prop_assert!((f64::from(expected[d]) - exact).abs() < 1e-4 * (1.0 + exact.abs()));
            }
        }
    }
}

/// Weights and activations as large as they can be, of either sign: where 16-bit sums or signed factors would
/// saturate.
#[test]
fn largest_factors_have_the_same_bits() {
    let (rows, cols, tokens) = (40, 512, 5);
    for format in Format::ALL.into_iter().filter(|f| f.is_quantized()) {
        for byte in [0x00, 0x7F, 0x80, 0x88, 0xF0, 0xFF] {
            let mut data = vec![byte; rows * format.row_bytes(cols).unwrap()];
            // Neither infinite nor 0, which would hide all else.
            change_scales(format, &mut data, |high| high & 0xBF | 0x04);
            let packed = interleaved(format, rows, &data);
            let plain = Matrix::new(format, Layout::Rows, rows, cols, &data).unwrap();
            let packed = Matrix::new(format, Layout::Interleaved, rows, cols, &packed).unwrap();
            for period in [1, 2, 32] {
                let x: Vec<f32> = (0..tokens * cols)
                    .map(|i| if i / period % 2 == 0 { 3.0 } else { -3.0 })
                    .collect();
                for tokens in [1, tokens] {
                    let x = &x[..tokens * cols];
                    let expected = bits(&product(scalar(), &plain, x));
                    for kernel in kernels() {
                        for matrix in [&plain, &packed] {
                            let found = bits(&product(kernel, matrix, x));
                            assert_eq!(found, expected, "{} {format} {byte:#x}", kernel.kernel());
                        }
                    }
                }
            }
        }
    }
}

#[test]
fn ties_of_q8_0_copies_go_away_from_zero() {
    let mut x = [0.0; GROUP];
    x[..8].copy_from_slice(&[127.0, 0.5, -0.5, 2.5, -2.5, 0.499_999_97, -126.5, -127.0]);
    for kernel in kernels() {
        let mut block = [EMPTY];
        kernel.to_q8_0(&mut block, &x);
        assert_eq!(
            block[0].q[..8],
            [127, 1, -1, 3, -3, 0, -127, -127],
            "{}",
            kernel.kernel()
        );
    }
}

#[test]
fn exp_is_good_to_the_last_places() {
    for i in -8600..8800 {
        let x = i as f32 / 100.0;
        let mut gate = [-x];
        // silu(-x) * (-1 / x) = 1 / (1 + e^x)
        scalar().swiglu(&mut gate, &[1.0]);
        let exact = f64::from(-x) / (1.0 + f64::from(x).exp());
        assert!(
            (f64::from(gate[0]) - exact).abs() <= 4e-7 * exact.abs() + 1e-38,
            "{x}: {} for {exact}",
            gate[0]
        );
    }
}

#[test]
fn unknown_and_unavailable_kernels_are_refused() {
    assert_eq!("mmx".parse::<Kernel>(), Err(super::Error::Unknown));
    for kernel in Kernel::ALL {
        assert_eq!(kernel.name().parse(), Ok(kernel));
        assert_eq!(Compute::new(kernel).is_ok(), kernel.is_available());
    }
    assert!(Kernel::detect().is_available());
}
