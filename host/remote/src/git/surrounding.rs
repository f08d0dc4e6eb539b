// SPDX-License-Identifier: Apache-2.0
//! What surrounds a call of `git`: an environment and a configuration that hold what they have to and nothing else.

use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStringExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use wythe_plan::{GitTransport, GitUrl};

use super::{GitAccess, GitError, GitOptions, GitRefusal};

/// The configuration of `git`, in place of that of the machine and of the person.
///
/// A hook, a monitor, a helper or a filter is a program that a repository or a configuration names. Redirects are followed
/// only where the first answer sends, as is git's own way, and not at all with a token.
const CONFIGURATION: &str = "\
[core]
\thooksPath = /dev/null
\tfsmonitor = false
\tattributesFile = /dev/null
\texcludesFile = /dev/null
\tautocrlf = false
\tsymlinks = true
\tfileMode = true
\tlogAllRefUpdates = false
\tquotePath = true
[init]
\ttemplateDir =
\tdefaultBranch = main
[credential]
\thelper =
[http]
\tfollowRedirects = initial
[protocol]
\tversion = 2
[fetch]
\trecurseSubmodules = false
[gc]
\tauto = 0
[maintenance]
\tauto = false
[advice]
\tdetachedHead = false
";

/// Objects one by one, as they are written by themselves: how a server packs them differs from day to day.
const LOOSE: &str = "[transfer]\n\tunpackLimit = 2000000000\n[core]\n\tcompression = 6\n";

/// Where the program is, and all that it knows of its surroundings.
pub(super) struct Surrounding {
    pub(super) program: PathBuf,
    home: PathBuf,
    pub(super) environment: Vec<(OsString, OsString)>,
}

impl std::fmt::Debug for Surrounding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Surrounding").field("program", &self.program).finish_non_exhaustive()
    }
}

impl Surrounding {
    /// Makes the home of the program and what it is told.
    pub(super) fn prepare(
        options: &GitOptions,
        url: &GitUrl,
        access: &GitAccess,
        scratch: &Path,
    ) -> Result<Self, GitError> {
        let not_installed = || GitError::NotInstalled { searched: options.programs.clone() };
        let program = find("git", &options.programs).ok_or_else(not_installed)?;
        if url.transport() == GitTransport::Ssh && access.agent.is_none() {
            return Err(GitError::Refused { url: url.clone(), why: GitRefusal::NoAgent });
        }
        let home = scratch.join("home");
        fs::create_dir_all(&home).map_err(GitError::doing(format!("cannot make `{}`", home.display())))?;
        let mut environment = environment(options, url, access, &home);
        environment.extend(authorization(url, access)?);
        let surrounding = Self { program, home, environment };
        surrounding.configure(false)?;
        Ok(surrounding)
    }

    /// Writes the configuration.
    pub(super) fn configure(&self, keeps_git_dir: bool) -> Result<(), GitError> {
        let path = self.home.join(".gitconfig");
        let text = [CONFIGURATION, if keeps_git_dir { LOOSE } else { "" }].concat();
        fs::write(&path, text).map_err(GitError::doing(format!("cannot write `{}`", path.display())))
    }
}

fn find(name: &str, directories: &[PathBuf]) -> Option<PathBuf> {
    let is_program = |path: &PathBuf| {
        fs::metadata(path).is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
    };
    directories.iter().map(|directory| directory.join(name)).find(is_program)
}

