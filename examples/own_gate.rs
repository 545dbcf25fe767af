//! A gate of your own: office hours. Outside them requests are refused, and told when to come back; and it counts how
//! the calls it let in have ended.
//!
//! Readiness, cancellation, panics, clock readings and events are the library's business; the gate only decides.

use std::{
    io,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

use plimsoll::{
    Error, Outcome, Reason, Rejection, Stack, bulkhead,
    clock::{self, Instant, Moment},
    gate::{Admission, Ending, Gate, Never},
};
use tower::{Service, service_fn};

struct OfficeHours {
    opens: Instant,
    closes: Instant,
    served: AtomicU64,
}

impl OfficeHours {
    fn starting_in(wait: Duration, length: Duration) -> Self {
        let opens = clock::now().after(wait);
        Self { opens, closes: opens.after(length), served: AtomicU64::new(0) }
    }
}

impl<Req> Gate<Req> for OfficeHours {
    type Permit = ();
    type Wait = Never;

    fn admit(&self, _: &Req, now: &Moment) -> Admission<(), Never> {
        let closed = Rejection::new(Reason::Custom, "office-hours");
        let now = now.now();
        if now < self.opens {
            Admission::Refused(closed.with_retry_after(self.opens.since(now)))
        } else if now >= self.closes {
            Admission::Refused(closed)
        } else {
            Admission::Admitted(())
        }
    }

    fn settle(&self, (): (), ending: Ending, _: &Moment) {
        if ending == Ending::Finished(Outcome::Success) {
            self.served.fetch_add(1, Relaxed);
        }
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), plimsoll::InvalidSetting> {
    let office = OfficeHours::starting_in(Duration::from_millis(100), Duration::from_millis(100));
    // The two gates are neighbours, so they are one service with one future.
    let stack = Stack::new().gate(office).bulkhead(bulkhead::Settings::try_new(1)?);
    let mut desk = stack.service(service_fn(|()| async { Ok::<_, io::Error>("stamped") }));
    for _ in 0..3 {
        match desk.call(()).await {
            Ok(answer) => println!("{answer}"),
            Err(Error::Rejected(rejection)) => println!("{rejection}"),
            Err(Error::Inner(error)) => println!("{error}"),
        }
        tokio::time::sleep(Duration::from_millis(110)).await;
    }
    Ok(())
}
