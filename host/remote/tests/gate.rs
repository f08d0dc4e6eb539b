// SPDX-License-Identifier: Apache-2.0
//! The gate, by what crosses the wire.

#![allow(clippy::unwrap_used, reason = "a test ends where it is surprised")]

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc;
use std::time::Duration;

use wythe_remote::{Exchange, Gate, GateOptions, MachineProxies, Request, Traffic};

/// A server that answers each connection with the same bytes, and tells what it was sent.
fn server(answer: &'static str) -> (u16, mpsc::Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (tell, told) = mpsc::channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                if stream.read(&mut byte).unwrap() == 0 {
                    break;
                }
                request.push(byte[0]);
            }
            stream.write_all(answer.as_bytes()).unwrap();
            let _nobody_listens = tell.send(String::from_utf8(request).unwrap());
        }
    });
    (port, told)
}

fn gate(hosts: &[String], proxies: MachineProxies) -> (Gate, SocketAddr) {
    gate_knowing(hosts, proxies, BTreeMap::new())
}

fn gate_knowing(
    hosts: &[String],
    proxies: MachineProxies,
    extra_hosts: BTreeMap<String, Vec<IpAddr>>,
) -> (Gate, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let hosts = hosts.iter().map(|host| host.parse().unwrap()).collect();
    let options = GateOptions { hosts, extra_hosts, proxies, connect_timeout: Duration::from_secs(10) };
    (Gate::open(options, listener).unwrap(), address)
}

