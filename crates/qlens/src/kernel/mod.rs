//! Where the arithmetic happens: one instruction set chosen once, the same bits from all.
//!
//! `scalar` and `lanes` are the specification. Products with block formats are sums of exact
//! integers met in one order of float operations (`scalar::dot`); everything else is written once
//! over sixteen lanes (`float`, `attention`). The vector versions repeat that order with wider registers, so a
//! test may demand equality and a host predicts the glasses.
//!
//! | products with            | one row of activations (decode) | several (prefill)          |
//! |--------------------------|---------------------------------|----------------------------|
//! | interleaved matrices     | `octet`: eight rows at a time   | `panel`: eight rows are    |
//! | rows as the file has them | `rows`: four at a time         | unpacked once for all      |
//!
//! These are written once over what an instruction set offers (`octet::Octet`, `rows::Simd`), and `neon` and
//! `avx2` offer it; `avx512` has a panel of its own, four times as wide, and `neon::sdot` the loops that an in-order
//! core needs in an order of their own.
//!
//! Scores of an int8 KV cache are products with an interleaved matrix of `Q8_0`, the head's keys.
//!
//! | kernel    | products of int8       | needs                        |
//! |-----------|------------------------|------------------------------|
//! | `scalar`  | one by one             | nothing                      |
//! | `neon`    | `smull`, `sadalp`      | any Armv8-A                  |
//! | `dotprod` | `sdot`                 | Armv8.2-A with dotprod       |
//! | `i8mm`    | `smmla`, in prefill    | and Armv8.6-A with i8mm      |
//! | `avx2`    | `vpmaddubsw`           | x86-64 with AVX2, FMA, F16C  |
//! | `avx512`  | `vpdpbusd`             | and AVX-512 F, BW, DQ, VL, VNNI |

#![allow(
    clippy::inline_always,
    reason = "operations take on the target features of their entry point"
)]

mod activations;
mod attention;
#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code, reason = "intrinsics")]
mod avx2;
#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code, reason = "intrinsics")]
mod avx512;
mod float;
mod lanes;
#[cfg(target_arch = "aarch64")]
#[allow(unsafe_code, reason = "intrinsics")]
mod neon;
#[cfg(any(target_arch = "aarch64", target_arch = "x86_64"))]
#[allow(unsafe_code, reason = "intrinsics and unaligned loads from blocks")]
mod octet;
#[cfg(any(target_arch = "aarch64", target_arch = "x86_64"))]
#[allow(unsafe_code, reason = "intrinsics and unaligned loads from blocks")]
mod panel;
mod recurrent;
#[cfg(any(target_arch = "aarch64", target_arch = "x86_64"))]
#[allow(unsafe_code, reason = "intrinsics and unaligned loads from blocks")]
mod rows;
mod scalar;

#[cfg(test)]
mod tests;

use core::{fmt, str::FromStr};

pub(crate) use activations::TILE;
pub use activations::{Activations, Quantized, QuantizedRows, RowLayout};
pub(crate) use attention::HEADS;
pub use recurrent::STATE_COLUMNS;

use crate::{
    quant::{BlockQ8_0, Matrix},
    workers::Columns,
};

/// An instruction set to compute with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Kernel {
    /// Portable Rust: the specification of the others.
    Scalar,
    /// Armv8-A Advanced SIMD.
    Neon,
    /// Armv8.2-A Advanced SIMD with `sdot`.
    Dotprod,
    /// Armv8.6-A Advanced SIMD with `smmla` as well.
    I8mm,
    /// x86-64 AVX2 with FMA and F16C.
    Avx2,
    /// x86-64 AVX-512 with VNNI.
    Avx512,
}

/// No such kernel, or not on this processor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Error {
    /// The name is none of [`Kernel::ALL`].
    Unknown,
    /// This processor lacks the instructions.
    Unavailable(Kernel),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown => {
                f.write_str("no such kernel; there are")?;
                Kernel::ALL.iter().try_for_each(|k| write!(f, " {k}"))
            }
            Self::Unavailable(kernel) => {
                write!(f, "this processor cannot run kernel {kernel}; it can run")?;
                for k in Kernel::ALL.into_iter().filter(|k| k.is_available()) {
                    write!(f, " {k}")?;
                }
                Ok(())
            }
        }
    }
}

impl core::error::Error for Error {}

