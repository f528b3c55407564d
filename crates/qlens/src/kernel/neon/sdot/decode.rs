//! One row of activations, while interleaved weights stream by.
//!
//! Each loop keeps four sums, eight rows of two groups, so that an `sdot` need not wait for the one before
//! it. Registers, unless a loop says otherwise: `v0`-`v3` integer sums, `v8`-`v11` activations, `v30` and `v31`
//! the float sums; `x0` weights, `x1` int8 activations, `x2` their scales, `x3` rounds to go.

use core::arch::{aarch64::float32x4_t, asm};

use crate::{
    kernel::{
        activations::QuantizedTile,
        neon::{halves, negated},
        octet::six_bits,
    },
    quant::{
        Format, GROUP,
        interleave::{OCTET, q4_k, q6_k},
    },
};

/// Adds the products of octets at `p` with `x` to the sums of eight rows: of all of them, or of all but the last
/// one. Says of how many.
///
/// # Safety
/// The core has `sdot`; `octets` octets of `format` are at `p`, and `x` has as many columns.
#[inline]
#[target_feature(enable = "neon,dotprod")]
pub unsafe fn decode(
    format: Format,
    p: *const u8,
    octets: usize,
    x: &QuantizedTile,
    acc: [float32x4_t; 2],
) -> (usize, [float32x4_t; 2]) {
    let pairs = octets / 2;
    // SAFETY: the caller's promise.
    unsafe {
        match format {
            Format::Q8_0 if pairs > 0 => (2 * pairs, q8_0(p, pairs, x, acc)),
            Format::Q4_0 if pairs > 0 => (2 * pairs, q4_0(p, pairs, x, acc)),
            Format::Q5_0 if pairs > 0 => (2 * pairs, q5_0(p, pairs, x, acc)),
            Format::Q4K => (octets, q4_k(p, octets, x, acc)),
            Format::Q6K => (octets, q6_k(p, octets, x, acc)),
            _ => (0, acc),
        }
    }
}

