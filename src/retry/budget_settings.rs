use std::num::NonZeroU32;

use crate::{
    classify::Failure,
    settings::{InvalidSetting, Ratio, at_least_one},
};

/// How many kinds of failure there are.
pub(super) const KINDS: usize = 6;

/// The settings of a [`Budget`](super::Budget): a plain value.
///
/// | setting | default | why |
/// |---|---|---|
/// | ratio | 10 % | the share of retries that Google's SRE book (chapter 21) allows a client, and the deposit in Brooker's article and gRPC's example (proposal A6); three such layers multiply load by 1.33 at most, three of 20 % by 1.73 |
/// | cap | 100 tokens | as many retries as the bucket of the AWS SDKs holds (500 at 5 each): what an outage can add at once |
/// | refill | 1 a second | a client with few requests may retry; a thousand clients of a dead callee add a thousand calls a second at most; with Finagle's 10 a second it would be ten thousand |
/// | cost | 1 token | for every kind of failure; the AWS SDKs let timeouts cost more, as they tie up the caller for longest |
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct BudgetSettings {
    ratio: Ratio,
    cap: NonZeroU32,
    refill: u32,
    pub(super) costs: [NonZeroU32; KINDS],
}

impl BudgetSettings {
    /// The defaults.
    pub const fn new() -> Self {
        Self {
            ratio: Ratio::percent(10),
            cap: match NonZeroU32::new(100) {
                Some(cap) => cap,
                None => NonZeroU32::MAX,
            },
            refill: 1,
            costs: [NonZeroU32::MIN; KINDS],
        }
    }

    /// What a request that succeeded deposits, in tokens.
    pub const fn with_ratio(mut self, ratio: Ratio) -> Self {
        self.ratio = ratio;
        self
    }

    /// How many tokens there are at most, and at first.
    pub const fn with_cap(mut self, tokens: NonZeroU32) -> Self {
        self.cap = tokens;
        self
    }

    /// How many tokens there are at most, and at first.
    ///
    /// # Errors
    /// [`InvalidSetting`] for zero. To try only once, set the attempts to one.
    pub fn try_with_cap(self, tokens: u32) -> Result<Self, InvalidSetting> {
        Ok(self.with_cap(at_least_one("retry.budget.cap", tokens)?))
    }

    /// How many tokens come in each second, whatever the traffic. With zero, only successes fill the budget.
    pub const fn with_refill(mut self, tokens_per_second: u32) -> Self {
        self.refill = tokens_per_second;
        self
    }

    /// How many tokens a retry costs after this kind of failure; a hint inside it is ignored. A cost above the cap is
    /// the whole cap.
    pub const fn with_cost(mut self, failure: Failure, tokens: NonZeroU32) -> Self {
        self.costs[kind(failure)] = tokens;
        self
    }

    /// As [`with_cost`](Self::with_cost), from a plain number.
    ///
    /// # Errors
    /// [`InvalidSetting`] for zero: what is free is not bounded.
    pub fn try_with_cost(self, failure: Failure, tokens: u32) -> Result<Self, InvalidSetting> {
        at_least_one("retry.budget.cost", tokens).map(|tokens| self.with_cost(failure, tokens))
    }

    /// What a request that succeeded deposits, in tokens.
    pub const fn ratio(&self) -> Ratio {
        self.ratio
    }

    /// How many tokens there are at most, and at first.
    pub const fn cap(&self) -> NonZeroU32 {
        self.cap
    }

    /// How many tokens come in each second, whatever the traffic.
    pub const fn refill(&self) -> u32 {
        self.refill
    }

    /// How many tokens a retry costs after this kind of failure.
    pub const fn cost(&self, failure: Failure) -> NonZeroU32 {
        self.costs[kind(failure)]
    }
}

impl Default for BudgetSettings {
    fn default() -> Self {
        Self::new()
    }
}

/// The place of a kind of failure in the list of costs.
pub(super) const fn kind(failure: Failure) -> usize {
    match failure {
        Failure::Overload => 0,
        Failure::Throttled(_) => 1,
        Failure::Timeout => 2,
        Failure::Transient => 3,
        Failure::Permanent => 4,
        Failure::PushedBack => 5,
    }
}
