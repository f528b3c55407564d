//! An [`Endpoint`] on a link of [`embedded_io`]: a UART, a socket, a pair of queues.

use embedded_io::{Read, ReadReady, Write, WriteReady};

use crate::endpoint::Endpoint;
use crate::frame::FRAME_BYTES;
use crate::side::Side;

/// Most bytes that one [`Driver::poll`] takes from the link, and most that it gives to it. A side that
/// babbles costs no more than this a poll.
pub const POLL_BYTES: usize = 256;

/// Moves bytes between a link and its end, and never waits for either.
#[derive(Debug)]
pub struct Driver<L, S: Side, const TX: usize, const RX: usize, const STREAM: usize> {
    link: L,
    /// What is sent and received is here.
    pub endpoint: Endpoint<S, TX, RX, STREAM>,
    frame: [u8; FRAME_BYTES],
    /// The part of `frame` that the link has not taken yet.
    rest: core::ops::Range<usize>,
}

impl<L, S, const TX: usize, const RX: usize, const STREAM: usize> Driver<L, S, TX, RX, STREAM>
where
    L: Read + ReadReady + Write + WriteReady,
    S: Side,
{
    /// An end on a link.
    pub const fn new(link: L, endpoint: Endpoint<S, TX, RX, STREAM>) -> Self {
        Self {
            link,
            endpoint,
            frame: [0; FRAME_BYTES],
            rest: 0..0,
        }
    }

    /// The link.
    pub fn link(&mut self) -> &mut L {
        &mut self.link
    }

    /// Takes what came and sends what is due, up to [`POLL_BYTES`] each way, and returns whether it is
    /// worth calling again at once. Otherwise the next call is due when bytes come, at
    /// [`Endpoint::due_us`], or when the link takes bytes again.
    ///
    /// # Errors
    /// Whatever the link reports. The end takes it for lost bytes; the call may be repeated.
    pub fn poll(&mut self, now_us: u64) -> Result<bool, L::Error> {
        let (read, more_in) = self.read(now_us)?;
        let more_out = self.write(now_us)?;
        Ok((read && more_in) || more_out)
    }

    fn read(&mut self, now_us: u64) -> Result<(bool, bool), L::Error> {
        let mut buffer = [0; POLL_BYTES];
        let mut length = 0;
        while length < POLL_BYTES && self.link.read_ready()? {
            match self.link.read(&mut buffer[length..]) {
                // The end of a file or a closed socket: silence.
                Ok(0) => break,
                Ok(many) => length += many.min(POLL_BYTES - length),
                Err(error) => {
                    self.endpoint.receive(now_us, &buffer[..length]);
                    return Err(error);
                }
            }
        }
        self.endpoint.receive(now_us, &buffer[..length]);
        Ok((length > 0, length == POLL_BYTES))
    }

    /// Whether there is more to write than this call was allowed to.
    fn write(&mut self, now_us: u64) -> Result<bool, L::Error> {
        let mut allowed = POLL_BYTES;
        while allowed > 0 && self.link.write_ready()? {
            if self.rest.is_empty() {
                let Some(frame) = self.endpoint.transmit(now_us, &mut self.frame) else {
                    return Ok(false);
                };
                self.rest = 0..frame.len();
            }
            let end = self.rest.end.min(self.rest.start + allowed);
            let many = self.link.write(&self.frame[self.rest.start..end])?;
            if many == 0 {
                return Ok(false);
            }
            let many = many.min(end - self.rest.start);
            self.rest.start += many;
            allowed -= many;
        }
        Ok(allowed == 0)
    }
}
