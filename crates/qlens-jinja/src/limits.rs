//! Work on a thread of its own that may take so much time, memory and stack.

use std::os::unix::thread::JoinHandleExt as _;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::memory;

/// What the work may take of a processor: steps are counted, and some are slow ones.
pub const TIME: Duration = Duration::from_millis(400);
/// When work that may be waiting for a processor is given up.
const PATIENCE: Duration = Duration::from_secs(10);
/// Between two looks at how much time was taken.
const LOOK: Duration = Duration::from_millis(20);
/// Bytes that it may take up.
const MEMORY_BYTES: usize = 48_000_000;
/// Macros call each other as deep as fits.
const STACK_BYTES: usize = 16 << 20;

/// Why work did not come to its end.
pub enum Fault {
    /// It took too long. It goes on until the program ends.
    Time,
    /// It panicked.
    Ended,
    /// There is no thread for it.
    Thread,
}

/// Does `work` within limits.
pub fn within<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Fault> {
    let (sender, receiver) = channel();
    let work = move || {
        let _ = sender.send(memory::limited(MEMORY_BYTES, work));
    };
    let thread = thread::Builder::new().stack_size(STACK_BYTES).spawn(work);
    let thread = thread.map_err(|_| Fault::Thread)?;
    let start = Instant::now();
    loop {
        match receiver.recv_timeout(LOOK) {
            Ok(done) => {
                // It has nothing left to do; whoever counts threads does not find it.
                let _ = thread.join();
                return Ok(done);
            }
            Err(RecvTimeoutError::Disconnected) => return Err(Fault::Ended),
            Err(RecvTimeoutError::Timeout) => {
                let taken = time_of(&thread);
                if taken.is_some_and(|taken| taken > TIME) || start.elapsed() > PATIENCE {
                    return Err(Fault::Time);
                }
            }
        }
    }
}

/// What a thread took of a processor; `None` if it has ended.
fn time_of<T>(thread: &JoinHandle<T>) -> Option<Duration> {
    let (mut clock, mut time) = (
        0,
        libc::timespec {
            tv_sec: 0,
            tv_nsec: 0,
        },
    );
    // SAFETY: the thread was neither joined nor detached, since its handle is here, so that its identifier is valid
    // whether it has ended or not; the pointer is to a live clock.
    let found = unsafe { libc::pthread_getcpuclockid(thread.as_pthread_t(), &raw mut clock) };
    // SAFETY: the pointer is to a live `timespec`; a clock that is none, or no longer, is an error.
    let read = found == 0 && unsafe { libc::clock_gettime(clock, &raw mut time) } == 0;
    let (seconds, nanos) = (time.tv_sec.try_into().ok()?, time.tv_nsec.try_into().ok()?);
    read.then(|| Duration::new(seconds, nanos))
}
