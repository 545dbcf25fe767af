//! What is looked for, and what is said about it: one table.

/// Writes the rules: a row each, of what is found, why it hurts, and what to change.
macro_rules! rules {
    ($($(#[$doc:meta])* $rule:ident, $error:expr, $found:expr, $why:expr, $remedy:expr;)*) => {
        /// What does not fit together; the [page](super) has a table of them.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Rule {
            $($(#[$doc])* $rule,)*
        }

        impl Rule {
            /// Every rule.
            pub const ALL: &[Self] = &[$(Self::$rule),*];

            /// Whether what is found cannot have been meant: a [ready-made stack](crate::ready)'s `try_stack` then
            /// refuses.
            pub const fn is_error(self) -> bool {
                match self {
                    $(Self::$rule => $error,)*
                }
            }

            /// What is found, between the first subject and the second.
            pub(super) const fn found(self) -> &'static str {
                match self {
                    $(Self::$rule => $found,)*
                }
            }

            /// Why it hurts.
            pub const fn why(self) -> &'static str {
                match self {
                    $(Self::$rule => $why,)*
                }
            }

            /// What to change.
            pub const fn remedy(self) -> &'static str {
                match self {
                    $(Self::$rule => $remedy,)*
                }
            }
        }
    };
}

rules! {
    /// A timeout of zero.
    TimeoutOfZero, true, "is zero",
        "it lets through only what is answered at the first poll",
        "Say how long a call may take, or leave the timeout out";
    /// A timeout that is not shorter than one further out.
    TimeoutNeverActs, true, "is not shorter than the one outside of it,",
        "it never ends anything",
        "Shorten it, or lengthen the outer one";
    /// A bulkhead with more permits than the pool behind it has places.
    LimitAbovePool, true, "is above the size of",
        "what gets past it waits for the pool, with no bound and in no order",
        "Lower the limit to the size of the pool, and let requests wait in front of it";
    /// Attempts and pauses that take longer than the timeout around them.
    AttemptsDoNotFit, false, "may take longer than",
        "the last attempts are cut off, and were for nothing",
        "Allow fewer attempts, a shorter timeout for each, or a longer one for the whole";
    /// No timeout around a retry.
    RetryUnbounded, false, "has no timeout outside of it",
        "a call takes as long as all of its attempts and pauses",
        "Put a timeout for the whole call outside of the retry";
    /// A retry that has neither a budget nor a throttle.
    RetryWithoutBudget, false, "has neither budget nor throttle",
        "a callee that is down gets its load as many times as there are attempts",
        "Give it a budget";
    /// A retry inside another.
    TwoRetries, false, "is inside of",
        "tries would multiply, and so the inner one leaves it at one attempt",
        "Retry at one place, the nearest to the caller that knows what is safe to repeat";
    /// A circuit breaker outside a retry.
    BreakerOutsideRetry, false, "is outside of",
        "it sees one failure where there were several, and retries go on against what is down",
        "Put the circuit breaker inside of the retry";
    /// A limit on what is under way, outside a retry.
    LimitOutsideRetry, false, "is outside of",
        "a pause before a retry holds a place, and counts as work where work is measured",
        "Put the limit inside of the retry";
    /// A rate limit outside a retry.
    RateOutsideRetry, false, "is outside of",
        "retries are not counted, though the callee counts them",
        "Put the rate limit inside of the retry";
    /// A circuit breaker that has no rule by which it would open.
    BreakerCannotOpen, false, "has no rule",
        "no failure opens it; only by hand does it open",
        "Give it consecutive failures, a failure rate, or slow calls; or leave it out";
    /// No timeout inside a circuit breaker, and those outside end calls before it would take them for hung.
    BreakerMissesHangs, false, "has no timeout inside of it, and does not take for hung what is given up on by",
        "a callee that hangs is not seen to fail",
        "Put a timeout for each attempt inside, or set hung_after no higher than the timeout outside";
    /// A circuit breaker's window in time that is shorter than two timeouts.
    WindowTooShort, false, "is less than twice as long as",
        "calls that hang end too rarely within one window to be counted together",
        "Lengthen the window to two timeouts at least, or count calls instead of time";
    /// A probe's lease that is shorter than its timeout.
    LeaseTooShort, false, "is shorter than",
        "a probe that is only slow counts as lost, and the circuit opens again",
        "Lengthen the lease beyond the timeout";
    /// A wait that is not shorter than the timeout around it.
    WaitTooLong, false, "is not shorter than",
        "whoever has waited that long is not served any more",
        "Shorten the wait, well below the timeout";
    /// A wait outside every timeout.
    WaitOutsideTimeout, false, "lets requests wait outside of",
        "callers wait for longer than the timeout says, and nobody knows how long they would",
        "Put the timeout outside, or another one for the whole";
    /// A wait inside a limit on what is under way.
    PlaceHeldInWait, false, "lets requests wait inside of",
        "whoever waits holds a place that somebody could use, and waits add up",
        "Let requests wait at one place, the outermost, and refuse further in";
    /// A ready-made server's rate limit without a question for the tenant.
    OneQuotaForAll, false, "knows no tenants",
        "all share one quota, and one caller can use it up",
        "Say whose a request is, by tenant_by";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_has_every_rule_and_says_which_are_errors() {
        let page = include_str!("mod.rs");
        for rule in Rule::ALL {
            let link = format!("[`{rule:?}`](Rule::{rule:?})");
            let row = page.lines().find(|line| line.contains(&link)).unwrap_or_else(|| panic!("{link} is not there"));
            assert_eq!(row.ends_with("| error |"), rule.is_error(), "{row}");
        }
    }
}
