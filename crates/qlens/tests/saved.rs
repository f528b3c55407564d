//! Sessions that are saved and restored go on as if they had not been; what is no saved session of this model
//! is refused, and leaves nothing behind.

mod support;

use qlens::{
    KvType,
    kernel::Kernel,
    model::Model,
    pack,
    sampler::{Sampler, SamplerConfig},
    session::{
        Interrupt, Progress, Session, Stop,
        saved::{Error, HEADER_BYTES},
    },
    workers::{Inline, Threads, Workers},
};
use support::{Aligned, Setup, all_logits, with_session};

const FILES: [&str; 3] = ["qwen2-q4_0.gguf", "qwen3-q4_k_m.gguf", "qwen35-q4_k_m.gguf"];

type Refused = Error<core::convert::Infallible>;

fn save(session: &Session<'_, '_, '_>) -> Vec<u8> {
    let mut saved = Vec::new();
    session.save(&mut saved).unwrap();
    saved
}

/// Restores, and reads nothing behind it.
fn restore(session: &mut Session<'_, '_, '_>, saved: &[u8]) -> Result<(), Refused> {
    let mut input = saved;
    let restored = session.restore(&mut input);
    assert!(restored.is_err() || input.is_empty());
    restored
}

fn interleaved(model: &Aligned) -> Aligned {
    let mut model = Aligned::from(&**model);
    let gguf = qlens::gguf::Gguf::parse(&model).unwrap();
    let mut scratch = vec![0; pack::scratch_bytes(&gguf)];
    pack::interleave(&mut model, &mut scratch, &mut |_| {}).unwrap();
    model
}

struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(99);
        (self.0 >> 33) as usize % n
    }

    fn one<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())]
    }
}

/// Something that happens to a session.
#[derive(Clone, Debug)]
enum Action {
    Feed(Vec<u32>),
    Truncate(usize),
    /// Writes as many pieces, unless it is interrupted at this call of the watch.
    Write(usize, usize),
}

impl Action {
    fn any(random: &mut Random) -> Self {
        match random.below(6) {
            0 | 1 => {
                // Few different ones, so that drafts are made.
                let tokens = (0..1 + random.below(12)).map(|i| 60 + i as u32 % 3);
                Self::Feed(tokens.collect())
            }
            2 => Self::Truncate(random.below(9)),
            3 => Self::Write(usize::MAX, random.below(60)),
            _ => Self::Write(random.below(9), usize::MAX),
        }
    }

    /// The tokens that were written, and their text.
    fn act(&self, session: &mut Session<'_, '_, '_>) -> (Vec<Option<u32>>, String) {
        let mut written = (Vec::new(), String::new());
        match self {
            Self::Feed(tokens) => session.feed_tokens(tokens).unwrap(),
            Self::Truncate(drop) => session.truncate(session.tokens().len().saturating_sub(*drop)),
            Self::Write(pieces, calls) => {
                let mut left = *calls;
                let mut watch = |_: Progress| {
                    left = left.saturating_sub(1);
                    (left == 0).then_some(Interrupt::Cancelled)
                };
                // Left to themselves these models say nothing twice.
                let config = SamplerConfig {
                    temperature: 0.0,
                    repetition_penalty: 0.5,
                    repeat_last_n: 16,
                    ..SamplerConfig::default()
                };
                let mut sampler = Sampler::new(config).unwrap();
                while written.0.len() < *pieces && session.tokens().len() < 200 {
                    let Some(piece) = session.next(&mut sampler, &mut watch).unwrap() else {
                        break;
                    };
                    written.0.push(piece.token);
                    written.1 += piece.text;
                }
            }
        }
        written
    }
}

