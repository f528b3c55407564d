//! Four rows of activations and a panel of unpacked weights.
//!
//! Registers: integer sums `v0`-`v7` and float sums `v8`-`v15`, two for each row of activations; `x0` weights, `x1`
//! int8 activations, `x2` and `x4` the scales of both, `x3` groups to go.

use core::arch::{aarch64::float32x4_t, asm};

use crate::kernel::{activations::QuantizedTile, panel::Panel};

type Sums = [[float32x4_t; 2]; 4];

/// Adds the products of the panel's first `2 * pairs` groups, at least two, with as many of `x`.
///
/// # Safety
/// The core has `sdot`; the panel and `x`, four rows, have as many groups.
#[inline]
#[target_feature(enable = "neon,dotprod")]
pub unsafe fn plain(panel: &Panel, pairs: usize, x: &QuantizedTile, mut acc: Sums) -> Sums {
    // SAFETY: two groups of both are read in each round: the caller's promise.
    unsafe {
        asm!(
            "// LLVM-MCA-BEGIN prefill-plain",
            "2:",
            "ld1 {{v16.16b, v17.16b, v18.16b, v19.16b}}, [x1], #64",
            "ld1 {{v20.16b, v21.16b, v22.16b, v23.16b}}, [x1], #64; ldr q24, [x0]; ldr q25, [x0, #16]",
            "ldr q26, [x0, #32]; ldr q27, [x0, #48]",
            "movi v0.4s, #0; movi v1.4s, #0; movi v2.4s, #0; movi v3.4s, #0; movi v4.4s, #0; movi v5.4s, #0",
            "movi v6.4s, #0; movi v7.4s, #0",
            "sdot v0.4s, v24.16b, v16.4b[0]; sdot v2.4s, v24.16b, v18.4b[0]; ldr q28, [x0, #64]",
            "sdot v4.4s, v24.16b, v20.4b[0]; sdot v6.4s, v24.16b, v22.4b[0]; sdot v1.4s, v25.16b, v16.4b[0]",
            "sdot v3.4s, v25.16b, v18.4b[0]; ldr q29, [x0, #80]; sdot v5.4s, v25.16b, v20.4b[0]",
            "sdot v7.4s, v25.16b, v22.4b[0]; sdot v0.4s, v26.16b, v16.4b[1]; sdot v2.4s, v26.16b, v18.4b[1]",
            "ldr q30, [x0, #96]; sdot v4.4s, v26.16b, v20.4b[1]; sdot v6.4s, v26.16b, v22.4b[1]",
            "sdot v1.4s, v27.16b, v16.4b[1]; sdot v3.4s, v27.16b, v18.4b[1]; ldr q31, [x0, #112]",
            "sdot v5.4s, v27.16b, v20.4b[1]; sdot v7.4s, v27.16b, v22.4b[1]; sdot v0.4s, v28.16b, v16.4b[2]",
            "sdot v2.4s, v28.16b, v18.4b[2]; ldr q24, [x0, #128]; sdot v4.4s, v28.16b, v20.4b[2]",
            "sdot v6.4s, v28.16b, v22.4b[2]; sdot v1.4s, v29.16b, v16.4b[2]; sdot v3.4s, v29.16b, v18.4b[2]",
            "ldr q25, [x0, #144]; sdot v5.4s, v29.16b, v20.4b[2]; sdot v7.4s, v29.16b, v22.4b[2]",
            "sdot v0.4s, v30.16b, v16.4b[3]; sdot v2.4s, v30.16b, v18.4b[3]; ldr q26, [x0, #160]",
            "sdot v4.4s, v30.16b, v20.4b[3]; sdot v6.4s, v30.16b, v22.4b[3]; sdot v1.4s, v31.16b, v16.4b[3]",
            "sdot v3.4s, v31.16b, v18.4b[3]; ldr q27, [x0, #176]; sdot v5.4s, v31.16b, v20.4b[3]",
            "sdot v7.4s, v31.16b, v22.4b[3]; sdot v0.4s, v24.16b, v17.4b[0]; sdot v2.4s, v24.16b, v19.4b[0]",
            "ldr q28, [x0, #192]; sdot v4.4s, v24.16b, v21.4b[0]; sdot v6.4s, v24.16b, v23.4b[0]",
            "sdot v1.4s, v25.16b, v17.4b[0]; sdot v3.4s, v25.16b, v19.4b[0]; ldr q29, [x0, #208]",
            "sdot v5.4s, v25.16b, v21.4b[0]; sdot v7.4s, v25.16b, v23.4b[0]; sdot v0.4s, v26.16b, v17.4b[1]",
            "sdot v2.4s, v26.16b, v19.4b[1]; ldr q30, [x0, #224]; sdot v4.4s, v26.16b, v21.4b[1]",
            "sdot v6.4s, v26.16b, v23.4b[1]; sdot v1.4s, v27.16b, v17.4b[1]; sdot v3.4s, v27.16b, v19.4b[1]",
            "ldr q31, [x0, #240]; sdot v5.4s, v27.16b, v21.4b[1]; sdot v7.4s, v27.16b, v23.4b[1]",
            "sdot v0.4s, v28.16b, v17.4b[2]; sdot v2.4s, v28.16b, v19.4b[2]; sdot v4.4s, v28.16b, v21.4b[2]",
            "sdot v6.4s, v28.16b, v23.4b[2]; sdot v1.4s, v29.16b, v17.4b[2]; sdot v3.4s, v29.16b, v19.4b[2]",
            "sdot v5.4s, v29.16b, v21.4b[2]; sdot v7.4s, v29.16b, v23.4b[2]; ldr q26, [x4]; ldr q24, [x2]",
            "ldr q25, [x2, #16]; sdot v0.4s, v30.16b, v17.4b[3]; sdot v2.4s, v30.16b, v19.4b[3]",
            "sdot v4.4s, v30.16b, v21.4b[3]; sdot v6.4s, v30.16b, v23.4b[3]; sdot v1.4s, v31.16b, v17.4b[3]",
            "sdot v3.4s, v31.16b, v19.4b[3]; sdot v5.4s, v31.16b, v21.4b[3]; sdot v7.4s, v31.16b, v23.4b[3]",
            "scvtf v0.4s, v0.4s; scvtf v1.4s, v1.4s; scvtf v2.4s, v2.4s; scvtf v3.4s, v3.4s; scvtf v4.4s, v4.4s",
            "scvtf v5.4s, v5.4s; scvtf v6.4s, v6.4s; scvtf v7.4s, v7.4s",
            "fmul v16.4s, v24.4s, v26.s[0]; fmul v17.4s, v25.4s, v26.s[0]; fmul v18.4s, v24.4s, v26.s[1]",
            "fmul v19.4s, v25.4s, v26.s[1]; fmul v20.4s, v24.4s, v26.s[2]; fmul v21.4s, v25.4s, v26.s[2]",
            "fmul v22.4s, v24.4s, v26.s[3]; fmul v23.4s, v25.4s, v26.s[3]",
            "fmla v8.4s, v0.4s, v16.4s; fmla v9.4s, v1.4s, v17.4s; fmla v10.4s, v2.4s, v18.4s",
            "fmla v11.4s, v3.4s, v19.4s; fmla v12.4s, v4.4s, v20.4s; fmla v13.4s, v5.4s, v21.4s",
            "fmla v14.4s, v6.4s, v22.4s; fmla v15.4s, v7.4s, v23.4s",
            "ld1 {{v16.16b, v17.16b, v18.16b, v19.16b}}, [x1], #64",
            "ld1 {{v20.16b, v21.16b, v22.16b, v23.16b}}, [x1], #64; ldr q24, [x0, #256]; ldr q25, [x0, #272]",
            "ldr q26, [x0, #288]; ldr q27, [x0, #304]",
            "movi v0.4s, #0; movi v1.4s, #0; movi v2.4s, #0; movi v3.4s, #0; movi v4.4s, #0; movi v5.4s, #0",
            "movi v6.4s, #0; movi v7.4s, #0",
            "sdot v0.4s, v24.16b, v16.4b[0]; sdot v2.4s, v24.16b, v18.4b[0]; ldr q28, [x0, #320]",
            "sdot v4.4s, v24.16b, v20.4b[0]; sdot v6.4s, v24.16b, v22.4b[0]; sdot v1.4s, v25.16b, v16.4b[0]",
            "sdot v3.4s, v25.16b, v18.4b[0]; ldr q29, [x0, #336]; sdot v5.4s, v25.16b, v20.4b[0]",
            "sdot v7.4s, v25.16b, v22.4b[0]; sdot v0.4s, v26.16b, v16.4b[1]; sdot v2.4s, v26.16b, v18.4b[1]",
            "ldr q30, [x0, #352]; sdot v4.4s, v26.16b, v20.4b[1]; sdot v6.4s, v26.16b, v22.4b[1]",
            "sdot v1.4s, v27.16b, v16.4b[1]; sdot v3.4s, v27.16b, v18.4b[1]; ldr q31, [x0, #368]",
            "sdot v5.4s, v27.16b, v20.4b[1]; sdot v7.4s, v27.16b, v22.4b[1]; sdot v0.4s, v28.16b, v16.4b[2]",
            "sdot v2.4s, v28.16b, v18.4b[2]; ldr q24, [x0, #384]; sdot v4.4s, v28.16b, v20.4b[2]",
            "sdot v6.4s, v28.16b, v22.4b[2]; sdot v1.4s, v29.16b, v16.4b[2]; sdot v3.4s, v29.16b, v18.4b[2]",
            "ldr q25, [x0, #400]; sdot v5.4s, v29.16b, v20.4b[2]; sdot v7.4s, v29.16b, v22.4b[2]",
            "sdot v0.4s, v30.16b, v16.4b[3]; sdot v2.4s, v30.16b, v18.4b[3]; ldr q26, [x0, #416]",
            "sdot v4.4s, v30.16b, v20.4b[3]; sdot v6.4s, v30.16b, v22.4b[3]; sdot v1.4s, v31.16b, v16.4b[3]",
            "sdot v3.4s, v31.16b, v18.4b[3]; ldr q27, [x0, #432]; sdot v5.4s, v31.16b, v20.4b[3]",
            "sdot v7.4s, v31.16b, v22.4b[3]; sdot v0.4s, v24.16b, v17.4b[0]; sdot v2.4s, v24.16b, v19.4b[0]",
            "ldr q28, [x0, #448]; sdot v4.4s, v24.16b, v21.4b[0]; sdot v6.4s, v24.16b, v23.4b[0]",
            "sdot v1.4s, v25.16b, v17.4b[0]; sdot v3.4s, v25.16b, v19.4b[0]; ldr q29, [x0, #464]",
            "sdot v5.4s, v25.16b, v21.4b[0]; sdot v7.4s, v25.16b, v23.4b[0]; sdot v0.4s, v26.16b, v17.4b[1]",
            "sdot v2.4s, v26.16b, v19.4b[1]; ldr q30, [x0, #480]; sdot v4.4s, v26.16b, v21.4b[1]",
            "sdot v6.4s, v26.16b, v23.4b[1]; sdot v1.4s, v27.16b, v17.4b[1]; sdot v3.4s, v27.16b, v19.4b[1]",
            "ldr q31, [x0, #496]; sdot v5.4s, v27.16b, v21.4b[1]; sdot v7.4s, v27.16b, v23.4b[1]",
            "sdot v0.4s, v28.16b, v17.4b[2]; sdot v2.4s, v28.16b, v19.4b[2]; sdot v4.4s, v28.16b, v21.4b[2]",
            "sdot v6.4s, v28.16b, v23.4b[2]; sdot v1.4s, v29.16b, v17.4b[2]; sdot v3.4s, v29.16b, v19.4b[2]",
            "sdot v5.4s, v29.16b, v21.4b[2]; sdot v7.4s, v29.16b, v23.4b[2]; ldr q26, [x4, #16]; ldr q24, [x2, #32]",
            "ldr q25, [x2, #48]; sdot v0.4s, v30.16b, v17.4b[3]; sdot v2.4s, v30.16b, v19.4b[3]",
            "sdot v4.4s, v30.16b, v21.4b[3]; sdot v6.4s, v30.16b, v23.4b[3]; sdot v1.4s, v31.16b, v17.4b[3]",
            "sdot v3.4s, v31.16b, v19.4b[3]; sdot v5.4s, v31.16b, v21.4b[3]; sdot v7.4s, v31.16b, v23.4b[3]",
            "subs x3, x3, #1; add x0, x0, #512; add x2, x2, #64; add x4, x4, #32",
            "scvtf v0.4s, v0.4s; scvtf v1.4s, v1.4s; scvtf v2.4s, v2.4s; scvtf v3.4s, v3.4s; scvtf v4.4s, v4.4s",
            "scvtf v5.4s, v5.4s; scvtf v6.4s, v6.4s; scvtf v7.4s, v7.4s",
            "fmul v16.4s, v24.4s, v26.s[0]; fmul v17.4s, v25.4s, v26.s[0]; fmul v18.4s, v24.4s, v26.s[1]",
            "fmul v19.4s, v25.4s, v26.s[1]; fmul v20.4s, v24.4s, v26.s[2]; fmul v21.4s, v25.4s, v26.s[2]",
            "fmul v22.4s, v24.4s, v26.s[3]; fmul v23.4s, v25.4s, v26.s[3]",
            "fmla v8.4s, v0.4s, v16.4s; fmla v9.4s, v1.4s, v17.4s; fmla v10.4s, v2.4s, v18.4s",
            "fmla v11.4s, v3.4s, v19.4s; fmla v12.4s, v4.4s, v20.4s; fmla v13.4s, v5.4s, v21.4s",
            "fmla v14.4s, v6.4s, v22.4s; fmla v15.4s, v7.4s, v23.4s",
            "b.ne 2b",
            "// LLVM-MCA-END prefill-plain",
            "// qlens-macs prefill-plain 2048",
            inout("x0") panel.q.as_ptr() => _, inout("x1") x.q => _, inout("x2") panel.d.as_ptr() => _, inout("x3") pairs => _,
            inout("x4") x.d => _,
            inout("v8") acc[0][0], inout("v9") acc[0][1],
            inout("v10") acc[1][0], inout("v11") acc[1][1],
            inout("v12") acc[2][0], inout("v13") acc[2][1],
            inout("v14") acc[3][0], inout("v15") acc[3][1],
            out("v0") _, out("v1") _, out("v2") _, out("v3") _, out("v4") _, out("v5") _, out("v6") _,
            out("v7") _, out("v16") _, out("v17") _, out("v18") _, out("v19") _, out("v20") _, out("v21") _,
            out("v22") _, out("v23") _, out("v24") _, out("v25") _, out("v26") _, out("v27") _, out("v28") _,
            out("v29") _, out("v30") _, out("v31") _,
            options(nostack, readonly)
        );
    }
    acc
}

