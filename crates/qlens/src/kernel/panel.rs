//! Products of block formats with many rows of activations: prefill.
//!
//! Eight rows of the matrix by up to 1024 columns are unpacked into a *panel*, int8 with the scales beside
//! them, which then meets all rows of activations, four at a time. So a format is unpacked once a batch,
//! and there is one product whatever the format. Sums go on in `out` from panel to panel, so the order is
//! that of [`scalar`](super::scalar).

use super::{
    QuantizedRows,
    activations::{QuantizedTile, TILE},
    octet::{Blocks, Octet, Scales},
    rows::{self, RowBlocks, Simd},
};
use crate::{
    quant::{
        GROUP, Matrix,
        interleave::{OCTET, STEP},
    },
    workers::Columns,
};

/// Groups of 32 columns in a panel, at most.
const GROUPS: usize = 32;
/// Steps of a group.
pub const STEPS: usize = GROUP / 4;

/// Weights of eight rows as int8, and what they are multiplied with.
#[repr(C, align(64))]
pub struct Panel {
    /// `[group, step]`, each four columns of eight rows.
    pub q: [[[u8; STEP]; STEPS]; GROUPS],
    /// Block scales by group, as f32.
    pub d: [[f32; OCTET]; GROUPS],
    /// Integer scales by half group.
    pub scales: [[[i32; OCTET]; 2]; GROUPS],
    /// Minima by group, or what those of half groups are multiplied with.
    pub mins: [[f32; OCTET]; GROUPS],
    /// Integer minima by half group.
    pub half_mins: [[[i32; OCTET]; 2]; GROUPS],
}

impl Panel {
    /// Zeros.
    pub const EMPTY: Self = Self {
        q: [[[0; STEP]; STEPS]; GROUPS],
        d: [[0.0; OCTET]; GROUPS],
        scales: [[[0; OCTET]; 2]; GROUPS],
        mins: [[0.0; OCTET]; GROUPS],
        half_mins: [[[0; OCTET]; 2]; GROUPS],
    };

    /// Where group `g` of row `r` begins, in steps of all rows.
    #[inline(always)]
    pub fn row(&mut self, g: usize, r: usize) -> *mut u8 {
        self.q[g].as_mut_ptr().cast::<u8>().wrapping_add(4 * r)
    }

    /// Unpacks group `J` of the octet of blocks at `p` as the panel's group `g`.
    #[inline(always)]
    unsafe fn unpack_group<S: Octet, B: Blocks<S>, const J: usize>(
        &mut self,
        p: *const u8,
        head: &B::Head,
        g: usize,
    ) {
        // SAFETY: the caller promises a whole octet at `p`; the panel has a group `g`.
        unsafe {
            let (to, steps) = (&mut self.q[g], B::steps::<J>(p));
            S::store(to[0].as_mut_ptr(), B::weights(steps[0]));
            S::store(to[1].as_mut_ptr(), B::weights(steps[1]));
            S::store(to[2].as_mut_ptr(), B::weights(steps[2]));
            S::store(to[3].as_mut_ptr(), B::weights(steps[3]));
            S::store(to[4].as_mut_ptr(), B::weights(steps[4]));
            S::store(to[5].as_mut_ptr(), B::weights(steps[5]));
            S::store(to[6].as_mut_ptr(), B::weights(steps[6]));
            S::store(to[7].as_mut_ptr(), B::weights(steps[7]));
            S::store_f(self.d[g].as_mut_ptr(), S::halves(p));
            match B::scales::<J>(head) {
                Scales::None => {}
                Scales::Whole(scale) => S::store_i(self.scales[g][0].as_mut_ptr(), scale),
                Scales::Halves(first, second) => {
                    S::store_i(self.scales[g][0].as_mut_ptr(), first);
                    S::store_i(self.scales[g][1].as_mut_ptr(), second);
                }
            }
            if let Some(min) = B::min::<J>(head) {
                S::store_f(self.mins[g].as_mut_ptr(), min);
            }
            if let Some((scale, [first, second])) = B::half_mins::<J>(head) {
                S::store_f(self.mins[g].as_mut_ptr(), scale);
                S::store_i(self.half_mins[g][0].as_mut_ptr(), first);
                S::store_i(self.half_mins[g][1].as_mut_ptr(), second);
            }
        }
    }

