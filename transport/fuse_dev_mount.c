/* SPDX-License-Identifier: Apache-2.0 */
/* The mount behind a /dev/fuse transport. Mounts are told apart by their id in mountinfo, never by their path alone. */
#include "transport/fuse_dev_mount.h"

#include "lib/cleanup.h"
#include "transport/fuse_dev.h"
#include "transport/fuse_dev_helper.h"

#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define DEVICE "/dev/fuse"
#define DEAD_MAX 16          /* dead mounts on top of each other that are taken away */
#define ANSWER_MS 3000       /* a mount of ours that did not answer for so long is taken for a living one */
#define MAX_READ (1u << 20)  /* bytes; what a reader has room for, and max_write */

/* A line of mountinfo (proc_pid_mountinfo(5)). */
struct mount_line {
	uint64_t id, parent;
	unsigned int major, minor;
	char type[64], source[256];
};

/* What lies at a path. */
struct place {
	uint64_t id; /* of the mount */
	bool is_dir, is_root; /* is_root: something is mounted there */
};

/* Only looks at what the kernel knows itself: a daemon that hangs is not asked. */
static int look_at(const char *dir, struct place *p)
{
	struct statx st;

	*p = (struct place){ 0 };
	if (statx(AT_FDCWD, dir, AT_STATX_DONT_SYNC | AT_NO_AUTOMOUNT, STATX_TYPE | STATX_MNT_ID, &st) < 0)
		return -errno;
	if (!(st.stx_mask & STATX_MNT_ID))
		return -EOPNOTSUPP; /* before Linux 5.8 */
	p->id = st.stx_mnt_id;
	p->is_dir = S_ISDIR(st.stx_mode);
	p->is_root = st.stx_attributes & STATX_ATTR_MOUNT_ROOT;
	return 0;
}

static bool parse_line(const char *text, struct mount_line *line)
{
	const char *rest = strstr(text, " - ");

	return rest &&
	       sscanf(text, "%" SCNu64 " %" SCNu64 " %u:%u ", &line->id, &line->parent, &line->major, &line->minor) ==
		       4 &&
	       sscanf(rest, " - %63s %255s", line->type, line->source) == 2;
}

typedef bool fits_fn(const struct mount_line *line, uint64_t what);

static bool search(fits_fn *fits, uint64_t what, struct mount_line *line)
{
	auto_fclose FILE *f = fopen("/proc/self/mountinfo", "re");
	auto_free char *text = NULL;
	size_t size = 0;

	while (f && getline(&text, &size, f) > 0) {
		if (parse_line(text, line) && fits(line, what))
			return true;
	}
	return false;
}

static bool has_id(const struct mount_line *line, uint64_t id)
{
	return line->id == id;
}

static bool find_line(uint64_t id, struct mount_line *line)
{
	return search(has_id, id, line);
}

/* Whoever mounted it. */
static bool is_fuse(const struct mount_line *line)
{
	return strcmp(line->type, "fuse") == 0 || strncmp(line->type, "fuse.", 5) == 0;
}

static bool has_device(const struct mount_line *line, uint64_t dev)
{
	return line->major == dev >> 20 && line->minor == (dev & 0xfffff) && is_fuse(line);
}

/* Asks whoever serves dir; in a child, for a daemon that hangs would take this process along. Never returns. */
static void child_asks(const char *dir)
{
	struct statx st;

	/* A child that hangs must not keep open what its parent has closed. */
	syscall(SYS_close_range, 0U, ~0U, 0U);
	/* Without force the kernel may answer from what it has kept. */
	int res = statx(AT_FDCWD, dir, AT_STATX_FORCE_SYNC | AT_NO_AUTOMOUNT, STATX_BASIC_STATS, &st);
	_exit(res < 0 && errno == ENOTCONN ? ENOTCONN : 0);
}

/* The connection behind the mount on dir has ended. */
static bool is_dead(const char *dir)
{
	int status = 0;
	pid_t pid = fork();

	if (pid == 0)
		child_asks(dir);
	if (pid < 0)
		return false;
	auto_close int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	struct pollfd p = { .fd = pidfd, .events = POLLIN };
	while (pidfd >= 0 && poll(&p, 1, ANSWER_MS) < 0 && errno == EINTR)
		;
	if (pidfd >= 0 && !p.revents) {
		/* Once the daemon has taken the request, even SIGKILL waits for its answer: the child is left. */
		kill(pid, SIGKILL);
		waitpid(pid, &status, WNOHANG);
		return false;
	}
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return WIFEXITED(status) && WEXITSTATUS(status) == ENOTCONN;
}

