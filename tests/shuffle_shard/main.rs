//! The router through the public door, time paused.
#![cfg(feature = "testing")]

mod churn;
mod members;
mod outliers;
mod ramps;
mod resends;
mod retries;
mod routing;
mod waits;
mod world;
