//! What is printed when the firmware itself goes wrong: which exception, in words, where, and all
//! registers. Interrupts stay masked for good (cores only wait for them, see [`crate::Platform::wait`]), so any
//! exception that is taken at all is a fault, and the machine is switched off after the report: a
//! device in a face must not go on with state it cannot trust, and a test must end.

use core::arch::naked_asm;
use core::fmt::{self, Write};
use core::panic::PanicInfo;
use core::sync::atomic::{AtomicU64, Ordering};

use aarch64_cpu::registers::{ESR_EL1, FAR_EL1, Readable, SP_EL0, TPIDR_EL1, Writeable};
use aarch64_rt::{ExceptionHandlers, RegisterState, RegisterStateRef, exception_handlers};

use crate::console::Emergency;
use crate::{platform, stacks};

exception_handlers!(Exceptions);

struct Exceptions;

/// A handler that also keeps the registers which the vector does not save, because a report without
/// them is half a report.
macro_rules! reporting {
    ($($name:ident = $kind:literal),* $(,)?) => {$(
        #[unsafe(naked)]
        extern "C" fn $name(_state: RegisterStateRef) {
            naked_asm!(
                "stp x19, x20, [sp, #-80]!",
                "stp x21, x22, [sp, #16]",
                "stp x23, x24, [sp, #32]",
                "stp x25, x26, [sp, #48]",
                "stp x27, x28, [sp, #64]",
                "mov x1, sp",
                "mov x2, {kind}",
                "b {report}",
                kind = const $kind,
                report = sym report,
            )
        }
    )*};
}

impl ExceptionHandlers for Exceptions {
    reporting! {
        sync_current = 0,
        irq_current = 1,
        fiq_current = 2,
        serror_current = 3,
        sync_lower = 4,
        irq_lower = 5,
        fiq_lower = 6,
        serror_lower = 7,
    }
}

const KINDS: [&str; 8] = [
    "synchronous exception",
    "interrupt (they should be masked)",
    "fast interrupt (they should be masked)",
    "system error",
    "synchronous exception from EL0",
    "interrupt from EL0",
    "fast interrupt from EL0",
    "system error from EL0",
];

/// The core that reports; one report is enough.
static REPORTER: AtomicU64 = AtomicU64::new(NOBODY);

const NOBODY: u64 = u64::MAX;

/// Reports, and switches the machine off. A fault in the report itself only switches off; a second core that
/// goes wrong leaves the first the time to finish.
fn report_once(report: impl FnOnce(&mut Emergency) -> fmt::Result) -> ! {
    let this = this_core();
    match REPORTER.compare_exchange(NOBODY, this, Ordering::Relaxed, Ordering::Relaxed) {
        // Writing to the console does not fail; the `Result`s in here are there for `?` alone.
        Ok(_) => drop(report(&mut Emergency::open())),
        Err(reporter) if reporter == this => {}
        Err(_) => loop {
            aarch64_cpu::asm::wfi();
        },
    }
    platform().off()
}

/// Remembers which core this is, for reports.
pub fn set_core(core: usize) {
    TPIDR_EL1.set(core as u64);
}

/// Which core this is.
pub fn this_core() -> u64 {
    TPIDR_EL1.get()
}

extern "C" fn report(state: &RegisterState, saved: &[u64; 10], kind: u64) -> ! {
    report_once(|out| describe(out, state, saved, kind))
}

fn describe(
    out: &mut impl Write,
    state: &RegisterState,
    saved: &[u64; 10],
    kind: u64,
) -> fmt::Result {
    let esr = ESR_EL1.get();
    let far = FAR_EL1.get();
    // The low bit of SPSR tells which stack pointer was in use.
    let stack_pointer = if state.spsr & 1 == 0 {
        SP_EL0.get()
    } else {
        core::ptr::from_ref(state) as u64 + size_of::<RegisterState>() as u64
    };
    let what = KINDS.get(kind as usize).copied().unwrap_or("exception");
    writeln!(out, "\n*** {what} on core {}", this_core())?;
    if matches!(kind, 0 | 4) {
        writeln!(out, "    {}", Syndrome(esr))?;
    }
    if let Some((core, which)) = stacks::guarded(far) {
        writeln!(
            out,
            "    stack overflow: {far:#x} is in the guard page below the {which} of core {core}"
        )?;
    } else if far < 4096 && Syndrome(esr).is_abort() {
        writeln!(out, "    access through a null pointer")?;
    }
    writeln!(
        out,
        "    ELR  {:#018x}  ESR  {esr:#018x}  FAR  {far:#018x}  SPSR {:#010x}",
        state.elr, state.spsr
    )?;
    writeln!(
        out,
        "    SP   {stack_pointer:#018x}  FP   {:#018x}  LR   {:#018x}",
        // aarch64-rt calls the word where it keeps x30 `sp`.
        state.fp,
        state.sp
    )?;
    let registers = state.registers.iter().chain(saved);
    for (number, value) in registers.enumerate() {
        let end = if number % 4 == 3 { "\n" } else { "" };
        write!(out, "    x{number:<2}  {value:#018x}{end}")?;
    }
    writeln!(out)?;
    backtrace(out, state.elr as u64, state.fp)
}

