//! Two to four heads of a query and a key of the cache.
//!
//! An in-order core waits for what it loads. So each head's columns are loaded while those of the head before are
//! multiplied, and the key's next columns widened where the last head is done with those before.
//!
//! Registers: `v0`-`v15` sums, four for each head; `v16`-`v19` sixteen columns of the key, and `v24`, `v25` the next
//! ones, still halves; `v20`-`v23` the same columns of a head's query, and `v26`-`v29` of the next head's.

use core::arch::{aarch64::float32x4_t, asm};

use super::Neon;
use crate::kernel::lanes::{self, LANES, Lanes};

/// Four products of a head by `$op`, sums `$a` and columns `$x`; the next head's columns, at `$at`, to `$i`.
#[rustfmt::skip]
macro_rules! head {
    ($op:literal, $a:literal $b:literal $c:literal $d:literal, $x:literal $y:literal $z:literal $w:literal,
     $i:literal $j:literal $k:literal $l:literal, $at:literal) => {
        concat!(
            $op, " v", $a, ".4s, v16.4s, v", $x, ".4s; ldr q", $i, ", [{q}, #", $at, "];",
            $op, " v", $b, ".4s, v17.4s, v", $y, ".4s; ldr q", $j, ", [{q}, #", $at, " + 16];",
            $op, " v", $c, ".4s, v18.4s, v", $z, ".4s; ldr q", $k, ", [{q}, #", $at, " + 32];",
            $op, " v", $d, ".4s, v19.4s, v", $w, ".4s; ldr q", $l, ", [{q}, #", $at, " + 48];",
        )
    };
}

/// The last head's, likewise; then come the key's next columns, and the first head's.
#[rustfmt::skip]
macro_rules! last {
    ($op:literal, $a:literal $b:literal $c:literal $d:literal, $x:literal $y:literal $z:literal $w:literal) => {
        concat!(
            $op, " v", $a, ".4s, v16.4s, v", $x, ".4s; ldr q20, [{q}, #64]; fcvtl v16.4s, v24.4h;",
            $op, " v", $b, ".4s, v17.4s, v", $y, ".4s; ldr q21, [{q}, #80]; fcvtl2 v17.4s, v24.8h;",
            $op, " v", $c, ".4s, v18.4s, v", $z, ".4s; ldr q22, [{q}, #96]; fcvtl v18.4s, v25.4h;",
            $op, " v", $d, ".4s, v19.4s, v", $w, ".4s; ldr q23, [{q}, #112]; fcvtl2 v19.4s, v25.8h;",
            "add {q}, {q}, #64;",
        )
    };
}

/// The last head's, and nothing comes.
#[rustfmt::skip]
macro_rules! end {
    ($op:literal, $a:literal $b:literal $c:literal $d:literal, $x:literal $y:literal $z:literal $w:literal) => {
        concat!(
            $op, " v", $a, ".4s, v16.4s, v", $x, ".4s; ", $op, " v", $b, ".4s, v17.4s, v", $y, ".4s;",
            $op, " v", $c, ".4s, v18.4s, v", $z, ".4s; ", $op, " v", $d, ".4s, v19.4s, v", $w, ".4s;",
        )
    };
}

/// Sixteen columns of all heads.
#[rustfmt::skip]
macro_rules! columns {
    (2, $op:literal, $last:ident) => {
        concat!(
            head!($op, 0 1 2 3, 20 21 22 23, 26 27 28 29, "{head}"),
            $last!($op, 4 5 6 7, 26 27 28 29),
        )
    };
    (3, $op:literal, $last:ident) => {
        concat!(
            head!($op, 0 1 2 3, 20 21 22 23, 26 27 28 29, "{head}"),
            head!($op, 4 5 6 7, 26 27 28 29, 20 21 22 23, "2 * {head}"),
            $last!($op, 8 9 10 11, 20 21 22 23),
        )
    };
    (4, $op:literal, $last:ident) => {
        concat!(
            head!($op, 0 1 2 3, 20 21 22 23, 26 27 28 29, "{head}"),
            head!($op, 4 5 6 7, 26 27 28 29, 20 21 22 23, "2 * {head}"),
            head!($op, 8 9 10 11, 20 21 22 23, 26 27 28 29, "3 * {head}"),
            $last!($op, 12 13 14 15, 26 27 28 29),
        )
    };
}

