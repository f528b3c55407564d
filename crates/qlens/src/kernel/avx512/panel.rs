//! Products of block formats with several rows of activations.
//!
//! As in [`panel`](crate::kernel::panel), but 32 rows of the matrix at a time, in two registers: what is
//! broadcast of the activations meets both, and a tile of 32 rows by four of activations is sixteen sums and as
//! many registers besides. Weights are offset to be unsigned, as `vpdpbusd` wants one of its factors, and sums
//! begin at minus as many times that of the activations.

#![allow(
    clippy::needless_range_loop,
    reason = "registers by their place in the tile"
)]

#[allow(clippy::wildcard_imports, reason = "twenty intrinsics")]
use core::arch::x86_64::*;

use super::Vnni;
use crate::{
    kernel::{
        QuantizedRows,
        activations::{QuantizedTile, TILE},
        octet::{
            Block, Blocks, Iq4Nl, Iq4Xs, Octet, Q2K, Q3K, Q4_0, Q4_1, Q4K, Q5_0, Q5_1, Q5K, Q6K,
            Q8_0, Scales,
        },
        panel::{self, MIN, PLAIN, SCALE, SCALE_AND_MIN, TWO_SCALES, TWO_SCALES_AND_MINS},
        rows::{self, RowBlocks},
    },
    quant::{
        Format, GROUP, Matrix,
        interleave::{OCTET, STEP},
    },
    workers::Columns,
};

/// Groups of 32 columns in a panel, at most: with the activations of a tile it stays in the first-level cache.
const GROUPS: usize = 8;
/// Steps of a group.
const STEPS: usize = GROUP / 4;
/// Octets of rows in a panel.
const OCTETS: usize = 4;
/// Rows of a panel.
const ROWS: usize = OCTETS * OCTET;
/// Rows of a register.
const LANES: usize = ROWS / 2;

/// Weights of 32 rows as unsigned bytes, and what they are multiplied with.
#[repr(C, align(64))]
struct Panel {
    /// `[group, step]`, each four columns of 32 rows.
    q: [[[u8; 4 * ROWS]; STEPS]; GROUPS],
    /// Block scales by group, as f32.
    d: [[f32; ROWS]; GROUPS],
    /// Integer scales by half group.
    scales: [[[i32; ROWS]; 2]; GROUPS],
    /// Minima by group, or what those of half groups are multiplied with.
    mins: [[f32; ROWS]; GROUPS],
    /// Integer minima by half group.
    half_mins: [[[i32; ROWS]; 2]; GROUPS],
}

/// How many bits a weight has less than eight: so far is it above its place at the top of a byte.
const fn spare_bits(format: Format) -> i32 {
    match format {
        Format::Q4_0 | Format::Q4_1 | Format::Q4K => 4,
        Format::Q5_0 | Format::Q5_1 | Format::Q5K => 3,
        Format::Q6K => 2,
        Format::Q3K => 5,
        Format::Q2K => 6,
        _ => 0,
    }
}

/// What weights are offset by, so that none is negative; those of some formats never are.
const fn offset(format: Format) -> u8 {
    match format {
        Format::Q4_1 | Format::Q5_1 | Format::Q2K | Format::Q4K | Format::Q5K => 0,
        _ => 0x80 >> spare_bits(format),
    }
}

/// A step's weights, moved down to their place and offset.
#[inline(always)]
unsafe fn weights<B: Blocks<Vnni>>(step: __m256i) -> __m256i {
    // SAFETY: the caller's promise.
    unsafe {
        let step = match B::FORMAT {
            Format::Q4_0 => Vnni::shr::<4>(step),
            Format::Q5_0 => Vnni::shr::<3>(step),
            Format::Q6K => Vnni::shr::<2>(step),
            Format::Q3K => Vnni::shr::<5>(step),
            _ => step,
        };
        // Half the range more is another sign.
        _mm256_xor_si256(step, _mm256_set1_epi8(offset(B::FORMAT).cast_signed()))
    }
}

impl Panel {
    const EMPTY: Self = Self {
        q: [[[0; 4 * ROWS]; STEPS]; GROUPS],
        d: [[0.0; ROWS]; GROUPS],
        scales: [[[0; ROWS]; 2]; GROUPS],
        mins: [[0.0; ROWS]; GROUPS],
        half_mins: [[[0; ROWS]; 2]; GROUPS],
    };

