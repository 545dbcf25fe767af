//! What real clients see of an axum server behind a stack, over TCP: hyper's, reqwest's, and one that reads every byte.
//! tonic's is in `tests/grpc`. What goes wrong on the wire is in `tests/http/wire.rs`.
//!
//! | file | what |
//! |---|---|
//! | `clients` | the three clients, and what they see |
//! | `refusals` | every reason, its status and headers; and what real rooms say |
//! | `quota` | 429, and the fields of a rate limit's own numbers |
//! | `client` | a reqwest client with a stack of its own |
//!
//! The clock is paused: where no layer sets a timer no time passes, and where one does it is over at once.
#![cfg(feature = "http")]

mod client;
mod clients;
mod quota;
mod refusals;
