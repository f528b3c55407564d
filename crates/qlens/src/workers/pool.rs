//! One caller and some helpers that share a job: threads on a host, cores on bare metal.
//!
//! The caller publishes a job in one 64-bit word, its *ticket*: which job it is (`epoch`), how many
//! tasks it has and which is next. Whoever moves the ticket from task `i` to `i + 1` by compare-and-swap
//! owns task `i`. A job cannot end while one of its tasks is owned and not finished, so whoever owns a
//! task may use the job's closure; a helper that wakes late finds another epoch, or no task left, and
//! touches nothing.
#![allow(
    unsafe_code,
    reason = "the job's closure is borrowed from the caller across cores"
)]

use core::{
    cell::UnsafeCell,
    sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
};

use super::Workers;

/// How an idle helper sleeps and how it is woken.
///
/// # Implementing it
/// A wake-up that comes before the sleep must not be lost: after `wake_all`, the next `park` of every
/// helper returns at once (thread parking tokens do that, and so does `wfi` with interrupts masked and
/// the wake-up interrupt left pending until `park` takes it). Returning early is always allowed.
pub trait Park: Sync {
    /// Sleeps until a wake-up.
    fn park(&self, worker: usize);
    /// Wakes all helpers.
    fn wake_all(&self);
}

type Task = dyn Fn(usize) + Sync;

const INDEX_BITS: u32 = 20;
const INDEX_MASK: u64 = (1 << INDEX_BITS) - 1;
/// How often a helper looks for the next job before it sleeps. Between two barriers of a token lie
/// microseconds; waking from sleep costs more.
const SPINS: u32 = 2_000;

/// The helpers' meeting point. `'static` on bare metal; behind an `Arc` on a host.
#[derive(Debug)]
pub struct Pool<P> {
    park: P,
    /// `epoch << 40 | tasks << 20 | next`.
    ticket: AtomicU64,
    /// Tasks of this job that are finished.
    done: AtomicUsize,
    /// Valid while a task of the current epoch is owned.
    task: UnsafeCell<Option<*const Task>>,
    busy: AtomicBool,
    closed: AtomicBool,
    helpers: AtomicUsize,
    asleep: AtomicUsize,
}

// SAFETY: `task` is written only by the owner of `busy` while no task of the previous epoch is owned,
// and read only by owners of a task of the current one.
unsafe impl<P: Sync> Sync for Pool<P> {}
// SAFETY: the pointer in `task` is not used between jobs, and jobs do not move with the pool.
unsafe impl<P: Send> Send for Pool<P> {}

impl<P: Park> Pool<P> {
    /// An empty pool: until helpers [`serve`](Self::serve), the caller works alone.
    pub const fn new(park: P) -> Self {
        Self {
            park,
            ticket: AtomicU64::new(0),
            done: AtomicUsize::new(0),
            task: UnsafeCell::new(None),
            busy: AtomicBool::new(false),
            closed: AtomicBool::new(false),
            helpers: AtomicUsize::new(0),
            asleep: AtomicUsize::new(0),
        }
    }

    /// What helpers sleep with.
    pub fn park(&self) -> &P {
        &self.park
    }

    /// Makes the calling core a helper, until the pool is [closed](Self::close).
    ///
    /// A task that panics here is never finished, and whoever waits for it waits for ever: a host
    /// that unwinds should abort instead, as `Threads` does.
    pub fn serve(&self, worker: usize) {
        self.helpers.fetch_add(1, Ordering::SeqCst);
        let mut seen = 0;
        while !self.closed.load(Ordering::SeqCst) {
            let epoch = self.ticket.load(Ordering::SeqCst) >> (2 * INDEX_BITS);
            if epoch != seen {
                seen = epoch;
                self.work();
            }
            self.rest(worker, seen);
        }
        self.helpers.fetch_sub(1, Ordering::SeqCst);
    }

