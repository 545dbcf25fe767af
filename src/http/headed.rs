use ::http::{HeaderMap, Request};

/// A request that has headers, whatever its type: `http::Request`, and with feature `grpc` tonic's.
pub trait Headed {
    /// Its headers.
    fn headers(&self) -> &HeaderMap;

    /// Its headers, to be changed.
    fn headers_mut(&mut self) -> &mut HeaderMap;
}

impl<B> Headed for Request<B> {
    #[inline]
    fn headers(&self) -> &HeaderMap {
        self.headers()
    }

    #[inline]
    fn headers_mut(&mut self) -> &mut HeaderMap {
        self.headers_mut()
    }
}
