//! The default profile: the facts of Docker's (`moby/profiles`, seccomp), in three tables.
//!
//! ```text
//! ALWAYS      name…                     allowed to everyone
//! WITH        capability: name…         allowed when the container's bounding set has the capability
//! ARGUMENTS   name(argument op value)   allowed with these arguments: personality, socket, clone
//! the rest    EPERM; clone3 ENOSYS, so that libc falls back to clone, whose flags a filter can see
//! ```
//!
//! Not in any table, hence refused: io_uring (reaches files past this filter), keyctl, add_key and request_key (keyrings
//! know no namespaces), userfaultfd, kexec, swapon, nfsservctl, and the families AF_ALG and AF_VSOCK of socket.

use oci_spec::runtime::{
    Arch, Capabilities, Capability, LinuxSeccomp, LinuxSeccompAction, LinuxSeccompArgBuilder, LinuxSeccompOperator,
    LinuxSyscall,
};

const ALWAYS: &str = "
    accept accept4 access adjtimex alarm arch_prctl bind brk cachestat capget capset chdir chmod chown chown32
    clock_adjtime clock_adjtime64 clock_getres clock_getres_time64 clock_gettime clock_gettime64 clock_nanosleep
    clock_nanosleep_time64 close close_range connect copy_file_range creat dup dup2 dup3
    epoll_create epoll_create1 epoll_ctl epoll_ctl_old epoll_pwait epoll_pwait2 epoll_wait epoll_wait_old
    eventfd eventfd2 execve execveat exit exit_group
    faccessat faccessat2 fadvise64 fadvise64_64 fallocate fanotify_mark fchdir fchmod fchmodat fchmodat2 fchown fchown32
    fchownat fcntl fcntl64 fdatasync fgetxattr flistxattr flock fork fremovexattr fsetxattr fstat fstat64 fstatat64
    fstatfs fstatfs64 fsync ftruncate ftruncate64 futex futex_requeue futex_time64 futex_wait futex_waitv futex_wake
    futimesat
    get_robust_list get_thread_area getcpu getcwd getdents getdents64 getegid getegid32 geteuid geteuid32 getgid
    getgid32 getgroups getgroups32 getitimer getpeername getpgid getpgrp getpid getppid getpriority getrandom getresgid
    getresgid32 getresuid getresuid32 getrlimit getrusage getsid getsockname getsockopt gettid gettimeofday getuid
    getuid32 getxattr getxattrat
    inotify_add_watch inotify_init inotify_init1 inotify_rm_watch io_cancel io_destroy io_getevents io_pgetevents
    io_pgetevents_time64 io_setup io_submit ioctl ioprio_get ioprio_set ipc kill
    landlock_add_rule landlock_create_ruleset landlock_restrict_self lchown lchown32 lgetxattr link linkat listen
    listmount listxattr listxattrat llistxattr _llseek lremovexattr lseek lsetxattr lstat lstat64
    madvise map_shadow_stack membarrier memfd_create memfd_secret mincore mkdir mkdirat mknod mknodat mlock mlock2
    mlockall mmap mmap2 modify_ldt mprotect mq_getsetattr mq_notify mq_open mq_timedreceive mq_timedreceive_time64
    mq_timedsend mq_timedsend_time64 mq_unlink mremap mseal msgctl msgget msgrcv msgsnd msync munlock munlockall munmap
    name_to_handle_at nanosleep newfstatat _newselect open openat openat2
    pause pidfd_open pidfd_send_signal pipe pipe2 pkey_alloc pkey_free pkey_mprotect poll ppoll ppoll_time64 prctl
    pread64 preadv preadv2 prlimit64 process_mrelease process_vm_readv process_vm_writev pselect6 pselect6_time64 ptrace
    pwrite64 pwritev pwritev2
    read readahead readlink readlinkat readv recv recvfrom recvmmsg recvmmsg_time64 recvmsg remap_file_pages
    removexattr removexattrat rename renameat renameat2 restart_syscall rmdir rseq rt_sigaction rt_sigpending
    rt_sigprocmask rt_sigqueueinfo rt_sigreturn rt_sigsuspend rt_sigtimedwait rt_sigtimedwait_time64 rt_tgsigqueueinfo
    sched_get_priority_max sched_get_priority_min sched_getaffinity sched_getattr sched_getparam sched_getscheduler
    sched_rr_get_interval sched_rr_get_interval_time64 sched_setaffinity sched_setattr sched_setparam sched_setscheduler
    sched_yield seccomp select semctl semget semop semtimedop semtimedop_time64 send sendfile sendfile64 sendmmsg
    sendmsg sendto set_robust_list set_thread_area set_tid_address setfsgid setfsgid32 setfsuid setfsuid32 setgid
    setgid32 setgroups setgroups32 setitimer setpgid setpriority setregid setregid32 setresgid setresgid32 setresuid
    setresuid32 setreuid setreuid32 setrlimit setsid setsockopt setuid setuid32 setxattr setxattrat shmat shmctl shmdt
    shmget shutdown sigaltstack signalfd signalfd4 sigprocmask sigreturn socketcall socketpair splice stat stat64 statfs
    statfs64 statmount statx symlink symlinkat sync sync_file_range syncfs sysinfo
    tee tgkill time timer_create timer_delete timer_getoverrun timer_gettime timer_gettime64 timer_settime
    timer_settime64 timerfd_create timerfd_gettime timerfd_gettime64 timerfd_settime timerfd_settime64 times tkill
    truncate truncate64 ugetrlimit umask uname unlink unlinkat uretprobe utime utimensat utimensat_time64 utimes
    vfork vmsplice wait4 waitid waitpid write writev";

