//! Frames by the ten thousand through a link that does everything wrong; `QLENS_LINK_FRAMES=1000000` makes
//! it a million. Nothing may be lost that must not be, nothing come twice, all of it in order.

use qlens_link::{AUDIO_SAMPLES, AudioChunk, ImuSample};

use crate::support::wire::Faults;
use crate::support::{TICK_US, World};

/// Frames that a test sends through the link.
fn frames() -> u64 {
    std::env::var("QLENS_LINK_FRAMES").map_or(40_000, |frames| {
        frames.parse().expect("QLENS_LINK_FRAMES is a number")
    })
}

/// What a hub sends: events in bursts, now and then a command, sound and motion all the time.
#[derive(Default)]
struct Load {
    chunks: u32,
    samples: u64,
}

impl Load {
    fn tick(&mut self, world: &mut World) {
        let ticks = world.now_us / TICK_US;
        // 50 events a second, and 500 for a tenth of the time.
        let burst = (world.now_us / 100_000).is_multiple_of(10);
        if world
            .chance
            .in_a_million(if burst { 100_000 } else { 10_000 })
        {
            world.send_event();
        }
        if world.chance.in_a_million(2_000) {
            world.send_command();
        }
        // 500 chunks of sound and 200 samples of motion a second.
        if ticks.is_multiple_of(10) {
            world.hub.send_audio(&chunk(self.chunks));
            self.chunks += 1;
        }
        if ticks.is_multiple_of(25) {
            world.hub.send_imu(&ImuSample {
                at_us: self.samples,
                ..ImuSample::default()
            });
            self.samples += 1;
        }
    }
}

fn chunk(number: u32) -> AudioChunk {
    AudioChunk {
        utterance: (number >> 16) as u16,
        first: number,
        samples: [number as i16; AUDIO_SAMPLES].into_iter().collect(),
    }
}

/// The streams at the application processor: they only ever go on.
#[derive(Default)]
struct Listener {
    chunks: u32,
    samples: u32,
    next_chunk: u32,
    next_sample: u64,
}

impl Listener {
    fn take(&mut self, world: &mut World) {
        while let Some(heard) = world.processor.next_audio() {
            assert_eq!(heard, chunk(heard.first), "changed sound");
            assert!(heard.first >= self.next_chunk, "sound from before");
            self.next_chunk = heard.first + 1;
            self.chunks += 1;
        }
        while let Some(sample) = world.processor.next_imu() {
            assert!(sample.at_us >= self.next_sample, "motion from before");
            self.next_sample = sample.at_us + 1;
            self.samples += 1;
        }
    }
}

/// 1 byte in 100 lost, doubled, swapped or damaged, and 1 write in 100 lost, doubled, late.
#[test]
fn a_bad_link_loses_no_event_and_brings_none_twice() {
    let mut world = World::new(1, Faults::BAD);
    let mut load = Load::default();
    let mut listener = Listener::default();
    while world.frames < frames() {
        world.tick();
        load.tick(&mut world);
        // The application processor is busy for a while now and then: 50 ms in a layer of the model.
        if world.now_us % 1_000_000 > 50_000 {
            world.take_all();
            listener.take(&mut world);
        }
    }
    world.settle();
    world.report();
    // With the link in order, one more item of each shows what is missing at the end.
    world.faults(Faults::NONE);
    world.run(200_000);
    world.hub.send_audio(&chunk(load.chunks));
    world.hub.send_imu(&ImuSample {
        at_us: load.samples,
        ..ImuSample::default()
    });
    world.run(200_000);
    listener.take(&mut world);

    let (hub, processor) = (*world.hub.counters(), *world.processor.counters());
    eprintln!("hub: {hub:?}\napplication processor: {processor:?}");
    assert_eq!((hub.malformed.0, processor.malformed.0), (0, 0));
    assert_eq!((hub.undecodable.0, processor.undecodable.0), (0, 0));
    // Every item of a stream is in exactly one count.
    let offered = load.chunks + 1 + load.samples as u32 + 1;
    let taken = listener.chunks + listener.samples;
    assert_eq!(
        offered,
        hub.stream_unsent.0 + processor.stream_lost.0 + processor.stream_dropped.0 + taken
    );
    // Half of the full frames arrive whole: 0.99^57.
    assert!(taken > offered / 2, "{taken} of {offered}");
    let mut latencies = std::mem::take(&mut world.events.latencies);
    latencies.sort_unstable();
    let at = |permille: usize| latencies[(latencies.len() - 1) * permille / 1000];
    eprintln!(
        "{} frames in {} s; an event takes {} us, 99 in 100 {} us, 999 in 1000 {} us, the slowest {} us",
        world.frames,
        world.now_us / 1_000_000,
        at(500),
        at(990),
        at(999),
        at(1000)
    );
    assert!(at(1000) < 1_000_000);
}

/// The same, and both sides reboot, fall silent and babble.
#[test]
fn reboots_silence_and_babble_lose_nothing_that_can_be_kept() {
    let mut world = World::new(2, Faults::BAD);
    let mut load = Load::default();
    let mut restore_us = 0;
    while world.frames < frames() {
        world.tick();
        load.tick(&mut world);
        if world.now_us % 500_000 > 100_000 {
            world.take_all();
            while world.processor.next_audio().is_some() || world.processor.next_imu().is_some() {}
        }
        // Each about once in three seconds.
        match world.chance.below(15_000 * 5) {
            0..5 => world.reboot_hub(),
            5..10 => world.reboot_processor(),
            10..15 if restore_us == 0 => {
                world.cut(true);
                restore_us = world.now_us + world.chance.below(1_500_000);
            }
            15..20 => (0..50).for_each(|_| world.to_processor.babble(world.now_us)),
            20..25 => (0..50).for_each(|_| world.to_hub.babble(world.now_us)),
            _ => {}
        }
        if world.now_us >= restore_us && restore_us != 0 {
            world.cut(false);
            restore_us = 0;
        }
    }
    world.cut(false);
    world.settle();
    world.report();
    assert!(world.events.arrived() > 1000);
}
