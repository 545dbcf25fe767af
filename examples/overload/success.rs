//! Who was answered: the share of each class, and of each tenant.

use std::time::Duration;

use plimsoll::request::Priority;
use serde::Serialize;

use crate::{
    callers::{CLASSES, Caller, NOISY, TENANTS},
    load::Ending,
    run::Log,
};

/// Shares of the requests that were answered in time, retries included; `None` where nobody came.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Success {
    pub(crate) critical: Option<f64>,
    pub(crate) normal: Option<f64>,
    pub(crate) sheddable: Option<f64>,
    /// All tenants but the noisy one, together; `None` where they are all the same.
    pub(crate) quiet_tenants: Option<f64>,
    pub(crate) noisy_tenant: Option<f64>,
    #[serde(skip)]
    pub(crate) tenants: [Option<f64>; TENANTS as usize],
}

impl Success {
    /// Of the requests that were due in `from..to`. Whoever is not answered when the log ends was not answered: let it
    /// go on for a while after `to`.
    pub(crate) fn of(log: &Log, noisy: bool, from: Duration, to: Duration) -> Self {
        let share = |of: &dyn Fn(Caller) -> bool| {
            let due = |at: Duration, caller| from <= at && at < to && of(caller);
            let came = log.arrivals.iter().filter(|a| due(a.due, a.caller)).count();
            let records = log.records.iter().filter(|r| due(r.due, r.caller));
            let answered = records.filter(|r| r.ending == Ending::Answered).count();
            (came > 0).then(|| (answered as f64 / came as f64 * 1e4).round() / 1e4)
        };
        let class = |class: Priority| share(&|caller| caller.class == class);
        let [critical, normal, sheddable] = CLASSES.map(|(priority, _)| class(priority));
        Self {
            critical,
            normal,
            sheddable,
            quiet_tenants: share(&|caller| caller.tenant != NOISY).filter(|_| noisy),
            noisy_tenant: share(&|caller| caller.tenant == NOISY).filter(|_| noisy),
            tenants: std::array::from_fn(|tenant| share(&|caller| caller.tenant == tenant as u64)),
        }
    }
}

impl Success {
    /// The share of each class, the most important first.
    pub(crate) fn classes(&self) -> [Option<f64>; 3] {
        [self.critical, self.normal, self.sheddable]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{load::Record, plan::Arrival};

    const MS: Duration = Duration::from_millis(1);

    /// One request each millisecond: of the noisy tenant, and critical, if even; of a quiet one, and normal, if odd.
    /// `ending` says how each ended, if it did.
    fn success(noisy: bool, ending: impl Fn(u32) -> Option<Ending>) -> Success {
        let caller = |at| match at % 2 {
            0 => Caller { class: Priority::Critical, tenant: NOISY },
            _ => Caller { class: Priority::Normal, tenant: 1 + u64::from(at) / 2 % (TENANTS - 1) },
        };
        let record = |at| {
            let due = MS * at;
            Some(Record { due, started: due, ended: due, caller: caller(at), ending: ending(at)? })
        };
        let log = Log {
            arrivals: (0..1000).map(|at| Arrival { due: MS * at, caller: caller(at) }).collect(),
            records: (0..1000).filter_map(record).collect(),
            jobs: Vec::new(),
            attempts: 0,
            deeds: None,
        };
        Success::of(&log, noisy, 100 * MS, 900 * MS)
    }

    #[test]
    fn each_class_has_its_share() {
        let odd_are_refused = |at| Some(if at % 2 == 0 { Ending::Answered } else { Ending::Refused });
        let Success { critical, normal, sheddable, .. } = success(false, odd_are_refused);
        assert_eq!((critical, normal, sheddable), (Some(1.0), Some(0.0), None));
    }

    #[test]
    fn whoever_still_waits_at_the_end_was_not_answered() {
        let every_fourth = |at| (at % 4 == 0).then_some(Ending::Answered);
        assert_eq!(success(false, every_fourth).critical, Some(0.5));
    }

    #[test]
    fn what_was_due_before_and_after_does_not_count() {
        let only_outside = |at| (!(100..900).contains(&at)).then_some(Ending::Answered);
        assert_eq!(success(false, only_outside).critical, Some(0.0));
    }

    #[test]
    fn the_quiet_have_a_share_where_one_is_noisy() {
        let odd_are_answered = |at| Some(if at % 2 == 1 { Ending::Answered } else { Ending::TimedOut });
        let Success { quiet_tenants, noisy_tenant, tenants, .. } = success(true, odd_are_answered);
        assert_eq!((quiet_tenants, noisy_tenant), (Some(1.0), Some(0.0)));
        assert_eq!((tenants[0], tenants[9]), (Some(0.0), Some(1.0)));
        assert_eq!(success(false, odd_are_answered).quiet_tenants, None);
    }
}
