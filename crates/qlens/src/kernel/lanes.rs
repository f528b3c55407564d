//! Sixteen f32 at a time: the one definition of every float operation that is not an int8 product.
//!
//! A reduction over `n` values runs as 16 strided partial results, lane `i` taking values `i`, `i + 16`,
//! `i + 32` …, and ends with the fixed tree of [`Lanes::sum`]. Each instruction set implements [`Lanes`]
//! with its own registers; since every operation below is exactly rounded and their order is written
//! once, in [`float`](super::float), all of them give the same bits. [`Scalar`] is the one to read.
//!
//! The implementations are `inline(always)` so that they take on the target features of the entry
//! point they are used from.

use half::{bf16, f16};

/// Lanes of a vector.
pub const LANES: usize = 16;

/// Sixteen f32. Every operation rounds once, to nearest even.
pub trait Lanes: Copy {
    /// All lanes `x`.
    fn splat(x: f32) -> Self;
    /// From memory.
    fn load(x: &[f32; LANES]) -> Self;
    /// From half precision, exactly.
    fn load_f16(x: &[u16; LANES]) -> Self;
    /// From integers, exactly.
    fn load_i8(x: &[i8; LANES]) -> Self;
    /// To memory.
    fn store(self, out: &mut [f32; LANES]);
    /// To half precision, to nearest even.
    fn store_f16(self, out: &mut [u16; LANES]);
    /// `self + other`.
    fn add(self, other: Self) -> Self;
    /// `self - other`.
    fn sub(self, other: Self) -> Self;
    /// `self * other`.
    fn mul(self, other: Self) -> Self;
    /// `self / other`.
    fn div(self, other: Self) -> Self;
    /// The larger of both.
    fn max(self, other: Self) -> Self;
    /// The smaller of both.
    fn min(self, other: Self) -> Self;
    /// `self + a * b`, rounded once.
    fn fma(self, a: Self, b: Self) -> Self;
    /// Magnitudes.
    fn abs(self) -> Self;
    /// To the nearest integer, ties to even.
    fn round(self) -> Self;
    /// To the nearest integer, ties away from zero.
    fn round_away(self) -> Self;
    /// `2^self` for integers in -126..=127.
    fn exp2i(self) -> Self;
    /// To int8; lanes are integers in -127..=127. Returns their sum.
    fn store_i8(self, out: &mut [i8; LANES]) -> i32;

    /// A half precision number, exactly.
    #[inline(always)]
    fn half(bits: u16) -> f32 {
        f16::from_bits(bits).to_f32()
    }

    /// From the upper halves of f32, exactly.
    #[inline(always)]
    fn load_bf16(x: &[u16; LANES]) -> Self {
        Self::load(&x.map(|b| bf16::from_bits(b).to_f32()))
    }

    /// From memory, lanes past the end of `x` being 0. At most [`LANES`] values are read.
    #[inline(always)]
    fn load_partial(x: &[f32]) -> Self {
        let mut all = [0.0; LANES];
        for (lane, x) in all.iter_mut().zip(x) {
            *lane = *x;
        }
        Self::load(&all)
    }

    /// To memory, as many lanes as `out` has.
    #[inline(always)]
    fn store_partial(self, out: &mut [f32]) {
        let mut all = [0.0; LANES];
        self.store(&mut all);
        for (out, lane) in out.iter_mut().zip(all) {
            *out = lane;
        }
    }

    /// The lanes' sum: lane `i` and `i + 8`, then `i + 4`, `i + 2`, `i + 1`.
    #[inline(always)]
    fn sum(self) -> f32 {
        self.fold(|a, b| a + b, Self::add)
    }

    /// The largest lane.
    #[inline(always)]
    fn largest(self) -> f32 {
        self.fold(|a, b| if b > a { b } else { a }, |a, b| b.max(a))
    }

    /// The sums of four vectors, each as [`sum`](Lanes::sum).
    #[inline(always)]
    fn sums(four: [Self; 4]) -> [f32; 4] {
        let [a, b, c, d] = four;
        [a.sum(), b.sum(), c.sum(), d.sum()]
    }

    /// As the function of that name.
    #[inline(always)]
    fn products<const H: usize, const W: usize>(
        q: &[[[f32; LANES]; W]; H],
        key: &[[u16; LANES]; W],
    ) -> [Self; 4] {
        products(q, key)
    }

