//! A report as a table.

use std::{fmt, time::Duration};

use super::report::Report;
use crate::rejection::Reason;

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let percent = |share: f64| format!("{:.1} %", share * 100.0);
        let time = |time: Duration| format!("{:.1} ms", time.as_secs_f64() * 1e3);
        let mut row = |what: &str, value: String| writeln!(f, "{what:<28} {value:>12}");
        row(self.name(), String::new())?;
        row("goodput", percent(self.goodput()))?;
        row("requests", self.requests().to_string())?;
        row("  succeeded", percent(self.success()))?;
        row("attempts", self.attempts().to_string())?;
        row("  answered", self.answered().to_string())?;
        row("  refused", self.refused().to_string())?;
        for reason in Reason::ALL {
            if self.refused_for(*reason) > 0 {
                row(&format!("    {reason}"), self.refused_for(*reason).to_string())?;
            }
        }
        row("  failed", self.failed().to_string())?;
        row("  timed out", self.timed_out().to_string())?;
        row("latency p50", time(self.latency(0.5)))?;
        row("latency p99", time(self.latency(0.99)))?;
        row("wasted work", percent(self.wasted()))?;
        row("peak in flight", self.peak_in_flight().to_string())
    }
}
