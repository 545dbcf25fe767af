//! What a server has in memory, and what comes of having too much.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

use tokio::sync::Notify;

/// How many rows a server can hold. A thousand of its usual requests fit.
const ROOM: u64 = 1_000_000;

/// The memory of one server, from its start to its death.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    rows: AtomicU64,
    full: Notify,
}

impl Memory {
    /// Nothing yet; what is taken comes back when this is dropped.
    pub(crate) fn hold(self: &Arc<Self>) -> Held {
        Held { memory: Arc::clone(self), rows: 0 }
    }

    /// Comes back when there is no room left.
    pub(crate) async fn ran_out(&self) {
        self.full.notified().await;
    }
}

/// Rows that one request has in memory.
#[derive(Debug)]
pub(crate) struct Held {
    memory: Arc<Memory>,
    pub(crate) rows: u64,
}

impl Held {
    /// Takes in so many more. When they do not fit, it is the end: not of the request, of the server.
    pub(crate) fn take(&mut self, more: u64) {
        self.rows += more;
        if self.memory.rows.fetch_add(more, SeqCst) + more > ROOM {
            self.memory.full.notify_one();
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.memory.rows.fetch_sub(self.rows, SeqCst);
    }
}
