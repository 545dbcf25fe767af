//! At home in gRPC.

mod details;
mod outcome;
mod pushback;
mod resend;
mod status;
mod timeout;
mod wire;

pub use self::{
    outcome::{Codes, ToOutcome},
    pushback::Pushback,
    resend::Resend,
    status::{received, status_of},
    timeout::{format_timeout, parse_timeout},
};
