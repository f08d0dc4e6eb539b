// SPDX-License-Identifier: Apache-2.0
//! Why a machine may have no user namespaces for ordinary users.

/// A setting that stands in the way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Obstacle {
    /// The setting, as `sysctl` spells it.
    pub setting: &'static str,
    /// The value it has.
    pub value: String,
    /// The value with which ordinary users can have user namespaces.
    pub wanted: &'static str,
}

/// Settings that forbid, with the value that does.
const SETTINGS: &[(&str, &str, &str)] = &[
    ("user.max_user_namespaces", "0", "a positive number"),
    ("kernel.unprivileged_userns_clone", "0", "1"),
    ("kernel.apparmor_restrict_unprivileged_userns", "1", "0, or a profile that allows this program `userns`"),
];

/// The first setting of this machine that keeps ordinary users from having user namespaces. `None` does not promise
/// that they can.
#[must_use]
pub fn obstacle() -> Option<Obstacle> {
    SETTINGS.iter().find_map(|(setting, forbidding, wanted)| {
        let path = format!("/proc/sys/{}", setting.replace('.', "/"));
        let value = std::fs::read_to_string(path).ok()?.trim().to_owned();
        (value == *forbidding).then_some(Obstacle { setting, value, wanted })
    })
}
