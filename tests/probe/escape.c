// SPDX-License-Identifier: Apache-2.0
// What a command can do to the machine it runs on: one attempt a line, each in a process of its own, as a JSON object of
// names and "allowed" or "denied". Built without any library (`cc -static`), so that it runs in every image.
//
// An attempt must be harmless where it succeeds: it asks for something that changes nothing, or with arguments that are looked
// at only after the permission was. "Allowed" therefore means: not refused for want of a permission.
//
// What is allowed is done: it mounts and unmounts. So it needs to be told the machine's namespaces, and does nothing in the machine's
// own mount namespace.
//
// Arguments: NAME=INODE of the machine's namespaces (`mnt=4026531841`), `abstract=NAME` of a socket that the machine listens on,
// `loopback=PORT` of another one.
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/timex.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <termios.h>
#include <unistd.h>

static int arguments_count;
static char **arguments;
static int is_first = 1;

// A call that was refused fails with one of these; with any other error it got as far as its arguments.
static int refused(long result) {
    return result == -1 && (errno == EPERM || errno == EACCES || errno == ENOSYS || errno == EROFS || errno == ENOENT ||
                            errno == ENODEV || errno == ENXIO || errno == EAFNOSUPPORT || errno == EOPNOTSUPP ||
                            errno == EPROTONOSUPPORT || errno == ESOCKTNOSUPPORT || errno == ENOTDIR || errno == ELOOP);
}

static const char *argument(const char *name) {
    size_t length = strlen(name);
    for (int i = 1; i < arguments_count; i++)
        if (!strncmp(arguments[i], name, length) && arguments[i][length] == '=')
            return arguments[i] + length + 1;
    return NULL;
}

// Reports what `attempt` says in a process of its own: whatever kills or stops it is a refusal.
static void report(const char *name, int (*attempt)(const void *), const void *with) {
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        alarm(5);
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        _exit(attempt(with) ? 42 : 0);
    }
    int status = 0;
    waitpid(child, &status, 0);
    int is_allowed = WIFEXITED(status) && WEXITSTATUS(status) == 42;
    printf("%s\n  \"%s\": \"%s\"", is_first ? "{" : ",", name, is_allowed ? "allowed" : "denied");
    is_first = 0;
}

// ---- files ----

static int can_write(const void *path) { return open(path, O_WRONLY | O_CLOEXEC) >= 0; }

static int can_read(const void *path) {
    char byte;
    int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    return fd >= 0 && (read(fd, &byte, 1) > 0 || errno == EAGAIN);
}

static int can_open(const void *path) { return open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC) >= 0; }

static int can_list(const void *path) {
    DIR *dir = opendir(path);
    int entries = 0;
    while (dir && readdir(dir))
        entries++;
    return entries > 2;
}

static int can_make_directory(const void *path) { return mkdir(path, 0700) == 0 && rmdir(path) == 0; }

// Addresses of the kernel are shown as zeros to those who may not see them.
static int sees_kernel_addresses(const void *none) {
    char line[64] = "";
    FILE *file = fopen("/proc/kallsyms", "r");
    return file && fgets(line, sizeof line, file) && strncmp(line, "0000000000000000", 16) != 0;
}

static int can_lower_oom_score(const void *none) {
    int fd = open("/proc/self/oom_score_adj", O_WRONLY);
    return fd >= 0 && write(fd, "-1000", 5) == 5;
}

static int root_of_first_is_elsewhere(const void *none) {
    struct stat mine, first;
    if (stat("/", &mine) || stat("/proc/1/root", &first))
        return 0;
    return mine.st_dev != first.st_dev || mine.st_ino != first.st_ino;
}

static int holds_more_descriptors(const void *none) {
    for (int fd = 3; fd < 1024; fd++)
        if (fcntl(fd, F_GETFD) >= 0)
            return 1;
    return 0;
}

static int sees_strangers(const void *none) {
    // Process 1, the shell around it, this program and its child, each with room to spare.
    int processes = 0;
    struct dirent *entry;
    DIR *dir = opendir("/proc");
    while (dir && (entry = readdir(dir)))
        processes += entry->d_name[0] >= '1' && entry->d_name[0] <= '9';
    return processes > 8;
}

struct node { mode_t type; unsigned major, minor; };

