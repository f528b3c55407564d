//! The hot loops of the kernels, as the compiler wrote them.
//!
//! A loop that is worth a figure says so in the assembly itself, inside an `asm!` block of crate `qlens`:
//!
//! ```text
//! // LLVM-MCA-BEGIN q8_0-decode
//! 2:  ldr q0, [x1], #16          one iteration, whatever it takes
//!     …
//!     b.ne 2b
//! // LLVM-MCA-END q8_0-decode
//! // qlens-macs q8_0-decode 64   multiply-accumulates of that iteration
//! ```
//!
//! One that unpacks weights for a loop of prefill says `// qlens-weights <name> <n>` instead.
//!
//! Comments survive into the assembly that the compiler writes. A function that is generic or
//! `#[inline(always)]` is not in it: a library only has what is compiled once.

use std::collections::BTreeMap;
use std::fs;

use anyhow::{Context as _, Result, bail, ensure};

use super::figure::Figure;
use super::mca;
use crate::setup::{self, Need};
use crate::{interrupt, workspace};

const BEGIN: &str = "// LLVM-MCA-BEGIN";
const END: &str = "// LLVM-MCA-END";
const MACS: &str = "// qlens-macs";
const WEIGHTS: &str = "// qlens-weights";

/// Formats that are unpacked before their products: the loops that do either.
const UNPACKED: [(&str, &str, &str); 3] = [
    ("q5_0", "unpack-q5_0", "prefill-plain"),
    ("q4_k", "unpack-q4_k", "prefill-scale-and-min"),
    ("q6_k", "unpack-q6_k", "prefill-two-scales"),
];
/// Rows of activations that meet what was unpacked.
const BATCH: f64 = 32.0;

/// One iteration of a loop.
#[derive(Debug, Default, PartialEq, Eq)]
struct Loop {
    /// Its instructions, a line each.
    body: String,
    /// `None` if nobody said.
    work: Option<Work>,
}

/// What an iteration gets done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Work {
    Macs(u32),
    Weights(u32),
}

/// Cycles of each marked loop.
pub fn figures() -> Result<Vec<Figure>> {
    setup::make_sure_of(&[Need::Target(setup::LINUX), Need::Program(&setup::LLVM_MCA)])?;
    let loops = marked(&assembly()?)?;
    if loops.is_empty() {
        eprintln!("no loop of the kernels is marked with `{BEGIN} <name>`");
    }
    let of = format!("hot loops on {}, all in L1", mca::CPU);
    let mut figures = Vec::new();
    let mut rates = BTreeMap::new();
    for (name, Loop { body, work }) in &loops {
        interrupt::check()?;
        let cycles = match mca::cycles(body) {
            Ok(cycles) => cycles,
            // One with instructions of a later core must not hide the others.
            Err(fault) => {
                eprintln!("the loop {name} has no figure: {fault:#}");
                continue;
            }
        };
        figures.push(Figure::exact(&of, name, cycles, "cycles/iteration"));
        let (done, unit) = match work {
            Some(Work::Macs(n)) => (n, "MACs/cycle"),
            Some(Work::Weights(n)) => (n, "weights/cycle"),
            None => {
                eprintln!("the loop {name} has no `{MACS} {name} <n>`");
                continue;
            }
        };
        let rate = f64::from(*done) / cycles;
        rates.insert(name.as_str(), rate);
        figures.push(Figure::exact(&of, name, rate, unit));
    }
    for (format, unpack, product) in UNPACKED {
        if let (Some(unpacked), Some(multiplied)) = (rates.get(unpack), rates.get(product)) {
            let rate = BATCH / (1.0 / unpacked + BATCH / multiplied);
            let name = format!("prefill-{format}, unpacking included, batch {BATCH}");
            figures.push(Figure::exact(&of, &name, rate, "MACs/cycle"));
        }
    }
    Ok(figures)
}

/// The assembly of crate `qlens` for the glasses' processor.
fn assembly() -> Result<String> {
    eprintln!("compiling qlens to assembly for {}", setup::LINUX);
    let path = workspace::output_folder("bench")?.join("qlens.s");
    let mut command = workspace::cargo("rustc");
    command
        .args(["--release", "--package", "qlens", "--lib", "--quiet"])
        .args(["--target", setup::LINUX, "--"])
        .arg(format!("--emit=asm={}", path.display()))
        // Functions that nothing in the library calls, or that are inlined wherever they are called, too.
        .arg("-Clink-dead-code");
    let line = workspace::line_of(&command);
    let status = command
        .status()
        .with_context(|| format!("cannot run `{line}`"))?;
    interrupt::check()?;
    ensure!(status.success(), "`{line}` failed ({status})");
    fs::read_to_string(&path).with_context(|| format!("`{line}` did not write {}", path.display()))
}

