//! What a profile in Callgrind's format says: costs by line, below the object file and the function that the
//! line is in, and inclusive costs of calls.
//!
//! <https://valgrind.org/docs/manual/cl-format.html>, with names written out, one event and no instruction
//! addresses, which is how the benches are run.

use anyhow::{Context as _, Result, ensure};

/// Instructions of a profile, without those of the C library: the compiler calls its `memcpy`, and that is
/// another function on another processor.
pub fn instructions(profile: &str) -> Result<u64> {
    let (mut own, mut foreign) = (0, 0);
    let mut in_libc = false;
    let mut summary = None;
    let mut lines = profile.lines();
    while let Some(line) = lines.next() {
        if let Some(events) = line.strip_prefix("events: ") {
            ensure!(events == "Ir", "it counts {events:?} and not Ir alone");
        } else if let Some(total) = line.strip_prefix("summary: ") {
            summary = Some(total.trim().parse::<u64>().context("its summary")?);
        } else if let Some(object) = line.strip_prefix("ob=") {
            in_libc = is_libc(object);
        } else if line.starts_with("calls=") {
            // The line after it is what the called function took, which has lines of its own.
            lines.next();
        } else if line.starts_with(|c: char| c.is_ascii_digit()) {
            let cost = line.split(' ').nth(1).and_then(|cost| cost.parse().ok());
            let cost: u64 = cost.with_context(|| format!("{line:?} is no cost of a line"))?;
            *(if in_libc { &mut foreign } else { &mut own }) += cost;
        }
    }
    let summary = summary.context("it has no summary")?;
    let sum: u64 = own + foreign;
    ensure!(
        sum == summary,
        "its lines are {sum} instructions and its summary says {summary}"
    );
    ensure!(own > 0, "nothing was counted");
    Ok(own)
}

fn is_libc(object: &str) -> bool {
    let name = object.rsplit('/').next().unwrap_or(object);
    name.starts_with("libc.so") || name.starts_with("libc-") || name.starts_with("ld-linux")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As Callgrind 3.19 writes it.
    const PROFILE: &str = "# callgrind format
version: 1
creator: callgrind-3.19.0
pid: 8613
part: 1

desc: Trigger: Program termination

positions: line
events: Ir
summary: 62


ob=/usr/lib/x86_64-linux-gnu/libc.so.6
fl=./csu/../csu/libc-start.c
fn=__libc_start_main@@GLIBC_2.34
cob=/target/kernels
cfi=???
cfn=main
calls=1 29 
360 62

ob=/target/kernels
fl=product.rs
fn=run
116 40
fi=vec.rs
117 5
cob=/usr/lib/x86_64-linux-gnu/libc.so.6
cfi=memmove.S
cfn=memcpy
calls=1 0
117 17
ob=/usr/lib/x86_64-linux-gnu/libc.so.6
fl=memmove.S
fn=memcpy
212 17

totals: 62
";

    #[test]
    fn the_c_library_is_left_out() {
        assert_eq!(instructions(PROFILE).unwrap(), 45);
    }

    #[test]
    fn another_format_is_refused() {
        for (from, to, says) in [
            ("summary: 62", "summary: 63", "its summary says 63"),
            ("summary: 62", "", "no summary"),
            ("events: Ir", "events: Ir Dr", "not Ir alone"),
            ("116 40", "116 many", "no cost"),
            // A position relative to the last.
            ("116 40", "+3 40", "lines are 22"),
        ] {
            let said = instructions(&PROFILE.replace(from, to)).unwrap_err();
            assert!(said.to_string().contains(says), "{to}: {said}");
        }
        assert!(instructions("events: Ir\nsummary: 0\n").is_err());
    }
}
