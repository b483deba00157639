/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tables of system calls. What a queue's thread calls all the time has no checks of arguments: the kernel (5.11 and
 * newer) then answers for it out of a bitmap, without running the filter.
 */
#include "server/sandbox/seccomp_rules.h"

#include <fcntl.h>
#include <linux/fuse.h>
#include <linux/io_uring.h>
#include <linux/membarrier.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#include <graftfs/fuse.h>

/* Of int and unsigned int arguments the kernel takes the lower half alone. */
#define INT_MASK UINT64_C(0xffffffff)

#define CALL(name)	      { .call = SCMP_SYS(name) }
#define RARE(name, why)	      { .call = SCMP_SYS(name), .rare = (why) }
#define BITS(name, arg, mask, value) { .call = SCMP_SYS(name), .nargs = 1, .args = { SCMP_CMP64(arg, SCMP_CMP_MASKED_EQ, mask, value) } }
#define WITH(name, arg, value) BITS(name, arg, INT_MASK, (uint32_t)(value))
#define RARE_WITH(name, arg, value, why)                                                                             \
	{ .call = SCMP_SYS(name), .nargs = 1,                                                                        \
	  .args = { SCMP_CMP64(arg, SCMP_CMP_MASKED_EQ, INT_MASK, (uint32_t)(value)) }, .rare = (why) }

/* What pthread_create asks for, no namespaces and no process: glibc passes exactly this since 2.3. */
#define THREAD                                                                                                        \
	(CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SYSVSEM | CLONE_SIGHAND | CLONE_THREAD | CLONE_SETTLS |             \
	 CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID)

#define NO_VDSO	 "where the clock cannot be read from user space the vDSO makes the call"
#define OTHER_CPU "other architectures have this one alone"
#define ON_FAULT "at the end of a process that found itself damaged (abort), which else would end without a word on why"

static const struct seccomp_rule core[] = {
	/* threads and memory */
	CALL(futex),
	CALL(read),
	CALL(write),
	CALL(close),
	CALL(poll),
	RARE(ppoll, OTHER_CPU),
	CALL(munmap),
	CALL(madvise),
	CALL(brk),
	RARE(mremap, "realloc of a large block"),
	BITS(mmap, 2, PROT_EXEC, 0),
	BITS(mprotect, 2, PROT_EXEC, 0),
	{ .call = SCMP_SYS(clone), .nargs = 1, .args = { SCMP_CMP64(0, SCMP_CMP_EQ, THREAD, 0) } },
	CALL(set_robust_list),
	CALL(rseq),
	WITH(prctl, 0, PR_SET_NAME),
	WITH(unshare, 0, CLONE_FS),
	CALL(umask),
	CALL(exit),
	CALL(exit_group),
	WITH(membarrier, 0, MEMBARRIER_CMD_PRIVATE_EXPEDITED),
	CALL(sched_getaffinity),
	RARE(sched_yield, "threads that wait for a short time"),
	CALL(getrandom),
	/* to look at a limit, not to set one */
	{ .call = SCMP_SYS(prlimit64), .nargs = 1, .args = { SCMP_CMP64(2, SCMP_CMP_EQ, 0, 0) } },
	RARE(sysinfo, "qsort asks how much memory there is"),
	/* signals; tgkill to itself is added when its number is known */
	CALL(rt_sigaction),
	CALL(rt_sigprocmask),
	RARE(rt_sigreturn, "after a missing page of a mapped file"),
	RARE(restart_syscall, "the kernel's own, for a wait that a stop of the process broke off"),
	CALL(getpid),
	RARE(gettid, ON_FAULT),
	/* time */
	RARE(clock_gettime, NO_VDSO),
	RARE(gettimeofday, NO_VDSO),
	/* the log, and descriptors */
	CALL(openat),
	CALL(newfstatat),
	RARE(fstat, OTHER_CPU),
	CALL(dup3),
	CALL(eventfd2),
	WITH(fcntl, 1, F_DUPFD_CLOEXEC),
	WITH(fcntl, 1, F_GETFL),
	WITH(fcntl, 1, F_SETFL),
	WITH(fcntl, 1, F_SETFD), /* fdopendir */
	/* sd_notify: on a socket that was connected before, so without an address */
	{ .call = SCMP_SYS(sendto), .nargs = 1, .args = { SCMP_CMP64(4, SCMP_CMP_EQ, 0, 0) } },
};

/*
 * The ring is made before the filter is loaded, restricted to four operations on descriptors that are open: it opens no
 * way around.
 */
static const struct seccomp_rule io_uring[] = {
	CALL(io_uring_enter),
	WITH(io_uring_register, 1, IORING_REGISTER_ENABLE_RINGS),
};

static const struct seccomp_rule vhost_user[] = {
	CALL(epoll_wait),
	RARE(epoll_pwait, OTHER_CPU),
	CALL(epoll_ctl),
	CALL(epoll_create1),
	CALL(recvmsg),
	CALL(recvfrom),
	CALL(sendmsg),
	CALL(accept4),
	CALL(unlinkat),
	CALL(fstat),
	RARE(sched_setaffinity, "queue-cpus"),
};

static const struct seccomp_rule dev_fuse[] = {
	CALL(writev),
	CALL(capget),
	CALL(capset),
	WITH(ioctl, 1, FUSE_DEV_IOC_CLONE),
	WITH(ioctl, 1, FUSE_DEV_IOC_BACKING_OPEN),
	WITH(ioctl, 1, FUSE_DEV_IOC_BACKING_CLOSE),
};

