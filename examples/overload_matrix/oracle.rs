//! A limit that follows what only the scenario's author knows.

use std::num::NonZeroU32;

use plimsoll::{
    clock::{self, Instant, Moment},
    gate::Ending,
    limit::{FixedLimit, Limit},
    testing::Curve,
};

/// The best limit at every moment: a number, times a curve over time. What an adaptive limit that is perfect could do.
#[derive(Debug)]
pub(crate) struct Oracle {
    fixed: FixedLimit,
    best: f64,
    scale: Curve,
    start: Instant,
}

impl Oracle {
    /// One whose time begins now.
    pub(crate) fn new(best: NonZeroU32, scale: Curve) -> Self {
        Self { fixed: FixedLimit::new(best), best: best.get().into(), scale, start: clock::now() }
    }

    fn look(&self, now: &Moment) {
        let best = self.best * self.scale.at(now.now().since(self.start));
        self.fixed.resize(NonZeroU32::new(best.round() as u32).unwrap_or(NonZeroU32::MIN));
    }
}

impl Limit for Oracle {
    type Permit = ();

    fn take(&self, now: &Moment) -> Option<()> {
        self.look(now);
        self.fixed.take(now)
    }

    fn take_anyway(&self, now: &Moment) {
        self.fixed.take_anyway(now);
    }

    fn put_back(&self, permit: (), ending: Ending, now: &Moment) {
        self.look(now);
        self.fixed.put_back(permit, ending, now);
    }

    fn limit(&self) -> u32 {
        self.fixed.limit()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn it_goes_by_its_curve() {
        let second = Duration::from_secs(1);
        let best = NonZeroU32::MIN.saturating_add(1);
        let oracle = Oracle::new(best, Curve::constant(1.0).then(second, 0.5));
        let take = || oracle.take(&Moment::new()).is_some();
        assert_eq!([take(), take(), take()], [true, true, false]);
        tokio::time::advance(second).await;
        oracle.put_back((), Ending::Cancelled, &Moment::new());
        assert!(!take(), "one is as many as there may be now");
        oracle.put_back((), Ending::Cancelled, &Moment::new());
        assert!(take());
    }
}
