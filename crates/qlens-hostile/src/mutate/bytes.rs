//! Damage to bytes that are nothing in particular.

use std::ops::Range;

use crate::Random;

/// Changes one place of `range` of the bytes: a bit, a byte, a few at once, some copied from elsewhere.
pub fn mutate(random: &mut Random, bytes: &mut [u8], range: Range<usize>) {
    let Some(bytes) = bytes.get_mut(range).filter(|bytes| !bytes.is_empty()) else {
        return;
    };
    let at = random.below(bytes.len());
    let len = (1 + random.below(16)).min(bytes.len() - at);
    match random.below(5) {
        0 => bytes[at] ^= 1 << random.below(8),
        1 => bytes[at] = random.one(&[0, 1, 0x7f, 0x80, 0xfe, 0xff]),
        2 => bytes[at] = random.number() as u8,
        3 => {
            let from = random.below(bytes.len() - len + 1);
            bytes.copy_within(from..from + len, at);
        }
        _ => {
            let fill = random.one(&[0, 0xff, b' ', b'\n', 0xc3]);
            bytes[at..at + len].fill(fill);
        }
    }
}
