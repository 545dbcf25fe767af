use ::http::Request;

use crate::{
    request::{Carried, Carry},
    work::{CarryWork, Work},
};

/// Lets HTTP requests carry what the layers know in their extensions, where handlers find it too:
/// `request.extensions().get::<plimsoll::request::Carried>()`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Extensions;

impl Extensions {
    /// Removes from a request what it carries of its call: deadline, number of the attempt, and [`Work`]. For a request
    /// that becomes one of its own, as a [dead letter](crate::dead_letter::DeadLetters#sending-one-again) that is sent
    /// again does: the call it belonged to is over, and so are that call's time and work.
    pub fn forget<B>(req: &mut Request<B>) {
        req.extensions_mut().remove::<Carried>();
        req.extensions_mut().remove::<Work>();
    }
}

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
