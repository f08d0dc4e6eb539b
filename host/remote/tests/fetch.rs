// SPDX-License-Identifier: Apache-2.0
//! Fetching from servers that behave, and from servers that do not.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking, outside its function, too")]

mod server;

use std::error::Error;
use std::io;
use std::sync::Mutex;
use std::time::Duration;

use server::{Answer, Server};
use wythe_remote::{Client, ClientOptions, Failure, FetchError, Proxy};

const BODY: &[u8] = b"0123456789";
const TAG: &str = "ETag: \"one\"";
const LENGTH: &str = "Content-Length: 10";

fn options() -> ClientOptions {
    ClientOptions {
        attempts: 3,
        first_wait: Duration::from_millis(1),
        read_timeout: Duration::from_secs(20),
        proxy: Proxy::Direct,
        ..ClientOptions::new("wythe-test/1")
    }
}

fn client() -> Client {
    Client::new(options()).unwrap()
}

async fn download(server: &Server, size: Option<u64>) -> (Result<u64, FetchError>, Vec<u8>) {
    let mut sink = Vec::new();
    let result = client().download(&server.url("/file"), &mut sink, size, &|_, _| ()).await;
    (result, sink)
}

fn chain(error: &dyn Error) -> String {
    error.source().map_or_else(|| error.to_string(), |source| format!("{error}: {}", chain(source)))
}

#[tokio::test]
async fn a_content_arrives_whole_and_progress_is_heard() {
    let server = Server::start(vec![Answer::ok(BODY)]);
    let heard = Mutex::new(Vec::new());
    let mut sink = Vec::new();
    let progress = |done, total| heard.lock().unwrap().push((done, total));
    let length = client().download(&server.url("/file"), &mut sink, Some(10), &progress).await.unwrap();
    assert_eq!((length, sink.as_slice()), (10, BODY));
    assert_eq!(heard.lock().unwrap().last(), Some(&(10, Some(10))));
    assert_eq!(server.requests(), ["GET /file HTTP/1.1"]);
}

#[tokio::test]
async fn a_truncated_content_is_resumed_where_it_ended() {
    let server = Server::start(vec![
        Answer::new("200 OK", &[LENGTH, TAG], &BODY[..4]),
        Answer::new("206 Partial Content", &["Content-Range: bytes 4-9/10", "Content-Length: 6", TAG], &BODY[4..7]),
        Answer::new("206 Partial Content", &["Content-Range: bytes 7-9/10", "Content-Length: 3", TAG], &BODY[7..]),
    ]);
    let (result, sink) = download(&server, Some(10)).await;
    assert_eq!((result.unwrap(), sink.as_slice()), (10, BODY));
    assert_eq!(
        server.requests(),
        [
            "GET /file HTTP/1.1",
            "GET /file HTTP/1.1; range: bytes=4-; if-range: \"one\"",
            "GET /file HTTP/1.1; range: bytes=7-; if-range: \"one\"",
        ]
    );
}

#[tokio::test]
async fn without_a_strong_validator_the_beginning_is_compared_instead() {
    let weak = "ETag: W/\"one\"";
    let server = Server::start(vec![Answer::new("200 OK", &[LENGTH, weak], &BODY[..4]), Answer::ok(BODY)]);
    let (result, sink) = download(&server, None).await;
    assert_eq!((result.unwrap(), sink.as_slice()), (10, BODY));
    assert_eq!(server.requests(), ["GET /file HTTP/1.1", "GET /file HTTP/1.1"]);
}

#[tokio::test]
async fn a_content_that_changed_between_attempts_is_refused() {
    let moved = "Content-Range: bytes 5-9/10";
    let grown = "Content-Range: bytes 4-10/11";
    for second in [
        Answer::ok(b"0123x56789"),
        Answer::ok(b"012x456789"),
        Answer::ok(b"012"),
        Answer::new("206 Partial Content", &[moved, "Content-Length: 5"], &BODY[5..]),
        Answer::new("206 Partial Content", &[grown, "Content-Length: 7"], b"456789x"),
    ] {
        let is_the_rest_only = second.bytes.ends_with(b"0123x56789");
        let server = Server::start(vec![Answer::new("200 OK", &[LENGTH, TAG], &BODY[..4]), second]);
        let (result, sink) = download(&server, None).await;
        server.requests();
        if is_the_rest_only {
            // The part that was written is the same; what follows is for the caller's digest.
            assert_eq!((result.unwrap(), sink.as_slice()), (10, b"0123x56789".as_slice()));
        } else {
            let error = result.unwrap_err();
            assert!(matches!(error.failure(), Failure::Changed), "{error:?}");
            assert_eq!((error.attempts(), error.is_transient(), sink.as_slice()), (2, false, &BODY[..4]));
        }
    }
}

