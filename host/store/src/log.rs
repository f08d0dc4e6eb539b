// SPDX-License-Identifier: Apache-2.0
//! Where the output of steps is kept.

use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::PathBuf;

use wythe_image::Digest;

use crate::Store;
use crate::record::RecordError;

/// Longest file name of a log, without its ending.
const LONGEST: usize = 120;

/// A place for a log that cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The directory cannot be made.
    #[error("cannot make {}", path.display())]
    Create {
        /// The directory.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The build's logs cannot be protected from collection.
    #[error("cannot keep the logs of build `{build}`")]
    Lease {
        /// The build.
        build: String,
        /// Why.
        source: RecordError,
    },
}

impl Store {
    /// Returns the path of a step's log, below a directory of its build that is made where it is not there. The path
    /// relative to [`Store::directory`] is what [`ResultRecord::log`](crate::ResultRecord::log) takes.
    ///
    /// Any text may be given for both: what no file name may have becomes `_`, and a hash keeps such names apart.
    ///
    /// # Errors
    ///
    /// See [`LogError`].
    pub fn log_path(&self, build: &str, step: &str) -> Result<PathBuf, LogError> {
        let name = file_name(build);
        let lease = |source| LogError::Lease { build: build.to_owned(), source };
        self.hold(&log_digest(&name)).map_err(lease)?;
        let directory = self.inner.path("logs").join(name);
        let made = DirBuilder::new().mode(0o700).recursive(true).create(&directory);
        made.map_err(|source| LogError::Create { path: directory.clone(), source })?;
        Ok(directory.join(format!("{}.log", file_name(step))))
    }
}

/// Returns the digest whose lease keeps the logs of a build.
pub(crate) fn log_digest(directory: &str) -> Digest {
    Digest::of(format!("logs/{directory}").as_bytes())
}

fn file_name(text: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if !text.is_empty() && text.len() <= LONGEST && !text.starts_with('.') && text.chars().all(is_plain) {
        return text.to_owned();
    }
    let plain: String = text.chars().take(40).map(|c| if is_plain(c) && c != '.' { c } else { '_' }).collect();
    format!("{plain}-{}", Digest::of(text.as_bytes()).short())
}

#[cfg(test)]
mod tests {
    use super::file_name;

    #[test]
    fn any_text_is_one_plain_file_name() {
        assert_eq!(file_name("step-3.run"), "step-3.run");
        assert_eq!(file_name("a/b"), format!("a_b-{}", wythe_image::Digest::of(b"a/b").short()));
        assert_ne!(file_name("a/b"), file_name("a_b"));
        for text in ["", ".", "..", "../x", "é", "a\0b", &"x".repeat(500)] {
            let name = file_name(text);
            assert!(!name.contains(['/', '\0']) && !name.starts_with('.') && name.len() <= 130, "{name:?}");
        }
    }
}
