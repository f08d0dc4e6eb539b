// SPDX-License-Identifier: Apache-2.0
//! Archives into the tree: decompressed ahead, applied strictly in order.

use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use super::write::Looks;
use super::{Attributes, EditError, Editor};
use crate::archive::ahead::{Ahead, Chunks, PLACES};
use crate::archive::zip::Zip;
use crate::archive::{Archive, ArchiveError, inside, line_of};
use crate::disk;
use crate::normalise::LeftOut;
use crate::tar::read::{Member, MemberKind, TarError, TarReader};
use crate::tree::Patterns;
use crate::union::{Found, Missing, Place};

/// Most members of one batch: ten times the largest system we know of, and a bound on what a hostile archive makes us keep.
const MAX_MEMBERS: u64 = 20_000_000;
/// Most bytes of one batch: a defence against archives that decompress without end.
const MAX_BYTES: u64 = 1 << 40;

/// An archive and where it goes.
#[derive(Debug, Clone)]
pub struct Unpack {
    /// The archive on the machine.
    pub path: PathBuf,
    /// How it is read.
    pub format: Archive,
    /// Directory in the tree.
    pub dest: PathBuf,
    /// File in the tree that gets the names of the archive's members, see [`archive_names`](crate::archive_names).
    pub names_to: Option<PathBuf>,
    /// Members that are left out, by their names in the archive.
    pub exclude: Patterns,
}

/// What unpacking did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Unpacked {
    /// Members of all archives.
    pub members: u64,
    /// What was passed over because a layer cannot hold it.
    pub left_out: Vec<LeftOut>,
}

/// Why archives were not unpacked. What came before the failing member is in the tree.
#[derive(Debug, thiserror::Error)]
pub enum UnpackError {
    /// The archive is at fault.
    #[error("cannot unpack `{}`", archive.display())]
    Archive {
        /// The archive on the machine.
        archive: PathBuf,
        /// What is wrong with it.
        source: ArchiveError,
    },
    /// A member could not be written.
    #[error("cannot unpack `{}` of `{}`", member.display().to_string().escape_debug(), archive.display())]
    Member {
        /// The archive on the machine.
        archive: PathBuf,
        /// The member's name in it.
        member: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The archives together hold more than anything sensible does.
    #[error("the archives hold more than {MAX_MEMBERS} members or {MAX_BYTES} bytes")]
    TooMuch,
    /// A list of names, or a directory, could not be written.
    #[error("cannot finish the unpacked tree")]
    Edit(#[source] EditError),
    /// The decompressing threads could not be started.
    #[error("cannot start a thread")]
    Thread(#[source] io::Error),
}

impl Unpack {
    /// Returns an archive to unpack whole below `dest`.
    #[must_use]
    pub fn new(path: PathBuf, format: Archive, dest: PathBuf) -> Self {
        Self { path, format, dest, names_to: None, exclude: Patterns::default() }
    }
}

/// One archive on its way into the tree.
struct Job<'a> {
    unpack: &'a Unpack,
    target: Target<'a>,
    names: Vec<String>,
}

/// Where members go, and how.
struct Target<'a> {
    attributes: &'a Attributes,
    /// Whether the directory of the archive's root was made for it.
    is_base_new: bool,
    is_package: bool,
}

/// What the batch may still take.
struct Allowance {
    members: u64,
    bytes: u64,
}

impl Editor {
    /// Unpacks archives in their order. Later members replace earlier ones and what is there.
    ///
    /// Members have the owner, mode, time and attributes that the archive says, but for what `attributes` says. A directory
    /// that meets a link to a directory follows it. What is no directory takes the place of one, with all that is in it, but
    /// not from packages. A directory that is there gets the member's attributes, except from
    /// packages and at the archive's root, where it keeps its own; a package's link leaves a directory in its place.
    /// Devices are left out. No link leads out of the destination: below it, it is the root. Links on the way to it are followed.
    ///
    /// # Errors
    ///
    /// When an archive is malformed or hostile: see [`UnpackError`].
    pub fn unpack(&mut self, archives: &[Unpack], attributes: &Attributes) -> Result<Unpacked, UnpackError> {
        let tars = archives.iter().filter(|unpack| unpack.format != Archive::Zip);
        let tars = tars.map(|unpack| (unpack.path.as_path(), unpack.format)).collect();
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let mut report = Unpacked::default();
        self.own_parents(attributes);
        let mut allowance = Allowance { members: MAX_MEMBERS, bytes: MAX_BYTES };
        std::thread::scope(|scope| {
            let mut ahead = Ahead::start(scope, tars, threads, &PLACES).map_err(UnpackError::Thread)?;
            for unpack in archives {
                let (mut job, base) = self.begin(unpack, attributes)?;
                self.tree.enter(base);
                let done = if unpack.format == Archive::Zip {
                    self.unzip(&mut job, &mut report, &mut allowance)
                } else if let Some(chunks) = ahead.next() {
                    self.untar(&mut job, chunks, &mut report, &mut allowance)
                } else {
                    Ok(())
                };
                self.tree.leave();
                done?;
                self.write_names(&job)?;
            }
            Ok(())
        })?;
        self.settle().map_err(|source| UnpackError::Edit(EditError::Write { path: PathBuf::from("/"), source }))?;
        Ok(report)
    }