/// `Q8_0`: two octets a round, `v4`-`v7` what the sums of the round before are multiplied with. Some weights are
/// loaded four registers at a time, which costs cycles and saves instructions.
#[inline]
#[target_feature(enable = "neon,dotprod")]
unsafe fn q8_0(
    p: *const u8,
    pairs: usize,
    x: &QuantizedTile,
    acc: [float32x4_t; 2],
) -> [float32x4_t; 2] {
    let [mut low, mut high] = acc;
    // SAFETY: reads two octets and two groups of activations in each round: the caller's promise.
    unsafe {
        asm!(
            "movi v0.4s, #0; movi v1.4s, #0; movi v2.4s, #0; movi v3.4s, #0; movi v4.4s, #0; movi v5.4s, #0",
            "movi v6.4s, #0; movi v7.4s, #0",
            "// LLVM-MCA-BEGIN decode-q8_0",
            "2:",
            "ldr q12, [x0], #16; ldr d14, [x2], #8; ldr q13, [x0, #256]; ldr q8, [x1]; ldr q10, [x1, #32]",
            "ldr q9, [x1, #16]; ldr q11, [x1, #48]",
            "add x1, x1, #64",
            "ld1 {{v16.16b, v17.16b, v18.16b, v19.16b}}, [x0], #64",
            "ld1 {{v20.16b, v21.16b, v22.16b, v23.16b}}, [x0], #64; ldr q24, [x0, #144]; ldr q25, [x0, #160]",
            "ldr q26, [x0, #176]; ldr q27, [x0, #192]",
            "scvtf v0.4s, v0.4s; scvtf v1.4s, v1.4s; scvtf v2.4s, v2.4s; scvtf v3.4s, v3.4s",
            "fcvtl v15.4s, v12.4h; fcvtl2 v12.4s, v12.8h",
            "fmla v30.4s, v0.4s, v4.4s; fmla v31.4s, v1.4s, v5.4s",
            "movi v0.4s, #0; movi v1.4s, #0",
            "fmul v4.4s, v15.4s, v14.s[0]; fmul v5.4s, v12.4s, v14.s[0]",
            "fcvtl v15.4s, v13.4h; fcvtl2 v13.4s, v13.8h",
            "fmla v30.4s, v2.4s, v6.4s; fmla v31.4s, v3.4s, v7.4s",
            "movi v2.4s, #0; movi v3.4s, #0",
            "fmul v6.4s, v15.4s, v14.s[1]; fmul v7.4s, v13.4s, v14.s[1]",
            "sdot v0.4s, v16.16b, v8.4b[0]; sdot v1.4s, v17.16b, v8.4b[0]; sdot v2.4s, v24.16b, v10.4b[0]",
            "ldr q28, [x0, #208]; sdot v3.4s, v25.16b, v10.4b[0]; ldr q29, [x0, #224]; sdot v0.4s, v18.16b, v8.4b[1]",
            "sdot v1.4s, v19.16b, v8.4b[1]; sdot v2.4s, v26.16b, v10.4b[1]; ldr q24, [x0, #240]",
            "sdot v3.4s, v27.16b, v10.4b[1]; ldr q25, [x0, #256]; sdot v0.4s, v20.16b, v8.4b[2]",
            "sdot v1.4s, v21.16b, v8.4b[2]; sdot v2.4s, v28.16b, v10.4b[2]; ldr q26, [x0]",
            "sdot v3.4s, v29.16b, v10.4b[2]; ldr q27, [x0, #16]; sdot v0.4s, v22.16b, v8.4b[3]",
            "sdot v1.4s, v23.16b, v8.4b[3]; sdot v2.4s, v24.16b, v10.4b[3]; ldr q28, [x0, #272]",
            "sdot v3.4s, v25.16b, v10.4b[3]; ldr q29, [x0, #288]; sdot v0.4s, v26.16b, v9.4b[0]; ldr q24, [x0, #32]",
            "sdot v1.4s, v27.16b, v9.4b[0]; ldr q25, [x0, #48]; sdot v2.4s, v28.16b, v11.4b[0]; ldr q26, [x0, #304]",
            "sdot v3.4s, v29.16b, v11.4b[0]; ldr q27, [x0, #320]; sdot v0.4s, v24.16b, v9.4b[1]; ldr q28, [x0, #64]",
            "sdot v1.4s, v25.16b, v9.4b[1]; ldr q29, [x0, #80]; sdot v2.4s, v26.16b, v11.4b[1]; ldr q24, [x0, #336]",
            "sdot v3.4s, v27.16b, v11.4b[1]; ldr q25, [x0, #352]; sdot v0.4s, v28.16b, v9.4b[2]; ldr q26, [x0, #96]",
            "sdot v1.4s, v29.16b, v9.4b[2]; ldr q27, [x0, #112]; sdot v2.4s, v24.16b, v11.4b[2]; ldr q28, [x0, #368]",
            "sdot v3.4s, v25.16b, v11.4b[2]; ldr q29, [x0, #384]; sdot v0.4s, v26.16b, v9.4b[3]",
            "sdot v1.4s, v27.16b, v9.4b[3]; sdot v2.4s, v28.16b, v11.4b[3]; sdot v3.4s, v29.16b, v11.4b[3]",
            "add x0, x0, #400; subs x3, x3, #1; b.ne 2b",
            "// LLVM-MCA-END decode-q8_0",
            "// qlens-macs decode-q8_0 512",
            "scvtf v0.4s, v0.4s; scvtf v1.4s, v1.4s; scvtf v2.4s, v2.4s; scvtf v3.4s, v3.4s",
            "fmla v30.4s, v0.4s, v4.4s; fmla v31.4s, v1.4s, v5.4s; fmla v30.4s, v2.4s, v6.4s",
            "fmla v31.4s, v3.4s, v7.4s",
            inout("x0") p => _, inout("x1") x.q => _, inout("x2") x.d => _, inout("x3") pairs => _,
            inout("v30") low, inout("v31") high,
            out("v0") _, out("v1") _, out("v2") _, out("v3") _, out("v4") _, out("v5") _, out("v6") _,
            out("v7") _, out("v8") _, out("v9") _, out("v10") _, out("v11") _, out("v12") _, out("v13") _,
            out("v14") _, out("v15") _, out("v16") _, out("v17") _, out("v18") _, out("v19") _, out("v20") _,
            out("v21") _, out("v22") _, out("v23") _, out("v24") _, out("v25") _, out("v26") _, out("v27") _,
            out("v28") _, out("v29") _,
            options(nostack, readonly)
        );
    }
    [low, high]
}

