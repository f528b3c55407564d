//! Interleaved weights to a panel of int8.
//!
//! Registers: `x0` weights, `x1`, `x7`, `x8` and `x9` the panel's int8, integer scales, minima and block scales, `x5`
//! and `x6` packed scales and minima, `x3` rounds to go.

use core::arch::asm;

use crate::{
    kernel::{
        neon::{halves, negated},
        octet::six_bits,
        panel::Panel,
    },
    quant::interleave::{q4_k, q6_k},
};

/// `octets` octets of `Q5_0` blocks at `p`, at least one and as many as the panel has groups, to its first groups.
///
/// # Safety
/// They are there.
#[inline]
#[target_feature(enable = "neon")]
pub unsafe fn q5_0(p: *const u8, octets: usize, panel: &mut Panel) {
    assert!((1..=panel.q.len()).contains(&octets), "octets of a panel");
    // SAFETY: an octet is read and a group written in each round: the caller's promise, and the line above.
    unsafe {
        asm!(
            "// LLVM-MCA-BEGIN unpack-q5_0",
            "2:",
            "ldr q28, [x0]; ldr q0, [x0, #16]; ldr q8, [x0, #32]; ldr q1, [x0, #48]; ldr q9, [x0, #64]",
            "ldr q2, [x0, #80]; ldr q10, [x0, #96]; ldr q3, [x0, #112]; ldr q11, [x0, #128]; ldr q4, [x0, #144]",
            "ldr q12, [x0, #160]",
            "fcvtl v30.4s, v28.4h; fcvtl2 v31.4s, v28.8h",
            "shl v5.16b, v0.16b, #5; shl v13.16b, v8.16b, #5; shl v16.16b, v3.16b, #6; shl v17.16b, v11.16b, #6",
            "shl v6.16b, v1.16b, #5; shl v14.16b, v9.16b, #5; shl v18.16b, v4.16b, #6; shl v19.16b, v12.16b, #6",
            "shl v7.16b, v3.16b, #5; shl v15.16b, v11.16b, #5",
            "sri v5.16b, v16.16b, #3; sri v13.16b, v17.16b, #3",
            "shl v16.16b, v4.16b, #5; shl v17.16b, v12.16b, #5",
            "sri v6.16b, v18.16b, #3; sri v14.16b, v19.16b, #3",
            "shl v18.16b, v2.16b, #5; shl v19.16b, v10.16b, #5",
            "sri v7.16b, v16.16b, #1; sri v15.16b, v17.16b, #1; sri v18.16b, v7.16b, #3; sri v19.16b, v15.16b, #3",
            "sshr v0.16b, v0.16b, #3; sshr v8.16b, v8.16b, #3; sshr v1.16b, v1.16b, #3; sshr v9.16b, v9.16b, #3",
            "sshr v2.16b, v2.16b, #3; sshr v10.16b, v10.16b, #3; sshr v3.16b, v3.16b, #3; sshr v11.16b, v11.16b, #3",
            "sshr v4.16b, v4.16b, #3; sshr v12.16b, v12.16b, #3; sshr v5.16b, v5.16b, #3; sshr v13.16b, v13.16b, #3",
            "sshr v6.16b, v6.16b, #3; sshr v14.16b, v14.16b, #3; sshr v7.16b, v18.16b, #3; sshr v15.16b, v19.16b, #3",
            "stp q0, q8, [x1]; stp q1, q9, [x1, #32]; stp q2, q10, [x1, #64]; stp q3, q11, [x1, #96]",
            "stp q4, q12, [x1, #128]; stp q5, q13, [x1, #160]; stp q6, q14, [x1, #192]; stp q7, q15, [x1, #224]",
            "stp q30, q31, [x9], #32",
            "add x0, x0, #176; add x1, x1, #256; subs x3, x3, #1; b.ne 2b",
            "// LLVM-MCA-END unpack-q5_0",
            "// qlens-weights unpack-q5_0 256",
            inout("x0") p => _, inout("x1") panel.q.as_mut_ptr() => _, inout("x9") panel.d.as_mut_ptr() => _, inout("x3") octets => _,
            out("v0") _, out("v1") _, out("v2") _, out("v3") _, out("v4") _, out("v5") _, out("v6") _,
            out("v7") _, out("v8") _, out("v9") _, out("v10") _, out("v11") _, out("v12") _, out("v13") _,
            out("v14") _, out("v15") _, out("v16") _, out("v17") _, out("v18") _, out("v19") _, out("v28") _,
            out("v30") _, out("v31") _,
            options(nostack)
        );
    }
}