    /// Sets step `s` of octet `o` in group `g`.
    #[inline(always)]
    unsafe fn set_step(&mut self, (g, s, o): (usize, usize, usize), w: __m256i) {
        // SAFETY: the caller's promise.
        unsafe { Vnni::store(self.q[g][s][STEP * o..][..STEP].as_mut_ptr(), w) };
    }

    /// Unpacks group `J` of the octet of blocks at `p` as octet `o` of the panel's group `g`.
    #[inline(always)]
    unsafe fn unpack_group<B: Blocks<Vnni>, const J: usize>(
        &mut self,
        p: *const u8,
        head: &B::Head,
        (g, o): (usize, usize),
    ) {
        // SAFETY: the caller promises a whole octet at `p`; the panel has such a group and octet.
        unsafe {
            let steps = B::steps::<J>(p);
            self.set_step((g, 0, o), weights::<B>(steps[0]));
            self.set_step((g, 1, o), weights::<B>(steps[1]));
            self.set_step((g, 2, o), weights::<B>(steps[2]));
            self.set_step((g, 3, o), weights::<B>(steps[3]));
            self.set_step((g, 4, o), weights::<B>(steps[4]));
            self.set_step((g, 5, o), weights::<B>(steps[5]));
            self.set_step((g, 6, o), weights::<B>(steps[6]));
            self.set_step((g, 7, o), weights::<B>(steps[7]));
            let rows = OCTET * o..OCTET * o + OCTET;
            let [first, second] = &mut self.scales[g];
            let (first, second) = (&mut first[rows.clone()], &mut second[rows.clone()]);
            Vnni::store_f(self.d[g][rows.clone()].as_mut_ptr(), Vnni::halves(p));
            match B::scales::<J>(head) {
                Scales::None => {}
                Scales::Whole(scale) => Vnni::store_i(first.as_mut_ptr(), scale),
                Scales::Halves(a, b) => {
                    Vnni::store_i(first.as_mut_ptr(), a);
                    Vnni::store_i(second.as_mut_ptr(), b);
                }
            }
            if let Some(min) = B::min::<J>(head) {
                Vnni::store_f(self.mins[g][rows.clone()].as_mut_ptr(), min);
            }
            if let Some((scale, [first, second])) = B::half_mins::<J>(head) {
                let [to_first, to_second] = &mut self.half_mins[g];
                Vnni::store_i(to_first[rows.clone()].as_mut_ptr(), first);
                Vnni::store_i(to_second[rows.clone()].as_mut_ptr(), second);
                Vnni::store_f(self.mins[g][rows].as_mut_ptr(), scale);
            }
        }
    }

    /// Unpacks the octet of blocks at `p` as octet `o` of the panel's groups from `g` on.
    #[inline(always)]
    unsafe fn unpack<B: Blocks<Vnni>>(&mut self, p: *const u8, (g, o): (usize, usize)) {
        // SAFETY: the caller promises a whole octet at `p`, and groups from `g` on.
        unsafe {
            let head = &B::head(p);
            self.unpack_group::<B, 0>(p, head, (g, o));
            if B::GROUPS == 8 {
                self.unpack_group::<B, 1>(p, head, (g + 1, o));
                self.unpack_group::<B, 2>(p, head, (g + 2, o));
                self.unpack_group::<B, 3>(p, head, (g + 3, o));
                self.unpack_group::<B, 4>(p, head, (g + 4, o));
                self.unpack_group::<B, 5>(p, head, (g + 5, o));
                self.unpack_group::<B, 6>(p, head, (g + 6, o));
                self.unpack_group::<B, 7>(p, head, (g + 7, o));
            }
        }
    }

    /// Takes a block of a panel of eight rows as octet `o` of the groups from `g` on.
    #[inline(always)]
    unsafe fn widen<B: Block>(&mut self, from: &panel::Panel, (g, o): (usize, usize)) {
        let rows = OCTET * o..OCTET * o + OCTET;
        for i in 0..B::GROUPS {
            for s in 0..STEPS {
                // SAFETY: the caller's promise.
                unsafe {
                    let offset = _mm256_set1_epi8(offset(B::FORMAT).cast_signed());
                    let w = _mm256_add_epi8(Vnni::load(from.q[i][s].as_ptr()), offset);
                    self.set_step((g + i, s, o), w);
                }
            }
            self.d[g + i][rows.clone()].copy_from_slice(&from.d[i]);
            self.mins[g + i][rows.clone()].copy_from_slice(&from.mins[i]);
            for (to, from) in self.scales[g + i].iter_mut().zip(&from.scales[i]) {
                to[rows.clone()].copy_from_slice(from);
            }
            for (to, from) in self.half_mins[g + i].iter_mut().zip(&from.half_mins[i]) {
                to[rows.clone()].copy_from_slice(from);
            }
        }
    }
}

