// SPDX-License-Identifier: Apache-2.0
//! The client: options, and the two ways to fetch.

use std::io::Write;
use std::sync::Arc;
use std::time::{Duration, Instant};

use reqwest::header::HeaderMap;
use reqwest::{Response, Url, redirect};

use crate::address::{self, Hosts};
use crate::retry::Retry;
use crate::transfer::{Bound, Transfer};
use crate::{Failure, FetchError};

/// A chain longer than this is a loop; browsers stop at 20, `curl -L` at 50.
const REDIRECTS: usize = 10;

/// Fetches from `http` and `https` addresses. Cheap to clone; clones share connections.
///
/// Making one reads and parses the machine's certificates, which takes a few milliseconds: make it when the first
/// address is to be fetched.
#[derive(Debug, Clone)]
pub struct Client {
    http: reqwest::Client,
    retry: Retry,
    hosts: Hosts,
    listener: Option<Listener>,
}

/// Hears of attempts that are to be repeated.
#[derive(Clone)]
pub struct Listener(pub Arc<dyn Fn(&Repeat<'_>) + Send + Sync>);

impl std::fmt::Debug for Listener {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Listener")
    }
}

/// An attempt that failed and is to be repeated.
#[derive(Debug)]
pub struct Repeat<'a> {
    /// The address, without secrets.
    pub address: String,
    /// What it failed at.
    pub failure: &'a Failure,
    /// The number of the attempt that comes, and how many there can be.
    pub attempt: (u32, u32),
    /// How long is waited before.
    pub wait: Duration,
}

/// How a client behaves.
#[derive(Debug, Clone)]
pub struct ClientOptions {
    /// What the client calls itself.
    pub user_agent: String,
    /// How often a fetch is tried in all; 0 counts as 1.
    pub attempts: u32,
    /// How long to wait before the second attempt; each further wait is twice as long.
    pub first_wait: Duration,
    /// The longest wait between two attempts.
    pub longest_wait: Duration,
    /// No attempt begins later than this after the first. A transfer that is under way is not cut off.
    pub patience: Duration,
    /// Tells clients apart, so that they do not all come back at the same moment: any number will do.
    pub salt: u64,
    /// How long a connection may take to come about.
    pub connect_timeout: Duration,
    /// How long a server may be silent.
    pub read_timeout: Duration,
    /// Through what the network is reached.
    pub proxy: Proxy,
}

/// Through what the network is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Proxy {
    /// What `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY` say.
    FromEnvironment,
    /// No proxy, whatever the environment says.
    Direct,
    /// One proxy for everything, as `http://[user:password@]host:port`.
    Through(String),
}

