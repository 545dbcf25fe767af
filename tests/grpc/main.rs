//! gRPC over a real wire: a tonic server and a tonic client, over loopback.
#![cfg(feature = "grpc")]

mod client;
#[path = "../../examples/grpc/codec.rs"]
mod codec;
mod deadline;
mod echo;
mod ready;
mod server;