static int can_make_working_node(const void *with) {
    const struct node *node = with;
    char path[64];
    snprintf(path, sizeof path, "/probe-node-%u-%u", node->major, node->minor);
    if (mknod(path, node->type | 0600, makedev(node->major, node->minor)))
        return 0;
    int fd = open(path, O_RDONLY | O_NONBLOCK);
    // Not there is as good as open: the node itself works.
    int works = fd >= 0 || errno == ENXIO || errno == ENODEV;
    unlink(path);
    return works;
}

static int can_make_node(const void *with) {
    const struct node *node = with;
    int made = mknod("/probe-node", node->type | 0600, makedev(node->major, node->minor)) == 0;
    unlink("/probe-node");
    return made;
}

static int can_set_attribute(const void *name) {
    int fd = open("/probe-file", O_CREAT | O_RDWR, 0600);
    // A capability of nothing, in the second version of its form.
    static const unsigned char none[20] = {0, 0, 0, 2};
    int set = fd >= 0 && fsetxattr(fd, name, none, sizeof none, 0) == 0;
    unlink("/probe-file");
    return set;
}

static int can_make_immutable(const void *none) {
    int fd = open("/probe-file", O_CREAT | O_RDWR, 0600);
    long flags = 0x10, no_flags = 0;
    int made = fd >= 0 && ioctl(fd, _IOW('f', 2, long), &flags) == 0;
    if (made)
        ioctl(fd, _IOW('f', 2, long), &no_flags);
    unlink("/probe-file");
    return made;
}

static int can_set_user_id_bit(const void *none) {
    int fd = open("/probe-file", O_CREAT | O_RDWR, 0600);
    struct stat status;
    int set = fd >= 0 && fchmod(fd, 04755) == 0 && fstat(fd, &status) == 0 && (status.st_mode & S_ISUID);
    unlink("/probe-file");
    return set;
}

// ---- privileges ----

static int has_capability(const void *with) {
    int capability = *(const int *)with;
    struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct sets[2] = {{0}};
    return syscall(SYS_capget, &header, sets) == 0 && (sets[capability / 32].effective >> (capability % 32) & 1);
}

static int has_inheritable(const void *none) {
    struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct sets[2] = {{0}};
    return syscall(SYS_capget, &header, sets) == 0 && (sets[0].inheritable || sets[1].inheritable);
}

static int has_ambient(const void *none) {
    for (int capability = 0; capability < 41; capability++)
        if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, capability, 0, 0) == 1)
            return 1;
    return 0;
}

static int may_gain_privileges(const void *none) { return prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 0; }
static int is_unfiltered(const void *none) { return prctl(PR_GET_SECCOMP, 0, 0, 0, 0) == 0; }
static int has_terminal(const void *none) { return open("/dev/tty", O_RDWR) >= 0; }

static int shares_namespace(const void *name) {
    char path[64];
    struct stat status;
    const char *machines = argument(name);
    snprintf(path, sizeof path, "/proc/self/ns/%s", (const char *)name);
    return machines && stat(path, &status) == 0 && status.st_ino == strtoul(machines, NULL, 10);
}

static int can_read_of_machine(const void *path) { return shares_namespace("pid") && can_read(path); }

static int can_become_somebody(const void *none) { return setresuid(1, 1, 1) == 0; }
static int can_set_groups(const void *none) { gid_t one = 1; return setgroups(1, &one) == 0; }

// ---- calls ----

struct call { long number; long arguments[6]; };

static int can_call(const void *with) {
    const struct call *call = with;
    const long *a = call->arguments;
    return !refused(syscall(call->number, a[0], a[1], a[2], a[3], a[4], a[5]));
}

static int can_unshare(const void *flag) { return syscall(SYS_unshare, *(const long *)flag) == 0; }

static int can_clone_into(const void *flag) {
    long child = syscall(SYS_clone, *(const long *)flag | SIGCHLD, 0, 0, 0, 0);
    if (child == 0)
        _exit(0);
    return child > 0;
}

static int can_clone3(const void *none) {
    unsigned long request[11] = {CLONE_NEWUSER, 0, 0, 0, SIGCHLD};
    long child = syscall(SYS_clone3, request, sizeof request);
    if (child == 0)
        _exit(0);
    return child > 0;
}

static int can_enter(const void *path) {
    int fd = open(path, O_RDONLY);
    return fd >= 0 && syscall(SYS_setns, fd, 0) == 0;
}

