//! A hyper server with no framework, over loopback: one stack, cloned for each connection, and a place that is held until
//! an answer's body has ended. It ends by itself.

use std::{convert::Infallible, net::SocketAddr, time::Duration};

use bytes::Bytes;
use futures_util::stream;
use http::{Request, Response};
use http_body_util::{BodyExt, Empty, Full, StreamBody, combinators::BoxBody};
use hyper::{
    body::{Frame, Incoming},
    server::conn::http1,
};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioIo},
    service::TowerToHyperService,
};
use plimsoll::{BoxError, Stack, bulkhead, http::RespondRejections};
use tokio::net::TcpListener;
use tower::service_fn;

/// A film of 32 MiB: more than fits into the buffers of a connection that nobody reads from.
const PICTURES: usize = 512;
const PICTURE: Bytes = Bytes::from_static(&[b'.'; 64 << 10]);

async fn handle(req: Request<Incoming>) -> Result<Response<BoxBody<Bytes, Infallible>>, Infallible> {
    Ok(Response::new(match req.uri().path() {
        "/film" => StreamBody::new(stream::iter((0..PICTURES).map(|_| Ok(Frame::data(PICTURE))))).boxed(),
        _ => Full::from("hello").boxed(),
    }))
}

async fn serve() -> Result<SocketAddr, BoxError> {
    let stack = Stack::new()
        .layer(RespondRejections::problems())
        .timeout(Duration::from_secs(5))
        .bulkhead(bulkhead::Settings::try_new(1)?.with_wait(8, Duration::from_millis(100)))
        .until_body_ends();
    let service = stack.service(service_fn(handle));

    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let service = TowerToHyperService::new(service.clone());
            tokio::spawn(async move {
                if let Err(error) = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await {
                    println!("  (a connection ended: {error})");
                }
            });
        }
    });
    Ok(address)
}

/// What a hyper client is told.
async fn ask(client: &Client<HttpConnector, Empty<Bytes>>, url: &str) -> Result<String, BoxError> {
    let response = client.get(url.parse()?).await?;
    let status = response.status();
    let body = response.into_body().collect().await?.to_bytes();
    Ok(format!("{status}: {}", String::from_utf8_lossy(&body)))
}

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let address = serve().await?;
    let client = Client::builder(TokioExecutor::new()).build_http();
    let (hello, film) = (format!("http://{address}/"), format!("http://{address}/film"));

    println!("One at a time. One is there:");
    println!("  {}", ask(&client, &hello).await?);

    println!("While somebody watches a film, the place is taken, though its head has long been sent:");
    let watched = client.get(film.parse()?).await?;
    println!("  {}", ask(&client, &hello).await?);

    println!("When it is over, there is room again:");
    let length = watched.into_body().collect().await?.to_bytes().len();
    println!("  {length} bytes");
    println!("  {}", ask(&client, &hello).await?);
    Ok(())
}
