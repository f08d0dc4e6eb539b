// SPDX-License-Identifier: Apache-2.0
//! Who a command is, and what that gives it.

use wythe_sandbox::Ending;

use crate::rootless::others_exist;
use crate::support::{Sand, status};

crate::tests![
    root_is_root_without_other_groups,
    a_listed_user_has_its_groups,
    a_number_is_a_user,
    unknown_users_are_refused,
    ids_that_are_not_mapped_are_refused,
    capabilities_are_fewer_than_docker_s,
    an_ordinary_user_has_none,
    set_id_programs_gain_only_on_request,
];

fn root_is_root_without_other_groups() {
    assert_eq!(Sand::sh("id -u; id -g; umask").prints(), "0\n0\n0022\n");
    if others_exist() {
        assert_eq!(Sand::sh("id -G").prints(), "0\n");
    }
}

fn a_listed_user_has_its_groups() {
    if !others_exist() {
        return;
    }
    assert_eq!(Sand::sh("id -u; id -g; id -G").user("app").prints(), "1000\n100\n100 29 44\n");
    assert_eq!(Sand::sh("id -u; id -G").user("app:video").prints(), "1000\n44\n");
}

fn a_number_is_a_user() {
    if !others_exist() {
        return;
    }
    assert_eq!(Sand::sh("id -u; id -G").user("4321:1234").prints(), "4321\n1234\n");
    assert_eq!(Sand::sh("id -u; id -G").user("4321").prints(), "4321\n0\n");
}

fn unknown_users_are_refused() {
    let text = |user: &str| Sand::sh("id").user(user).refusal();
    let expected = "cannot set up the sandbox: cannot become the user of the command: ";
    assert_eq!(text("ghost"), format!("{expected}no user `ghost` in /etc/passwd"));
    assert_eq!(text("app:ghosts"), format!("{expected}no group `ghosts` in /etc/group"));
    assert_eq!(text("4294967295"), format!("{expected}`4294967295` is not an id: ids end at 2147483647"));
}

fn ids_that_are_not_mapped_are_refused() {
    if wythe_sys::userns::is_initial() {
        return;
    }
    let refusal = Sand::sh("id").user("2000000000:0").refusal();
    assert!(refusal.contains("the id 2000000000 does not exist for an ordinary user"), "{refusal}");
}

fn capabilities_are_fewer_than_docker_s() {
    let text = Sand::sh("cat /proc/self/status").prints();
    let sets = ["CapPrm", "CapEff", "CapBnd", "CapInh", "CapAmb"].map(|name| status(&text, name));
    let ours = "00000000800405fb";
    assert_eq!(sets, [ours, ours, ours, "0000000000000000", "0000000000000000"]);
    assert_eq!(["NoNewPrivs", "Seccomp"].map(|name| status(&text, name)), ["1", "2"]);
}

fn an_ordinary_user_has_none() {
    if !others_exist() {
        return;
    }
    let text = Sand::sh("cat /proc/self/status").user("app").prints();
    let none = "0000000000000000";
    let sets = ["CapPrm", "CapEff", "CapInh", "CapAmb"].map(|name| status(&text, name));
    assert_eq!(sets, [none; 4]);
    assert_eq!(status(&text, "CapBnd"), "00000000800405fb");
}

fn set_id_programs_gain_only_on_request() {
    if !others_exist() {
        return;
    }
    let sand = Sand::sh("cp /inside /srv/inside; chmod 4755 /srv/inside");
    sand.prints();
    let sand = sand.user("app").with(|inputs| {
        inputs.argv = ["/srv/inside", crate::inside::ARGUMENT, "ids"].map(Into::into).into();
    });
    assert_eq!(sand.prints(), "1000 1000\n");
    let sand = sand.with(|inputs| inputs.set_id_programs = true);
    assert_eq!(sand.prints(), "1000 0\n");
    let ran = sand.run().unwrap();
    assert_eq!(ran.ending, Ending::Exited(0));
}
