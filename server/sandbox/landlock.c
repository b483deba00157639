/* SPDX-License-Identifier: Apache-2.0 */
/* Landlock: the kernel keeps the process to the paths that its configuration needs, whatever it is made to do. */
#include "server/sandbox/landlock.h"

#include "lib/cleanup.h"
#include "lib/log.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define OBJECT "landlock"
#define ABI_LEAST 2 /* renaming between folders */

/* Of newer kernels than the headers may be (Linux, uapi/linux/landlock.h); what older ones lack is cut off below. */
#define FS_REFER     (UINT64_C(1) << 13)
#define FS_TRUNCATE  (UINT64_C(1) << 14)
#define FS_IOCTL_DEV (UINT64_C(1) << 15)
#define NET_ALL      UINT64_C(3) /* binding and connecting TCP sockets */
#define SCOPE_UNIX   UINT64_C(1) /* abstract Unix sockets of others */

struct ruleset_attr {
	uint64_t fs, net, scoped;
};

#define FS_READ (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)
#define FS_MAKE                                                                                                       \
	(LANDLOCK_ACCESS_FS_MAKE_CHAR | LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_MAKE_REG |                   \
	 LANDLOCK_ACCESS_FS_MAKE_SOCK | LANDLOCK_ACCESS_FS_MAKE_FIFO | LANDLOCK_ACCESS_FS_MAKE_BLOCK |                \
	 LANDLOCK_ACCESS_FS_MAKE_SYM)
#define FS_WRITE                                                                                                      \
	(LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR | LANDLOCK_ACCESS_FS_REMOVE_FILE | FS_MAKE |   \
	 FS_REFER | FS_TRUNCATE)
/* What a rule on a file may say. */
#define FS_OF_FILE (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE | FS_TRUNCATE)

/* What the kernel is asked to refuse, by the ABI it came with. */
static const struct {
	int abi;
	size_t size; /* of the part of ruleset_attr that the kernel knows */
	uint64_t fs, net, scoped;
} steps[] = {
	{ 2, 8, LANDLOCK_ACCESS_FS_EXECUTE | FS_READ | (FS_WRITE & ~FS_TRUNCATE), 0, 0 },
	{ 3, 8, FS_TRUNCATE, 0, 0 },
	{ 4, 16, 0, NET_ALL, 0 },
	{ 5, 16, FS_IOCTL_DEV, 0, 0 },
	{ 6, 24, 0, 0, SCOPE_UNIX },
};

static uint64_t handled_fs(int abi)
{
	uint64_t fs = 0;

	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++)
		fs |= steps[i].abi <= abi ? steps[i].fs : 0;
	return fs;
}

/* The service manager may listen on an abstract socket. */
static bool notifies_abstract(void)
{
	const char *path = getenv("NOTIFY_SOCKET");

	return path && *path == '@';
}

static int make_ruleset(int abi)
{
	struct ruleset_attr attr = { 0 };
	size_t size = 0;

	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]) && steps[i].abi <= abi; i++) {
		attr.fs |= steps[i].fs;
		attr.net |= steps[i].net;
		attr.scoped |= steps[i].scoped;
		size = steps[i].size;
	}
	if (notifies_abstract())
		attr.scoped = 0;
	return (int)syscall(SYS_landlock_create_ruleset, &attr, size, 0);
}

/* What is being gathered; fault says at the first that keeps it from being used. */
struct rules {
	struct landlock *l;
	char fault[512];
};

static void add_rule(struct rules *r, const char *path, uint64_t access)
{
	auto_close int fd = -1;
	struct stat st;

	if (*r->fault)
		return;
	fd = open(path, O_PATH | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT)
		return; /* there is nothing to open */
	if (fd < 0 || fstat(fd, &st) < 0) {
		snprintf(r->fault, sizeof(r->fault), "%s: %s", path, strerror(errno));
		return;
	}
	struct landlock_path_beneath_attr rule = {
		.allowed_access = access & handled_fs(r->l->abi) & (S_ISDIR(st.st_mode) ? UINT64_MAX : FS_OF_FILE),
		.parent_fd = fd,
	};
	if (syscall(SYS_landlock_add_rule, r->l->ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) < 0)
		snprintf(r->fault, sizeof(r->fault), "%s: %s", path, strerror(errno));
	else
		r->l->paths++;
}

