// SPDX-License-Identifier: Apache-2.0
//! The one place where the environment, the home directory and the clock are read. Below the roof they are values.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use wythe_image::Platform;
use wythe_sandbox::cdi::Places;
use wythe_sandbox::foreign::BINARY_FORMATS;
use wythe_solve::Machine;

use crate::way_out;

/// Where systems keep the certificate authorities that they trust, the commonest first.
const SYSTEM_BUNDLES: [&str; 5] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// Variables that tell programs of a proxy. Both cases are in use.
const PROXY_VARIABLES: [&str; 5] = ["http_proxy", "https_proxy", "ftp_proxy", "all_proxy", "no_proxy"];

/// Operations that run at once on the smallest machine: most of them wait for disks, networks and each other at times.
const LEAST_PARALLEL: usize = 4;

/// What the command line found around itself.
#[derive(Debug, Clone)]
pub(crate) struct Surroundings {
    variables: BTreeMap<OsString, OsString>,
}

impl Surroundings {
    #[allow(clippy::disallowed_methods, reason = "the command line is where the environment is read")]
    pub(crate) fn look() -> Self {
        Self { variables: std::env::vars_os().collect() }
    }

    /// Returns the bytes of a variable.
    pub(crate) fn bytes(&self, name: &str) -> Option<Vec<u8>> {
        self.variables.get(std::ffi::OsStr::new(name)).map(|value| value.as_bytes().to_vec())
    }

    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.variables.get(std::ffi::OsStr::new(name))?.to_str().filter(|value| !value.is_empty())
    }

    /// Returns the directory of the store: as given, else as the XDG base directory specification says.
    pub(crate) fn store_dir(&self, given: Option<&Path>) -> PathBuf {
        if let Some(dir) = given {
            return dir.to_owned();
        }
        let data = self.text("XDG_DATA_HOME").map(PathBuf::from).filter(|dir| dir.is_absolute());
        let home = || self.text("HOME").map_or_else(|| PathBuf::from("/root"), PathBuf::from);
        data.unwrap_or_else(|| home().join(".local/share")).join("wythe")
    }

    /// Returns where programs are, those of administrators too: they are not on everybody's path.
    pub(crate) fn program_directories(&self) -> Vec<PathBuf> {
        let path = self.text("PATH").unwrap_or_default();
        let named = path.split(':').filter(|directory| directory.starts_with('/'));
        named.chain(["/usr/local/sbin", "/usr/sbin", "/sbin"]).map(PathBuf::from).collect()
    }

    /// Returns what the engine needs to know of this machine.
    ///
    /// Steps share its network, whatever else there is, if somebody wants it.
    pub(crate) fn machine(&self, shares_network: bool) -> Machine {
        let ca_bundle = self.ca_bundle();
        let proxies = self.proxies();
        let has_loopback_proxy = !wythe_solve::loopback_ports(&proxies).is_empty();
        let programs = self.program_directories();
        Machine {
            platform: Platform::of_this_machine(),
            binary_formats: PathBuf::from(self.text("WYTHE_BINFMT_DIR").unwrap_or(BINARY_FORMATS)),
            ca_variables: self.variables_naming(ca_bundle.as_deref()),
            ca_bundle,
            way_out: way_out::look(&programs, has_loopback_proxy, shares_network),
            proxies,
            resolv_conf: PathBuf::from("/etc/resolv.conf"),
            hosts: PathBuf::from("/etc/hosts"),
            devices: self.device_places(),
            device_hooks: false,
            programs,
            known_hosts: self.known_hosts(),
            parallel: std::thread::available_parallelism().map_or(LEAST_PARALLEL, usize::from).max(LEAST_PARALLEL),
        }
    }

    /// Returns where the machine tells of its devices: where it does everywhere, or as two variables say, which tests set.
    fn device_places(&self) -> Places {
        let usual = Places::default();
        let specs = self.text("WYTHE_CDI_DIRS").map(|dirs| dirs.split(':').map(PathBuf::from).collect());
        let root = self.text("WYTHE_DRIVER_ROOT").map(PathBuf::from);
        Places { specs: specs.unwrap_or(usual.specs), root: root.unwrap_or(usual.root) }
    }

    /// Returns the files in which ssh has the hosts that are known: this person's, then everybody's.
    fn known_hosts(&self) -> Vec<PathBuf> {
        let own = self.text("HOME").map(|home| Path::new(home).join(".ssh/known_hosts"));
        own.into_iter().chain([PathBuf::from("/etc/ssh/ssh_known_hosts")]).filter(|path| path.is_file()).collect()
    }

    fn ca_bundle(&self) -> Option<PathBuf> {
        let named = self.text("SSL_CERT_FILE").map(PathBuf::from);
        named.into_iter().chain(SYSTEM_BUNDLES.map(PathBuf::from)).find(|path| path.is_file())
    }

    /// Returns the further variables by which this machine's own programs are told of the bundle: whatever program
    /// needs one of them here needs it in a step too.
    fn variables_naming(&self, bundle: Option<&Path>) -> Vec<String> {
        let Some(bundle) = bundle else { return Vec::new() };
        let names = self.variables.iter().filter(|(_, value)| Path::new(value) == bundle);
        names.filter_map(|(name, _)| name.to_str().map(str::to_owned)).collect()
    }

    fn proxies(&self) -> BTreeMap<String, String> {
        let both_cases = PROXY_VARIABLES.iter().flat_map(|name| [(*name).to_owned(), name.to_uppercase()]);
        both_cases.filter_map(|name| self.text(&name).map(|value| (name.clone(), value.to_owned()))).collect()
    }

    /// Returns the time that a build is to pretend, where somebody says so
    /// (<https://reproducible-builds.org/specs/source-date-epoch/>).
    pub(crate) fn source_date_epoch(&self) -> Option<Result<u64, String>> {
        let text = self.text("SOURCE_DATE_EPOCH")?;
        Some(text.parse().map_err(|_| text.to_owned()))
    }

    /// Returns whether the environment asks for every step to run again.
    pub(crate) fn force_build(&self) -> bool {
        let said = self.text("WYTHE_FORCE_BUILD").map(str::to_lowercase);
        said.is_some_and(|said| !matches!(said.as_str(), "0" | "false" | "no" | "off" | "n" | "f"))
    }
}