    /// Sends all helpers home.
    pub fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
        self.park.wake_all();
    }

    /// Waits for a job after `seen`: a while awake, then asleep.
    fn rest(&self, worker: usize, seen: u64) {
        let idle = || {
            self.ticket.load(Ordering::SeqCst) >> (2 * INDEX_BITS) == seen
                && !self.closed.load(Ordering::SeqCst)
        };
        for _ in 0..SPINS {
            if !idle() {
                return;
            }
            core::hint::spin_loop();
        }
        self.asleep.fetch_add(1, Ordering::SeqCst);
        while idle() {
            self.park.park(worker);
        }
        self.asleep.fetch_sub(1, Ordering::SeqCst);
    }

    /// Takes tasks of the current job until none is left.
    fn work(&self) {
        let mut ticket = self.ticket.load(Ordering::Acquire);
        loop {
            let (tasks, next) = (ticket >> INDEX_BITS & INDEX_MASK, ticket & INDEX_MASK);
            if next >= tasks {
                return;
            }
            match self.ticket.compare_exchange_weak(
                ticket,
                ticket + 1,
                Ordering::AcqRel,
                Ordering::Acquire,
            ) {
                Ok(_) => {
                    // SAFETY: task `next` of this epoch is owned from here until `done` counts it, so
                    // the caller that published the job is still inside `run` and keeps the closure alive.
                    if let Some(task) = unsafe { *self.task.get() } {
                        // SAFETY: as above.
                        unsafe { (*task)(next as usize) };
                    }
                    self.done.fetch_add(1, Ordering::Release);
                    ticket = self.ticket.load(Ordering::Acquire);
                }
                Err(now) => ticket = now,
            }
        }
    }

    /// One job of at most `INDEX_MASK` tasks, by the owner of `busy`, which is given up.
    fn publish(&self, tasks: usize, task: &(dyn Fn(usize) + Sync)) {
        self.done.store(0, Ordering::Relaxed);
        let task: *const (dyn Fn(usize) + Sync + '_) = task;
        #[allow(
            clippy::transmute_ptr_to_ptr,
            reason = "a cast cannot change the lifetime of a trait object"
        )]
        // SAFETY: only the lifetime changes; the pointer is used only while `run` waits below.
        let task = unsafe {
            core::mem::transmute::<*const (dyn Fn(usize) + Sync + '_), *const Task>(task)
        };
        // SAFETY: no task of the previous epoch is owned, so nobody reads `task` while it is written.
        unsafe { *self.task.get() = Some(task) };
        let epoch = (self.ticket.load(Ordering::Relaxed) >> (2 * INDEX_BITS)).wrapping_add(1);
        self.ticket.store(
            epoch << (2 * INDEX_BITS) | (tasks as u64) << INDEX_BITS,
            Ordering::SeqCst,
        );
        let mut job = Job {
            pool: self,
            tasks,
            own: 0,
        };
        if self.asleep.load(Ordering::SeqCst) > 0 {
            self.park.wake_all();
        }
        job.own = 1;
        self.work();
        job.own = 0;
    }
}

/// A published job. It ends when this is dropped, also by a panic in one of the caller's tasks: the
/// closure is about to go, so nobody may begin another task, and those that were begun are waited for.
struct Job<'p, P> {
    pool: &'p Pool<P>,
    tasks: usize,
    /// Tasks that the caller owns and, when this is dropped, will not finish.
    own: usize,
}

impl<P> Drop for Job<'_, P> {
    fn drop(&mut self) {
        let Self { pool, tasks, own } = self;
        let next = pool.ticket.fetch_or(INDEX_MASK, Ordering::AcqRel) & INDEX_MASK;
        let begun = (*tasks).min(next as usize);
        while pool.done.load(Ordering::Acquire) + *own < begun {
            core::hint::spin_loop();
        }
        pool.busy.store(false, Ordering::Release);
    }
}

// SAFETY: who moves the ticket past a task is the only one to run it, and nobody moves it back.
unsafe impl<P: Park> Workers for Pool<P> {
    fn count(&self) -> usize {
        1 + self.helpers.load(Ordering::Relaxed)
    }

    fn run(&self, tasks: usize, task: &(dyn Fn(usize) + Sync)) {
        let alone =
            tasks < 2 || self.helpers.load(Ordering::Relaxed) == 0 || tasks as u64 > INDEX_MASK;
        // A job from inside a job, or from a second caller, runs where it is.
        if alone || self.busy.swap(true, Ordering::Acquire) {
            (0..tasks).for_each(task);
            return;
        }
        self.publish(tasks, task);
    }
}
