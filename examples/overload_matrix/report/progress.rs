//! The bar that moves while one waits. It goes to stderr; if that is no terminal, a line for each row does.

use indicatif::{ProgressBar, ProgressStyle};

/// Progress over the rows of a matrix.
#[derive(Debug)]
pub(crate) struct Progress(ProgressBar);

impl Progress {
    /// A bar that is full after so many rows.
    pub(crate) fn over(rows: usize) -> Self {
        let style = ProgressStyle::with_template("{bar:32.cyan/dim} {pos:>3} of {len}  {wide_msg}")
            .expect("the template is a constant")
            .progress_chars("━━─");
        Self(ProgressBar::new(rows as u64).with_style(style))
    }

    /// A row begins.
    pub(crate) fn begin(&self, title: &str) {
        self.0.set_message(title.to_owned());
        self.0.tick();
        if self.0.is_hidden() {
            eprintln!("{title}");
        }
    }

    /// A row is over; `show` may print.
    pub(crate) fn done(&self, show: impl FnOnce()) {
        self.0.inc(1);
        self.0.suspend(show);
    }

    /// Takes the bar away.
    pub(crate) fn finish(&self) {
        self.0.finish_and_clear();
    }
}
