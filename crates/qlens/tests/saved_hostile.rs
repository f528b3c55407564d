//! What is no saved session, or a damaged one, is refused with a sentence and leaves nothing behind.

mod support;

use qlens::{
    KvType,
    sampler::Sampler,
    session::{
        Session,
        saved::{Error, HEADER_BYTES},
    },
    workers::Inline,
};
use support::{Aligned, Setup, all_logits, with_session};

const FILES: [&str; 3] = ["qwen2-q4_0.gguf", "qwen3-q4_k_m.gguf", "qwen35-q4_k_m.gguf"];

fn save(session: &Session<'_, '_, '_>) -> Vec<u8> {
    let mut saved = Vec::new();
    session.save(&mut saved).unwrap();
    saved
}

/// A session of a model, its context, what it is saved as, and what a new session is.
fn with_saved(
    name: &str,
    kv: KvType,
    tokens: &[u32],
    f: impl FnOnce(&mut Session<'_, '_, '_>, &[u8], &dyn Fn(&mut Session<'_, '_, '_>)),
) {
    let model = Aligned::read(name);
    let setup = Setup {
        batch: 2,
        context: 16,
        kv,
        ..Setup::default()
    };
    let (empty, expected) = with_session(&model, setup, &Inline, |mut s| {
        (save(&s), all_logits(&mut s, &[7, 8, 9]))
    });
    with_session(&model, setup, &Inline, |mut s| {
        s.feed_tokens(tokens).unwrap();
        s.prefill(&mut ()).unwrap();
        let saved = save(&s);
        f(&mut s, &saved, &|s| {
            assert!(s.tokens().is_empty() && save(s) == empty);
            assert!(all_logits(s, &[7, 8, 9]) == expected);
        });
    });
}

#[test]
fn no_bit_can_be_flipped() {
    for (name, tokens, step) in [
        (FILES[0], &[5][..], 1),
        (FILES[1], &[5], 97),
        (FILES[2], &[5, 6, 7], 40_009),
    ] {
        with_saved(name, KvType::F16, tokens, |s, saved, assert_is_as_new| {
            let mut flipped = saved.to_vec();
            let (bits, begin) = (8 * saved.len(), 8 * (HEADER_BYTES + 4));
            let all = (0..begin).chain((begin..bits - 32).step_by(step));
            for bit in all.chain(bits - 32..bits) {
                flipped[bit / 8] ^= 1 << (bit % 8);
                let restored = s.restore(&mut &flipped[..]);
                assert!(restored.is_err(), "{name}: bit {bit}");
                assert!(s.tokens().is_empty(), "{name}: bit {bit}");
                flipped[bit / 8] ^= 1 << (bit % 8);
            }
            assert_is_as_new(s);
            assert_eq!(s.restore(&mut &flipped[..]), Ok(()));
            assert_eq!(s.tokens(), tokens);
        });
    }
}

#[test]
fn nothing_can_be_cut_off() {
    for (name, kv, step) in [
        (FILES[0], KvType::F16, 1),
        (FILES[1], KvType::Q8_0, 1),
        (FILES[2], KvType::Q8_0, 1009),
    ] {
        with_saved(name, kv, &[5, 6, 7], |s, saved, assert_is_as_new| {
            for end in (0..saved.len()).step_by(step).chain([saved.len() - 1]) {
                let cut = s.restore(&mut &saved[..end]);
                let Err(Error::Ends { part, at, bytes }) = cut else {
                    panic!("{name}: {end} bytes: {cut:?}");
                };
                let part_is_cut = at <= end as u64 && (end as u64) < at + bytes;
                assert!(part_is_cut, "{name}: {end} bytes end in {part}");
                assert!(s.tokens().is_empty());
            }
            assert_is_as_new(s);
        });
    }
}

/// Makes the checksum right.
fn seal(saved: &mut [u8]) {
    let (bytes, end) = saved.split_at_mut(saved.len() - 4);
    let crc = crc::Crc::<u32>::new(&crc::CRC_32_ISO_HDLC).checksum(bytes);
    end.copy_from_slice(&crc.to_le_bytes());
}

