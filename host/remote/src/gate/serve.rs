// SPDX-License-Identifier: Apache-2.0
//! What the gate says to those who come: HTTP/1.1 as proxies speak it (RFC 9110, 9.3.6; RFC 9112, 3.2).

use std::convert::Infallible;
use std::sync::Arc;

use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, Empty, Full};
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONNECTION, HOST, HeaderMap, HeaderName, HeaderValue, PROXY_AUTHORIZATION};
use hyper::{Method, Request, Response, StatusCode, Uri, Version};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::account::{self, Account, Meter};
use super::admit::{Doorkeeper, Refusal};
use super::reach::{Next, Unreached, Way};
use crate::address;

type Body = BoxBody<Bytes, hyper::Error>;

/// Headers that are between two machines on the way and not between the ends (RFC 9110, 7.6.1).
const OF_THE_HOP: [&str; 8] = [
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "upgrade",
];

/// How much is passed on at once.
const CHUNK: usize = 32 * 1024;

/// What all connections of a gate share.
pub(super) struct Service {
    pub(super) doorkeeper: Doorkeeper,
    pub(super) way: Way,
    pub(super) account: Arc<Account>,
}

/// Serves one connection to its end.
pub(super) async fn connection(stream: TcpStream, service: Arc<Service>) {
    let (tunnels, mut opened) = tokio::sync::mpsc::unbounded_channel();
    let answer = |request| {
        let (service, tunnels) = (Arc::clone(&service), tunnels.clone());
        async move { Ok::<_, Infallible>(service.answer(request, &tunnels).await) }
    };
    let serving = hyper::server::conn::http1::Builder::new()
        .serve_connection(TokioIo::new(stream), hyper::service::service_fn(answer))
        .with_upgrades();
    // Whoever breaks off, or speaks something else, harms nobody but itself.
    drop(serving.await);
    // A tunnel is part of its connection, and ends with the task that serves it.
    if let Ok(tunnel) = opened.try_recv() {
        Tunnel::serve(tunnel).await;
    }
}

impl Service {
    async fn answer(&self, request: Request<Incoming>, tunnels: &Tunnels) -> Response<Body> {
        let target = Target::of(&request);
        let answered = match &target {
            Ok(target) if request.method() == Method::CONNECT => self.connect(target, request, tunnels).await,
            Ok(target) => self.forward(target, request).await,
            Err(refusal) => Err(refusal.clone().into()),
        };
        answered.unwrap_or_else(|error| {
            let status = match &error {
                Unreached::Refused(refusal) => {
                    let wanted = target.map_or_else(|_| "?".to_owned(), |target| target.to_string());
                    self.account.refused(&wanted, &refusal.to_string());
                    StatusCode::FORBIDDEN
                }
                Unreached::Failed(..) => StatusCode::BAD_GATEWAY,
            };
            told(status, &format!("wythe: {error}"))
        })
    }

    async fn connect(
        &self,
        target: &Target,
        request: Request<Incoming>,
        tunnels: &Tunnels,
    ) -> Result<Response<Body>, Unreached> {
        self.doorkeeper.check(&target.host, target.port)?;
        let far = self.way.tunnel(&target.host, target.port).await?;
        let meter = self.account.reached(&target.host, target.port);
        // There is one at most: nothing follows on a connection that has become a tunnel.
        let _nobody_listens = tunnels.send(Tunnel { near: hyper::upgrade::on(request), far, meter });
        Ok(Response::new(empty()))
    }

    async fn forward(&self, target: &Target, request: Request<Incoming>) -> Result<Response<Body>, Unreached> {
        self.doorkeeper.check(&target.host, target.port)?;
        let next = self.way.next("http", &target.host, target.port).await?;
        let meter = self.account.reached(&target.host, target.port);
        let (method, url) = (request.method().to_string(), address::shown(&request.uri().to_string()));
        let answered = send(next, request, Arc::clone(&meter)).await;
        let status = answered.as_ref().ok().map(|answer| answer.status().as_u16());
        self.account.request(account::Request { method, url, status });
        let answer = answered.map_err(|error| Unreached::Failed(target.host.clone(), error.to_string()))?;
        let (mut head, body) = answer.into_parts();
        strip(&mut head.headers);
        head.version = Version::HTTP_11;
        Ok(Response::from_parts(head, metered(body, move |bytes| meter.received(bytes))))
    }
}

