//! Interleaved rows with one row of activations.

use super::{Blocks, Octet, Scales};
use crate::{
    kernel::{
        activations::QuantizedTile,
        panel::minima,
        rows::{self, RowBlocks, Simd},
    },
    quant::{GROUP, Matrix, interleave::OCTET},
    workers::Columns,
};

/// Group `J` of the octet at `p`, unpacked, and group `g` of the activations.
struct Group<S: Octet> {
    w: [S::Bytes; 8],
    x: S::X,
    /// Sums of the first 16 columns, or of all.
    a: S::Acc,
    /// Sums of the others, if they are summed apart.
    b: S::Acc,
}

impl<S: Octet> Group<S> {
    #[inline(always)]
    unsafe fn new<B: Blocks<S>, const J: usize>(p: *const u8, x: &QuantizedTile, g: usize) -> Self {
        // SAFETY: the caller promises a whole octet at `p` and a group `g` in `x`.
        unsafe {
            Self {
                w: B::steps::<J>(p),
                x: S::x(x.q.add(GROUP * g)),
                a: S::start(),
                b: S::start(),
            }
        }
    }

    /// Adds step `STEP` to the sums.
    #[inline(always)]
    unsafe fn step<B: Blocks<S>, const STEP: usize>(&mut self) {
        let sums = if STEP < 4 || !B::HALVES {
            &mut self.a
        } else {
            &mut self.b
        };
        // SAFETY: the caller's promise.
        *sums = unsafe { S::dot::<STEP>(*sums, self.w[STEP], self.x) };
    }

    /// Adds group `J`'s share, of group `g` of the activations, to `acc`.
    #[inline(always)]
    unsafe fn finish<B: Blocks<S>, const J: usize>(
        self,
        (head, d): (&B::Head, S::F8),
        x: &QuantizedTile,
        g: usize,
        acc: S::F8,
    ) -> S::F8 {
        // SAFETY: the caller promises a group `g` in `x`.
        unsafe {
            let (a, b) = (S::sums(self.a), S::sums(self.b));
            let sums = match B::scales::<J>(head) {
                Scales::None => a,
                Scales::Whole(scale) => S::mul_i(a, scale),
                Scales::Halves(first, second) => S::add_i(S::mul_i(a, first), S::mul_i(b, second)),
            };
            let acc = S::fma(acc, B::to_f(sums), S::mul_with(d, x.d.add(g)));
            let acc = match B::min::<J>(head) {
                None => acc,
                Some(min) => S::fma_with(acc, min, x.s.add(g)),
            };
            match B::half_mins::<J>(head) {
                None => acc,
                Some((scale, mins)) => {
                    let sums = minima::<S>(mins, x.bias.add(2 * g), 1);
                    S::fma(acc, sums, S::mul_with(scale, x.d.add(g)))
                }
            }
        }
    }
}

/// Adds groups `J` of the octet at `p` and `K` of that at `q`, groups `g` and `g + 1` of the activations.
/// Two at a time, so that there are sums to add to while others are waited for.
#[inline(always)]
unsafe fn two_groups<S: Octet, B: Blocks<S>, const J: usize, const K: usize>(
    (p, p_head): (*const u8, (&B::Head, S::F8)),
    (q, q_head): (*const u8, (&B::Head, S::F8)),
    x: &QuantizedTile,
    g: usize,
    acc: S::F8,
) -> S::F8 {
    // SAFETY: the caller promises whole octets and as many groups in `x`.
    unsafe {
        let mut first = Group::<S>::new::<B, J>(p, x, g);
        let mut second = Group::<S>::new::<B, K>(q, x, g + 1);
        first.step::<B, 0>();
        second.step::<B, 0>();
        first.step::<B, 4>();
        second.step::<B, 4>();
        first.step::<B, 1>();
        second.step::<B, 1>();
        first.step::<B, 5>();
        second.step::<B, 5>();
        first.step::<B, 2>();
        second.step::<B, 2>();
        first.step::<B, 6>();
        second.step::<B, 6>();
        first.step::<B, 3>();
        second.step::<B, 3>();
        first.step::<B, 7>();
        second.step::<B, 7>();
        let acc = first.finish::<B, J>(p_head, x, g, acc);
        second.finish::<B, K>(q_head, x, g + 1, acc)
    }
}

