// SPDX-License-Identifier: Apache-2.0
//! An HTTP server that gives scripted answers, one a connection, and remembers what it was asked.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

/// One answer, byte for byte; `hang` keeps the connection open without a word until the client leaves.
pub(crate) struct Answer {
    pub(crate) bytes: Vec<u8>,
    pub(crate) hang: bool,
}

pub(crate) struct Server {
    address: String,
    requests: Arc<Mutex<Vec<String>>>,
    thread: JoinHandle<()>,
}

impl Answer {
    pub(crate) fn new(status: &str, headers: &[&str], body: &[u8]) -> Self {
        let mut head = format!("HTTP/1.1 {status}\r\nConnection: close\r\n");
        for header in headers {
            head = head + header + "\r\n";
        }
        Self { bytes: [head.as_bytes(), b"\r\n", body].concat(), hang: false }
    }

    /// A complete answer with its length.
    pub(crate) fn ok(body: &[u8]) -> Self {
        Self::new("200 OK", &[&format!("Content-Length: {}", body.len())], body)
    }

    pub(crate) fn status(status: &str) -> Self {
        Self::new(status, &["Content-Length: 0"], b"")
    }

    pub(crate) fn hanging(mut self) -> Self {
        self.hang = true;
        self
    }
}

impl Server {
    /// Serves the answers in order and then stops listening.
    pub(crate) fn start(answers: Vec<Answer>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&requests);
        let thread = thread::spawn(move || {
            for answer in answers {
                let (stream, _) = listener.accept().unwrap();
                serve(stream, &answer, &seen);
            }
        });
        Self { address, requests, thread }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Waits until all answers were given and returns the requests: first lines and the headers that matter here.
    pub(crate) fn requests(self) -> Vec<String> {
        self.thread.join().unwrap();
        Arc::into_inner(self.requests).unwrap().into_inner().unwrap()
    }
}

fn serve(mut stream: TcpStream, answer: &Answer, seen: &Mutex<Vec<String>>) {
    let mut request = Vec::new();
    for line in BufReader::new(&stream).lines() {
        let line = line.unwrap();
        if line.is_empty() {
            break;
        }
        let name = line.split(':').next().unwrap_or_default().to_ascii_lowercase();
        if request.is_empty() || matches!(name.as_str(), "range" | "if-range" | "authorization") {
            request.push(line);
        }
    }
    seen.lock().unwrap().push(request.join("; "));
    // A client that has read enough leaves in the middle.
    drop(stream.write_all(&answer.bytes));
    if answer.hang {
        drop(stream.read(&mut [0]));
    }
}