/// Passes a request on as the next machine wants it.
async fn send(next: Next, request: Request<Incoming>, meter: Arc<Meter>) -> hyper::Result<Response<Incoming>> {
    let (mut head, body) = request.into_parts();
    strip(&mut head.headers);
    head.version = Version::HTTP_11;
    // The host that was checked is the one that is asked for, whatever the header says (RFC 9112, 3.2.2).
    let authority = head.uri.authority().map(|authority| authority.as_str().rsplit('@').next().unwrap_or_default());
    if let Some(host) = authority.and_then(|host| HeaderValue::from_str(host).ok()) {
        head.headers.insert(HOST, host);
    }
    let stream = match next {
        Next::Host(stream) => {
            let path = head.uri.path_and_query().map_or("/", |path| path.as_str());
            head.uri = path.parse().unwrap_or_else(|_| Uri::from_static("/"));
            stream
        }
        Next::Proxy(stream, identity) => {
            if let Some(identity) = identity {
                head.headers.insert(PROXY_AUTHORIZATION, identity);
            }
            stream
        }
    };
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    sender.send_request(Request::from_parts(head, metered(body, move |bytes| meter.sent(bytes)))).await
}

/// Removes what is meant for the gate itself.
fn strip(headers: &mut HeaderMap) {
    let named = headers.get_all(CONNECTION).iter().filter_map(|value| value.to_str().ok());
    let named: Vec<HeaderName> =
        named.flat_map(|names| names.split(',')).filter_map(|name| name.trim().parse().ok()).collect();
    for name in named {
        headers.remove(name);
    }
    for name in OF_THE_HOP {
        headers.remove(name);
    }
}

/// Where a request wants to go.
struct Target {
    host: String,
    port: u16,
}

impl Target {
    fn of(request: &Request<Incoming>) -> Result<Self, Refusal> {
        const NOT_A_PROXY_REQUEST: Refusal = Refusal::NotARequest(
            "this is the proxy of a step, not a server: it takes CONNECT and addresses that begin with http://",
        );
        let uri = request.uri();
        let default = if request.method() == Method::CONNECT {
            None
        } else if uri.scheme_str() == Some("http") {
            Some(80)
        } else {
            return Err(NOT_A_PROXY_REQUEST);
        };
        let host = uri.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
        let host = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
        let port = uri.port_u16().or(default).ok_or(NOT_A_PROXY_REQUEST)?;
        if host.is_empty() { Err(NOT_A_PROXY_REQUEST) } else { Ok(Self { host, port }) }
    }
}

impl std::fmt::Display for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        wythe_plan::HostEntry::of(&self.host, self.port).fmt(f)
    }
}

/// An answer of the gate's own. The reason stands in the first line too, which is what many programs show.
fn told(status: StatusCode, text: &str) -> Response<Body> {
    let body = Full::new(Bytes::from(format!("{text}\n"))).map_err(|never| match never {}).boxed();
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response.headers_mut().insert("content-type", HeaderValue::from_static("text/plain; charset=utf-8"));
    if let Ok(reason) = hyper::ext::ReasonPhrase::try_from(text.as_bytes()) {
        response.extensions_mut().insert(reason);
    }
    response
}

fn empty() -> Body {
    Empty::new().map_err(|never| match never {}).boxed()
}

/// Counts the bytes of a body as they pass.
fn metered(body: Incoming, count: impl Fn(usize) + Send + Sync + 'static) -> Body {
    body.map_frame(move |frame| {
        frame.data_ref().map(Bytes::len).into_iter().for_each(&count);
        frame
    })
    .boxed()
}

type Tunnels = tokio::sync::mpsc::UnboundedSender<Tunnel>;

/// Two ends between which bytes are passed on.
struct Tunnel {
    near: hyper::upgrade::OnUpgrade,
    far: Box<dyn super::reach::Io>,
    meter: Arc<Meter>,
}

impl Tunnel {
    async fn serve(self) {
        let Ok(near) = self.near.await else { return };
        let (near_in, near_out) = tokio::io::split(TokioIo::new(near));
        let (far_in, far_out) = tokio::io::split(self.far);
        let meter = &self.meter;
        // Each end may be silent while the other one speaks; whichever breaks, there is nothing to be done about it.
        drop(tokio::join!(
            pass(near_in, far_out, |bytes| meter.sent(bytes)),
            pass(far_in, near_out, |bytes| meter.received(bytes)),
        ));
    }
}

/// Passes bytes on until there are no more, and says so to the other end.
async fn pass(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    count: impl Fn(usize),
) -> std::io::Result<()> {
    let mut buffer = vec![0; CHUNK];
    loop {
        let length = match from.read(&mut buffer).await {
            Ok(0) | Err(_) => break,
            Ok(length) => length,
        };
        count(length);
        to.write_all(&buffer[..length]).await?;
    }
    to.shutdown().await
}
