//! Retries through the public door, time paused.

mod attempts;
mod budget;
mod ends;
mod mock;
