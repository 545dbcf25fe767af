//! The server: axum on hyper, over real TCP.

use std::net::TcpListener;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::routing::get;
use http::StatusCode;
use hyper::server::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::service::TowerToHyperService;
use tokio::runtime::Runtime;

use crate::backlog::Backlog;

/// The application with nothing around it.
pub(crate) fn app(backlog: Arc<Backlog>) -> Router {
    Router::new().route("/work", get(work)).with_state(backlog)
}

/// Waits for a worker. If the client leaves, hyper drops this future, but the job stays in the backlog.
async fn work(State(backlog): State<Arc<Backlog>>) -> StatusCode {
    match backlog.submit().await {
        Ok(()) => StatusCode::OK,
        Err(_closed) => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// Serves `app` on `runtime` until that is shut down.
///
/// HTTP/2, because a client that gives up then costs one reset frame. Over HTTP/1.1 it would cost a connection:
/// sixteen thousand of them a second at five times the load, more than there are ports and file descriptors.
/// The limits on streams and resets, made against hostile clients, are raised so that hyper's own protection
/// does not decide the experiment.
pub(crate) fn serve(runtime: &Runtime, listener: TcpListener, app: Router) -> std::io::Result<()> {
    listener.set_nonblocking(true)?;
    let _inside = runtime.enter();
    let listener = tokio::net::TcpListener::from_std(listener)?;
    runtime.spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            stream.set_nodelay(true).ok();
            let service = TowerToHyperService::new(app.clone());
            let connection = http2::Builder::new(TokioExecutor::new())
                .max_concurrent_streams(1_000_000)
                .max_pending_accept_reset_streams(1_000_000)
                .max_local_error_reset_streams(None)
                .serve_connection(TokioIo::new(stream), service);
            tokio::spawn(connection);
        }
    });
    Ok(())
}