/// Sums of two registers of rows by four of activations.
type Floats = [[__m512; TILE]; 2];
type Integers = [[__m512i; TILE]; 2];

/// Adds the products of a panel's first `groups` groups with four rows of activations, from their group
/// `first` on.
#[inline(always)]
unsafe fn tile<B: Block, const KIND: u8>(
    panel: &Panel,
    groups: usize,
    x: &QuantizedTile,
    first: usize,
    mut acc: Floats,
) -> Floats {
    // SAFETY: the caller promises that `x` has groups `first .. first + groups`.
    unsafe {
        for g in 0..groups {
            let at = first + g;
            let (q, bias) = (x.q.add(TILE * GROUP * at), x.bias.add(2 * TILE * at));
            let w = &panel.q[g];
            let scales = &panel.scales[g];
            let mut sums = start::<B, KIND>(bias, TILE);
            four_steps(&mut sums, w, 0, q);
            if KIND == TWO_SCALES || KIND == TWO_SCALES_AND_MINS {
                scale(&mut sums, &scales[0]);
                let mut second = start::<B, KIND>(bias.add(TILE), 0);
                four_steps(&mut second, w, 4, q);
                scale(&mut second, &scales[1]);
                for h in 0..2 {
                    for t in 0..TILE {
                        sums[h][t] = _mm512_add_epi32(sums[h][t], second[h][t]);
                    }
                }
            } else {
                four_steps(&mut sums, w, 4, q);
            }
            if KIND == SCALE_AND_MIN || KIND == SCALE {
                scale(&mut sums, &scales[0]);
            }
            let (x_d, x_s) = (x.d.add(TILE * at), x.s.add(TILE * at));
            for h in 0..2 {
                let d = _mm512_loadu_ps(panel.d[g].as_ptr().add(LANES * h));
                for t in 0..TILE {
                    let d = _mm512_mul_ps(d, _mm512_set1_ps(*x_d.add(t)));
                    acc[h][t] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(sums[h][t]), d, acc[h][t]);
                }
                if KIND == SCALE_AND_MIN || KIND == MIN {
                    let min = _mm512_loadu_ps(panel.mins[g].as_ptr().add(LANES * h));
                    for t in 0..TILE {
                        let s = _mm512_set1_ps(*x_s.add(t));
                        acc[h][t] = _mm512_fmadd_ps(min, s, acc[h][t]);
                    }
                }
                if KIND == TWO_SCALES_AND_MINS {
                    let scale = _mm512_loadu_ps(panel.mins[g].as_ptr().add(LANES * h));
                    let [first, second] = &panel.half_mins[g];
                    let first = _mm512_loadu_si512(first.as_ptr().add(LANES * h).cast());
                    let second = _mm512_loadu_si512(second.as_ptr().add(LANES * h).cast());
                    for t in 0..TILE {
                        let (a, b) = (*bias.add(t), *bias.add(TILE + t));
                        let sums = _mm512_add_epi32(
                            _mm512_mullo_epi32(first, _mm512_set1_epi32(a)),
                            _mm512_mullo_epi32(second, _mm512_set1_epi32(b)),
                        );
                        // -128 times the activations' sums.
                        let of_128 = _mm512_set1_ps(1.0 / 128.0);
                        let sums = _mm512_mul_ps(_mm512_cvtepi32_ps(sums), of_128);
                        let scale = _mm512_mul_ps(scale, _mm512_set1_ps(*x_d.add(t)));
                        acc[h][t] = _mm512_fmadd_ps(sums, scale, acc[h][t]);
                    }
                }
            }
        }
        acc
    }
}