fn last_logits(session: &mut Session<'_, '_, '_>) -> Vec<u32> {
    let mut last = Vec::new();
    session
        .logits(&mut (), &mut |_, logits| {
            last = logits.iter().map(|x| x.to_bits()).collect();
        })
        .unwrap();
    if last.is_empty() {
        // They had been computed already, and are shown by going a token back.
        let &token = session.tokens().last().unwrap();
        session.truncate(session.tokens().len() - 1);
        session.feed_tokens(&[token]).unwrap();
        return last_logits(session);
    }
    last
}

#[test]
fn a_restored_session_goes_on_as_if_it_had_not_been_saved() {
    let threads = Threads::new(2);
    let (mut mid_answer, mut interrupted, mut reused) = (0, 0, 0);
    for (name, kv) in FILES
        .into_iter()
        .flat_map(|name| KvType::ALL.map(|kv| (name, kv)))
    {
        let plain = Aligned::read(name);
        let packed = interleaved(&plain);
        let mut random = Random(name.len() as u64);
        let setup = Setup {
            batch: 8,
            kv,
            ..Setup::default()
        };
        with_session(&plain, setup, &Inline, |mut live| {
            for step in 0..24 {
                if live.tokens().len() > 120 {
                    live.clear();
                }
                if live.tokens().is_empty() {
                    live.feed_tokens(&[1, 2, 3]).unwrap();
                }
                Action::any(&mut random).act(&mut live);
                if step % 2 == 0 || live.tokens().is_empty() {
                    continue;
                }
                let what = format!("{name}, {kv}, step {step}");
                let saved = save(&live);
                let other = Setup {
                    kernel: random.one(&[Kernel::Scalar, Kernel::detect(), Kernel::detect()]),
                    batch: random.one(&[1, 5, 32]),
                    // As many, at least, as the saved session has.
                    context: random.one(&[live.tokens().len().max(200), 300]),
                    kv,
                };
                let model = random.one(&[&plain, &packed]);
                let workers = random.one::<&dyn Workers>(&[&Inline, &Inline, &Inline, &threads]);
                with_session(model, other, workers, |mut restored| {
                    restored.feed_tokens(&[9; 20]).unwrap();
                    restore(&mut restored, &saved).unwrap();
                    assert_eq!(restored.tokens(), live.tokens(), "{what}");
                    assert!(save(&restored) == saved, "{what}");
                    for nth in 0..2 {
                        let mut action = Action::any(&mut random);
                        if let Action::Write(pieces, calls) = &mut action {
                            (*pieces, *calls) = ((*pieces).min(7), usize::MAX);
                        }
                        let is_interrupted = live.stop_reason() == Some(Stop::Cancelled);
                        if is_interrupted && matches!(action, Action::Write(..)) {
                            // Who has seen an answer stop says so before it goes on.
                            live.feed_tokens(&[]).unwrap();
                            interrupted += 1;
                        }
                        mid_answer += usize::from(live.stats().generated_tokens > 0);
                        let (expected, found) = (action.act(&mut live), action.act(&mut restored));
                        assert_eq!(found.0, expected.0, "{what}, {action:?}");
                        assert!(is_interrupted || found.1 == expected.1, "{what}");
                        assert_eq!(restored.tokens(), live.tokens(), "{what}, {action:?}");
                        if !matches!(action, Action::Write(..)) && nth == 0 {
                            let (of, tokens) = (live.stats(), live.tokens().len());
                            assert_eq!(restored.stats(), of, "{what}, {action:?} of {tokens}");
                            reused += of.reused_tokens;
                        }
                        if live.tokens().is_empty() {
                            break;
                        }
                    }
                    if !live.tokens().is_empty() {
                        assert!(
                            last_logits(&mut restored) == last_logits(&mut live),
                            "{what}"
                        );
                    }
                });
            }
        });
    }
    assert!(
        mid_answer > 20 && interrupted > 5 && reused > 500,
        "{mid_answer} {interrupted} {reused}"
    );
}