static int can_mount(const void *kind) { return mount("none", "/tmp", kind, 0, NULL) == 0; }
static int can_bind(const void *none) { return mount("/", "/tmp", NULL, MS_BIND | MS_REC, NULL) == 0; }
static int can_remount(const void *path) { return mount(NULL, path, NULL, MS_REMOUNT | MS_BIND, NULL) == 0; }
static int can_unmount(const void *path) { return umount2(path, MNT_DETACH) == 0; }
static int can_pivot(const void *none) { return !refused(syscall(SYS_pivot_root, "/", "/")); }
static int can_chroot(const void *none) { return chroot("/") == 0; }

static int can_clone_tree(const void *none) { return syscall(SYS_open_tree, AT_FDCWD, "/", 1 /* clone */) >= 0; }
static int can_open_file_system(const void *kind) { return syscall(SYS_fsopen, kind, 0) >= 0; }

static int can_open_by_handle(const void *none) {
    struct { struct file_handle head; unsigned char bytes[128]; } handle = {.head.handle_bytes = 128};
    int mount_id;
    if (syscall(SYS_name_to_handle_at, AT_FDCWD, "/", &handle, &mount_id, 0))
        handle.head.handle_bytes = 8;
    int fd = open("/", O_RDONLY);
    return !refused(syscall(SYS_open_by_handle_at, fd, &handle, O_RDONLY));
}

static int can_trace_child(const void *none) {
    pid_t child = fork();
    if (child == 0)
        for (;;)
            pause();
    int can = ptrace(PTRACE_ATTACH, child, 0, 0) == 0;
    kill(child, SIGKILL);
    return can;
}

// The first process of a namespace of its own is the command itself.
static int can_read_memory_of_machine(const void *none) {
    return shares_namespace("pid") && !refused(syscall(SYS_process_vm_readv, 1, 0, 0, 0, 0, 0));
}

static int can_trace_first(const void *none) { return shares_namespace("pid") && ptrace(PTRACE_SEIZE, 1, 0, 0) == 0; }

static int can_set_time(const void *none) {
    // An offset of nothing.
    struct timex nothing = {.modes = ADJ_SETOFFSET | ADJ_NANO};
    return adjtimex(&nothing) >= 0;
}

static int can_set_host_name(const void *none) {
    char name[256] = "";
    return gethostname(name, sizeof name - 1) == 0 && sethostname(name, strlen(name)) == 0;
}

static int can_run_in_real_time(const void *none) {
    struct sched_param first = {1};
    return sched_setscheduler(0, SCHED_FIFO, &first) == 0;
}

static int can_hurry(const void *none) { return setpriority(PRIO_PROCESS, 0, -5) == 0; }

static int can_raise_limit(const void *none) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_MSGQUEUE, &limit) || limit.rlim_max == RLIM_INFINITY)
        return 0;
    limit.rlim_max += 1;
    return setrlimit(RLIMIT_MSGQUEUE, &limit) == 0;
}

static int can_type_into_terminal(const void *none) {
    int fd = open("/dev/ptmx", O_RDWR | O_NOCTTY);
    char letter = 'x';
    // The filter decides before the terminal does; a kernel that has no such call any more says EIO.
    return fd >= 0 && (ioctl(fd, TIOCSTI, &letter) == 0 || (errno != EPERM && errno != EACCES));
}

// ---- network ----

struct socket_kind { int family, type, protocol; };

static int can_open_socket(const void *with) {
    const struct socket_kind *kind = with;
    return socket(kind->family, kind->type | SOCK_CLOEXEC, kind->protocol) >= 0;
}

static int can_change_interfaces(const void *none) {
    struct { struct nlmsghdr head; struct ifinfomsg link; } request = {
        {sizeof request, RTM_NEWLINK, NLM_F_REQUEST | NLM_F_ACK, 1, 0}, {.ifi_index = 1, .ifi_change = IFF_UP, .ifi_flags = IFF_UP}};
    struct { struct nlmsghdr head; struct nlmsgerr error; char rest[512]; } answer;
    int fd = socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE);
    return fd >= 0 && send(fd, &request, sizeof request, 0) > 0 && recv(fd, &answer, sizeof answer, 0) > 0 &&
           answer.head.nlmsg_type == NLMSG_ERROR && answer.error.error == 0;
}