/// `Q4_0`: likewise; a nibble in the upper half of a byte counts 16-fold, until the sums become floats.
#[inline]
#[target_feature(enable = "neon,dotprod")]
unsafe fn q4_0(
    p: *const u8,
    pairs: usize,
    x: &QuantizedTile,
    acc: [float32x4_t; 2],
) -> [float32x4_t; 2] {
    let [mut low, mut high] = acc;
    // SAFETY: as `q8_0`.
    unsafe {
        asm!(
            "movi v0.4s, #0; movi v1.4s, #0; movi v2.4s, #0; movi v3.4s, #0; movi v4.4s, #0; movi v5.4s, #0",
            "movi v6.4s, #0; movi v7.4s, #0; movi v29.16b, #0xF0",
            "// LLVM-MCA-BEGIN decode-q4_0",
            "2:",
            "ldr q12, [x0]; ldr q13, [x0, #144]; ldr d14, [x2], #8; ldr q8, [x1]; ldr q10, [x1, #32]",
            "ldr q9, [x1, #16]; ldr q11, [x1, #48]; ldr q16, [x0, #16]; ldr q17, [x0, #32]; ldr q18, [x0, #160]",
            "ldr q19, [x0, #176]",
            "scvtf v0.4s, v0.4s, #4; scvtf v1.4s, v1.4s, #4; scvtf v2.4s, v2.4s, #4; scvtf v3.4s, v3.4s, #4",
            "fcvtl v15.4s, v12.4h; fcvtl2 v12.4s, v12.8h",
            "fmla v30.4s, v0.4s, v4.4s; fmla v31.4s, v1.4s, v5.4s",
            "movi v0.4s, #0; movi v1.4s, #0",
            "fmul v4.4s, v15.4s, v14.s[0]; fmul v5.4s, v12.4s, v14.s[0]",
            "fcvtl v15.4s, v13.4h; fcvtl2 v13.4s, v13.8h",
            "fmla v30.4s, v2.4s, v6.4s; fmla v31.4s, v3.4s, v7.4s",
            "movi v2.4s, #0; movi v3.4s, #0",
            "fmul v6.4s, v15.4s, v14.s[1]; fmul v7.4s, v13.4s, v14.s[1]",
            "shl v24.16b, v16.16b, #4; shl v25.16b, v17.16b, #4; shl v26.16b, v18.16b, #4; shl v27.16b, v19.16b, #4",
            "and v16.16b, v16.16b, v29.16b; and v17.16b, v17.16b, v29.16b; and v18.16b, v18.16b, v29.16b",
            "and v19.16b, v19.16b, v29.16b",
            "ldr q20, [x0, #48]; sdot v0.4s, v24.16b, v8.4b[0]; ldr q21, [x0, #64]; sdot v1.4s, v25.16b, v8.4b[0]",
            "ldr q22, [x0, #192]; sdot v2.4s, v26.16b, v10.4b[0]; ldr q23, [x0, #208]; sdot v3.4s, v27.16b, v10.4b[0]",
            "sdot v0.4s, v16.16b, v9.4b[0]; sdot v1.4s, v17.16b, v9.4b[0]; sdot v2.4s, v18.16b, v11.4b[0]",
            "sdot v3.4s, v19.16b, v11.4b[0]",
            "shl v24.16b, v20.16b, #4; shl v25.16b, v21.16b, #4; shl v26.16b, v22.16b, #4; shl v27.16b, v23.16b, #4",
            "and v20.16b, v20.16b, v29.16b; and v21.16b, v21.16b, v29.16b; and v22.16b, v22.16b, v29.16b",
            "and v23.16b, v23.16b, v29.16b",
            "ldr q16, [x0, #80]; sdot v0.4s, v24.16b, v8.4b[1]; ldr q17, [x0, #96]; sdot v1.4s, v25.16b, v8.4b[1]",
            "ldr q18, [x0, #224]; sdot v2.4s, v26.16b, v10.4b[1]; ldr q19, [x0, #240]; sdot v3.4s, v27.16b, v10.4b[1]",
            "sdot v0.4s, v20.16b, v9.4b[1]; sdot v1.4s, v21.16b, v9.4b[1]; sdot v2.4s, v22.16b, v11.4b[1]",
            "sdot v3.4s, v23.16b, v11.4b[1]",
            "shl v24.16b, v16.16b, #4; shl v25.16b, v17.16b, #4; shl v26.16b, v18.16b, #4; shl v27.16b, v19.16b, #4",
            "and v16.16b, v16.16b, v29.16b; and v17.16b, v17.16b, v29.16b; and v18.16b, v18.16b, v29.16b",
            "and v19.16b, v19.16b, v29.16b",
            "ldr q20, [x0, #112]; sdot v0.4s, v24.16b, v8.4b[2]; ldr q21, [x0, #128]; sdot v1.4s, v25.16b, v8.4b[2]",
            "ldr q22, [x0, #256]; sdot v2.4s, v26.16b, v10.4b[2]; ldr q23, [x0, #272]; sdot v3.4s, v27.16b, v10.4b[2]",
            "sdot v0.4s, v16.16b, v9.4b[2]; sdot v1.4s, v17.16b, v9.4b[2]; sdot v2.4s, v18.16b, v11.4b[2]",
            "sdot v3.4s, v19.16b, v11.4b[2]",
            "shl v24.16b, v20.16b, #4; shl v25.16b, v21.16b, #4; shl v26.16b, v22.16b, #4; shl v27.16b, v23.16b, #4",
            "and v20.16b, v20.16b, v29.16b; and v21.16b, v21.16b, v29.16b; and v22.16b, v22.16b, v29.16b",
            "and v23.16b, v23.16b, v29.16b",
            "sdot v0.4s, v24.16b, v8.4b[3]; sdot v1.4s, v25.16b, v8.4b[3]; sdot v2.4s, v26.16b, v10.4b[3]",
            "sdot v3.4s, v27.16b, v10.4b[3]; sdot v0.4s, v20.16b, v9.4b[3]; sdot v1.4s, v21.16b, v9.4b[3]",
            "sdot v2.4s, v22.16b, v11.4b[3]; sdot v3.4s, v23.16b, v11.4b[3]",
            "add x0, x0, #288; add x1, x1, #64; subs x3, x3, #1; b.ne 2b",
            "// LLVM-MCA-END decode-q4_0",
            "// qlens-macs decode-q4_0 512",
            "scvtf v0.4s, v0.4s, #4; scvtf v1.4s, v1.4s, #4; scvtf v2.4s, v2.4s, #4; scvtf v3.4s, v3.4s, #4",
            "fmla v30.4s, v0.4s, v4.4s; fmla v31.4s, v1.4s, v5.4s; fmla v30.4s, v2.4s, v6.4s",
            "fmla v31.4s, v3.4s, v7.4s",
            inout("x0") p => _, inout("x1") x.q => _, inout("x2") x.d => _, inout("x3") pairs => _,
            inout("v30") low, inout("v31") high,
            out("v0") _, out("v1") _, out("v2") _, out("v3") _, out("v4") _, out("v5") _, out("v6") _,
            out("v7") _, out("v8") _, out("v9") _, out("v10") _, out("v11") _, out("v12") _, out("v13") _,
            out("v14") _, out("v15") _, out("v16") _, out("v17") _, out("v18") _, out("v19") _, out("v20") _,
            out("v21") _, out("v22") _, out("v23") _, out("v24") _, out("v25") _, out("v26") _, out("v27") _,
            out("v29") _,
            options(nostack, readonly)
        );
    }
    [low, high]
}

