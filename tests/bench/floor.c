/* The floor: the least that the start of a container can cost on this kernel, as one static C program.
 *
 *   floor LAYER WORK moved|enters|none WORDS…
 *
 *   parent                                   child
 *   mkdir cgroups ─ clone3(5 namespaces) ──> overlay ─ proc sys dev pts shm mqueue ─ masks ─ pivot_root
 *   [moved: its pid into each cgroup.procs]  [enters: 0 into each tasks] ─ lo up ─ capabilities ─ filter ─ execve
 *   waitpid ─ rmdir cgroups
 *
 * It keeps no record, no log, no terminal and no names, checks nothing and clears nothing away that a crash left: a ruler
 * for `make bench`, not a runtime. LAYER is an unpacked root, WORK an empty directory for the overlay. On cgroup v2 the
 * third word decides only whether there is a cgroup at all: the child is born in it.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/if.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

/* As many instructions as Docker's profile has when it is compiled without thought. */
enum { INSTRUCTIONS = 400, CGROUP2_MAGIC = 0x63677270 };

static const char *const trees[] = {"cpu", "cpuacct", "cpuset", "memory", "devices", "freezer", "blkio", "pids", "systemd", 0};
static char leaf[64];

static int fail(const char *what)
{
    fprintf(stderr, "floor: %s: %s\n", what, strerror(errno));
    _exit(125);
}

static void check(int result, const char *what)
{
    if (result < 0)
        fail(what);
}

static void put(const char *path, const char *text)
{
    int file = open(path, O_WRONLY | O_CLOEXEC);
    check(file, path);
    check(write(file, text, strlen(text)), path);
    close(file);
}

/* /sys/fs/cgroup/TREE/LEAF/FILE; trees that this machine lacks are left out. */
static int in_tree(char *path, size_t size, const char *tree, const char *file)
{
    snprintf(path, size, "/sys/fs/cgroup/%s/cgroup.procs", tree);
    if (access(path, F_OK))
        return 0;
    snprintf(path, size, "/sys/fs/cgroup/%s/%s%s%s", tree, leaf, *file ? "/" : "", file);
    return 1;
}

static void make_groups(void)
{
    char path[256];
    for (int i = 0; trees[i]; i++) {
        if (!in_tree(path, sizeof path, trees[i], ""))
            continue;
        check(mkdir(path, 0755), path);
        if (!strcmp(trees[i], "cpuset")) {
            in_tree(path, sizeof path, trees[i], "cpuset.cpus"), put(path, "0");
            in_tree(path, sizeof path, trees[i], "cpuset.mems"), put(path, "0");
        }
    }
}

static void fill_groups(const char *file, const char *pid)
{
    char path[256];
    for (int i = 0; trees[i]; i++)
        if (in_tree(path, sizeof path, trees[i], file))
            put(path, pid);
}

static void remove_groups(void)
{
    char path[256];
    for (int i = 0; trees[i]; i++)
        if (in_tree(path, sizeof path, trees[i], ""))
            for (int tries = 0; rmdir(path) && errno == EBUSY && tries < 1000; tries++)
                usleep(100);
}

static void device(const char *name, int major, int minor)
{
    check(mknod(name, S_IFCHR | 0666, makedev(major, minor)), name);
}

static void furnish_dev(void)
{
    check(mount("tmpfs", "dev", "tmpfs", MS_NOSUID | MS_STRICTATIME, "mode=755,size=65536k"), "mount /dev");
    device("dev/null", 1, 3), device("dev/zero", 1, 5), device("dev/full", 1, 7);
    device("dev/random", 1, 8), device("dev/urandom", 1, 9), device("dev/tty", 5, 0);
    mkdir("dev/pts", 0755), mkdir("dev/shm", 0755), mkdir("dev/mqueue", 0755);
    check(symlink("/proc/self/fd", "dev/fd") | symlink("pts/ptmx", "dev/ptmx"), "links in /dev");
    check(mount("devpts", "dev/pts", "devpts", MS_NOSUID | MS_NOEXEC, "newinstance,ptmxmode=0666,mode=0620,gid=5"), "mount /dev/pts");
    check(mount("shm", "dev/shm", "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=1777,size=65536k"), "mount /dev/shm");
    check(mount("mqueue", "dev/mqueue", "mqueue", MS_NOSUID | MS_NODEV | MS_NOEXEC, 0), "mount /dev/mqueue");
}

