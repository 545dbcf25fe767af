//! The progress bar. It goes to stderr, and only if that is a terminal.

use std::cell::Cell;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

/// Progress over a known time.
#[derive(Debug)]
pub(crate) struct Progress {
    bar: ProgressBar,
    /// What is over for good; the run at hand comes on top.
    before: Cell<Duration>,
}

impl Progress {
    /// A bar that is full after `total`.
    pub(crate) fn over(total: Duration) -> Self {
        let style = ProgressStyle::with_template("{bar:32.cyan/dim} {percent:>3} %  {wide_msg}")
            .expect("the template is a constant")
            .progress_chars("━━─");
        let bar = ProgressBar::new(total.as_millis() as u64).with_style(style);
        Self { bar, before: Cell::default() }
    }

    /// Says what goes on.
    pub(crate) fn stage(&self, what: &str) {
        self.bar.set_message(what.to_owned());
        if self.bar.is_hidden() {
            eprintln!("{what}");
        }
    }

    /// The run at hand is `now` old.
    pub(crate) fn at(&self, now: Duration) {
        let passed = self.before.get() + now;
        self.bar.set_position(passed.as_millis() as u64);
    }

    /// A run of this length is over.
    pub(crate) fn passed(&self, run: Duration) {
        self.at(run);
        self.before.set(self.before.get() + run);
    }

    /// Takes the bar away.
    pub(crate) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}