/// Return addresses along the chain of frame records, as far as it stays inside one stack.
fn backtrace(out: &mut impl Write, first: u64, frame: u64) -> fmt::Result {
    write!(out, "    backtrace (for addr2line): {first:#x}")?;
    let mut frame = frame;
    let Some(stack) = stacks::containing(frame) else {
        return writeln!(out);
    };
    for _ in 0..24 {
        if !frame.is_multiple_of(16) || frame < stack.start || frame + 16 > stack.end() {
            break;
        }
        // SAFETY: The record lies inside a stack, which is mapped, and is aligned.
        let [next, back] = unsafe { (frame as *const [u64; 2]).read_volatile() };
        if back == 0 {
            break;
        }
        write!(out, " {back:#x}")?;
        // Frames only go up; anything else is a broken chain.
        if next <= frame {
            break;
        }
        frame = next;
    }
    writeln!(out)
}

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    report_once(|out| {
        writeln!(
            out,
            "\n*** panic on core {}: {}",
            this_core(),
            info.message()
        )?;
        if let Some(place) = info.location() {
            writeln!(out, "    at {place}")?;
        }
        let frame: u64;
        // SAFETY: Reading the frame pointer has no effect.
        unsafe { core::arch::asm!("mov {}, x29", out(reg) frame, options(nomem, nostack)) };
        backtrace(out, panic as *const () as u64, frame)
    })
}

/// The exception syndrome register in words: Arm ARM, section D24.2.40, `ESR_EL1`.
struct Syndrome(u64);

impl Syndrome {
    const fn class(&self) -> u64 {
        self.0 >> 26 & 0x3f
    }

    const fn is_abort(&self) -> bool {
        matches!(self.class(), 0x20 | 0x21 | 0x24 | 0x25)
    }

    const fn class_name(&self) -> &'static str {
        match self.class() {
            0x00 => "unknown or undefined instruction",
            0x01 => "trapped WFI or WFE",
            0x07 => "trapped floating point or SIMD access",
            0x0a => "trapped instruction",
            0x0e => "illegal execution state",
            0x15 => "supervisor call",
            0x16 => "hypervisor call",
            0x17 => "secure monitor call",
            0x18 => "trapped system register access",
            0x20 | 0x21 => "instruction abort",
            0x22 => "misaligned program counter",
            0x24 | 0x25 => "data abort",
            0x26 => "misaligned stack pointer",
            0x2c => "floating point exception",
            0x2f => "system error",
            0x30 | 0x31 => "breakpoint",
            0x32 | 0x33 => "software step",
            0x34 | 0x35 => "watchpoint",
            0x3c => "BRK instruction",
            _ => "exception of another class",
        }
    }
}

impl fmt::Display for Syndrome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (class {:#x})", self.class_name(), self.class())?;
        if !self.is_abort() {
            return Ok(());
        }
        let status = self.0 & 0x3f;
        let level = status & 3;
        match status >> 2 {
            0b0000 => write!(f, ": address size fault, level {level}")?,
            0b0001 => write!(
                f,
                ": nothing is mapped there (translation fault, level {level})"
            )?,
            0b0010 => write!(f, ": access flag fault, level {level}")?,
            0b0011 => write!(f, ": not permitted there (permission fault, level {level})")?,
            0b1000 if level == 1 => f.write_str(": alignment fault")?,
            0b0100 => f.write_str(": external abort")?,
            0b0101 => write!(f, ": external abort on a table walk, level {level}")?,
            _ => write!(f, ": fault status {status:#x}")?,
        }
        if matches!(self.class(), 0x24 | 0x25) {
            let write = self.0 >> 6 & 1 == 1;
            f.write_str(if write { ", writing" } else { ", reading" })?;
        }
        Ok(())
    }
}