    /// Unpacks `octets`, octets of blocks, as the panel's first groups.
    #[inline(always)]
    unsafe fn unpack_all<S: Octet, B: Blocks<S>>(&mut self, octets: &[u8]) {
        let bytes = OCTET * B::FORMAT.block_bytes();
        // SAFETY: the octets are whole, and the caller promises that there are no more than fit.
        unsafe {
            if !S::unpack(B::FORMAT, octets.as_ptr(), octets.len() / bytes, self) {
                for (b, octet) in octets.chunks_exact(bytes).enumerate() {
                    self.unpack::<S, B>(octet.as_ptr(), b * B::GROUPS);
                }
            }
        }
    }

    /// Unpacks the octet of blocks at `p` as the panel's groups from `g` on.
    #[inline(always)]
    unsafe fn unpack<S: Octet, B: Blocks<S>>(&mut self, p: *const u8, g: usize) {
        // SAFETY: the caller promises a whole octet at `p`.
        unsafe {
            let head = &B::head(p);
            self.unpack_group::<S, B, 0>(p, head, g);
            if B::GROUPS == 8 {
                self.unpack_group::<S, B, 1>(p, head, g + 1);
                self.unpack_group::<S, B, 2>(p, head, g + 2);
                self.unpack_group::<S, B, 3>(p, head, g + 3);
                self.unpack_group::<S, B, 4>(p, head, g + 4);
                self.unpack_group::<S, B, 5>(p, head, g + 5);
                self.unpack_group::<S, B, 6>(p, head, g + 6);
                self.unpack_group::<S, B, 7>(p, head, g + 7);
            }
        }
    }
}

/// Which numbers of a panel count.
pub const PLAIN: u8 = 0;
/// An integer scale and a minimum a group.
pub const SCALE_AND_MIN: u8 = 1;
/// Two integer scales a group.
pub const TWO_SCALES: u8 = 2;
/// An integer scale a group.
pub const SCALE: u8 = 3;
/// A minimum a group; integer scales are 1.
pub const MIN: u8 = 4;
/// Two integer scales and two integer minima a group.
pub const TWO_SCALES_AND_MINS: u8 = 5;

/// Adds the products of a panel's first `groups` groups with four rows of activations, from their group
/// `first` on.
#[inline(always)]
unsafe fn tile<S: Octet, const KIND: u8>(
    panel: &Panel,
    groups: usize,
    x: &QuantizedTile,
    first: usize,
    acc: [S::F8; TILE],
) -> [S::F8; TILE] {
    // SAFETY: the caller promises that `x` has groups `first .. first + groups`.
    unsafe {
        let x = &QuantizedTile {
            q: x.q.add(TILE * GROUP * first),
            d: x.d.add(TILE * first),
            s: x.s.add(TILE * first),
            bias: x.bias.add(2 * TILE * first),
        };
        let (done, mut acc) = S::tile(KIND, panel, groups, x, acc);
        for g in done..groups {
            let q = x.q.add(TILE * GROUP * g);
            let (a, b) = if KIND == TWO_SCALES || KIND == TWO_SCALES_AND_MINS {
                S::products::<true>(&panel.q[g], q)
            } else {
                S::products::<false>(&panel.q[g], q)
            };

            let d = S::load_f(panel.d[g].as_ptr());
            let x_d = S::f4(x.d.add(TILE * g));
            let scales = &panel.scales[g];
            let scales = [S::load_i(scales[0].as_ptr()), S::load_i(scales[1].as_ptr())];
            let sums = [
                sums::<S, KIND>(a[0], b[0], scales),
                sums::<S, KIND>(a[1], b[1], scales),
                sums::<S, KIND>(a[2], b[2], scales),
                sums::<S, KIND>(a[3], b[3], scales),
            ];
            acc[0] = S::fma(acc[0], sums[0], S::mul_lane::<0>(d, x_d));
            acc[1] = S::fma(acc[1], sums[1], S::mul_lane::<1>(d, x_d));
            acc[2] = S::fma(acc[2], sums[2], S::mul_lane::<2>(d, x_d));
            acc[3] = S::fma(acc[3], sums[3], S::mul_lane::<3>(d, x_d));
            if KIND == SCALE_AND_MIN || KIND == MIN {
                let min = S::load_f(panel.mins[g].as_ptr());
                let x_s = S::f4(x.s.add(TILE * g));
                acc[0] = S::fma_lane::<0>(acc[0], min, x_s);
                acc[1] = S::fma_lane::<1>(acc[1], min, x_s);
                acc[2] = S::fma_lane::<2>(acc[2], min, x_s);
                acc[3] = S::fma_lane::<3>(acc[3], min, x_s);
            }
            if KIND == TWO_SCALES_AND_MINS {
                let scale = S::load_f(panel.mins[g].as_ptr());
                let mins = &panel.half_mins[g];
                let mins = [S::load_i(mins[0].as_ptr()), S::load_i(mins[1].as_ptr())];
                let bias = x.bias.add(2 * TILE * g);
                let sums = [
                    minima::<S>(mins, bias, TILE),
                    minima::<S>(mins, bias.add(1), TILE),
                    minima::<S>(mins, bias.add(2), TILE),
                    minima::<S>(mins, bias.add(3), TILE),
                ];
                acc[0] = S::fma(acc[0], sums[0], S::mul_lane::<0>(scale, x_d));
                acc[1] = S::fma(acc[1], sums[1], S::mul_lane::<1>(scale, x_d));
                acc[2] = S::fma(acc[2], sums[2], S::mul_lane::<2>(scale, x_d));
                acc[3] = S::fma(acc[3], sums[3], S::mul_lane::<3>(scale, x_d));
            }
        }
        acc
    }
}

