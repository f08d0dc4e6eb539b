// SPDX-License-Identifier: Apache-2.0
//! Which kernel this is, where trying does not tell.

use std::sync::LazyLock;

/// Whether the kernel says that it is of this version or a later one.
#[must_use]
pub fn is_at_least(major: u32, minor: u32) -> bool {
    static VERSION: LazyLock<(u32, u32)> =
        LazyLock::new(|| parse(&rustix::system::uname().release().to_string_lossy()));
    *VERSION >= (major, minor)
}

/// The first two numbers; a number that is not there is zero.
fn parse(release: &str) -> (u32, u32) {
    let mut numbers = release.split(|character: char| !character.is_ascii_digit()).map_while(|part| part.parse().ok());
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn releases_of_distributions_are_understood() {
        let releases = ["6.18.44-fc-v657", "5.15.0-105-generic", "6.7-rc3", "6.1.0-18-amd64", "7", "", "gvisor"];
        let versions = [(6, 18), (5, 15), (6, 7), (6, 1), (7, 0), (0, 0), (0, 0)];
        assert_eq!(releases.map(parse), versions);
    }
}