/// Where sums of a half group begin, those of its other half, `next` numbers on, included if they are summed
/// together.
#[inline(always)]
unsafe fn start<B: Block, const KIND: u8>(bias: *const i32, next: usize) -> Integers {
    // SAFETY: the caller promises numbers of four rows of activations at `bias`, and `next` on.
    unsafe {
        let mut sums = [_mm512_setzero_si512(); TILE];
        if offset(B::FORMAT) != 0 {
            for (t, sum) in sums.iter_mut().enumerate() {
                let mut of = *bias.add(t);
                if KIND != TWO_SCALES {
                    // Rows past the last hold anything.
                    of = of.wrapping_add(*bias.add(next + t));
                }
                // From 128 times the activations to as many times as weights are offset by.
                *sum = _mm512_set1_epi32(of >> spare_bits(B::FORMAT));
            }
        }
        [sums; 2]
    }
}

/// Adds the products of steps `s .. s + 4` of a group with the four rows of activations at `q`.
#[inline(always)]
unsafe fn four_steps(sums: &mut Integers, w: &[[u8; 4 * ROWS]; STEPS], s: usize, q: *const i8) {
    // SAFETY: the caller promises a group of four rows at `q`.
    unsafe {
        for s in s..s + 4 {
            let w = w[s].as_ptr();
            let (low, high) = (
                _mm512_loadu_si512(w.cast()),
                _mm512_loadu_si512(w.add(4 * LANES).cast()),
            );
            for t in 0..TILE {
                let four = q.add(GROUP * t + 4 * s).cast::<[u8; 4]>().read();
                let four = i32::from_le_bytes(four);
                let x = _mm512_set1_epi32(four);
                sums[0][t] = _mm512_dpbusd_epi32(sums[0][t], low, x);
                sums[1][t] = _mm512_dpbusd_epi32(sums[1][t], high, x);
            }
        }
    }
}

/// Multiplies sums by the integer scales of their rows.
#[inline(always)]
unsafe fn scale(sums: &mut Integers, scales: &[i32; ROWS]) {
    // SAFETY: the caller's promise.
    unsafe {
        for h in 0..2 {
            let scale = _mm512_loadu_si512(scales.as_ptr().add(LANES * h).cast());
            for t in 0..TILE {
                sums[h][t] = _mm512_mullo_epi32(sums[h][t], scale);
            }
        }
    }
}

/// `out[t][r] = matrix[r] . x[t]` for the columns `r` that `out` spans, which begin and end at multiples of 8, or
/// with the matrix.
///
/// # Safety
/// AVX-512 with VNNI is there, and the caller has it enabled.
#[inline(always)]
pub unsafe fn matmul(matrix: &Matrix<'_>, x: &QuantizedRows<'_>, out: &mut Columns<'_>) {
    let columns = out.columns();
    assert!(columns.start.is_multiple_of(OCTET) && columns.end <= matrix.rows());
    assert!(columns.end.is_multiple_of(OCTET) || columns.end == matrix.rows());
    assert!(x.cols() == matrix.cols() && x.rows() == out.rows());
    // SAFETY: the caller's promise; rows of the matrix are as long as those of the activations.
    unsafe {
        match matrix.format() {
            Format::Q8_0 => prefill::<Q8_0, PLAIN>(matrix, x, out),
            Format::Q4_0 => prefill::<Q4_0, PLAIN>(matrix, x, out),
            Format::Q4_1 => prefill::<Q4_1, MIN>(matrix, x, out),
            Format::Q5_0 => prefill::<Q5_0, PLAIN>(matrix, x, out),
            Format::Q5_1 => prefill::<Q5_1, MIN>(matrix, x, out),
            Format::Q2K => prefill::<Q2K, TWO_SCALES_AND_MINS>(matrix, x, out),
            Format::Q4K => prefill::<Q4K, SCALE_AND_MIN>(matrix, x, out),
            Format::Q5K => prefill::<Q5K, SCALE_AND_MIN>(matrix, x, out),
            Format::Q6K => prefill::<Q6K, TWO_SCALES>(matrix, x, out),
            Format::Iq4Nl => prefill::<Iq4Nl, PLAIN>(matrix, x, out),
            Format::Iq4Xs => prefill::<Iq4Xs, SCALE>(matrix, x, out),
            Format::Q3K => prefill::<Q3K, TWO_SCALES>(matrix, x, out),
            Format::F32 | Format::F16 | Format::Bf16 => {
                debug_assert!(false, "{} takes f32 activations", matrix.format());
            }
        }
    }
}

