//! Numbers that look random and never change.

/// The upper half of a linear congruential generator's state (Knuth's constants), without end.
fn words(seed: u64) -> impl Iterator<Item = u32> {
    let mut state = seed;
    std::iter::repeat_with(move || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 32) as u32
    })
}

/// Blocks of any format. A half made of any two of these bytes is from 2^-7 to 2, so every scale is ordinary
/// wherever a format keeps it.
pub fn blocks(len: usize) -> Vec<u8> {
    words(1)
        .map(|word| 0x20 | (word >> 27) as u8)
        .take(len)
        .collect()
}

/// From -1 to 1.
pub fn floats(len: usize) -> Vec<f32> {
    words(2)
        .map(|word| (word >> 8) as f32 / (1 << 23) as f32 - 1.0)
        .take(len)
        .collect()
}

/// Half-precision numbers from 2^-7 to 2, as bits.
pub fn halves(len: usize) -> Vec<u16> {
    words(3)
        .map(|word| 0x2000 | (word >> 19) as u16)
        .take(len)
        .collect()
}
