use std::any::type_name;

use super::Control;
use crate::telemetry::Page;

/// A layer of which nothing is known but its type: one of a user's own, or of somebody else's.
#[derive(Debug)]
pub(crate) struct Opaque {
    room: &'static str,
    name: &'static str,
}

impl Opaque {
    /// A gate, or another layer, named after its type.
    pub(crate) fn new<T>(room: &'static str) -> Self {
        Self::named(room, short(type_name::<T>()))
    }

    /// Of this name.
    pub(crate) const fn named(room: &'static str, name: &'static str) -> Self {
        Self { room, name }
    }
}

impl Control for Opaque {
    fn room(&self) -> &'static str {
        self.room
    }

    fn name(&self) -> &'static str {
        self.name
    }

    fn tell(&self, _: &mut Page) {}
}

/// A type's name without its path and its parameters. Of a pointer to a type, or of perhaps one, that type's.
fn short(name: &'static str) -> &'static str {
    for wrapper in ["alloc::sync::Arc<", "core::option::Option<"] {
        if let Some(wrapped) = name.strip_prefix(wrapper).and_then(|rest| rest.strip_suffix('>')) {
            return short(wrapped);
        }
    }
    let head = name.split(['<', '{', '(']).next().unwrap_or(name);
    let head = head.trim_end_matches(':');
    match head.rsplit("::").next() {
        Some(last) if !last.is_empty() => last,
        _ => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_is_called_by_its_own_name() {
        assert_eq!(short("tower::timeout::TimeoutLayer"), "TimeoutLayer");
        assert_eq!(short("tower::util::MapRequestLayer<app::main::{{closure}}>"), "MapRequestLayer");
        assert_eq!(short("app::main::{{closure}}"), "main");
        assert_eq!(short(std::any::type_name::<std::sync::Arc<Option<Opaque>>>()), "Opaque");
        assert_eq!((short("u8"), short("(u8, app::One)"), short("")), ("u8", "(u8, app::One)", ""));
    }
}