#[test]
fn a_model_is_the_same_interleaved_or_not_and_others_are_others() {
    let mut sessions = Vec::new();
    let names: Vec<String> = support::golden().into_keys().collect();
    for name in &names {
        let plain = Aligned::read(name);
        let saved = with_session(&plain, Setup::default(), &Inline, |s| save(&s));
        let packed = interleaved(&plain);
        let restored = with_session(&packed, Setup::default(), &Inline, |mut s| {
            let restored = restore(&mut s, &saved);
            assert!(save(&s) == saved, "{name}");
            restored
        });
        assert_eq!(restored, Ok(()), "{name}");
        sessions.push(saved);
    }
    let mut other_weights = 0;
    for name in names.iter().step_by(3) {
        with_session(&Aligned::read(name), Setup::default(), &Inline, |mut s| {
            for (saved, of) in sessions.iter().zip(&names) {
                match restore(&mut s, saved) {
                    Ok(()) => assert_eq!(of, name),
                    Err(Error::OtherModel { found, expected }) => {
                        assert_ne!(found, expected);
                        other_weights += 1;
                    }
                    Err(Error::OtherShape { .. }) => {}
                    Err(error) => panic!("{name}, {of}: {error}"),
                }
            }
        });
    }
    assert!(other_weights > 10, "{other_weights}");
}

