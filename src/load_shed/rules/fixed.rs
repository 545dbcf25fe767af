use crate::load_shed::{Rule, Settings, Step, Window};

/// A limit that does not adapt: the initial limit, for ever, beyond which nobody is let in. For comparison.
#[derive(Clone, Copy, Debug)]
pub struct Fixed(f64);

impl Fixed {
    /// The settings' initial limit, fixed.
    pub fn new(settings: &Settings) -> Self {
        Self(f64::from(settings.initial_limit().get()))
    }
}

impl Rule for Fixed {
    fn limit(&self) -> f64 {
        self.0
    }

    fn look(&mut self, _: &Window<'_>) -> Step {
        Step::CLOSE
    }

    fn is_strict(&self) -> bool {
        true
    }
}
