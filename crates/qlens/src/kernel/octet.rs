//! Products of interleaved block formats.
//!
//! A vector lane is a row of the matrix ([`quant::interleave`](crate::quant::interleave)), so the float part
//! of [`scalar`](super::scalar) is done for eight rows at once, in its order, and no sum crosses lanes.
//!
//! An instruction set is an [`Octet`]: eight rows by four columns at a time. A format is a [`Blocks`]: how
//! its bytes become those.

use super::{
    activations::{QuantizedRows, QuantizedTile},
    panel::{self, PLAIN, SCALE_AND_MIN, TWO_SCALES},
    rows::{self, RowBlocks, Simd},
};
use crate::{
    quant::{
        Format, GROUP, Matrix,
        interleave::{OCTET, QUANTS, STEP, q4_k, q6_k},
    },
    workers::Columns,
};

/// What a vector instruction set offers to products with eight rows.
///
/// # Safety
/// The methods may be called only where the instruction set is known to be there, and with pointers to as
/// many bytes as they say. Implementations are `inline(always)` so that they take on the target features of
/// their caller.
pub unsafe trait Octet {
    /// A step: four columns of eight rows, signed bytes.
    type Bytes: Copy;
    /// The 32 activations of a group.
    type X: Copy;
    /// Sums of products of eight rows, in whatever form they are added up.
    type Acc: Copy;
    /// Eight i32, a lane a row.
    type I8: Copy;
    /// Eight f32, a lane a row.
    type F8: Copy;
    /// Four f32 that lanes are multiplied with.
    type F4: Copy;
    /// Whether the two halves of a group are summed apart, to have more sums that do not wait for each other.
    const HALVES: bool;

    /// The 32 bytes at `p`.
    unsafe fn load(p: *const u8) -> Self::Bytes;
    /// To the 32 bytes at `p`.
    unsafe fn store(p: *mut u8, v: Self::Bytes);
    /// Each byte and `mask`.
    unsafe fn and(v: Self::Bytes, mask: u8) -> Self::Bytes;
    /// Each byte up by `N` bits, 1 to 7.
    unsafe fn shl<const N: i32>(v: Self::Bytes) -> Self::Bytes;
    /// Each byte down by `N` bits, 1 to 7, zeros coming in.
    unsafe fn shr<const N: i32>(v: Self::Bytes) -> Self::Bytes;
    /// Each byte down by `N` bits, 0 to 7, its sign coming in.
    unsafe fn asr<const N: i32>(v: Self::Bytes) -> Self::Bytes;
    /// The upper `N` bits, 1 to 7, of each byte of `a`, whose others are 0, then the uppermost of `b`'s.
    unsafe fn sri<const N: i32>(a: Self::Bytes, b: Self::Bytes) -> Self::Bytes;
    /// The 32 activations at `p`.
    unsafe fn x(p: *const i8) -> Self::X;
    /// Sums to begin with; at `bias` is that of the activations that are to come.
    unsafe fn start(bias: *const i32) -> Self::Acc;
    /// Adds the products of `w` with activations `4 STEP .. 4 STEP + 4`.
    unsafe fn dot<const STEP: usize>(acc: Self::Acc, w: Self::Bytes, x: Self::X) -> Self::Acc;
    /// The sums.
    unsafe fn sums(acc: Self::Acc) -> Self::I8;
    /// Lane by lane.
    unsafe fn add_i(a: Self::I8, b: Self::I8) -> Self::I8;
    /// Lane by lane.
    unsafe fn mul_i(a: Self::I8, b: Self::I8) -> Self::I8;
    /// The eight signed bytes at `p`.
    unsafe fn widen_i8(p: *const i8) -> Self::I8;
    /// The eight unsigned bytes at `p`.
    unsafe fn widen_u8(p: *const u8) -> Self::I8;
    /// The eight i32 at `p`.
    unsafe fn load_i(p: *const i32) -> Self::I8;
    /// To the eight i32 at `p`.
    unsafe fn store_i(p: *mut i32, v: Self::I8);
    /// Divided by `2^FRACTION`; exact where the quotient is an integer below 2^24.
    unsafe fn to_f<const FRACTION: i32>(v: Self::I8) -> Self::F8;
    /// All lanes 0.
    unsafe fn zero() -> Self::F8;
    /// Eight floats from the half precision ones at `p`.
    unsafe fn halves(p: *const u8) -> Self::F8;
    /// The eight floats at `p`.
    unsafe fn load_f(p: *const f32) -> Self::F8;
    /// To the eight floats at `p`.
    unsafe fn store_f(p: *mut f32, v: Self::F8);
    /// Lane by lane.
    unsafe fn mul(a: Self::F8, b: Self::F8) -> Self::F8;
    /// All lanes with the float at `p`.
    unsafe fn mul_with(a: Self::F8, p: *const f32) -> Self::F8;
    /// `-a`.
    unsafe fn neg(a: Self::F8) -> Self::F8;
    /// `acc + a * b`, rounded once.
    unsafe fn fma(acc: Self::F8, a: Self::F8, b: Self::F8) -> Self::F8;
    /// `acc + a * b` with the float at `p` as every lane of `b`, rounded once.
    unsafe fn fma_with(acc: Self::F8, a: Self::F8, p: *const f32) -> Self::F8;
    /// The four floats at `p`.
    unsafe fn f4(p: *const f32) -> Self::F4;
    /// All lanes with float `T` of `b`.
    unsafe fn mul_lane<const T: i32>(a: Self::F8, b: Self::F4) -> Self::F8;
    /// `acc + a * b` with float `T` of `b`, rounded once.
    unsafe fn fma_lane<const T: i32>(acc: Self::F8, a: Self::F8, b: Self::F4) -> Self::F8;
}

