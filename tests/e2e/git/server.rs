// SPDX-License-Identifier: Apache-2.0
//! A server of git repositories on the loopback: git's own program behind a few lines of HTTP. It remembers which tokens it was
//! given.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;

/// Serves the bare repositories below a directory for as long as the process lives.
#[derive(Debug)]
pub(crate) struct Server {
    address: String,
    served: Arc<Served>,
}

#[derive(Debug, Default)]
struct Served {
    root: PathBuf,
    /// What has to be in the header `Authorization`.
    wanted: Option<String>,
    /// Where everybody is sent, whatever they ask for.
    elsewhere: Option<String>,
    /// The header `Authorization` of each request.
    given: Mutex<Vec<Option<String>>>,
}

impl Server {
    pub(crate) fn new(root: &Path, wanted: Option<&str>) -> Self {
        Self::start(Served { root: root.to_owned(), wanted: wanted.map(str::to_owned), ..Served::default() })
    }

    /// A server that sends everybody to another one.
    pub(crate) fn leading_to(other: &Self) -> Self {
        Self::start(Served { elsewhere: Some(other.address.clone()), ..Served::default() })
    }

    fn start(served: Served) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let served = Arc::new(served);
        let for_all = Arc::clone(&served);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let served = Arc::clone(&for_all);
                // A client that goes away has got what it wanted.
                thread::spawn(move || drop(answer(&served, stream)));
            }
        });
        Self { address, served }
    }

    /// Returns the header `Authorization` of each request since the last call.
    pub(crate) fn take_given(&self) -> Vec<Option<String>> {
        std::mem::take(&mut *self.served.given.lock().unwrap())
    }

    pub(crate) fn url(&self, name: &str) -> String {
        format!("http://{}/{name}", self.address)
    }
}

fn answer(served: &Served, mut stream: TcpStream) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut first = String::new();
    reader.read_line(&mut first)?;
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        match line.trim().split_once(':') {
            Some((name, value)) => headers.push((name.to_ascii_lowercase(), value.trim().to_owned())),
            None => break,
        }
    }
    let header = |name: &str| headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
    served.given.lock().unwrap().push(header("authorization").map(str::to_owned));
    let mut words = first.split(' ');
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    if let Some(elsewhere) = &served.elsewhere {
        let place = format!("Location: http://{elsewhere}{target}");
        return write!(stream, "HTTP/1.1 302 Found\r\n{place}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    }
    if served.wanted.as_deref().is_some_and(|wanted| header("authorization") != Some(wanted)) {
        let refusal = "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic realm=\"r\"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
        return stream.write_all(refusal.as_bytes());
    }
    let mut body = vec![0; header("content-length").and_then(|text| text.parse().ok()).unwrap_or(0)];
    reader.read_exact(&mut body)?;
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let mut command = Command::new("git");
    command.arg("http-backend").env("GIT_PROJECT_ROOT", &served.root).env("GIT_HTTP_EXPORT_ALL", "1");
    command.env("REQUEST_METHOD", method).env("PATH_INFO", path).env("QUERY_STRING", query);
    command.env("CONTENT_LENGTH", body.len().to_string());
    for (variable, name) in [
        ("CONTENT_TYPE", "content-type"),
        ("HTTP_CONTENT_ENCODING", "content-encoding"),
        ("GIT_PROTOCOL", "git-protocol"),
    ] {
        command.env(variable, header(name).unwrap_or_default());
    }
    // Repositories of tests belong to whoever runs them.
    command.env("GIT_CONFIG_COUNT", "1").env("GIT_CONFIG_KEY_0", "safe.directory").env("GIT_CONFIG_VALUE_0", "*");
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
    let mut input = child.stdin.take().unwrap();
    input.write_all(&body)?;
    drop(input);
    let output = child.wait_with_output()?.stdout;
    let split = output.windows(4).position(|window| window == b"\r\n\r\n").unwrap_or(output.len());
    let head = String::from_utf8_lossy(&output[..split]).into_owned();
    let status = head.lines().find_map(|line| line.strip_prefix("Status: ")).unwrap_or("200 OK");
    let rest = output.get(split + 4..).unwrap_or_default();
    let length = rest.len();
    write!(stream, "HTTP/1.1 {status}\r\n{head}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n")?;
    stream.write_all(rest)
}
