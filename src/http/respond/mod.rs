//! Refusals become answers: the outermost layer of a server's stack. The [annex's page](super) says when and why.

mod answer;
mod future;
mod grpc;
mod hint;
mod problem;
mod service;
mod settings;

pub use self::{
    answer::{Answer, HeadersOnly, OwnBody},
    future::ResponseFuture,
    problem::Problems,
    service::{RespondRejections, Responding},
    settings::Settings,
};
