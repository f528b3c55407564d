//! Voice against noise: speech in English and Chinese at 10 dB over white noise, babble and traffic, loud and soft. Speech
//! frames are those of the clean signal; noise frames are all that are none and do not follow one within the
//! 200 ms that the recogniser has to hang over. What the pre-roll keeps of noise counts as noise kept.
//!
//! The figures: `cargo test -p qlens-sense --test voice -- --nocapture`.

mod sound;

use qlens_recording::dice::Dice;
use qlens_sense::voice::Voice;
use qlens_sense::{EventKind, Settings};
use sound::{LABEL, Noise, active, mu_law};

const ENGLISH: [&[u8]; 2] = [
    include_bytes!("../../../../traces/speech/en-1.ul"),
    include_bytes!("../../../../traces/speech/en-2.ul"),
];
const CHINESE: [&[u8]; 2] = [
    include_bytes!("../../../../traces/speech/zh-1.ul"),
    include_bytes!("../../../../traces/speech/zh-2.ul"),
];

/// Speech over noise, as a ratio of powers: 10 dB.
const SNR: f64 = 10.0;
/// Frames that the recogniser hangs over: 200 ms.
const HANGOVER: usize = 200 * 16 / LABEL;
const SECONDS: usize = 240;
const BLOCK: usize = 256;

/// A recording, and which of its frames of [`LABEL`] samples are speech.
struct Recording {
    samples: Vec<i16>,
    speech: Vec<bool>,
}

fn record(
    sentences: &[Vec<f64>],
    all: &[Vec<f64>],
    noise: Noise,
    level: f64,
    seed: u64,
) -> Recording {
    let mut dice = Dice::new(seed);
    let len = SECONDS * 16_000;
    let mut clean = vec![0.0; len];
    let mut speech = vec![false; len / LABEL];
    let mut at = 16_000 * 2;
    for sentence in sentences.iter().cycle() {
        let (power, labels) = active(sentence);
        let frame = at / LABEL;
        if (frame + labels.len()) * LABEL >= len {
            break;
        }
        let gain = level / power.sqrt();
        for (clean, sample) in clean[frame * LABEL..].iter_mut().zip(sentence) {
            *clean = sample * gain;
        }
        speech[frame..][..labels.len()].copy_from_slice(&labels);
        at = (frame + labels.len()) * LABEL + (dice.between(1.0, 9.0) * 16_000.0) as usize;
    }
    let gain = level / SNR.sqrt();
    let noise = noise.samples(len, all, &mut dice);
    let samples = clean
        .iter()
        .zip(noise)
        .map(|(clean, noise)| ((clean + noise * gain) * 32768.0) as i16)
        .collect();
    Recording { samples, speech }
}

/// Which frames are in an utterance, and how many utterances there are.
fn listen(samples: &[i16]) -> (Vec<bool>, usize) {
    let mut voice = Voice::new();
    let mut kept = vec![false; samples.len() / LABEL];
    let mut begun = None;
    let mut utterances = 0;
    let frame_at = |at_us: u64| (at_us as usize * 16 / 1000 / LABEL).min(samples.len() / LABEL);
    for (index, block) in samples.chunks(BLOCK).enumerate() {
        let time_us = (index * BLOCK) as u64 * 125 / 2;
        let Some(event) = voice.block(time_us, block, &Settings::DEFAULT) else {
            continue;
        };
        match event.kind {
            EventKind::VoiceStart { .. } => begun = Some(frame_at(event.at_us)),
            EventKind::VoiceStop { .. } => {
                let begun = begun.take().expect("a start before each stop");
                kept[begun..frame_at(event.at_us)].fill(true);
                utterances += 1;
            }
            other => panic!("{other:?}"),
        }
    }
    if let Some(begun) = begun {
        kept[begun..].fill(true);
    }
    (kept, utterances)
}

/// Shares in thousandths of speech frames and of noise frames that were kept.
fn score(speech: &[bool], kept: &[bool]) -> (f64, f64) {
    let (mut of_speech, mut of_noise) = ((0, 0), (0, 0));
    for (frame, (&speaks, &kept)) in speech.iter().zip(kept).enumerate() {
        let hangs = speech[frame.saturating_sub(HANGOVER)..frame].contains(&true);
        let tally = match (speaks, hangs) {
            (true, _) => &mut of_speech,
            (false, false) => &mut of_noise,
            (false, true) => continue,
        };
        tally.0 += usize::from(kept);
        tally.1 += 1;
    }
    let percent = |(kept, all): (usize, usize)| 100.0 * kept as f64 / all as f64;
    (percent(of_speech), percent(of_noise))
}

#[test]
fn speech_is_kept_and_noise_is_not() {
    let [english, chinese] = [ENGLISH, CHINESE].map(|files| files.map(mu_law).to_vec());
    let all: Vec<_> = english.iter().chain(&chinese).cloned().collect();
    let mut failures = Vec::new();
    for (language, sentences) in [("English", &english), ("Chinese", &chinese)] {
        for noise in [Noise::White, Noise::Babble, Noise::Traffic] {
            // Active speech level under full scale: 20, 30 and 40 dB.
            for (seed, level) in [0.1, 0.0316, 0.01].into_iter().enumerate() {
                let recording = record(sentences, &all, noise, level, 7 + seed as u64);
                let (kept, utterances) = listen(&recording.samples);
                let (of_speech, of_noise) = score(&recording.speech, &kept);
                let line = format!(
                    "{language}, {noise:?}, {:.0} dB: {of_speech:.2}% of speech, {of_noise:.2}% of noise, {utterances} utterances",
                    20.0 * f64::log10(level)
                );
                println!("{line}");
                if of_speech < 97.0 || of_noise > 5.0 {
                    failures.push(line);
                }
            }
        }
    }
    assert!(failures.is_empty(), "{failures:#?}");
}