/// On an ARM host also these.
const ALWAYS_ON_ARM: &str = "arm_fadvise64_64 arm_sync_file_range breakpoint cacheflush set_tls sync_file_range2";
/// On an ARM host not these.
const X86_ONLY: [&str; 2] = ["arch_prctl", "modify_ldt"];

const WITH: &[(Capability, &str)] = &[
    (Capability::DacReadSearch, "open_by_handle_at"),
    (
        Capability::SysAdmin,
        "bpf clone clone3 fanotify_init fsconfig fsmount fsopen fspick lookup_dcookie lsm_get_self_attr \
         lsm_list_modules lsm_set_self_attr mount mount_setattr move_mount open_tree perf_event_open quotactl \
         quotactl_fd setdomainname sethostname setns syslog umount umount2 unshare",
    ),
    (Capability::SysBoot, "reboot"),
    (Capability::SysChroot, "chroot"),
    (Capability::SysModule, "delete_module finit_module init_module"),
    (Capability::SysPacct, "acct"),
    (Capability::SysPtrace, "kcmp pidfd_getfd process_madvise"),
    (Capability::SysRawio, "ioperm iopl"),
    (Capability::SysTime, "clock_settime clock_settime64 settimeofday stime"),
    (Capability::SysTtyConfig, "vhangup"),
    (Capability::SysNice, "get_mempolicy mbind set_mempolicy set_mempolicy_home_node"),
    (Capability::Syslog, "syslog"),
    (Capability::Bpf, "bpf"),
    (Capability::Perfmon, "perf_event_open"),
];

/// Each line allows one call when its first argument compares so. personality(2): PER_LINUX, PER_LINUX32, both with
/// UNAME26, and the question "which one now". socket(2): every family up to 45 but AF_ALG (38) and AF_VSOCK (40); not
/// "greater than 40", because an argument is 64 bits wide, the kernel reads 32, and 2^32 + 38 would pass.
const ARGUMENTS: &[(&str, LinuxSeccompOperator, u64)] = &[
    ("personality", LinuxSeccompOperator::ScmpCmpEq, 0x0),
    ("personality", LinuxSeccompOperator::ScmpCmpEq, 0x8),
    ("personality", LinuxSeccompOperator::ScmpCmpEq, 0x2_0000),
    ("personality", LinuxSeccompOperator::ScmpCmpEq, 0x2_0008),
    ("personality", LinuxSeccompOperator::ScmpCmpEq, 0xffff_ffff),
    ("socket", LinuxSeccompOperator::ScmpCmpLt, 38),
    ("socket", LinuxSeccompOperator::ScmpCmpEq, 39),
    ("socket", LinuxSeccompOperator::ScmpCmpEq, 41),
    ("socket", LinuxSeccompOperator::ScmpCmpEq, 42),
    ("socket", LinuxSeccompOperator::ScmpCmpEq, 43),
    ("socket", LinuxSeccompOperator::ScmpCmpEq, 44),
    ("socket", LinuxSeccompOperator::ScmpCmpEq, 45),
];

/// CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID and NEWNET of clone(2).
const NAMESPACE_FLAGS: u64 = 0x7e02_0000;
const EPERM: u32 = 1;
const ENOSYS: u32 = 38;

