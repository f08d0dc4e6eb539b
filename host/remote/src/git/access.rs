// SPDX-License-Identifier: Apache-2.0
//! What opens the door of a repository.

use std::fmt;
use std::path::PathBuf;

use base64::Engine as _;

/// What the person who builds has given for a repository. It is in no message.
#[derive(Default, Clone)]
pub struct GitAccess {
    /// The value of the header `Authorization`, for the host of the repository and no other.
    pub authorization: Option<Vec<u8>>,
    /// The socket of an ssh agent.
    pub agent: Option<PathBuf>,
}

impl GitAccess {
    /// Returns the header that sends a token, as the forges understand it: a password of a user whose name does not count.
    #[must_use]
    pub fn of_token(token: &[u8]) -> Vec<u8> {
        let pair = [b"x-access-token:", token].concat();
        format!("basic {}", base64::prelude::BASE64_STANDARD.encode(pair)).into_bytes()
    }
}

impl fmt::Debug for GitAccess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let given = self.authorization.is_some();
        f.debug_struct("GitAccess").field("authorization", &given).field("agent", &self.agent).finish()
    }
}