/// `Q5_0`: two octets a round, first rows 0 to 3 of both, then the others; weights count 8-fold until the sums
/// become floats.
#[inline]
#[target_feature(enable = "neon,dotprod")]
unsafe fn q5_0(
    p: *const u8,
    pairs: usize,
    x: &QuantizedTile,
    acc: [float32x4_t; 2],
) -> [float32x4_t; 2] {
    let [mut low, mut high] = acc;
    // SAFETY: as `q8_0`.
    unsafe {
        asm!(
            "movi v4.16b, #0xF8",
            "// LLVM-MCA-BEGIN decode-q5_0",
            "2:",
            "ldr q12, [x0, #16]; ldr q20, [x0, #192]; ldr q13, [x0, #48]; ldr q21, [x0, #224]; ldr q14, [x0, #80]",
            "ldr q22, [x0, #256]; ldr q15, [x0, #112]; ldr q23, [x0, #288]; ldr q16, [x0, #144]; ldr q24, [x0, #320]",
            "ldr q8, [x1]; ldr q10, [x1, #32]; ldr q9, [x1, #16]; ldr q11, [x1, #48]",
            "movi v0.4s, #0; movi v1.4s, #0; movi v2.4s, #0; movi v3.4s, #0",
            "shl v17.16b, v12.16b, #5; shl v25.16b, v20.16b, #5; shl v28.16b, v15.16b, #6; shl v29.16b, v23.16b, #6",
            "shl v19.16b, v15.16b, #5; shl v27.16b, v23.16b, #5; shl v18.16b, v13.16b, #5; shl v26.16b, v21.16b, #5",
            "sri v17.16b, v28.16b, #3; sri v25.16b, v29.16b, #3",
            "shl v28.16b, v16.16b, #5; shl v29.16b, v24.16b, #5",
            "sri v19.16b, v28.16b, #1; sri v27.16b, v29.16b, #1",
            "shl v28.16b, v16.16b, #6; shl v29.16b, v24.16b, #6",
            "sri v18.16b, v28.16b, #3; sri v26.16b, v29.16b, #3",
            "shl v28.16b, v14.16b, #5; shl v29.16b, v22.16b, #5",
            "sri v28.16b, v19.16b, #3; sri v29.16b, v27.16b, #3",
            "and v12.16b, v12.16b, v4.16b; and v20.16b, v20.16b, v4.16b; and v13.16b, v13.16b, v4.16b",
            "and v21.16b, v21.16b, v4.16b; and v14.16b, v14.16b, v4.16b; and v22.16b, v22.16b, v4.16b",
            "and v15.16b, v15.16b, v4.16b; and v23.16b, v23.16b, v4.16b; and v16.16b, v16.16b, v4.16b",
            "and v24.16b, v24.16b, v4.16b; and v19.16b, v28.16b, v4.16b; and v27.16b, v29.16b, v4.16b",
            "sdot v0.4s, v12.16b, v8.4b[0]; sdot v2.4s, v20.16b, v10.4b[0]; ldr q12, [x0, #32]; ldr q20, [x0, #208]",
            "sdot v0.4s, v13.16b, v8.4b[1]; sdot v2.4s, v21.16b, v10.4b[1]; ldr q13, [x0, #64]; ldr q21, [x0, #240]",
            "sdot v0.4s, v14.16b, v8.4b[2]; sdot v2.4s, v22.16b, v10.4b[2]; ldr q14, [x0, #96]; ldr q22, [x0, #272]",
            "sdot v0.4s, v15.16b, v8.4b[3]; sdot v2.4s, v23.16b, v10.4b[3]; ldr q15, [x0, #128]; ldr q23, [x0, #304]",
            "sdot v0.4s, v16.16b, v9.4b[0]; sdot v2.4s, v24.16b, v11.4b[0]; ldr q16, [x0, #160]; ldr q24, [x0, #336]",
            "sdot v0.4s, v17.16b, v9.4b[1]; sdot v2.4s, v25.16b, v11.4b[1]; sdot v0.4s, v18.16b, v9.4b[2]",
            "sdot v2.4s, v26.16b, v11.4b[2]; sdot v0.4s, v19.16b, v9.4b[3]; sdot v2.4s, v27.16b, v11.4b[3]",
            "shl v17.16b, v12.16b, #5; shl v25.16b, v20.16b, #5; shl v28.16b, v15.16b, #6; shl v29.16b, v23.16b, #6",
            "shl v19.16b, v15.16b, #5; shl v27.16b, v23.16b, #5; shl v18.16b, v13.16b, #5; shl v26.16b, v21.16b, #5",
            "sri v17.16b, v28.16b, #3; sri v25.16b, v29.16b, #3",
            "shl v28.16b, v16.16b, #5; shl v29.16b, v24.16b, #5",
            "sri v19.16b, v28.16b, #1; sri v27.16b, v29.16b, #1",
            "shl v28.16b, v16.16b, #6; shl v29.16b, v24.16b, #6",
            "sri v18.16b, v28.16b, #3; sri v26.16b, v29.16b, #3",
            "shl v28.16b, v14.16b, #5; shl v29.16b, v22.16b, #5",
            "sri v28.16b, v19.16b, #3; sri v29.16b, v27.16b, #3",
            "and v12.16b, v12.16b, v4.16b; and v20.16b, v20.16b, v4.16b; and v13.16b, v13.16b, v4.16b",
            "and v21.16b, v21.16b, v4.16b; and v14.16b, v14.16b, v4.16b; and v22.16b, v22.16b, v4.16b",
            "and v15.16b, v15.16b, v4.16b; and v23.16b, v23.16b, v4.16b; and v16.16b, v16.16b, v4.16b",
            "and v24.16b, v24.16b, v4.16b; and v19.16b, v28.16b, v4.16b; and v27.16b, v29.16b, v4.16b",
            "sdot v1.4s, v12.16b, v8.4b[0]; sdot v3.4s, v20.16b, v10.4b[0]; ldr q5, [x0]",
            "sdot v1.4s, v13.16b, v8.4b[1]; sdot v3.4s, v21.16b, v10.4b[1]; ldr q6, [x0, #176]",
            "sdot v1.4s, v14.16b, v8.4b[2]; sdot v3.4s, v22.16b, v10.4b[2]; ldr d7, [x2]",
            "sdot v1.4s, v15.16b, v8.4b[3]; sdot v3.4s, v23.16b, v10.4b[3]; sdot v1.4s, v16.16b, v9.4b[0]",
            "sdot v3.4s, v24.16b, v11.4b[0]; sdot v1.4s, v17.16b, v9.4b[1]; sdot v3.4s, v25.16b, v11.4b[1]",
            "sdot v1.4s, v18.16b, v9.4b[2]; sdot v3.4s, v26.16b, v11.4b[2]; sdot v1.4s, v19.16b, v9.4b[3]",
            "sdot v3.4s, v27.16b, v11.4b[3]",
            "subs x3, x3, #1; add x0, x0, #352; add x1, x1, #64; add x2, x2, #8",
            "fcvtl v12.4s, v5.4h; fcvtl2 v13.4s, v5.8h; fcvtl v14.4s, v6.4h; fcvtl2 v15.4s, v6.8h",
            "scvtf v0.4s, v0.4s, #3; scvtf v2.4s, v2.4s, #3; scvtf v1.4s, v1.4s, #3; scvtf v3.4s, v3.4s, #3",
            "fmul v12.4s, v12.4s, v7.s[0]; fmul v13.4s, v13.4s, v7.s[0]; fmul v14.4s, v14.4s, v7.s[1]",
            "fmul v15.4s, v15.4s, v7.s[1]",
            "fmla v30.4s, v0.4s, v12.4s; fmla v31.4s, v1.4s, v13.4s; fmla v30.4s, v2.4s, v14.4s",
            "fmla v31.4s, v3.4s, v15.4s",
            "b.ne 2b",
            "// LLVM-MCA-END decode-q5_0",
            "// qlens-macs decode-q5_0 512",
            inout("x0") p => _, inout("x1") x.q => _, inout("x2") x.d => _, inout("x3") pairs => _,
            inout("v30") low, inout("v31") high,
            out("v0") _, out("v1") _, out("v2") _, out("v3") _, out("v4") _, out("v5") _, out("v6") _,
            out("v7") _, out("v8") _, out("v9") _, out("v10") _, out("v11") _, out("v12") _, out("v13") _,
            out("v14") _, out("v15") _, out("v16") _, out("v17") _, out("v18") _, out("v19") _, out("v20") _,
            out("v21") _, out("v22") _, out("v23") _, out("v24") _, out("v25") _, out("v26") _, out("v27") _,
            out("v28") _, out("v29") _,
            options(nostack, readonly)
        );
    }
    [low, high]
}

