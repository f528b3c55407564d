//! A link between the two chips that fails: of a hundred bytes one is wrong, of a hundred pieces one is lost, one comes
//! twice, and one comes after the next.

use std::io::{Read, Write as _};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use anyhow::{Context as _, Result};

use super::folder::Folder;

/// One in so many.
const ODDS: u32 = 100;

/// The link. Whoever joins at [`BadLink::end`] talks to whoever listens at the other end.
pub struct BadLink {
    folder: Folder,
    frames: Arc<AtomicU64>,
}

impl BadLink {
    /// A link to who listens at `to`, once somebody joins it. The same seed fails in the same ways.
    pub fn to(to: PathBuf, seed: u32) -> Result<Self> {
        let folder = Folder::new()?;
        let listener = UnixListener::bind(folder.link()).context("no socket for the link")?;
        let frames = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&frames);
        thread::spawn(move || {
            for (joined, hub) in listener.incoming().flatten().enumerate() {
                let Ok(processor) = UnixStream::connect(&to) else {
                    return;
                };
                let seed = seed.wrapping_add(2 * joined as u32);
                let both = (hub.try_clone(), processor.try_clone());
                let (Ok(hub_out), Ok(processor_out)) = both else {
                    return;
                };
                for (from, into, seed) in
                    [(hub, processor_out, seed), (processor, hub_out, seed + 1)]
                {
                    let frames = Arc::clone(&counted);
                    thread::spawn(move || pass_on(from, into, Fault::new(seed), &frames));
                }
            }
        });
        Ok(Self { folder, frames })
    }

    /// Where the hub joins.
    pub fn end(&self) -> PathBuf {
        self.folder.link()
    }

    /// Frames that were sent into it, in both directions.
    pub fn frames(&self) -> u64 {
        self.frames.load(Ordering::Relaxed)
    }
}

fn pass_on(mut from: UnixStream, mut into: UnixStream, mut fault: Fault, frames: &AtomicU64) {
    let mut buffer = [0; 256];
    let mut held: Vec<u8> = Vec::new();
    while let Ok(n @ 1..) = from.read(&mut buffer) {
        let piece = &mut buffer[..n];
        // A zero ends a frame.
        let ends = piece.split(|&byte| byte == 0).count() - 1;
        frames.fetch_add(ends as u64, Ordering::Relaxed);
        if fault.strikes() {
            continue;
        }
        for byte in piece.iter_mut() {
            if fault.strikes() {
                *byte ^= 1 << (fault.draw() % 8);
            }
        }
        if held.is_empty() && fault.strikes() {
            held.extend_from_slice(piece);
            continue;
        }
        let again = if fault.strikes() { &*piece } else { &[] };
        let whole = [&*piece, again, &held].concat();
        held.clear();
        if into.write_all(&whole).is_err() {
            return;
        }
    }
    // The other side hears that nothing more comes.
    let _ = into.shutdown(Shutdown::Write);
}

/// Chance, the same for the same seed: George Marsaglia's xorshift of 32 bits.
struct Fault(u32);

impl Fault {
    fn new(seed: u32) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9) | 1)
    }

    fn draw(&mut self) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 17;
        self.0 ^= self.0 << 5;
        self.0
    }

    fn strikes(&mut self) -> bool {
        self.draw().is_multiple_of(ODDS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_fails_as_often_as_it_says() {
        let folder = Folder::new().unwrap();
        let far = UnixListener::bind(folder.samples()).unwrap();
        let link = BadLink::to(folder.samples(), 7).unwrap();
        let mut near = UnixStream::connect(link.end()).unwrap();
        let sent = vec![0x55; 200_000];
        let reader = thread::spawn(move || {
            let mut came = Vec::new();
            far.accept().unwrap().0.read_to_end(&mut came).map(|_| came)
        });
        near.write_all(&sent).unwrap();
        near.shutdown(Shutdown::Write).unwrap();
        drop(near);
        drop(link);
        let came = reader.join().unwrap().unwrap();
        let wrong = came.iter().filter(|&&byte| byte != 0x55).count();
        assert!((1_000..4_000).contains(&wrong), "{wrong}");
    }
}
