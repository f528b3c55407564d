//! The microphone.

use crate::*;

#[test]
fn a_microphone_that_is_muted_stuck_or_at_its_rails_is_no_voice() {
    let mut recogniser = Recogniser::new();
    assert!(listen(&mut recogniser, 0, 50, false).is_empty());
    let mut run = |from: u64, pick: &dyn Fn(usize) -> i16| {
        (from..from + 50)
            .filter_map(|block| {
                let samples: Vec<_> = (0..320).map(pick).collect();
                recogniser.microphone(block * 20_000, &samples)
            })
            .count()
    };
    assert_eq!(run(50, &|_| 0), 0);
    assert_eq!(run(100, &|_| 12_345), 0);
    assert_eq!(
        run(150, &|at| if at % 2 == 0 { i16::MAX } else { i16::MIN }),
        0
    );
    let counts = recogniser.counts(Sensor::Microphone);
    assert_eq!((counts.stuck, counts.out_of_range), (100, 50));
    assert!(listen(&mut recogniser, 200, 250, false).is_empty());
    assert_eq!(listen(&mut recogniser, 250, 300, true).len(), 1);
}

#[test]
fn a_hole_in_the_sound_ends_the_utterance_before_it() {
    let mut recogniser = Recogniser::new();
    assert!(listen(&mut recogniser, 0, 50, false).is_empty());
    let start = listen(&mut recogniser, 50, 75, true);
    let after = listen(&mut recogniser, 200, 225, true);
    assert_eq!(start.len(), 1);
    assert_eq!(after[0].at_us, 75 * 20_000);
    assert!(matches!(
        after[0].kind,
        EventKind::VoiceStop { utterance: 0, .. }
    ));
    // The next has no sound from before the hole.
    assert_eq!(
        after[1],
        Event::new(200 * 20_000, EventKind::VoiceStart { utterance: 1 })
    );
    assert_eq!(recogniser.counts(Sensor::Microphone).gaps, 1);
}

#[test]
fn an_utterance_has_nothing_from_before_a_hole() {
    let mut recogniser = Recogniser::new();
    assert!(listen(&mut recogniser, 0, 50, false).is_empty());
    // Half a frame, and then nothing for a second.
    let half: Vec<_> = (0..160).map(|at| sound(at, false)).collect();
    assert_eq!(recogniser.microphone(1_000_000, &half), None);
    let start = listen(&mut recogniser, 100, 110, true);
    assert_eq!(
        start,
        [Event::new(
            2_000_000,
            EventKind::VoiceStart { utterance: 0 }
        )]
    );
}

#[test]
fn a_microphone_whose_clock_drifts_has_no_holes() {
    for step_us in [19_997, 20_003] {
        let mut recogniser = Recogniser::new();
        // 150 parts in a million, for ten minutes: 90 ms.
        for block in 0..30_000u64 {
            recogniser.microphone(block * step_us, &[(block % 7) as i16; 320]);
        }
        let counts = recogniser.counts(Sensor::Microphone);
        assert_eq!((counts.taken, counts.gaps), (30_000, 0), "{counts:?}");
    }
}

#[test]
fn a_flood_of_sound_is_thinned_and_a_block_too_long_refused() {
    let mut recogniser = Recogniser::new();
    for step in 0..10_000u64 {
        recogniser.microphone(step * 100, &[0; 320]);
    }
    let counts = recogniser.counts(Sensor::Microphone);
    assert!((45..=55).contains(&counts.taken), "{counts:?}");
    assert_eq!(counts.taken + counts.flooded, 10_000);
    assert_eq!(recogniser.microphone(2_000_000, &[0; 321]), None);
    assert_eq!(recogniser.counts(Sensor::Microphone).out_of_range, 1);
}

#[test]
fn a_fan_that_is_switched_on_is_no_endless_utterance() {
    let mut recogniser = Recogniser::new();
    assert!(listen(&mut recogniser, 0, 50, false).is_empty());
    let events = listen(&mut recogniser, 50, 1_000, true);
    let [start, stop] = &events[..] else {
        panic!("{events:?}");
    };
    assert!(stop.at_us - start.at_us < 5_000_000, "{events:?}");
}

#[test]
fn the_sound_of_an_utterance_is_read_whole_or_its_loss_counted() {
    for reads in [true, false] {
        let mut recogniser = Recogniser::new();
        let mut heard = Vec::new();
        let mut stop = None;
        for block in 0..200u64 {
            let samples: Vec<_> = (block * 320..(block + 1) * 320)
                .map(|at| sound(at, (100..140).contains(&block)))
                .collect();
            let event = recogniser.microphone(block * 20_000, &samples);
            if let Some(Event {
                kind: EventKind::VoiceStop { samples, .. },
                at_us,
            }) = event
            {
                stop = Some((at_us * 16 / 1000, samples));
            }
            let mut piece = [0; 20];
            while let Some(got) = reads.then(|| recogniser.read_voice(&mut piece)).flatten() {
                assert_eq!(got.first as usize, heard.len());
                heard.extend_from_slice(&piece[..got.len]);
            }
        }
        let (end, samples) = stop.expect("an utterance");
        // 0.8 s of voice, 0.08 s before it and 0.2 s after; in its next frame the filters still ring.
        assert!((54..=55).contains(&(samples / 320)), "{samples}");
        if reads {
            let begin = end - u64::from(samples);
            let right: Vec<_> = (begin..end)
                .map(|at| sound(at, (100 * 320..140 * 320).contains(&at)))
                .collect();
            assert_eq!(heard, right);
            assert_eq!(recogniser.voice_unread(), 0);
        } else {
            assert_eq!(heard.len(), 0);
            let mut rest = [0; 8192];
            let left = recogniser
                .read_voice(&mut rest)
                .map_or(0, |piece| piece.len);
            assert_eq!(recogniser.voice_unread() + left as u32, samples);
        }
    }
}

#[test]
fn an_utterance_without_end_is_cut() {
    let mut recogniser = Recogniser::new();
    listen(&mut recogniser, 0, 50, false);
    // Half a second of voice, 100 ms without, and so on: a pause that the noise is heard in, and no hangover.
    let events: Vec<_> = (50..4_000u64)
        .filter_map(|block| {
            let loud = block % 30 < 25;
            listen(&mut recogniser, block, block + 1, loud).pop()
        })
        .collect();
    let EventKind::VoiceStop { samples, .. } = events[1].kind else {
        panic!("{events:?}");
    };
    assert_eq!(samples, 1_500 * 320);
    assert_eq!(
        events[2].at_us, events[1].at_us,
        "not a sample is lost or told twice"
    );
    // Nobody read them.
    let mut rest = [0; 8192];
    let left = recogniser
        .read_voice(&mut rest)
        .map_or(0, |piece| piece.len);
    let since = 4_000 * 320 - events[2].at_us * 16 / 1000;
    let all = u64::from(samples) + since;
    assert_eq!(u64::from(recogniser.voice_unread()) + left as u64, all);
}

#[test]
fn an_offset_hides_no_voice() {
    let mut recogniser = Recogniser::new();
    let events: Vec<_> = (0..100u64)
        .filter_map(|block| {
            let samples: Vec<_> = (block * 320..(block + 1) * 320)
                .map(|at| 12_000 + sound(at, block >= 50) / 10)
                .collect();
            recogniser.microphone(block * 20_000, &samples)
        })
        .collect();
    assert_eq!(events.len(), 1, "{events:?}");
}