static int can_reach_abstract(const void *none) {
    const char *name = argument("abstract");
    struct sockaddr_un address = {AF_UNIX, ""};
    if (!name)
        return 0;
    memcpy(address.sun_path + 1, name, strlen(name));
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    return fd >= 0 && connect(fd, (void *)&address, offsetof(struct sockaddr_un, sun_path) + 1 + strlen(name)) == 0;
}

static int can_reach_loopback(const void *none) {
    const char *port = argument("loopback");
    struct sockaddr_in address = {AF_INET, htons(port ? atoi(port) : 0), {htonl(INADDR_LOOPBACK)}, {0}};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    return port && fd >= 0 && connect(fd, (void *)&address, sizeof address) == 0;
}

#define LENGTH(array) (sizeof(array) / sizeof *(array))
#define EACH(attempt, ...)                                                                                                      \
    do {                                                                                                                        \
        static const struct { const char *name; const void *with; } rows[] = {__VA_ARGS__};                                     \
        for (size_t i = 0; i < LENGTH(rows); i++)                                                                               \
            report(rows[i].name, attempt, rows[i].with);                                                                        \
    } while (0)

static const char *const CAPABILITIES[] = {
    "chown", "dac_override", "dac_read_search", "fowner", "fsetid", "kill", "setgid", "setuid", "setpcap", "linux_immutable",
    "net_bind_service", "net_broadcast", "net_admin", "net_raw", "ipc_lock", "ipc_owner", "sys_module", "sys_rawio", "sys_chroot",
    "sys_ptrace", "sys_pacct", "sys_admin", "sys_boot", "sys_nice", "sys_resource", "sys_time", "sys_tty_config", "mknod", "lease",
    "audit_write", "audit_control", "setfcap", "mac_override", "mac_admin", "syslog", "wake_alarm", "block_suspend", "audit_read",
    "perfmon", "bpf", "checkpoint_restore"};

static void privileges(void) {
    for (int capability = 0; capability < (int)LENGTH(CAPABILITIES); capability++) {
        char name[64];
        snprintf(name, sizeof name, "capability %s", CAPABILITIES[capability]);
        report(name, has_capability, &capability);
    }
    report("inheritable capabilities", has_inheritable, NULL);
    report("ambient capabilities", has_ambient, NULL);
    report("gain privileges by set-id programs", may_gain_privileges, NULL);
    report("calls without a filter", is_unfiltered, NULL);
    report("a controlling terminal", has_terminal, NULL);
    report("descriptors beyond three", holds_more_descriptors, NULL);
    report("become another user", can_become_somebody, NULL);
    report("set groups", can_set_groups, NULL);
    EACH(shares_namespace, {"share the cgroup namespace", "cgroup"}, {"share the ipc namespace", "ipc"},
         {"share the mount namespace", "mnt"}, {"share the network namespace", "net"}, {"share the pid namespace", "pid"},
         {"share the uts namespace", "uts"});
}