/// Adds group 0 of the octet at `p`, group `g` of the activations.
#[inline(always)]
unsafe fn one_group<S: Octet, B: Blocks<S>>(
    (p, head): (*const u8, (&B::Head, S::F8)),
    x: &QuantizedTile,
    g: usize,
    acc: S::F8,
) -> S::F8 {
    // SAFETY: the caller promises a whole octet and a group `g` in `x`.
    unsafe {
        let mut group = Group::<S>::new::<B, 0>(p, x, g);
        group.step::<B, 0>();
        group.step::<B, 4>();
        group.step::<B, 1>();
        group.step::<B, 5>();
        group.step::<B, 2>();
        group.step::<B, 6>();
        group.step::<B, 3>();
        group.step::<B, 7>();
        group.finish::<B, 0>(head, x, g, acc)
    }
}

/// The products of eight rows with `x`: `octets` octets of blocks at `p`, one after the other.
#[inline(always)]
unsafe fn eight_rows<S: Octet, B: Blocks<S>>(
    p: *const u8,
    octets: usize,
    x: &QuantizedTile,
) -> S::F8 {
    let bytes = OCTET * B::FORMAT.block_bytes();
    // SAFETY: the caller promises whole octets, and as many groups in `x`.
    unsafe {
        let (done, mut acc) = S::decode(B::FORMAT, p, octets, x, S::zero());
        if B::GROUPS == 8 {
            for b in done..octets {
                let p = p.add(b * bytes);
                let head = B::head(p);
                let (at, g) = ((p, (&head, S::halves(p))), 8 * b);
                // Spelled out, so that each group's shifts and offsets are constants.
                acc = two_groups::<S, B, 0, 1>(at, at, x, g, acc);
                acc = two_groups::<S, B, 2, 3>(at, at, x, g + 2, acc);
                acc = two_groups::<S, B, 4, 5>(at, at, x, g + 4, acc);
                acc = two_groups::<S, B, 6, 7>(at, at, x, g + 6, acc);
            }
        } else {
            for b in (done..octets - octets % 2).step_by(2) {
                let (p, q) = (p.add(b * bytes), p.add((b + 1) * bytes));
                let (p_head, q_head) = (B::head(p), B::head(q));
                let (p, q) = ((p, (&p_head, S::halves(p))), (q, (&q_head, S::halves(q))));
                acc = two_groups::<S, B, 0, 0>(p, q, x, b, acc);
            }
            if done < octets && octets % 2 == 1 {
                let b = octets - 1;
                let p = p.add(b * bytes);
                let head = B::head(p);
                acc = one_group::<S, B>((p, (&head, S::halves(p))), x, b, acc);
            }
        }
        acc
    }
}

/// `out[0][r] = matrix[r] . x` for the columns `r` that `out` spans, which begin at a multiple of 8.
///
/// # Safety
/// The instruction set of `S` is there, and a row of the matrix is as long as `x`.
#[inline(always)]
pub unsafe fn decode<S: Octet + Simd, B: Blocks<S> + RowBlocks<S>>(
    matrix: &Matrix<'_>,
    x: &QuantizedTile,
    out: &mut Columns<'_>,
) {
    let blocks = matrix.cols() / B::FORMAT.block_len();
    let columns = out.columns();
    let whole = columns
        .end
        .min(matrix.interleaved_rows())
        .max(columns.start);
    for r in (columns.start..whole).step_by(OCTET) {
        let octets = matrix.octets(r).expect("interleaved rows");
        // SAFETY: the octets are those of all blocks of a row, and the caller's promise.
        unsafe {
            let acc = eight_rows::<S, B>(octets.as_ptr(), blocks, x);
            if let Some((sums, _)) = out.eight(0, r) {
                S::store_f(sums, acc);
            }
        }
    }
    // SAFETY: the caller's promise.
    unsafe { rows::decode::<S, B>(matrix, x, whole, out) }
}