fn environment(options: &GitOptions, url: &GitUrl, access: &GitAccess, home: &Path) -> Vec<(OsString, OsString)> {
    let path = std::env::join_paths(options.programs.iter().filter(|path| !path.to_string_lossy().contains(':')));
    let mut environment: Vec<(OsString, OsString)> = vec![
        ("PATH".into(), path.unwrap_or_default()),
        ("HOME".into(), home.into()),
        ("XDG_CONFIG_HOME".into(), home.into()),
        ("TMPDIR".into(), home.into()),
        ("GIT_CEILING_DIRECTORIES".into(), home.parent().and_then(Path::parent).unwrap_or(home).into()),
        ("GIT_ALLOW_PROTOCOL".into(), allowed(url.transport(), access).into()),
    ];
    for (name, value) in [
        ("LC_ALL", "C"),
        ("TERM", "dumb"),
        ("GIT_CONFIG_NOSYSTEM", "1"),
        ("GIT_ATTR_NOSYSTEM", "1"),
        ("GIT_TERMINAL_PROMPT", "0"),
        ("GIT_PROTOCOL_FROM_USER", "0"),
        ("GIT_NO_REPLACE_OBJECTS", "1"),
        ("GIT_LFS_SKIP_SMUDGE", "1"),
        ("GIT_SSH_VARIANT", "ssh"),
    ] {
        environment.push((name.into(), value.into()));
    }
    environment.extend(options.proxies.iter().map(|(name, value)| (name.into(), value.into())));
    if let Some(bundle) = &options.ca_bundle {
        environment.push(("GIT_SSL_CAINFO".into(), bundle.into()));
    }
    if let Some(agent) = &access.agent {
        environment.push(("SSH_AUTH_SOCK".into(), agent.into()));
        environment.push(("GIT_SSH_COMMAND".into(), ssh(&options.known_hosts).into()));
    }
    environment
}

/// The transports that a repository and its submodules may have: none that is less safe than the repository's own, and none that
/// is a program or a file of this machine.
fn allowed(transport: GitTransport, access: &GitAccess) -> &'static str {
    match (transport, access.agent.is_some()) {
        (GitTransport::Ssh, _) | (GitTransport::Https, true) => "https:ssh",
        (GitTransport::Https, false) => "https",
        (GitTransport::Http, false) => "https:http",
        (GitTransport::Http, true) => "https:http:ssh",
        (GitTransport::Git, false) => "https:http:git",
        (GitTransport::Git, true) => "https:http:git:ssh",
    }
}

/// The command that speaks ssh: no configuration, no keys but the agent's, no host that is not known.
fn ssh(known_hosts: &[PathBuf]) -> String {
    let options = [
        "BatchMode=yes",
        "StrictHostKeyChecking=yes",
        "IdentityFile=none",
        "ClearAllForwardings=yes",
        "PermitLocalCommand=no",
        "ProxyCommand=none",
        "ConnectTimeout=30",
    ];
    let mut command = "ssh -F none".to_owned();
    for option in options {
        command = command + " -o " + option;
    }
    let is_plain = |path: &&str| path.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/._-+".contains(&byte));
    let files: Vec<&str> = known_hosts.iter().filter_map(|path| path.to_str()).filter(is_plain).collect();
    if !files.is_empty() {
        command = format!("{command} -o 'UserKnownHostsFile={}'", files.join(" "));
    }
    command
}

