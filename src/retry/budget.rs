//! What retries may cost: a bucket of tokens in exact integers.

use std::{num::NonZeroU32, sync::Arc};

use super::budget_settings::{BudgetSettings, KINDS, kind};
use crate::{
    classify::Failure,
    clock::Instant,
    settings::Ratio,
    sync::atomic::{
        AtomicU32, AtomicU64,
        Ordering::{Acquire, Relaxed, Release},
    },
};

/// A token, in the unit of the ledger.
const TOKEN: u64 = 1_000_000;

/// A budget begins full, so nothing is due before somebody withdraws; making one needs no clock.
const UNBEGUN: u64 = 0;

/// What retries may cost: a bucket of tokens that successes fill and retries empty.
///
/// Backoff spreads retries out, but only a budget bounds them: while everything fails nothing is deposited, and callers
/// soon send hardly more than first attempts. Each request that succeeds deposits a *ratio* of a token, whether at its
/// first attempt or a later one; each retry withdraws a token before its delay begins; and a small steady *refill* lets
/// clients with little traffic retry. So retries over any period are at most
/// `ratio × successes + refill × seconds + cap`.
///
/// It is its own handle, and clones are the same budget. Several layers that call the same callee can share one; your
/// own hedging may draw on it too.
///
/// The ledger counts millionths of a token, and nothing is rounded: a thousand deposits of 0.3 are three hundred
/// retries. Every operation is O(1), without a lock: a few loads, and a compare-and-swap for what changes.
///
/// After M. Brooker, *Fixing retries with token buckets and circuit breakers* (2022), with the steady part of Finagle's
/// `RetryBudget`.
///
/// ```
/// use plimsoll::{Ratio, classify::Failure, clock, retry::{Budget, BudgetSettings}};
///
/// let settings = BudgetSettings::new().with_ratio(Ratio::percent(20)).with_refill(0).try_with_cap(2)?;
/// let budget = Budget::new(settings);
/// let first = budget.withdraw(Failure::Transient, clock::now()).expect("the budget begins full");
/// first.spend();
/// // Dropped without being spent, a withdrawal is returned.
/// drop(budget.withdraw(Failure::Transient, clock::now()));
/// assert_eq!(budget.balance(), 1.0);
/// # Ok::<_, plimsoll::InvalidSetting>(())
/// ```
#[derive(Clone, Debug)]
pub struct Budget(Arc<Account>);

/// A budget at one moment. The numbers are read one after the other, while calls go on.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct BudgetSnapshot {
    /// The settings in force.
    pub settings: BudgetSettings,
    /// How many tokens there are, not counting the refill since the last withdrawal.
    pub balance: f64,
}

#[derive(Debug)]
struct Account {
    /// In millionths of a token.
    balance: AtomicU64,
    /// In millionths of a token, as all amounts here.
    cap: AtomicU64,
    deposit: AtomicU32,
    /// In tokens a second, which is millionths a microsecond.
    refill: AtomicU32,
    /// Until when the steady refill has been paid in.
    refilled: AtomicU64,
    /// In tokens.
    costs: [AtomicU32; KINDS],
}

impl Budget {
    /// A full budget.
    pub fn new(settings: BudgetSettings) -> Self {
        let budget = Self(Arc::new(Account {
            balance: AtomicU64::new(u64::from(settings.cap().get()) * TOKEN),
            cap: AtomicU64::new(0),
            deposit: AtomicU32::new(0),
            refill: AtomicU32::new(0),
            refilled: AtomicU64::new(UNBEGUN),
            costs: Default::default(),
        }));
        budget.update(settings);
        budget
    }

    /// Changes the settings. What was saved stays, as far as the new cap allows, and so do withdrawals under way.
    pub fn update(&self, settings: BudgetSettings) {
        let account = &*self.0;
        let cap = u64::from(settings.cap().get()) * TOKEN;
        account.cap.store(cap, Relaxed);
        account.deposit.store(settings.ratio().as_millionths(), Relaxed);
        account.refill.store(settings.refill(), Relaxed);
        for (cost, new) in account.costs.iter().zip(settings.costs) {
            cost.store(new.get(), Relaxed);
        }
        account.balance.fetch_min(cap, Release);
    }