impl Kernel {
    /// Fewer instructions a product from one to the next, on whichever machine has them.
    pub const ALL: [Self; 6] = [
        Self::Scalar,
        Self::Neon,
        Self::Dotprod,
        Self::I8mm,
        Self::Avx2,
        Self::Avx512,
    ];

    /// The fastest one of this processor.
    ///
    /// [`I8mm`](Self::I8mm) has to be asked for: its loops are in the compiler's order, which an in-order core
    /// (Cortex-A510, by `llvm-mca`) takes longer over than those laid out for [`Dotprod`](Self::Dotprod), though they are fewer
    /// instructions.
    pub fn detect() -> Self {
        Self::ALL
            .into_iter()
            .rev()
            .find(|&k| k != Self::I8mm && k.is_available())
            .unwrap_or(Self::Scalar)
    }

    /// Whether this processor can run it.
    pub fn is_available(self) -> bool {
        match self {
            Self::Scalar => true,
            #[cfg(target_arch = "aarch64")]
            Self::Neon => true,
            #[cfg(target_arch = "aarch64")]
            Self::Dotprod => neon::has_dotprod(),
            #[cfg(target_arch = "aarch64")]
            Self::I8mm => neon::has_i8mm(),
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => avx2::is_available(),
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => avx512::is_available(),
            #[allow(
                unreachable_patterns,
                reason = "which kernels are left depends on the target"
            )]
            _ => false,
        }
    }

    /// Its name, as on a command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Scalar => "scalar",
            Self::Neon => "neon",
            Self::Dotprod => "dotprod",
            Self::I8mm => "i8mm",
            Self::Avx2 => "avx2",
            Self::Avx512 => "avx512",
        }
    }
}

impl fmt::Display for Kernel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Kernel {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        Self::ALL
            .into_iter()
            .find(|k| k.name() == name)
            .ok_or(Error::Unknown)
    }
}

/// A kernel that this processor is known to have.
#[derive(Clone, Copy, Debug)]
pub struct Compute(Kernel);

impl Compute {
    /// Takes `kernel` into use.
    ///
    /// # Errors
    /// [`Error::Unavailable`] if the processor lacks it.
    pub fn new(kernel: Kernel) -> Result<Self, Error> {
        if kernel.is_available() {
            Ok(Self(kernel))
        } else {
            Err(Error::Unavailable(kernel))
        }
    }

    /// Which one it is.
    pub fn kernel(self) -> Kernel {
        self.0
    }

    /// `out[t][r] = matrix[r] . x[t]` for the columns `r` that `out` spans, all rows `t`.
    ///
    /// # Panics
    /// If `x` has other rows than `out`, or other columns than `matrix`; if `out` begins or ends elsewhere than at
    /// a multiple of 8 or where the matrix does.
    pub fn matmul(self, matrix: &Matrix<'_>, x: &Activations<'_>, out: &mut Columns<'_>) {
        if matrix.format().is_quantized() {
            self.matmul_quantized(matrix, &x.quantized, out);
        } else {
            self.matmul_float(matrix, x.x, out);
        }
    }
}

