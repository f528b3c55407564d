//! Instructions of the kernels: `cargo xtask bench --only kernels`.
//!
//! The name of a bench is that of its group (`avx2`), its function (`prefill_rows`) and, for products, a format.
//! Valgrind 3.19 knows no AVX-512, so AVX2 is the widest that is counted, on every machine.

#![allow(missing_docs, reason = "the macros make public items")]
#![allow(
    clippy::unnecessary_box_returns,
    reason = "what is returned is dropped after counting"
)]

use std::hint::black_box;

use gungraun::{
    Callgrind, LibraryBenchmarkConfig, library_benchmark, library_benchmark_group, main,
};
use qlens::{
    kernel::Kernel,
    quant::{Format, Layout},
};
use qlens_benches::{
    Argmax, Attention, Average, Product, Quantize, RmsNorm, Rope, Scores, Swiglu, Work,
};

/// Rows of activations in prefill.
const BATCH: usize = 32;

/// A bench for each block format.
macro_rules! products {
    ($kernel:ident: $($name:ident, $layout:ident, $rows:expr;)*) => {$(
        #[library_benchmark]
        #[bench::q8_0(Product::new(Kernel::$kernel, Format::Q8_0, Layout::$layout, $rows))]
        #[bench::q4_0(Product::new(Kernel::$kernel, Format::Q4_0, Layout::$layout, $rows))]
        #[bench::q5_0(Product::new(Kernel::$kernel, Format::Q5_0, Layout::$layout, $rows))]
        #[bench::q4_k(Product::new(Kernel::$kernel, Format::Q4K, Layout::$layout, $rows))]
        #[bench::q6_k(Product::new(Kernel::$kernel, Format::Q6K, Layout::$layout, $rows))]
        #[bench::q2_k(Product::new(Kernel::$kernel, Format::Q2K, Layout::$layout, $rows))]
        #[bench::q4_1(Product::new(Kernel::$kernel, Format::Q4_1, Layout::$layout, $rows))]
        #[bench::q5_1(Product::new(Kernel::$kernel, Format::Q5_1, Layout::$layout, $rows))]
        #[bench::q5_k(Product::new(Kernel::$kernel, Format::Q5K, Layout::$layout, $rows))]
        #[bench::iq4_nl(Product::new(Kernel::$kernel, Format::Iq4Nl, Layout::$layout, $rows))]
        #[bench::iq4_xs(Product::new(Kernel::$kernel, Format::Iq4Xs, Layout::$layout, $rows))]
        #[bench::q3_k(Product::new(Kernel::$kernel, Format::Q3K, Layout::$layout, $rows))]
        fn $name(product: Box<Product>) -> Box<Product> {
            done(product)
        }
    )*};
}

/// A bench each for work that knows no formats. In angle brackets, because the attribute gives its own variables
/// the hygiene of an argument's first token.
macro_rules! others {
    ($kernel:ident: $($name:ident, $work:ident;)*) => {$(
        #[library_benchmark]
        #[bench::only(<$work>::new(Kernel::$kernel))]
        fn $name(work: Box<$work>) -> Box<$work> {
            done(work)
        }
    )*};
}

macro_rules! kernels {
    ($($module:ident, $group:ident, $kernel:ident;)*) => {$(
        mod $module {
            use super::*;

            products! { $kernel:
                decode, Interleaved, 1;
                decode_rows, Rows, 1;
                prefill, Interleaved, BATCH;
                prefill_rows, Rows, BATCH;
            }
            others! { $kernel:
                attention_f16, Attention;
                attention_q8_0_scores, Scores;
                attention_q8_0_average, Average;
                rms_norm, RmsNorm;
                rope, Rope;
                swiglu, Swiglu;
                quantize, Quantize;
            }
            library_benchmark_group!(
                name = $group,
                benchmarks = [
                    decode, decode_rows, prefill, prefill_rows, attention_f16, attention_q8_0_scores,
                    attention_q8_0_average, rms_norm, rope, swiglu, quantize
                ]
            );
        }
        use $module::$group;
    )*};
}

kernels! {
    with_scalar, scalar, Scalar;
    with_avx2, avx2, Avx2;
}

#[library_benchmark]
#[bench::only(Argmax::new())]
fn argmax(work: Box<Argmax>) -> Box<Argmax> {
    done(work)
}

library_benchmark_group!(name = sampler, benchmarks = [argmax]);

/// What is counted.
fn done<W: Work>(mut work: Box<W>) -> Box<W> {
    black_box(&mut *work).run();
    work
}

main!(
    config = LibraryBenchmarkConfig::default()
        .tool(Callgrind::with_args(["--cache-sim=no"]));
    library_benchmark_groups = scalar, avx2, sampler
);