/// Returns the present, in seconds since 1970.
#[allow(clippy::disallowed_methods, reason = "the command line is where the clock is read")]
pub(crate) fn now() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |time| i64::try_from(time.as_secs()).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use super::Surroundings;

    fn with(variables: &[(&str, &str)]) -> Surroundings {
        Surroundings { variables: variables.iter().map(|(name, value)| (name.into(), value.into())).collect() }
    }

    #[test]
    fn the_store_is_where_xdg_says() {
        let home = with(&[("HOME", "/home/ada")]);
        assert_eq!(home.store_dir(None), PathBuf::from("/home/ada/.local/share/wythe"));
        let data = with(&[("HOME", "/home/ada"), ("XDG_DATA_HOME", "/data")]);
        assert_eq!(data.store_dir(None), PathBuf::from("/data/wythe"));
        let relative = with(&[("HOME", "/home/ada"), ("XDG_DATA_HOME", "data")]);
        assert_eq!(relative.store_dir(None), PathBuf::from("/home/ada/.local/share/wythe"));
        assert_eq!(data.store_dir(Some(Path::new("s"))), PathBuf::from("s"));
    }

    #[test]
    fn a_variable_that_names_the_bundle_is_passed_on() {
        let here = with(&[("TOOL_CA", "/etc/passwd"), ("SSL_CERT_FILE", "/etc/passwd"), ("OTHER", "/etc/group")]);
        assert_eq!(here.machine(true).ca_variables, ["SSL_CERT_FILE", "TOOL_CA"]);
    }

    #[test]
    fn proxies_are_taken_in_both_cases() {
        let here = with(&[("HTTP_PROXY", "http://p:1"), ("no_proxy", "localhost"), ("https_proxy", "")]);
        let proxies = here.machine(true).proxies;
        assert_eq!(proxies.len(), 2);
        assert_eq!(proxies["HTTP_PROXY"], "http://p:1");
        assert_eq!(proxies["no_proxy"], "localhost");
    }
}