/// A block format as a type.
pub trait Block {
    /// Which format it is.
    const FORMAT: Format;
    /// Groups of 32 columns in a block: 1 or 8.
    const GROUPS: usize = Self::FORMAT.block_len() / GROUP;
}

/// A block format, interleaved.
///
/// # Safety
/// `p` points to a whole octet of blocks of the format in every method; `J` is below `GROUPS`.
pub unsafe trait Blocks<S: Octet>: Block {
    /// Whether the two halves of a group have integer scales of their own.
    const HALVES: bool = false;
    /// Integer scales and minima, where there are any, ready for use.
    type Head;

    /// Reads them.
    unsafe fn head(p: *const u8) -> Self::Head;
    /// The eight steps of group `J`, each weight signed and in the upper bits of its byte.
    unsafe fn steps<const J: usize>(p: *const u8) -> [S::Bytes; 8];
    /// The weights of a step, moved down to where they count as what they are.
    unsafe fn weights(step: S::Bytes) -> S::Bytes {
        step
    }
    /// Sums of products of steps as those of weights.
    unsafe fn to_f(sums: S::I8) -> S::F8 {
        // SAFETY: the caller's promise.
        unsafe { S::to_f::<0>(sums) }
    }
    /// The integer scales of the two halves of group `J`.
    unsafe fn scales<const J: usize>(_head: &Self::Head) -> Scales<S> {
        Scales::None
    }
    /// The minima of group `J`.
    unsafe fn min<const J: usize>(_head: &Self::Head) -> Option<S::F8> {
        None
    }
}

/// Integer scales of a group of eight rows.
pub enum Scales<S: Octet> {
    /// There are none.
    None,
    /// One for all 32 columns.
    Whole(S::I8),
    /// One for each 16.
    Halves(S::I8, S::I8),
}

/// [`Format::Q8_0`].
pub struct Q8_0;
impl Block for Q8_0 {
    const FORMAT: Format = Format::Q8_0;
}
/// [`Format::Q4_0`].
pub struct Q4_0;
impl Block for Q4_0 {
    const FORMAT: Format = Format::Q4_0;
}
/// [`Format::Q5_0`].
pub struct Q5_0;
impl Block for Q5_0 {
    const FORMAT: Format = Format::Q5_0;
}
/// [`Format::Q4K`].
pub struct Q4K;
impl Block for Q4K {
    const FORMAT: Format = Format::Q4K;
}
/// [`Format::Q6K`].
pub struct Q6K;
impl Block for Q6K {
    const FORMAT: Format = Format::Q6K;
}

