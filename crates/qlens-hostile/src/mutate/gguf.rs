//! Damage to a GGUF file that knows what it hits: lengths, counts, types, values, dimensions, offsets, weights.

use std::ops::Range;

use super::bytes;
use crate::{Aligned, Random};

/// Numbers that are noted down of a file: a vocabulary has more than all the rest.
const MOST_NUMBERS: usize = 1 << 16;

/// Where a file keeps its numbers, as far as it can be read.
pub struct Numbers {
    places: Vec<Range<usize>>,
    /// Where its data begins, at the earliest.
    head: usize,
}

impl Numbers {
    /// Those of a file, sound or not.
    pub fn of(file: &[u8]) -> Self {
        let mut reader = Reader {
            file,
            at: 4,
            places: Vec::new(),
        };
        let _ = reader.directory();
        Self {
            head: reader.at.min(file.len()),
            places: reader.places,
        }
    }
}

struct Reader<'f> {
    file: &'f [u8],
    at: usize,
    places: Vec<Range<usize>>,
}

impl Reader<'_> {
    fn directory(&mut self) -> Option<()> {
        self.number(4)?;
        let (tensors, keys) = (self.number(8)?, self.number(8)?);
        for _ in 0..keys {
            self.text()?;
            let kind = self.number(4)?;
            self.value(kind)?;
        }
        for _ in 0..tensors {
            self.text()?;
            for _ in 0..self.number(4)? {
                self.number(8)?;
            }
            self.number(4)?;
            self.number(8)?;
        }
        Some(())
    }

    fn number(&mut self, bytes: usize) -> Option<u64> {
        let place = self.at..self.at.checked_add(bytes)?;
        let mut word = [0; 8];
        word[..bytes].copy_from_slice(self.file.get(place.clone())?);
        if self.places.len() == MOST_NUMBERS {
            return None;
        }
        self.at = place.end;
        self.places.push(place);
        Some(u64::from_le_bytes(word))
    }

    fn text(&mut self) -> Option<()> {
        let len = usize::try_from(self.number(8)?).ok()?;
        self.at = self.at.checked_add(len)?;
        Some(())
    }

    fn value(&mut self, kind: u64) -> Option<()> {
        match kind {
            0 | 1 | 7 => self.number(1).map(drop),
            2 | 3 => self.number(2).map(drop),
            4..=6 => self.number(4).map(drop),
            8 => self.text(),
            9 => {
                let kind = self.number(4)?;
                // No format nests them, and a hostile file may without end.
                if kind == 9 {
                    return None;
                }
                for _ in 0..self.number(8)? {
                    self.value(kind)?;
                }
                Some(())
            }
            _ => self.number(8).map(drop),
        }
    }
}

/// Damages a file, and says how much of it is left.
pub fn mutate(random: &mut Random, file: &mut Aligned, numbers: &Numbers) -> usize {
    let head = 0..numbers.head;
    let data = numbers.head..file.len();
    let mut len = file.len();
    for _ in 0..=random.below(3) {
        match random.below(12) {
            0 => {
                let end = random.one(&[64, numbers.head, file.len()]);
                len = len.min(random.below(end));
            }
            1..=2 => bytes(random, file, head.clone()),
            3 => swap(random, file, &numbers.places),
            4..=5 => weights(random, file, data.clone()),
            _ => extreme(random, file, numbers),
        }
    }
    len
}

/// Sets one number to what nobody expects there.
fn extreme(random: &mut Random, file: &mut [u8], numbers: &Numbers) {
    let places = &numbers.places;
    let count = places.len();
    // What shapes the model is before the vocabulary and behind it.
    let range = match random.below(4) {
        0 => 0..60.min(count),
        1 => 0..count,
        _ => count.saturating_sub(400)..count,
    };
    let Some(place) = places.get(range.start + random.below(range.len())) else {
        return;
    };
    let old = read(file, place);
    let other = read(file, &places[random.below(count)]);
    let float = random.one(&[f32::NAN, f32::INFINITY, -0.0, 1e-45, f32::MAX, -1.0, 1.0]);
    let bit = 1 << random.below(64);
    let few = random.below(70) as u64;
    let all = u64::MAX >> (64 - 8 * place.len() as u32);
    let value = random.one(&[
        old.wrapping_add(1),
        old.wrapping_sub(1),
        old.wrapping_mul(2),
        old / 2,
        old ^ bit,
        other,
        bit,
        few,
        few,
        few,
        0,
        all,
        all / 2,
        all / 2 + 1,
        u64::from(u32::MAX),
        file.len() as u64,
        u64::from(float.to_bits()),
    ]);
    file[place.clone()].copy_from_slice(&value.to_le_bytes()[..place.len()]);
}

/// Exchanges two numbers of the same width.
fn swap(random: &mut Random, file: &mut [u8], places: &[Range<usize>]) {
    if places.is_empty() {
        return;
    }
    let [a, b] = [(); 2].map(|()| places[random.below(places.len())].clone());
    if a.len() == b.len() {
        let (old_a, old_b) = (read(file, &a), read(file, &b));
        let width = a.len();
        file[a].copy_from_slice(&old_b.to_le_bytes()[..width]);
        file[b].copy_from_slice(&old_a.to_le_bytes()[..width]);
    }
}

/// Infinities, NaN and noise where the weights are.
fn weights(random: &mut Random, file: &mut [u8], data: Range<usize>) {
    if data.is_empty() {
        return;
    }
    let at = data.start + random.below(data.len());
    let len = random.one(&[1, 2, 4, 64, 5000]).min(data.end - at);
    let pattern = random.one(&[
        [0xff; 4],
        [0x00, 0x7c, 0x00, 0x7c],
        [0, 0, 0x80, 0x7f],
        [0x7e, 0x7b, 0xff, 0xfb],
    ]);
    let is_noise = random.one_in(4);
    for (byte, other) in file[at..at + len].iter_mut().zip(pattern.iter().cycle()) {
        *byte = if is_noise {
            random.number() as u8
        } else {
            *other
        };
    }
}

fn read(file: &[u8], place: &Range<usize>) -> u64 {
    let mut word = [0; 8];
    word[..place.len()].copy_from_slice(&file[place.clone()]);
    u64::from_le_bytes(word)
}