/// The default profile for a container with these capabilities in its bounding set: what goes into the Spec.
///
/// Source: `moby/profiles` seccomp/default.json, for kernels since 4.8 (ptrace checks after seccomp).
pub fn profile(bounding: &Capabilities) -> LinuxSeccomp {
    let mut syscalls = vec![allow(always())];
    syscalls.extend(WITH.iter().filter(|(cap, _)| bounding.contains(cap)).map(|(_, names)| allow(words(names))));
    syscalls.extend(ARGUMENTS.iter().map(|(name, op, value)| allow_when(name, *op, *value)));
    if !bounding.contains(&Capability::SysAdmin) {
        syscalls.push(allow_when("clone", LinuxSeccompOperator::ScmpCmpMaskedEq, NAMESPACE_FLAGS));
        syscalls.push(refuse("clone3", ENOSYS));
    }
    let mut profile = LinuxSeccomp::default();
    profile.set_default_action(LinuxSeccompAction::ScmpActErrno);
    profile.set_default_errno_ret(Some(EPERM));
    profile.set_architectures(Some(architectures()));
    profile.set_syscalls(Some(syscalls));
    profile
}

fn architectures() -> Vec<Arch> {
    if cfg!(target_arch = "x86_64") {
        vec![Arch::ScmpArchX86_64, Arch::ScmpArchX86]
    } else {
        vec![Arch::ScmpArchNative]
    }
}

fn always() -> Vec<String> {
    let mut names = words(ALWAYS);
    if cfg!(target_arch = "aarch64") {
        names.retain(|name| !X86_ONLY.contains(&name.as_str()));
        names.extend(words(ALWAYS_ON_ARM));
    }
    names
}

fn words(names: &str) -> Vec<String> {
    names.split_ascii_whitespace().map(str::to_owned).collect()
}

fn allow(names: Vec<String>) -> LinuxSyscall {
    let mut rule = LinuxSyscall::default();
    rule.set_names(names);
    rule.set_action(LinuxSeccompAction::ScmpActAllow);
    rule
}

fn allow_when(name: &str, op: LinuxSeccompOperator, value: u64) -> LinuxSyscall {
    let argument = LinuxSeccompArgBuilder::default().index(0usize).op(op).value(value).value_two(0u64).build();
    let mut rule = allow(vec![name.to_owned()]);
    // The builder fails only for a missing field, and each field has a default.
    rule.set_args(Some(vec![argument.expect("a complete argument")]));
    rule
}

fn refuse(name: &str, errno: u32) -> LinuxSyscall {
    let mut rule = allow(vec![name.to_owned()]);
    rule.set_action(LinuxSeccompAction::ScmpActErrno);
    rule.set_errno_ret(Some(errno));
    rule
}

#[cfg(test)]
mod tests {
    use super::super::syscalls::Numbers;
    use super::*;

    fn names(profile: &LinuxSeccomp) -> Vec<&str> {
        profile.syscalls().iter().flatten().flat_map(|rule| rule.names()).map(String::as_str).collect()
    }

    #[test]
    fn every_name_has_a_number_somewhere() {
        let groups = WITH.iter().map(|(_, names)| *names).chain([ALWAYS]);
        for name in groups.flat_map(str::split_ascii_whitespace).chain(ARGUMENTS.iter().map(|(name, _, _)| *name)) {
            // Old names of 32-bit ARM and of x86 headers that are no calls of their own on our three architectures.
            assert!(Numbers::of(name).is_some() || ["recv", "send"].contains(&name), "{name}");
        }
    }

    #[test]
    fn what_hands_out_the_host_is_in_no_table() {
        let all = WITH.iter().map(|(cap, _)| *cap).collect();
        let profile = profile(&all);
        for name in ["io_uring_setup", "keyctl", "add_key", "request_key", "userfaultfd", "kexec_load", "swapon"] {
            assert!(!names(&profile).contains(&name), "{name}");
        }
    }

    #[test]
    fn capabilities_open_their_groups() {
        let without = profile(&Capabilities::new());
        assert!(!names(&without).contains(&"mount"));
        let with = profile(&Capabilities::from([Capability::SysAdmin]));
        assert!(names(&with).contains(&"mount"));
        assert!(!with.syscalls().iter().flatten().any(|rule| rule.names() == &["clone3"]), "clone3 is allowed then");
    }

    #[test]
    fn as_json_it_is_what_an_oci_runtime_reads() {
        let json = serde_json::to_value(profile(&Capabilities::new())).unwrap();
        assert_eq!(json["defaultAction"], "SCMP_ACT_ERRNO");
        assert_eq!(json["syscalls"][1]["args"][0]["op"], "SCMP_CMP_EQ");
    }
}