/// A client that cannot be made: a proxy or user agent that is none, or certificates that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("cannot set up the network client")]
pub struct ClientError(#[source] reqwest::Error);

impl ClientOptions {
    /// Returns five attempts within about eight seconds of waiting and two minutes in all, 10 s for connecting and 30 s of
    /// silence.
    #[must_use]
    pub fn new(user_agent: &str) -> Self {
        Self {
            user_agent: user_agent.to_owned(),
            attempts: 5,
            first_wait: Duration::from_millis(500),
            longest_wait: Duration::from_secs(30),
            patience: Duration::from_secs(120),
            salt: 0,
            connect_timeout: Duration::from_secs(10),
            read_timeout: Duration::from_secs(30),
            proxy: Proxy::FromEnvironment,
        }
    }
}

impl Client {
    /// Makes a client.
    ///
    /// # Errors
    ///
    /// Fails where the user agent or the proxy is malformed, or the machine's certificates are.
    pub fn new(options: ClientOptions) -> Result<Self, ClientError> {
        let builder = reqwest::Client::builder()
            .user_agent(options.user_agent)
            .connect_timeout(options.connect_timeout)
            .read_timeout(options.read_timeout)
            // Each hop is checked against the hosts of the request, which a policy of the whole client cannot know.
            .redirect(redirect::Policy::none());
        let builder = match options.proxy {
            Proxy::FromEnvironment => builder,
            Proxy::Direct => builder.no_proxy(),
            Proxy::Through(url) => builder.proxy(reqwest::Proxy::all(url).map_err(ClientError)?),
        };
        let retry = Retry {
            attempts: options.attempts.max(1),
            first_wait: options.first_wait,
            longest_wait: options.longest_wait,
            patience: options.patience,
            salt: options.salt,
        };
        Ok(Self { http: builder.build().map_err(ClientError)?, retry, hosts: None, listener: None })
    }

    /// Returns this client with a listener that hears of every attempt that is to be repeated.
    #[must_use]
    pub fn heard_by(&self, listener: Listener) -> Self {
        Self { listener: Some(listener), ..self.clone() }
    }

    /// Returns this client, limited to hosts that one of the patterns names; redirects are held to it, too.
    ///
    /// See [`host_matches`](crate::host_matches) for the patterns.
    #[must_use]
    pub fn limited_to(&self, hosts: &[String]) -> Self {
        Self { hosts: Some(hosts.to_vec()), ..self.clone() }
    }

    /// Returns a content of at most `limit` bytes.
    ///
    /// # Errors
    ///
    /// Fails where the content is larger, and where no attempt brought it.
    pub async fn get(&self, url: &str, limit: u64) -> Result<Vec<u8>, FetchError> {
        let mut content = Vec::new();
        self.transfer(url, &mut content, Bound::AtMost(limit), &|_, _| ()).await?;
        Ok(content)
    }

    /// Writes a content into a sink, in order and each byte once, and returns its length.
    ///
    /// `progress` hears the bytes so far and the length, if it is known, after each piece. The sink is written to on the
    /// calling task and not flushed; after an error it holds the beginning of the content.
    ///
    /// # Errors
    ///
    /// Fails where the length is not the expected one, where no attempt brought the rest, where the content changed in
    /// between, and where the sink fails.
    pub async fn download(
        &self,
        url: &str,
        into: &mut (dyn Write + Send),
        expected_size: Option<u64>,
        progress: &(dyn Fn(u64, Option<u64>) + Sync),
    ) -> Result<u64, FetchError> {
        self.transfer(url, into, expected_size.map_or(Bound::None, Bound::Exactly), progress).await
    }

    /// Does the same, and fails where it is longer than `limit`.
    ///
    /// # Errors
    ///
    /// As [`Client::download`].
    pub async fn download_at_most(
        &self,
        url: &str,
        into: &mut (dyn Write + Send),
        limit: u64,
    ) -> Result<u64, FetchError> {
        self.transfer(url, into, Bound::AtMost(limit), &|_, _| ()).await
    }

    async fn transfer(
        &self,
        url: &str,
        into: &mut (dyn Write + Send),
        bound: Bound,
        progress: &(dyn Fn(u64, Option<u64>) + Sync),
    ) -> Result<u64, FetchError> {
        let parsed = address::parse(url, &self.hosts).map_err(|failure| FetchError::new(url, 0, 0, failure))?;
        let mut transfer = Transfer::new(self, parsed, into, bound, progress);
        let begun = Instant::now();
        let mut attempt = 1;
        loop {
            let Err(failure) = transfer.attempt().await else { return Ok(transfer.received()) };
            let spent = begun.elapsed();
            let Some(wait) = self.retry.wait_after(attempt, &failure, url, spent) else {
                return Err(FetchError::new(url, attempt, transfer.received(), failure).within(spent));
            };
            if let Some(Listener(listener)) = &self.listener {
                let attempt = (attempt + 1, self.retry.attempts);
                listener(&Repeat { address: address::shown(url), failure: &failure, attempt, wait });
            }
            tokio::time::sleep(wait).await;
            attempt += 1;
        }
    }

    /// Sends one request and follows redirects. Credentials travel in addresses only, so none reaches another host.
    pub(crate) async fn send(&self, url: &Url, headers: &HeaderMap) -> Result<Response, Failure> {
        let mut url = url.clone();
        for _ in 0..=REDIRECTS {
            let request = self.http.get(url.clone()).headers(headers.clone());
            let response = request.send().await.map_err(|error| Failure::of(&error, authority(&url)))?;
            if !matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
                return Ok(response);
            }
            let Some(location) = response.headers().get("location").and_then(|value| value.to_str().ok()) else {
                return Ok(response);
            };
            url = address::redirected(&url, location, &self.hosts)?;
        }
        let reason = format!("it is the {REDIRECTS}th and one more");
        Err(Failure::Redirect { to: address::shown(url.as_str()), reason })
    }
}

/// Returns host and port, for messages.
pub(crate) fn authority(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}
