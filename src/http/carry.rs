use ::http::Request;

use crate::request::{Carried, Carry};

/// Lets HTTP requests carry what the layers know among their extensions, where handlers find it too:
/// `request.extensions().get::<plimsoll::request::Carried>()`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Extensions;

impl<B> Carry<Request<B>> for Extensions {
    fn get(&self, req: &Request<B>) -> Option<Carried> {
        req.extensions().get().copied()
    }

    fn insert(&self, req: &mut Request<B>, carried: Carried) {
        req.extensions_mut().insert(carried);
    }
}