/// Likewise `groups` groups, at least one, with an integer scale (`x5`) and a minimum (`x6`, to be multiplied with
/// `x7`) each.
///
/// # Safety
/// As [`plain`].
#[inline]
#[target_feature(enable = "neon,dotprod")]
pub unsafe fn scale_and_min(
    panel: &Panel,
    groups: usize,
    x: &QuantizedTile,
    mut acc: Sums,
) -> Sums {
    // SAFETY: a group of both is read in each round: the caller's promise.
    unsafe {
        asm!(
            "// LLVM-MCA-BEGIN prefill-scale-and-min",
            "2:",
            "ld1 {{v16.16b, v17.16b, v18.16b, v19.16b}}, [x1], #64",
            "ld1 {{v20.16b, v21.16b, v22.16b, v23.16b}}, [x1], #64; ldr q24, [x0]; ldr q25, [x0, #16]",
            "ldr q26, [x0, #32]; ldr q27, [x0, #48]",
            "movi v0.4s, #0; movi v1.4s, #0; movi v2.4s, #0; movi v3.4s, #0; movi v4.4s, #0; movi v5.4s, #0",
            "movi v6.4s, #0; movi v7.4s, #0",
            "sdot v0.4s, v24.16b, v16.4b[0]; sdot v2.4s, v24.16b, v18.4b[0]; ldr q28, [x0, #64]",
            "sdot v4.4s, v24.16b, v20.4b[0]; sdot v6.4s, v24.16b, v22.4b[0]; sdot v1.4s, v25.16b, v16.4b[0]",
            "sdot v3.4s, v25.16b, v18.4b[0]; ldr q29, [x0, #80]; sdot v5.4s, v25.16b, v20.4b[0]",
            "sdot v7.4s, v25.16b, v22.4b[0]; sdot v0.4s, v26.16b, v16.4b[1]; sdot v2.4s, v26.16b, v18.4b[1]",
            "ldr q30, [x0, #96]; sdot v4.4s, v26.16b, v20.4b[1]; sdot v6.4s, v26.16b, v22.4b[1]",
            "sdot v1.4s, v27.16b, v16.4b[1]; sdot v3.4s, v27.16b, v18.4b[1]; ldr q31, [x0, #112]",
            "sdot v5.4s, v27.16b, v20.4b[1]; sdot v7.4s, v27.16b, v22.4b[1]; sdot v0.4s, v28.16b, v16.4b[2]",
            "sdot v2.4s, v28.16b, v18.4b[2]; ldr q24, [x0, #128]; sdot v4.4s, v28.16b, v20.4b[2]",
            "sdot v6.4s, v28.16b, v22.4b[2]; sdot v1.4s, v29.16b, v16.4b[2]; sdot v3.4s, v29.16b, v18.4b[2]",
            "ldr q25, [x0, #144]; sdot v5.4s, v29.16b, v20.4b[2]; sdot v7.4s, v29.16b, v22.4b[2]",
            "sdot v0.4s, v30.16b, v16.4b[3]; sdot v2.4s, v30.16b, v18.4b[3]; ldr q26, [x0, #160]",
            "sdot v4.4s, v30.16b, v20.4b[3]; sdot v6.4s, v30.16b, v22.4b[3]; sdot v1.4s, v31.16b, v16.4b[3]",
            "sdot v3.4s, v31.16b, v18.4b[3]; ldr q27, [x0, #176]; sdot v5.4s, v31.16b, v20.4b[3]",
            "sdot v7.4s, v31.16b, v22.4b[3]; sdot v0.4s, v24.16b, v17.4b[0]; sdot v2.4s, v24.16b, v19.4b[0]",
            "ldr q28, [x0, #192]; sdot v4.4s, v24.16b, v21.4b[0]; sdot v6.4s, v24.16b, v23.4b[0]",
            "sdot v1.4s, v25.16b, v17.4b[0]; sdot v3.4s, v25.16b, v19.4b[0]; ldr q29, [x0, #208]",
            "sdot v5.4s, v25.16b, v21.4b[0]; sdot v7.4s, v25.16b, v23.4b[0]; sdot v0.4s, v26.16b, v17.4b[1]",
            "sdot v2.4s, v26.16b, v19.4b[1]; ldr q30, [x0, #224]; sdot v4.4s, v26.16b, v21.4b[1]",
            "sdot v6.4s, v26.16b, v23.4b[1]; sdot v1.4s, v27.16b, v17.4b[1]; sdot v3.4s, v27.16b, v19.4b[1]",
            "ldr q31, [x0, #240]; sdot v5.4s, v27.16b, v21.4b[1]; sdot v7.4s, v27.16b, v23.4b[1]",
            "sdot v0.4s, v28.16b, v17.4b[2]; sdot v2.4s, v28.16b, v19.4b[2]; sdot v4.4s, v28.16b, v21.4b[2]",
            "sdot v6.4s, v28.16b, v23.4b[2]; sdot v1.4s, v29.16b, v17.4b[2]; sdot v3.4s, v29.16b, v19.4b[2]",
            "sdot v5.4s, v29.16b, v21.4b[2]; sdot v7.4s, v29.16b, v23.4b[2]; ldr q26, [x4]; ldr q24, [x2]",
            "ldr q25, [x2, #16]; sdot v0.4s, v30.16b, v17.4b[3]; sdot v2.4s, v30.16b, v19.4b[3]",
            "sdot v4.4s, v30.16b, v21.4b[3]; sdot v6.4s, v30.16b, v23.4b[3]; ldr q27, [x5]; ldr q28, [x5, #16]",
            "sdot v1.4s, v31.16b, v17.4b[3]; sdot v3.4s, v31.16b, v19.4b[3]; sdot v5.4s, v31.16b, v21.4b[3]",
            "sdot v7.4s, v31.16b, v23.4b[3]; ldr q29, [x6]; ldr q30, [x6, #16]; ldr q31, [x7]",
            "subs x3, x3, #1; add x0, x0, #256; add x2, x2, #32; add x4, x4, #16; add x5, x5, #64; add x6, x6, #32",
            "add x7, x7, #16",
            "mul v0.4s, v0.4s, v27.4s; mul v1.4s, v1.4s, v28.4s; mul v2.4s, v2.4s, v27.4s; mul v3.4s, v3.4s, v28.4s",
            "mul v4.4s, v4.4s, v27.4s; mul v5.4s, v5.4s, v28.4s; mul v6.4s, v6.4s, v27.4s; mul v7.4s, v7.4s, v28.4s",
            "scvtf v0.4s, v0.4s; scvtf v1.4s, v1.4s; scvtf v2.4s, v2.4s; scvtf v3.4s, v3.4s; scvtf v4.4s, v4.4s",
            "scvtf v5.4s, v5.4s; scvtf v6.4s, v6.4s; scvtf v7.4s, v7.4s",
            "fmul v16.4s, v24.4s, v26.s[0]; fmul v17.4s, v25.4s, v26.s[0]; fmul v18.4s, v24.4s, v26.s[1]",
            "fmul v19.4s, v25.4s, v26.s[1]; fmul v20.4s, v24.4s, v26.s[2]; fmul v21.4s, v25.4s, v26.s[2]",
            "fmul v22.4s, v24.4s, v26.s[3]; fmul v23.4s, v25.4s, v26.s[3]",
            "fmla v8.4s, v0.4s, v16.4s; fmla v9.4s, v1.4s, v17.4s; fmla v10.4s, v2.4s, v18.4s",
            "fmla v11.4s, v3.4s, v19.4s; fmla v12.4s, v4.4s, v20.4s; fmla v13.4s, v5.4s, v21.4s",
            "fmla v14.4s, v6.4s, v22.4s; fmla v15.4s, v7.4s, v23.4s; fmla v8.4s, v29.4s, v31.s[0]",
            "fmla v9.4s, v30.4s, v31.s[0]; fmla v10.4s, v29.4s, v31.s[1]; fmla v11.4s, v30.4s, v31.s[1]",
            "fmla v12.4s, v29.4s, v31.s[2]; fmla v13.4s, v30.4s, v31.s[2]; fmla v14.4s, v29.4s, v31.s[3]",
            "fmla v15.4s, v30.4s, v31.s[3]",
            "b.ne 2b",
            "// LLVM-MCA-END prefill-scale-and-min",
            "// qlens-macs prefill-scale-and-min 1024",
            inout("x0") panel.q.as_ptr() => _, inout("x1") x.q => _, inout("x2") panel.d.as_ptr() => _, inout("x3") groups => _,
            inout("x4") x.d => _, inout("x5") panel.scales.as_ptr() => _, inout("x6") panel.mins.as_ptr() => _, inout("x7") x.s => _,
            inout("v8") acc[0][0], inout("v9") acc[0][1],
            inout("v10") acc[1][0], inout("v11") acc[1][1],
            inout("v12") acc[2][0], inout("v13") acc[2][1],
            inout("v14") acc[3][0], inout("v15") acc[3][1],
            out("v0") _, out("v1") _, out("v2") _, out("v3") _, out("v4") _, out("v5") _, out("v6") _,
            out("v7") _, out("v16") _, out("v17") _, out("v18") _, out("v19") _, out("v20") _, out("v21") _,
            out("v22") _, out("v23") _, out("v24") _, out("v25") _, out("v26") _, out("v27") _, out("v28") _,
            out("v29") _, out("v30") _, out("v31") _,
            options(nostack, readonly)
        );
    }
    acc
}

