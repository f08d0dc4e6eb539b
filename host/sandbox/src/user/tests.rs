// SPDX-License-Identifier: Apache-2.0
use super::*;

const PASSWD: &[u8] = b"root:x:0:0:root:/root:/bin/sh
# a comment, and lines that are none
broken
bad:x:minus:1::/:
app:x:1000:100:App:/home/app:/bin/sh
twin:x:1000:200::/twin:
777:x:12:13::/digits:

  padded:x:1001:1001::/padded:  ";
const GROUP: &[u8] = b"root:x:0:
users:x:100:
audio:x:29:app,other
video:x:44:other,app
app:x:1000:app
apple:x:2000:app2,xapp
4242:x:5:
wheel:x:10:root
again:x:29:app
users2:x:100:app";

fn user(uid: u32, gid: u32, groups: &[u32], home: Option<&str>) -> Result<User, UserError> {
    Ok(User { uid, gid, groups: groups.to_vec(), home: home.map(Into::into) })
}

#[test]
fn users_are_found_as_docker_finds_them() {
    let app = [100, 29, 44, 1000];
    let table: &[(&str, Result<User, UserError>)] = &[
        ("", user(0, 0, &[0, 10], Some("/root"))),
        ("root", user(0, 0, &[0, 10], Some("/root"))),
        ("0", user(0, 0, &[0, 10], Some("/root"))),
        ("app", user(1000, 100, &app, Some("/home/app"))),
        ("1000", user(1000, 100, &app, Some("/home/app"))),
        ("twin", user(1000, 200, &[200], Some("/twin"))),
        ("app:video", user(1000, 44, &[44], Some("/home/app"))),
        ("app:7", user(1000, 7, &[7], Some("/home/app"))),
        ("app:4242", user(1000, 4242, &[4242], Some("/home/app"))),
        ("555", user(555, 0, &[0], None)),
        ("555:audio", user(555, 29, &[29], None)),
        ("555:666", user(555, 666, &[666], None)),
        ("777", user(777, 0, &[0], None)),
        ("padded", user(1001, 1001, &[1001], Some("/padded"))),
        (":audio", user(0, 29, &[29], Some("/root"))),
        ("app:", user(1000, 100, &app, Some("/home/app"))),
        ("2147483647", user(2_147_483_647, 0, &[0], None)),
        ("2147483648", Err(UserError::OutOfRange("2147483648".into()))),
        ("99999999999999999999", Err(UserError::OutOfRange("99999999999999999999".into()))),
        ("app:2147483648", Err(UserError::OutOfRange("2147483648".into()))),
        ("0x0", Err(UserError::NoUser("0x0".into()))),
        ("+0", Err(UserError::NoUser("+0".into()))),
        (" 0", Err(UserError::NoUser(" 0".into()))),
        ("-1", Err(UserError::NoUser("-1".into()))),
        ("٣", Err(UserError::NoUser("٣".into()))),
        ("bad", Err(UserError::NoUser("bad".into()))),
        ("nobody", Err(UserError::NoUser("nobody".into()))),
        ("app:nogroup", Err(UserError::NoGroup("nogroup".into()))),
        ("app:+1", Err(UserError::NoGroup("+1".into()))),
    ];
    for (spec, expected) in table {
        assert_eq!(User::find_in(spec, PASSWD, GROUP), *expected, "{spec:?}");
    }
}

#[test]
fn without_lists_numbers_still_work() {
    assert_eq!(User::find_in("", b"", b""), user(0, 0, &[0], None));
    assert_eq!(User::find_in("5:6", b"", b""), user(5, 6, &[6], None));
}

#[test]
fn a_list_that_is_a_pipe_or_too_long_is_not_read() {
    let directory = tempfile::tempdir().unwrap();
    let root = Root::open(directory.path()).unwrap();
    let etc = root.mkdir_all(Path::new("etc"), 0o755).unwrap();
    rustix::fs::mkfifoat(&etc, "passwd", rustix::fs::Mode::RWXU).unwrap();
    assert!(matches!(User::find("0", &root), Err(UserError::Unreadable { path, .. }) if path == "/etc/passwd"));
    root.create_file(Path::new("etc/passwd"), 0o644).unwrap().set_len(LONGEST + 1).unwrap();
    assert!(matches!(User::find("0", &root), Err(UserError::Unreadable { path, .. }) if path == "/etc/passwd"));
}
