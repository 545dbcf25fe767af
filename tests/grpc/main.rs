//! gRPC over a real wire: a tonic server and a tonic client, over loopback.
#![cfg(feature = "grpc")]

mod client;
mod deadline;
#[path = "../../examples/grpc/echo.rs"]
mod echo;
mod ready;
mod server;
