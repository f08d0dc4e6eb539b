// SPDX-License-Identifier: Apache-2.0
//! The tools themselves: pinned, fetched by the host, mounted for the time of a command, and never part of an image.
//!
//! Addresses, digests and sizes are those that PyPI publishes. A new version goes in here, and changes the key of every
//! step that it installs.

use wythe_sdk::{Artifact, Failure};

/// Where the content of pip's wheel is mounted.
pub(crate) const PIP: &str = "/run/wythe/pip";
/// A program for Python that is pip, given pip's arguments.
///
/// Its place is taken off the path again, or this pip would count as installed, and a step that asks for `pip` get none.
pub const RUN_PIP: &str = "import sys; sys.path.insert(0, '/run/wythe/pip'); import pip; del sys.path[0]; \
    from pip._internal.cli.main import main; sys.exit(main())";
/// Where uv's program is when its wheel is mounted at `/run/wythe/uv`.
pub const UV_PATH: &str = "/run/wythe/uv/uv-0.13.8.data/scripts/uv";

const NEW_PIP: (&str, &str, u64) = (
    "https://files.pythonhosted.org/packages/07/25/ee8c38ae72d66b844ce8eb9711ba905dba21ca1a8a0c960057c41cd23337/pip-26.3-py3-none-any.whl",
    "f3b60b20ffaadd4415ed7957212a38ac63fa4c5fa375bd0f4a797777940fad13",
    1_950_951,
);
/// The last pip that runs on Python 3.8 and 3.9.
const OLD_PIP: (&str, &str, u64) = (
    "https://files.pythonhosted.org/packages/c9/bc/b7db44f5f39f9d0494071bddae6880eb645970366d0a200022a1a93d57f5/pip-25.0.1-py3-none-any.whl",
    "c46efd13b6aa8279f33f2864459c8ce587ea6a1a59ee20de055868d8f7688f7f",
    1_841_526,
);

/// uv by platform. Where there is a statically linked wheel it is taken: it runs on any C library.
const UV: [(&str, &str, &str, u64); 7] = [
    (
        "linux/amd64",
        "4d/a3/1ac9cd75985371da0d29c9c12132e6d5b5627b9d0de87c5ad97ab9ad69b0/uv-0.13.8-py3-none-musllinux_1_1_x86_64.whl",
        "29451c60f5e8b07403e0a175d5229efc36b0289b34143ff4aaa499a5dd52553a",
        19_139_972,
    ),
    (
        "linux/arm64",
        "9e/f0/d989ac5fcebf83f1c8c5d78974f27788e8364945969eb646f5d0db35d924/uv-0.13.8-py3-none-manylinux_2_17_aarch64.manylinux2014_aarch64.musllinux_1_1_aarch64.whl",
        "0b3e8b1a4f5e405e31e2ff33de8af4744831e9f7338539671efbd8c3c94e791d",
        17_953_056,
    ),
    (
        "linux/arm",
        "14/da38bda443e911f1dddfc04588fae72b9790f9b3583a16e8b94c149dc806/uv-0.13.8-py3-none-manylinux_2_17_armv7l.manylinux2014_armv7l.musllinux_1_1_armv7l.whl",
        "9cf0b7b12f13da6ab1c85694ab618d97a2bbd0c904cdea7f0172fb1dd768b9d5",
        17_897_031,
    ),
    (
        "linux/386",
        "78/cb/42aa2094f03371df6a0585bbd1b6c9c1d10861d71099d75142603d0d37e8/uv-0.13.8-py3-none-musllinux_1_1_i686.whl",
        "63d807451e63c8d21b1b33c945af16438ac9d8ffddc59b31ce69c692135891f5",
        18_009_892,
    ),
    (
        "linux/riscv64",
        "37/c6/0bfa359aec27c45dbb8b99eb2e83aa954f919b1f83bb85fc21892dc317b9/uv-0.13.8-py3-none-manylinux_2_31_riscv64.musllinux_1_1_riscv64.whl",
        "bfcaada3989c7716ad4b58673cd1413fad4fdc6b2e446f9553db0ef18da20850",
        18_057_488,
    ),
    (
        "linux/ppc64le",
        "bd/1d/c03fbe2a700484e369556b1a198745f92f44734a47279f3fbce95fbdbbaa/uv-0.13.8-py3-none-manylinux_2_17_ppc64le.manylinux2014_ppc64le.whl",
        "6999618363d03a0a085a9491db319e00b461dbda205db06ef1fd55dfcbf6472b",
        20_110_957,
    ),
    (
        "linux/s390x",
        "73/09/52cdbdc3100cb67a6aa7e0c6b2b1a6a5834b1ac06de684944a9a0f408528/uv-0.13.8-py3-none-manylinux_2_17_s390x.manylinux2014_s390x.whl",
        "13050c64530a1ccfc223af0306a8152d41c0d36ea63bc19161221ca65dfe480a",
        19_815_614,
    ),
];

/// Returns the wheel of pip for a version of Python, `major.minor`.
#[must_use]
pub(crate) fn pip_for(python: &str) -> Artifact {
    let minor = python.strip_prefix("3.").and_then(|minor| minor.parse::<u32>().ok());
    let (url, sha256, size) = if minor.is_some_and(|minor| minor < 10) { OLD_PIP } else { NEW_PIP };
    Artifact::new(url, sha256, Some(size))
}

/// Returns the wheel of uv for a platform, `os/architecture[/variant]`.
///
/// # Errors
///
/// Where there is no uv for the platform.
pub fn uv_for(platform: &str) -> Result<Artifact, Failure> {
    let wanted: Vec<&str> = platform.split('/').take(2).collect();
    let wanted = wanted.join("/");
    let (_, path, sha256, size) = UV
        .iter()
        .find(|(known, ..)| *known == wanted && !platform.ends_with("/v5") && !platform.ends_with("/v6"))
        .ok_or_else(|| Failure::failed(format!("uv is not published for {platform}; use a `pip` step")))?;
    Ok(Artifact::new(&format!("https://files.pythonhosted.org/packages/{path}"), sha256, Some(*size)))
}

#[cfg(test)]
mod tests {
    use super::{UV, UV_PATH};

    #[test]
    fn every_wheel_is_of_the_version_whose_program_is_run() {
        let version = UV_PATH.split("uv-").nth(1).and_then(|rest| rest.split(".data").next()).unwrap();
        for (platform, path, ..) in UV {
            assert!(path.contains(&format!("/uv-{version}-py3-none-")), "{platform}: {path}");
        }
    }
}
