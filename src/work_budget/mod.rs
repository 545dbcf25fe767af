//! Let every request do a similar amount of work, and no more.
//!
//! # Why
//! A limit on requests takes them all to be alike. They are not: one search goes through ten rows and another through
//! ten million, and the latter holds up everybody behind it who asked for little. Rather than hope that no such request
//! comes, say what one may cost: a request takes room according to its cost, is told at once if it wants too much, and
//! stops when it has done as much as it may.
//!
//! # When to use it
//! Where a request shows roughly what it will cost: rows, bytes, a depth, a page size. Where a handler does work in a
//! loop, or in calls to others, that it can count. Where one tenant's report must not slow down everybody's look-ups.
//!
//! # When not to
//! Where requests are all alike: a [`bulkhead`](crate::bulkhead) is enough. Where the right number at once is not
//! known, or changes: [`load_shed`](crate::load_shed) finds it, and a work budget goes inside that, for what one
//! request may do. For how *often* something is asked: that takes a rate limit. The handler counts its own fuel: this
//! is no sandbox for code that does not.
//!
//! # What the caller sees
//! | | |
//! |---|---|
//! | it | **refuses**; it **waits** if told to ([`Settings::with_wait`]), in a bounded queue; it **bounds** a call while it runs, by its fuel, and by the time of its polls if told to |
//! | [`Reason`](crate::Reason) | `TooExpensive` for a request that costs more than any may; `LimitReached` when the seats are taken; `WaitTimeout` or `DeadlineExceeded` at the end of a wait; `WorkExhausted` when its work is spent |
//! | `retry_after` | not known |
//! | dispatched | no; for `WorkExhausted` yes, unless no work was left to begin with |
//! | `poll_ready` | always ready |
//! | cancel safety | dropping the future gives the seats back, or leaves the queue, and closes its [`Work`](crate::work::Work): what was spent stays spent, and nothing more can be |
//!
//! `TooExpensive` and `WorkExhausted` are the caller's to mend (422): a retry does not try them again, and they say
//! nothing about the callee to a circuit breaker. The inner service has to be `Clone`; put one that is not behind
//! `tower::buffer::Buffer`. Waiting needs a tokio runtime with time enabled.
//!
//! # Place in the stack
//! On a server next to the handler, inside what sheds load: what is refused there need not be weighed. All layers
//! further in draw from the same fuel, a retry and another work budget too, so that all attempts of a request together
//! cost no more than one may. On a client around the calls to the callee, if there is no work budget further out.
//!
//! # Defaults
//! | setting | default | why |
//! |---|---|---|
//! | [seats](Settings::new) | none: you choose | only you know what can be done at once |
//! | [width](Settings::with_width) | 15 % of the seats, at least one | six of the widest fit side by side, so that none holds up all others (the rule of Kubernetes' API priority and fairness) |
//! | [cost](WorkBudget::cost_by) | one seat | then it is a bulkhead |
//! | [fuel per seat](Settings::with_fuel_per_seat) | one seat for any fuel | only you know what a median request spends |
//! | [fuel](Settings::with_fuel) | none granted | a handler has to spend it |
//! | [headroom](Settings::with_headroom) | 4 times the estimate | estimates are rough; and no estimate is ever corrected further than that |
//! | [over cost](OverCost) | refuse | the caller can ask for less; the others should not pay |
//! | [correction](Settings::without_correction) | on, between a quarter and 4 times | estimates grow old |
//! | [wait](Settings::with_wait) | nobody waits | a queue hides overload until everybody in it is late |
//! | [page](Settings::with_max_page) | 100 items | the most that public APIs of this kind give |
//! | [busy time](Settings::with_max_busy), [long polls](Settings::with_long_poll) | not looked at | two clock readings a poll |
//! | name | `work_budget` | give each its own where there are two |
//!
//! # Events
//! | event | when |
//! |---|---|
//! | [`Refused`](crate::Event::Refused) | a request is refused, or ended because its polls took too long |
//! | [`WorkExhausted`](crate::Event::WorkExhausted) | a request that has ended had asked for more fuel than it was granted |
//! | [`LongPoll`](crate::Event::LongPoll) | a poll kept its thread for as long as a [long poll](Settings::with_long_poll) or longer |
//! | [`Demoted`](crate::Event::Demoted) | a request costs too much, and goes to the lane for such requests |
//! | [`WouldRefuse`](crate::Event::WouldRefuse) | one of these would have happened, were the budget not only observing |
//! | [`BudgetResized`](crate::Event::BudgetResized) | the number of seats is changed |
//!
//! # Example
//! ```
//! use plimsoll::{Error, Reason, Stack, work, work_budget::{Cost, Settings, WorkBudget}};
//! use tower::{Service, service_fn};
//!
//! #[derive(Clone, Copy)]
//! struct Search { pages: u64 }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // Of 64 seats a search takes one for every 10 pages, and no search goes through more than 1,000.
//! let settings = Settings::try_new(64)?.try_with_fuel_per_seat(10)?.try_with_fuel(1_000)?;
//! let budget = WorkBudget::new(settings).cost_by(|search: &Search| Cost::fuel(search.pages));
//!
//! let mut service = Stack::new().work_budget(budget).wrap(service_fn(|search: Search| async move {
//!     let work = work::current().expect("there is a work budget around");
//!     let mut found = 0;
//!     for _page in 0..search.pages {
//!         work.checkpoint(1).await?;
//!         found += 7;
//!     }
//!     Ok::<_, Error<std::io::Error>>(found)
//! }));
//!
//! assert_eq!(service.call(Search { pages: 30 }).await?, 210);
//! let error = service.call(Search { pages: 2_000 }).await.unwrap_err();
//! assert!(matches!(error, Error::Rejected(r) if r.reason() == Reason::TooExpensive));
//! # Ok(())
//! # }
//! ```
//!
//! Reports that cost too much for the others' seats run two at a time in a lane of their own, and no request keeps a
//! thread for longer than a second in all:
//!
//! ```
//! use std::time::Duration;
//! use plimsoll::work_budget::{Demotion, OverCost, Settings};
//!
//! # fn main() -> Result<(), plimsoll::InvalidSetting> {
//! let settings = Settings::try_new(64)?
//!     .try_with_fuel(1_000)?
//!     .with_over_cost(OverCost::Demote(Demotion::try_new(2)?))
//!     .with_max_busy(Duration::from_secs(1))
//!     .with_long_poll(Duration::from_millis(10));
//! # let _ = settings;
//! # Ok(())
//! # }
//! ```
//!
//! # How it decides
//! ```text
//!  request ──▶ estimate ──▶ more than one may? ─yes─▶ refused │ clamped │ its own lane
//!                 ▲               │no                              │          │
//!                 │               ▼                                ▼          ▼
//!        correction by kind ─▶ seats ──▶ free, nobody before it? ─no─▶ may wait? ─no─▶ refused
//!                 ▲               │yes                                    │yes
//!                 │               ▼                                       ▼
//!                 │          admitted, with fuel ◀────── in order ── those who wait
//!                 │               │ spends, in parts, up to what was granted
//!                 └── spent ── call ends: seats and what was left are given back
//! ```
//! No narrow request overtakes one that is too wide for the seats free at the moment: the wide one would wait for ever.
//! How long it keeps the others waiting is bounded, as its width is.
//!
//! Without fuel, a call costs one compare-and-swap in and one add out: no lock, no clock, no allocation. With fuel, a
//! call's account is one left by a call that has ended: no allocation as long as no more are under way than ever
//! before, and an uncontended lock of its own at each poll. The clock is read only for busy time. Memory grows with the
//! most calls that were ever under way or waiting at once, which is bounded.
//!
//! In a map of budgets by key, one makes room for another [when it can be forgotten](crate::keyed#how-it-decides) at no
//! cost to the others: nobody is in it, it was not changed by hand, and no kind of request has turned out dearer than
//! its estimates by more than an eighth. A kind that spends more than estimated has fewer running at once, and cannot
//! shake that off by making up keys. That a kind spends less is forgotten: it is charged its estimates again, until
//! that is learned anew.
//!
//! There is no way to hold seats for a while after the answer, for work that an answer leaves behind: giving them back
//! on time would need a task. Let the handler answer when the work is done, or hold a permit of a limit of its own.

mod corrections;
mod cost;
mod gate;
mod handle;
mod settings;
mod spread;
mod state;
mod tariff;

pub use self::{
    corrections::MAX_KINDS,
    cost::{Cost, CostModel, Demotion, OverCost},
    gate::{Permit, Wait, WorkBudget},
    handle::{Handle, Kind, Percentiles, Snapshot},
    settings::Settings,
};
pub use crate::limit::pools::Usage;
use crate::{
    classify::Unjudged,
    gate::GateLayer,
    request::{Scoped, Unasked},
};

/// A work budget alone, as a layer for `tower::ServiceBuilder`: `WorkBudgetLayer::new` takes settings or a
/// [`WorkBudget`].
pub type WorkBudgetLayer<C = Unasked, K = Unasked, D = Unasked, W = Scoped> =
    GateLayer<WorkBudget<C, K, D, W>, Unjudged>;