    /// Makes the destination, and returns it beside the job.
    fn begin<'a>(&mut self, unpack: &'a Unpack, attributes: &'a Attributes) -> Result<(Job<'a>, Place), UnpackError> {
        let failed = |source| UnpackError::Edit(EditError::Write { path: unpack.dest.clone(), source });
        let dest = unpack.dest.as_os_str().as_bytes();
        let is_base_new = match self.tree.directory(dest, Missing::Fail) {
            Ok(_) => false,
            Err(error) if error.kind() == io::ErrorKind::NotFound => true,
            Err(error) => return Err(failed(error)),
        };
        let base = self.tree.directory(dest, Missing::Make).map_err(failed)?;
        let target = Target { attributes, is_base_new, is_package: unpack.format.is_package() };
        Ok((Job { unpack, target, names: Vec::new() }, base))
    }

    fn untar(
        &mut self,
        job: &mut Job<'_>,
        chunks: Chunks,
        report: &mut Unpacked,
        allowance: &mut Allowance,
    ) -> Result<(), UnpackError> {
        let mut reader = TarReader::new(chunks);
        loop {
            let member = match reader.next() {
                Ok(Some(member)) => member,
                Ok(None) => return Ok(()),
                Err(error) => return Err(broken(job, reader.input().failure(), error)),
            };
            let result = self.member(job, &member, &mut reader.content(), report, allowance);
            match reader.input().failure() {
                Some(source) => return Err(UnpackError::Archive { archive: job.unpack.path.clone(), source }),
                None => result?,
            }
        }
    }

    fn unzip(
        &mut self,
        job: &mut Job<'_>,
        report: &mut Unpacked,
        allowance: &mut Allowance,
    ) -> Result<(), UnpackError> {
        let archive = job.unpack.path.clone();
        let failed = |source| UnpackError::Archive { archive: archive.clone(), source: ArchiveError::Zip(source) };
        let mut zip = Zip::open(&archive).map_err(failed)?;
        for at in 0..zip.len() {
            let (member, mut content) = zip.member(at).map_err(failed)?;
            self.member(job, &member, &mut content, report, allowance)?;
            // Reading on to the end is what checks length and checksum.
            let rest = io::copy(&mut content, &mut io::sink());
            rest.map_err(|source| failed(crate::archive::ZipError::Read(source)))?;
        }
        Ok(())
    }

    fn member(
        &mut self,
        job: &mut Job<'_>,
        member: &Member,
        content: &mut dyn Read,
        report: &mut Unpacked,
        allowance: &mut Allowance,
    ) -> Result<(), UnpackError> {
        let archive = || job.unpack.path.clone();
        let name = inside::parse(&member.untrusted_path)
            .map_err(|error| UnpackError::Archive { archive: archive(), source: ArchiveError::Name(error) })?;
        allowance.members = allowance.members.checked_sub(1).ok_or(UnpackError::TooMuch)?;
        allowance.bytes = allowance.bytes.checked_sub(member.size).ok_or(UnpackError::TooMuch)?;
        report.members += 1;
        if job.unpack.names_to.is_some() {
            let line = line_of(&name);
            job.names.push(line.map_err(|source| UnpackError::Archive { archive: archive(), source })?);
        }
        if job.unpack.exclude.excludes(Path::new(std::ffi::OsStr::from_bytes(&name))) {
            return Ok(());
        }
        if member.kind == MemberKind::Device {
            report.left_out.push(LeftOut { path: disk::path_of(&name), kind: "device" });
            return Ok(());
        }
        self.apply(&job.target, member, &name, content).map_err(|source| UnpackError::Member {
            archive: archive(),
            member: disk::path_of(&name),
            source,
        })
    }

    /// Applies a member of a layer's own archive.
    pub(crate) fn apply_member(&mut self, member: &Member, name: &[u8], content: &mut dyn Read) -> io::Result<()> {
        let attributes = &Attributes::default();
        let target = Target { attributes, is_base_new: true, is_package: false };
        self.apply(&target, member, name, content)
    }

