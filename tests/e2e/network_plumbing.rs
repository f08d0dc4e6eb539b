// SPDX-License-Identifier: Apache-2.0
//! A certificate authority that only this machine knows: steps reach what it vouches for, and the image has no trace.

use std::process::{Child, Command, Stdio};

use wythe_tests::{Bench, debian, is_installed, run};

/// A server of `https://localhost` whose certificate is signed by an authority made for the test.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        // The test is over either way.
        let _gone = self.0.kill();
        let _reaped = self.0.wait();
    }
}

const SERVER: &str = "import http.server, ssl, sys
server = http.server.HTTPServer(('127.0.0.1', 0), http.server.SimpleHTTPRequestHandler)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain('server.pem', 'server.key')
server.socket = context.wrap_socket(server.socket, server_side=True)
print(server.server_address[1], flush=True)
server.serve_forever()";

fn serve(bench: &Bench) -> (Server, String) {
    use std::io::{BufRead as _, BufReader};
    let script = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj '/CN=Test Authority' -keyout ca.key -out ca.pem 2>/dev/null
        openssl req -newkey rsa:2048 -nodes -subj '/CN=localhost' -keyout server.key -out server.csr 2>/dev/null
        printf 'subjectAltName=DNS:localhost' > san
        openssl x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile san -out server.pem 2>/dev/null";
    let made = Command::new("sh").args(["-ec", script]).current_dir(bench.dir()).status().unwrap();
    assert!(made.success(), "openssl made no certificate");
    bench.file("answer", "reached\n").file("server.py", SERVER);
    let mut child = Command::new("python3")
        .arg("server.py")
        .current_dir(bench.dir())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut port = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut port).unwrap();
    (Server(child), port.trim().to_owned())
}

#[test]
fn network_an_authority_of_the_machine_is_lent_and_leaves_no_trace() {
    if !is_installed("openssl") || !is_installed("python3") {
        return;
    }
    let bench = Bench::shared();
    let (_server, port) = serve(&bench);
    let system = std::fs::read_to_string("/etc/ssl/certs/ca-certificates.crt").unwrap_or_default();
    let own = std::fs::read_to_string(bench.dir().join("ca.pem")).unwrap();
    bench.file("bundle.pem", &format!("{system}{own}"));
    bench.definition(&format!(
        "{}[[steps]]\nkind = \"run\"\ncommands = [\"python -c \\\"import urllib.request as r; print(r.urlopen('https://localhost:{port}/answer').read().decode())\\\" > /answer\"]\n",
        debian(", python = \"3.11\"")
    ));
    let ended: wythe_tests::Ended = bench
        .command(&["build", "-t", "plumbing-test"])
        .env("SSL_CERT_FILE", bench.dir().join("bundle.pem"))
        .output()
        .unwrap()
        .into();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);

    let layout = bench.dir().join("layout").display().to_string();
    bench.wythe(&["save", "plumbing-test", "--format", "oci-dir", "-o", &layout]).stdout();
    let line = own.lines().nth(1).unwrap();
    let found = run("grep", &["-rlF", line, &layout]);
    assert_eq!((found.code, found.stdout.as_str()), (Some(1), ""), "the authority is in the image");
    let found = run("grep", &["-rlF", "SSL_CERT_FILE=", &format!("{layout}/index.json")]);
    assert_eq!(found.code, Some(1));
    let history = bench.wythe(&["inspect", "plumbing-test"]).stdout();
    assert!(!history.contains("ca-certificates.crt"), "{history}");
}