/// The header that opens the door, for the host of the repository and no other. It goes by the environment, which other users
/// cannot read, as they can a command line. With it no redirect is followed: git sends it on to whatever host that leads to.
fn authorization(url: &GitUrl, access: &GitAccess) -> Result<Vec<(OsString, OsString)>, GitError> {
    let Some(value) = &access.authorization else { return Ok(Vec::new()) };
    let refuse = |why| Err(GitError::Refused { url: url.clone(), why });
    let is_local = url.host() == "localhost" || url.host().parse::<std::net::IpAddr>().is_ok_and(|it| it.is_loopback());
    match url.transport() {
        GitTransport::Https => {}
        GitTransport::Http if is_local => {}
        GitTransport::Http => return refuse(GitRefusal::InTheClear),
        // These do not know headers.
        GitTransport::Git | GitTransport::Ssh => return Ok(Vec::new()),
    }
    if value.iter().any(|byte| matches!(byte, b'\n' | b'\r' | 0)) {
        return refuse(GitRefusal::OddSecret);
    }
    let rest = url.as_str().find("://").map_or(0, |at| at + 3);
    let end = url.as_str()[rest..].find('/').map_or(url.as_str().len(), |at| rest + at);
    let server = format!("http.{}/", &url.as_str()[..end]);
    let header = OsString::from_vec([b"Authorization: ", &value[..]].concat());
    Ok(vec![
        ("GIT_CONFIG_COUNT".into(), "2".into()),
        ("GIT_CONFIG_KEY_0".into(), format!("{server}.extraHeader").into()),
        ("GIT_CONFIG_VALUE_0".into(), header),
        ("GIT_CONFIG_KEY_1".into(), format!("{server}.followRedirects").into()),
        ("GIT_CONFIG_VALUE_1".into(), "false".into()),
    ])
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::{GitAccess, GitOptions, allowed, authorization, environment, ssh};
    use wythe_plan::{GitTransport, GitUrl};

    fn url(text: &str) -> GitUrl {
        text.parse().unwrap()
    }

    #[test]
    fn a_token_is_for_one_host_and_not_for_everybody_on_the_way() {
        let access = GitAccess { authorization: Some(GitAccess::of_token(b"t")), agent: None };
        let told = authorization(&url("https://a.example:8443/x/y.git"), &access).unwrap();
        let told: Vec<_> = told.iter().map(|(_, value)| value.to_str().unwrap()).collect();
        assert_eq!(
            told,
            [
                "2",
                "http.https://a.example:8443/.extraHeader",
                "Authorization: basic eC1hY2Nlc3MtdG9rZW46dA==",
                "http.https://a.example:8443/.followRedirects",
                "false",
            ]
        );
        assert!(authorization(&url("http://127.0.0.1:80/x"), &access).is_ok());
        let error = authorization(&url("http://a.example/x"), &access).unwrap_err().to_string();
        assert!(error.contains("to everybody on the way") && !error.contains("eC1h"), "{error}");
        let odd = GitAccess { authorization: Some(b"a\nX: y".to_vec()), agent: None };
        assert!(authorization(&url("https://a.example/x"), &odd).is_err());
        assert!(authorization(&url("git://a.example/x"), &access).unwrap().is_empty());
        assert!(!format!("{access:?}").contains("eC1h"));
    }

    #[test]
    fn transports_are_none_of_this_machine_and_none_less_safe() {
        let (without, with) = (GitAccess::default(), GitAccess { agent: Some("/a".into()), ..GitAccess::default() });
        for (transport, closed, open) in [
            (GitTransport::Https, "https", "https:ssh"),
            (GitTransport::Http, "https:http", "https:http:ssh"),
            (GitTransport::Git, "https:http:git", "https:http:git:ssh"),
        ] {
            assert_eq!((allowed(transport, &without), allowed(transport, &with)), (closed, open));
        }
    }

    #[test]
    fn the_surroundings_are_what_is_given_and_nothing_else() {
        let mut options = GitOptions::new(vec!["/usr/bin".into(), "/a:b".into()]);
        options.proxies.insert("https_proxy".into(), "http://p:1".into());
        options.ca_bundle = Some("/ca.pem".into());
        let told = environment(&options, &url("https://a/b"), &GitAccess::default(), &PathBuf::from("/s/x/home"));
        let get = |name: &str| told.iter().find(|(known, _)| known == name).map(|(_, value)| value.to_str().unwrap());
        assert_eq!(get("PATH"), Some("/usr/bin"));
        assert_eq!(get("https_proxy"), Some("http://p:1"));
        assert_eq!(get("GIT_SSL_CAINFO"), Some("/ca.pem"));
        assert_eq!(get("GIT_CEILING_DIRECTORIES"), Some("/s"));
        assert_eq!((get("SSH_AUTH_SOCK"), get("GIT_SSH_COMMAND")), (None, None));
        let command = ssh(&["/home/a/.ssh/known_hosts".into(), "/odd'; id".into()]);
        assert!(command.ends_with(" -o 'UserKnownHostsFile=/home/a/.ssh/known_hosts'"), "{command}");
    }
}