fn with_field(saved: &[u8], at: usize, bytes: &[u8]) -> Vec<u8> {
    let mut changed = saved.to_vec();
    changed[at..at + bytes.len()].copy_from_slice(bytes);
    seal(&mut changed);
    changed
}

#[test]
fn each_field_is_checked_and_the_error_says_which() {
    let damaged = |at: usize, what: &str, found: u64, most: u64| {
        format!(
            "the saved session says at byte {at} that {what} is {found}, and it is at most {most}: it is damaged"
        )
    };
    let of_another = |at: usize, what: &str, found: u64, expected: u64| {
        format!(
            "the saved session belongs to another model: at byte {at} it says that {what} is {found}, and this one has {expected}"
        )
    };
    let too_long = |tokens: u32| {
        format!(
            "the saved session is {tokens} tokens long and the context holds 16: use a longer context"
        )
    };
    let other_type =
        "the session was saved with a KV cache of type q8_0 and here it is f16: use type q8_0";
    let no_session =
        "this is not a saved session: it begins with \"GGUFsses\", not with \"qlensses\"";
    let version = "the saved session has version 2 of its format, and only version 1 is read";
    let token =
        "token 1 of the saved session is 65536, and the vocabulary has 0 to 287: it is damaged";
    let cases = [
        (0, &b"GGUF"[..], no_session.into()),
        (8, &[2], version.into()),
        (12, &[1], other_type.into()),
        (12, &[2], damaged(12, "the type of the KV cache", 2, 1)),
        (13, &[16], damaged(13, "the byte of flags", 16, 15)),
        (15, &[1], damaged(14, "an unused field", 256, 0)),
        (
            24,
            &[9],
            of_another(24, "the number of attention layers", 9, 4),
        ),
        (28, &[9], of_another(28, "n_head_kv", 9, 2)),
        (32, &[9], of_another(32, "head_dim", 9, 64)),
        (36, &[9], of_another(36, "n_embd", 265, 256)),
        (
            40,
            &[1],
            of_another(40, "the length of a recurrent state", 1, 0),
        ),
        (48, &[17], too_long(17)),
        (48, &[0xFF; 4], too_long(u32::MAX)),
        (52, &[4], damaged(52, "the number of positions", 4, 3)),
        (
            56,
            &[1],
            damaged(56, "the position of a prompt's copy", 1, 0),
        ),
        (
            60,
            &[1],
            damaged(60, "the position of a draft's copy", 1, 0),
        ),
        (64, &[4], damaged(64, "the length of the last prompt", 4, 3)),
        (68, &[1], damaged(68, "the length of thoughts", 1, 0)),
        (72, &[1], damaged(72, "the number of closing tokens", 1, 0)),
        (HEADER_BYTES + 4, &[0, 0, 1, 0], token.into()),
    ];
    with_saved(
        FILES[0],
        KvType::F16,
        &[5, 6, 7],
        |s, saved, assert_is_as_new| {
            for (at, bytes, sentence) in cases {
                let changed = with_field(saved, at, bytes);
                let error = s.restore(&mut &changed[..]).unwrap_err();
                assert_eq!(error.to_string(), sentence);
            }
            let mut broken = saved.to_vec();
            *broken.last_mut().unwrap() ^= 0x80;
            let error = s.restore(&mut &broken[..]).unwrap_err();
            assert!(
                matches!(error, Error::Checksum { found, computed } if found ^ computed == 0x8000_0000)
            );
            let error = s.restore(&mut &saved[..40]).unwrap_err().to_string();
            let cut = "the saved session ends inside the header, 76 bytes from byte 0 on: it was not written to its end";
            assert_eq!(error, cut);
            assert_is_as_new(s);
        },
    );
}

