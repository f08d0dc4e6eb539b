// SPDX-License-Identifier: Apache-2.0
//! The smallest program of each architecture: it ends with 0 (ELF-64 Object File Format; `elf(5)`; `syscall(2)`).

use std::fs::File;
use std::io::Write as _;
use std::os::fd::AsRawFd as _;
use std::process::{Command, Stdio};

use rustix::fs::MemfdFlags;

/// The architectures that there is a program for, by Go's names.
pub(super) const ARCHITECTURES: [&str; 9] =
    ["386", "amd64", "arm", "arm64", "loong64", "mips64le", "ppc64le", "riscv64", "s390x"];

/// What differs from architecture to architecture.
struct Kind {
    is_64: bool,
    is_big: bool,
    /// `e_machine`.
    machine: u16,
    /// `e_flags`.
    flags: u32,
    /// The call `exit(0)`, as it lies in memory.
    code: &'static [u8],
}

/// Returns a program; none for an architecture that is not known here.
pub(super) fn program(architecture: &str) -> Option<Vec<u8>> {
    kind(architecture).map(|kind| kind.program())
}

fn kind(architecture: &str) -> Option<Kind> {
    let little = |is_64, machine, flags, code| Some(Kind { is_64, is_big: false, machine, flags, code });
    match architecture {
        // xor ebx, ebx; xor eax, eax; inc eax; int 0x80
        "386" => little(false, 3, 0, &[0x31, 0xdb, 0x31, 0xc0, 0x40, 0xcd, 0x80]),
        // xor edi, edi; mov eax, 60; syscall
        "amd64" => little(true, 62, 0, &[0x31, 0xff, 0xb8, 60, 0, 0, 0, 0x0f, 0x05]),
        // mov r0, #0; mov r7, #1; svc 0
        "arm" => little(false, 40, 0x0500_0200, &[0, 0, 0xa0, 0xe3, 1, 0x70, 0xa0, 0xe3, 0, 0, 0, 0xef]),
        // mov x0, #0; mov x8, #93; svc #0
        "arm64" => little(true, 183, 0, &[0, 0, 0x80, 0xd2, 0xa8, 0x0b, 0x80, 0xd2, 1, 0, 0, 0xd4]),
        // li.w $a0, 0; li.w $a7, 93; syscall 0
        "loong64" => little(true, 258, 0x43, &[0x04, 0, 0x80, 0x02, 0x0b, 0x74, 0x81, 0x02, 0, 0, 0x2b, 0]),
        // move a0, zero; li v0, 5058; syscall
        "mips64le" => little(true, 8, 0x6000_0000, &[0x25, 0x20, 0, 0, 0xc2, 0x13, 0x02, 0x24, 0x0c, 0, 0, 0]),
        // li r3, 0; li r0, 1; sc
        "ppc64le" => little(true, 21, 2, &[0, 0, 0x60, 0x38, 1, 0, 0, 0x38, 2, 0, 0, 0x44]),
        // li a0, 0; li a7, 93; ecall
        "riscv64" => little(true, 243, 0, &[0x13, 0x05, 0, 0, 0x93, 0x08, 0xd0, 0x05, 0x73, 0, 0, 0]),
        // lghi %r2, 0; svc 1
        "s390x" => Some(Kind { is_64: true, is_big: true, machine: 22, flags: 0, code: &[0xa7, 0x29, 0, 0, 0x0a, 1] }),
        _ => None,
    }
}

/// Where the program is in memory: a multiple of every page size.
const ADDRESS: u64 = 0x0040_0000;

impl Kind {
    /// Returns the file: its header, one segment that is the whole file, and the code.
    fn program(&self) -> Vec<u8> {
        let (header, segment) = if self.is_64 { (64u16, 56u16) } else { (52, 32) };
        let entry = u64::from(header + segment);
        let length = entry + self.code.len() as u64;
        let mut file = vec![0x7f, b'E', b'L', b'F', if self.is_64 { 2 } else { 1 }, if self.is_big { 2 } else { 1 }, 1];
        file.resize(16, 0);
        // ET_EXEC, the machine, the version, the entry point, where the segments are, where the sections are.
        [2, self.machine].into_iter().for_each(|half| self.half(&mut file, half));
        self.word(&mut file, 1);
        [ADDRESS + entry, u64::from(header), 0].into_iter().for_each(|long| self.long(&mut file, long));
        self.word(&mut file, self.flags);
        [header, segment, 1, 0, 0, 0].into_iter().for_each(|half| self.half(&mut file, half));
        // PT_LOAD, readable and executable.
        const LOAD: u32 = 1;
        const FLAGS: u32 = 5;
        self.word(&mut file, LOAD);
        if self.is_64 {
            self.word(&mut file, FLAGS);
        }
        [0, ADDRESS, ADDRESS, length, length].into_iter().for_each(|long| self.long(&mut file, long));
        if !self.is_64 {
            self.word(&mut file, FLAGS);
        }
        self.long(&mut file, 0x1_0000);
        file.extend(self.code);
        file
    }

    fn half(&self, file: &mut Vec<u8>, value: u16) {
        file.extend(if self.is_big { value.to_be_bytes() } else { value.to_le_bytes() });
    }

    fn word(&self, file: &mut Vec<u8>, value: u32) {
        file.extend(if self.is_big { value.to_be_bytes() } else { value.to_le_bytes() });
    }

    /// A field that is as long as an address.
    fn long(&self, file: &mut Vec<u8>, value: u64) {
        if !self.is_64 {
            return self.word(file, u32::try_from(value).expect("the program is below four gigabytes"));
        }
        file.extend(if self.is_big { value.to_be_bytes() } else { value.to_le_bytes() });
    }
}

/// Whether a program can be run here.
pub(super) fn runs(program: &[u8]) -> bool {
    // An emulator opens the file by its name, so that it stays open across the execution.
    let Ok(file) = rustix::fs::memfd_create("wythe-sample", MemfdFlags::empty()) else { return false };
    let mut file = File::from(file);
    if file.write_all(program).is_err() {
        return false;
    }
    let mut command = Command::new(format!("/proc/self/fd/{}", file.as_raw_fd()));
    let status = command.env_clear().stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::{ARCHITECTURES, program, runs};

    #[test]
    fn a_program_of_this_machine_runs() {
        let machine = if cfg!(target_arch = "x86_64") { "amd64" } else { "arm64" };
        assert!(runs(&program(machine).unwrap()));
        assert!(!runs(b"no program"));
    }

    /// The emulators that are installed say whether the others are programs.
    #[test]
    #[allow(clippy::print_stderr, reason = "a test that cannot run says why")]
    fn programs_of_other_machines_run_in_their_emulators() {
        for architecture in ARCHITECTURES {
            let name = match architecture {
                "386" => "i386",
                "amd64" => "x86_64",
                "arm64" => "aarch64",
                "loong64" => "loongarch64",
                "mips64le" => "mips64el",
                other => other,
            };
            let emulator = format!("/usr/bin/qemu-{name}-static");
            if !std::path::Path::new(&emulator).exists() {
                eprintln!("skipped for {architecture}: there is no {emulator} (package qemu-user-static)");
                continue;
            }
            let dir = tempfile::TempDir::new().unwrap();
            let path = dir.path().join("sample");
            std::fs::write(&path, program(architecture).unwrap()).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
            let status = std::process::Command::new(&emulator).arg(&path).status().unwrap();
            assert!(status.success(), "{architecture}: {status}");
        }
    }
}
