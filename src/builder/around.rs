//! How a stack is put around a service.

use tower_layer::{Layer, Stack as Nest};

use super::Stack;
use crate::{
    event::Events,
    gate::{GateLayer, Seq},
    lift::{Lift, LiftLayer},
};

impl<L, G, C> Stack<L, G, C> {
    /// Puts the stack around a service. Callers get [`Error`](crate::Error), whatever the service's own error is.
    ///
    /// If the compiler only says that a method of the result exists "but its trait bounds were not satisfied", see
    /// [what it wants](crate::guide::compile).
    pub fn service<S>(&self, inner: S) -> <Wrapping<Self> as Layer<S>>::Service
    where
        Wrapping<Self>: Layer<S>,
        Self: Clone,
    {
        Wrapping(self.clone()).layer(inner)
    }

    /// Puts the stack around a service, and keeps the service's error type. It has to be `From<Rejection>`, and, for
    /// rooms that judge results, a [`Refusal`](crate::Refusal).
    pub fn wrap<S>(&self, inner: S) -> <Self as Layer<S>>::Service
    where
        Self: Layer<S>,
    {
        Layer::layer(self, inner)
    }

    /// This stack as a [`Layer`] that does what [`service`](Self::service) does.
    pub fn wrapping(self) -> Wrapping<Self> {
        Wrapping(self)
    }
}

/// A group of gates that is complete: it becomes one layer, and no gates become none. A stack's own groups are these,
/// and nobody else's.
pub trait Close<C>: sealed::Sealed {
    /// `L`, and the group's layer inside it.
    type Outer<L>;

    #[doc(hidden)]
    fn close<L>(self, outer: L, judge: C, events: Events) -> Self::Outer<L>;
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for () {}
    impl<A, B> Sealed for crate::gate::Seq<A, B> {}
}

impl<C> Close<C> for () {
    type Outer<L> = L;

    fn close<L>(self, outer: L, _: C, _: Events) -> L {
        outer
    }
}

impl<A, B, C> Close<C> for Seq<A, B> {
    type Outer<L> = Nest<GateLayer<Self, C>, L>;

    fn close<L>(self, outer: L, judge: C, events: Events) -> Self::Outer<L> {
        Nest::new(GateLayer::in_stack(self, judge, events), outer)
    }
}

impl<L, G, C, S> Layer<S> for Stack<L, G, C>
where
    Self: Clone,
    G: Close<C>,
    C: Clone,
    G::Outer<L>: Layer<S>,
{
    type Service = <G::Outer<L> as Layer<S>>::Service;

    fn layer(&self, inner: S) -> Self::Service {
        self.clone().close().outer.layer(inner)
    }
}

/// A stack as a layer whose services answer with [`Error`](crate::Error). Made by [`Stack::wrapping`].
#[derive(Clone, Debug)]
#[must_use]
pub struct Wrapping<T>(T);

impl<T, S> Layer<S> for Wrapping<T>
where
    T: Layer<Lift<S>>,
{
    type Service = T::Service;

    fn layer(&self, inner: S) -> T::Service {
        self.0.layer(LiftLayer.layer(inner))
    }
}