/// The sums of a group, integer scales multiplied in.
#[inline(always)]
unsafe fn sums<S: Octet, const KIND: u8>(a: S::I8, b: S::I8, scales: [S::I8; 2]) -> S::F8 {
    // SAFETY: the caller's promise.
    unsafe {
        S::to_f::<0>(match KIND {
            TWO_SCALES | TWO_SCALES_AND_MINS => {
                S::add_i(S::mul_i(a, scales[0]), S::mul_i(b, scales[1]))
            }
            SCALE_AND_MIN | SCALE => S::mul_i(b, scales[0]),
            _ => b,
        })
    }
}

/// The products of integer minima of half groups with the sums of a row's activations, negative: `bias` is
/// that of the first half, the second's is `next` numbers on.
#[inline(always)]
pub unsafe fn minima<S: Octet>(mins: [S::I8; 2], bias: *const i32, next: usize) -> S::F8 {
    // SAFETY: the caller's promise.
    unsafe {
        let first = S::mul_i_with(mins[0], bias);
        let second = S::mul_i_with(mins[1], bias.add(next));
        // -128 times the activations' sums.
        S::to_f::<7>(S::add_i(first, second))
    }
}

/// As [`Octet::products`], step by step.
#[inline(always)]
pub unsafe fn products<S: Octet, const HALVES: bool>(
    w: &[[u8; STEP]; STEPS],
    x: *const i8,
) -> ([S::I8; TILE], [S::I8; TILE]) {
    // SAFETY: the caller's promise.
    unsafe {
        let xs = [
            S::x(x),
            S::x(x.add(GROUP)),
            S::x(x.add(2 * GROUP)),
            S::x(x.add(3 * GROUP)),
        ];
        let mut a = [S::start(); TILE];
        step::<S, 0>(&mut a, &w[0], &xs);
        step::<S, 1>(&mut a, &w[1], &xs);
        step::<S, 2>(&mut a, &w[2], &xs);
        step::<S, 3>(&mut a, &w[3], &xs);
        let mut b = if HALVES { [S::start(); TILE] } else { a };
        step::<S, 4>(&mut b, &w[4], &xs);
        step::<S, 5>(&mut b, &w[5], &xs);
        step::<S, 6>(&mut b, &w[6], &xs);
        step::<S, 7>(&mut b, &w[7], &xs);
        (
            [S::sums(a[0]), S::sums(a[1]), S::sums(a[2]), S::sums(a[3])],
            [S::sums(b[0]), S::sums(b[1]), S::sums(b[2]), S::sums(b[3])],
        )
    }
}

/// Adds the products of a step of the panel.
#[inline(always)]
unsafe fn step<S: Octet, const STEP_: usize>(
    sums: &mut [S::Acc; TILE],
    w: &[u8; STEP],
    x: &[S::X; TILE],
) {
    // SAFETY: the caller's promise.
    unsafe {
        let w = S::load(w.as_ptr());
        for t in 0..TILE {
            sums[t] = S::dot::<STEP_>(sums[t], w, x[t]);
        }
    }
}

