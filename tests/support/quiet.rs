//! Panics that are part of a script print nothing; all others do.

use std::{
    any::Any,
    panic::{self, AssertUnwindSafe, PanicHookInfo},
    sync::Once,
};

/// What a scripted panic says, or begins with.
const SCRIPTED: [&str; 3] = ["a mock was", "scripted", "polled after it"];

/// Runs what may panic. The panic's message is the error.
pub(crate) fn catch<T>(run: impl FnOnce() -> T) -> Result<T, String> {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let loud = panic::take_hook();
        panic::set_hook(Box::new(move |info: &PanicHookInfo<'_>| {
            if !is_scripted(&message(info.payload())) {
                loud(info);
            }
        }));
    });
    panic::catch_unwind(AssertUnwindSafe(run)).map_err(|payload| message(&*payload))
}

/// Whether a panic with this message is part of a script.
pub(crate) fn is_scripted(message: &str) -> bool {
    SCRIPTED.iter().any(|scripted| message.starts_with(scripted))
}

fn message(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| payload.downcast_ref::<String>().cloned()).unwrap_or_default()
}
