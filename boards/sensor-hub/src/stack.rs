//! How much of the stack was ever used: cortex-m-rt paints all of it before it is, and whatever is still painted
//! never was.

/// cortex-m-rt's paint.
const PAINT: u32 = 0xcccc_cccc;

unsafe extern "C" {
    static _stack_start: u32;
    static _stack_end: u32;
}

/// Most bytes of stack that were in use at a time since the start.
pub fn deepest() -> u32 {
    let (top, bottom) = (&raw const _stack_start, &raw const _stack_end);
    let words = (top as usize - bottom as usize) / 4;
    // SAFETY: All of it is RAM, set aside for the stack by the linker script; below the stack pointer nothing but this
    // reads it, and above it only what is painted is told from what is not.
    let painted = (0..words).take_while(|&at| unsafe { bottom.add(at).read_volatile() } == PAINT);
    ((words - painted.count()) * 4) as u32
}
