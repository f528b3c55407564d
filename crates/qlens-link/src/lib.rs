//! The wire between the two chips of a pair of glasses: the sensor hub (a Cortex-M33 that never sleeps)
//! and the application processor (which mostly does). Over any link of bytes, it brings what must not be
//! lost once and in order, and what may be lost with a count of what was.
//!
//! An [`Endpoint`] is one end without the link: bytes and the time go in, bytes come out, and nothing in it
//! waits, allocates or panics. A [`Driver`] puts it on a UART or a socket of [`embedded_io`], and a [`HubSource`] is the
//! hub as the application takes it.
//!
//! ```
//! use qlens_board::{SensorEvent, SensorKind};
//! use qlens_link::{Endpoint, FRAME_BYTES, Hub, Processor, Timing};
//!
//! let mut hub = Endpoint::<Hub, 64, 128, 16>::new(1, Timing::DEFAULT);
//! let mut processor = Endpoint::<Processor, 16, 8192, 256>::new(2, Timing::DEFAULT);
//! let tap = SensorEvent::new(300, SensorKind::Tap);
//! hub.send(&tap.clone().into())?;
//! let mut wire = [0; FRAME_BYTES];
//! for now_us in (0..5_000).step_by(100) {
//!     while let Some(frame) = hub.transmit(now_us, &mut wire) {
//!         processor.receive(now_us, frame);
//!     }
//!     while let Some(frame) = processor.transmit(now_us, &mut wire) {
//!         hub.receive(now_us, frame);
//!     }
//! }
//! let event = processor.next_message().and_then(|event| event.into_sensor().ok());
//! assert_eq!(event, Some(tap));
//! assert_eq!(hub.unacknowledged(), 0);
//! # Ok::<(), qlens_link::SendError>(())
//! ```
//!
//! # The frame
//!
//! A frame is a header and a payload, the [CRC-32](https://reveng.sourceforge.io/crc-catalogue/all.htm#crc.cat.crc-32-iso-hdlc)
//! of both, coded by [COBS](https://doi.org/10.1109/90.769765) and ended by a zero: at most 64 bytes, because of
//! 64 bytes of which 1 in 100 is wrong half come whole, and of 256 one in thirteen. Numbers have their low byte first.
//!
//! | kind | byte 0 | 1–2 | 3–4 | 5… | on the wire |
//! |---|---|---|---|---|---|
//! | hello | 1, +8 asks, +16 hub | version | 3–6 nonce | 7–10 echo, 11–14 boot | 21 bytes |
//! | ack | 2, +8 knows, +16 asleep, +32 noted | session | next | 5–8 seen: bit `i` is frame `next + i` | 15 bytes |
//! | event | 3, +8 first, +16 last | session | number | 5 behind, 6… payload, up to 52 | 12 to 64 bytes |
//! | stream | 4, +8 motion (else sound) | session | number | payload, up to 53 | 11 to 64 bytes |
//!
//! Payloads are in [postcard's format](https://postcard.jamesmunns.com/wire-format): [`Event`] and [`Command`], which
//! go in up to 20 fragments, of which the first and the last say so; [`AudioChunk`] and [`ImuSample`], which fit
//! one frame. [`VERSION`] covers all of this; byte 0 and the version of a hello are the same in every version.
//!
//! **Events.** Up to 32 frames are under way, each repeated after [`Timing::resend_us`] until an ack has it. `next`
//! is the number of the first frame whose message is not in the receiver's queue, and the sender keeps a
//! message until `next` is past it; `seen` only spares repeating what waits in the window. `behind` is how far
//! a frame is from the oldest that the sender keeps: where a receiver that knows nothing begins. A queue that
//! is full stops `next`, hence the sender, whose [`Endpoint::send`] then refuses and counts.
//!
//! **Streams.** A full queue drops its oldest, at either end; gaps in the numbers are counted, and what comes
//! late or twice is dropped. See [`Counters`].
//!
//! **Acks** go out when an event came, and every [`Timing::heartbeat_us`]: they are the heartbeat.
//!
//! # The session
//!
//! ```text
//!             hello that echoes my nonce           ack: asleep
//!   ┌─────────┐ ───────────────────────► ┌────┐ ────────────────► ┌────────────┐
//!   │ Joining │                          │ Up │                   │ PeerAsleep │  wake line high
//!   └─────────┘ ◄─────────────────────── └────┘ ◄──────────────── └────────────┘  while there are
//!    hello every   silence of 400 ms      │  ▲    ack: not asleep                 messages
//!    50 ms; wake                  sleep() │  │ wake()
//!    line high while                      ▼  │
//!    there are messages    ┌───────────────┐ │  ack: noted, ┌────────┐
//!                          │ FallingAsleep │─┼────────────► │ Asleep │  says nothing
//!                          └───────────────┘ │  or 400 ms   └────────┘
//!                                            └───────────────────┘
//! ```
//!
//! Each side draws a nonce that it never used; the pair names the session, 16 bits of which are in each frame. A
//! hello that asks is answered with the nonce for the *next* session, and the present one goes on until a
//! hello echoes that: the other side rebooted. So hellos that come late, twice or from strangers end nothing.
//! `boot` names the time since a side started; while it stays the same, numbers go on across sessions, and
//! when it changes the receiver begins anew. A hello of another version is [`State::OtherVersion`].
//!
//! # What is promised
//!
//! | the link or the other side | outcome |
//! |---|---|
//! | drops, doubles, reorders, damages 1 byte in 100 | each event once, in order |
//! | hub reboots | what it had not got acknowledged dies with it; joined again in under 1 s |
//! | application processor reboots | it gets what was not acknowledged; what was in its queue died with it |
//! | falls silent | [`State::Joining`] after 400 ms, nothing lost; it goes on where it stopped |
//! | floods | [`SendError::Full`] at the sender, counted |
//! | babbles | a poll takes [`POLL_BYTES`], a hello is answered every 12 ms at most, memory is what it was |
//! | has another version | reported, not talked to |
//!
//! Not supported: frames that the link holds back for 32,768 others in one session, secrecy, and a peer that
//! lies with the right check sum (that breaks nothing, but it may say what it likes).
//!
//! # Figures
//!
//! Measured by `cargo test -p qlens-link --test link -- --nocapture` in simulated time, a line of 1,000,000 baud with
//! sound on it, an application processor that polls every 2 ms:
//!
//! | | median | 99 in 100 | slowest |
//! |---|---|---|---|
//! | a tap, from `send` to the application, clean line | 2 ms | 2 ms | 2 ms |
//! | with 1 byte and 1 write in 100 wrong | 2 ms | 42 ms | 104 ms of 2,000 |
//! | after a reboot of the hub, to an event delivered | 25 ms | 264 ms | 279 ms of 200 |
//! | after one of the application processor | 25 ms | 204 ms | 305 ms of 200 |
//!
//! A repetition costs 20 ms. At 1 byte in 100 wrong a try with a message of `n` bytes succeeds with 0.99^(n + 12), 0.83 for
//! a tap: more than five repetitions (100 ms) are needed once in 30,000 taps, more than ten once in 150 million.
//!
//! An end takes 2.2 KiB, 72 bytes for each frame in `TX`, one for each in `RX` and 112 for each in `STREAM`:
//! 8,664 bytes for the hub above and 40,152 for the application processor, on 32 bits, where the compiler checks it
//! (`cargo check -p qlens-link --target thumbv8m.main-none-eabihf`).

#![no_std]
#![forbid(unsafe_code)]

#[cfg(test)]
extern crate std;

mod counters;
mod driver;
mod endpoint;
mod frame;
mod handshake;
mod inbox;
mod message;
mod outbox;
mod side;
mod source;
mod stream;

pub use counters::{Count, Counters};
pub use driver::{Driver, POLL_BYTES};
pub use endpoint::{Endpoint, State, Timing};
pub use frame::{EVENT_PAYLOAD, FRAME_BYTES, STREAM_PAYLOAD};
pub use message::{
    AUDIO_HZ, AUDIO_SAMPLES, AudioChunk, Command, Event, EventKind, HubConfig, HubStats, ImuSample,
    MESSAGE_BYTES, VERSION,
};
pub use outbox::SendError;
pub use side::{Hub, Processor, Side};
pub use source::HubSource;

#[cfg(target_pointer_width = "32")]
const _: () = {
    assert!(size_of::<Endpoint<Hub, 64, 128, 16>>() == 8_664);
    assert!(size_of::<Endpoint<Processor, 16, 8192, 256>>() == 40_152);
};
