//! Recordings: what the sensors of a pair of glasses measured, sample by sample, so that the same hour can be lived
//! again, by the sensor hub on its board, by the one in an emulator, and by the host.
//!
//! | file | holds |
//! |---|---|
//! | [`record`] | one thing that was measured, and when |
//! | [`parts`] | the bytes in which real parts say it |
//! | [`wire`] | records as frames on a UART, which is also what a file has |
//!
//! The feature `std` adds what the host does with them; `tool` builds the program `recording` (`cargo recording`), which
//! renders, describes, draws and converts them.
//!
//! | file | holds |
//! |---|---|
//! | `scene` | what a wearer does, as people write it: `traces/README.md` |
//! | `world` | a wearer who is simulated, and what the sensors measure of them |
//! | `render` | scenes as recordings |
//! | `sound`, `dice` | what is said; numbers that look random |
//! | `file` | recordings frame by frame, for players |
//! | `events` | what a sensor hub tells of a recording |
//!
//! A recording that is played, in so many lines:
//!
//! ```
//! # #[cfg(feature = "std")] {
//! use qlens_recording::{file::File, render::render, scene::Scene};
//!
//! let text = "about = \"a tap\"\nstart = 2026-05-04T09:41:00\n[[do]]\nat = 2\ntouch = \"tap\"\n[[do]]\nwait = \"tapped\"";
//! let scene = Scene::parse(text, ".".as_ref())?;
//! let recording = File::new(render(&scene))?;
//! let mut wire = Vec::new();
//! for frame in recording.frames() {
//!     // Sleep until `frame.at_us`, to play it as fast as it was lived.
//!     wire.extend_from_slice(frame.bytes);
//!     if let Some(number) = frame.wait {
//!         assert_eq!(scene.waits().next(), Some((number, "tapped")));
//!     }
//! }
//! # assert!(wire.len() > 100_000);
//! # }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # The file
//!
//! 16 bytes, `qlens-recording` and a zero, and then frames, the first of which is a [`Sample::Start`]. What follows
//! the 16 bytes is what goes over the UART, byte for byte.
//!
//! # The frame
//!
//! A record and the [CRC-32](https://reveng.sourceforge.io/crc-catalogue/all.htm#crc.cat.crc-32-iso-hdlc) of it,
//! coded by [COBS](https://doi.org/10.1109/90.769765) and ended by a zero: whoever comes in the middle, or loses some of it,
//! goes on with the next. A record is a byte that says what was measured, eight bytes of time in microseconds, and
//! then what the part says. Numbers have their low byte first, except where the part has it otherwise.
//!
//! | byte 0 | sensor | bytes 9… |
//! |---|---|---|
//! | 0 | start of a recording | version, 2 bytes; seconds since 1970 at time 0, 8 bytes |
//! | 1 | touchpad | x, y and strength, two bytes each, high byte first, and the area: a finger in the registers of Azoteq's `IQS5xx` from 0x0016 on |
//! | 2 | motion | acceleration and rate about x, y and z, two bytes each: Bosch's BMI270 from register 0x0c on, ±4 g and ±1000 °/s |
//! | 3 | proximity | two bytes: `PS_Data` of Vishay's VCNL4040 |
//! | 4 | light | two bytes, high byte first: the result register of TI's OPT3001 |
//! | 5 | microphone | up to 320 samples at 16 kHz of two bytes each, as an I2S port receives them; the time is that of the first |
//! | 6 | battery | two bytes, high byte first: `SOC` of Maxim's MAX17048 in 256ths of a percent; one byte, 1 on the charger |
//! | 7 | temperature | two bytes, high byte first: TI's TMP117 in 128ths of a degree |
//! | 8 | words | what was said, in UTF-8: they ride along until there is a recogniser |
//! | 9 | mark | number, 4 bytes; one byte, 1 if the player waits until everything before it is done |
//!
//! Not supported: compression, and more than one microphone.

#![no_std]
#![forbid(unsafe_code)]

#[cfg(any(test, feature = "std"))]
extern crate std;

#[cfg(feature = "std")]
pub mod dice;
#[cfg(feature = "std")]
pub mod events;
#[cfg(feature = "std")]
pub mod file;
pub mod parts;
pub mod record;
#[cfg(feature = "std")]
pub mod render;
#[cfg(feature = "std")]
pub mod scene;
#[cfg(feature = "std")]
pub mod sound;
pub mod wire;
#[cfg(feature = "std")]
pub mod world;

pub use record::{Pcm, Record, Sample};
pub use wire::{Decoder, FRAME_BYTES, FrameError, MAGIC};

/// Version of the format, in the first frame of each recording.
pub const VERSION: u16 = 1;