/// Adds the products of a panel with four rows of activations, from their group `at` on, to eight sums at each of the
/// rows `0..=last` at `sums`, `stride` apart; from group 0 on, the sums begin.
///
/// # Safety
/// The instruction set of `S` is there, `x` has as many groups, and the sums are there.
#[inline(always)]
unsafe fn add_tile<S: Octet, const KIND: u8>(
    panel: &Panel,
    groups: usize,
    (x, at): (&QuantizedTile, usize),
    (sums, stride, last): (*mut f32, usize, usize),
) {
    // Rows past the last are computed, too, and overwritten.
    let rows = [
        sums,
        sums.wrapping_add(last.min(1) * stride),
        sums.wrapping_add(last.min(2) * stride),
        sums.wrapping_add(last.min(3) * stride),
    ];
    // SAFETY: the caller's promise.
    unsafe {
        let acc = if at > 0 {
            [
                S::load_f(rows[0]),
                S::load_f(rows[1]),
                S::load_f(rows[2]),
                S::load_f(rows[3]),
            ]
        } else {
            [S::zero(); TILE]
        };
        let acc = tile::<S, KIND>(panel, groups, x, at, acc);
        S::store_f(rows[3], acc[3]);
        S::store_f(rows[2], acc[2]);
        S::store_f(rows[1], acc[1]);
        S::store_f(rows[0], acc[0]);
    }
}

/// `out[t][r] = matrix[r] . x[t]` for the columns `r` that `out` spans, which begin at a multiple of 8.
///
/// # Safety
/// The instruction set of `S` is there, and the caller has its target features enabled.
#[inline(always)]
pub unsafe fn prefill<S: Octet + Simd, B: Blocks<S> + RowBlocks<S>, const KIND: u8>(
    matrix: &Matrix<'_>,
    x: &QuantizedRows<'_>,
    out: &mut Columns<'_>,
) {
    let blocks = matrix.cols() / B::FORMAT.block_len();
    let (tokens, columns) = (out.rows(), out.columns());
    let a_panel = GROUPS / B::GROUPS;
    let mut panel = Panel::EMPTY;
    if KIND == MIN {
        panel.scales = [[[1; OCTET]; 2]; GROUPS];
    }
    for r in columns.clone().step_by(OCTET) {
        let octets = matrix.octets(r);
        for first in (0..blocks).step_by(a_panel) {
            let here = a_panel.min(blocks - first);
            // SAFETY: octets are whole, the panel has room for as many, and the caller's promise.
            unsafe {
                match octets {
                    Some(octets) => {
                        let bytes = OCTET * B::FORMAT.block_bytes();
                        panel.unpack_all::<S, B>(&octets[first * bytes..][..here * bytes]);
                    }
                    None => {
                        for b in 0..here {
                            let g = b * B::GROUPS;
                            rows::unpack::<S, B>(
                                matrix,
                                (r, columns.end),
                                first + b,
                                &mut panel,
                                g,
                            );
                        }
                    }
                }
            }
            let (groups, at) = (here * B::GROUPS, first * B::GROUPS);
            // SAFETY: the panel has as many groups, and the caller's promise.
            unsafe { S::arrange(&mut panel, groups) };
            for t in (0..tokens).step_by(TILE) {
                let last = TILE.min(tokens - t) - 1;
                let tile = x.tile(t);
                // SAFETY: the panel's groups are those of `x` from here on, eight sums are at each row, and the
                // caller's promise.
                let add = |sums: *mut f32, stride| unsafe {
                    add_tile::<S, KIND>(&panel, groups, (&tile, at), (sums, stride, last));
                };
                if let Some((sums, stride)) = out.eight(t, r) {
                    add(sums, stride);
                    continue;
                }
                // What the matrix has no eight rows for goes by here.
                let mut edge = [[0.0; OCTET]; TILE];
                if first > 0 {
                    for (i, edge) in edge.iter_mut().enumerate().take(last + 1) {
                        out.load(t + i, r, edge);
                    }
                }
                add(edge.as_mut_ptr().cast(), OCTET);
                for (i, edge) in edge.iter().enumerate().take(last + 1) {
                    out.store(t + i, r, edge);
                }
            }
        }
    }
}