/// The eight steps that an expression gives for `s` in 0..8. A closure might stay a function of its own, without
/// the target features that its intrinsics need to be instructions.
macro_rules! eight {
    (|$s:ident| $step:expr) => {
        [
            {
                let $s = 0;
                $step
            },
            {
                let $s = 1;
                $step
            },
            {
                let $s = 2;
                $step
            },
            {
                let $s = 3;
                $step
            },
            {
                let $s = 4;
                $step
            },
            {
                let $s = 5;
                $step
            },
            {
                let $s = 6;
                $step
            },
            {
                let $s = 7;
                $step
            },
        ]
    };
}

/// Step `s` of those that begin at `p`.
#[inline(always)]
unsafe fn step<S: Octet>(p: *const u8, s: usize) -> S::Bytes {
    // SAFETY: the caller promises as many steps.
    unsafe { S::load(p.add(STEP * s)) }
}

// SAFETY: every offset below is inside the octet that `quant::interleave` describes.
unsafe impl<S: Octet> Blocks<S> for Q8_0 {
    type Head = ();
    #[inline(always)]
    unsafe fn head(_: *const u8) {}
    #[inline(always)]
    unsafe fn steps<const J: usize>(p: *const u8) -> [S::Bytes; 8] {
        // SAFETY: as the impl.
        unsafe { eight!(|s| step::<S>(p.add(QUANTS), s)) }
    }
}

// SAFETY: as for `Q8_0`.
unsafe impl<S: Octet> Blocks<S> for Q4_0 {
    type Head = ();
    #[inline(always)]
    unsafe fn head(_: *const u8) {}
    #[inline(always)]
    unsafe fn weights(step: S::Bytes) -> S::Bytes {
        // SAFETY: the caller's promise.
        unsafe { S::asr::<4>(step) }
    }
    #[inline(always)]
    unsafe fn to_f(sums: S::I8) -> S::F8 {
        // SAFETY: the caller's promise.
        unsafe { S::to_f::<4>(sums) }
    }
    #[inline(always)]
    unsafe fn steps<const J: usize>(p: *const u8) -> [S::Bytes; 8] {
        // SAFETY: as the impl.
        unsafe {
            eight!(|s| {
                let pair = step::<S>(p.add(QUANTS), s % 4);
                if s < 4 {
                    S::shl::<4>(pair)
                } else {
                    S::and(pair, 0xF0)
                }
            })
        }
    }
}

// SAFETY: as for `Q8_0`.
unsafe impl<S: Octet> Blocks<S> for Q5_0 {
    type Head = ();
    #[inline(always)]
    unsafe fn head(_: *const u8) {}
    #[inline(always)]
    unsafe fn weights(step: S::Bytes) -> S::Bytes {
        // SAFETY: the caller's promise.
        unsafe { S::asr::<3>(step) }
    }
    #[inline(always)]
    unsafe fn to_f(sums: S::I8) -> S::F8 {
        // SAFETY: the caller's promise.
        unsafe { S::to_f::<3>(sums) }
    }
    #[inline(always)]
    unsafe fn steps<const J: usize>(p: *const u8) -> [S::Bytes; 8] {
        // SAFETY: as the impl.
        unsafe {
            let p = p.add(QUANTS);
            let (a, b, c) = (step::<S>(p, 0), step::<S>(p, 1), step::<S>(p, 2));
            let (d, e) = (step::<S>(p, 3), step::<S>(p, 4));
            // Bit 2 of the last two, side by side at the top.
            let last = S::sri::<1>(S::and(S::shl::<5>(d), 0x80), S::shl::<5>(e));
            [
                S::and(a, 0xF8),
                S::and(b, 0xF8),
                S::and(c, 0xF8),
                S::and(d, 0xF8),
                S::and(e, 0xF8),
                S::sri::<3>(S::shl::<5>(a), S::shl::<6>(d)),
                S::sri::<3>(S::shl::<5>(b), S::shl::<6>(e)),
                S::sri::<3>(S::shl::<5>(c), S::and(last, 0xC0)),
            ]
        }
    }
}

/// 64 6-bit scales and 64 6-bit minima of eight Q4_K superblocks, a byte each.
pub struct HeadQ4K<S: Octet> {
    scales: [u8; 64],
    mins: [u8; 64],
    /// `-dmin`.
    dmin: S::F8,
}

