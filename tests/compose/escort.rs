//! Gates that go along with the calls they admit.

use std::{
    future::{Future, Ready, ready},
    io, mem,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
    task::{Context, Poll, Waker},
};

use plimsoll::{
    Error, Event, Outcome, Reason, Rejection, Stack,
    clock::Moment,
    gate::{Admission, Ending, Gate, Never, PerKind},
    testing::{Mock, Reply},
};
use tokio_test::{assert_pending, task};
use tower::{Service, ServiceExt};

/// What a gate that goes along with calls was asked, in order; shared by all of its sort.
type Diary = Arc<Mutex<Vec<String>>>;

/// A gate that goes along with the calls it admits, and ends them after so many polls.
#[derive(Clone)]
struct Escort {
    name: &'static str,
    diary: Diary,
    polls: Arc<AtomicU32>,
    most: u32,
}

impl Escort {
    fn new(name: &'static str, diary: &Diary, most: u32) -> Self {
        Self { name, diary: diary.clone(), polls: Arc::default(), most }
    }

    fn write(&self, what: &str) {
        self.diary.lock().expect("unpoisoned").push(format!("{} {what}", self.name));
    }
}

impl Gate<u32> for Escort {
    type Permit = u32;
    type Wait = Never;

    fn admit(&self, req: &u32, _: &Moment) -> Admission<u32, Never> {
        Admission::Admitted(*req)
    }

    fn dispatch<T>(&self, permit: u32, req: u32, call: impl FnOnce(u32) -> T) -> T {
        assert_eq!(permit, 1, "what it was when it was admitted");
        self.around::<T>(permit, || call(req * 10))
    }

    fn around<T>(&self, _: u32, step: impl FnOnce() -> T) -> T {
        self.write("in");
        self.polls.fetch_add(1, Relaxed);
        let output = step();
        self.write("out");
        output
    }

    fn bound(&self, _: u32) -> Option<Rejection> {
        let over = self.polls.load(Relaxed) > self.most;
        over.then(|| Rejection::new(Reason::Custom, self.name).dispatched())
    }

    fn settle(&self, _: u32, ending: Ending, _: &Moment) {
        self.write(&format!("{ending:?}"));
    }
}

/// It gives the request something along, is around each step, the later within the earlier, and ends the call: the inner
/// future is gone by then, and everybody is told.
#[tokio::test]
async fn a_gate_may_go_along_with_a_call_and_end_it() {
    let heard = Arc::new(Mutex::new(Vec::new()));
    let (diary, log) = (Diary::default(), heard.clone());
    let (inner, mock) = Mock::new(|_, req: &u32| {
        assert_eq!(*req, 100, "both have given it something along");
        Reply::<(), io::Error>::hang()
    });
    let stack = Stack::new()
        .observe(move |event: &Event| log.lock().expect("unpoisoned").push(*event))
        .gate(Escort::new("outer", &diary, 9))
        .gate(Some(Escort::new("inner", &diary, 2)));
    let mut call = task::spawn(stack.service(inner).oneshot(1));
    assert_pending!(call.poll());
    let rejection = Rejection::new(Reason::Custom, "inner").dispatched();
    assert!(matches!(call.poll(), Poll::Ready(Err(Error::Rejected(told))) if told == rejection));
    assert_eq!((mock.in_flight(), mock.abandoned()), (0, 1));
    assert_eq!(*heard.lock().expect("unpoisoned"), [Event::Refused(rejection)]);
    let step = ["outer in", "inner in", "inner out", "outer out"];
    let failed = Ending::Finished(Outcome::of_rejection(&rejection));
    let ends = [format!("inner {failed:?}"), format!("outer {failed:?}")];
    let expected: Vec<_> = step.iter().cycle().take(12).map(ToString::to_string).chain(ends).collect();
    assert_eq!(*diary.lock().expect("unpoisoned"), expected);
}

