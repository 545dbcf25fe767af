//! The capacity of the server: a few worker threads, and a queue in front of them that has no end.
//!
//! This is what an unprotected service looks like from inside: whatever is accepted is done, in order, whether
//! or not anybody still waits for it.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::sync::oneshot;

/// One piece of finished work.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Finished {
    pub(crate) at: Instant,
    /// The client had left before the work was done.
    pub(crate) wasted: bool,
}

/// Takes jobs without limit and hands them to the workers, first come, first served.
#[derive(Debug)]
pub(crate) struct Backlog {
    queue: Mutex<Queue>,
    arrived: Condvar,
    finished: Mutex<Vec<Finished>>,
}

#[derive(Debug)]
struct Queue {
    jobs: VecDeque<oneshot::Sender<()>>,
    open: bool,
}

/// The threads behind a backlog; dropping them closes it and waits for the jobs in hand.
#[derive(Debug)]
pub(crate) struct Workers {
    backlog: Arc<Backlog>,
    threads: Vec<JoinHandle<()>>,
}

impl Backlog {
    /// Opens an empty backlog with `workers` threads, each of which takes `service` per job on average.
    pub(crate) fn open(workers: usize, service: Duration) -> (Arc<Self>, Workers) {
        let backlog = Arc::new(Self {
            queue: Mutex::new(Queue { jobs: VecDeque::new(), open: true }),
            arrived: Condvar::new(),
            finished: Mutex::default(),
        });
        let threads = (0..workers)
            .map(|worker| {
                let backlog = Arc::clone(&backlog);
                let times = service_times(service, worker as u64);
                thread::spawn(move || backlog.work_off(&times))
            })
            .collect();
        let workers = Workers { backlog: Arc::clone(&backlog), threads };
        (backlog, workers)
    }

    /// Queues one job; the receiver hears when it is done.
    pub(crate) fn submit(&self) -> oneshot::Receiver<()> {
        let (done, answer) = oneshot::channel();
        let mut queue = self.queue.lock().expect("no worker panics");
        if queue.open {
            queue.jobs.push_back(done);
            self.arrived.notify_one();
        }
        answer
    }

    /// Every job done so far, in order.
    pub(crate) fn finished(&self) -> Vec<Finished> {
        self.finished.lock().expect("no worker panics").clone()
    }

    /// A worker's life. `sleep` always oversleeps a little; since a busy worker counts from when its last job
    /// *should* have ended, the little does not add up and the capacity is what the settings say.
    fn work_off(&self, times: &[Duration]) {
        let mut free_at = Instant::now();
        for service in times.iter().cycle() {
            let Some((done, waited)) = self.take() else {
                return;
            };
            if waited {
                free_at = Instant::now();
            }
            free_at += *service;
            thread::sleep(free_at.saturating_duration_since(Instant::now()));
            let wasted = done.send(()).is_err();
            let at = Instant::now();
            let mut finished = self.finished.lock().expect("no worker panics");
            finished.push(Finished { at, wasted });
        }
    }

    /// The next job, and whether the worker had to wait for it; `None` once closed.
    fn take(&self) -> Option<(oneshot::Sender<()>, bool)> {
        let mut queue = self.queue.lock().expect("no worker panics");
        let mut waited = false;
        while queue.open {
            if let Some(job) = queue.jobs.pop_front() {
                return Some((job, waited));
            }
            waited = true;
            queue = self.arrived.wait(queue).expect("no worker panics");
        }
        None
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        let left = {
            let mut queue = self.backlog.queue.lock().expect("no worker panics");
            queue.open = false;
            std::mem::take(&mut queue.jobs)
        };
        drop(left);
        self.backlog.arrived.notify_all();
        for thread in self.threads.drain(..) {
            thread.join().expect("no worker panics");
        }
    }
}

/// Log-normal service times (sigma 0.3: most jobs take 0.6 to 1.7 times the mean), scaled so that their mean is
/// exactly `mean`. A worker goes through them in a circle.
fn service_times(mean: Duration, seed: u64) -> Vec<Duration> {
    const SIGMA: f64 = 0.3;
    let mut rng = StdRng::seed_from_u64(seed);
    let drawn: Vec<f64> = (0..64)
        .map(|_| {
            // Box–Muller: two uniform numbers make one normal number.
            let (u, v): (f64, f64) = (1.0 - rng.random::<f64>(), rng.random());
            let normal = (-2.0 * u.ln()).sqrt() * (std::f64::consts::TAU * v).cos();
            (SIGMA * normal).exp()
        })
        .collect();
    let scale = drawn.len() as f64 / drawn.iter().sum::<f64>();
    drawn.iter().map(|x| mean.mul_f64(x * scale)).collect()
}

/// Jobs per second that the workers really do when they never run dry.
pub(crate) fn measure_capacity(workers: usize, service: Duration, during: Duration) -> f64 {
    let (backlog, threads) = Backlog::open(workers, service);
    let jobs = 2.0 * workers as f64 * (1.0 + during.as_secs_f64() / service.as_secs_f64());
    let answers: Vec<_> = (0..jobs as usize).map(|_| backlog.submit()).collect();
    let start = Instant::now();
    thread::sleep(during);
    let took = start.elapsed().as_secs_f64();
    let done = backlog.finished().len() as f64;
    drop((answers, threads));
    // When the clock stops, each worker is on average half way through a job that counts, too.
    (done + workers as f64 / 2.0) / took
}