/// Says something to the gate and returns all that comes back.
fn ask(gate: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(gate).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

const HELLO: &str = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\nconnection: close\r\n\r\nhello";

fn get(host: &str) -> String {
    format!(
        "GET http://{host}/a?token=x HTTP/1.1\r\nHost: somewhere.else\r\nProxy-Authorization: Basic eA==\r\nConnection: close, X-Hop\r\nX-Hop: 1\r\nX-End: 1\r\n\r\n"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn plain_http_reaches_what_was_named_as_what_was_named() {
    let (port, told) = server(HELLO);
    let named = format!("localhost:{port}");
    let (gate, at) = gate(std::slice::from_ref(&named), MachineProxies::default());
    let answer = ask(at, &get(&named));
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("\r\n\r\nhello"), "{answer}");
    let asked = told.recv().unwrap();
    assert_eq!(asked, format!("GET /a?token=x HTTP/1.1\r\nhost: {named}\r\nx-end: 1\r\n\r\n"));
    let request = Request { method: "GET".into(), url: format!("http://{named}/a?…"), status: Some(200) };
    let exchanges = [(named, Exchange { connections: 1, sent: 0, received: 5 })].into();
    assert_eq!(gate.close(), Traffic { exchanges, requests: vec![request], ..Traffic::default() });
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_not_named_is_refused_with_what_to_write() {
    let (port, told) = server(HELLO);
    let (gate, at) = gate(&["pypi.org".into(), "*.example.com".into()], MachineProxies::default());
    let literal = format!("127.0.0.1:{port}");
    for (wanted, request) in [
        (literal.clone(), get(&literal)),
        (format!("localhost:{port}"), format!("CONNECT localhost:{port} HTTP/1.1\r\n\r\n")),
        ("pypi.org:22".into(), "CONNECT pypi.org:22 HTTP/1.1\r\nHost: pypi.org:443\r\n\r\n".into()),
        ("[::1]:8443".into(), "CONNECT [::1]:8443 HTTP/1.1\r\n\r\n".into()),
        ("169.254.169.254".into(), get("169.254.169.254")),
        ("pypi.org.evil.test".into(), "CONNECT pypi.org.evil.test:443 HTTP/1.1\r\n\r\n".into()),
    ] {
        let add = format!("network = [\"*.example.com\", \"pypi.org\", \"{wanted}\"]");
        let answer = ask(
            at,
            &request.replace("Connection: close, X-Hop", "Connection: close").replacen(
                "HTTP/1.1\r\n",
                "HTTP/1.1\r\nConnection: close\r\n",
                1,
            ),
        );
        let first = answer.lines().next().unwrap();
        assert!(first.starts_with("HTTP/1.1 403 wythe: ") && first.ends_with(&add), "{answer}");
    }
    for request in [
        "GET / HTTP/1.1\r\nHost: pypi.org\r\nConnection: close\r\n\r\n",
        "GET https://pypi.org/ HTTP/1.1\r\nConnection: close\r\n\r\n",
        "CONNECT pypi.org HTTP/1.1\r\nConnection: close\r\n\r\n",
    ] {
        let answer = ask(at, request);
        assert!(answer.starts_with("HTTP/1.1 4"), "{answer}");
    }
    assert!(told.try_recv().is_err(), "something was reached");
    let traffic = gate.close();
    assert_eq!((traffic.exchanges.len(), traffic.requests.len()), (0, 0));
    assert!(traffic.refused.contains_key(&literal), "{traffic:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tunnel_passes_bytes_both_ways_also_through_the_machines_proxy() {
    let (port, told) = server("PONG");
    let named = format!("localhost:{port}");
    let (outer, outer_at) = gate(std::slice::from_ref(&named), MachineProxies::default());
    let proxy = format!("http://me:secret@{outer_at}");
    let proxies = MachineProxies { all: proxy, ..MachineProxies::default() };
    let (inner, inner_at) = gate(std::slice::from_ref(&named), proxies);
    let request = format!("CONNECT {named} HTTP/1.1\r\nHost: {named}\r\n\r\nPING\r\n\r\n");
    let answer = ask(inner_at, &request);
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("PONG"), "{answer}");
    assert_eq!(told.recv().unwrap(), "PING\r\n\r\n");
    let exchanges = [(named, Exchange { connections: 1, sent: 8, received: 4 })].into();
    let traffic = Traffic { exchanges, ..Traffic::default() };
    assert_eq!((inner.close(), outer.close()), (traffic.clone(), traffic));
}

#[tokio::test(flavor = "multi_thread")]
async fn plain_http_goes_through_the_machines_proxy_with_its_password() {
    let (port, told) = server(HELLO);
    let proxies = MachineProxies { http: format!("http://me:secret@127.0.0.1:{port}"), ..MachineProxies::default() };
    let (_gate, at) = gate(&["mirror.example".into()], proxies);
    assert!(ask(at, &get("mirror.example")).ends_with("hello"));
    let asked = told.recv().unwrap();
    assert!(asked.starts_with("GET http://mirror.example/a?token=x HTTP/1.1\r\n"), "{asked}");
    assert!(asked.contains("proxy-authorization: Basic bWU6c2VjcmV0\r\n"), "{asked}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_leads_where_somebody_says_past_resolvers_and_proxies() {
    let (port, told) = server(HELLO);
    // Nobody listens on port 1 of this machine.
    let proxies = MachineProxies { all: "http://127.0.0.1:1".to_owned(), ..MachineProxies::default() };
    let extra_hosts = [("Db.Internal.test".to_owned(), vec!["127.0.0.1".parse().unwrap()])].into();
    let named = format!("db.internal.test:{port}");
    let (gate, at) = gate_knowing(std::slice::from_ref(&named), proxies, extra_hosts);
    assert!(ask(at, &get(&named)).ends_with("hello"));
    assert!(told.recv().unwrap().contains(&format!("host: {named}\r\n")));
    // That it leads somewhere does not open what was not named.
    let answer = ask(at, &get(&format!("other.internal.test:{port}")));
    assert!(answer.starts_with("HTTP/1.1 403 "), "{answer}");
    drop(gate);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gate_that_is_closed_lets_nothing_through() {
    let (port, _told) = server(HELLO);
    let named = format!("localhost:{port}");
    let (gate, at) = gate(std::slice::from_ref(&named), MachineProxies::default());
    let mut open = TcpStream::connect(at).unwrap();
    open.write_all(format!("CONNECT {named} HTTP/1.1\r\n\r\n").as_bytes()).unwrap();
    let mut first = [0; 12];
    open.read_exact(&mut first).unwrap();
    assert_eq!(&first, b"HTTP/1.1 200");
    drop(gate);
    let mut rest = Vec::new();
    // Ended, in whichever way.
    let _reset = open.read_to_end(&mut rest);
    assert!(!String::from_utf8_lossy(&rest).contains("hello"));
}