static void files(void) {
    EACH(can_write, {"write core_pattern", "/proc/sys/kernel/core_pattern"}, {"write modprobe", "/proc/sys/kernel/modprobe"},
         {"write ip_forward", "/proc/sys/net/ipv4/ip_forward"}, {"write drop_caches", "/proc/sys/vm/drop_caches"},
         {"write overcommit_memory", "/proc/sys/vm/overcommit_memory"}, {"write hostname by /proc", "/proc/sys/kernel/hostname"},
         {"write ns_last_pid", "/proc/sys/kernel/ns_last_pid"}, {"write sysrq", "/proc/sys/kernel/sysrq"},
         {"write sysrq-trigger", "/proc/sysrq-trigger"}, {"register a binary format", "/proc/sys/fs/binfmt_misc/register"},
         {"write an interrupt's affinity", "/proc/irq/default_smp_affinity"},
         {"write uevent_helper", "/sys/kernel/uevent_helper"}, {"write power state", "/sys/power/state"},
         {"rescan buses", "/sys/bus/pci/rescan"}, {"write huge pages", "/sys/kernel/mm/transparent_hugepage/enabled"},
         {"write a module's parameter", "/sys/module/kernel/parameters/panic"},
         {"write a cgroup's release agent", "/sys/fs/cgroup/memory/release_agent"},
         {"write another cgroup", "/sys/fs/cgroup/cgroup.procs"}, {"write /dev/kmsg", "/dev/kmsg"});
    EACH(can_read, {"read kcore", "/proc/kcore"}, {"read kmsg", "/proc/kmsg"}, {"read keys", "/proc/keys"},
         {"read timer_list", "/proc/timer_list"}, {"read interrupts", "/proc/interrupts"},
         {"read sched_debug", "/proc/sched_debug"}, {"read the scheduler's state", "/sys/kernel/debug/sched/debug"},
         {"read a serial number", "/sys/class/dmi/id/product_serial"}, {"read /dev/kmsg", "/dev/kmsg"},
         {"read energy counters", "/sys/class/powercap/intel-rapl:0/energy_uj"});
    // The first process of a namespace of its own is the command itself.
    EACH(can_read_of_machine, {"read the machine's first process's environment", "/proc/1/environ"},
         {"read the machine's first process's memory map", "/proc/1/maps"});
    EACH(can_list, {"list firmware", "/sys/firmware"}, {"list acpi", "/proc/acpi"}, {"list scsi", "/proc/scsi"},
         {"list kernel debug files", "/sys/kernel/debug"}, {"list trace files", "/sys/kernel/tracing"},
         {"list bpf objects", "/sys/fs/bpf"}, {"list power capping", "/sys/devices/virtual/powercap"});
    EACH(can_open, {"open /dev/mem", "/dev/mem"}, {"open /dev/port", "/dev/port"}, {"open /dev/fuse", "/dev/fuse"},
         {"open /dev/kvm", "/dev/kvm"}, {"open /dev/net/tun", "/dev/net/tun"}, {"open loop-control", "/dev/loop-control"},
         {"open the device mapper", "/dev/mapper/control"}, {"open /dev/console", "/dev/console"},
         {"open a disk", "/dev/vda"}, {"open vhost-net", "/dev/vhost-net"}, {"open userfaultfd's device", "/dev/userfaultfd"});
    EACH(can_make_directory, {"make a cgroup", "/sys/fs/cgroup/probe"}, {"make a memory cgroup", "/sys/fs/cgroup/memory/probe"});
    static const struct node MEMORY = {S_IFCHR, 1, 1}, DISK = {S_IFBLK, 254, 0}, ZERO = {S_IFCHR, 1, 5}, WHITEOUT = {S_IFCHR, 0, 0};
    EACH(can_make_working_node, {"a node of memory that works", &MEMORY}, {"a node of a disk that works", &DISK},
         {"a node of zero that works", &ZERO});
    EACH(can_make_node, {"make a character node", &ZERO}, {"make a block node", &DISK}, {"make a whiteout", &WHITEOUT});
    EACH(can_set_attribute, {"set a file's capabilities", "security.capability"}, {"set a trusted attribute", "trusted.probe"},
         {"set an overlay attribute", "trusted.overlay.opaque"}, {"set a label", "security.probe"});
    report("see kernel addresses", sees_kernel_addresses, NULL);
    report("make itself immune to memory shortage", can_lower_oom_score, NULL);
    report("leave by the first process's root", root_of_first_is_elsewhere, NULL);
    report("see processes of others", sees_strangers, NULL);
    report("make a file immutable", can_make_immutable, NULL);
    report("set a set-id bit", can_set_user_id_bit, NULL);
}

static void mounts(void) {
    static const long USER = CLONE_NEWUSER, MOUNT = CLONE_NEWNS, NET = CLONE_NEWNET, PID = CLONE_NEWPID, UTS = CLONE_NEWUTS,
                      IPC = CLONE_NEWIPC, CGROUP = CLONE_NEWCGROUP, TIME = 0x80;
    EACH(can_unshare, {"unshare the user namespace", &USER}, {"unshare the mount namespace", &MOUNT},
         {"unshare the network namespace", &NET}, {"unshare the pid namespace", &PID}, {"unshare the uts namespace", &UTS},
         {"unshare the ipc namespace", &IPC}, {"unshare the cgroup namespace", &CGROUP}, {"unshare the time namespace", &TIME});
    EACH(can_clone_into, {"clone into a user namespace", &USER}, {"clone into a mount namespace", &MOUNT});
    report("clone3 into a user namespace", can_clone3, NULL);
    EACH(can_enter, {"enter a mount namespace", "/proc/self/ns/mnt"}, {"enter a network namespace", "/proc/self/ns/net"},
         {"enter a user namespace", "/proc/1/ns/user"});
    EACH(can_mount, {"mount a tmpfs", "tmpfs"}, {"mount /proc", "proc"}, {"mount /sys", "sysfs"}, {"mount a cgroup", "cgroup2"},
         {"mount kernel debug files", "debugfs"}, {"mount security files", "securityfs"}, {"mount binary formats", "binfmt_misc"});
    EACH(can_remount, {"remount the root", "/"}, {"remount /proc/sys writable", "/proc/sys"}, {"remount /sys writable", "/sys"});
    EACH(can_unmount, {"unmask firmware", "/sys/firmware"}, {"unmask kcore", "/proc/kcore"}, {"unmount /proc", "/proc"});
    report("bind the root elsewhere", can_bind, NULL);
    report("pivot the root", can_pivot, NULL);
    report("chroot", can_chroot, NULL);
    report("clone a mount tree", can_clone_tree, NULL);
    EACH(can_open_file_system, {"open a file system", "tmpfs"});
    report("open by handle", can_open_by_handle, NULL);
}

