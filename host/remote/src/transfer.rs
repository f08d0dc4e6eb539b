// SPDX-License-Identifier: Apache-2.0
//! One content on its way into a sink, over as many requests as it takes.
//!
//! The sink cannot be rewound. After a break the next request asks for the rest, if the server gave a validator that
//! lets it refuse when the content changed (RFC 9110, 13.1.5); else for everything, and the part that the sink already has is
//! hashed and compared instead of written.

use std::io::Write;
use std::time::Duration;

use reqwest::header::{
    CONTENT_RANGE, CONTENT_TYPE, DATE, ETAG, HeaderMap, HeaderValue, IF_RANGE, LAST_MODIFIED, RANGE, RETRY_AFTER,
};
use reqwest::{Response, StatusCode, Url};
use wythe_image::Hasher;

use crate::client::authority;
use crate::{Client, Failure};

/// How much a content may be.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Bound {
    None,
    AtMost(u64),
    Exactly(u64),
}

pub(crate) struct Transfer<'a> {
    client: &'a Client,
    url: Url,
    into: &'a mut (dyn Write + Send),
    bound: Bound,
    progress: &'a (dyn Fn(u64, Option<u64>) + Sync),
    /// What the sink has, by length and digest.
    written: Hasher,
    total: Option<u64>,
    validator: Option<HeaderValue>,
}

/// The beginning of an answer that the sink already has.
struct Replay {
    left: u64,
    hasher: Hasher,
}

impl<'a> Transfer<'a> {
    pub(crate) fn new(
        client: &'a Client,
        url: Url,
        into: &'a mut (dyn Write + Send),
        bound: Bound,
        progress: &'a (dyn Fn(u64, Option<u64>) + Sync),
    ) -> Self {
        Self { client, url, into, bound, progress, written: Hasher::new(), total: None, validator: None }
    }

    /// Returns how many bytes the sink has.
    pub(crate) fn received(&self) -> u64 {
        self.written.length()
    }

    /// Makes one request for what is missing.
    pub(crate) async fn attempt(&mut self) -> Result<(), Failure> {
        let response = self.client.send(&self.url, &self.request_headers()).await?;
        let mut replay = match response.status() {
            StatusCode::PARTIAL_CONTENT => self.resume(&response)?,
            // 203 is a 200 that a proxy touched, an unpacked virus scan for instance.
            StatusCode::OK | StatusCode::NON_AUTHORITATIVE_INFORMATION => self.restart(&response)?,
            StatusCode::RANGE_NOT_SATISFIABLE if self.validator.take().is_some() => {
                return Err(Failure::Interrupted { reason: "the server cannot resume".to_owned() });
            }
            _ => return Err(refusal(response).await),
        };
        self.receive(response, &mut replay).await?;
        if replay.left > 0 {
            return Err(Failure::Changed);
        }
        self.check_complete()
    }

    fn request_headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        if let Some(validator) = self.validator.as_ref().filter(|_| self.received() > 0) {
            let range = format!("bytes={}-", self.received());
            headers.insert(RANGE, HeaderValue::try_from(range).expect("digits are a header value"));
            headers.insert(IF_RANGE, validator.clone());
        }
        headers
    }

    /// The answer is the rest: it has to begin where the sink ends, and to end where the first answer said.
    fn resume(&mut self, response: &Response) -> Result<Replay, Failure> {
        let (from, total) = content_range(response.headers()).ok_or(Failure::Changed)?;
        let is_other_length = total.zip(self.total).is_some_and(|(now, before)| now != before);
        if from != self.received() || self.received() == 0 || is_other_length {
            return Err(Failure::Changed);
        }
        Ok(Replay { left: 0, hasher: Hasher::new() })
    }

    /// The answer is the whole content.
    fn restart(&mut self, response: &Response) -> Result<Replay, Failure> {
        self.total = response.content_length();
        self.validator = validator(response.headers());
        match (self.bound, self.total) {
            (Bound::Exactly(expected), Some(offered)) if offered != expected => {
                return Err(Failure::Size { expected, offered });
            }
            (Bound::AtMost(limit), Some(offered)) if offered > limit => return Err(Failure::TooLarge { limit }),
            _ => {}
        }
        Ok(Replay { left: self.received(), hasher: Hasher::new() })
    }

    async fn receive(&mut self, mut response: Response, replay: &mut Replay) -> Result<(), Failure> {
        loop {
            let chunk = response.chunk().await.map_err(|error| Failure::of(&error, authority(&self.url)))?;
            let Some(chunk) = chunk else { return Ok(()) };
            let known = chunk.len().min(usize::try_from(replay.left).unwrap_or(usize::MAX));
            if known > 0 {
                self.compare(&chunk[..known], replay)?;
            }
            if known < chunk.len() {
                self.write(&chunk[known..])?;
            }
        }
    }

    fn compare(&self, bytes: &[u8], replay: &mut Replay) -> Result<(), Failure> {
        replay.hasher.update(bytes);
        replay.left -= bytes.len() as u64;
        let is_same = replay.left > 0 || replay.hasher.clone().finish() == self.written.clone().finish();
        if is_same { Ok(()) } else { Err(Failure::Changed) }
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        let (Bound::AtMost(limit) | Bound::Exactly(limit)) = self.bound else { return self.write_unbounded(bytes) };
        if bytes.len() as u64 > limit - self.received() {
            return Err(Failure::TooLarge { limit });
        }
        self.write_unbounded(bytes)
    }

    fn write_unbounded(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.into.write_all(bytes).map_err(Failure::Write)?;
        self.written.update(bytes);
        (self.progress)(self.received(), self.total);
        Ok(())
    }

    /// An answer without a length may end early without anyone noticing; the expected length notices.
    fn check_complete(&self) -> Result<(), Failure> {
        match self.bound {
            Bound::Exactly(expected) if self.received() != expected => {
                let reason = format!("the answer ended after {} of {expected} bytes", self.received());
                Err(Failure::Interrupted { reason })
            }
            _ => Ok(()),
        }
    }
}