/* What fork asks for: a process, no namespaces. */
#define PROCESS (CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID | SIGCHLD)

/* Without a helper the daemon mounts and unmounts itself, and forks to ask whether a mount in its way is a dead daemon's. */
static const struct seccomp_rule fuse_mount[] = {
	CALL(mount),
	CALL(umount2),
	CALL(syncfs),
	CALL(statx),
	CALL(readlink),
	RARE(readlinkat, OTHER_CPU),
	{ .call = SCMP_SYS(clone), .nargs = 1, .args = { SCMP_CMP64(0, SCMP_CMP_EQ, PROCESS, 0) } },
	RARE(close_range, "in the child that asks, which is not recorded"),
	CALL(pidfd_open),
	CALL(wait4),
	RARE_WITH(kill, 1, SIGKILL, "of the child that asks, where it is not answered"),
};

static const struct seccomp_rule outside_client[] = {
	CALL(sendmsg),
	CALL(recvmsg),
};

/* libmicrohttpd, mounts and the state folder. */
static const struct seccomp_rule control[] = {
	CALL(accept4),
	CALL(epoll_create1),
	CALL(epoll_ctl),
	CALL(epoll_wait),
	RARE(epoll_pwait, OTHER_CPU),
	CALL(recvfrom),
	CALL(sendmsg),
	CALL(getsockname),
	RARE(shutdown, "libmicrohttpd ends a connection before its client does"),
	CALL(getsockopt),
	CALL(renameat),
	CALL(unlinkat),
	CALL(fsync),
	CALL(flock),
	CALL(lseek),
	CALL(getdents64),
};

/* lib/log_rotate.c, with zlib. */
static const struct seccomp_rule log_rotation[] = {
	CALL(renameat),
	CALL(unlinkat),
	CALL(getdents64),
	CALL(lseek),
};

/* It is connected to, given the mount and asked for it. */
static const struct seccomp_rule supervisor[] = {
	WITH(socket, 0, AF_UNIX),
	CALL(connect),
	CALL(sendto),
	CALL(sendmsg),
	CALL(recvmsg),
	WITH(fcntl, 1, F_SETFL),
	WITH(fcntl, 1, F_GETFL),
};

#ifdef GRAFT_SANITIZED
#define SANITIZER "the sanitizers' own: reports, and the search for leaks at the end"
static const struct seccomp_rule sanitizers[] = {
	RARE(clone, SANITIZER),
	RARE(getppid, SANITIZER),
	RARE(getrlimit, SANITIZER),
	RARE(mmap, SANITIZER),
	RARE(mprotect, SANITIZER),
	RARE(nanosleep, SANITIZER),
	RARE(clock_nanosleep, SANITIZER),
	RARE(open, SANITIZER),
	RARE(prctl, SANITIZER),
	RARE(prlimit64, SANITIZER),
	RARE(ptrace, SANITIZER),
	RARE(pipe2, SANITIZER),
	RARE(process_vm_readv, SANITIZER),
	RARE(readlink, SANITIZER),
	RARE(sched_getparam, SANITIZER),
	RARE(sched_getscheduler, SANITIZER),
	RARE(sigaltstack, SANITIZER),
	RARE(wait4, SANITIZER),
	RARE(getdents, SANITIZER),
	RARE(getdents64, SANITIZER),
	RARE(lseek, SANITIZER),
	RARE(uname, SANITIZER),
};
#endif

static bool has_transport(const struct config *c, uint32_t kind)
{
	for (uint32_t i = 0; i < c->ntransports; i++)
		if (c->transports[i].kind == kind)
			return true;
	return false;
}

static bool wants_vhost_user(const struct config *c, bool outside)
{
	(void)outside;
	return has_transport(c, GRAFT_VHOST_USER);
}

static bool wants_fuse(const struct config *c, bool outside)
{
	(void)outside;
	return has_transport(c, GRAFT_DEV_FUSE);
}

static bool wants_fuse_mount(const struct config *c, bool outside)
{
	return !outside && has_transport(c, GRAFT_DEV_FUSE);
}

static bool wants_outside(const struct config *c, bool outside)
{
	(void)c;
	return outside;
}

static bool wants_control(const struct config *c, bool outside)
{
	(void)outside;
	return c->server.api_socket || c->server.state_dir;
}

static bool wants_log_rotation(const struct config *c, bool outside)
{
	(void)outside;
	return c->server.log_rotation;
}

static bool wants_supervisor(const struct config *c, bool outside)
{
	(void)outside;
	return c->server.supervisor != NULL;
}

#define PART(label, when, table) { .name = label, .wanted = when, .rules = table, .n = sizeof(table) / sizeof((table)[0]) }

const struct seccomp_part seccomp_parts[] = {
	PART("core", NULL, core),
	PART("io_uring", NULL, io_uring),
	PART("vhost-user", wants_vhost_user, vhost_user),
	PART("/dev/fuse", wants_fuse, dev_fuse),
	PART("mounts of /dev/fuse", wants_fuse_mount, fuse_mount),
	PART("outside", wants_outside, outside_client),
	PART("control", wants_control, control),
	PART("log rotation", wants_log_rotation, log_rotation),
	PART("supervisor", wants_supervisor, supervisor),
#ifdef GRAFT_SANITIZED
	PART("sanitizers", NULL, sanitizers),
#endif
};
const size_t seccomp_nparts = sizeof(seccomp_parts) / sizeof(seccomp_parts[0]);