    /// The budget as it is at this moment.
    pub fn snapshot(&self) -> BudgetSnapshot {
        BudgetSnapshot { settings: self.settings(), balance: self.balance() }
    }

    pub(super) fn settings(&self) -> BudgetSettings {
        let account = &*self.0;
        // None of these was ever zero, so the least there is stands for what cannot be.
        let whole = |tokens| NonZeroU32::new(tokens).unwrap_or(NonZeroU32::MIN);
        let mut settings = BudgetSettings::new()
            .with_ratio(Ratio::millionths(account.deposit.load(Relaxed)))
            .with_cap(whole((account.cap.load(Relaxed) / TOKEN) as u32))
            .with_refill(account.refill.load(Relaxed));
        settings.costs = std::array::from_fn(|kind| whole(account.costs[kind].load(Relaxed)));
        settings
    }

    /// How many tokens there are, as in its [`snapshot`](Self::snapshot).
    pub fn balance(&self) -> f64 {
        self.0.balance.load(Relaxed) as f64 / TOKEN as f64
    }

    /// Pays in the ratio for a request that succeeded, once, however many attempts it took. A full budget is only
    /// looked at.
    #[inline]
    pub fn deposit(&self) {
        self.0.add(u64::from(self.0.deposit.load(Relaxed)));
    }

    /// Takes what a retry after `failure` costs; `None` if there is not enough. The withdrawal goes back when it is
    /// dropped, unless it is spent. However many threads call this, together they never take more than there is.
    pub fn withdraw(&self, failure: Failure, now: Instant) -> Option<Withdrawal> {
        let account = &*self.0;
        account.refill(now);
        let cost = u64::from(account.costs[kind(failure)].load(Relaxed)) * TOKEN;
        // A full budget is always enough for one retry.
        let cost = cost.min(account.cap.load(Relaxed));
        account.balance.fetch_update(Relaxed, Relaxed, |balance| balance.checked_sub(cost)).ok()?;
        Some(Withdrawal { account: Arc::clone(&self.0), cost })
    }
}

impl Default for Budget {
    fn default() -> Self {
        Self::new(BudgetSettings::new())
    }
}

impl Account {
    /// Pays `amount` in, up to the cap.
    #[inline]
    fn add(&self, amount: u64) {
        let cap = self.cap.load(Relaxed);
        let mut balance = self.balance.load(Relaxed);
        while balance < cap {
            let more = balance.saturating_add(amount).min(cap);
            // With what releases the cap in `update`: who comes after it sees the new cap, who comes before is cut by it.
            match self.balance.compare_exchange_weak(balance, more, Acquire, Relaxed) {
                Ok(_) => return self.cut(more),
                Err(changed) => balance = changed,
            }
        }
    }

    /// The cap may have been lowered while somebody paid in and the balance became `paid`.
    #[inline]
    fn cut(&self, paid: u64) {
        let cap = self.cap.load(Relaxed);
        if paid > cap {
            self.balance.fetch_min(cap, Release);
        }
    }

    /// Pays in what has become due since the last time. Whoever moves the date pays, so nothing is paid twice; the
    /// part of a microsecond that is left over stays due.
    fn refill(&self, now: Instant) {
        // "Never" is no moment; taken for one, nothing would ever be due again.
        if now == Instant::FAR {
            return;
        }
        let paid = self.refilled.load(Relaxed);
        if paid == UNBEGUN {
            let _ = self.refilled.compare_exchange(UNBEGUN, now.as_nanos(), Relaxed, Relaxed);
            return;
        }
        let micros = now.as_nanos().saturating_sub(paid) / 1000;
        let until = paid + micros * 1000;
        if micros > 0 && self.refilled.compare_exchange(paid, until, Relaxed, Relaxed).is_ok() {
            self.add(micros.saturating_mul(u64::from(self.refill.load(Relaxed))));
        }
    }
}

