// SPDX-License-Identifier: Apache-2.0
//! How the gate itself reaches a host: directly, or through the machine's proxy.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use http_body_util::Empty;
use hyper::body::Bytes;
use hyper::header::{HOST, HeaderValue, PROXY_AUTHORIZATION};
use hyper::{Method, Uri};
use hyper_util::client::proxy::matcher::{Intercept, Matcher};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use super::admit::{Refusal, outward};
use super::{GateOptions, MachineProxies};

/// A connection, whatever it leads through.
pub(super) trait Io: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

/// Why a host that may be reached was not.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unreached {
    #[error(transparent)]
    Refused(#[from] Refusal),
    #[error("cannot reach `{0}`: {1}")]
    Failed(String, String),
}

/// The way to other machines.
#[derive(Debug)]
pub(super) struct Way {
    proxies: Matcher,
    timeout: Duration,
    /// By names in lower case.
    extra_hosts: BTreeMap<String, Vec<IpAddr>>,
}

/// The next machine on the way to a host.
pub(super) enum Next {
    /// The host.
    Host(TcpStream),
    /// The machine's proxy, and what it wants to hear of who we are.
    Proxy(TcpStream, Option<HeaderValue>),
}

impl Way {
    pub(super) fn new(options: &GateOptions) -> Self {
        let MachineProxies { http, https, all, no } = &options.proxies;
        let proxies =
            Matcher::builder().http(http.as_str()).https(https.as_str()).all(all.as_str()).no(no.as_str()).build();
        let extra_hosts = options.extra_hosts.iter().map(|(name, at)| (name.to_lowercase(), at.clone())).collect();
        Self { proxies, timeout: options.connect_timeout, extra_hosts }
    }

    /// Connects to a host for plain HTTP, or to the proxy for it.
    pub(super) async fn next(&self, scheme: &str, host: &str, port: u16) -> Result<Next, Unreached> {
        if let Some(addresses) = self.extra_hosts.get(&host.to_lowercase()) {
            // Whoever named the host said where it is: no answer from outside could lead inward.
            let found = addresses.iter().map(|address| SocketAddr::new(*address, port)).collect();
            return Ok(Next::Host(self.connect(host, found).await?));
        }
        let name = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
        let target: Uri = format!("{scheme}://{name}:{port}/").parse().map_err(|error| failed(host, &error))?;
        let Some(proxy) = self.proxies.intercept(&target) else {
            let found = tokio::net::lookup_host((host, port)).await.map_err(|error| failed(host, &error))?;
            return Ok(Next::Host(self.connect(host, outward(host, found.collect())?).await?));
        };
        let (name, port) = proxy_address(&proxy).ok_or_else(|| failed(host, &UNUSABLE))?;
        let found = tokio::net::lookup_host((name.as_str(), port)).await.map_err(|error| failed(&name, &error))?;
        let stream = self.connect(&name, found.collect()).await?;
        Ok(Next::Proxy(stream, proxy.basic_auth().cloned()))
    }

    async fn connect(&self, host: &str, addresses: Vec<SocketAddr>) -> Result<TcpStream, Unreached> {
        let connect = async {
            let mut last = std::io::Error::other("its name leads nowhere");
            for address in addresses {
                match TcpStream::connect(address).await {
                    Ok(stream) => return Ok(stream),
                    Err(error) => last = error,
                }
            }
            Err(last)
        };
        let connected = tokio::time::timeout(self.timeout, connect).await;
        connected.map_err(|_| failed(host, &"nobody answers"))?.map_err(|error| failed(host, &error))
    }

    /// Opens a tunnel to a host.
    pub(super) async fn tunnel(&self, host: &str, port: u16) -> Result<Box<dyn Io>, Unreached> {
        let (stream, identity) = match self.next("https", host, port).await? {
            Next::Host(stream) => return Ok(Box::new(stream)),
            Next::Proxy(stream, identity) => (stream, identity),
        };
        let broken = |error: hyper::Error| failed(host, &error);
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(broken)?;
        tokio::spawn(connection.with_upgrades());
        let name = if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") };
        let mut request = hyper::Request::builder().method(Method::CONNECT).uri(&name).header(HOST, &name);
        if let Some(identity) = identity {
            request = request.header(PROXY_AUTHORIZATION, identity);
        }
        let request = request.body(Empty::<Bytes>::new()).map_err(|error| failed(host, &error))?;
        let answered = tokio::time::timeout(self.timeout, sender.send_request(request)).await;
        let answer = answered.map_err(|_| failed(host, &"the machine's proxy does not answer"))?.map_err(broken)?;
        if !answer.status().is_success() {
            return Err(failed(host, &format_args!("the machine's proxy says {}", answer.status())));
        }
        Ok(Box::new(TokioIo::new(hyper::upgrade::on(answer).await.map_err(broken)?)))
    }
}

const UNUSABLE: &str = "the machine's proxy is not an `http://` one, and others cannot be used for named hosts";

fn proxy_address(proxy: &Intercept) -> Option<(String, u16)> {
    let uri = proxy.uri();
    let host = uri.host()?.trim_start_matches('[').trim_end_matches(']').to_owned();
    (uri.scheme_str() == Some("http")).then(|| (host, uri.port_u16().unwrap_or(80)))
}

fn failed(host: &str, why: &impl std::fmt::Display) -> Unreached {
    Unreached::Failed(host.to_owned(), why.to_string())
}
