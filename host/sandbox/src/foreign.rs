// SPDX-License-Identifier: Apache-2.0
//! Programs of another architecture than this machine's: whether the kernel runs them, and by what.
//!
//! Some it runs itself (`386` on `amd64`, `arm` on `arm64`, where it was built for that). All others are run by an emulator
//! that somebody has registered as the interpreter of a binary format (Linux, `admin-guide/binfmt-misc.rst`). Inside a
//! sandbox that works where the interpreter was opened when it was registered, flag `F`: its path means nothing there.

mod registry;
mod sample;

use std::fmt;
use std::path::{Path, PathBuf};

use registry::{Format, Registry};

/// Where the kernel shows its binary formats.
pub const BINARY_FORMATS: &str = "/proc/sys/fs/binfmt_misc";

/// How programs of an architecture are run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Way {
    /// By the processor.
    Native,
    /// By an emulator.
    Emulated {
        /// The emulator; none where the kernel runs the programs and does not show by what.
        interpreter: Option<PathBuf>,
    },
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Native => f.write_str("by itself"),
            Self::Emulated { interpreter: Some(path) } => write!(f, "by {}", path.display()),
            Self::Emulated { interpreter: None } => f.write_str("by an emulator"),
        }
    }
}

/// Why programs of an architecture cannot be run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ForeignError {
    /// Nobody has registered anything for them.
    #[error("no emulator of it is registered with the kernel")]
    NoEmulator,
    /// What is registered is switched off.
    #[error("the emulator that is registered for it as `{format}` is switched off")]
    SwitchedOff {
        /// What the kernel calls the format.
        format: String,
    },
    /// What is registered is looked for inside the sandbox, and not there.
    #[error(
        "the emulator that is registered for it as `{format}`, {}, has not the flag `F`: inside a sandbox it is not found", interpreter.display()
    )]
    NotFixed {
        /// What the kernel calls the format.
        format: String,
        /// The emulator.
        interpreter: PathBuf,
    },
}

/// Returns how programs of an architecture are run on a machine, both by Go's names. `formats` is where the kernel shows its
/// binary formats.
///
/// # Errors
///
/// Says why they cannot be run.
pub fn way_to_run(architecture: &str, machine: &str, formats: &Path) -> Result<Way, ForeignError> {
    if architecture == machine {
        return Ok(Way::Native);
    }
    let sample = sample::program(architecture).ok_or(ForeignError::NoEmulator)?;
    if COUSINS.contains(&(architecture, machine)) && sample::runs(&sample) {
        return Ok(Way::Native);
    }
    // Where the kernel does not show its formats there may be some all the same: in a container they are those of the machine.
    let Some(registry) = Registry::read(formats) else {
        let runs = sample::runs(&sample);
        return if runs { Ok(Way::Emulated { interpreter: None }) } else { Err(ForeignError::NoEmulator) };
    };
    let fitting: Vec<&Format> = registry.formats.iter().filter(|format| format.matches(&sample)).collect();
    let usable = |format: &&&Format| registry.is_on && format.is_on && format.is_fixed;
    match (fitting.iter().find(usable), fitting.first()) {
        (Some(format), _) => Ok(Way::Emulated { interpreter: Some(format.interpreter.clone()) }),
        (None, None) => Err(ForeignError::NoEmulator),
        (None, Some(Format { name, is_on, .. })) if !is_on || !registry.is_on => {
            Err(ForeignError::SwitchedOff { format: name.clone() })
        }
        (None, Some(Format { name, interpreter, .. })) => {
            Err(ForeignError::NotFixed { format: name.clone(), interpreter: interpreter.clone() })
        }
    }
}

/// Architectures of which a machine may run programs by itself.
const COUSINS: [(&str, &str); 2] = [("386", "amd64"), ("arm", "arm64")];

/// Returns the architectures whose programs can be run on a machine, and how; its own comes first.
#[must_use]
pub fn ways_to_run(machine: &str, formats: &Path) -> Vec<(&'static str, Result<Way, ForeignError>)> {
    let mut found: Vec<_> =
        sample::ARCHITECTURES.into_iter().map(|name| (name, way_to_run(name, machine, formats))).collect();
    found.sort_by_key(|(name, _)| *name != machine);
    found
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{ForeignError, Way, way_to_run};

    /// What the packages of Debian register.
    const ARM64: &str = "enabled\ninterpreter /usr/libexec/qemu-aarch64\nflags: OCF\noffset 0\n\
        magic 7f454c460201010000000000000000000200b700\nmask ffffffffffffff00fffffffffffffffffeffffff\n";

    fn ask(status: &str, formats: &[(&str, String)], architecture: &str) -> Result<Way, ForeignError> {
        let dir = tempfile::TempDir::new().unwrap();
        let write = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).unwrap();
        write("status", status);
        write("register", "");
        formats.iter().for_each(|(name, text)| write(name, text));
        way_to_run(architecture, "s390x", dir.path())
    }

    #[test]
    fn an_emulator_that_is_opened_beforehand_runs_foreign_programs() {
        let formats = [
            ("python3", "enabled\ninterpreter /usr/bin/python3\nflags: \nextension .pyc\n".to_owned()),
            ("qemu-aarch64", ARM64.to_owned()),
        ];
        let found = ask("enabled\n", &formats, "arm64");
        assert_eq!(found, Ok(Way::Emulated { interpreter: Some("/usr/libexec/qemu-aarch64".into()) }));
        assert_eq!(ask("enabled\n", &formats, "riscv64"), Err(ForeignError::NoEmulator));
        assert_eq!(ask("enabled\n", &formats, "vax"), Err(ForeignError::NoEmulator));
        assert_eq!(ask("enabled\n", &[], "s390x"), Ok(Way::Native));
    }

    #[test]
    fn what_stands_in_the_way_is_said() {
        let format = || "qemu-aarch64".to_owned();
        let off = Err(ForeignError::SwitchedOff { format: format() });
        let disabled = [("qemu-aarch64", ARM64.replace("enabled", "disabled"))];
        assert_eq!(ask("enabled\n", &disabled, "arm64"), off);
        assert_eq!(ask("disabled\n", &[("qemu-aarch64", ARM64.to_owned())], "arm64"), off);
        let loose = [("qemu-aarch64", ARM64.replace("OCF", "OC"))];
        let interpreter = "/usr/libexec/qemu-aarch64".into();
        assert_eq!(ask("enabled\n", &loose, "arm64"), Err(ForeignError::NotFixed { format: format(), interpreter }));
        // One of several that can be used is enough.
        let both = [("a", ARM64.replace("OCF", "")), ("b", ARM64.to_owned())];
        assert!(ask("enabled\n", &both, "arm64").is_ok());
    }

    #[test]
    fn what_the_kernel_does_not_show_is_tried() {
        let none = Path::new("/nowhere/at/all");
        let machine = if cfg!(target_arch = "x86_64") { "amd64" } else { "arm64" };
        // A program of this machine's own, as if it were another one's.
        assert_eq!(way_to_run(machine, "vax", none), Ok(Way::Emulated { interpreter: None }));
    }
}
