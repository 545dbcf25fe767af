use super::Work;
use crate::request::Scoped;

/// How a request type carries its [`Work`] from layer to layer, to the handler, and across `spawn`.
///
/// The default, [`Scoped`], carries nothing: handlers find the work by [`current`](super::current). With feature
/// `http`, `plimsoll::http::Extensions` puts it among the request's extensions. For a request type of your own,
/// implement it on a unit struct.
pub trait CarryWork<Req> {
    /// Whether there is any point in [`insert`](Self::insert).
    const CARRIES: bool = true;

    /// What the request carries, if anything. This runs before the request is admitted; a panic in it loses nothing.
    fn get(&self, req: &Req) -> Option<Work>;

    /// Lets the request carry this from here on.
    fn insert(&self, req: &mut Req, work: Work);
}

impl<Req> CarryWork<Req> for Scoped {
    const CARRIES: bool = false;

    #[inline]
    fn get(&self, _: &Req) -> Option<Work> {
        None
    }

    #[inline]
    fn insert(&self, _: &mut Req, _: Work) {}
}
