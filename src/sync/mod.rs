//! The home of locks.

mod lock;

pub(crate) use self::lock::Lock;