/// `Q4_K`: two groups a round, whose weights share their bytes; `x4` sums of activations, `x5` and `x6` integer scales
/// and minima.
#[inline]
#[target_feature(enable = "neon,dotprod")]
unsafe fn q4_k(
    p: *const u8,
    octets: usize,
    x: &QuantizedTile,
    acc: [float32x4_t; 2],
) -> [float32x4_t; 2] {
    let [mut low, mut high] = acc;
    for b in 0..octets {
        // SAFETY: the caller promises an octet and eight groups of activations; two are read in each of four rounds.
        unsafe {
            let p = p.add(b * OCTET * Format::Q4K.block_bytes());
            let (q, d, s) = (x.q.add(8 * GROUP * b), x.d.add(8 * b), x.s.add(8 * b));
            let (block, min) = (halves(p), negated(halves(p.add(q4_k::DMIN))));
            let (scales, mins) = (six_bits(p.add(q4_k::SCALES)), six_bits(p.add(q4_k::MINS)));
            let p = p.add(q4_k::QUANTS);
            asm!(
                "movi v7.16b, #0x0F",
                "// LLVM-MCA-BEGIN decode-q4_k",
                "2:",
                "ldr q8, [x1]; ldr q10, [x1, #32]; ldr q9, [x1, #16]; ldr q11, [x1, #48]; ldr q12, [x0]",
                "ldr q13, [x0, #16]; ldr q14, [x0, #32]; ldr q15, [x0, #48]",
                "movi v0.4s, #0; movi v1.4s, #0; movi v2.4s, #0; movi v3.4s, #0",
                "ushr v20.16b, v12.16b, #4; ushr v21.16b, v13.16b, #4; ushr v22.16b, v14.16b, #4",
                "ushr v23.16b, v15.16b, #4",
                "and v12.16b, v12.16b, v7.16b; and v13.16b, v13.16b, v7.16b; and v14.16b, v14.16b, v7.16b",
                "and v15.16b, v15.16b, v7.16b",
                "ldr q16, [x0, #64]; sdot v0.4s, v12.16b, v8.4b[0]; ldr q17, [x0, #80]; sdot v1.4s, v13.16b, v8.4b[0]",
                "ldr q18, [x0, #96]; sdot v2.4s, v20.16b, v10.4b[0]; ldr q19, [x0, #112]; sdot v3.4s, v21.16b, v10.4b[0]",
                "sdot v0.4s, v14.16b, v8.4b[1]; sdot v1.4s, v15.16b, v8.4b[1]; sdot v2.4s, v22.16b, v10.4b[1]",
                "sdot v3.4s, v23.16b, v10.4b[1]",
                "ushr v20.16b, v16.16b, #4; ushr v21.16b, v17.16b, #4; ushr v22.16b, v18.16b, #4",
                "ushr v23.16b, v19.16b, #4",
                "and v16.16b, v16.16b, v7.16b; and v17.16b, v17.16b, v7.16b; and v18.16b, v18.16b, v7.16b",
                "and v19.16b, v19.16b, v7.16b",
                "ldr q12, [x0, #128]; sdot v0.4s, v16.16b, v8.4b[2]; ldr q13, [x0, #144]; sdot v1.4s, v17.16b, v8.4b[2]",
                "ldr q14, [x0, #160]; sdot v2.4s, v20.16b, v10.4b[2]; ldr q15, [x0, #176]; sdot v3.4s, v21.16b, v10.4b[2]",
                "sdot v0.4s, v18.16b, v8.4b[3]; sdot v1.4s, v19.16b, v8.4b[3]; sdot v2.4s, v22.16b, v10.4b[3]",
                "sdot v3.4s, v23.16b, v10.4b[3]",
                "ushr v20.16b, v12.16b, #4; ushr v21.16b, v13.16b, #4; ushr v22.16b, v14.16b, #4",
                "ushr v23.16b, v15.16b, #4",
                "and v12.16b, v12.16b, v7.16b; and v13.16b, v13.16b, v7.16b; and v14.16b, v14.16b, v7.16b",
                "and v15.16b, v15.16b, v7.16b",
                "ldr q16, [x0, #192]; sdot v0.4s, v12.16b, v9.4b[0]; ldr q17, [x0, #208]; sdot v1.4s, v13.16b, v9.4b[0]",
                "ldr q18, [x0, #224]; sdot v2.4s, v20.16b, v11.4b[0]; ldr q19, [x0, #240]; sdot v3.4s, v21.16b, v11.4b[0]",
                "sdot v0.4s, v14.16b, v9.4b[1]; sdot v1.4s, v15.16b, v9.4b[1]; sdot v2.4s, v22.16b, v11.4b[1]",
                "sdot v3.4s, v23.16b, v11.4b[1]",
                "ushr v20.16b, v16.16b, #4; ushr v21.16b, v17.16b, #4; ushr v22.16b, v18.16b, #4",
                "ushr v23.16b, v19.16b, #4",
                "and v16.16b, v16.16b, v7.16b; and v17.16b, v17.16b, v7.16b; and v18.16b, v18.16b, v7.16b",
                "and v19.16b, v19.16b, v7.16b",
                "ldr q12, [x5], #16; sdot v0.4s, v16.16b, v9.4b[2]; ldr q13, [x6], #16; sdot v1.4s, v17.16b, v9.4b[2]",
                "ldr d14, [x2], #8; sdot v2.4s, v20.16b, v11.4b[2]; ldr d15, [x4], #8; sdot v3.4s, v21.16b, v11.4b[2]",
                "sdot v0.4s, v18.16b, v9.4b[3]; sdot v1.4s, v19.16b, v9.4b[3]; sdot v2.4s, v22.16b, v11.4b[3]",
                "sdot v3.4s, v23.16b, v11.4b[3]",
                "uxtl v16.8h, v12.8b; uxtl2 v17.8h, v12.16b; uxtl v18.8h, v13.8b; uxtl2 v19.8h, v13.16b",
                "uxtl v20.4s, v16.4h; uxtl2 v21.4s, v16.8h; uxtl v22.4s, v17.4h; uxtl2 v23.4s, v17.8h; uxtl v8.4s, v18.4h",
                "uxtl2 v9.4s, v18.8h; uxtl v10.4s, v19.4h; uxtl2 v11.4s, v19.8h",
                "mul v0.4s, v0.4s, v20.4s; mul v1.4s, v1.4s, v21.4s; mul v2.4s, v2.4s, v22.4s; mul v3.4s, v3.4s, v23.4s",
                "ucvtf v8.4s, v8.4s; ucvtf v9.4s, v9.4s; ucvtf v10.4s, v10.4s; ucvtf v11.4s, v11.4s",
                "scvtf v0.4s, v0.4s; scvtf v1.4s, v1.4s; scvtf v2.4s, v2.4s; scvtf v3.4s, v3.4s",
                "fmul v20.4s, v26.4s, v14.s[0]; fmul v21.4s, v27.4s, v14.s[0]; fmul v22.4s, v26.4s, v14.s[1]",
                "fmul v23.4s, v27.4s, v14.s[1]; fmul v8.4s, v8.4s, v28.4s; fmul v9.4s, v9.4s, v29.4s",
                "fmul v10.4s, v10.4s, v28.4s; fmul v11.4s, v11.4s, v29.4s",
                "fmla v30.4s, v0.4s, v20.4s; fmla v31.4s, v1.4s, v21.4s; fmla v30.4s, v8.4s, v15.s[0]",
                "fmla v31.4s, v9.4s, v15.s[0]; fmla v30.4s, v2.4s, v22.4s; fmla v31.4s, v3.4s, v23.4s",
                "fmla v30.4s, v10.4s, v15.s[1]; fmla v31.4s, v11.4s, v15.s[1]",
                "add x0, x0, #256; add x1, x1, #64; subs x3, x3, #1; b.ne 2b",
                "// LLVM-MCA-END decode-q4_k",
                "// qlens-macs decode-q4_k 512",
                inout("x0") p => _, inout("x1") q => _, inout("x2") d => _, inout("x3") 4 => _, inout("x4") s => _,
                inout("x5") scales.as_ptr() => _, inout("x6") mins.as_ptr() => _,
                in("v26") block[0], in("v27") block[1], in("v28") min[0], in("v29") min[1],
                inout("v30") low, inout("v31") high,
                out("v0") _, out("v1") _, out("v2") _, out("v3") _, out("v7") _, out("v8") _, out("v9") _,
                out("v10") _, out("v11") _, out("v12") _, out("v13") _, out("v14") _, out("v15") _, out("v16") _,
                out("v17") _, out("v18") _, out("v19") _, out("v20") _, out("v21") _, out("v22") _, out("v23") _,
                options(nostack, readonly)
            );
        }
    }
    [low, high]
}

