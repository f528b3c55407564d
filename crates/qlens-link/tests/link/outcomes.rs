//! Each thing that can go wrong between the two chips, alone, and what comes of it.

use qlens_link::{
    Endpoint, Event, EventKind, FRAME_BYTES, Hub, Processor, SendError, State, Timing,
};

use crate::support::wire::{Chance, Faults};
use crate::support::{HubEnd, TICK_US, World, ledger};

fn joined(seed: u64, faults: Faults) -> World {
    let mut world = World::new(seed, faults);
    world.run_until(1_000_000, World::both_up);
    world
}

/// A hub that reboots, and an application processor that does, on a bad link.
#[test]
fn a_side_that_reboots_is_joined_again_in_under_a_second() {
    let mut world = joined(3, Faults::BAD);
    let mut times = [Vec::new(), Vec::new()];
    for round in 0..400 {
        let which = round % 2;
        let pause = world.chance.below(300_000);
        world.run(pause);
        if which == 0 {
            world.reboot_hub();
        } else {
            world.reboot_processor();
        }
        // Joined again is what brings an event across in the new session.
        let before = world.events.arrived();
        world.send_event();
        let began = world.now_us;
        world.run_until(1_000_000, |world| {
            world.take_all();
            world.events.arrived() > before && world.both_up()
        });
        times[which].push(world.now_us - began);
        world.settle();
    }
    for (what, times) in ["hub", "application processor"].iter().zip(&mut times) {
        times.sort_unstable();
        eprintln!(
            "{what}: joined again {} us after a reboot, 99 in 100 {} us, the slowest of {} {} us",
            times[times.len() / 2],
            times[times.len() * 99 / 100],
            times.len(),
            times[times.len() - 1]
        );
    }
}

/// A tap now and then, beside a stream of sound.
#[test]
fn a_tap_comes_soon() {
    for (name, faults) in [("clean", Faults::NONE), ("bad", Faults::BAD)] {
        let mut world = joined(4, faults);
        for tap in 0..2000 {
            while world.now_us < 1_000_000 + tap * 40_000 {
                world.tick();
                world.take_all();
                if world.now_us.is_multiple_of(1_200) {
                    world.hub.send_audio(&qlens_link::AudioChunk {
                        samples: [99; 20].into_iter().collect(),
                        ..Default::default()
                    });
                }
            }
            world.send_short_event();
        }
        world.settle();
        let mut latencies = std::mem::take(&mut world.events.latencies);
        latencies.sort_unstable();
        let last = latencies.len() - 1;
        eprintln!(
            "{name} link: a tap takes {} us, 99 in 100 {} us, the slowest of {} {} us",
            latencies[last / 2],
            latencies[last * 99 / 100],
            last + 1,
            latencies[last]
        );
        assert!(latencies[last] < if name == "clean" { 5_000 } else { 400_000 });
    }
}

#[test]
fn a_flood_is_refused_and_counted() {
    let mut world = joined(5, Faults::NONE);
    let mut offered = 0;
    // 10,000 events a second for three seconds, to an application that looks every 100 ms.
    for tick in 0..3_000_000 / TICK_US {
        world.tick();
        for _ in 0..2 {
            offered += 1;
            world.send_event();
        }
        if tick % 500 == 0 {
            world.take_all();
        }
    }
    world.settle();
    let refused = u64::from(world.hub.counters().refused.0);
    assert_eq!(offered, 30_000);
    assert_eq!(offered, world.events.next() + refused);
    assert_eq!(world.events.arrived() as u64 + refused, offered);
    assert_eq!(world.hub.counters().silences.0, 0);
}

#[test]
fn an_event_is_acknowledged_when_it_is_in_the_queue_and_not_before() {
    let mut world = joined(6, Faults::NONE);
    while world.hub.counters().refused.0 == 0 {
        world.send_event();
        world.run(5_000);
    }
    let waiting = world.processor.waiting();
    assert!(waiting > 0);
    assert_eq!(
        waiting + world.hub.unacknowledged(),
        world.events.next() as usize
    );
    let resent = world.hub.counters().resent.0;
    world.run(2_000_000);
    assert_eq!(
        world.hub.state(),
        State::Up,
        "a queue that is full is no silence"
    );
    let again = world.hub.counters().resent.0 - resent;
    assert!(
        again == 0,
        "{again} frames were sent again that were known to be there"
    );
    let now = world.now_us;
    assert!(world.processor.due_us().is_some_and(|due| due > now));
    while world.processor.due_us() != Some(0) {
        let event = world.processor.next_message();
        let event = event.expect("that there is room for what had to wait is said at once");
        world.events.came(event.at_us, now);
    }
    world.settle();
    assert_eq!(world.events.arrived(), world.events.next() as usize);
}

