//! At home in gRPC.

mod detailed;
mod details;
mod outcome;
mod pushback;
mod request;
mod status;
mod wire;

pub use self::{
    detailed::Detailed,
    outcome::{Codes, ToOutcome},
    pushback::Pushback,
    request::Resend,
    status::{received, status_of},
};
