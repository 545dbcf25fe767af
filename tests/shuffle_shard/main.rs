//! The router through the public door, time paused.
#![cfg(feature = "testing")]

mod churn;
mod members;
mod outliers;
mod retries;
mod routing;
mod waits;
mod world;