/// What one retry costs, taken from a [`Budget`]. It goes back when this is dropped: a caller who leaves during the
/// delay has cost nothing.
#[derive(Debug)]
#[must_use = "dropping it returns what was withdrawn"]
pub struct Withdrawal {
    account: Arc<Account>,
    cost: u64,
}

impl Withdrawal {
    /// The retry is being sent: nothing goes back.
    pub fn spend(mut self) {
        self.cost = 0;
    }
}

impl Drop for Withdrawal {
    fn drop(&mut self) {
        self.account.add(self.cost);
    }
}

#[cfg(test)]
mod tests {
    use std::{thread, time::Duration};

    use proptest::prelude::*;

    use super::*;

    const START: Instant = Instant::from_nanos(1 << 62);

    /// No steady refill, and empty.
    fn empty(settings: BudgetSettings) -> Budget {
        let budget = Budget::new(settings.with_refill(0));
        retries(&budget, START);
        budget
    }

    fn spend(budget: &Budget, now: Instant) -> bool {
        budget.withdraw(Failure::Transient, now).map(Withdrawal::spend).is_some()
    }

    fn retries(budget: &Budget, now: Instant) -> usize {
        // Bounded, so that a budget without a bound fails its tests and does not hang them.
        (0..1_000_000).take_while(|_| spend(budget, now)).count()
    }

    /// Another library turned the ratio into "one retry costs 1 / ratio deposits", as an integer: .3 gave 333 of
    /// 1000 and .6 gave all thousand.
    #[test]
    fn a_withdrawal_at_no_time_puts_the_refill_off_for_nobody() {
        let settings = BudgetSettings::new().with_refill(1).with_cap(NonZeroU32::MIN);
        let (budget, start) = (Budget::new(settings), Instant::from_nanos(1));
        budget.withdraw(Failure::Transient, start).expect("full").spend();
        assert!(budget.withdraw(Failure::Transient, Instant::FAR).is_none());
        assert!(budget.withdraw(Failure::Transient, start.after(Duration::from_secs(1))).is_some());
    }

    #[test]
    fn a_ratio_is_exact() {
        for (ratio, expected) in [(0.1, 100), (0.3, 300), (0.4, 400), (0.6, 600), (0.7, 700), (0.9, 900), (1.0, 1000)] {
            let ratio = Ratio::try_new("ratio", ratio).expect("a share");
            let settings = BudgetSettings::new().with_ratio(ratio).try_with_cap(5000).expect("a cap");
            let budget = empty(settings);
            (0..1000).for_each(|_| budget.deposit());
            assert_eq!(retries(&budget, START), expected, "{ratio}");
        }
    }

    /// Another library looked at the balance and then took from it, in two steps: eight threads had 101 of 100.
    #[test]
    fn threads_together_never_overdraw() {
        for _ in 0..50 {
            let budget = Budget::new(BudgetSettings::new().with_refill(0));
            let taken: usize = thread::scope(|scope| {
                let threads: Vec<_> = (0..8).map(|_| scope.spawn(|| retries(&budget, START))).collect();
                threads.into_iter().map(|thread| thread.join().expect("no panic")).sum()
            });
            assert_eq!((taken, budget.balance()), (100, 0.0));
        }
    }

