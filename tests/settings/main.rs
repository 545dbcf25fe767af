//! Whatever a configuration file says: a number is refused by an error that names it, or it works. Stacks of all rooms
//! with settings from all over their range serve calls to their end; nothing panics, hangs or is left behind.
#![cfg(feature = "testing")]

mod rooms;
mod stacks;

use std::time::Duration;

use plimsoll::InvalidSetting;
use proptest::prelude::*;

/// Nothing, next to nothing, something, nearly for ever, for ever.
fn duration() -> impl Strategy<Value = Duration> {
    prop_oneof![
        Just(Duration::ZERO),
        Just(Duration::from_nanos(1)),
        (0..20_000u64).prop_map(Duration::from_millis),
        any::<u64>().prop_map(Duration::from_nanos),
        any::<u64>().prop_map(Duration::from_secs),
        Just(Duration::MAX),
    ]
}

fn number() -> impl Strategy<Value = u32> {
    prop_oneof![Just(0), 1..10u32, any::<u32>(), Just(u32::MAX)]
}

fn share() -> impl Strategy<Value = f64> {
    prop_oneof![0.0..1.0, any::<f64>(), Just(1.0), Just(0.0), Just(f64::NAN), Just(f64::INFINITY)]
}

/// What was parsed, or `instead` after a look at the error: it has to name a setting of `room`.
fn parsed<T>(room: &str, parsed: Result<T, InvalidSetting>, instead: T) -> T {
    parsed.unwrap_or_else(|error| {
        assert!(error.setting().starts_with(room), "{error}");
        assert!(error.to_string().contains(error.allowed()), "{error}");
        instead
    })
}
