//! The rules: how a limit is found. Each is a file, pure, and knows no other.

mod aimd;
mod fixed;
mod gradient;
mod vegas;
mod verified;

use std::time::Duration;

pub use self::{aimd::Aimd, fixed::Fixed, gradient::Gradient, vegas::Vegas, verified::VerifiedGradient};
use crate::{clock::Instant, load_shed::Window};

/// Whether a window is a round of calls: as long as a call takes, 50 ms at least, and ten calls or overloads. If not, when it
/// could be.
fn is_full(window: &Window<'_>) -> Result<(), Instant> {
    let round = Duration::try_from_secs_f64(window.latency()).unwrap_or(Duration::MAX).max(Duration::from_millis(50));
    let full = window.began().after(round);
    let enough = window.calls().saturating_add(window.overloads()) >= 10;
    if enough && window.now() >= full { Ok(()) } else { Err(full) }
}