#[test]
fn extreme_fields_are_refused_or_harmless() {
    let (mut refused, mut taken) = (0, 0);
    for name in FILES {
        with_saved(
            name,
            KvType::Q8_0,
            &[5, 6, 7],
            |s, saved, assert_is_as_new| {
                for at in (8..HEADER_BYTES + 12).step_by(4) {
                    for value in [
                        0,
                        1,
                        2,
                        3,
                        15,
                        16,
                        17,
                        255,
                        0x7FFF_FFFF,
                        0x8000_0000,
                        u32::MAX,
                    ] {
                        let changed = with_field(saved, at, &value.to_le_bytes());
                        if s.restore(&mut &changed[..]).is_err() {
                            assert!(s.tokens().is_empty(), "{name}: {value} at byte {at}");
                            refused += 1;
                            continue;
                        }
                        taken += 1;
                        // Whatever it is, it is a session.
                        s.set_max_tokens(Some(5));
                        let mut sampler = Sampler::greedy();
                        while s.next(&mut sampler, &mut ()).unwrap().is_some() {}
                        assert!(s.tokens().len() <= 16 && s.tokens().iter().all(|&id| id < 288));
                        s.truncate(2);
                        s.clear();
                    }
                }
                assert_is_as_new(s);
            },
        );
    }
    assert!(refused > 300 && taken > 30, "{refused} {taken}");
}

#[test]
fn noise_and_what_is_not_a_number_is_a_state_like_any_other() {
    for name in FILES {
        for kv in KvType::ALL {
            with_saved(name, kv, &[5, 6, 7], |s, saved, assert_is_as_new| {
                let mut noise = 1_u64;
                for fill in [&[0xFF][..], &[0, 0x7C], &[0, 0, 0x80, 0x7F], &[]] {
                    let mut changed = saved.to_vec();
                    let end = changed.len() - 4;
                    let state = changed[HEADER_BYTES + 12..end].iter_mut();
                    for (byte, &filler) in state.zip(fill.iter().cycle()) {
                        *byte = filler;
                    }
                    if fill.is_empty() {
                        let state = changed[HEADER_BYTES + 12..end].iter_mut();
                        for byte in state {
                            noise = noise
                                .wrapping_mul(6_364_136_223_846_793_005)
                                .wrapping_add(99);
                            *byte = (noise >> 56) as u8;
                        }
                    }
                    seal(&mut changed);
                    assert_eq!(s.restore(&mut &changed[..]), Ok(()));
                    s.feed_tokens(&[9]).unwrap();
                    s.set_max_tokens(Some(3));
                    let mut sampler = Sampler::greedy();
                    while s.next(&mut sampler, &mut ()).unwrap().is_some() {}
                    assert!(s.tokens().len() > 4);
                    s.clear();
                    assert_eq!(save(s), {
                        s.restore(&mut &saved[..1]).unwrap_err();
                        save(s)
                    });
                }
                assert_is_as_new(s);
            });
        }
    }
}

/// Gives a byte at a time, and at the end an error.
struct Dropping<'b>(&'b [u8]);

impl embedded_io::ErrorType for Dropping<'_> {
    type Error = embedded_io::ErrorKind;
}

impl embedded_io::Read for Dropping<'_> {
    fn read(&mut self, buf: &mut [u8]) -> Result<usize, Self::Error> {
        let (&first, rest) = self
            .0
            .split_first()
            .ok_or(embedded_io::ErrorKind::TimedOut)?;
        (buf[0], self.0) = (first, rest);
        Ok(1)
    }
}

#[test]
fn readers_and_writers_may_be_slow_or_fail() {
    with_saved(
        FILES[0],
        KvType::F16,
        &[5, 6, 7],
        |s, saved, assert_is_as_new| {
            s.restore(&mut Dropping(saved)).unwrap();
            assert!(save(s) == saved);
            let mut room = vec![0; saved.len()];
            for missing in [1, 4, 5, 1000, saved.len()] {
                let mut out = &mut room[missing..];
                let full = s.save(&mut out);
                assert_eq!(full, Err(embedded_io::SliceWriteError::Full), "{missing}");
                assert!(save(s) == saved, "{missing}");
            }
            assert_eq!(s.save(&mut &mut room[..]), Ok(()));
            assert!(room == saved);
            let error = s.restore(&mut Dropping(&saved[..100])).unwrap_err();
            let expected = Error::Read {
                at: HEADER_BYTES as u64 + 12,
                error: embedded_io::ErrorKind::TimedOut,
            };
            assert_eq!(error, expected);
            assert_is_as_new(s);
        },
    );
}