/// An octet of `Q4_K` superblocks at `p` to groups `g .. g + 8`, two a round.
///
/// # Safety
/// It is there.
#[inline]
#[target_feature(enable = "neon")]
pub unsafe fn q4_k(p: *const u8, panel: &mut Panel, g: usize) {
    assert!(g + 8 <= panel.q.len(), "groups of a panel");
    // SAFETY: two groups are read and written in each of four rounds: the caller's promise, and the line above.
    unsafe {
        let (block, min) = (halves(p), negated(halves(p.add(q4_k::DMIN))));
        let (scales, mins) = (six_bits(p.add(q4_k::SCALES)), six_bits(p.add(q4_k::MINS)));
        asm!(
            "movi v7.16b, #0x0F",
            "// LLVM-MCA-BEGIN unpack-q4_k",
            "2:",
            "ldr q0, [x5], #16; ldr q1, [x6], #16; ldr q16, [x0]; ldr q17, [x0, #16]; ldr q18, [x0, #32]",
            "ldr q19, [x0, #48]",
            "uxtl v2.8h, v0.8b; uxtl2 v3.8h, v0.16b; uxtl v4.8h, v1.8b; uxtl2 v5.8h, v1.16b",
            "ldr q8, [x0, #64]; ldr q9, [x0, #80]; ldr q10, [x0, #96]; ldr q11, [x0, #112]",
            "ushr v20.16b, v16.16b, #4; ushr v21.16b, v17.16b, #4; ushr v22.16b, v18.16b, #4",
            "ushr v23.16b, v19.16b, #4",
            "and v16.16b, v16.16b, v7.16b; and v17.16b, v17.16b, v7.16b; and v18.16b, v18.16b, v7.16b",
            "and v19.16b, v19.16b, v7.16b",
            "stp q16, q17, [x1]; stp q18, q19, [x1, #32]; stp q20, q21, [x1, #256]; stp q22, q23, [x1, #288]",
            "ldr q16, [x0, #128]; ldr q17, [x0, #144]; ldr q18, [x0, #160]; ldr q19, [x0, #176]",
            "ushr v12.16b, v8.16b, #4; ushr v13.16b, v9.16b, #4; ushr v14.16b, v10.16b, #4; ushr v15.16b, v11.16b, #4",
            "and v8.16b, v8.16b, v7.16b; and v9.16b, v9.16b, v7.16b; and v10.16b, v10.16b, v7.16b",
            "and v11.16b, v11.16b, v7.16b",
            "stp q8, q9, [x1, #64]; stp q10, q11, [x1, #96]; stp q12, q13, [x1, #320]; stp q14, q15, [x1, #352]",
            "ldr q8, [x0, #192]; ldr q9, [x0, #208]; ldr q10, [x0, #224]; ldr q11, [x0, #240]",
            "ushr v20.16b, v16.16b, #4; ushr v21.16b, v17.16b, #4; ushr v22.16b, v18.16b, #4",
            "ushr v23.16b, v19.16b, #4",
            "and v16.16b, v16.16b, v7.16b; and v17.16b, v17.16b, v7.16b; and v18.16b, v18.16b, v7.16b",
            "and v19.16b, v19.16b, v7.16b",
            "stp q16, q17, [x1, #128]; stp q18, q19, [x1, #160]; stp q20, q21, [x1, #384]; stp q22, q23, [x1, #416]",
            "ushr v12.16b, v8.16b, #4; ushr v13.16b, v9.16b, #4; ushr v14.16b, v10.16b, #4; ushr v15.16b, v11.16b, #4",
            "and v8.16b, v8.16b, v7.16b; and v9.16b, v9.16b, v7.16b; and v10.16b, v10.16b, v7.16b",
            "and v11.16b, v11.16b, v7.16b",
            "stp q8, q9, [x1, #192]; stp q10, q11, [x1, #224]; stp q12, q13, [x1, #448]; stp q14, q15, [x1, #480]",
            "uxtl v16.4s, v2.4h; uxtl2 v17.4s, v2.8h; uxtl v18.4s, v3.4h; uxtl2 v19.4s, v3.8h; uxtl v20.4s, v4.4h",
            "uxtl2 v21.4s, v4.8h; uxtl v22.4s, v5.4h; uxtl2 v23.4s, v5.8h",
            "ucvtf v20.4s, v20.4s; ucvtf v21.4s, v21.4s; ucvtf v22.4s, v22.4s; ucvtf v23.4s, v23.4s",
            "fmul v20.4s, v20.4s, v28.4s; fmul v21.4s, v21.4s, v29.4s; fmul v22.4s, v22.4s, v28.4s",
            "fmul v23.4s, v23.4s, v29.4s",
            "stp q16, q17, [x7]; stp q18, q19, [x7, #64]; stp q20, q21, [x8], #64; stp q22, q23, [x8, #-32]",
            "stp q26, q27, [x9], #64; stp q26, q27, [x9, #-32]",
            "add x7, x7, #128; add x0, x0, #256; add x1, x1, #512; subs x3, x3, #1; b.ne 2b",
            "// LLVM-MCA-END unpack-q4_k",
            "// qlens-weights unpack-q4_k 512",
            inout("x0") p.add(q4_k::QUANTS) => _, inout("x1") panel.q[g..].as_mut_ptr() => _, inout("x3") 4 => _,
            inout("x5") scales.as_ptr() => _, inout("x6") mins.as_ptr() => _,
            inout("x7") panel.scales[g..].as_mut_ptr() => _, inout("x8") panel.mins[g..].as_mut_ptr() => _,
            inout("x9") panel.d[g..].as_mut_ptr() => _,
            in("v26") block[0], in("v27") block[1], in("v28") min[0], in("v29") min[1],
            out("v0") _, out("v1") _, out("v2") _, out("v3") _, out("v4") _, out("v5") _, out("v7") _,
            out("v8") _, out("v9") _, out("v10") _, out("v11") _, out("v12") _, out("v13") _, out("v14") _,
            out("v15") _, out("v16") _, out("v17") _, out("v18") _, out("v19") _, out("v20") _, out("v21") _,
            out("v22") _, out("v23") _,
            options(nostack)
        );
    }
}

