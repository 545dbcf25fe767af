use super::Tried;
use crate::clock::Instant;

/// What the layers of a stack tell one another about the request under way.
///
/// It travels in two ways. *Scoped*: while a layer calls or polls what is further in, [`current`](super::current)
/// gives the value on that thread; this needs nothing of the request type, and is lost across `spawn` and `Buffer`.
/// *Carried*: a request type that has room for it takes it along, through [`Carry`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Carried {
    /// Which attempt this is; the first is 1.
    pub attempt: u32,
    /// When the answer stops being of use; [`Instant::FAR`] if nobody has said.
    pub deadline: Instant,
    /// Whether a retry layer further out tries again already. An inner one then makes only one attempt, so that
    /// attempts do not multiply.
    pub retrying: bool,
    /// Which members of a fleet earlier attempts went to, so that the next one goes to another.
    pub tried: Tried,
}

impl Carried {
    /// Nothing known: a first attempt with no deadline.
    pub const NONE: Self = Self { attempt: 1, deadline: Instant::FAR, retrying: false, tried: Tried::NONE };
}

impl Default for Carried {
    fn default() -> Self {
        Self::NONE
    }
}

/// How a request type carries a [`Carried`] from layer to layer, to the inner service, and across `spawn`.
///
/// The default, [`Scoped`], carries nothing. With feature `http`, `plimsoll::http::Extensions` puts it among the
/// request's extensions. For a request type of your own, implement it on a unit struct.
pub trait Carry<Req> {
    /// Whether there is any point in [`insert`](Self::insert). If not, nothing is spent on finding out what to insert.
    const CARRIES: bool = true;

    /// What the request carries, if anything.
    fn get(&self, req: &Req) -> Option<Carried>;

    /// Lets the request carry this from here on.
    fn insert(&self, req: &mut Req, carried: Carried);
}

/// Requests carry nothing; layers see the scoped value only.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Scoped;

impl<Req> Carry<Req> for Scoped {
    const CARRIES: bool = false;

    #[inline]
    fn get(&self, _: &Req) -> Option<Carried> {
        None
    }

    #[inline]
    fn insert(&self, _: &mut Req, _: Carried) {}
}
