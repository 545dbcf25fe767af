//! The work that one request may do, for handlers to spend from as they go.
//!
//! A [`work_budget`](crate::work_budget) that was given fuel grants each request a [`Work`]. The handler finds it by
//! [`current`], or in the request, and spends from it as it goes: on rows read, bytes sent, calls made to others,
//! whatever the unit is. Once it is used up, the next spend fails with [`Exhausted`], and the request ends there,
//! instead of going on at the cost of all others.
//!
//! ```
//! use plimsoll::work::{Exhausted, Work};
//!
//! # fn main() -> Result<(), Exhausted> {
//! let work = Work::new(500); // for a test; a handler has `work::current()`
//!
//! work.spend(20)?;                                // all of it, or nothing
//! let rows = work.page(1_000, 2)?;                // a page that can be paid for, and is
//! assert_eq!((rows, work.remaining()), (100, 280));
//! work.refund(40 * 2);                            // there were only sixty
//!
//! let parts = [work.child(100), work.child(100)]; // for two calls at once
//! assert!(parts[0].spend(101).is_err());          // neither takes what is the other's
//! parts[1].spend(30)?;
//! drop(parts);                                    // what they did not spend is there again
//! assert_eq!(work.remaining(), 330);
//! # Ok(())
//! # }
//! ```
//!
//! # What is promised
//! * The sum of all spends, in whatever order and on whatever threads, never exceeds what was granted.
//! * Once the request is over, whoever still has its work can spend nothing more, neither its own nor another
//!   request's.
//! * So a request that carries the work of another that is over has none: it is refused, as `WorkExhausted`. Before a
//!   request is sent again later, a [dead letter](crate::dead_letter::DeadLetters#sending-one-again), say, its work has
//!   to be removed.
//! * Whatever is further in draws on what is left: a work budget inside another, and each attempt of a retry below one.
//!   So the attempts of a request share the fuel of one, and a retry stops when that is used up.
//!
//! # Where it is found
//! *Scoped*: while a layer calls or polls what is further in, [`current`] gives the work on that thread. That is lost
//! across `spawn` and `Buffer`: take a clone along. *Carried*: a request type that has room for it takes it along,
//! through [`CarryWork`].

mod account;
mod accounts;
mod carry;
mod checkpoint;
mod exhausted;
mod handle;
mod ledger;
mod scope;
#[cfg(test)]
mod tests;

pub(crate) use self::{
    account::{Claim, Grant},
    accounts::Accounts,
    ledger::MOST,
    scope::{Scope, is_used_up},
};
pub use self::{
    carry::CarryWork,
    checkpoint::Checkpoint,
    exhausted::{Cause, Exhausted},
    handle::Work,
    scope::current,
};
