use std::time::Duration;

use super::Priority;
use crate::clock::Instant;

/// Writes one question to a request: a trait with one method, which closures over `&Req` answer.
macro_rules! asks {
    ($(#[$doc:meta])* $trait:ident, $method:ident -> $answer:ty) => {
        $(#[$doc])*
        #[diagnostic::on_unimplemented(
            message = "`{Self}` does not answer this question to requests `{Req}`",
            note = "a closure says the type of the request and answers with exactly this type: `|req: &Request| …`"
        )]
        pub trait $trait<Req> {
            /// The answer for this request. It runs before the request is admitted; a panic in it loses nothing.
            fn $method(&self, req: &Req) -> $answer;
        }

        impl<F: Fn(&Req) -> $answer, Req> $trait<Req> for F {
            #[inline]
            fn $method(&self, req: &Req) -> $answer {
                self(req)
            }
        }
    };
}

asks! {
    /// How much a request weighs: how many permits it takes. A closure such as `|r: &Req| r.items` qualifies.
    CostOf, cost -> u32
}

asks! {
    /// By when the caller wants the answer; `None` where it has not said.
    DeadlineOf, deadline -> Option<Instant>
}

asks! {
    /// How long a request may take; `None` where nothing special is known. [`Duration::MAX`] is for ever.
    TimeoutOf, timeout -> Option<Duration>
}

asks! {
    /// How important a request is. A closure such as `|r: &Req| r.priority` qualifies.
    PriorityOf, priority -> Priority
}

asks! {
    /// Whether a request passes without being refused, delayed or counted, as a health check should. A closure such as
    /// `|r: &Req| r.path == "/health"` qualifies.
    ExemptOf, exempt -> bool
}

/// Whose a request is, as a number: an identifier, or a hash of a name. A closure such as `|r: &Req| r.tenant`
/// qualifies; a closure always names a tenant. Where some requests have none, a type of your own implements this.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not say whose a request `{Req}` is",
    note = "a closure says the type of the request and answers with a number, an identifier or a hash: `|req: &Request| req.tenant`"
)]
pub trait TenantOf<Req> {
    /// The tenant of this request; `None` where there are no tenants. It runs before the request is admitted; a panic
    /// in it loses nothing.
    fn tenant(&self, req: &Req) -> Option<u64>;
}

impl<F: Fn(&Req) -> u64, Req> TenantOf<Req> for F {
    #[inline]
    fn tenant(&self, req: &Req) -> Option<u64> {
        Some(self(req))
    }
}

/// To whom or what a request belongs: a tenant, an endpoint, a compartment. A closure such as
/// `|r: &Req| r.tenant` qualifies.
#[diagnostic::on_unimplemented(
    message = "`{Self}` gives no key for requests `{Req}`",
    note = "a closure says the type of the request and answers with an owned value: `|req: &Request| req.host.to_owned()`"
)]
pub trait KeyOf<Req> {
    /// The key, an owned value.
    type Key;

    /// The key of this request. It runs before the request is admitted; a panic in it loses nothing.
    fn key(&self, req: &Req) -> Self::Key;
}

impl<F: Fn(&Req) -> Key, Req, Key> KeyOf<Req> for F {
    type Key = Key;

    #[inline]
    fn key(&self, req: &Req) -> Key {
        self(req)
    }
}

/// The answer to every question that nobody answers otherwise: each request weighs 1, is of [normal](Priority::Normal)
/// priority, has no deadline, is not exempt, and all have the same key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Unasked;

impl<Req> CostOf<Req> for Unasked {
    #[inline]
    fn cost(&self, _: &Req) -> u32 {
        1
    }
}

impl<Req> DeadlineOf<Req> for Unasked {
    #[inline]
    fn deadline(&self, _: &Req) -> Option<Instant> {
        None
    }
}

impl<Req> TimeoutOf<Req> for Unasked {
    #[inline]
    fn timeout(&self, _: &Req) -> Option<Duration> {
        None
    }
}

impl<Req> PriorityOf<Req> for Unasked {
    #[inline]
    fn priority(&self, _: &Req) -> Priority {
        Priority::Normal
    }
}

impl<Req> ExemptOf<Req> for Unasked {
    #[inline]
    fn exempt(&self, _: &Req) -> bool {
        false
    }
}

impl<Req> TenantOf<Req> for Unasked {
    #[inline]
    fn tenant(&self, _: &Req) -> Option<u64> {
        None
    }
}

impl<Req> KeyOf<Req> for Unasked {
    type Key = usize;

    #[inline]
    fn key(&self, _: &Req) -> usize {
        0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn closures_answer_questions() {
        let key = |text: &&str| text.len();
        assert_eq!(KeyOf::key(&key, &"tenant"), 6);
        let cost = |text: &&str| text.len() as u32;
        assert_eq!(CostOf::cost(&cost, &"four"), 4);
        assert_eq!(CostOf::cost(&Unasked, &"four"), 1);
    }
}