    fn apply(&mut self, target: &Target<'_>, member: &Member, name: &[u8], content: &mut dyn Read) -> io::Result<()> {
        let looks = self.member_looks(target, member);
        if name.is_empty() {
            return match member.kind {
                MemberKind::Directory if target.is_base_new => {
                    let place = self.tree.directory(name, Missing::Fail)?;
                    self.dress(&place, &looks)
                }
                MemberKind::Directory => Ok(()),
                _ => Err(io::ErrorKind::IsADirectory.into()),
            };
        }
        let (place, last) = self.tree.parent(name, Missing::Make)?;
        if member.kind == MemberKind::Directory {
            return self.apply_directory(target, &place, name, last, &looks);
        }
        match self.apply_other(target, member, (&place, last), content, &looks) {
            // Nothing of the content has been read: what is in the way is met first.
            Err(error) if error.kind() == io::ErrorKind::IsADirectory && !target.is_package => {
                self.clear_directory(&place, last)?;
                self.apply_other(target, member, (&place, last), content, &looks)
            }
            result => result,
        }
    }

    /// Removes a directory, with all that is in it, that is in the way of a member.
    fn clear_directory(&mut self, place: &Place, name: &[u8]) -> io::Result<()> {
        if let Found::Directory(_) = place.look(name)? {
            self.tree.forget();
            place.remove(name)?;
        }
        Ok(())
    }

    /// Makes what is no directory.
    fn apply_other(
        &mut self,
        target: &Target<'_>,
        member: &Member,
        (place, last): (&Place, &[u8]),
        content: &mut dyn Read,
        looks: &Looks,
    ) -> io::Result<()> {
        match &member.kind {
            MemberKind::File => self.writer.write_file(place, last, content, member.size, looks),
            MemberKind::Symlink(text) => {
                let is_kept = target.is_package && matches!(place.look(last)?, Found::Directory(_));
                if is_kept { Ok(()) } else { self.write_link(place, last, text, looks) }
            }
            MemberKind::HardLink(untrusted) => {
                let first = inside::parse(untrusted).map_err(io::Error::other)?;
                let (from, first) = self.tree.parent(&first, Missing::Fail)?;
                place.make_hard_link(last, &from, first)
            }
            MemberKind::Fifo => self.write_fifo(place, last, looks),
            MemberKind::Directory | MemberKind::Device => Ok(()),
        }
    }

    /// Makes or dresses the directory `path`, which is `name` in `place`.
    fn apply_directory(
        &mut self,
        target: &Target<'_>,
        place: &Place,
        path: &[u8],
        name: &[u8],
        looks: &Looks,
    ) -> io::Result<()> {
        match place.look(name)? {
            Found::Directory(_) if target.is_package => Ok(()),
            Found::Directory(inner) => self.dress(&inner, looks),
            Found::Other(other) => {
                if disk::kind(&other.stat).is_symlink() && self.tree.directory(path, Missing::Fail).is_ok() {
                    return Ok(());
                }
                self.tree.forget();
                place.remove(name)?;
                let made = place.make_directory(name, looks.mode)?;
                self.dress(&made, looks)
            }
            Found::Nothing => {
                let made = place.make_directory(name, looks.mode)?;
                self.dress(&made, looks)
            }
        }
    }

    fn member_looks(&self, target: &Target<'_>, member: &Member) -> Looks {
        let time = target.attributes.time.map_or(member.mtime, |time| i64::try_from(time).unwrap_or(i64::MAX));
        Looks {
            owner: target.attributes.owner.unwrap_or(member.owner),
            mode: target.attributes.mode_of(member.mode, member.kind == MemberKind::Directory),
            time: self.clamp(time),
            xattrs: member.xattrs.clone(),
        }
    }

    fn write_names(&mut self, job: &Job<'_>) -> Result<(), UnpackError> {
        let Some(path) = &job.unpack.names_to else { return Ok(()) };
        let mut text = job.names.join("\n");
        if !text.is_empty() {
            text.push('\n');
        }
        self.put(path, text.as_bytes(), &Attributes::default()).map_err(UnpackError::Edit)
    }
}

/// Says what is wrong with an archive: with its compression where that is the reason.
fn broken(job: &Job<'_>, failure: Option<ArchiveError>, error: TarError) -> UnpackError {
    let source = failure.unwrap_or(ArchiveError::Tar(error));
    UnpackError::Archive { archive: job.unpack.path.clone(), source }
}
