//! One of the servers: axum on hyper, on a port of its own. What does not fit into its memory kills it, and a moment
//! later it is back.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use axum::Router;
use axum::extract::{Path, State};
use axum::routing::get;
use http::StatusCode;
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use plimsoll::work;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::JoinSet;

use crate::memory::Memory;

/// How long a server that died is away: a quick start, as servers go.
const RESTART: Duration = Duration::from_millis(400);

/// How many rows are read at a time, which takes a millisecond.
const BATCH: u64 = 50_000;

/// The application: reads as many rows as it is asked for, and answers when it has them all. It was written for requests
/// that ask for a thousand.
///
/// Where a work budget stands around it, it reads no more than what the request may cost; without one, as many as there
/// are.
pub(crate) fn app(memory: Arc<Memory>) -> Router {
    Router::new().route("/rows/{wanted}", get(rows)).with_state(memory)
}

async fn rows(State(memory): State<Arc<Memory>>, Path(wanted): Path<u64>) -> Result<String, StatusCode> {
    let budget = work::current();
    let mut held = memory.hold();
    while held.rows < wanted {
        let batch = BATCH.min(wanted - held.rows);
        if let Some(budget) = &budget {
            budget.spend(batch).map_err(|_exhausted| StatusCode::UNPROCESSABLE_ENTITY)?;
        }
        held.take(batch);
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    Ok(format!("{} rows\n", held.rows))
}

/// A port of the loopback, and the server that comes back to it as often as it dies.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    deaths: Arc<AtomicUsize>,
}

impl Server {
    /// Starts it on any free port. `app` makes what it serves, anew for each of its lives.
    pub(crate) fn start(app: impl Fn(Arc<Memory>) -> Router + Send + 'static) -> io::Result<Self> {
        let listener = listen(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
        let address = listener.local_addr()?;
        let deaths = Arc::new(AtomicUsize::new(0));
        tokio::spawn(lives(listener, address, app, Arc::clone(&deaths)));
        Ok(Self { address, deaths })
    }

    pub(crate) fn deaths(&self) -> usize {
        self.deaths.load(SeqCst)
    }
}

async fn lives(
    first: TcpListener,
    address: SocketAddr,
    app: impl Fn(Arc<Memory>) -> Router + Send,
    deaths: Arc<AtomicUsize>,
) {
    let mut listener = Some(first);
    loop {
        let memory = Arc::new(Memory::default());
        match listener.take().map_or_else(|| listen(address), Ok) {
            Ok(listener) => {
                live(listener, app(Arc::clone(&memory)), &memory).await;
                deaths.fetch_add(1, SeqCst);
            }
            Err(error) => eprintln!("{address} cannot come back: {error}"),
        }
        tokio::time::sleep(RESTART).await;
    }
}

/// Serves until memory runs out, which takes every connection down at once.
async fn live(listener: TcpListener, app: Router, memory: &Memory) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            () = memory.ran_out() => break,
            Ok((stream, _)) = listener.accept() => {
                connections.spawn(serve(stream, app.clone()));
            }
            Some(_) = connections.join_next() => {}
        }
    }
    drop(listener);
    connections.shutdown().await;
}

async fn serve(stream: TcpStream, app: Router) -> hyper::Result<()> {
    stream.set_nodelay(true).ok();
    http1::Builder::new().serve_connection(TokioIo::new(stream), TowerToHyperService::new(app)).await
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(1024)
}
