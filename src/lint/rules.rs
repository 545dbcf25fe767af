//! The rules: each walks over the layers, the outermost first.

use super::{
    Rule, Subject, Warning,
    look::{
        has_timeout, is_budgeted, is_limit, is_unset, limit, of_room, pauses, shortest, time, times, tries_again,
        waits, whole,
    },
};
use crate::control::Layer;

/// What all rules find.
pub(super) fn all(layers: &[Layer]) -> Vec<Warning> {
    let mut found = Vec::new();
    timeouts(layers, &mut found);
    retries(layers, &mut found);
    outside_of_retries(layers, &mut found);
    breakers(layers, &mut found);
    waiting(layers, &mut found);
    found
}

/// Timeouts among themselves.
fn timeouts(layers: &[Layer], found: &mut Vec<Warning>) {
    for (place, timeout) in of_room(layers, "timeout") {
        let Some(own) = limit(timeout) else { continue };
        let subject = || Subject::setting(timeout, "limit");
        if own.is_zero() {
            found.push(Warning::new(Rule::TimeoutOfZero, subject(), None));
        } else if let Some((outer, limit)) = shortest(&layers[..place])
            && own >= limit
        {
            found.push(Warning::new(Rule::TimeoutNeverActs, subject(), Some(Subject::setting(outer, "limit"))));
        }
    }
}

/// Retries, and what bounds them.
fn retries(layers: &[Layer], found: &mut Vec<Warning>) {
    let mut outermost = None;
    for (place, retry) in layers.iter().enumerate().filter(|(_, layer)| tries_again(layer)) {
        let (outside, inside) = (&layers[..place], &layers[place + 1..]);
        if let Some(outermost) = outermost.replace(outermost.unwrap_or(retry)) {
            found.push(Warning::new(Rule::TwoRetries, Subject::layer(retry), Some(Subject::layer(outermost))));
        }
        if !is_budgeted(retry) {
            found.push(Warning::new(Rule::RetryWithoutBudget, Subject::setting(retry, "attempts"), None));
        }
        if !has_timeout(outside) {
            found.push(Warning::new(Rule::RetryUnbounded, Subject::layer(retry), None));
        }
        if let (Some((total, most)), Some((_, each)), Some(attempts)) =
            (shortest(outside), shortest(inside), whole(retry, "attempts"))
        {
            let pauses = pauses(retry, attempts);
            if each < most && times(each, attempts).saturating_add(pauses) > most {
                let take = format!("{attempts} of {each:?} each, with pauses of up to {pauses:?}");
                let first = Subject::said(&retry.label, "attempts", take);
                found.push(Warning::new(Rule::AttemptsDoNotFit, first, Some(Subject::setting(total, "limit"))));
            }
        }
    }
}

/// What belongs inside of a retry.
fn outside_of_retries(layers: &[Layer], found: &mut Vec<Warning>) {
    for (place, layer) in layers.iter().enumerate() {
        let rule = match layer.room {
            "circuit_breaker" => Rule::BreakerOutsideRetry,
            "rate_limit" => Rule::RateOutsideRetry,
            _ if is_limit(layer) => Rule::LimitOutsideRetry,
            _ => continue,
        };
        if let Some(retry) = layers[place + 1..].iter().find(|layer| tries_again(layer)) {
            found.push(Warning::new(rule, Subject::layer(layer), Some(Subject::layer(retry))));
        }
    }
}

/// Circuit breakers and the timeouts by which they see a callee that hangs.
fn breakers(layers: &[Layer], found: &mut Vec<Warning>) {
    for (place, breaker) in of_room(layers, "circuit_breaker") {
        let (outside, inside) = (&layers[..place], &layers[place + 1..]);
        let setting = |name| Subject::setting(breaker, name);
        if ["consecutive_failures", "failure_rate", "slow_after"].iter().all(|name| is_unset(breaker, name)) {
            found.push(Warning::new(Rule::BreakerCannotOpen, Subject::layer(breaker), None));
        }
        if let Some((timeout, attempt)) = shortest(inside) {
            let timeout = || Some(Subject::setting(timeout, "limit"));
            if time(breaker, "window.length").is_some_and(|window| window < attempt.saturating_mul(2)) {
                found.push(Warning::new(Rule::WindowTooShort, setting("window.length"), timeout()));
            }
            if time(breaker, "probe_lease").is_some_and(|lease| lease < attempt) {
                found.push(Warning::new(Rule::LeaseTooShort, setting("probe_lease"), timeout()));
            }
        } else if let (Some((timeout, patience)), false) = (shortest(outside), has_timeout(inside))
            && time(breaker, "hung_after").is_none_or(|hung| hung > patience)
        {
            let timeout = Some(Subject::setting(timeout, "limit"));
            found.push(Warning::new(Rule::BreakerMissesHangs, setting("hung_after"), timeout));
        }
    }
}

/// Layers that let requests wait.
fn waiting(layers: &[Layer], found: &mut Vec<Warning>) {
    for (place, layer) in layers.iter().enumerate() {
        let (outside, inside) = (&layers[..place], &layers[place + 1..]);
        let waits = waits(layer);
        if let Some((timeout, limit)) = shortest(outside) {
            for (setting, _) in waits.iter().filter(|(_, wait)| *wait >= limit) {
                let (first, second) = (Subject::setting(layer, setting), Subject::setting(timeout, "limit"));
                found.push(Warning::new(Rule::WaitTooLong, first, Some(second)));
            }
        }
        let Some((setting, _)) = waits.first() else { continue };
        if let (false, Some((timeout, _))) = (has_timeout(outside), shortest(inside)) {
            let (first, second) = (Subject::setting(layer, setting), Subject::layer(timeout));
            found.push(Warning::new(Rule::WaitOutsideTimeout, first, Some(second)));
        }
        if let Some(limit) = outside.iter().find(|layer| is_limit(layer)) {
            let (first, second) = (Subject::setting(layer, setting), Subject::layer(limit));
            found.push(Warning::new(Rule::PlaceHeldInWait, first, Some(second)));
        }
    }
}
