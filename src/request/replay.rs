/// Makes the copy of a request that is sent another time: by a [retry](crate::retry::RetryLayer::replay), or by a
/// [router](crate::shuffle_shard::ShuffleShard::resend) to another member of its fleet.
///
/// The copy is made before the request is sent, since sending consumes it; none is made where the request may not be
/// sent another time. `None` says that this request cannot be copied, or should not be: it is sent once. This
/// is the place to keep what is not idempotent from being sent twice, and to bound what is kept:
///
/// ```
/// use plimsoll::retry::{RetryLayer, Settings};
///
/// struct Put { idempotent: bool, body: Vec<u8> }
///
/// let retry = RetryLayer::new(Settings::new()).replay(|put: &Put, _attempt: u32| {
///     let small = put.body.len() <= 64 << 10;
///     (put.idempotent && small).then(|| Put { idempotent: true, body: put.body.clone() })
/// });
/// ```
///
/// A closure qualifies, over `&Req` and the number of the attempt that the copy is for. It runs in the call path; a
/// panic in it loses nothing.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not copy requests `{Req}`",
    label = "makes no copy of this request",
    note = "by default the request has to be `Clone`; if it is not, say how with `RetryLayer::replay`, `ShuffleShard::resend`, or `replay` of a ready-made client"
)]
pub trait Replay<Req> {
    /// The request for the `attempt`th attempt, of which the first is 1; or `None` if there can be no copy. What was
    /// sent and did not reach the callee was no attempt: a router's copy is for the same attempt as the request itself.
    fn replay(&self, req: &Req, attempt: u32) -> Option<Req>;

    /// Whether a copy that was made can still be sent. Asked when an attempt has failed, for copies that share
    /// something with the request that was sent, such as a body that was recorded on the way. By default it can.
    #[inline]
    fn is_whole(&self, copy: &Req) -> bool {
        let _ = copy;
        true
    }
}

impl<F: Fn(&Req, u32) -> Option<Req>, Req> Replay<Req> for F {
    #[inline]
    fn replay(&self, req: &Req, attempt: u32) -> Option<Req> {
        self(req, attempt)
    }
}

/// Clones every request: a retry's default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CloneRequest;

impl<Req: Clone> Replay<Req> for CloneRequest {
    #[inline]
    fn replay(&self, req: &Req, _: u32) -> Option<Req> {
        Some(req.clone())
    }
}

/// Copies nothing: a router's default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SentOnce;

impl<Req> Replay<Req> for SentOnce {
    #[inline]
    fn replay(&self, _: &Req, _: u32) -> Option<Req> {
        None
    }
}
