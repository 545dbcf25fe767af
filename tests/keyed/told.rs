//! A gate that does as it is told: it runs a hook at each of its steps.

use std::sync::{
    Arc, OnceLock,
    atomic::{AtomicUsize, Ordering::SeqCst},
};

use plimsoll::{
    Gate, Reason, Rejection,
    clock::Moment,
    event::Events,
    gate::{Admission, Ending, Never},
    keyed::{Keyed, Settings},
};

use crate::{Ask, whose};

pub(crate) type Hook = Box<dyn Fn() + Send + Sync>;

/// Runs a hook at each of its steps. Lets one in at a time.
pub(crate) struct Told {
    pub(crate) inside: AtomicUsize,
    pub(crate) refused: Arc<AtomicUsize>,
    pub(crate) hooks: Arc<Hooks>,
}

#[derive(Default)]
pub(crate) struct Hooks {
    pub(crate) admit: OnceLock<Hook>,
    pub(crate) along: OnceLock<Hook>,
    pub(crate) settle: OnceLock<Hook>,
    pub(crate) is_neutral: OnceLock<Hook>,
    pub(crate) drop: OnceLock<Hook>,
    pub(crate) make: OnceLock<Hook>,
}

pub(crate) fn run(hook: &OnceLock<Hook>) {
    if let Some(hook) = hook.get() {
        hook();
    }
}

impl Gate<Ask> for Told {
    type Permit = ();
    type Wait = Never;

    fn admit(&self, _: &Ask, _: &Moment) -> Admission<(), Never> {
        run(&self.hooks.admit);
        if self.inside.swap(1, SeqCst) == 1 {
            return Admission::Refused(Rejection::new(Reason::Custom, "told"));
        }
        Admission::Admitted(())
    }

    fn refused(&self, _: Ask, _: &Rejection) -> Option<Ask> {
        self.refused.fetch_add(1, SeqCst);
        None
    }

    fn around<T>(&self, (): (), step: impl FnOnce() -> T) -> T {
        run(&self.hooks.along);
        step()
    }

    fn bound(&self, (): ()) -> Option<Rejection> {
        run(&self.hooks.along);
        None
    }

    fn settle(&self, (): (), _: Ending, _: &Moment) {
        self.inside.store(0, SeqCst);
        run(&self.hooks.settle);
    }

    fn is_neutral(&self, _: &Moment) -> bool {
        let neutral = self.inside.load(SeqCst) == 0;
        run(&self.hooks.is_neutral);
        neutral
    }

    fn events(&self) -> Option<&Events> {
        None
    }
}

impl Drop for Told {
    fn drop(&mut self) {
        run(&self.hooks.drop);
    }
}

pub(crate) type OfTold = Keyed<u64, Told, fn(&Ask) -> u64, Box<dyn Fn(&u64) -> Told + Send + Sync>>;

pub(crate) fn told(settings: Settings) -> (OfTold, Arc<Hooks>, Arc<AtomicUsize>) {
    let (hooks, refused) = (Arc::new(Hooks::default()), Arc::new(AtomicUsize::new(0)));
    let (given, counter) = (Arc::clone(&hooks), Arc::clone(&refused));
    let make = move |_: &u64| {
        run(&given.make);
        Told { inside: AtomicUsize::new(0), refused: Arc::clone(&counter), hooks: Arc::clone(&given) }
    };
    (Keyed::new(settings, whose as fn(&Ask) -> u64, Box::new(make)), hooks, refused)
}

pub(crate) fn set(hook: &OnceLock<Hook>, run: impl Fn() + Send + Sync + 'static) {
    assert!(hook.set(Box::new(run)).is_ok());
}
