//! Layers that do not fit together, found before the first call.
//!
//! Every setting of a stack may make sense, and the stack may not: a timeout inside of a shorter one never acts, and a circuit
//! breaker outside of a retry sees one failure where there were three. No type forbids it, as each of these has its use
//! somewhere. So a stack is looked over when it is built, or by a test:
//!
//! ```
//! use std::time::Duration;
//! use plimsoll::{Stack, circuit_breaker, lint::Rule, retry};
//!
//! let stack = Stack::new()
//!     .timeout(Duration::from_secs(5))
//!     .circuit_breaker(circuit_breaker::Settings::new())
//!     .retry(retry::Settings::new())
//!     .timeout(Duration::from_secs(1));
//!
//! let warnings = stack.warnings();
//! assert_eq!(warnings[0].rule(), Rule::BreakerOutsideRetry);
//! assert_eq!(
//!     warnings[0].to_string(),
//!     "circuit_breaker is outside of retry: it sees one failure where there were several, and retries go on against what is \
//!      down. Put the circuit breaker inside of the retry",
//! );
//! ```
//!
//! [`Stack::warnings`](crate::Stack::warnings) looks at a stack as it is set at that moment, and
//! [`Description::warnings`](crate::control::Description::warnings) at any [`Registry`](crate::control::Registry)'s; so it may
//! be asked again after an update. A [ready-made stack](crate::ready) asks by itself, and is not built if an *error* is found.
//! It costs what [`describe`](crate::Stack::describe) costs, and a walk for each rule; calls never come here.
//!
//! # The rules
//! | rule | what is found | why it hurts | |
//! |---|---|---|---|
//! | [`TimeoutOfZero`](Rule::TimeoutOfZero) | a timeout of zero | it lets through only what is answered at once | error |
//! | [`TimeoutNeverActs`](Rule::TimeoutNeverActs) | a timeout that is not shorter than one further out | it never ends anything | error |
//! | [`LimitAbovePool`](Rule::LimitAbovePool) | a bulkhead wider than the pool that you say is behind it | the rest waits there, with no bound | error |
//! | [`AttemptsDoNotFit`](Rule::AttemptsDoNotFit) | attempts and pauses that take longer than the timeout around them | the last attempts are cut off, and were for nothing | |
//! | [`RetryUnbounded`](Rule::RetryUnbounded) | no timeout around a retry | a call takes as long as all of its attempts and pauses | |
//! | [`RetryWithoutBudget`](Rule::RetryWithoutBudget) | a retry that nothing bounds but its attempts | a callee that is down gets its load several times | |
//! | [`TwoRetries`](Rule::TwoRetries) | a retry inside of a retry | tries would multiply; the inner one leaves it at one | |
//! | [`BreakerOutsideRetry`](Rule::BreakerOutsideRetry) | a circuit breaker outside of a retry | it sees one failure where there were several | |
//! | [`LimitOutsideRetry`](Rule::LimitOutsideRetry) | a limit on what is under way, outside of a retry | a pause holds a place, and is measured as work | |
//! | [`RateOutsideRetry`](Rule::RateOutsideRetry) | a rate limit outside of a retry | retries are not counted | |
//! | [`BreakerCannotOpen`](Rule::BreakerCannotOpen) | a circuit breaker without any rule | only by hand does it open | |
//! | [`BreakerMissesHangs`](Rule::BreakerMissesHangs) | no timeout inside of a circuit breaker, and none that it hears of in time | a callee that hangs is not seen to fail | |
//! | [`WindowTooShort`](Rule::WindowTooShort) | a window in time of less than two timeouts | calls that hang end too rarely within one to be counted together | |
//! | [`LeaseTooShort`](Rule::LeaseTooShort) | a probe's lease shorter than its timeout | a probe that is only slow counts as lost, and as failed | |
//! | [`WaitTooLong`](Rule::WaitTooLong) | a wait as long as the timeout around it | whoever waited so long is not served any more | |
//! | [`WaitOutsideTimeout`](Rule::WaitOutsideTimeout) | a wait outside of every timeout | callers wait longer than the timeout says | |
//! | [`PlaceHeldInWait`](Rule::PlaceHeldInWait) | a wait inside of a limit | whoever waits holds a place there, and waits add up | |
//! | [`OneQuotaForAll`](Rule::OneQuotaForAll) | a ready-made server's rate limit without tenants | one caller uses up what all have | |
//!
//! A wait of two bursts is taken to be a [surge queue's](crate::surge_queue); a pause to be as long as it may be. Two timeouts
//! in a window are what Polly asks for its circuit breaker's sampling duration, and refuses to start without.
//!
//! # What is not seen
//! Layers of your own and of others are known by the names of their types, gates in a [`PerKind`](crate::gate::PerKind) or a
//! [`Keyed`](crate::keyed::Keyed) not at all, unless [`with_handle`](crate::Stack::with_handle) tells of them. A layer that has
//! `Timeout` in the name of its type is taken for one, of unknown length. What requests say themselves, their deadlines and
//! limits, is not known before they come.

mod look;
mod rule;
mod rules;
mod warning;

pub use self::{
    rule::Rule,
    warning::{Subject, Warning},
};
use crate::control::Description;

impl Description {
    /// What does not fit together in it, the outermost first of each kind. See [`lint`](crate::lint) for the rules.
    pub fn warnings(&self) -> Vec<Warning> {
        rules::all(self.layers())
    }
}