/// The marked loops by name. Of copies of one loop in several functions the first counts.
fn marked(assembly: &str) -> Result<BTreeMap<String, Loop>> {
    let mut loops: BTreeMap<String, Loop> = BTreeMap::new();
    let mut works: BTreeMap<String, Work> = BTreeMap::new();
    let mut open: Option<(String, String)> = None;
    for line in assembly.lines().map(str::trim) {
        if let Some(name) = after(line, BEGIN) {
            ensure!(
                !name.is_empty(),
                "a loop is marked with `{BEGIN}` and no name"
            );
            if let Some((open, _)) = &open {
                bail!("the loop {name} begins inside of the loop {open}");
            }
            open = Some((name.into(), String::new()));
        } else if let Some(name) = after(line, END) {
            let (begun, body) = open
                .take()
                .with_context(|| format!("the loop {name} ends and never began"))?;
            ensure!(
                name.is_empty() || name == begun,
                "the loop {begun} ends as {name}"
            );
            loops.entry(begun).or_insert(Loop { body, work: None });
        } else if let Some(rest) = after(line, MACS) {
            let (name, count) =
                said(rest).with_context(|| format!("`{line}` is not `{MACS} <name> <n>`"))?;
            works.insert(name.into(), Work::Macs(count));
        } else if let Some(rest) = after(line, WEIGHTS) {
            let (name, count) =
                said(rest).with_context(|| format!("`{line}` is not `{WEIGHTS} <name> <n>`"))?;
            works.insert(name.into(), Work::Weights(count));
        } else if let Some((_, body)) = &mut open {
            body.push_str(line);
            body.push('\n');
        }
    }
    if let Some((name, _)) = open {
        bail!("the loop {name} has no `{END} {name}`");
    }
    for (name, work) in works {
        loops
            .get_mut(&name)
            .with_context(|| format!("`{name}` has {work:?} and is no loop that is marked"))?
            .work = Some(work);
    }
    Ok(loops)
}

/// `<name> <n>`, `n` being more than 0.
fn said(rest: &str) -> Option<(&str, u32)> {
    let (name, count) = rest.split_once(' ')?;
    let count = count.trim().parse().ok()?;
    (count > 0).then_some((name, count))
}

/// What follows a marker on its line.
fn after<'l>(line: &'l str, marker: &str) -> Option<&'l str> {
    let rest = line.strip_prefix(marker)?;
    (rest.is_empty() || rest.starts_with(' ')).then(|| rest.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As rustc 1.95 writes an `asm!` block.
    const ASSEMBLY: &str = "
_ZN1a3dot17hd8aa6fd8abc9ec47E:
\t//APP
\tmovi\tv0.4s, #0
\t// LLVM-MCA-BEGIN q8_0-decode
.Ltmp0:
\tldr\tq1, [x0], #16
\tsdot\tv0.4s, v1.16b, v2.16b
\tb.ne\t.Ltmp0
\t// LLVM-MCA-END q8_0-decode
\t// qlens-macs q8_0-decode 16
\t//NO_APP
\tret
\t// LLVM-MCA-BEGIN q8_0-decode
\tnop
\t// LLVM-MCA-END q8_0-decode
\t// qlens-macs q8_0-decode 16
\t// LLVM-MCA-BEGIN unpack
\tnop
\t// LLVM-MCA-END unpack
\t// qlens-weights unpack 32
\t// LLVM-MCA-BEGIN bare
\tnop
\t// LLVM-MCA-END
";

    #[test]
    fn finds_marked_loops_and_what_they_do() {
        let loops = marked(ASSEMBLY).unwrap();
        let decode = &loops["q8_0-decode"];
        assert_eq!(decode.work, Some(Work::Macs(16)));
        assert_eq!(
            decode.body,
            ".Ltmp0:\nldr\tq1, [x0], #16\nsdot\tv0.4s, v1.16b, v2.16b\nb.ne\t.Ltmp0\n"
        );
        assert_eq!(loops["bare"].work, None);
        assert_eq!(loops["unpack"].work, Some(Work::Weights(32)));
        assert_eq!(loops.len(), 3);
        assert!(marked("\tret\n").unwrap().is_empty());
    }

    #[test]
    fn markers_that_do_not_match_are_refused() {
        for (assembly, says) in [
            ("// LLVM-MCA-BEGIN a\nnop", "the loop a has no"),
            ("// LLVM-MCA-BEGIN", "no name"),
            (
                "// LLVM-MCA-BEGIN a\n// LLVM-MCA-BEGIN b",
                "b begins inside of the loop a",
            ),
            ("// LLVM-MCA-END a", "never began"),
            (
                "// LLVM-MCA-BEGIN a\n// LLVM-MCA-END b",
                "the loop a ends as b",
            ),
            ("// qlens-macs a 4", "is no loop that is marked"),
            ("// qlens-weights a", "is not"),
            ("// qlens-macs a many", "is not"),
            ("// qlens-macs a 0", "is not"),
        ] {
            let said = marked(assembly).unwrap_err().to_string();
            assert!(said.contains(says), "{assembly:?}: {said}");
        }
    }
}
