use ::http::HeaderMap;
use tonic::{Request, metadata::AsciiMetadataValue};

use crate::{
    http::{Extensions, Headed},
    request::{Carried, Carry},
    retry::Replay,
};

/// How many attempts there were before this one, by
/// [gRPC's proposal A6](https://github.com/grpc/proposal/blob/master/A6-client-retries.md#exposed-retry-metadata).
const PREVIOUS_ATTEMPTS: &str = "grpc-previous-rpc-attempts";

/// Copies calls with a single message for another attempt: for
/// [`RetryLayer::replay`](crate::retry::RetryLayer::replay), as `tonic::Request` is not `Clone`. Metadata and
/// extensions are copied too, and from the second attempt on `grpc-previous-rpc-attempts` says how many came before.
///
/// It copies all calls; where some must not be sent twice, use a closure that leaves only the others to it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Resend;

impl<T: Clone> Replay<Request<T>> for Resend {
    fn replay(&self, req: &Request<T>, attempt: u32) -> Option<Request<T>> {
        let mut metadata = req.metadata().clone();
        if attempt > 1 {
            metadata.insert(PREVIOUS_ATTEMPTS, AsciiMetadataValue::from(attempt - 1));
        }
        Some(Request::from_parts(metadata, req.extensions().clone(), req.get_ref().clone()))
    }
}

/// A call's metadata are the headers it is sent with, so [`SendDeadline`](crate::http::SendDeadline) and
/// [`Trusted`](crate::http::Trusted) work for calls too.
impl<T> Headed for Request<T> {
    fn headers(&self) -> &HeaderMap {
        self.metadata().as_ref()
    }

    fn headers_mut(&mut self) -> &mut HeaderMap {
        self.metadata_mut().as_mut()
    }
}

/// Lets calls carry what the layers know in their extensions, which go with them into the transport's request.
impl<T> Carry<Request<T>> for Extensions {
    fn get(&self, req: &Request<T>) -> Option<Carried> {
        req.extensions().get().copied()
    }

    fn insert(&self, req: &mut Request<T>, carried: Carried) {
        req.extensions_mut().insert(carried);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_has_all_of_the_call_and_says_which_attempt_it_is() {
        let mut first = Request::new("lamp");
        first.metadata_mut().insert("x-user", AsciiMetadataValue::from_static("ada"));
        first.extensions_mut().insert(7_u8);
        let copy = |req: &Request<&'static str>, attempt| Resend.replay(req, attempt).expect("a copy");
        let third = copy(&copy(&first, 2), 3);
        assert_eq!(*third.get_ref(), "lamp");
        assert_eq!(third.extensions().get(), Some(&7_u8));
        assert_eq!(third.metadata().get("x-user"), first.metadata().get("x-user"));
        let previous: Vec<_> = third.metadata().get_all(PREVIOUS_ATTEMPTS).iter().collect();
        assert_eq!(previous, ["2"]);
        assert!(first.metadata().get(PREVIOUS_ATTEMPTS).is_none());
    }

    #[test]
    fn a_call_carries_what_is_known() {
        let mut req = Request::new(());
        assert_eq!(Extensions.get(&req), None);
        Extensions.insert(&mut req, Carried { attempt: 3, ..Carried::NONE });
        assert_eq!(Extensions.get(&req).map(|carried| carried.attempt), Some(3));
    }
}