    /// The first half of that tree: lanes `i`, `i + 4`, `i + 8` and `i + 12` as one, for `i` in 0..4.
    #[inline(always)]
    fn quarters(self, f: impl Fn(f32, f32) -> f32) -> [f32; 4] {
        let mut all = [0.0; LANES];
        self.store(&mut all);
        core::array::from_fn(|i| f(f(all[i], all[i + 8]), f(all[i + 4], all[i + 12])))
    }

    /// The tree that [`sum`](Lanes::sum) describes; `all` does lane by lane what `f` does.
    #[inline(always)]
    fn fold(self, f: impl Fn(f32, f32) -> f32, _all: impl Fn(Self, Self) -> Self) -> f32 {
        let mut all = [0.0; LANES];
        self.store(&mut all);
        for half in [8, 4, 2, 1] {
            for i in 0..half {
                all[i] = f(all[i], all[i + half]);
            }
        }
        all[0]
    }
}

/// The products of `H` heads of a query with a key of half precision, each as sixteen partial sums: those of the first
/// sixteen columns, and the others' added one after the other. At most four heads; the rest is 0.
#[inline(always)]
pub fn products<L: Lanes, const H: usize, const W: usize>(
    q: &[[[f32; LANES]; W]; H],
    key: &[[u16; LANES]; W],
) -> [L; 4] {
    let mut sums = [L::splat(0.0); 4];
    for c in 0..W {
        let key = L::load_f16(&key[c]);
        for (sum, q) in sums.iter_mut().zip(q) {
            let q = L::load(&q[c]);
            *sum = if c == 0 { q.mul(key) } else { sum.fma(q, key) };
        }
    }
    sums
}

/// The specification: sixteen f32, one after the other.
#[derive(Clone, Copy)]
pub struct Scalar([f32; LANES]);

impl Scalar {
    #[inline(always)]
    fn zip(self, other: Self, f: impl Fn(f32, f32) -> f32) -> Self {
        Self(core::array::from_fn(|i| f(self.0[i], other.0[i])))
    }
}

impl Lanes for Scalar {
    #[inline(always)]
    fn splat(x: f32) -> Self {
        Self([x; LANES])
    }
    #[inline(always)]
    fn load(x: &[f32; LANES]) -> Self {
        Self(*x)
    }
    #[inline(always)]
    fn load_f16(x: &[u16; LANES]) -> Self {
        Self(x.map(|b| f16::from_bits(b).to_f32()))
    }
    #[inline(always)]
    fn load_i8(x: &[i8; LANES]) -> Self {
        Self(x.map(f32::from))
    }
    #[inline(always)]
    fn store(self, out: &mut [f32; LANES]) {
        *out = self.0;
    }
    #[inline(always)]
    fn store_f16(self, out: &mut [u16; LANES]) {
        *out = self.0.map(|x| f16::from_f32(x).to_bits());
    }
    #[inline(always)]
    fn add(self, other: Self) -> Self {
        self.zip(other, |a, b| a + b)
    }
    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        self.zip(other, |a, b| a - b)
    }
    #[inline(always)]
    fn mul(self, other: Self) -> Self {
        self.zip(other, |a, b| a * b)
    }
    #[inline(always)]
    fn div(self, other: Self) -> Self {
        self.zip(other, |a, b| a / b)
    }
    #[inline(always)]
    fn max(self, other: Self) -> Self {
        self.zip(other, |a, b| if a > b { a } else { b })
    }
    #[inline(always)]
    fn min(self, other: Self) -> Self {
        self.zip(other, |a, b| if a < b { a } else { b })
    }
    #[inline(always)]
    fn fma(self, a: Self, b: Self) -> Self {
        Self(core::array::from_fn(|i| {
            libm::fmaf(a.0[i], b.0[i], self.0[i])
        }))
    }
    #[inline(always)]
    fn abs(self) -> Self {
        Self(self.0.map(f32::abs))
    }
    #[inline(always)]
    fn round(self) -> Self {
        Self(self.0.map(libm::rintf))
    }
    #[inline(always)]
    fn round_away(self) -> Self {
        Self(self.0.map(libm::roundf))
    }
    #[inline(always)]
    fn exp2i(self) -> Self {
        Self(
            self.0
                .map(|n| f32::from_bits(((n as i32).wrapping_add(127) as u32) << 23)),
        )
    }
    #[inline(always)]
    fn store_i8(self, out: &mut [i8; LANES]) -> i32 {
        *out = self.0.map(|x| x as i8);
        out.iter().map(|&q| i32::from(q)).sum()
    }
}