/// The wearer holds a press, and the hub falls silent.
#[test]
fn silence_is_noticed_and_nothing_is_lost_by_it() {
    let mut world = joined(7, Faults::NONE);
    world.send_event();
    world.run(10_000);
    world.cut(true);
    let began = world.now_us;
    for _ in 0..10 {
        world.send_event();
    }
    world.run_until(1_000_000, |world| world.processor.state() != State::Up);
    assert!(world.now_us - began <= Timing::DEFAULT.silence_us + 2_000);
    assert_eq!(world.processor.state(), State::Joining);
    assert_eq!(world.processor.counters().silences.0, 1);
    world.run(3_000_000);
    assert!(world.hub.wake_line(), "there is something to say");
    world.cut(false);
    world.run_until(200_000, World::both_up);
    world.settle();
    assert_eq!(world.events.arrived(), 11);
}

#[test]
fn another_version_is_reported_and_one_that_fits_is_joined_later() {
    let mut world = World::new(8, Faults::NONE);
    let mut frame = [0; FRAME_BYTES];
    let hello = world.hub.transmit(0, &mut frame).expect("a hello").to_vec();
    let strange = with_version(&hello, 77);
    let mut now = 0;
    while now < 3_000_000 {
        now += 20_000;
        world.processor.receive(now, &strange);
        let mut frames = 0;
        while world.processor.transmit(now, &mut frame).is_some() {
            frames += 1;
        }
        assert!(frames <= 1, "it answers no oftener than it asks");
        assert_eq!(world.processor.state(), State::OtherVersion { theirs: 77 });
    }
    assert_eq!(world.processor.counters().other_version.0, 150);
    world.now_us = now;
    world.run_until(200_000, World::both_up);
    // And from within a session: it lasts as long as somebody speaks in it.
    let now = world.now_us;
    world.processor.receive(now, &strange);
    assert_eq!(world.processor.state(), State::Up);
}

/// The same hello, of another version.
fn with_version(wire: &[u8], version: u16) -> Vec<u8> {
    let mut body = wire[..wire.len() - 1].to_vec();
    let length = cobs::decode_in_place(&mut body).expect("what was just encoded");
    body.truncate(length - 4);
    body[1..3].copy_from_slice(&version.to_le_bytes());
    let crc = crc::Crc::<u32>::new(&crc::CRC_32_ISO_HDLC).checksum(&body);
    body.extend(crc.to_le_bytes());
    let mut wire = vec![0; FRAME_BYTES];
    let length = cobs::encode(&body, &mut wire);
    wire.truncate(length + 1);
    wire
}

/// Noise, introductions by strangers and frames of before, as fast as the line takes them.
#[test]
fn a_side_that_babbles_cannot_exhaust_the_other() {
    let mut world = joined(9, Faults::NONE);
    let size = size_of_val(&world.processor);
    let before = *world.processor.counters();
    let mut chance = Chance::new(9);
    let mut stranger = 0;
    let mut frame = [0; FRAME_BYTES];
    let mut answers = 0;
    let began = world.now_us;
    while world.now_us < began + 2_000_000 {
        world.tick();
        let now = world.now_us;
        let noise: Vec<u8> = (0..40).map(|_| chance.number() as u8).collect();
        world.processor.receive(now, &noise);
        // Each time by another one.
        let mut other: Endpoint<Hub, 1, 3, 1> = Endpoint::new(stranger, Timing::DEFAULT);
        stranger += 1;
        let hello = other.transmit(now, &mut frame).expect("a hello").to_vec();
        world.processor.receive(now, &[0]);
        world.processor.receive(now, &hello);
        while world.processor.transmit(now, &mut frame).is_some() {
            answers += 1;
        }
        if stranger % 200 == 0 {
            world.send_event();
        }
    }
    // 80 introductions a second are answered and 20 heartbeats sent; 10,000 came.
    assert!(answers < 400, "{answers} answers to {stranger}");
    assert_eq!(
        world.processor.state(),
        State::Up,
        "the session outlives it"
    );
    assert_eq!(world.processor.counters().joins, before.joins);
    assert_eq!(size_of_val(&world.processor), size);
    world.settle();
    assert_eq!(world.events.arrived(), 50);
}

#[test]
fn a_line_that_is_shorted_to_itself_is_no_peer() {
    let mut hub: HubEnd = Endpoint::new(1, Timing::DEFAULT);
    let mut frame = [0; FRAME_BYTES];
    for now in (0..1_000_000).step_by(1000) {
        while let Some(bytes) = hub.transmit(now, &mut frame) {
            let bytes = bytes.to_vec();
            hub.receive(now, &bytes);
        }
    }
    assert_eq!(hub.state(), State::Joining);
    assert_eq!(hub.counters().malformed.0, 20);
}