#[tokio::test]
async fn a_server_that_cannot_resume_after_all_is_asked_for_everything() {
    let server = Server::start(vec![
        Answer::new("200 OK", &[LENGTH, TAG], &BODY[..4]),
        Answer::status("416 Range Not Satisfiable"),
        Answer::ok(BODY),
    ]);
    let (result, sink) = download(&server, Some(10)).await;
    assert_eq!((result.unwrap(), sink.as_slice()), (10, BODY));
    assert_eq!(server.requests()[2], "GET /file HTTP/1.1");
}

#[tokio::test]
async fn an_answer_without_length_that_ends_early_is_noticed_by_the_expected_size() {
    let server = Server::start(vec![Answer::new("200 OK", &[TAG], &BODY[..4]), Answer::new("200 OK", &[], BODY)]);
    let (result, sink) = download(&server, Some(10)).await;
    assert_eq!((result.unwrap(), sink.as_slice()), (10, BODY));
}

#[tokio::test]
async fn a_busy_server_is_asked_again() {
    let server = Server::start(vec![
        Answer::status("503 Service Unavailable"),
        Answer::new("429 Too Many Requests", &["Retry-After: 0", "Content-Length: 0"], b""),
        Answer::ok(BODY),
    ]);
    assert_eq!(client().get(&server.url("/"), 10).await.unwrap(), BODY);
    assert_eq!(server.requests().len(), 3);
}

#[tokio::test]
async fn attempts_end() {
    let server = Server::start((0..3).map(|_| Answer::status("502 Bad Gateway")).collect());
    let url = server.url("/a?token=secret");
    let error = client().get(&url, 10).await.unwrap_err();
    assert_eq!((error.attempts(), error.is_transient()), (3, true));
    let expected = format!(
        "cannot fetch `{}` (3 attempts): the server answered 502 Bad Gateway",
        url.replace("token=secret", "…")
    );
    assert_eq!(chain(&error), expected);
    assert_eq!(server.requests().len(), 3);
}

#[tokio::test]
async fn what_is_not_there_is_not_asked_for_again() {
    let answer = Answer::new("404 Not Found", &["Content-Type: text/plain", "Content-Length: 9"], b"\nno such\n");
    let server = Server::start(vec![answer]);
    let url = server.url("/file");
    let (result, sink) = download(&server, None).await;
    let error = result.unwrap_err();
    assert_eq!((error.attempts(), error.is_transient(), sink.len()), (1, false, 0));
    assert_eq!(chain(&error), format!("cannot fetch `{url}`: the server answered 404 Not Found: no such"));
}

#[tokio::test]
async fn a_content_that_is_too_large_is_refused_before_or_while_it_arrives() {
    for answer in [Answer::ok(BODY), Answer::new("200 OK", &[], BODY)] {
        let server = Server::start(vec![answer]);
        let error = client().get(&server.url("/"), 9).await.unwrap_err();
        assert!(matches!(error.failure(), Failure::TooLarge { limit: 9 }), "{error:?}");
    }
}

#[tokio::test]
async fn a_content_of_another_size_is_refused_before_anything_is_written() {
    let server = Server::start(vec![Answer::ok(BODY)]);
    let (result, sink) = download(&server, Some(11)).await;
    assert_eq!(result.unwrap_err().failure().to_string(), "expected 11 bytes, the server offers 10");
    assert_eq!(sink, b"");
    let server = Server::start(vec![Answer::new("200 OK", &[], BODY)]);
    let (result, sink) = download(&server, Some(9)).await;
    assert!(matches!(result.unwrap_err().failure(), Failure::TooLarge { limit: 9 }));
    assert!(sink.len() <= 9);
}