/// 64 6-bit numbers as bytes; see [`quant::interleave`](crate::quant::interleave).
#[inline(always)]
fn six_bits(packed: [u64; 6]) -> [u8; 64] {
    const fn each(byte: u64) -> u64 {
        byte * 0x0101_0101_0101_0101
    }
    let mut words = [0; 8];
    for i in 0..6 {
        words[i] = packed[i] & each(0x3F);
    }
    for i in 0..2 {
        words[6 + i] = packed[i] >> 6 & each(3)
            | packed[2 + i] >> 4 & each(0x0C)
            | packed[4 + i] >> 2 & each(0x30);
    }
    bytemuck::cast(words.map(u64::to_le))
}

// SAFETY: as for `Q8_0`.
unsafe impl<S: Octet> Blocks<S> for Q4K {
    type Head = HeadQ4K<S>;
    #[inline(always)]
    unsafe fn head(p: *const u8) -> HeadQ4K<S> {
        // SAFETY: as the impl. Words need not be aligned.
        unsafe {
            HeadQ4K {
                scales: six_bits(p.add(q4_k::SCALES).cast::<[u64; 6]>().read_unaligned()),
                mins: six_bits(p.add(q4_k::MINS).cast::<[u64; 6]>().read_unaligned()),
                dmin: S::neg(S::halves(p.add(q4_k::DMIN))),
            }
        }
    }
    #[inline(always)]
    unsafe fn steps<const J: usize>(p: *const u8) -> [S::Bytes; 8] {
        // SAFETY: as the impl.
        unsafe {
            eight!(|s| {
                let pair = step::<S>(p.add(q4_k::QUANTS), J / 2 * 8 + s);
                if J.is_multiple_of(2) {
                    S::and(pair, 0x0F)
                } else {
                    S::shr::<4>(pair)
                }
            })
        }
    }
    #[inline(always)]
    unsafe fn scales<const J: usize>(head: &HeadQ4K<S>) -> Scales<S> {
        // SAFETY: 8 J + 8 is at most 64.
        Scales::Whole(unsafe { S::widen_u8(head.scales.as_ptr().add(OCTET * J)) })
    }
    #[inline(always)]
    unsafe fn min<const J: usize>(head: &HeadQ4K<S>) -> Option<S::F8> {
        // SAFETY: as `scales`.
        unsafe {
            let mins = S::widen_u8(head.mins.as_ptr().add(OCTET * J));
            Some(S::mul(head.dmin, S::to_f::<0>(mins)))
        }
    }
}

/// Four steps of 6-bit weights out of three of bytes.
#[inline(always)]
unsafe fn four_in_three<S: Octet>(p: *const u8) -> [S::Bytes; 4] {
    // SAFETY: the caller promises three steps at `p`.
    unsafe {
        let (a, b, c) = (step::<S>(p, 0), step::<S>(p, 1), step::<S>(p, 2));
        let last = S::sri::<2>(S::shl::<6>(a), S::shl::<6>(b));
        [
            S::and(a, 0xFC),
            S::and(b, 0xFC),
            S::and(c, 0xFC),
            S::sri::<4>(last, S::shl::<6>(c)),
        ]
    }
}

