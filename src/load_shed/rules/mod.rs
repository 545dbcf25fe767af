//! The rules: how a limit is found.

mod verified;

pub use self::verified::VerifiedGradient;