/// Has `bytes` bytes at offset `at` from `p` come into the second-level cache while the panel before is
/// multiplied. They need not be there.
#[inline(always)]
unsafe fn fetch(p: *const u8, at: usize, bytes: usize) {
    for line in (at..at + bytes).step_by(64) {
        // SAFETY: the caller's promise; no address is wrong to a prefetch.
        unsafe { _mm_prefetch::<_MM_HINT_T1>(p.wrapping_add(line).cast()) };
    }
}

#[inline(always)]
unsafe fn prefill<B: Blocks<Vnni> + RowBlocks<Vnni>, const KIND: u8>(
    matrix: &Matrix<'_>,
    x: &QuantizedRows<'_>,
    out: &mut Columns<'_>,
) {
    let blocks = matrix.cols() / B::FORMAT.block_len();
    let (tokens, columns) = (out.rows(), out.columns());
    let octet_bytes = OCTET * B::FORMAT.block_bytes();
    let a_panel = GROUPS / B::GROUPS;
    let mut panel = Panel::EMPTY;
    // Rows as the file has them are unpacked eight at a time.
    let mut narrow = panel::Panel::EMPTY;
    for r in columns.clone().step_by(ROWS) {
        for first in (0..blocks).step_by(a_panel) {
            let here = a_panel.min(blocks - first);
            // Of rows that are not there the panel holds anything.
            for (o, r) in (r..columns.end).step_by(OCTET).take(OCTETS).enumerate() {
                let octets = matrix.octets(r);
                if let Some(octets) = octets {
                    let next = if first + here < blocks {
                        first + here
                    } else {
                        OCTETS * blocks
                    };
                    // SAFETY: the caller's promise.
                    unsafe { fetch(octets.as_ptr(), next * octet_bytes, here * octet_bytes) };
                }
                for b in 0..here {
                    // SAFETY: an octet is whole, and the caller's promise.
                    unsafe {
                        if let Some(octets) = octets {
                            let octet = &octets[(first + b) * octet_bytes..];
                            panel.unpack::<B>(octet.as_ptr(), (b * B::GROUPS, o));
                        } else {
                            let from = (r, columns.end);
                            rows::unpack::<Vnni, B>(matrix, from, first + b, &mut narrow, 0);
                            panel.widen::<B>(&narrow, (b * B::GROUPS, o));
                        }
                    }
                }
            }
            let (groups, at) = (here * B::GROUPS, first * B::GROUPS);
            let wide = columns.end - r >= ROWS;
            for t in (0..tokens).step_by(TILE) {
                let last = TILE.min(tokens - t) - 1;
                // What the matrix has no 32 rows for goes by here.
                let mut edge = [[0.0; ROWS]; TILE];
                let whole = if wide { out.eight(t, r) } else { None };
                if whole.is_none() && first > 0 {
                    for (i, edge) in edge.iter_mut().enumerate().take(last + 1) {
                        out.load(t + i, r, edge);
                    }
                }
                let (sums, stride) = whole.unwrap_or((edge.as_mut_ptr().cast(), ROWS));
                // SAFETY: the panel's groups are those of `x` from here on, 32 sums are at each of `last + 1`
                // rows, and the caller's promise.
                unsafe {
                    // Rows past the last are computed, too, and left.
                    let mut acc = [[_mm512_setzero_ps(); TILE]; 2];
                    if first > 0 {
                        for i in 0..TILE {
                            let sums = sums.add(i.min(last) * stride);
                            acc[0][i] = _mm512_loadu_ps(sums);
                            acc[1][i] = _mm512_loadu_ps(sums.add(LANES));
                        }
                    }
                    let acc = tile::<B, KIND>(&panel, groups, &x.tile(t), at, acc);
                    for i in (0..TILE).rev() {
                        // The last one is overwritten by its own, which comes after.
                        let sums = sums.add(i.min(last) * stride);
                        _mm512_storeu_ps(sums, acc[0][i]);
                        _mm512_storeu_ps(sums.add(LANES), acc[1][i]);
                    }
                }
                if whole.is_none() {
                    for (i, edge) in edge.iter().enumerate().take(last + 1) {
                        out.store(t + i, r, edge);
                    }
                }
            }
        }
    }
}
