// SPDX-License-Identifier: Apache-2.0
//! A company's proxy that opens TLS with an authority of its own: what the builder is told of it reaches every step, and
//! neither the image nor a key.

use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};

use wythe_tests::{Bench, Ended, debian, is_installed, run};

/// `mitmdump` between this machine and all others.
struct Proxy {
    child: Child,
    port: u16,
}

impl Drop for Proxy {
    fn drop(&mut self) {
        // The test is over either way.
        let _gone = self.child.kill();
        let _reaped = self.child.wait();
    }
}

const SYSTEM_BUNDLE: &str = "/etc/ssl/certs/ca-certificates.crt";

impl Proxy {
    fn start(bench: &Bench) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let log = std::fs::File::create(bench.dir().join("flows")).unwrap();
        let mut command = Command::new("mitmdump");
        command.args(["--listen-host", "127.0.0.1", "--listen-port", &port.to_string(), "--set"]);
        command.arg(format!("confdir={}", bench.dir().join("mitm").display()));
        // The machine may itself be behind such a proxy.
        command.args([
            "--set",
            &format!("ssl_verify_upstream_trusted_ca={SYSTEM_BUNDLE}"),
            "--set",
            "stream_large_bodies=64k",
        ]);
        command.args(["--set", "flow_detail=1", "--set", "termlog_verbosity=info"]);
        let child = command.env("PYTHONUNBUFFERED", "1").stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut proxy = Self { child, port };
        let mut lines = BufReader::new(proxy.child.stdout.take().unwrap()).lines();
        let is_listening = lines.by_ref().map_while(Result::ok).any(|line| line.contains("listening"));
        assert!(is_listening, "mitmdump did not start");
        std::thread::spawn(move || {
            use std::io::Write as _;
            let mut log = log;
            for line in lines.map_while(Result::ok) {
                writeln!(log, "{line}").unwrap();
            }
        });
        proxy
    }
}

const STEPS: &str = r#"
[[steps]]
kind = "apt"
packages = ["curl"]

[[steps]]
kind = "run"
force = true
network = "host"
commands = ["apt-get -qq update && rm -rf /var/lib/apt/lists/*", "curl -fsS https://pypi.org/simple/six/ > /host"]

[[steps]]
kind = "run"
force = true
network = ["*"]
commands = [
    "apt-get -qq update && rm -rf /var/lib/apt/lists/*",
    "curl -fsS https://pypi.org/simple/six/ > /named",
    "python3 -m pip --version > /dev/null && python3 -m pip download --no-cache-dir --no-deps -q -d /wheels six==1.16.0",
]

[[steps]]
kind = "uv"
force = true
packages = ["six==1.16.0"]
"#;

#[test]
fn network_a_company_s_proxy_is_seen_by_every_step_and_by_nothing_else() {
    if !is_installed("mitmdump") {
        return;
    }
    let bench = Bench::shared();
    let proxy = Proxy::start(&bench);
    let authority = std::fs::read_to_string(bench.dir().join("mitm/mitmproxy-ca-cert.pem")).unwrap();
    let system = std::fs::read_to_string(SYSTEM_BUNDLE).unwrap_or_default();
    bench.file("bundle.pem", &format!("{system}{authority}"));
    let definition = format!("{}{STEPS}", debian(", python = \"3.11\""));
    bench.definition(&definition);
    let address = format!("http://127.0.0.1:{}", proxy.port);
    let mut command = bench.command(&["build", "-t", "behind-a-proxy"]);
    for name in ["http_proxy", "https_proxy", "HTTPS_PROXY"] {
        command.env(name, &address);
    }
    let built: Ended = command.env("SSL_CERT_FILE", bench.dir().join("bundle.pem")).output().unwrap().into();
    assert_eq!(built.code, Some(0), "{}", built.stderr);
    let flows = std::fs::read_to_string(bench.dir().join("flows")).unwrap();
    for host in ["InRelease", "https://pypi.org/simple/six", "files.pythonhosted.org"] {
        assert!(flows.contains(host), "{host} was not fetched through the proxy:\n{flows}");
    }

    // No key has it: without the proxy all of it is known.
    bench.definition(&definition.replace("force = true\n", ""));
    let again = bench.wythe(&["build", "--offline"]);
    assert_eq!((again.code, again.stdout), (Some(0), built.stdout), "{}", again.stderr);

    let layout = bench.dir().join("layout").display().to_string();
    bench.wythe(&["save", "behind-a-proxy", "--format", "oci-dir", "-o", &layout]).stdout();
    for trace in [authority.lines().nth(1).unwrap(), &format!("127.0.0.1:{}", proxy.port), "127.0.0.1:61080"] {
        let found = run(
            "sh",
            &[
                "-c",
                &format!(
                    "for blob in {layout}/blobs/sha256/*; do (zcat $blob 2>/dev/null || cat $blob) | grep -qF '{trace}' && echo $blob; done; true"
                ),
            ],
        );
        assert_eq!(found.stdout, "", "`{trace}` is in the image");
    }
}