/// `Q6_K`: one group a round, its halves summed apart; `x5` integer scales. Weights count 4-fold until the sums become
/// floats.
#[inline]
#[target_feature(enable = "neon,dotprod")]
unsafe fn q6_k(
    p: *const u8,
    octets: usize,
    x: &QuantizedTile,
    acc: [float32x4_t; 2],
) -> [float32x4_t; 2] {
    let [mut low, mut high] = acc;
    for b in 0..octets {
        // SAFETY: the caller promises an octet and eight groups of activations; one is read in each of eight rounds.
        unsafe {
            let p = p.add(b * OCTET * Format::Q6K.block_bytes());
            let (q, d) = (x.q.add(8 * GROUP * b), x.d.add(8 * b));
            let block = halves(p);
            asm!(
                "movi v11.16b, #3",
                "// LLVM-MCA-BEGIN decode-q6_k",
                "2:",
                "ldr q12, [x0]; ldr q13, [x0, #32]; ldr q14, [x0, #64]; ldr q15, [x0, #16]; ldr q16, [x0, #48]",
                "ldr q17, [x0, #80]; ldr q18, [x0, #96]; ldr q19, [x0, #128]; ldr q20, [x0, #160]; ldr q21, [x0, #112]",
                "ldr q22, [x0, #144]; ldr q23, [x0, #176]; ldr q8, [x1]; ldr q9, [x1, #16]; ldr q10, [x5]",
                "movi v0.4s, #0; movi v1.4s, #0; movi v2.4s, #0; movi v3.4s, #0",
                "shl v24.16b, v12.16b, #6; shl v25.16b, v15.16b, #6; shl v28.16b, v18.16b, #6; shl v29.16b, v21.16b, #6",
                "shl v4.16b, v13.16b, #6; shl v5.16b, v16.16b, #6; shl v6.16b, v19.16b, #6; shl v7.16b, v22.16b, #6",
                "sri v24.16b, v4.16b, #2; sri v25.16b, v5.16b, #2; sri v28.16b, v6.16b, #2; sri v29.16b, v7.16b, #2",
                "shl v4.16b, v14.16b, #6; shl v5.16b, v17.16b, #6; shl v6.16b, v20.16b, #6; shl v7.16b, v23.16b, #6",
                "sri v24.16b, v4.16b, #4; sri v25.16b, v5.16b, #4; sri v28.16b, v6.16b, #4; sri v29.16b, v7.16b, #4",
                "bic v12.16b, v12.16b, v11.16b; bic v15.16b, v15.16b, v11.16b; bic v18.16b, v18.16b, v11.16b",
                "bic v21.16b, v21.16b, v11.16b; bic v13.16b, v13.16b, v11.16b; bic v16.16b, v16.16b, v11.16b",
                "bic v19.16b, v19.16b, v11.16b; bic v22.16b, v22.16b, v11.16b; bic v14.16b, v14.16b, v11.16b",
                "bic v17.16b, v17.16b, v11.16b; bic v20.16b, v20.16b, v11.16b; bic v23.16b, v23.16b, v11.16b",
                "sdot v0.4s, v12.16b, v8.4b[0]; sdot v1.4s, v15.16b, v8.4b[0]; sdot v2.4s, v18.16b, v9.4b[0]",
                "sdot v3.4s, v21.16b, v9.4b[0]; sdot v0.4s, v13.16b, v8.4b[1]; sdot v1.4s, v16.16b, v8.4b[1]",
                "sdot v2.4s, v19.16b, v9.4b[1]; sdot v3.4s, v22.16b, v9.4b[1]; sdot v0.4s, v14.16b, v8.4b[2]",
                "sdot v1.4s, v17.16b, v8.4b[2]; sdot v2.4s, v20.16b, v9.4b[2]; sdot v3.4s, v23.16b, v9.4b[2]",
                "ldr s18, [x2]; sdot v0.4s, v24.16b, v8.4b[3]; sdot v1.4s, v25.16b, v8.4b[3]",
                "sdot v2.4s, v28.16b, v9.4b[3]; sdot v3.4s, v29.16b, v9.4b[3]",
                "subs x3, x3, #1; add x0, x0, #192; add x1, x1, #32; add x2, x2, #4; add x5, x5, #16",
                "sxtl v12.8h, v10.8b; sxtl2 v13.8h, v10.16b; sxtl v14.4s, v12.4h; sxtl2 v15.4s, v12.8h",
                "sxtl v16.4s, v13.4h; sxtl2 v17.4s, v13.8h",
                "fmul v4.4s, v26.4s, v18.s[0]; fmul v5.4s, v27.4s, v18.s[0]",
                "mul v0.4s, v0.4s, v14.4s; mul v1.4s, v1.4s, v15.4s",
                "mla v0.4s, v2.4s, v16.4s; mla v1.4s, v3.4s, v17.4s",
                "scvtf v0.4s, v0.4s, #2; scvtf v1.4s, v1.4s, #2",
                "fmla v30.4s, v0.4s, v4.4s; fmla v31.4s, v1.4s, v5.4s",
                "b.ne 2b",
                "// LLVM-MCA-END decode-q6_k",
                "// qlens-macs decode-q6_k 256",
                inout("x0") p.add(q6_k::QUANTS) => _, inout("x1") q => _, inout("x2") d => _, inout("x3") 8 => _,
                inout("x5") p.add(q6_k::SCALES) => _, in("v26") block[0], in("v27") block[1],
                inout("v30") low, inout("v31") high,
                out("v0") _, out("v1") _, out("v2") _, out("v3") _, out("v4") _, out("v5") _, out("v6") _,
                out("v7") _, out("v8") _, out("v9") _, out("v10") _, out("v11") _, out("v12") _, out("v13") _,
                out("v14") _, out("v15") _, out("v16") _, out("v17") _, out("v18") _, out("v19") _, out("v20") _,
                out("v21") _, out("v22") _, out("v23") _, out("v24") _, out("v25") _, out("v28") _, out("v29") _,
                options(nostack, readonly)
            );
        }
    }
    [low, high]
}