/// An octet of `Q6_K` superblocks at `p` to groups `g .. g + 8`, one a round.
///
/// # Safety
/// It is there.
#[inline]
#[target_feature(enable = "neon")]
pub unsafe fn q6_k(p: *const u8, panel: &mut Panel, g: usize) {
    assert!(g + 8 <= panel.q.len(), "groups of a panel");
    // SAFETY: a group is read and written in each of eight rounds: the caller's promise, and the line above.
    unsafe {
        let block = halves(p);
        asm!(
            "// LLVM-MCA-BEGIN unpack-q6_k",
            "2:",
            "ldr q0, [x5], #16; ldr q4, [x0]; ldr q5, [x0, #32]; ldr q6, [x0, #64]; ldr q8, [x0, #16]",
            "ldr q9, [x0, #48]; ldr q10, [x0, #80]; ldr q12, [x0, #96]; ldr q13, [x0, #128]; ldr q14, [x0, #160]",
            "ldr q16, [x0, #112]; ldr q17, [x0, #144]; ldr q18, [x0, #176]",
            "sxtl v1.8h, v0.8b; sxtl2 v2.8h, v0.16b",
            "shl v7.16b, v4.16b, #6; shl v11.16b, v8.16b, #6; shl v15.16b, v12.16b, #6; shl v19.16b, v16.16b, #6",
            "shl v20.16b, v5.16b, #6; shl v21.16b, v9.16b, #6; shl v22.16b, v13.16b, #6; shl v23.16b, v17.16b, #6",
            "sri v7.16b, v20.16b, #2; sri v11.16b, v21.16b, #2; sri v15.16b, v22.16b, #2; sri v19.16b, v23.16b, #2",
            "shl v20.16b, v6.16b, #6; shl v21.16b, v10.16b, #6; shl v22.16b, v14.16b, #6; shl v23.16b, v18.16b, #6",
            "sri v7.16b, v20.16b, #4; sri v11.16b, v21.16b, #4; sri v15.16b, v22.16b, #4; sri v19.16b, v23.16b, #4",
            "sshr v4.16b, v4.16b, #2; sshr v5.16b, v5.16b, #2; sshr v6.16b, v6.16b, #2; sshr v7.16b, v7.16b, #2",
            "sshr v8.16b, v8.16b, #2; sshr v9.16b, v9.16b, #2; sshr v10.16b, v10.16b, #2; sshr v11.16b, v11.16b, #2",
            "sshr v12.16b, v12.16b, #2; sshr v13.16b, v13.16b, #2; sshr v14.16b, v14.16b, #2",
            "sshr v15.16b, v15.16b, #2; sshr v16.16b, v16.16b, #2; sshr v17.16b, v17.16b, #2",
            "sshr v18.16b, v18.16b, #2; sshr v19.16b, v19.16b, #2",
            "sxtl v20.4s, v1.4h; sxtl2 v21.4s, v1.8h; sxtl v22.4s, v2.4h; sxtl2 v23.4s, v2.8h",
            "stp q4, q8, [x1]; stp q5, q9, [x1, #32]; stp q6, q10, [x1, #64]; stp q7, q11, [x1, #96]",
            "stp q12, q16, [x1, #128]; stp q13, q17, [x1, #160]; stp q14, q18, [x1, #192]; stp q15, q19, [x1, #224]",
            "stp q20, q21, [x7]; stp q22, q23, [x7, #32]; stp q26, q27, [x9], #32",
            "add x7, x7, #64; add x0, x0, #192; add x1, x1, #256; subs x3, x3, #1; b.ne 2b",
            "// LLVM-MCA-END unpack-q6_k",
            "// qlens-weights unpack-q6_k 256",
            inout("x0") p.add(q6_k::QUANTS) => _, inout("x1") panel.q[g..].as_mut_ptr() => _, inout("x3") 8 => _,
            inout("x5") p.add(q6_k::SCALES) => _, inout("x7") panel.scales[g..].as_mut_ptr() => _,
            inout("x9") panel.d[g..].as_mut_ptr() => _, in("v26") block[0], in("v27") block[1],
            out("v0") _, out("v1") _, out("v2") _, out("v4") _, out("v5") _, out("v6") _, out("v7") _,
            out("v8") _, out("v9") _, out("v10") _, out("v11") _, out("v12") _, out("v13") _, out("v14") _,
            out("v15") _, out("v16") _, out("v17") _, out("v18") _, out("v19") _, out("v20") _, out("v21") _,
            out("v22") _, out("v23") _,
            options(nostack)
        );
    }
}
