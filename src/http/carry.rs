use ::http::Request;

use crate::{
    request::{Carried, Carry},
    work::{CarryWork, Work},
};

/// Lets HTTP requests carry what the layers know among their extensions, where handlers find it too:
/// `request.extensions().get::<plimsoll::request::Carried>()`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Extensions;

impl Extensions {
    /// Takes out of a request what it carries of its call: deadline, number of the attempt, and [`Work`]. For one that becomes
    /// a request of its own, as a [dead letter](crate::dead_letter::DeadLetters#sending-one-again) does that is sent again: the
    /// call that it belonged to is over, and so are its time and its work.
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