/// The functions of [`float`] that every instruction set compiles for itself, by signature.
macro_rules! float_operations {
    ($define:ident) => {
        $define! {
            /// Products with F32, F16 and BF16 matrices: `out[t][r] = matrix[r] . x[t]`, `x` being `[rows, cols]`.
            fn matmul_float(matrix: &Matrix<'_>, x: &[f32], out: &mut Columns<'_>);
            /// `out = x / sqrt(mean(x^2) + eps) * weight`.
            fn rms_norm(out: &mut [f32], x: &[f32], weight: &[f32], eps: f32);
            /// `x += y`.
            fn add(x: &mut [f32], y: &[f32]);
            /// `gate = silu(gate) * up`.
            fn swiglu(gate: &mut [f32], up: &[f32]);
            /// Rotates the pairs `(x[i], x[i + cos.len()])`.
            fn rope(x: &mut [f32], cos: &[f32], sin: &[f32]);
            /// Half-precision copy of `x`.
            fn to_f16(out: &mut [u16], x: &[f32]);
            /// Copy of `x`, whole groups of 32, as int8 with a scale for each group.
            fn to_q8_0(out: &mut [BlockQ8_0], x: &[f32]);
            /// Quantizes whole groups of 32 of `x` as row `t` of `rows`.
            fn quantize(x: &[f32], t: usize, layout: RowLayout, rows: &mut Quantized<'_>);
            /// `out = softmax(q . keys^T * scale) values` for one to four heads, `[heads, head_dim]`, that share
            /// keys and values, `[n, head_dim]`; `scores` is scratch, `[n, 4]`.
            fn attend(out: &mut [f32], q: &[f32], kv: (&[u16], &[u16]), head_dim: usize, scores: &mut [f32], scale: f32);
            /// `out = softmax(scores) values` for one to four heads, `[heads, head_dim]`, that share values,
            /// `[n, head_dim / 32]`; `scores`, `[n, 4]`, is scratch afterwards.
            fn average_q8_0(out: &mut [f32], values: &[BlockQ8_0], head_dim: usize, scores: &mut [f32]);
            /// `x *= sigmoid(gate)`.
            fn gate(x: &mut [f32], gate: &[f32]);
            /// `x *= scale / sqrt(sum(x^2) + eps)`.
            fn l2_norm(x: &mut [f32], eps: f32, scale: f32);
            /// `x = silu(x kernel[0] + later[0] kernel[1] + …)`, channel by channel; `later` is `[taps - 1, channels]`,
            /// `kernel` one row more.
            fn convolve(x: &mut [f32], later: &[f32], kernel: &[f32]);
            /// One position of the gated delta rule for [`STATE_COLUMNS`] columns of a head's state, `[q.len(), 32]`;
            /// `gates` are decay and beta.
            fn delta_rule(out: &mut [f32], state: &mut [f32], q: &[f32], k: &[f32], v: &[f32], gates: (f32, f32));
        }
    };
}
#[cfg(any(target_arch = "aarch64", target_arch = "x86_64"))]
use float_operations;

/// Methods of [`Compute`] that enter the chosen instruction set's version.
macro_rules! dispatch {
    ($($(#[$doc:meta])* fn $name:ident($($arg:ident: $type:ty),*);)*) => {
        #[allow(unsafe_code, reason = "enters functions whose target features Compute::new has checked")]
        impl Compute {
            $($(#[$doc])*
            pub fn $name(self, $($arg: $type),*) {
                match self.0 {
                    #[cfg(target_arch = "aarch64")]
                    // SAFETY: Advanced SIMD is part of every aarch64 target that this crate builds for.
                    Kernel::Neon | Kernel::Dotprod | Kernel::I8mm => unsafe { neon::$name($($arg),*) },
                    #[cfg(target_arch = "x86_64")]
                    // SAFETY: `Compute::new` found AVX2, FMA and F16C.
                    Kernel::Avx2 => unsafe { avx2::$name($($arg),*) },
                    #[cfg(target_arch = "x86_64")]
                    // SAFETY: `Compute::new` found AVX-512 and what comes with it.
                    Kernel::Avx512 => unsafe { avx512::$name($($arg),*) },
                    _ => float::$name::<lanes::Scalar>($($arg),*),
                }
            })*
        }
    };
}
float_operations!(dispatch);

#[allow(
    unsafe_code,
    reason = "enters functions whose target features Compute::new has checked"
)]
impl Compute {
    fn matmul_quantized(self, matrix: &Matrix<'_>, x: &QuantizedRows<'_>, out: &mut Columns<'_>) {
        match self.0 {
            #[cfg(target_arch = "aarch64")]
            // SAFETY: Advanced SIMD is part of every aarch64 target that this crate builds for.
            Kernel::Neon => unsafe { neon::matmul_neon(matrix, x, out) },
            #[cfg(target_arch = "aarch64")]
            // SAFETY: `Compute::new` found the dot product instructions.
            Kernel::Dotprod => unsafe { neon::matmul_dotprod(matrix, x, out) },
            #[cfg(target_arch = "aarch64")]
            // SAFETY: `Compute::new` found the instructions for matrices of int8, and dot products.
            Kernel::I8mm => unsafe { neon::matmul_i8mm(matrix, x, out) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: `Compute::new` found AVX2, FMA and F16C.
            Kernel::Avx2 => unsafe { avx2::matmul(matrix, x, out) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: `Compute::new` found AVX-512 and what comes with it.
            Kernel::Avx512 => unsafe { avx512::matmul(matrix, x, out) },
            _ => scalar::matmul(matrix, x, out),
        }
    }
}
