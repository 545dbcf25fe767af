//! The HTTP annex through the public door.
//!
//! | file | what |
//! |---|---|
//! | `script` | bodies that do as they are told |
//! | `respond` | refusals become answers, in HTTP and gRPC |
//! | `judge` | responses and hints |
//! | `deadline` | deadlines in and out, through whole stacks |
//! | `hold` | permits until bodies end |
//! | `letters` | what dead letters carry of their calls, and how they are sent again |
//! | `replay` | bodies that are sent again |
//! | `body_timeout` | bodies that are too slow |
//! | `quota` | what callers are told they have left |
//! | `wire` | what really goes over TCP, byte by byte |
#![cfg(feature = "http")]

mod body_timeout;
mod deadline;
mod hold;
mod judge;
mod letters;
mod quota;
mod replay;
mod respond;
mod script;
mod wire;