/// Only a strong validator promises that the bytes are the same; a date is one when the server says so by sending it.
fn validator(headers: &HeaderMap) -> Option<HeaderValue> {
    let etag = headers.get(ETAG).filter(|tag| tag.as_bytes().starts_with(b"\""));
    etag.or_else(|| headers.get(LAST_MODIFIED).filter(|_| !headers.contains_key(ETAG))).cloned()
}

/// Parses `bytes 10-99/100` into 10 and 100.
fn content_range(headers: &HeaderMap) -> Option<(u64, Option<u64>)> {
    let text = headers.get(CONTENT_RANGE)?.to_str().ok()?.strip_prefix("bytes ")?;
    let (range, total) = text.split_once('/')?;
    let (from, _) = range.split_once('-')?;
    Some((from.trim().parse().ok()?, total.trim().parse().ok()))
}

async fn refusal(response: Response) -> Failure {
    let status = response.status();
    let retry_after = retry_after(response.headers());
    Failure::Status { status, retry_after, message: first_line(response).await }
}

/// Returns the time that a server wants to be left alone: seconds, or the distance of a date from the server's own
/// (RFC 9110, 10.2.3); our clock may differ from it.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = |name| headers.get(name)?.to_str().ok().map(str::trim);
    let asked = text(RETRY_AFTER)?;
    let from_date = || {
        let (until, now) = (httpdate::parse_http_date(asked).ok()?, httpdate::parse_http_date(text(DATE)?).ok()?);
        Some(until.duration_since(now).unwrap_or_default())
    };
    asked.parse().ok().map(Duration::from_secs).or_else(from_date)
}

/// Returns the first line of a plain or JSON answer, at most 200 characters of it.
async fn first_line(mut response: Response) -> String {
    let kind = response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if !kind.starts_with("text/plain") && !kind.starts_with("application/json") {
        return String::new();
    }
    // What the first piece does not hold is not worth waiting for.
    let chunk = response.chunk().await.ok().flatten().unwrap_or_default();
    let text = String::from_utf8_lossy(&chunk);
    let line = text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
    line.chars().filter(|c| !c.is_control()).take(200).collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use reqwest::header::{HeaderMap, HeaderValue};

    use super::retry_after;

    #[test]
    fn a_server_may_name_seconds_or_a_date() {
        let now = "Sun, 06 Nov 1994 08:49:37 GMT";
        for (asked, date, expected) in [
            ("7", None, Some(7)),
            ("Sun, 06 Nov 1994 08:50:07 GMT", Some(now), Some(30)),
            ("Sun, 06 Nov 1994 08:00:00 GMT", Some(now), Some(0)),
            ("Sun, 06 Nov 1994 08:50:07 GMT", None, None),
            ("soon", Some(now), None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert("retry-after", HeaderValue::from_static(asked));
            date.map(|date| headers.insert("date", HeaderValue::from_static(date)));
            assert_eq!(retry_after(&headers), expected.map(Duration::from_secs), "{asked}");
        }
    }
}