static void calls(void) {
    // Arguments that no kernel takes: with a permission the answer is another one than without.
    static const struct call
        BPF = {SYS_bpf, {0, 0, 0}}, PERF = {SYS_perf_event_open, {0, 0, -1, -1, 0}}, USERFAULT = {SYS_userfaultfd, {0}},
        URING = {SYS_io_uring_setup, {0, 0}}, KEYCTL = {SYS_keyctl, {0, -3, 0}}, ADD_KEY = {SYS_add_key, {0, 0, 0, 0, 0}},
        REQUEST_KEY = {SYS_request_key, {0, 0, 0, 0}}, KEXEC = {SYS_kexec_load, {0, 17, 0, ~0L}},
        KEXEC_FILE = {SYS_kexec_file_load, {-1, -1, 0, 0, ~0L}}, INIT_MODULE = {SYS_init_module, {0, 0, 0}},
        FINIT_MODULE = {SYS_finit_module, {-1, 0, ~0L}}, DELETE_MODULE = {SYS_delete_module, {0, 0}}, REBOOT = {SYS_reboot, {0, 0, 0, 0}},
        SWAPON = {SYS_swapon, {0, ~0L}}, SWAPOFF = {SYS_swapoff, {0}}, ACCT = {SYS_acct, {1}}, QUOTA = {SYS_quotactl, {0, 0, 0, 0}},
        SYSLOG = {SYS_syslog, {3, 0, 0}}, FANOTIFY = {SYS_fanotify_init, {1 << 30, 0}}, HANDLE = {SYS_name_to_handle_at, {-100, 0, 0, 0, 0}},
        MIGRATE = {SYS_migrate_pages, {0, 0, 0, 0}}, MOVE_PAGES = {SYS_move_pages, {0, 0, 0, 0, 0, 0}}, MBIND = {SYS_mbind, {1, 0, 99, 0, 0, 0}},
        KCMP = {SYS_kcmp, {1, 1, 99, 0, 0}},
        GET_FD = {SYS_pidfd_getfd, {-1, 0, ~0L}}, VHANGUP = {SYS_vhangup, {0}}, MOVE_MOUNT = {SYS_move_mount, {-1, 0, -1, 0, ~0L}},
        SET_MOUNT = {SYS_mount_setattr, {-1, 0, ~0L, 0, 0}}, DOMAIN = {SYS_setdomainname, {0, -1}}, LOOKUP = {212 /* lookup_dcookie */, {0, 0, 0}},
        SECRET = {447 /* memfd_secret */, {~0L}}, MADVISE = {440 /* process_madvise */, {-1, 0, 0, 0, 0}}, PERSONALITY = {SYS_personality, {0x0040000}};
    EACH(can_call, {"bpf", &BPF}, {"perf_event_open", &PERF}, {"userfaultfd", &USERFAULT}, {"io_uring", &URING}, {"keyctl", &KEYCTL},
         {"add_key", &ADD_KEY}, {"request_key", &REQUEST_KEY}, {"kexec_load", &KEXEC}, {"kexec_file_load", &KEXEC_FILE},
         {"init_module", &INIT_MODULE}, {"finit_module", &FINIT_MODULE}, {"delete_module", &DELETE_MODULE}, {"reboot", &REBOOT},
         {"swapon", &SWAPON}, {"swapoff", &SWAPOFF}, {"acct", &ACCT}, {"quotactl", &QUOTA}, {"read the kernel's log", &SYSLOG},
         {"fanotify", &FANOTIFY}, {"name_to_handle_at", &HANDLE}, {"migrate_pages", &MIGRATE}, {"move_pages", &MOVE_PAGES},
         {"mbind", &MBIND}, {"compare processes", &KCMP}, {"take another process's descriptor", &GET_FD}, {"vhangup", &VHANGUP},
         {"move a mount", &MOVE_MOUNT}, {"set a mount's attributes", &SET_MOUNT}, {"set the domain name", &DOMAIN},
         {"lookup_dcookie", &LOOKUP}, {"memfd_secret", &SECRET}, {"advise another process's memory", &MADVISE},
         {"turn address randomisation off", &PERSONALITY});
#ifdef __x86_64__
    static const struct call IOPL = {SYS_iopl, {3}}, IOPERM = {SYS_ioperm, {0x80, 1, 1}}, LDT = {SYS_modify_ldt, {0, 0, 0}},
                             USELIB = {SYS_uselib, {0}}, SYSFS = {SYS_sysfs, {3, 0, 0}}, USTAT = {SYS_ustat, {0, 0}};
    EACH(can_call, {"iopl", &IOPL}, {"ioperm", &IOPERM}, {"modify_ldt", &LDT}, {"uselib", &USELIB}, {"sysfs", &SYSFS}, {"ustat", &USTAT});
#endif
    report("trace a child", can_trace_child, NULL);
    report("trace the machine's first process", can_trace_first, NULL);
    report("read the memory of the machine's first process", can_read_memory_of_machine, NULL);
    report("set the time", can_set_time, NULL);
    report("set the host name", can_set_host_name, NULL);
    report("run in real time", can_run_in_real_time, NULL);
    report("raise a priority", can_hurry, NULL);
    report("raise a limit", can_raise_limit, NULL);
    report("type into a terminal", can_type_into_terminal, NULL);
}