static int umount_dir(const char *dir, int flags)
{
	if (umount2(dir, flags | MNT_DETACH | UMOUNT_NOFOLLOW) == 0)
		return 0;
	if (errno != EPERM)
		return -errno;
	return fuse_dev_helper_umount(dir);
}

/* Of our type; where that is everybody's, of our source too. */
static bool is_ours(const struct fuse_dev_mount *m, const struct mount_line *line)
{
	return strcmp(line->type, m->type) == 0 && (strchr(m->type, '.') || strcmp(line->source, m->source) == 0);
}

/* Takes dead mounts of ours away, until a plain directory is left in *p. */
static int clear(const struct fuse_dev_mount *m, struct place *p, struct graft_error *err)
{
	const char *dir = m->dir;
	int res = look_at(dir, p);

	for (int i = 0; !res && p->is_root && i < DEAD_MAX; i++) {
		struct mount_line line = { .type = "unknown" };

		if (!find_line(p->id, &line) || !is_ours(m, &line))
			return error_set(err, EBUSY, "%s: a file system of type %s is mounted there already", dir,
					 line.type);
		if (!is_dead(dir))
			return error_set(err, EBUSY, "%s: another graftfsd (%s) serves it already", dir, line.source);
		res = umount_dir(dir, 0);
		if (res)
			return error_set(err, -res, "%s: cannot take a dead mount away: %s", dir, strerror(-res));
		res = look_at(dir, p);
	}
	if (res)
		return error_set(err, -res, "%s: %s", dir, strerror(-res));
	if (p->is_root)
		return error_set(err, EBUSY, "%s: too many dead mounts on top of each other", dir);
	return 0;
}

int fuse_dev_mount_look(struct fuse_dev_mount *m, const char *mountpoint, const char *type, const char *source,
			struct graft_error *err)
{
	struct place p;

	*m = (struct fuse_dev_mount){ 0 };
	type = type ? type : FUSE_DEV_FSTYPE;
	if (strlen(type) >= sizeof(m->type))
		return error_set(err, EINVAL, "the type's name is longer than %zu bytes", sizeof(m->type) - 1);
	strcpy(m->type, type);
	if (strlen(source) >= sizeof(m->source))
		return error_set(err, EINVAL, "the source's name is longer than %zu bytes", sizeof(m->source) - 1);
	strcpy(m->source, source);
	if (!realpath(mountpoint, m->dir))
		return error_set(err, errno, "mount point %s: %s", mountpoint, strerror(errno));
	int res = clear(m, &p, err);
	if (res)
		return error_wrap(err, "mount point");
	if (!p.is_dir)
		return error_set(err, ENOTDIR, "mount point %s: not a directory", mountpoint);
	m->below = p.id;
	return 0;
}

int fuse_dev_mount_point(struct fuse_dev_mount *m, const char *mountpoint, struct graft_error *err)
{
	struct place p;

	*m = (struct fuse_dev_mount){ 0 };
	if (!realpath(mountpoint, m->dir))
		return error_set(err, errno, "mount point %s: %s", mountpoint, strerror(errno));
	int res = look_at(m->dir, &p);
	if (res)
		return error_set(err, -res, "mount point %s: %s", mountpoint, strerror(-res));
	return p.is_dir ? 0 : error_set(err, ENOTDIR, "mount point %s: not a directory", mountpoint);
}

bool fuse_dev_mount_there(const char *mountpoint)
{
	struct fuse_dev_mount m;
	struct mount_line line;
	struct place p;

	return !fuse_dev_mount_point(&m, mountpoint, NULL) && !look_at(m.dir, &p) && p.is_root && find_line(p.id, &line) &&
	       is_fuse(&line);
}

int fuse_dev_mount_adopt(struct fuse_dev_mount *m, uint64_t dev)
{
	struct mount_line line;

	m->id = 0;
	if (!search(has_device, dev, &line))
		return -ENOENT;
	m->id = line.id;
	m->major = line.major;
	m->minor = line.minor;
	return 0;
}

