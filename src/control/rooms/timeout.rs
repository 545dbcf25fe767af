use super::super::Control;
use crate::{telemetry::Page, timeout};

impl Control for timeout::Handle {
    fn room(&self) -> &'static str {
        "timeout"
    }

    fn name(&self) -> &'static str {
        self.snapshot().settings.name()
    }

    fn tell(&self, page: &mut Page) {
        page.set("limit", self.snapshot().settings.limit());
    }
}