/* The folder of a file of the server's own. NULL is fine. */
static void add_folder(struct rules *r, const char *file, uint64_t access)
{
	const char *slash = file ? strrchr(file, '/') : NULL;
	auto_free char *folder = slash ? strndup(file, slash == file ? 1 : (size_t)(slash - file)) : NULL;

	if (folder)
		add_rule(r, folder, access);
}

static void add_reach(void *arg, const char *path, uint32_t access)
{
	add_rule(arg, path, (access & GRAFT_REACH_READ ? FS_READ : 0) | (access & GRAFT_REACH_WRITE ? FS_WRITE : 0));
}

static void add_mount(struct rules *r, const struct mount_config *m)
{
	for (uint32_t i = 0; i < m->nmembers && !*r->fault; i++) {
		const struct member_config *c = &m->members[i];
		const struct graft_plugin *desc = &c->plugin->desc;

		if (!desc->reach || desc->reach(c->options ? options_settings(c->options) : NULL, add_reach, r))
			snprintf(r->fault, sizeof(r->fault), "[mount %s]: plugin %s may have to open what no path leads to%s", m->name,
				 desc->name, desc->reach ? "" : ", or what is not known yet");
	}
}

/* What the program's own checks look at, in builds that have them (LeakSanitizer at the end). */
static void add_checks(struct rules *r)
{
#ifdef GRAFT_SANITIZED
	add_rule(r, "/proc", FS_READ);
#else
	(void)r;
#endif
}

/* What putting log files away takes. */
#define ROTATION (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR | LANDLOCK_ACCESS_FS_REMOVE_FILE)

/* Files that come anew while the server runs, and what goes at its end. */
static void add_own(struct rules *r, const struct config *c)
{
	add_folder(r, c->server.log_file,
		   LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_MAKE_REG | (c->server.log_rotation ? ROTATION : 0));
	add_folder(r, c->server.pid_file, LANDLOCK_ACCESS_FS_REMOVE_FILE);
	for (uint32_t i = 0; i < c->ntransports; i++)
		add_folder(r, c->transports[i].socket, LANDLOCK_ACCESS_FS_REMOVE_FILE);
}

/* Why it cannot be used; NULL if it can. */
static const char *find_obstacle(const struct config *c, int abi)
{
	if (abi < 0)
		return "this kernel has none";
	if (abi < ABI_LEAST)
		return "this kernel's (ABI 1) would forbid renaming between folders";
	if (c->server.api_socket || c->server.state_dir)
		return "mounts may come while the server runs";
	for (uint32_t i = 0; i < c->ntransports; i++)
		if (c->transports[i].kind == GRAFT_DEV_FUSE)
			return "[transport fuse] has to mount and umount";
	return NULL;
}

void landlock_drop(struct landlock *l)
{
	cleanup_close(&l->ruleset);
	l->ruleset = -1;
}

void landlock_prepare(struct landlock *l, const struct config *c)
{
	struct rules r = { .l = l };

	*l = (struct landlock)LANDLOCK_NONE;
	if (c->server.landlock == CONFIG_LANDLOCK_NO)
		return;
	l->abi = (int)syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
	const char *obstacle = find_obstacle(c, l->abi);
	if (!obstacle) {
		l->ruleset = make_ruleset(l->abi);
		obstacle = l->ruleset < 0 ? strerror(errno) : NULL;
	}
	for (uint32_t i = 0; i < c->nmounts && !obstacle; i++)
		add_mount(&r, &c->mounts[i]);
	if (!obstacle)
		add_own(&r, c);
	if (!obstacle)
		add_checks(&r);
	if (*r.fault)
		obstacle = r.fault;
	if (!obstacle)
		return;
	log_info(OBJECT, "not used: %s", obstacle);
	landlock_drop(l);
}

bool landlock_apply(struct landlock *l)
{
	if (l->ruleset < 0)
		return false;
	int res = prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);

	if (!res)
		res = (int)syscall(SYS_landlock_restrict_self, l->ruleset, 0);
	if (res < 0)
		log_info(OBJECT, "not used: %s", strerror(errno));
	else
		log_info(OBJECT, "nothing is opened but below %u paths (ABI %d)", l->paths, l->abi);
	landlock_drop(l);
	return !res;
}
