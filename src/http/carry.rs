use ::http::Request;

use crate::{
    request::{Carried, Carry},
    work::{CarryWork, Work},
};

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

/// And their [`Work`]: `request.extensions().get::<plimsoll::work::Work>()`.
impl<B> CarryWork<Request<B>> for Extensions {
    fn get(&self, req: &Request<B>) -> Option<Work> {
        req.extensions().get().cloned()
    }

    fn insert(&self, req: &mut Request<B>, work: Work) {
        req.extensions_mut().insert(work);
    }
}
