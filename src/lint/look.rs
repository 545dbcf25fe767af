//! A stack's layers as the rules see them.

use std::time::Duration;

use crate::{
    control::Layer,
    telemetry::{Metric, Value},
};

/// Which rooms limit what is under way at once.
const LIMITS: &[&str] = &["bulkhead", "load_shed", "sharded_bulkhead", "surge_queue", "work_budget"];

/// The layers of a room, each with its place.
pub(super) fn of_room<'a>(layers: &'a [Layer], room: &'static str) -> impl Iterator<Item = (usize, &'a Layer)> {
    layers.iter().enumerate().filter(move |(_, layer)| layer.room == room)
}

/// Whether a layer limits what is under way at once.
pub(super) fn is_limit(layer: &Layer) -> bool {
    LIMITS.contains(&layer.room)
}

/// Whether it is a retry that does try again.
pub(super) fn tries_again(layer: &Layer) -> bool {
    layer.room == "retry" && whole(layer, "attempts") != Some(1)
}

/// Whether retries have a bound beside their number.
pub(super) fn is_budgeted(layer: &Layer) -> bool {
    layer.number(Metric::Budget, "").is_some()
}

/// How long a timeout of ours is, unless it is for ever.
pub(super) fn limit(layer: &Layer) -> Option<Duration> {
    if layer.room == "timeout" { time(layer, "limit").filter(|limit| *limit < Duration::MAX) } else { None }
}

/// The shortest timeout of ours: it is the one that ends a call.
pub(super) fn shortest(layers: &[Layer]) -> Option<(&Layer, Duration)> {
    let timeouts = layers.iter().filter_map(|layer| Some((layer, limit(layer)?)));
    timeouts.min_by_key(|(_, limit)| *limit)
}

/// Whether there is a timeout among them, ours or somebody else's.
pub(super) fn has_timeout(layers: &[Layer]) -> bool {
    let foreign = |layer: &Layer| layer.room == "layer" && layer.name.contains("Timeout");
    layers.iter().any(|layer| limit(layer).is_some() || foreign(layer))
}

/// How long a layer lets requests wait at most, and which setting says so.
pub(super) fn waits(layer: &Layer) -> Vec<(&'static str, Duration)> {
    let longest = match layer.room {
        "bulkhead" | "rate_limit" | "work_budget" if whole(layer, "max_waiting") != Some(0) => {
            [time(layer, "max_wait").map(|wait| ("max_wait", wait)), None]
        }
        "surge_queue" => {
            let burst = time(layer, "burst").map(|burst| ("burst", burst.saturating_mul(2)));
            [burst, time(layer, "surge.ttl").map(|ttl| ("surge.ttl", ttl))]
        }
        _ => [None, None],
    };
    longest.into_iter().flatten().filter(|(_, wait)| !wait.is_zero()).collect()
}

/// How long all pauses between so many attempts may be together, each at its longest.
pub(super) fn pauses(retry: &Layer, attempts: u64) -> Duration {
    let (Some(base), Some(cap)) = (time(retry, "backoff.base"), time(retry, "backoff.cap")) else {
        return Duration::ZERO;
    };
    let (mut sum, mut pause, mut left) = (Duration::ZERO, base.min(cap), attempts.saturating_sub(1));
    // It doubles, and so is at the cap, or zero for ever, before this loop gets long.
    while left > 0 && pause < cap && !pause.is_zero() {
        sum = sum.saturating_add(pause);
        pause = pause.saturating_mul(2).min(cap);
        left -= 1;
    }
    sum.saturating_add(times(pause, left))
}

/// A time, so many times.
pub(super) fn times(time: Duration, times: u64) -> Duration {
    time.saturating_mul(u32::try_from(times).unwrap_or(u32::MAX))
}

/// A setting that is a time.
pub(super) fn time(layer: &Layer, setting: &str) -> Option<Duration> {
    match layer.setting(setting) {
        Some(Value::Time(time)) => Some(*time),
        _ => None,
    }
}

/// A setting that is a number of things.
pub(super) fn whole(layer: &Layer, setting: &str) -> Option<u64> {
    match layer.setting(setting) {
        Some(Value::Whole(whole)) => Some(*whole),
        _ => None,
    }
}

/// Whether a setting is not set.
pub(super) fn is_unset(layer: &Layer, setting: &str) -> bool {
    matches!(layer.setting(setting), Some(Value::Unset))
}
