/* SPDX-License-Identifier: Apache-2.0 */
/* A backend that makes one system call which the server's list does not have: what a plugin taken over by a guest would
 * try. */
#include <graftfs/plugin.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/io_uring.h>
#include <linux/prctl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

struct trespass_settings {
	const char *attempt;
};

struct graft_inst {
	const struct graft_host *host;
	struct graft_slot *slot;
	const struct trespass_settings *set;
};

static long do_socket_inet(void)
{
	return syscall(SYS_socket, AF_INET, SOCK_STREAM, 0);
}
static long do_socket_unix(void)
{
	return syscall(SYS_socket, AF_UNIX, SOCK_DGRAM, 0);
}
static long do_socket_netlink(void)
{
	return syscall(SYS_socket, AF_NETLINK, SOCK_RAW, 0);
}
static long do_connect(void)
{
	return syscall(SYS_connect, -1, NULL, 0);
}
static long do_bind(void)
{
	return syscall(SYS_bind, -1, NULL, 0);
}
static long do_execve(void)
{
	return syscall(SYS_execve, "/nowhere", NULL, NULL);
}
static long do_execveat(void)
{
	return syscall(SYS_execveat, -1, "nowhere", NULL, NULL, 0);
}
static long do_ptrace(void)
{
	return syscall(SYS_ptrace, PTRACE_ATTACH, getppid(), 0, 0);
}
static long do_process_vm_readv(void)
{
	return syscall(SYS_process_vm_readv, 1, NULL, 0, NULL, 0, 0);
}
static long do_unshare_net(void)
{
	return syscall(SYS_unshare, CLONE_NEWNET);
}
static long do_setns(void)
{
	return syscall(SYS_setns, -1, CLONE_NEWNS);
}
static long do_mmap_exec(void)
{
	return syscall(SYS_mmap, NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == -1 ? -1 : 0;
}
static long do_tiocsti(void)
{
	return syscall(SYS_ioctl, STDERR_FILENO, TIOCSTI, "x");
}
static long do_tiocsti_high(void)
{
	return syscall(SYS_ioctl, STDERR_FILENO, TIOCSTI | (1UL << 32), "x");
}
static long do_setown(void)
{
	return syscall(SYS_fcntl, STDERR_FILENO, F_SETOWN, 1);
}
static long do_dumpable(void)
{
	return syscall(SYS_prctl, PR_SET_DUMPABLE, 1, 0, 0, 0);
}
static long do_capbset(void)
{
	return syscall(SYS_prctl, PR_CAPBSET_READ, 0, 0, 0, 0);
}
static long do_kill(void)
{
	return syscall(SYS_kill, getppid(), 0);
}
static long do_tgkill_other(void)
{
	return syscall(SYS_tgkill, 1, 1, 0);
}
static long do_io_uring_setup(void)
{
	return syscall(SYS_io_uring_setup, 1, NULL);
}
static long do_io_uring_register(void)
{
	return syscall(SYS_io_uring_register, -1, IORING_REGISTER_BUFFERS, NULL, 0);
}
static long do_chroot(void)
{
	return syscall(SYS_chroot, "/");
}
static long do_pivot_root(void)
{
	return syscall(SYS_pivot_root, ".", ".");
}
static long do_mount(void)
{
	return syscall(SYS_mount, NULL, "/nowhere", NULL, 0, NULL);
}
static long do_bpf(void)
{
	return syscall(SYS_bpf, 0, NULL, 0);
}
static long do_keyctl(void)
{
	return syscall(SYS_keyctl, 0, 0, 0, 0, 0);
}
static long do_userfaultfd(void)
{
	return syscall(SYS_userfaultfd, 0);
}
static long do_perf_event_open(void)
{
	return syscall(SYS_perf_event_open, NULL, 0, 0, 0, 0);
}
static long do_setrlimit(void)
{
	static const uint64_t limit[2] = { 1024, 1024 };

	return syscall(SYS_prlimit64, 0, 7, limit, NULL);
}
static long do_sendto(void)
{
	static const struct sockaddr_un to = { .sun_family = AF_UNIX, .sun_path = "/nowhere" };

	return syscall(SYS_sendto, -1, "x", 1, 0, &to, sizeof(to));
}

/* With the flags that fork has, and with a namespace: a child, where there is one, ends at once. */
static long make_child(unsigned long flags)
{
	long pid = syscall(SYS_clone, flags | SIGCHLD, NULL, NULL, NULL, NULL);

	if (pid == 0)
		_exit(0);
	return pid < 0 ? -1 : 0;
}

static long do_fork(void)
{
	return make_child(0);
}
static long do_clone_user(void)
{
	return make_child(CLONE_NEWUSER);
}

static long do_mprotect_exec(void)
{
	void *page = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return syscall(SYS_mprotect, page, 4096, PROT_READ | PROT_EXEC);
}

/* Answered with ENOSYS whatever the action: glibc asks for it first. */
static long do_clone3(void)
{
	return syscall(SYS_clone3, NULL, 0);
}

#ifdef __x86_64__
/* The 32-bit entry: getpid there is 20, which is writev here. */
static long do_int80(void)
{
	long res;

	__asm__ volatile("int $0x80" : "=a"(res) : "a"(20) : "memory", "r8", "r9", "r10", "r11");
	return res;
}
static long do_x32(void)
{
	return syscall(0x40000000 | SYS_getpid);
}
#endif

#define ATTEMPT(x)                                                                                                     \
	{                                                                                                              \
#x, do_##x                                                                                             \
	}
static const struct {
	const char *name;
	long (*make)(void);
} attempts[] = {
	ATTEMPT(socket_inet),
	ATTEMPT(socket_unix),
	ATTEMPT(socket_netlink),
	ATTEMPT(connect),
	ATTEMPT(bind),
	ATTEMPT(sendto),
	ATTEMPT(execve),
	ATTEMPT(execveat),
	ATTEMPT(fork),
	ATTEMPT(clone_user),
	ATTEMPT(ptrace),
	ATTEMPT(process_vm_readv),
	ATTEMPT(unshare_net),
	ATTEMPT(setns),
	ATTEMPT(mmap_exec),
	ATTEMPT(mprotect_exec),
	ATTEMPT(tiocsti),
	ATTEMPT(tiocsti_high),
	ATTEMPT(setown),
	ATTEMPT(dumpable),
	ATTEMPT(capbset),
	ATTEMPT(kill),
	ATTEMPT(tgkill_other),
	ATTEMPT(io_uring_setup),
	ATTEMPT(io_uring_register),
	ATTEMPT(chroot),
	ATTEMPT(pivot_root),
	ATTEMPT(mount),
	ATTEMPT(bpf),
	ATTEMPT(keyctl),
	ATTEMPT(userfaultfd),
	ATTEMPT(perf_event_open),
	ATTEMPT(setrlimit),
	ATTEMPT(clone3),
#ifdef __x86_64__
	ATTEMPT(int80),
	ATTEMPT(x32),
#endif
};

static int trespass_create(const struct graft_host *host, struct graft_slot *slot, const void *settings,
			   struct graft_inst **inst, struct graft_error *err)
{
	struct graft_inst *made = calloc(1, sizeof(*made));

	if (!made)
		return host->fail(err, ENOMEM, "out of memory");
	made->host = host;
	made->slot = slot;
	made->set = settings;
	*inst = made;
	return 0;
}

/* "attempt NAME: 0" or with the error, where it comes back. */
static int trespass_start(struct graft_inst *inst, struct graft_error *err)
{
	for (size_t i = 0; i < sizeof(attempts) / sizeof(attempts[0]); i++) {
		if (strcmp(attempts[i].name, inst->set->attempt) != 0)
			continue;
		long res = attempts[i].make();
		inst->host->log(inst->slot, GRAFT_LOG_INFO, "attempt %s: %s", attempts[i].name,
				res < 0 ? strerrorname_np(errno) : "0");
		return 0;
	}
	return inst->host->fail(err, EINVAL, "no attempt '%s'", inst->set->attempt);
}

static void trespass_destroy(struct graft_inst *inst)
{
	free(inst);
}

static const struct graft_opt options[] = {
	{ .key = "attempt",
	  .type = GRAFT_OPT_STRING,
	  .offset = offsetof(struct trespass_settings, attempt),
	  .help = "what to try" },
	{ .key = NULL },
};

static const char *const none[] = { NULL };

extern const struct graft_plugin graft_plugin_v1;

GRAFT_PLUGIN_EXPORT const struct graft_plugin graft_plugin_v1 = {
	.size = sizeof(struct graft_plugin),
	.abi_major = GRAFT_ABI_MAJOR,
	.abi_minor = GRAFT_ABI_MINOR,
	.name = "trespass",
	.version = "1",
	.summary = "makes a system call that is forbidden",
	.kind = GRAFT_BACKEND,
	.threads = GRAFT_PARALLEL,
	.opts = options,
	.settings_size = sizeof(struct trespass_settings),
	.syscalls = none,
	.create = trespass_create,
	.start = trespass_start,
	.destroy = trespass_destroy,
	.capabilities = none,
};