// SAFETY: as for `Q8_0`.
unsafe impl<S: Octet> Blocks<S> for Q6K {
    const HALVES: bool = true;
    /// Where the octet is.
    type Head = *const u8;
    #[inline(always)]
    unsafe fn head(p: *const u8) -> *const u8 {
        p
    }
    #[inline(always)]
    unsafe fn weights(step: S::Bytes) -> S::Bytes {
        // SAFETY: the caller's promise.
        unsafe { S::asr::<2>(step) }
    }
    #[inline(always)]
    unsafe fn to_f(sums: S::I8) -> S::F8 {
        // SAFETY: the caller's promise.
        unsafe { S::to_f::<2>(sums) }
    }
    #[inline(always)]
    unsafe fn steps<const J: usize>(p: *const u8) -> [S::Bytes; 8] {
        // SAFETY: as the impl.
        unsafe {
            let p = p.add(q6_k::QUANTS + 6 * STEP * J);
            let [a, b, c, d] = four_in_three::<S>(p);
            let [e, f, g, h] = four_in_three::<S>(p.add(3 * STEP));
            [a, b, c, d, e, f, g, h]
        }
    }
    #[inline(always)]
    unsafe fn scales<const J: usize>(p: &*const u8) -> Scales<S> {
        // SAFETY: as the impl.
        unsafe {
            let p = p.add(q6_k::SCALES + 2 * OCTET * J);
            Scales::Halves(S::widen_i8(p.cast()), S::widen_i8(p.add(OCTET).cast()))
        }
    }
}

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
            let bias = x.bias.add(2 * g);
            Self {
                w: B::steps::<J>(p),
                x: S::x(x.q.add(GROUP * g)),
                a: S::start(bias),
                b: S::start(bias.add(1)),
            }
        }
    }

    /// Adds step `STEP` to the sums.
    #[inline(always)]
    unsafe fn step<B: Blocks<S>, const STEP: usize>(&mut self) {
        let sums = if STEP < 4 || !(S::HALVES || B::HALVES) {
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
            let whole = if S::HALVES { S::add_i(a, b) } else { a };
            let sums = match B::scales::<J>(head) {
                Scales::None => whole,
                Scales::Whole(scale) => S::mul_i(whole, scale),
                Scales::Halves(first, second) => S::add_i(S::mul_i(a, first), S::mul_i(b, second)),
            };
            let acc = S::fma(acc, B::to_f(sums), S::mul_with(d, x.d.add(g)));
            match B::min::<J>(head) {
                None => acc,
                Some(min) => S::fma_with(acc, min, x.s.add(g)),
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
        let mut acc = S::zero();
        if B::GROUPS == 8 {
            for b in 0..octets {
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
            for b in (0..octets - octets % 2).step_by(2) {
                let (p, q) = (p.add(b * bytes), p.add((b + 1) * bytes));
                let (p_head, q_head) = (B::head(p), B::head(q));
                let (p, q) = ((p, (&p_head, S::halves(p))), (q, (&q_head, S::halves(q))));
                acc = two_groups::<S, B, 0, 0>(p, q, x, b, acc);
            }
            if octets % 2 == 1 {
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
#[inline(always)]
unsafe fn decode<S: Octet + Simd, B: Blocks<S> + RowBlocks<S>>(
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

/// `out[t][r] = matrix[r] . x[t]` for the columns `r` that `out` spans, which begin and end at multiples of 8, or
/// with the matrix.
///
/// # Safety
/// The instruction set of `S` is there, and the caller has its target features enabled.
#[inline(always)]
pub unsafe fn matmul<S: Octet + Simd>(
    matrix: &Matrix<'_>,
    x: &QuantizedRows<'_>,
    out: &mut Columns<'_>,
) where
    rows::HeadQ4K<S>: Copy,
{
    let columns = out.columns();
    assert!(columns.start.is_multiple_of(OCTET) && columns.end <= matrix.rows());
    assert!(columns.end.is_multiple_of(OCTET) || columns.end == matrix.rows());
    assert!(x.cols() == matrix.cols() && x.rows() == out.rows());
    // SAFETY: the caller's promise; rows of the matrix are as long as those of the activations.
    unsafe {
        match matrix.format() {
            Format::Q8_0 => product::<S, Q8_0, PLAIN>(matrix, x, out),
            Format::Q4_0 => product::<S, Q4_0, PLAIN>(matrix, x, out),
            Format::Q5_0 => product::<S, Q5_0, PLAIN>(matrix, x, out),
            Format::Q4K => product::<S, Q4K, SCALE_AND_MIN>(matrix, x, out),
            Format::Q6K => product::<S, Q6K, TWO_SCALES>(matrix, x, out),
            Format::F32 | Format::F16 | Format::Bf16 => {
                debug_assert!(false, "{} takes f32 activations", matrix.format());
            }
        }
    }
}

#[inline(always)]
unsafe fn product<S: Octet + Simd, B: Blocks<S> + RowBlocks<S>, const KIND: u8>(
    matrix: &Matrix<'_>,
    x: &QuantizedRows<'_>,
    out: &mut Columns<'_>,
) {
    // SAFETY: the caller's promise.
    unsafe {
        match out.rows() {
            0 => {}
            1 => decode::<S, B>(matrix, &x.tile(0), out),
            _ => panel::prefill::<S, B, KIND>(matrix, x, out),
        }
    }
}