static void mask(void)
{
    static const char *const hidden[] = {"proc/kcore", "proc/keys", "proc/timer_list", 0};
    static const char *const read_only[] = {"proc/bus", "proc/fs", "proc/irq", "proc/sys", "proc/sysrq-trigger", 0};
    for (int i = 0; hidden[i]; i++)
        mount("dev/null", hidden[i], 0, MS_BIND, 0);
    for (int i = 0; read_only[i]; i++)
        if (!mount(read_only[i], read_only[i], 0, MS_BIND | MS_REC, 0))
            mount(0, read_only[i], 0, MS_BIND | MS_REMOUNT | MS_RDONLY, 0);
}

static void enter_root(const char *layer, const char *work)
{
    char options[4096], root[1024];
    snprintf(root, sizeof root, "%s/m", work);
    snprintf(options, sizeof options, "lowerdir=%s,upperdir=%s/u,workdir=%s/w", layer, work, work);
    check(mount(0, "/", 0, MS_REC | MS_SLAVE, 0), "mount --make-rslave /");
    check(mount("overlay", root, "overlay", 0, options), "mount overlay");
    check(chdir(root), root);
    check(mount("proc", "proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, 0), "mount /proc");
    check(mount("sysfs", "sys", "sysfs", MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_RDONLY, 0), "mount /sys");
    furnish_dev();
    mask();
    check(syscall(SYS_pivot_root, ".", "."), "pivot_root");
    check(umount2(".", MNT_DETACH), "umount");
    check(chdir("/"), "chdir /");
}

static void loopback_up(void)
{
    struct ifreq request = {.ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING};
    int any = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    check(any, "socket");
    check(ioctl(any, SIOCSIFFLAGS, &request), "lo up");
    close(any);
}

static void drop_privileges(void)
{
    struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct sets[2] = {{0xa80425fb, 0xa80425fb, 0}, {0, 0, 0}};
    struct sock_filter code[INSTRUCTIONS + 2];
    struct sock_fprog program = {INSTRUCTIONS + 2, code};
    code[0] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0);
    for (int i = 1; i <= INSTRUCTIONS; i++)
        code[i] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 10000 + i, 0, 0);
    code[INSTRUCTIONS + 1] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    for (int capability = 0; capability <= 40; capability++)
        if (!(capability < 32 && 0xa80425fbu >> capability & 1))
            prctl(PR_CAPBSET_DROP, capability);
    check(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program), "seccomp");
    check(syscall(SYS_capset, &header, sets), "capset");
}

static int child(const char *layer, const char *work, int enters, int gate, char **words)
{
    char byte, path[256];
    if (enters)
        fill_groups("tasks", "0");
    else
        check(read(gate, &byte, 1), "wait for the parent");
    enter_root(layer, work);
    check(sethostname("floor", 5), "sethostname");
    loopback_up();
    drop_privileges();
    snprintf(path, sizeof path, "/bin/%s", words[0]);
    execv(path, words);
    return fail(path);
}

int main(int count, char **words)
{
    struct statfs root;
    char path[1024], number[16];
    int gate[2], status, group = -1;
    if (count < 5)
        return fprintf(stderr, "usage: floor LAYER WORK moved|enters|none WORDS…\n"), 125;
    const char *layer = words[1], *work = words[2], *how = words[3];
    int grouped = strcmp(how, "none"), unified = !statfs("/sys/fs/cgroup", &root) && root.f_type == CGROUP2_MAGIC;
    int enters = !strcmp(how, "enters") && !unified;
    for (const char *name = "umw"; *name; name++)
        snprintf(path, sizeof path, "%s/%c", work, *name), mkdir(path, 0755);
    snprintf(leaf, sizeof leaf, "floor-%d", getpid());
    struct clone_args arguments = {
        .flags = CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS, .exit_signal = SIGCHLD};
    if (grouped && unified) {
        snprintf(path, sizeof path, "/sys/fs/cgroup/%s", leaf);
        check(mkdir(path, 0755), path);
        check(group = open(path, O_DIRECTORY | O_CLOEXEC), path);
        arguments.flags |= CLONE_INTO_CGROUP, arguments.cgroup = group;
    } else if (grouped)
        make_groups();
    check(pipe2(gate, O_CLOEXEC), "pipe");
    int pid = syscall(SYS_clone3, &arguments, sizeof arguments);
    check(pid, "clone3");
    if (!pid)
        return child(layer, work, enters, gate[0], words + 4);
    snprintf(number, sizeof number, "%d", pid);
    if (grouped && !unified && !enters)
        fill_groups("cgroup.procs", number);
    check(write(gate[1], "x", 1), "let the child go");
    check(waitpid(pid, &status, 0), "waitpid");
    if (unified && grouped)
        rmdir(path);
    else if (grouped)
        remove_groups();
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
