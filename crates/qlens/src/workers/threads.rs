//! Helpers that are threads of the host's operating system.

extern crate std;

use std::{
    sync::{Arc, Mutex},
    thread::{self, JoinHandle, Thread},
    vec::Vec,
};

use super::{Park, Pool, Workers};

/// A thread pool. The caller is one of its workers.
#[derive(Debug)]
pub struct Threads {
    pool: Arc<Pool<Parking>>,
    handles: Vec<JoinHandle<()>>,
}

/// Thread parking: `unpark` leaves a token, so no wake-up is lost.
#[derive(Debug, Default)]
struct Parking {
    helpers: Mutex<Vec<Thread>>,
}

impl Park for Parking {
    fn park(&self, _: usize) {
        thread::park();
    }

    fn wake_all(&self) {
        if let Ok(helpers) = self.helpers.lock() {
            helpers.iter().for_each(Thread::unpark);
        }
    }
}

impl Threads {
    /// Starts `count - 1` threads, or as many as the system allows.
    pub fn new(count: usize) -> Self {
        let pool = Arc::new(Pool::new(Parking::default()));
        let mut handles = Vec::new();
        for worker in 1..count {
            let pool = Arc::clone(&pool);
            let builder = thread::Builder::new().name(std::format!("qlens-{worker}"));
            if let Ok(handle) = builder.spawn({
                let pool = Arc::clone(&pool);
                move || {
                    // A helper that died would leave its caller waiting for ever.
                    let _guard = AbortOnPanic;
                    pool.serve(worker);
                }
            }) {
                if let Ok(mut helpers) = pool.park().helpers.lock() {
                    helpers.push(handle.thread().clone());
                }
                handles.push(handle);
            }
        }
        // Jobs are shared only with helpers that have arrived.
        while pool.count() < handles.len() + 1 {
            thread::yield_now();
        }
        Self { pool, handles }
    }
}

struct AbortOnPanic;

impl Drop for AbortOnPanic {
    fn drop(&mut self) {
        if thread::panicking() {
            std::process::abort();
        }
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        self.pool.close();
        for handle in self.handles.drain(..) {
            let _ = handle.join();
        }
    }
}

// SAFETY: as `Pool`.
unsafe impl Workers for Threads {
    fn count(&self) -> usize {
        self.pool.count()
    }

    fn run(&self, tasks: usize, task: &(dyn Fn(usize) + Sync)) {
        self.pool.run(tasks, task);
    }
}
