use std::vec::Vec as StdVec;

use proptest::prelude::*;

use super::*;
use crate::frame::Ack;
use crate::outbox::Outbox;

type Message = StdVec<u8>;

/// What the sender has to transmit at `now_us`, as frames that own their bytes.
fn frames<const N: usize>(
    outbox: &mut Outbox<N>,
    now_us: u64,
) -> StdVec<(u16, u8, bool, bool, StdVec<u8>)> {
    let mut counters = Counters::default();
    let mut frames = StdVec::new();
    while let Some(it) = outbox.transmit(now_us, 1, &mut counters) {
        frames.push((it.seq, it.behind, it.first, it.last, it.payload.to_vec()));
    }
    frames
}

fn give<const N: usize>(
    inbox: &mut Inbox<N>,
    frame: &(u16, u8, bool, bool, StdVec<u8>),
    counters: &mut Counters,
) {
    let (seq, behind, first, last, ref payload) = *frame;
    let frame = EventFrame {
        seq,
        behind,
        first,
        last,
        payload,
    };
    inbox.accept(&frame, counters);
}

fn ack<const N: usize>(inbox: &Inbox<N>) -> Ack {
    let (next, seen) = inbox.state();
    Ack {
        next,
        seen,
        asleep: false,
        noted: false,
    }
}

proptest! {
    /// Frames come in any order, some not and some twice; acknowledgements are lost, too.
    #[test]
    fn all_messages_come_once_and_in_order(
        messages in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 1..60),
        chance: u64,
    ) {
        let mut outbox = Outbox::<40>::new();
        let mut inbox = Inbox::<700>::new();
        let mut counters = Counters::default();
        let mut waiting = messages.iter();
        let mut next = waiting.next();
        let mut came = StdVec::new();
        // Any generator will do: proptest's own shrinks the seed.
        let mut state = chance;
        let mut below = |end: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 33) % end
        };
        for now in 1..10_000 {
            while let Some(message) = next && outbox.push(message).is_ok() {
                next = waiting.next();
            }
            let mut flying = frames(&mut outbox, now * 10);
            for at in (1..flying.len()).rev() {
                flying.swap(at, below(at as u64 + 1) as usize);
            }
            for frame in &flying {
                for _ in 0..below(3) {
                    give(&mut inbox, frame, &mut counters);
                }
                if below(4) == 0 {
                    prop_assert!(outbox.acknowledge(&ack(&inbox)));
                }
            }
            if below(3) == 0 {
                prop_assert!(outbox.acknowledge(&ack(&inbox)));
            }
            if below(3) == 0 {
                came.extend(inbox.pop::<Message>(&mut counters));
            }
            if came.len() == messages.len() && outbox.is_empty() {
                break;
            }
        }
        prop_assert_eq!(came, messages);
        prop_assert_eq!(counters.malformed.0 + counters.undecodable.0, 0);
    }

    /// A sender that says anything at all. What it says is bounded by the queue, whoever reads gets
    /// whole messages, and afterwards an honest one is understood.
    #[test]
    fn nonsense_breaks_nothing(
        frames in prop::collection::vec(
            (0u16..80, 0u8..40, any::<bool>(), any::<bool>(), prop::collection::vec(any::<u8>(), 0..=EVENT_PAYLOAD)),
            0..300,
        ),
        far: u16,
    ) {
        let mut inbox = Inbox::<300>::new();
        let mut counters = Counters::default();
        for (at, frame) in frames.iter().enumerate() {
            let mut frame = frame.clone();
            frame.0 = frame.0.wrapping_add(far);
            give(&mut inbox, &frame, &mut counters);
            prop_assert!(inbox.queue.len() <= 300);
            if at % 7 == 0 {
                inbox.pop::<Message>(&mut counters);
            }
        }
        inbox.forget();
        while inbox.pop::<Message>(&mut counters).is_some() {}
        prop_assert_eq!(inbox.messages(), 0);
        let mut outbox = Outbox::<40>::new();
        outbox.push(&Message::from([1, 2, 3])).unwrap();
        for frame in self::frames(&mut outbox, 1) {
            give(&mut inbox, &frame, &mut counters);
        }
        prop_assert_eq!(inbox.pop::<Message>(&mut counters), Some(StdVec::from([1, 2, 3])));
    }

    /// Acknowledgements of what was never sent are refused, and cost nothing.
    #[test]
    fn a_false_acknowledgement_loses_nothing(
        next in prop_oneof![any::<Option<u16>>(), (0u16..12).prop_map(Some)],
        seen: u32,
    ) {
        let mut outbox = Outbox::<40>::new();
        for byte in 0..10u8 {
            outbox.push(&byte).unwrap();
        }
        let ack = Ack { next, seen, asleep: false, noted: false };
        prop_assert_eq!(outbox.acknowledge(&ack), next.is_none_or(|next| next == 0 || next > u16::MAX / 2));
        prop_assert_eq!(outbox.messages(), 10);
        prop_assert_eq!(frames(&mut outbox, 1).len(), 10);
    }
}

/// Numbers of frames wrap after 65,536.
#[test]
fn numbers_wrap() {
    let mut outbox = Outbox::<4>::new();
    let mut inbox = Inbox::<64>::new();
    let mut counters = Counters::default();
    for number in 0..200_000u32 {
        outbox.push(&number).unwrap();
        for frame in frames(&mut outbox, u64::from(number) * 10) {
            give(&mut inbox, &frame, &mut counters);
        }
        assert_eq!(inbox.pop(&mut counters), Some(number));
        assert!(outbox.acknowledge(&ack(&inbox)));
    }
    assert_eq!(counters, Counters::default());
}

#[test]
fn what_comes_twice_is_counted() {
    let mut outbox = Outbox::<4>::new();
    let mut inbox = Inbox::<64>::new();
    let mut counters = Counters::default();
    outbox.push(&1u8).unwrap();
    outbox.push(&2u8).unwrap();
    let frames = frames(&mut outbox, 1);
    // The second waits for the first, the first time; then both are from before.
    for at in [1, 1, 0, 0, 1] {
        give(&mut inbox, &frames[at], &mut counters);
    }
    assert_eq!(counters.duplicates.0, 3);
    assert_eq!(inbox.messages(), 2);
}

/// What the old one had seen, the new one has not.
#[test]
fn a_receiver_that_starts_anew_gets_all_that_is_not_acknowledged() {
    let mut outbox = Outbox::<8>::new();
    let mut inbox = Inbox::<64>::new();
    let mut counters = Counters::default();
    for number in 0..5u8 {
        outbox.push(&number).unwrap();
    }
    for (at, frame) in frames(&mut outbox, 1).iter().enumerate() {
        if at != 1 {
            give(&mut inbox, frame, &mut counters);
        }
    }
    assert!(outbox.acknowledge(&ack(&inbox)));
    assert_eq!(frames(&mut outbox, 10).len(), 1, "only one is missing");
    outbox.begin();
    let mut inbox = Inbox::<64>::new();
    for frame in frames(&mut outbox, 11) {
        give(&mut inbox, &frame, &mut counters);
    }
    for number in 1..5u8 {
        assert_eq!(inbox.pop(&mut counters), Some(number));
    }
    assert_eq!(inbox.pop::<u8>(&mut counters), None);
}
