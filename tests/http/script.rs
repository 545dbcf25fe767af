//! Bodies that do as they are told.

use std::{
    collections::VecDeque,
    error, fmt,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue};
use http_body::{Body, Frame, SizeHint};

/// What a body does when it is polled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Data(&'static str),
    Trailers,
    /// Pending, once.
    Wait,
    /// Pending from here on.
    Hang,
    Fail,
    Panic,
}

/// The error of a body that fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Broken;

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("scripted: broken")
    }
}

impl error::Error for Broken {}

/// A body with a script. It is no `Default`, as hyper's `Incoming` is not.
#[derive(Debug)]
pub(crate) struct Scripted {
    steps: VecDeque<Step>,
    /// Whether it says how long it is.
    tells: bool,
    /// Whether it says when it has ended.
    ends: bool,
    gone: Option<Arc<AtomicUsize>>,
}

impl Scripted {
    pub(crate) fn new(steps: &[Step]) -> Self {
        Self { steps: steps.iter().copied().collect(), tells: false, ends: false, gone: None }
    }

    /// Says how long it is, and when it has ended.
    pub(crate) fn telling(mut self) -> Self {
        (self.tells, self.ends) = (true, true);
        self
    }

    /// Says when it has ended.
    pub(crate) fn ending(mut self) -> Self {
        self.ends = true;
        self
    }

    /// Counts when it is dropped.
    pub(crate) fn counted(mut self, gone: &Arc<AtomicUsize>) -> Self {
        self.gone = Some(Arc::clone(gone));
        self
    }
}

impl Drop for Scripted {
    fn drop(&mut self) {
        if let Some(gone) = &self.gone {
            gone.fetch_add(1, SeqCst);
        }
    }
}

pub(crate) fn trailers() -> HeaderMap {
    HeaderMap::from_iter([(http::HeaderName::from_static("x-sum"), HeaderValue::from_static("42"))])
}

impl Body for Scripted {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        Poll::Ready(match self.steps.pop_front() {
            Some(Step::Data(text)) => Some(Ok(Frame::data(Bytes::from_static(text.as_bytes())))),
            Some(Step::Trailers) => Some(Ok(Frame::trailers(trailers()))),
            Some(Step::Wait) => {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            Some(Step::Hang) => {
                self.steps.push_front(Step::Hang);
                return Poll::Pending;
            }
            Some(Step::Fail) => Some(Err(Broken)),
            Some(Step::Panic) => panic!("scripted"),
            None => None,
        })
    }

    fn is_end_stream(&self) -> bool {
        self.ends && self.steps.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        let length = |step: &Step| if let Step::Data(text) = step { text.len() as u64 } else { 0 };
        if self.tells { SizeHint::with_exact(self.steps.iter().map(length).sum()) } else { SizeHint::new() }
    }
}

/// Polls once.
#[allow(clippy::type_complexity, reason = "that of `poll_frame`")]
pub(crate) fn poll<B: Body + Unpin>(body: &mut B) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
    Pin::new(body).poll_frame(&mut Context::from_waker(Waker::noop()))
}

/// What came of a body, and how it ended.
#[derive(Debug)]
pub(crate) struct Read<E> {
    pub(crate) data: Vec<u8>,
    pub(crate) trailers: Option<HeaderMap>,
    /// `None` if it did not end, but hangs.
    pub(crate) end: Option<Result<(), E>>,
}

/// Reads to the end, or until it hangs.
pub(crate) fn read<B: Body<Data = Bytes> + Unpin>(body: &mut B) -> Read<B::Error> {
    let mut read = Read { data: Vec::new(), trailers: None, end: None };
    let mut idle = 0;
    while read.end.is_none() && idle < 10 {
        idle += 1;
        match poll(body) {
            Poll::Pending => continue,
            Poll::Ready(None) => read.end = Some(Ok(())),
            Poll::Ready(Some(Err(error))) => read.end = Some(Err(error)),
            Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                Ok(data) => read.data.extend_from_slice(&data),
                Err(frame) => read.trailers = frame.into_trailers().ok(),
            },
        }
        idle = 0;
    }
    read
}
