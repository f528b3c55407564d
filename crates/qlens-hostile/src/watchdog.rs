//! Sees to it that no case takes longer than it may: what the process takes of a processor counts, since machines
//! are shared, and a case that waits for ever is found by the clock on the wall.

use std::process;
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

/// What a case may take of a processor.
pub const MOST_TIME: Duration = Duration::from_secs(1);
/// What it may take until somebody looks whether it is waiting for something.
const PATIENCE: Duration = Duration::from_mins(2);
const LOOK: Duration = Duration::from_millis(50);

/// When the case began, by either clock.
static BEGUN: Mutex<Option<(Duration, Instant)>> = Mutex::new(None);

/// Starts to look.
pub fn start() {
    thread::spawn(|| {
        loop {
            thread::sleep(LOOK);
            let Ok(Some((processor, wall))) = BEGUN.lock().map(|begun| *begun) else {
                continue;
            };
            if processor_time() > processor + MOST_TIME {
                eprintln!("it takes longer than {MOST_TIME:?} and may never end");
                process::abort();
            }
            if wall.elapsed() > PATIENCE {
                eprintln!("it waits and does nothing, for {PATIENCE:?}");
                process::abort();
            }
        }
    });
}

/// Runs a case and says what it took of a processor.
pub fn watched<T>(case: impl FnOnce() -> T) -> (T, Duration) {
    let start = processor_time();
    set(Some((start, Instant::now())));
    let done = case();
    set(None);
    (done, processor_time().saturating_sub(start))
}

fn set(begun: Option<(Duration, Instant)>) {
    if let Ok(mut place) = BEGUN.lock() {
        *place = begun;
    }
}

/// What this process has taken of a processor.
fn processor_time() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec as u32)
}
