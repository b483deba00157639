/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A backend that tries to get out of the daemon's sandbox, as one that was taken over would, and says in the log what it reached:
 * "reached WHAT". Nothing is changed outside but by a connection, a signal 0 and a mount that is taken away again. Loaded by
 * tests/sandbox/within.
 */
#include <graftfs/plugin.h>

#include <arpa/inet.h>
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#define FDS 256       /* descriptors that are looked at */
#define UP "../../../../../../../../../../../../.."

struct prober_settings {
	const char *source; /* a directory of the host that it may have */
	const char *secret; /* a file that it may not */
	const char *name;   /* of an abstract socket that listens on the host */
	uint64_t port;      /* on 127.0.0.1, where somebody listens */
	uint64_t pid;       /* of a process of the host */
	uint64_t shm;       /* key of a segment */
};

struct graft_inst {
	const struct graft_host *host;
	struct graft_slot *slot;
	const struct prober_settings *set;
	int source;
};

static struct graft_inst the_instance = { .source = -1 };

#define SETTING(k, t, f) { .key = k, .help = "see the struct", .type = t, .offset = offsetof(struct prober_settings, f) }
static const struct graft_opt prober_options[] = {
	SETTING("source", GRAFT_OPT_PATH, source), SETTING("secret", GRAFT_OPT_PATH, secret),
	SETTING("name", GRAFT_OPT_STRING, name),   SETTING("port", GRAFT_OPT_U64, port),
	SETTING("pid", GRAFT_OPT_U64, pid),        SETTING("shm", GRAFT_OPT_U64, shm),
	{ .key = NULL },
};

/* fd, which is closed, or 0 for what needs none; less is a failure. */
static void tell(const struct graft_inst *i, int result, const char *what)
{
	i->host->log(i->slot, GRAFT_LOG_INFO, "%s %s", result < 0 ? "kept from" : "reached", what);
	if (result > 0)
		close(result);
}

/* ---- files ---- */

static void try_paths(const struct graft_inst *i)
{
	char path[4096];

	tell(i, open(i->set->secret, O_RDONLY | O_CLOEXEC), "the secret by its path");
	snprintf(path, sizeof(path), UP "%s", i->set->secret);
	tell(i, open(path, O_RDONLY | O_CLOEXEC), "the secret by a relative path");
	tell(i, openat(i->source, path, O_RDONLY | O_CLOEXEC), "the secret through the source");
	tell(i, open("/etc/passwd", O_RDONLY | O_CLOEXEC), "/etc/passwd");
	tell(i, open("/dev/mem", O_RDONLY | O_CLOEXEC), "/dev/mem");
	tell(i, open("/tmp/graftfs-prober", O_WRONLY | O_CREAT | O_CLOEXEC, 0600), "a new file in /tmp");
	unlink("/tmp/graftfs-prober");
}

