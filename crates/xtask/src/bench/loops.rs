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

/// One iteration of a loop.
#[derive(Debug, Default, PartialEq, Eq)]
struct Loop {
    /// Its instructions, a line each.
    body: String,
    /// Multiply-accumulates; `None` if nobody said how many.
    macs: Option<u32>,
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
    for (name, Loop { body, macs }) in &loops {
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
        match macs {
            Some(macs) => {
                let rate = f64::from(*macs) / cycles;
                figures.push(Figure::exact(&of, name, rate, "MACs/cycle"));
            }
            None => eprintln!("the loop {name} has no `{MACS} {name} <n>`"),
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
    let mut macs: BTreeMap<String, u32> = BTreeMap::new();
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
            loops.entry(begun).or_insert(Loop { body, macs: None });
        } else if let Some(rest) = after(line, MACS) {
            let said = rest
                .split_once(' ')
                .and_then(|(name, count)| Some((name, count.trim().parse().ok()?)))
                .filter(|&(_, count)| count > 0);
            let (name, count) =
                said.with_context(|| format!("`{line}` is not `{MACS} <name> <n>`"))?;
            macs.insert(name.into(), count);
        } else if let Some((_, body)) = &mut open {
            body.push_str(line);
            body.push('\n');
        }
    }
    if let Some((name, _)) = open {
        bail!("the loop {name} has no `{END} {name}`");
    }
    for (name, count) in macs {
        loops
            .get_mut(&name)
            .with_context(|| format!("`{MACS} {name}` is of no loop that is marked"))?
            .macs = Some(count);
    }
    Ok(loops)
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
\t// LLVM-MCA-BEGIN bare
\tnop
\t// LLVM-MCA-END
";

    #[test]
    fn finds_marked_loops_and_what_they_do() {
        let loops = marked(ASSEMBLY).unwrap();
        let decode = &loops["q8_0-decode"];
        assert_eq!(decode.macs, Some(16));
        assert_eq!(
            decode.body,
            ".Ltmp0:\nldr\tq1, [x0], #16\nsdot\tv0.4s, v1.16b, v2.16b\nb.ne\t.Ltmp0\n"
        );
        assert_eq!(loops["bare"].macs, None);
        assert_eq!(loops.len(), 2);
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
            ("// qlens-macs a 4", "no loop that is marked"),
            ("// qlens-macs a many", "is not"),
            ("// qlens-macs a 0", "is not"),
        ] {
            let said = marked(assembly).unwrap_err().to_string();
            assert!(said.contains(says), "{assembly:?}: {said}");
        }
    }
}
