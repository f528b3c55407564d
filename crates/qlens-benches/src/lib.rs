//! Inputs for the benches of the kernels, which count instructions instead of time: `benches/kernels.rs`.
//!
//! Each input is made, and met by its kernel once, before counting begins: what is allocated and what is done
//! only the first time (which instructions there are is asked then) is not counted.
//!
//! Numbers are the same on every machine and in every run, and ordinary: instructions of the portable kernel may
//! depend on them.

#![allow(
    clippy::unnecessary_box_returns,
    reason = "handing over a box takes an instruction, and not a call of the C library that copies"
)]

mod attention;
mod numbers;
mod product;
mod vectors;

pub use attention::{Attention, Average, Scores};
pub use product::Product;
pub use vectors::{Argmax, Quantize, RmsNorm, Rope, Swiglu};

use qlens::kernel::{Compute, Kernel};

/// Something a kernel does, again and again.
pub trait Work {
    /// Does it once.
    fn run(&mut self);
}

/// The work, done once already.
fn warm<W: Work>(work: W) -> Box<W> {
    let mut work = Box::new(work);
    work.run();
    work
}

fn compute(kernel: Kernel) -> Compute {
    Compute::new(kernel).unwrap_or_else(|fault| panic!("{fault}"))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use qlens::quant::Format;

    #[test]
    fn every_block_format_is_counted() {
        #[derive(serde::Deserialize)]
        struct Baseline {
            instructions: BTreeMap<String, BTreeMap<String, u64>>,
        }
        let baseline: Baseline = toml::from_str(include_str!("../baseline.toml")).unwrap();
        for (kernel, benches) in &baseline.instructions {
            if kernel == "sampler" {
                continue;
            }
            for format in Format::ALL.into_iter().filter(|f| f.is_quantized()) {
                for product in ["decode", "decode_rows", "prefill", "prefill_rows"] {
                    let bench = format!("{product} {}", format.name().to_lowercase());
                    assert!(
                        benches.contains_key(&bench),
                        "baseline.toml has no \"{bench}\" of kernel {kernel}: add {format} to benches/kernels.rs \
                         and run `cargo xtask bench --only kernels --save`"
                    );
                }
            }
        }
    }
}