#[tokio::test]
async fn redirects_are_followed_and_loops_are_not() {
    let server = Server::start(vec![
        Answer::new("302 Found", &["Location: /b?x=1", "Content-Length: 0"], b""),
        Answer::new("308 Permanent Redirect", &["Location: c", "Content-Length: 0"], b""),
        Answer::ok(BODY),
    ]);
    assert_eq!(client().get(&server.url("/a"), 10).await.unwrap(), BODY);
    assert_eq!(server.requests(), ["GET /a HTTP/1.1", "GET /b?x=1 HTTP/1.1", "GET /c HTTP/1.1"]);

    let round = || Answer::new("302 Found", &["Location: /a", "Content-Length: 0"], b"");
    let server = Server::start((0..11).map(|_| round()).collect());
    let error = client().get(&server.url("/a"), 10).await.unwrap_err();
    assert!(matches!(error.failure(), Failure::Redirect { .. }), "{error:?}");
    assert_eq!(server.requests().len(), 11);
}

#[tokio::test]
async fn a_redirect_to_another_host_needs_leave_and_takes_no_credentials_along() {
    let other = Server::start(vec![Answer::ok(BODY)]);
    let location = format!("Location: {}", other.url("/b").replace("127.0.0.1", "localhost"));
    let server =
        Server::start((0..2).map(|_| Answer::new("302 Found", &[&location, "Content-Length: 0"], b"")).collect());
    let url = server.url("/a").replace("http://", "http://user:secret@");
    let hosts = ["127.0.0.1".to_owned()];
    let error = client().limited_to(&hosts).get(&url, 10).await.unwrap_err();
    assert_eq!(error.failure().to_string(), "`localhost` is not among the hosts that are allowed (127.0.0.1)");
    assert!(!chain(&error).contains("secret"), "{}", chain(&error));
    assert_eq!(client().get(&url, 10).await.unwrap(), BODY);
    assert!(server.requests()[0].contains("authorization: Basic"));
    assert_eq!(other.requests(), ["GET /b HTTP/1.1"]);
}

#[tokio::test]
async fn a_silent_server_times_out() {
    let server = Server::start(vec![
        Answer { bytes: Vec::new(), hang: true },
        Answer::new("200 OK", &[LENGTH, TAG], &BODY[..4]).hanging(),
        Answer::new("206 Partial Content", &["Content-Range: bytes 4-9/10", "Content-Length: 6", TAG], &BODY[4..]),
    ]);
    let client = Client::new(ClientOptions { read_timeout: Duration::from_millis(500), ..options() }).unwrap();
    let mut sink = Vec::new();
    let result = client.download(&server.url("/file"), &mut sink, Some(10), &|_, _| ()).await;
    assert_eq!((result.unwrap(), sink.as_slice()), (10, BODY));
    assert_eq!(server.requests()[2], "GET /file HTTP/1.1; range: bytes=4-; if-range: \"one\"");
}

#[tokio::test]
async fn a_refused_connection_says_which() {
    let unused = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let error = client().get(&format!("http://user:secret@{unused}/a"), 10).await.unwrap_err();
    assert_eq!(
        chain(&error),
        format!(
            "cannot fetch `http://***@{unused}/a` (3 attempts): no connection to `{unused}`: Connection refused (os error 111)"
        )
    );
    assert!(error.is_transient());
}

#[tokio::test]
async fn a_sink_that_fails_ends_the_download() {
    struct Full;
    impl io::Write for Full {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::StorageFull.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let server = Server::start(vec![Answer::ok(BODY)]);
    let error = client().download(&server.url("/"), &mut Full, None, &|_, _| ()).await.unwrap_err();
    assert_eq!((error.attempts(), error.is_transient()), (1, false));
    assert!(chain(&error).ends_with("cannot write what was received: no storage space"), "{}", chain(&error));
}

#[tokio::test]
async fn an_address_that_is_none_is_refused_without_an_attempt() {
    let error = client().get("file:///etc/passwd", 10).await.unwrap_err();
    assert_eq!(
        chain(&error),
        "cannot fetch `file:///etc/passwd`: not an address for http or https: `file` is neither http nor https"
    );
    assert_eq!(error.attempts(), 0);
}

/// The solver fetches on many tasks at once.
#[test]
fn futures_and_clients_can_move_between_threads() {
    fn is_send<T: Send>(_: T) {}
    let client = client();
    let mut sink = Vec::new();
    is_send(client.clone());
    is_send(client.get("http://host/", 1));
    is_send(client.download("http://host/", &mut sink, None, &|_, _| ()));
}
