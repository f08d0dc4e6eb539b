// SPDX-License-Identifier: Apache-2.0
use super::calls::CALLS;
use super::compile::{ARM, X86, program};

/// What the kernel's filter machine would answer.
fn answer(program: &[libc::sock_filter], architecture: u32, number: u32, arguments: [u64; 6]) -> u32 {
    let mut data = vec![];
    data.extend(number.to_ne_bytes());
    data.extend(architecture.to_ne_bytes());
    data.extend(0u64.to_ne_bytes());
    arguments.iter().for_each(|argument| data.extend(argument.to_ne_bytes()));
    let (mut at, mut loaded) = (0, 0u32);
    loop {
        let step = &program[at];
        at += 1;
        let mut branch = |taken: bool| at += usize::from(if taken { step.jt } else { step.jf });
        match u32::from(step.code) {
            0x20 => loaded = u32::from_ne_bytes(data[step.k as usize..][..4].try_into().unwrap()),
            0x06 => return step.k,
            0x05 => at += step.k as usize,
            0x15 => branch(loaded == step.k),
            0x35 => branch(loaded >= step.k),
            0x45 => branch(loaded & step.k != 0),
            code => panic!("instruction {code:#x}"),
        }
    }
}

const ALLOW: u32 = 0x7fff_0000;
const REFUSE: u32 = 0x0005_0001;
const UNKNOWN: u32 = 0x0005_0026;
const KILL: u32 = 0x8000_0000;

#[test]
fn every_number_gets_the_verdict_of_its_name() {
    let machines = [(X86, [(0xc000_003e, 0), (0x4000_0003, 1)]), (ARM, [(0xc000_00b7, 2), (0x4000_0028, 3)])];
    for (machine, architectures) in machines {
        let program = program(&machine);
        assert!(program.len() < 600, "{} instructions", program.len());
        for (architecture, column) in architectures {
            for number in (0..1000).chain(0xf0000..0xf0010).chain([0x4000_0000, u32::MAX - 1, u32::MAX]) {
                let name = CALLS.iter().find(|call| call.1[column] == number && number != u32::MAX).map(|call| call.0);
                let expected = match name {
                    Some("clone3") => UNKNOWN,
                    Some(_) => ALLOW,
                    None if number <= 466 => REFUSE,
                    None => UNKNOWN,
                };
                let given = answer(&program, architecture, number, [2, 0, 0, 0, 0, 0]);
                // The personality 2 and nothing else is refused for its argument here.
                let expected = if name == Some("personality") { REFUSE } else { expected };
                assert_eq!(given, expected, "{name:?}, number {number} of {architecture:#x}");
            }
        }
        assert_eq!(answer(&program, 0x4000_0016, 1, [0; 6]), KILL);
    }
}

#[test]
fn arguments_decide_where_the_name_does_not() {
    let program = program(&X86);
    let ask = |number, first, second| answer(&program, 0xc000_003e, number, [first, second, 0, 0, 0, 0]);
    let (clone, socket, personality, ioctl) = (56, 41, 135, 16);
    for namespace in [0x0002_0000, 0x0200_0000, 0x0400_0000, 0x0800_0000, 0x1000_0000, 0x2000_0000, 0x4000_0000] {
        assert_eq!(ask(clone, namespace | 17, 0), REFUSE, "{namespace:#x}");
    }
    assert_eq!(ask(clone, 0x003d_0f00, 0), ALLOW);
    let families: Vec<u64> = (0..60).filter(|family| ask(socket, *family, 0) == ALLOW).collect();
    let mut expected: Vec<u64> = (0..46).collect();
    expected.retain(|family| ![12, 19, 20, 23, 25, 34, 37, 38, 40].contains(family));
    assert_eq!(families, expected);
    let netlink = |protocol| answer(&program, 0xc000_003e, socket, [16, 3, protocol, 0, 0, 0]);
    assert_eq!([netlink(0), netlink(9), netlink(15)], [ALLOW, 0x0005_0016, ALLOW]);
    let personalities = [0, 8, 0x20000, 0x20008, 0xffff_ffff];
    assert!(personalities.iter().all(|value| ask(personality, *value, 0) == ALLOW));
    assert_eq!(ask(personality, 0x0040_0000, 0), REFUSE);
    assert_eq!([ask(ioctl, 0, 0x5412), ask(ioctl, 0, 0x1_0000_5412), ask(ioctl, 0, 0x541c)], [REFUSE; 3]);
    assert_eq!(ask(ioctl, 0, 0x5413), ALLOW);
}

#[test]
fn what_breaks_out_of_sandboxes_is_not_on_the_list() {
    let never = "acct add_key bpf delete_module fanotify_init finit_module fsconfig fsmount fsopen fspick init_module \
        io_uring_enter io_uring_register io_uring_setup ioperm iopl kcmp kexec_file_load kexec_load keyctl \
        lookup_dcookie mbind mount mount_setattr move_mount move_pages nfsservctl open_by_handle_at open_tree \
        perf_event_open pidfd_getfd pivot_root quotactl reboot request_key set_mempolicy setns settimeofday stime \
        swapoff swapon sysfs syslog umount umount2 unshare userfaultfd uselib ustat vm86 vm86old";
    let listed: Vec<&str> = never.split_whitespace().filter(|name| CALLS.iter().any(|call| call.0 == *name)).collect();
    assert_eq!(listed, Vec::<&str>::new());
    let column = |index: usize| CALLS.iter().filter(|call| call.1[index] != u32::MAX).count();
    assert!(column(0) <= 320 && column(2) <= 320, "{} and {} calls", column(0), column(2));
}

#[test]
fn the_numbers_of_this_machine_are_those_of_its_headers() {
    let column = if cfg!(target_arch = "x86_64") { 0 } else { 2 };
    let number = |name: &str| CALLS.iter().find(|call| call.0 == name).map(|call| i64::from(call.1[column])).unwrap();
    assert_eq!(number("openat"), libc::SYS_openat);
    assert_eq!(number("clone3"), libc::SYS_clone3);
    assert_eq!(number("execveat"), libc::SYS_execveat);
    assert_eq!(number("mseal"), libc::SYS_mseal);
    assert_eq!(number("ptrace"), libc::SYS_ptrace);
}