/* By mount(2). A descriptor, or -errno with err. */
static int mount_self(const struct fuse_dev_mount *m, struct graft_error *err)
{
	char options[160];
	auto_close int fd = open(DEVICE, O_RDWR | O_CLOEXEC);

	if (fd < 0)
		return error_set(err, errno, "cannot open " DEVICE ": %s", strerror(errno));
	snprintf(options, sizeof(options),
		 "fd=%d,rootmode=40000,user_id=%u,group_id=%u,max_read=%u,default_permissions%s", fd, geteuid(), getegid(),
		 MAX_READ, geteuid() == 0 ? ",allow_other" : "");
	if (mount(m->source, m->dir, m->type, MS_NOSUID | MS_NODEV | (m->read_only ? MS_RDONLY : 0),
		  options) < 0)
		return error_set(err, errno, "cannot mount on %s: %s", m->dir, strerror(errno));
	return steal_fd(&fd);
}

/* fusermount3 adds nosuid, nodev and the user's ids itself, and makes the type from the subtype. */
static int mount_by_helper(const struct fuse_dev_mount *m, struct graft_error *err)
{
	const char *dot = strchr(m->type, '.');
	char options[FUSE_DEV_SOURCE_MAX + FUSE_DEV_TYPE_MAX + 128];

	snprintf(options, sizeof(options), "%snosuid,nodev,default_permissions,max_read=%u,fsname=%s%s%s",
		 m->read_only ? "ro," : "", MAX_READ, m->source, dot ? ",subtype=" : "", dot ? dot + 1 : "");
	return fuse_dev_helper_mount(m->dir, options, err);
}

/* Another mount may have come between look and mount: then ours does not lie directly on the directory. */
static int identify(struct fuse_dev_mount *m, struct graft_error *err)
{
	struct mount_line line;
	struct place p = { 0 };
	int res = look_at(m->dir, &p);

	if (res)
		return error_set(err, -res, "cannot look at the mount on %s: %s", m->dir, strerror(-res));
	if (!find_line(p.id, &line) || strcmp(line.type, m->type) != 0 || line.parent != m->below)
		return error_set(err, EBUSY, "something else was mounted on %s in the same moment", m->dir);
	m->id = line.id;
	m->major = line.major;
	m->minor = line.minor;
	return 0;
}

int fuse_dev_mount_make(struct fuse_dev_mount *m, struct graft_error *err)
{
	struct place p;
	auto_close int fd = mount_self(m, err);

	if (fd == -EPERM || fd == -EACCES)
		fd = mount_by_helper(m, err);
	if (fd < 0)
		return fd;
	int res = identify(m, err);
	if (!res)
		return steal_fd(&fd);
	/* Closing ends the connection, and then ours is the dead one. */
	close(steal_fd(&fd));
	clear(m, &p, NULL);
	return res;
}

bool fuse_dev_mount_stands(const struct fuse_dev_mount *m)
{
	struct mount_line line;

	/* Ids are used again, so the device must fit too. */
	return m->id && find_line(m->id, &line) && line.major == m->major && line.minor == m->minor && is_fuse(&line);
}

/* The mount that a path leads to is ours. */
static bool on_top(const struct fuse_dev_mount *m)
{
	struct place p;

	return fuse_dev_mount_stands(m) && !look_at(m->dir, &p) && p.id == m->id;
}

void fuse_dev_mount_sync(const struct fuse_dev_mount *m)
{
	if (!on_top(m))
		return;
	auto_close int fd = open(m->dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd >= 0)
		syncfs(fd);
}

int fuse_dev_mount_detach(const struct fuse_dev_mount *m, bool abort)
{
	if (!fuse_dev_mount_stands(m))
		return 0;
	if (!on_top(m))
		return -EBUSY;
	return umount_dir(m->dir, abort ? MNT_FORCE : 0);
}

int fuse_dev_mount_abort(const struct fuse_dev_mount *m)
{
	char path[64];

	snprintf(path, sizeof(path), "/sys/fs/fuse/connections/%u/abort", m->minor);
	auto_close int fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	return write(fd, "1", 1) < 0 ? -errno : 0;
}