static void network(void) {
    static const struct socket_kind PACKET = {AF_PACKET, SOCK_RAW, 0}, RAW = {AF_INET, SOCK_RAW, IPPROTO_ICMP}, ALG = {AF_ALG, SOCK_SEQPACKET, 0},
                                    VSOCK = {AF_VSOCK, SOCK_STREAM, 0}, KEY = {AF_KEY, SOCK_RAW, 2}, XDP = {44, SOCK_RAW, 0},
                                    AUDIT = {AF_NETLINK, SOCK_RAW, NETLINK_AUDIT}, BLUETOOTH = {AF_BLUETOOTH, SOCK_RAW, 1},
                                    CAN = {AF_CAN, SOCK_RAW, 1}, TIPC = {AF_TIPC, SOCK_SEQPACKET, 0}, RDS = {AF_RDS, SOCK_SEQPACKET, 0};
    EACH(can_open_socket, {"a packet socket", &PACKET}, {"a raw socket", &RAW}, {"a cipher socket", &ALG}, {"a socket of the hypervisor", &VSOCK},
         {"a socket of keys", &KEY}, {"a socket of express paths", &XDP}, {"a socket of the audit", &AUDIT}, {"a bluetooth socket", &BLUETOOTH},
         {"a bus socket", &CAN}, {"a cluster socket", &TIPC}, {"a datagram cluster socket", &RDS});
    report("change interfaces", can_change_interfaces, NULL);
    report("reach the machine's abstract sockets", can_reach_abstract, NULL);
    report("reach the machine's loopback", can_reach_loopback, NULL);
}

// Nothing may be tried where it would be tried on the machine itself.
static int is_inside(void) {
    struct stat mine;
    const char *machines = argument("mnt");
    return machines && stat("/proc/self/ns/mnt", &mine) == 0 && mine.st_ino != strtoul(machines, NULL, 10) &&
           strtoul(machines, NULL, 10) != 0;
}

int main(int count, char **values) {
    arguments_count = count;
    arguments = values;
    if (!is_inside()) {
        fputs("escape: this is no sandbox, or nobody said which mount namespace is the machine's (mnt=INODE)\n", stderr);
        return 2;
    }
    setvbuf(stdout, NULL, _IOFBF, 1 << 16);
    privileges();
    files();
    mounts();
    calls();
    network();
    printf("\n}\n");
    return 0;
}
