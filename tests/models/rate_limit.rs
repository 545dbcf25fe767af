//! The quota that is counted without a lock.

#[path = "../../src/rate_limit/gcra.rs"]
mod gcra;
#[path = "../../src/rate_limit/meter.rs"]
mod meter;
#[path = "../../src/rate_limit/permit.rs"]
mod permit;
#[path = "../../src/rate_limit/quota.rs"]
mod quota;
#[path = "../../src/rate_limit/scale.rs"]
mod scale;

use std::time::Duration;

use loom::{sync::Arc, thread};

use self::{
    gcra::Gcra,
    meter::{Meter, Taken},
    quota::Quota,
};
use crate::{clock::Instant, joined, model};

/// A cell is asked for while the quota is changed a day later: for one that is as fast, for a faster one, and for the same.
/// Whoever went on by the rules that were, with the number that is, took as much as comes back in a day, and so all there was.
#[test]
fn whoever_asks_while_a_quota_is_changed_takes_what_was_asked_for_and_no_more() {
    let quota = |cells| Quota::try_per_second(cells).and_then(|quota| quota.try_with_burst(9)).expect("valid");
    let start = Instant::from_nanos(1 << 62);
    let later = start.after(Duration::from_secs(24 * 3600));
    for (next, used) in [(20, 0), (20, 2), (13, 0), (13, 2), (10, 0), (10, 2)] {
        model(3, move || {
            let mut gcra = Gcra::new(quota(10), 0).changed(quota(10), start);
            gcra.take(used, start);
            let meter = Arc::new(Meter::new());
            meter.set(1, &gcra, false);
            meter.open(gcra.arrival());
            let taker = {
                let meter = Arc::clone(&meter);
                thread::spawn(move || meter.take(1, later))
            };
            // As whoever has the lock does it.
            gcra.set_arrival(meter.shut().expect("it was open"));
            gcra = gcra.changed(quota(next), later);
            meter.set(2, &gcra, false);
            meter.open(gcra.arrival());
            let taken = joined(taker);
            gcra.set_arrival(meter.shut().expect("it was open"));
            match taken {
                Taken::Took(_) => assert_eq!(gcra.remaining(later), 8),
                Taken::Ask => assert_eq!(gcra.remaining(later), 9),
                // It was no mistake; or the number was the same before and after, of a quota that nobody had used, and what was
                // made of it is still there to be taken back.
                Taken::Torn { after, .. } => {
                    assert!(gcra.remaining(later) == 8 || used == 0 && gcra.arrival() == after);
                }
                Taken::Short(_) | Taken::Never => panic!("there are nine: {taken:?}"),
            }
        });
    }
}