/// Likewise, with integer scales for both halves of each group (`x5`); the first half's sums wait in `v24`-`v31`.
///
/// # Safety
/// As [`plain`].
#[inline]
#[target_feature(enable = "neon,dotprod")]
pub unsafe fn two_scales(panel: &Panel, groups: usize, x: &QuantizedTile, mut acc: Sums) -> Sums {
    // SAFETY: a group of both is read in each round: the caller's promise.
    unsafe {
        asm!(
            "// LLVM-MCA-BEGIN prefill-two-scales",
            "2:",
            "ldr q16, [x1]; ldr q17, [x1, #32]; ldr q18, [x1, #64]; ldr q19, [x1, #96]; ldr q20, [x0]",
            "ldr q21, [x0, #16]; ldr q22, [x0, #32]",
            "movi v0.4s, #0; movi v1.4s, #0; movi v2.4s, #0; movi v3.4s, #0; movi v4.4s, #0; movi v5.4s, #0",
            "movi v6.4s, #0; movi v7.4s, #0",
            "sdot v0.4s, v20.16b, v16.4b[0]; sdot v2.4s, v20.16b, v17.4b[0]; ldr q23, [x0, #48]",
            "sdot v4.4s, v20.16b, v18.4b[0]; sdot v6.4s, v20.16b, v19.4b[0]; sdot v1.4s, v21.16b, v16.4b[0]",
            "sdot v3.4s, v21.16b, v17.4b[0]; ldr q20, [x0, #64]; sdot v5.4s, v21.16b, v18.4b[0]",
            "sdot v7.4s, v21.16b, v19.4b[0]; sdot v0.4s, v22.16b, v16.4b[1]; sdot v2.4s, v22.16b, v17.4b[1]",
            "ldr q21, [x0, #80]; sdot v4.4s, v22.16b, v18.4b[1]; sdot v6.4s, v22.16b, v19.4b[1]",
            "sdot v1.4s, v23.16b, v16.4b[1]; sdot v3.4s, v23.16b, v17.4b[1]; ldr q22, [x0, #96]",
            "sdot v5.4s, v23.16b, v18.4b[1]; sdot v7.4s, v23.16b, v19.4b[1]; sdot v0.4s, v20.16b, v16.4b[2]",
            "sdot v2.4s, v20.16b, v17.4b[2]; ldr q23, [x0, #112]; sdot v4.4s, v20.16b, v18.4b[2]",
            "sdot v6.4s, v20.16b, v19.4b[2]; sdot v1.4s, v21.16b, v16.4b[2]; sdot v3.4s, v21.16b, v17.4b[2]",
            "sdot v5.4s, v21.16b, v18.4b[2]; sdot v7.4s, v21.16b, v19.4b[2]; sdot v0.4s, v22.16b, v16.4b[3]",
            "sdot v2.4s, v22.16b, v17.4b[3]; sdot v4.4s, v22.16b, v18.4b[3]; sdot v6.4s, v22.16b, v19.4b[3]",
            "sdot v1.4s, v23.16b, v16.4b[3]; sdot v3.4s, v23.16b, v17.4b[3]; sdot v5.4s, v23.16b, v18.4b[3]",
            "sdot v7.4s, v23.16b, v19.4b[3]; ldr q20, [x5]; ldr q21, [x5, #16]; ldr q16, [x1, #16]",
            "ldr q17, [x1, #48]; ldr q18, [x1, #80]; ldr q19, [x1, #112]",
            "mul v24.4s, v0.4s, v20.4s; mul v25.4s, v1.4s, v21.4s; mul v26.4s, v2.4s, v20.4s",
            "mul v27.4s, v3.4s, v21.4s; mul v28.4s, v4.4s, v20.4s; mul v29.4s, v5.4s, v21.4s",
            "mul v30.4s, v6.4s, v20.4s; mul v31.4s, v7.4s, v21.4s",
            "ldr q20, [x0, #128]; ldr q21, [x0, #144]; ldr q22, [x0, #160]",
            "movi v0.4s, #0; movi v1.4s, #0; movi v2.4s, #0; movi v3.4s, #0; movi v4.4s, #0; movi v5.4s, #0",
            "movi v6.4s, #0; movi v7.4s, #0",
            "sdot v0.4s, v20.16b, v16.4b[0]; sdot v2.4s, v20.16b, v17.4b[0]; ldr q23, [x0, #176]",
            "sdot v4.4s, v20.16b, v18.4b[0]; sdot v6.4s, v20.16b, v19.4b[0]; sdot v1.4s, v21.16b, v16.4b[0]",
            "sdot v3.4s, v21.16b, v17.4b[0]; ldr q20, [x0, #192]; sdot v5.4s, v21.16b, v18.4b[0]",
            "sdot v7.4s, v21.16b, v19.4b[0]; sdot v0.4s, v22.16b, v16.4b[1]; sdot v2.4s, v22.16b, v17.4b[1]",
            "ldr q21, [x0, #208]; sdot v4.4s, v22.16b, v18.4b[1]; sdot v6.4s, v22.16b, v19.4b[1]",
            "sdot v1.4s, v23.16b, v16.4b[1]; sdot v3.4s, v23.16b, v17.4b[1]; ldr q22, [x0, #224]",
            "sdot v5.4s, v23.16b, v18.4b[1]; sdot v7.4s, v23.16b, v19.4b[1]; sdot v0.4s, v20.16b, v16.4b[2]",
            "sdot v2.4s, v20.16b, v17.4b[2]; ldr q23, [x0, #240]; sdot v4.4s, v20.16b, v18.4b[2]",
            "sdot v6.4s, v20.16b, v19.4b[2]; sdot v1.4s, v21.16b, v16.4b[2]; sdot v3.4s, v21.16b, v17.4b[2]",
            "sdot v5.4s, v21.16b, v18.4b[2]; sdot v7.4s, v21.16b, v19.4b[2]; sdot v0.4s, v22.16b, v16.4b[3]",
            "sdot v2.4s, v22.16b, v17.4b[3]; sdot v4.4s, v22.16b, v18.4b[3]; sdot v6.4s, v22.16b, v19.4b[3]",
            "sdot v1.4s, v23.16b, v16.4b[3]; sdot v3.4s, v23.16b, v17.4b[3]; sdot v5.4s, v23.16b, v18.4b[3]",
            "sdot v7.4s, v23.16b, v19.4b[3]; ldr q20, [x5, #32]; ldr q21, [x5, #48]; ldr q16, [x2]; ldr q18, [x4]",
            "ldr q17, [x2, #16]",
            "subs x3, x3, #1; add x0, x0, #256; add x1, x1, #128; add x2, x2, #32; add x4, x4, #16; add x5, x5, #64",
            "mla v24.4s, v0.4s, v20.4s; mla v25.4s, v1.4s, v21.4s; mla v26.4s, v2.4s, v20.4s",
            "mla v27.4s, v3.4s, v21.4s; mla v28.4s, v4.4s, v20.4s; mla v29.4s, v5.4s, v21.4s",
            "mla v30.4s, v6.4s, v20.4s; mla v31.4s, v7.4s, v21.4s",
            "fmul v0.4s, v16.4s, v18.s[0]; fmul v1.4s, v17.4s, v18.s[0]; fmul v2.4s, v16.4s, v18.s[1]",
            "fmul v3.4s, v17.4s, v18.s[1]; fmul v4.4s, v16.4s, v18.s[2]; fmul v5.4s, v17.4s, v18.s[2]",
            "fmul v6.4s, v16.4s, v18.s[3]; fmul v7.4s, v17.4s, v18.s[3]",
            "scvtf v24.4s, v24.4s; scvtf v25.4s, v25.4s; scvtf v26.4s, v26.4s; scvtf v27.4s, v27.4s",
            "scvtf v28.4s, v28.4s; scvtf v29.4s, v29.4s; scvtf v30.4s, v30.4s; scvtf v31.4s, v31.4s",
            "fmla v8.4s, v24.4s, v0.4s; fmla v9.4s, v25.4s, v1.4s; fmla v10.4s, v26.4s, v2.4s",
            "fmla v11.4s, v27.4s, v3.4s; fmla v12.4s, v28.4s, v4.4s; fmla v13.4s, v29.4s, v5.4s",
            "fmla v14.4s, v30.4s, v6.4s; fmla v15.4s, v31.4s, v7.4s",
            "b.ne 2b",
            "// LLVM-MCA-END prefill-two-scales",
            "// qlens-macs prefill-two-scales 1024",
            inout("x0") panel.q.as_ptr() => _, inout("x1") x.q => _, inout("x2") panel.d.as_ptr() => _, inout("x3") groups => _,
            inout("x4") x.d => _, inout("x5") panel.scales.as_ptr() => _,
            inout("v8") acc[0][0], inout("v9") acc[0][1],
            inout("v10") acc[1][0], inout("v11") acc[1][1],
            inout("v12") acc[2][0], inout("v13") acc[2][1],
            inout("v14") acc[3][0], inout("v15") acc[3][1],
            out("v0") _, out("v1") _, out("v2") _, out("v3") _, out("v4") _, out("v5") _, out("v6") _,
            out("v7") _, out("v16") _, out("v17") _, out("v18") _, out("v19") _, out("v20") _, out("v21") _,
            out("v22") _, out("v23") _, out("v24") _, out("v25") _, out("v26") _, out("v27") _, out("v28") _,
            out("v29") _, out("v30") _, out("v31") _,
            options(nostack, readonly)
        );
    }
    acc
}
