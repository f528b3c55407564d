//! Every task runs once, whatever the helpers do.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    vec,
    vec::Vec,
};

use super::{Inline, Workers, for_each_columns, for_each_run_of_heads};

fn every_task_runs_once(workers: &dyn Workers) {
    for tasks in [0, 1, 2, 3, 17, 1000] {
        let counts: Vec<AtomicUsize> = (0..tasks).map(|_| AtomicUsize::new(0)).collect();
        workers.run(tasks, &|i| {
            counts[i].fetch_add(1, Ordering::Relaxed);
        });
        assert!(counts.iter().all(|c| c.load(Ordering::Relaxed) == 1));
    }
}

#[test]
fn inline_runs_every_task_once() {
    every_task_runs_once(&Inline);
}

#[test]
fn columns_cover_the_whole_once() {
    let (mut a, mut b) = (vec![0.0; 3 * 50], vec![0.0; 2 * 7]);
    for_each_columns(&Inline, [(&mut a, 50), (&mut b, 7)], 16, |_, part| {
        for t in 0..part.rows() {
            part.row(t).iter_mut().for_each(|x| *x += 1.0);
        }
    });
    assert!(
        a.iter()
            .chain(&b)
            .all(|x: &f32| x.to_bits() == 1f32.to_bits())
    );
}

#[test]
fn heads_have_their_own_scratch() {
    // Two rows of six heads of 4; three share keys and values, and two go at a time.
    let (mut out, mut scratch) = (vec![0.0; 2 * 24], vec![0.0; 4 * 5]);
    for_each_run_of_heads(
        &Inline,
        (&mut out, 24),
        (4, 3, 2),
        &mut scratch,
        |heads, part, scratch| {
            assert_eq!(scratch.len(), 5);
            assert!(scratch.iter().all(|x| x.abs() < 0.5), "written before");
            scratch.fill(1.0);
            for t in 0..part.rows() {
                part.row(t).fill((10 * heads.start + heads.end) as f32);
            }
        },
    );
    let row = [2.0, 2.0, 23.0, 35.0, 35.0, 56.0].map(|x| [x; 4]).concat();
    assert_eq!(out, [row.clone(), row].concat());
}

#[cfg(feature = "std")]
mod threads {
    use super::super::{Park, Pool, Threads};
    use super::*;

    #[test]
    fn a_slow_core_takes_fewer_tasks() {
        // Two of three cores never get past their first task until all others are done: the third one does
        // all the rest.
        const TASKS: usize = 50;
        let threads = Threads::new(3);
        let (slow, done) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let by_core = std::sync::Mutex::new(std::collections::HashMap::new());
        threads.run(TASKS, &|_| {
            let core = std::thread::current().id();
            *by_core.lock().unwrap().entry(core).or_insert(0) += 1;
            if slow.fetch_add(1, Ordering::SeqCst) < 2 {
                while done.load(Ordering::SeqCst) < TASKS - 2 {
                    std::thread::yield_now();
                }
            } else {
                done.fetch_add(1, Ordering::SeqCst);
            }
        });
        let mut counts: Vec<usize> = by_core.into_inner().unwrap().into_values().collect();
        counts.sort_unstable();
        assert_eq!(counts, [1, 1, TASKS - 2]);
    }

    /// Counts sleeps and wake-ups.
    #[derive(Debug, Default)]
    struct Counting {
        helper: std::sync::OnceLock<std::thread::Thread>,
        parked: AtomicUsize,
        woken: AtomicUsize,
    }

    impl Park for Counting {
        fn park(&self, _: usize) {
            self.parked.fetch_add(1, Ordering::SeqCst);
            std::thread::park();
        }

        fn wake_all(&self) {
            self.woken.fetch_add(1, Ordering::SeqCst);
            self.helper.get().unwrap().unpark();
        }
    }

    #[test]
    fn an_idle_helper_sleeps_and_only_a_sleeping_one_is_woken() {
        let pool = Pool::new(Counting::default());
        let until = |condition: &dyn Fn() -> bool| {
            while !condition() {
                std::thread::yield_now();
            }
        };
        std::thread::scope(|scope| {
            let helper = scope.spawn(|| pool.serve(1));
            pool.park().helper.set(helper.thread().clone()).unwrap();
            until(&|| pool.park().parked.load(Ordering::SeqCst) > 0);
            assert_eq!(pool.park().woken.load(Ordering::SeqCst), 0);
            let parked = pool.park().parked.load(Ordering::SeqCst);
            // The helper is woken for this job, and busy until the caller has seen that it was.
            let helped = AtomicUsize::new(0);
            let caller = std::thread::current().id();
            pool.run(2, &|_| {
                if std::thread::current().id() == caller {
                    until(&|| helped.load(Ordering::SeqCst) > 0);
                } else {
                    helped.fetch_add(1, Ordering::SeqCst);
                }
            });
            assert_eq!(pool.park().woken.load(Ordering::SeqCst), 1);
            until(&|| pool.park().parked.load(Ordering::SeqCst) > parked);
            pool.close();
        });
    }

    #[test]
    fn threads_run_every_task_once() {
        let threads = Threads::new(4);
        for _ in 0..200 {
            every_task_runs_once(&threads);
        }
    }

    #[test]
    fn helpers_wake_from_sleep() {
        let threads = Threads::new(3);
        for _ in 0..20 {
            std::thread::sleep(std::time::Duration::from_millis(2));
            every_task_runs_once(&threads);
        }
    }

    #[test]
    fn a_job_inside_a_job_runs() {
        let threads = Threads::new(3);
        let count = AtomicUsize::new(0);
        let inner = |_| {
            count.fetch_add(1, Ordering::Relaxed);
        };
        threads.run(8, &|_| threads.run(8, &inner));
        assert_eq!(count.into_inner(), 64);
    }

    #[test]
    fn callers_on_several_threads_do_not_mix() {
        let threads = Threads::new(2);
        std::thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| (0..50).for_each(|_| every_task_runs_once(&threads)));
            }
        });
    }
    #[test]
    fn a_panic_of_the_caller_waits_for_the_helpers_and_the_pool_goes_on() {
        let threads = Threads::new(3);
        let caller = std::thread::current().id();
        for _ in 0..50 {
            let (running, ended) = (AtomicUsize::new(0), AtomicUsize::new(0));
            let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                threads.run(64, &|_| {
                    if std::thread::current().id() == caller {
                        // Not before a helper is in the middle of a task of the same job.
                        while running.load(Ordering::SeqCst) == 0 {
                            std::thread::yield_now();
                        }
                        std::panic::resume_unwind(std::boxed::Box::new(()));
                    }
                    running.fetch_add(1, Ordering::SeqCst);
                    std::thread::sleep(std::time::Duration::from_micros(200));
                    ended.fetch_add(1, Ordering::SeqCst);
                });
            }));
            assert!(result.is_err());
            let begun = running.load(Ordering::SeqCst);
            assert_eq!(
                ended.load(Ordering::SeqCst),
                begun,
                "a task outlived its job"
            );
            every_task_runs_once(&threads);
        }
    }
}