    #[test]
    fn threads_together_lose_no_deposit_and_no_return() {
        let budget = empty(BudgetSettings::new().with_ratio(Ratio::HALF).try_with_cap(100_000).expect("a cap"));
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..1000 {
                        budget.deposit();
                        drop(budget.withdraw(Failure::Transient, START));
                    }
                });
            }
        });
        assert_eq!(budget.balance(), 2000.0);
    }

    #[test]
    fn what_is_not_spent_goes_back_once() {
        let budget = Budget::new(BudgetSettings::new().with_refill(0));
        let withdrawal = budget.withdraw(Failure::Transient, START);
        assert_eq!(budget.balance(), 99.0);
        drop(withdrawal);
        assert_eq!(budget.balance(), 100.0);
    }

    #[test]
    fn an_idle_client_may_retry_again_and_parts_of_tokens_are_kept() {
        let budget = Budget::new(BudgetSettings::new().with_refill(3));
        assert_eq!(retries(&budget, START), 100);
        let thirds = |n: u64| START.after(Duration::from_nanos(n * 333_334_000));
        assert!(!spend(&budget, START.after(Duration::from_nanos(333_333_999))));
        assert!(spend(&budget, thirds(1)));
        assert!(spend(&budget, thirds(2)));
        assert!(!spend(&budget, thirds(2)));
        assert_eq!(retries(&budget, START.after(Duration::from_secs(11))), 31);
        assert_eq!(retries(&budget, START.after(Duration::from_secs(100_000))), 100, "full is full");
        assert_eq!(retries(&budget, START), 0, "time that goes backwards pays nothing");
    }

    #[test]
    fn kinds_of_failure_have_their_own_cost() {
        let free = BudgetSettings::new().try_with_cost(Failure::Timeout, 0).expect_err("no bound");
        assert_eq!(free.setting(), "retry.budget.cost");
        let settings = BudgetSettings::new().with_refill(0).try_with_cost(Failure::Timeout, 10).expect("ten");
        let budget = Budget::new(settings.with_cost(Failure::Overload, NonZeroU32::MAX));
        budget.withdraw(Failure::Timeout, START).expect("enough").spend();
        assert_eq!(budget.balance(), 90.0);
        assert!(budget.withdraw(Failure::Overload, START).is_none(), "only a full budget is enough");
        let full = Budget::new(budget.settings());
        assert!(full.withdraw(Failure::Overload, START).is_some(), "but that is");
        assert!(spend(&budget, START));
    }

    #[test]
    fn an_update_keeps_what_was_saved_as_far_as_the_cap_allows() {
        let budget = Budget::default();
        let smaller = BudgetSettings::new().try_with_cap(10).expect("a cap").with_ratio(Ratio::HALF);
        budget.update(smaller);
        assert_eq!(budget.snapshot(), BudgetSnapshot { settings: smaller, balance: 10.0 });
        budget.update(BudgetSettings::new());
        assert_eq!(budget.balance(), 10.0);
    }

    proptest! {
        /// The ledger of any run: what was taken is at most what there was at first and what came in.
        #[test]
        fn nobody_retries_on_credit(
            ratio in 1u32..=1_000_000, cap in prop_oneof![1u32..10, 1u32..], refill in prop_oneof![0u32..10, 0u32..],
            steps in prop::collection::vec((0u8..4, 0u64..2_000_000_000), 0..200),
        ) {
            let cap = NonZeroU32::new(cap).expect("at least one");
            let settings = BudgetSettings::new().with_ratio(Ratio::millionths(ratio)).with_cap(cap).with_refill(refill);
            let budget = Budget::new(settings);
            prop_assert_eq!(budget.settings(), settings);
            let (mut now, mut income, mut spent) = (START, u128::from(cap.get()) * u128::from(TOKEN), 0);
            for (step, nanos) in steps {
                now = now.after(Duration::from_nanos(nanos));
                income += u128::from(nanos) * u128::from(refill) / 1000 + 1;
                match step {
                    0 => {
                        budget.deposit();
                        income += u128::from(ratio);
                    }
                    1 => drop(budget.withdraw(Failure::Timeout, now)),
                    _ => spent += u128::from(spend(&budget, now)) * u128::from(TOKEN),
                }
                prop_assert!(spent <= income);
                prop_assert!(budget.balance() <= f64::from(cap.get()));
            }
        }
    }
}
