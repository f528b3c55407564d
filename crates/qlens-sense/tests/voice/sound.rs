//! Speech from the files, and noise that is computed: everything seeded, so that each run hears the same.

use qlens_recording::dice::Dice;

/// Samples of a frame in which speech is told from noise: 10 ms.
pub const LABEL: usize = 160;
/// Speech is over this much under its own active level (ITU-T P.56's margin), as power: 15.9 dB.
const MARGIN: f64 = 0.0257;

/// Samples of a file of 8-bit mu-law, full scale 1.
pub fn mu_law(bytes: &[u8]) -> Vec<f64> {
    let samples = qlens_recording::sound::mu_law(bytes).into_iter();
    samples.map(|sample| f64::from(sample) / 32768.0).collect()
}

pub fn power(samples: &[f64]) -> f64 {
    samples.iter().map(|sample| sample * sample).sum::<f64>() / samples.len() as f64
}

/// Active level (as power) of speech, after ITU-T P.56, and which frames are over its threshold.
pub fn active(samples: &[f64]) -> (f64, Vec<bool>) {
    let frames: Vec<f64> = samples.chunks(LABEL).map(power).collect();
    let mut threshold = 0.0;
    loop {
        let speech: Vec<f64> = frames.iter().copied().filter(|&p| p > threshold).collect();
        let level = speech.iter().sum::<f64>() / speech.len() as f64;
        if level * MARGIN <= threshold * 1.0001 {
            return (level, frames.iter().map(|&p| p > threshold).collect());
        }
        threshold = level * MARGIN;
    }
}

/// Noises, each of power 1 over its whole length.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Noise {
    White,
    /// Several people talk at once.
    Babble,
    /// Rumble under 200 Hz, and tyres, which swell as cars pass.
    Traffic,
}

impl Noise {
    pub fn samples(self, len: usize, voices: &[Vec<f64>], dice: &mut Dice) -> Vec<f64> {
        let mut noise = match self {
            Self::White => (0..len).map(|_| dice.normal()).collect(),
            Self::Babble => babble(len, voices, dice),
            Self::Traffic => traffic(len, dice),
        };
        let scale = power(&noise).sqrt().recip();
        for sample in &mut noise {
            *sample *= scale;
        }
        noise
    }
}

const TALKERS: usize = 8;

fn babble(len: usize, voices: &[Vec<f64>], dice: &mut Dice) -> Vec<f64> {
    let mut mix = vec![0.0; len];
    for _ in 0..TALKERS {
        let speed = dice.between(0.85, 1.2);
        let gain = dice.between(0.7, 1.4);
        let mut at = 0;
        // Each is somewhere within a sentence when the recording begins.
        let mut skip = dice.between(0.0, 2.0) * 16_000.0;
        while at < len {
            let voice = &voices[dice.between(0.0, voices.len() as f64) as usize];
            let mut place = skip;
            skip = 0.0;
            while at < len && (place as usize) + 1 < voice.len() {
                let (whole, part) = (place as usize, place.fract());
                mix[at] += gain * (voice[whole] * (1.0 - part) + voice[whole + 1] * part);
                place += speed;
                at += 1;
            }
            at += (dice.between(0.0, 0.3) * 16_000.0) as usize;
        }
    }
    mix
}

fn traffic(len: usize, dice: &mut Dice) -> Vec<f64> {
    let (mut rumble, mut deep, mut swell, mut target) = (0.0, 0.0, 1.0, 1.0);
    (0..len)
        .map(|at| {
            if at % 32_000 == 0 {
                target = dice.between(0.6, 1.8);
            }
            // A car takes seconds to come and go.
            swell += (target - swell) / 24_000.0;
            let white = dice.normal();
            // One pole at 200 Hz, one at 100 Hz.
            rumble += (white - rumble) * 0.0785;
            deep += (rumble - deep) * 0.0393;
            swell * (deep * 12.0 + white * 0.12)
        })
        .collect()
}