#[test]
fn another_weight_scale_or_number_is_another_model() {
    let original = Aligned::read(FILES[0]);
    let saved = with_session(&original, Setup::default(), &Inline, |s| save(&s));
    let base = b"qwen2.rope.freq_base";
    let at = original
        .windows(base.len())
        .position(|w| w == base)
        .unwrap();
    let gguf = qlens::gguf::Gguf::parse(&original).unwrap();
    let of = |name: &str| {
        let tensor = gguf.tensor(name).unwrap();
        let bytes = tensor.data.unwrap().len();
        tensor.offset as usize + bytes / 2
    };
    for at in [
        at + base.len() + 4,
        of("blk.2.ffn_up.weight"),
        of("blk.1.attn_k.bias"),
        of("output_norm.weight"),
    ] {
        let mut other = Aligned::from(&*original);
        other[at] ^= 1;
        with_session(&other, Setup::default(), &Inline, |mut s| {
            let refused = restore(&mut s, &saved);
            assert!(matches!(refused, Err(Error::OtherModel { .. })), "{at}");
        });
    }
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
            assert_eq!(restore(s, &flipped), Ok(()));
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
    with_saved(
        FILES[0],
        KvType::F16,
        &[5, 6, 7],
        |s, saved, assert_is_as_new| {
            for (at, bytes, sentence) in [
                (
                    0,
                    &b"GGUF"[..],
                    "this is not a saved session: it begins with \"GGUFsses\", not with \"qlensses\"",
                ),
                (
                    8,
                    &[2],
                    "the saved session has version 2 of its format, and only version 1 is read",
                ),
                (
                    12,
                    &[1],
                    "the session was saved with a KV cache of type q8_0 and here it is f16: use type q8_0",
                ),
                (
                    12,
                    &[2],
                    "the saved session says at byte 12 that the type of the KV cache is 2, and it is at most 1: it is damaged",
                ),
                (
                    13,
                    &[8],
                    "the saved session says at byte 13 that the flags is 8, and it is at most 7: it is damaged",
                ),
                (
                    15,
                    &[1],
                    "the saved session says at byte 14 that an unused field is 256, and it is at most 0: it is damaged",
                ),
                (
                    24,
                    &[200],
                    "the saved session belongs to another model: at byte 24 it says that the number of attention layers is 200, and this one has 4",
                ),
                (
                    28,
                    &[9],
                    "the saved session belongs to another model: at byte 28 it says that n_head_kv is 9, and this one has 2",
                ),
                (
                    32,
                    &[9],
                    "the saved session belongs to another model: at byte 32 it says that head_dim is 9, and this one has 64",
                ),
                (
                    40,
                    &[1],
                    "the saved session belongs to another model: at byte 40 it says that the length of a recurrent state is 1, and this one has 0",
                ),
                (
                    48,
                    &[17],
                    "the saved session is 17 tokens long and the context holds 16: use a longer context",
                ),
                (
                    48,
                    &[0xFF; 4],
                    "the saved session is 4294967295 tokens long and the context holds 16: use a longer context",
                ),
                (
                    52,
                    &[4],
                    "the saved session says at byte 52 that the number of positions is 4, and it is at most 3: it is damaged",
                ),
                (
                    56,
                    &[1],
                    "the saved session says at byte 56 that the position of a prompt's copy is 1, and it is at most 0: it is damaged",
                ),
                (
                    60,
                    &[1],
                    "the saved session says at byte 60 that the position of a draft's copy is 1, and it is at most 0: it is damaged",
                ),
                (
                    64,
                    &[4],
                    "the saved session says at byte 64 that the length of the last prompt is 4, and it is at most 3: it is damaged",
                ),
                (
                    68,
                    &[1],
                    "the saved session says at byte 68 that the length of thoughts is 1, and it is at most 0: it is damaged",
                ),
                (
                    72,
                    &[1],
                    "the saved session says at byte 72 that the number of closing tokens is 1, and it is at most 0: it is damaged",
                ),
                (
                    HEADER_BYTES + 4,
                    &[0, 0, 1, 0],
                    "token 1 of the saved session is 65536, and the vocabulary has 0 to 287: it is damaged",
                ),
            ] {
                let error = restore(s, &with_field(saved, at, bytes)).unwrap_err();
                assert_eq!(error.to_string(), sentence);
            }
            let mut broken = saved.to_vec();
            *broken.last_mut().unwrap() ^= 0x80;
            let error = restore(s, &broken).unwrap_err().to_string();
            assert!(
                error.starts_with("the saved session is damaged: its checksum is "),
                "{error}"
            );
            let error = restore(s, &saved[..40]).unwrap_err().to_string();
            assert_eq!(
                error,
                "the saved session ends inside the header, 76 bytes from byte 0 on: it was not written to its end"
            );
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
                let mut random = Random(1);
                for fill in [&[0xFF][..], &[0, 0x7C], &[0, 0, 0x80, 0x7F], &[]] {
                    let mut changed = saved.to_vec();
                    let end = changed.len() - 4;
                    let state = changed[HEADER_BYTES + 12..end].iter_mut();
                    for (byte, &filler) in state.zip(fill.iter().cycle()) {
                        *byte = filler;
                    }
                    if fill.is_empty() {
                        let state = changed[HEADER_BYTES + 12..end].iter_mut();
                        state.for_each(|byte| *byte = random.below(256) as u8);
                    }
                    seal(&mut changed);
                    assert_eq!(restore(s, &changed), Ok(()));
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

#[test]
fn what_follows_a_context_that_was_read_whole_is_asked_for_again() {
    for name in FILES {
        let model = Aligned::read(name);
        let tokens = [60, 61, 62, 60, 61];
        let setup = Setup {
            batch: 3,
            ..Setup::default()
        };
        with_session(&model, setup, &Inline, |mut s| {
            let n_embd = Model::parse(&model).unwrap().config().n_embd;
            let (mut expected, mut found) = (vec![0.0; n_embd], vec![0.0; n_embd]);
            s.feed_tokens(&tokens).unwrap();
            s.embed(&mut (), &mut expected).unwrap();
            let saved = save(&s);
            let next = s.next(&mut Sampler::greedy(), &mut ()).unwrap().unwrap();
            let next = next.token;
            restore(&mut s, &saved).unwrap();
            assert_eq!(s.stats().reused_tokens, tokens.len());
            s.embed(&mut (), &mut found).unwrap();
            assert_eq!(found, expected);
            restore(&mut s, &saved).unwrap();
            let piece = s.next(&mut Sampler::greedy(), &mut ()).unwrap().unwrap();
            assert_eq!(piece.token, next, "{name}");
        });
    }
}