/// All columns of `$heads` heads.
#[rustfmt::skip]
macro_rules! products {
    ($heads:tt, $w:expr, $q:expr, $key:expr, $($name:ident = $register:tt)*) => {{
        $(let $name: float32x4_t;)*
        asm!(
            "ldr q24, [{k}]; ldr q25, [{k}, #16]; ldr q20, [{q}]; ldr q21, [{q}, #16]; ldr q22, [{q}, #32]",
            "ldr q23, [{q}, #48]; fcvtl v16.4s, v24.4h; fcvtl2 v17.4s, v24.8h; fcvtl v18.4s, v25.4h",
            "fcvtl2 v19.4s, v25.8h; ldr q24, [{k}, #32]; ldr q25, [{k}, #48]; add {k}, {k}, #64",
            columns!($heads, "fmul", last),
            ".rept {w} - 2",
            "ldr q24, [{k}]; ldr q25, [{k}, #16]; add {k}, {k}, #32",
            columns!($heads, "fmla", last),
            ".endr",
            columns!($heads, "fmla", end),
            q = inout(reg) $q => _, k = inout(reg) $key => _,
            head = const { $w * LANES * size_of::<f32>() }, w = const { $w },
            $(out($register) $name,)*
            out("v16") _, out("v17") _, out("v18") _, out("v19") _, out("v20") _, out("v21") _, out("v22") _,
            out("v23") _, out("v24") _, out("v25") _, out("v26") _, out("v27") _, out("v28") _, out("v29") _,
            options(readonly, nostack, preserves_flags),
        );
        [$($name),*]
    }};
}

/// As [`lanes::products`].
#[inline(always)]
pub fn products<const H: usize, const W: usize>(
    q: &[[[f32; LANES]; W]; H],
    key: &[[u16; LANES]; W],
) -> [Neon; 4] {
    const { assert!(W >= 2, "the next columns are loaded early") };
    let (query, columns, zero) = (q.as_ptr(), key.as_ptr(), Neon::splat(0.0));
    // SAFETY: Advanced SIMD is there on every aarch64 target of this crate. `q` is read to its end, and so is `key`.
    unsafe {
        match H {
            2 => {
                let [a, b, c, d, e, f, g, h] = products!(2, W, query, columns,
                    a = "v0" b = "v1" c = "v2" d = "v3" e = "v4" f = "v5" g = "v6" h = "v7");
                [Neon([a, b, c, d]), Neon([e, f, g, h]), zero, zero]
            }
            3 => {
                let [a, b, c, d, e, f, g, h, i, j, k, l] = products!(3, W, query, columns,
                    a = "v0" b = "v1" c = "v2" d = "v3" e = "v4" f = "v5" g = "v6" h = "v7"
                    i = "v8" j = "v9" k = "v10" l = "v11");
                [
                    Neon([a, b, c, d]),
                    Neon([e, f, g, h]),
                    Neon([i, j, k, l]),
                    zero,
                ]
            }
            4 => {
                let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = products!(4, W, query, columns,
                    a = "v0" b = "v1" c = "v2" d = "v3" e = "v4" f = "v5" g = "v6" h = "v7"
                    i = "v8" j = "v9" k = "v10" l = "v11" m = "v12" n = "v13" o = "v14" p = "v15");
                [
                    Neon([a, b, c, d]),
                    Neon([e, f, g, h]),
                    Neon([i, j, k, l]),
                    Neon([m, n, o, p]),
                ]
            }
            _ => lanes::products(q, key),
        }
    }
}
