//! The ready-made stacks of gRPC.

use tower_layer::Identity;

use super::{Client, ClientAsks, ClientStack, Perhaps, Served, Server, ServerAsks, ServerStack};
use crate::{
    grpc::{Codes, Detailed, Resend},
    http::{Believed, Deadline, Everybody, RespondRejections, SendDeadline, TimeLeft, Trusted},
    request::Unasked,
};

/// A server's stack with the recommended order and defaults, which turns refusals into gRPC statuses with details, or
/// into HTTP responses for callers over HTTP: see [`ready`](crate::ready#grpc).
///
/// It believes `grpc-timeout`, as every gRPC server does: with it a caller can only shorten its own calls, and never
/// gets more than the timeout. It believes nothing else; say [whom you trust](crate::http::Trusted), if anybody.
///
/// ```
/// # async fn serve(greeter: tonic::service::Routes) -> Result<(), tonic::transport::Error> {
/// # let addr = ([127, 0, 0, 1], 0).into();
/// let stack = plimsoll::grpc::server().stack();
/// tonic::transport::Server::builder().layer(stack.wrapping()).add_routes(greeter).serve(addr).await
/// # }
/// ```
pub fn server() -> GrpcServer {
    let server = Server::new().outermost(RespondRejections::with(Detailed::new()));
    server.deadline_by(Trusted::everybody().deadline(TimeLeft::grpc())).classify(Served::of(Codes))
}

/// A client's stack with the recommended order and defaults, which understands gRPC: see [`ready`](crate::ready#grpc).
///
/// It goes around calls of a generated client, whose error is a [`Status`](tonic::Status), by
/// [`wrap`](crate::Stack::wrap).
///
/// ```
/// use tonic::{Request, Response, Status};
/// use tower::service_fn;
///
/// # #[derive(Clone)] struct GreeterClient;
/// # impl GreeterClient {
/// #     async fn say_hello(&mut self, req: Request<String>) -> Result<Response<String>, Status> {
/// #         Ok(Response::new(req.into_inner()))
/// #     }
/// # }
/// # let client = GreeterClient;
/// let say_hello = service_fn(move |req: Request<String>| {
///     let mut client = client.clone();
///     async move { client.say_hello(req).await }
/// });
/// let greeter = plimsoll::grpc::client().with_name("greeter").try_stack()?.wrap(say_hello);
/// # tokio_test::block_on(tower::ServiceExt::oneshot(greeter, Request::new(String::new()))).expect("answered");
/// # Ok::<_, plimsoll::ready::Misfit>(())
/// ```
///
/// It copies every call for another attempt: say [what must not be sent twice](Client::replay).
pub fn client() -> GrpcClient {
    let header = SendDeadline::new(TimeLeft::grpc());
    Client::new().ends(Identity::new(), Perhaps::new(Some(header))).replay(Resend).classify(Codes)
}

/// A [`Server`] that speaks gRPC.
pub type GrpcServer =
    Server<RespondRejections<Detailed>, ServerAsks<Unasked, Unasked, GrpcTimeout, Unasked, Unasked, Served<Codes>>>;

/// What a [`GrpcServer`] becomes: for signatures and fields. Its parameters are the questions, as of [`ServerStack`].
pub type GrpcServerStack<P = Unasked, T = Unasked, D = GrpcTimeout, X = Unasked, W = Unasked, C = Served<Codes>> =
    ServerStack<RespondRejections<Detailed>, P, T, D, X, W, C>;

/// The question what `grpc-timeout` says.
pub type GrpcTimeout = Believed<Everybody, Deadline>;

/// A [`Client`] that speaks gRPC.
pub type GrpcClient<R = Resend, C = Codes, D = Unasked> = Client<Identity, Perhaps<SendDeadline>, ClientAsks<R, C, D>>;

/// What a [`GrpcClient`] becomes: for signatures and fields.
pub type GrpcClientStack<R = Resend, C = Codes, D = Unasked> = ClientStack<R, C, D, Identity, Perhaps<SendDeadline>>;
