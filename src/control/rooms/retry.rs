use super::super::Control;
use crate::{
    retry,
    telemetry::{Metric, Page},
};

impl Control for retry::Handle {
    fn room(&self) -> &'static str {
        "retry"
    }

    fn name(&self) -> &'static str {
        self.snapshot().settings.name()
    }

    fn tell(&self, page: &mut Page) {
        let now = self.snapshot();
        let (settings, backoff) = (now.settings, now.settings.backoff());
        page.set("attempts", settings.attempts()).set("backoff.base", backoff.base());
        page.set("backoff.throttled_base", backoff.throttled_base()).set("backoff.cap", backoff.cap());
        page.set("backoff.jitter", format!("{:?}", backoff.jitter())).set("max_hint", settings.max_hint());
        if let Some(retry::BudgetSnapshot { settings: budget, .. }) = self.budget().map(retry::Budget::snapshot) {
            page.set("budget.ratio", budget.ratio()).set("budget.cap", budget.cap());
            page.set("budget.refill", budget.refill());
        }
        if let Some(retry::ThrottleSnapshot { settings: throttle, .. }) = self.throttle().map(retry::Throttle::snapshot)
        {
            page.set("throttle.max_tokens", throttle.max_tokens()).set("throttle.token_ratio", throttle.token_ratio());
        }
        page.counter(Metric::RetriesSent, &[], now.retries).counter(Metric::RetriesStopped, &[], now.stopped);
        if let Some(balance) = now.balance {
            page.gauge(Metric::Budget, &[], balance);
        }
    }
}
