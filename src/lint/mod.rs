//! Layers that do not fit together, found before the first call.
//!
//! Every setting of a stack may make sense, and the stack may not: a timeout inside a shorter one never acts, and a
//! circuit breaker outside a retry sees one failure where there were three. No type forbids it, as each of these has
//! its use somewhere. So a stack is checked when it is built, or by a test:
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
//! [`Description::warnings`](crate::control::Description::warnings) at any [`Registry`](crate::control::Registry)'s; so
//! you can ask again after an update. A [ready-made stack](crate::ready) asks by itself, and
//! [`try_stack`](crate::ready::Server::try_stack) builds none if an *error* is found. It costs what
//! [`describe`](crate::Stack::describe) costs, and a walk for each rule; no call passes through here.
//!
//! # The rules
//! | rule | what is found | why it hurts | |
//! |---|---|---|---|
//! | [`TimeoutOfZero`](Rule::TimeoutOfZero) | a timeout of zero | it lets only those calls through that are answered at once | error |
//! | [`TimeoutNeverActs`](Rule::TimeoutNeverActs) | a timeout that is not shorter than one further out | it never ends anything | error |
//! | [`LimitAbovePool`](Rule::LimitAbovePool) | a bulkhead wider than the pool that you say is behind it | the rest wait there, with no bound | error |
//! | [`AttemptsDoNotFit`](Rule::AttemptsDoNotFit) | attempts and pauses that take longer than the timeout around them | the last attempts are cut off, and were in vain | |
//! | [`RetryUnbounded`](Rule::RetryUnbounded) | no timeout around a retry | a call takes as long as all of its attempts and pauses | |
//! | [`RetryWithoutBudget`](Rule::RetryWithoutBudget) | a retry that nothing bounds but its attempts | a callee that is down gets its load several times | |
//! | [`TwoRetries`](Rule::TwoRetries) | a retry inside another | attempts would multiply; the inner one makes only one | |
//! | [`BreakerOutsideRetry`](Rule::BreakerOutsideRetry) | a circuit breaker outside a retry | it sees one failure where there were several | |
//! | [`LimitOutsideRetry`](Rule::LimitOutsideRetry) | a limit on what is under way, outside a retry | a pause holds a place, and is measured as work | |
//! | [`RateOutsideRetry`](Rule::RateOutsideRetry) | a rate limit outside a retry | retries are not counted | |
//! | [`BreakerCannotOpen`](Rule::BreakerCannotOpen) | a circuit breaker without any rule | it opens only by hand | |
//! | [`BreakerMissesHangs`](Rule::BreakerMissesHangs) | no timeout inside a circuit breaker, and none outside that it hears of in time | a callee that hangs is not seen to fail | |
//! | [`WindowTooShort`](Rule::WindowTooShort) | a window in time that is shorter than two timeouts | calls that hang end too rarely within one window to be counted together | |
//! | [`LeaseTooShort`](Rule::LeaseTooShort) | a probe's lease shorter than its timeout | a probe that is only slow counts as lost, and as failed | |
//! | [`WaitTooLong`](Rule::WaitTooLong) | a wait as long as the timeout around it | whoever has waited that long is not served any more | |
//! | [`WaitOutsideTimeout`](Rule::WaitOutsideTimeout) | a wait outside every timeout | callers wait longer than the timeout says | |
//! | [`PlaceHeldInWait`](Rule::PlaceHeldInWait) | a wait inside a limit | whoever waits holds a place there, and waits add up | |
//! | [`OneQuotaForAll`](Rule::OneQuotaForAll) | a ready-made server's rate limit without tenants | one caller can use up what all have | |
//!
//! A [surge queue](crate::surge_queue) is taken to let requests wait for two bursts, and a pause to be as long as it
//! may be. A window of two timeouts is what Polly requires of its circuit breaker's sampling duration, and refuses to
//! start without.
//!
//! # What is not seen
//! Layers of your own and of others are known only by the names of their types, and gates in a
//! [`PerKind`](crate::gate::PerKind) or a [`Keyed`](crate::keyed::Keyed) not at all, unless
//! [`with_handle`](crate::Stack::with_handle) tells of them. A layer with `Timeout` in the name of its type is taken
//! for a timeout of unknown length. What requests bring themselves, their deadlines and limits, is not known before
//! they come.

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
    /// What does not fit together here, the outermost first within each kind of rule. See [`lint`](crate::lint) for the
    /// rules.
    pub fn warnings(&self) -> Vec<Warning> {
        rules::all(self.layers())
    }
}
