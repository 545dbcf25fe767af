//! Threads that meet as they like: what must be true however they do.

use std::{
    future::Future,
    hint,
    pin::{Pin, pin},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    task::{Context, Poll, Wake, Waker},
    thread::{self, Thread},
    time::Duration,
};

/// Nobody is left asleep for so long unless they were forgotten.
pub(crate) const FORGOTTEN: Duration = Duration::from_secs(10);

/// Each of so many threads works to its end, and `meanwhile` goes on, once at least, until all have. One that panics has
/// ended too: counted by what they do last, it left the others changing things for ever, and the test with them.
pub(crate) fn crowd(threads: u64, work: impl Fn(u64) + Sync, mut meanwhile: impl FnMut()) {
    let work = &work;
    thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|thread| scope.spawn(move || work(thread))).collect();
        loop {
            meanwhile();
            if workers.iter().all(|worker| worker.is_finished()) {
                break;
            }
            thread::yield_now();
        }
    });
}

struct Unpark(Thread, AtomicBool);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.1.store(true, SeqCst);
        self.0.unpark();
    }
}

/// Polls up to `polls` times, sleeping between as a task would, and gives up then.
pub(crate) fn drive<T>(future: impl Future<Output = T>, polls: u32) -> Option<T> {
    let mut future = pin!(future);
    let unpark = Arc::new(Unpark(thread::current(), AtomicBool::new(false)));
    let waker = Waker::from(Arc::clone(&unpark));
    for left in (0..polls).rev() {
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return Some(output);
        }
        while left > 0 && !unpark.1.swap(false, SeqCst) {
            let asleep = std::time::Instant::now();
            thread::park_timeout(FORGOTTEN);
            assert!(unpark.1.load(SeqCst) || asleep.elapsed() < FORGOTTEN, "nobody woke it");
        }
    }
    None
}

/// Is pending once, and lets another thread run.
#[derive(Default)]
pub(crate) struct Breath(bool);

impl Future for Breath {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.0 {
            return Poll::Ready(());
        }
        self.0 = true;
        cx.waker().wake_by_ref();
        thread::yield_now();
        Poll::Pending
    }
}

/// Awake, as long as there is a core for it: threads that sleep rarely meet.
pub(crate) fn spin_while(condition: impl Fn() -> bool) {
    let mut spins = 0_u32;
    while condition() {
        spins += 1;
        if spins.is_multiple_of(128) { thread::yield_now() } else { hint::spin_loop() }
    }
}