/* What is open and a directory may have a way up. */
static int climb(int fd, const char *secret)
{
	char path[4096], name[32];
	struct stat st;

	if (fstat(fd, &st) < 0 || !S_ISDIR(st.st_mode))
		return -1;
	snprintf(path, sizeof(path), UP "%s", secret);
	int found = openat(fd, path, O_RDONLY | O_CLOEXEC);
	if (found < 0) {
		snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
		int again = open(name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

		found = again < 0 ? -1 : openat(again, path, O_RDONLY | O_CLOEXEC);
		if (again >= 0)
			close(again);
	}
	return found;
}

static void try_descriptors(const struct graft_inst *i)
{
	int dirs = 0, found = -1;

	for (int fd = 0; fd < FDS && found < 0; fd++) {
		struct stat st;

		dirs += fstat(fd, &st) == 0 && S_ISDIR(st.st_mode);
		found = climb(fd, i->set->secret);
	}
	i->host->log(i->slot, GRAFT_LOG_INFO, "%d open directories", dirs);
	tell(i, found, "the secret through an open directory");
}

/* The old way out of chroot(2): a second one, while the working directory stays above. Last, for there is no way back. */
static void try_roots(const struct graft_inst *i)
{
	char inside[4096];

	snprintf(inside, sizeof(inside), UP "%s", i->set->secret);
	tell(i, mount("none", "/", "tmpfs", 0, NULL) == 0 && umount2("/", MNT_DETACH) == 0 ? 0 : -1, "a mount of its own");
	int out = chdir("/") == 0 && chroot("/proc/self") == 0 ? open(inside, O_RDONLY | O_CLOEXEC) : -1;
	tell(i, out, "the secret by a second chroot");
}

/* ---- processes ---- */

static void try_processes(const struct graft_inst *i)
{
	char path[64];
	int others = 0;
	DIR *dir = opendir("/proc");

	for (const struct dirent *e; dir && (e = readdir(dir));)
		others += isdigit((unsigned char)*e->d_name) && atoi(e->d_name) != getpid();
	if (dir)
		closedir(dir);
	tell(i, others ? 0 : -1, "the list of processes");
	tell(i, kill((pid_t)i->set->pid, 0), "a process by a signal");
	snprintf(path, sizeof(path), "/proc/%d/ns/mnt", (int)i->set->pid);
	tell(i, open(path, O_RDONLY | O_CLOEXEC), "a process's namespaces");
	tell(i, (int)syscall(SYS_pidfd_open, (pid_t)i->set->pid, 0), "a process by a descriptor");
	tell(i, kill(getppid() ? getppid() : -1, 0), "its parent by a signal");
	tell(i, shmget((key_t)i->set->shm, 0, 0) < 0 ? -1 : 0, "shared memory");
}

/* ---- the network ---- */

static int connected(int fd, const void *addr, socklen_t len)
{
	if (fd < 0 || connect(fd, addr, len) == 0)
		return fd;
	close(fd);
	return -1;
}

static void try_network(const struct graft_inst *i)
{
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons((uint16_t)i->set->port) };
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	size_t len = strlen(i->set->name);

	inet_pton(AF_INET, "127.0.0.1", &in.sin_addr);
	tell(i, connected(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), &in, sizeof(in)), "the network");
	if (len > sizeof(un.sun_path) - 1)
		len = sizeof(un.sun_path) - 1;
	memcpy(un.sun_path + 1, i->set->name, len);
	tell(i, connected(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), &un, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + len)),
	     "an abstract socket");
}

/* ---- the plugin ---- */

static int prober_create(const struct graft_host *host, struct graft_slot *slot, const void *settings,
			 struct graft_inst **inst, struct graft_error *err)
{
	struct graft_inst *i = &the_instance;

	i->host = host;
	i->slot = slot;
	i->set = settings;
	i->source = host->open(slot, i->set->source, O_RDONLY | O_DIRECTORY, err);
	if (i->source < 0)
		return i->source;
	*inst = i;
	return 0;
}

static int prober_start(struct graft_inst *i, struct graft_error *err)
{
	(void)err;
	try_paths(i);
	try_descriptors(i);
	try_processes(i);
	try_network(i);
	try_roots(i);
	return 0;
}

static void prober_destroy(struct graft_inst *i)
{
	close(i->source);
}

GRAFT_PLUGIN_EXPORT extern const struct graft_plugin graft_plugin_v1;

const struct graft_plugin graft_plugin_v1 = {
	.size = sizeof(struct graft_plugin),
	.abi_major = GRAFT_ABI_MAJOR,
	.abi_minor = GRAFT_ABI_MINOR,
	.name = "prober",
	.version = "1",
	.summary = "Tries to get out",
	.kind = GRAFT_BACKEND,
	.threads = GRAFT_SERIAL_INSTANCE,
	.opts = prober_options,
	.settings_size = sizeof(struct prober_settings),
	.create = prober_create,
	.start = prober_start,
	.destroy = prober_destroy,
};