/// A hub with nothing to make a seed of, whose numbers begin at 0 again each time.
#[test]
fn reboots_with_the_same_seed_lose_nothing_and_bring_nothing_twice() {
    let mut world = joined(10, Faults::NONE);
    for _ in 0..50 {
        world.reboot_hub();
        world.hub = Endpoint::new(0, Timing::DEFAULT);
        for _ in 0..20 {
            world.send_event();
        }
        world.run_until(1_000_000, |world| {
            world.take_all();
            world.both_up() && world.hub.unacknowledged() == 0
        });
        world.settle();
    }
    assert_eq!(world.events.arrived(), 1000);
}

#[test]
fn an_application_processor_sleeps_until_the_wake_line_rises() {
    for faults in [Faults::NONE, Faults::BAD] {
        let mut world = joined(11, faults);
        let mut slept = 0;
        for round in 0..100 {
            let now = world.now_us;
            world.processor.sleep(now);
            world.run_until(500_000, |world| world.processor.state() == State::Asleep);
            world.run(300_000);
            let frames = world.hub.counters().frames_out.0;
            let reboots = round % 10 == 9;
            if reboots {
                world.reboot_hub();
            }
            world.run(2_000_000);
            if world.hub.state() == State::PeerAsleep {
                slept += 1;
                assert_eq!(
                    world.hub.counters().frames_out.0,
                    frames,
                    "it talked in its sleep"
                );
                assert!(world.hub.due_us().is_none(), "the hub can sleep, too");
            }
            assert!(!world.hub.wake_line());
            let before = world.events.arrived();
            world.send_event();
            assert!(world.hub.wake_line());
            world.run(50_000);
            assert_eq!(world.processor.waiting(), 0);
            let now = world.now_us;
            world.processor.wake(now);
            world.run_until(1_000_000, |world| {
                world.take_all();
                world.events.arrived() > before && world.both_up()
            });
            world.settle();
            assert!(!world.hub.wake_line());
        }
        // One that reboots meanwhile finds nobody, and an announcement may be lost.
        assert!(slept >= 85, "the hub knew of {slept} sleeps in 100");
    }
}

/// What the hub says while the other side is on its way to sleep is not lost, and is not slept on.
#[test]
fn an_event_that_comes_while_falling_asleep_is_there() {
    let mut world = joined(12, Faults::NONE);
    let now = world.now_us;
    world.send_event();
    world.processor.sleep(now);
    world.run(1_000_000);
    assert_eq!(world.processor.state(), State::Asleep);
    assert!(world.processor.waiting() == 1 || world.hub.wake_line());
}

#[test]
fn a_message_that_is_too_long_is_refused() {
    let mut hub: Endpoint<Hub, 4, 64, 1> = Endpoint::new(1, Timing::DEFAULT);
    let long = ledger::event(16 * 12 + 8);
    assert_eq!(hub.send(&long), Err(SendError::TooLong));
    for number in 0..4 {
        assert_eq!(hub.send(&ledger::event(number)), Ok(()));
    }
    assert_eq!(hub.send(&ledger::event(4)), Err(SendError::Full));
    assert_eq!(hub.counters().refused.0, 2);
    assert_eq!(hub.unacknowledged(), 4);
}

/// A receiver whose queue could never hold it does not wait for ever.
#[test]
fn a_message_that_no_queue_holds_is_dropped_and_counted() {
    let mut hub: HubEnd = Endpoint::new(1, Timing::DEFAULT);
    let mut processor: Endpoint<Processor, 4, 64, 1> = Endpoint::new(2, Timing::DEFAULT);
    let tap = Event {
        at_us: 1,
        kind: EventKind::VoiceStart { utterance: 1 },
    };
    hub.send(&ledger::event(16 * 12 + 8)).expect("room for it");
    hub.send(&tap).expect("room for it");
    let mut frame = [0; FRAME_BYTES];
    for now in (0..1_000_000).step_by(1000) {
        while let Some(bytes) = hub.transmit(now, &mut frame) {
            processor.receive(now, bytes);
        }
        while let Some(bytes) = processor.transmit(now, &mut frame) {
            hub.receive(now, bytes);
        }
    }
    assert_eq!(processor.next_message(), Some(tap));
    assert_eq!(processor.next_message(), None);
    assert_eq!(processor.counters().undecodable.0, 1);
    assert_eq!(hub.unacknowledged(), 0);
}

/// A clock that stands still or runs backwards stops nothing for good and breaks nothing.
#[test]
fn time_that_runs_backwards_stands_still() {
    let mut world = joined(13, Faults::NONE);
    let now = world.now_us;
    let mut frame = [0; FRAME_BYTES];
    for back in [now / 2, 0, 1] {
        world.hub.receive(back, &[1, 2, 3, 0]);
        while world.hub.transmit(back, &mut frame).is_some() {}
    }
    assert_eq!(world.hub.state(), State::Up);
    world.send_event();
    world.run(200_000);
    world.settle();
    assert_eq!(world.events.arrived(), 1);
}