/// Its permit came back first, and whoever got that ran beside a call that still had its connection, its locks, its memory.
#[tokio::test]
async fn what_a_gate_ends_is_gone_before_its_permit_comes_back() {
    struct Busy(Diary);

    impl Drop for Busy {
        fn drop(&mut self) {
            self.0.lock().expect("unpoisoned").push("dropped".to_owned());
        }
    }

    let diary = Diary::default();
    let busy = diary.clone();
    let inner = tower::service_fn(move |_: u32| {
        let busy = Busy(busy.clone());
        async move {
            std::future::pending::<()>().await;
            drop(busy);
            Ok::<(), io::Error>(())
        }
    });
    let mut call = task::spawn(Stack::new().gate(Escort::new("gate", &diary, 1)).service(inner).oneshot(1));
    assert!(call.poll().is_ready());
    let log = diary.lock().expect("unpoisoned");
    assert!(log[..5] == ["gate in", "gate out", "gate in", "gate out", "dropped"] && log.len() == 6, "{log:?}");
}

/// Of what is given up on, or fails, on its way into the inner service, too: the next in line would find the place taken that
/// its permit stands for.
#[tokio::test]
async fn what_the_inner_service_reserved_is_free_before_the_permit_comes_back() {
    /// Reserves a place when it is first asked, and fails when it is asked again.
    struct Slow {
        diary: Diary,
        reserved: bool,
    }

    impl Clone for Slow {
        fn clone(&self) -> Self {
            Self { diary: self.diary.clone(), reserved: false }
        }
    }

    impl Drop for Slow {
        fn drop(&mut self) {
            if self.reserved {
                self.diary.lock().expect("unpoisoned").push("freed".to_owned());
            }
        }
    }

    impl Service<u32> for Slow {
        type Response = ();
        type Error = io::Error;
        type Future = Ready<io::Result<()>>;

        fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
            if mem::replace(&mut self.reserved, true) {
                return Poll::Ready(Err(io::Error::other("down")));
            }
            cx.waker().wake_by_ref();
            Poll::Pending
        }

        fn call(&mut self, _: u32) -> Self::Future {
            ready(Ok(()))
        }
    }

    for given_up in [true, false] {
        let diary = Diary::default();
        let inner = Slow { diary: diary.clone(), reserved: false };
        let mut service = Stack::new().gate(Escort::new("gate", &diary, 9)).service(inner);
        let mut call = task::spawn(service.call(1));
        if given_up {
            drop(call);
        } else {
            assert!(matches!(call.poll(), Poll::Ready(Err(_))));
        }
        let log = diary.lock().expect("unpoisoned");
        assert!(log.len() == 2 && log[0] == "freed" && log[1].starts_with("gate "), "{log:?}");
    }
}

#[tokio::test]
async fn a_gate_of_a_kind_goes_along_with_its_own_calls() {
    let diary = Diary::default();
    let kinds = [Escort::new("even", &diary, 9), Escort::new("odd", &diary, 9)];
    let kinds = PerKind::try_new(kinds, |req: &u32| *req as usize % 2).expect("two");
    let (inner, _) = Mock::answering(|req: &u32| Ok::<u32, io::Error>(*req));
    let answer = Stack::new().per_kind(kinds).service(inner).oneshot(1).await;
    assert_eq!(answer.expect("answered"), 10, "the kind is that of the request as it came");
    let log = diary.lock().expect("unpoisoned");
    assert!(log.len() == 5 && log.iter().all(|line| line.starts_with("odd")), "{log:?}");
}

/// After a panic its permit has gone back, and what that stood for may be another call's by now: whoever polls the dead
/// future again does so without the gate.
#[tokio::test]
async fn a_gate_does_not_go_along_with_a_call_that_has_panicked() {
    let diary = Diary::default();
    let (inner, _) = Mock::new(|_, _: &u32| Reply::<(), io::Error>::panic());
    let mut call = Box::pin(Stack::new().gate(Escort::new("gate", &diary, 9)).service(inner).oneshot(1));
    let mut poll = || catch_unwind(AssertUnwindSafe(|| call.as_mut().poll(&mut Context::from_waker(Waker::noop()))));
    assert!(poll().is_err() && poll().is_err());
    let log = diary.lock().expect("unpoisoned");
    assert_eq!(*log, ["gate in", "gate out", "gate in", "gate Panicked"], "called, polled, and no more");
}
