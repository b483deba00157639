/* SPDX-License-Identifier: Apache-2.0 */
/* Mount descriptors: found by reopening a directory that is at hand, else through /proc/self/mountinfo. */
#include "mount_fds.h"

#include "lib/cleanup.h"
#include "node.h"
#include "open.h"

#include <string.h>
#include <sys/stat.h>

#define LINE_MAX_BYTES 8192 /* a longer line of mountinfo (overlayfs can have one) is passed over */

struct entry {
	uint64_t mount;
	uint64_t users;
	int fd;
};

struct mount_fds {
	uint64_t root_mount; /* constant, like the descriptors */
	int root_fd, proc_fd, mountinfo_fd;
	pthread_mutex_t lock;
	/* Protected by lock. */
	struct entry entries[MOUNT_FDS_MAX];
	size_t n;
};

struct mount_fds *mount_fds_new(uint64_t root_mount, int root_fd, int proc_fd, int mountinfo_fd)
{
	struct mount_fds *m = calloc(1, sizeof(*m));

	if (!m)
		return NULL;
	m->root_mount = root_mount;
	m->root_fd = root_fd;
	m->proc_fd = proc_fd;
	m->mountinfo_fd = mountinfo_fd;
	pthread_mutex_init(&m->lock, NULL);
	return m;
}

void mount_fds_free(struct mount_fds *m)
{
	if (!m)
		return;
	for (size_t i = 0; i < m->n; i++)
		close(m->entries[i].fd);
	pthread_mutex_destroy(&m->lock);
	free(m);
}

/* With the lock held. */
static struct entry *find(struct mount_fds *m, uint64_t mount)
{
	for (size_t i = 0; i < m->n; i++) {
		if (m->entries[i].mount == mount)
			return &m->entries[i];
	}
	return NULL;
}

static bool on_mount(int fd, uint64_t mount)
{
	struct statx stx;

	return statx(fd, "", AT_EMPTY_PATH, STATX_TYPE | STATX_MNT_ID, &stx) == 0 && (stx.stx_mask & STATX_MNT_ID) &&
	       stx.stx_mnt_id == mount && (S_ISDIR(stx.stx_mode) || S_ISREG(stx.stx_mode));
}

/* A real descriptor for an O_PATH one of a directory or regular file. */
static int reopen(const struct mount_fds *m, int path_fd)
{
	char name[16];

	return openat(m->proc_fd, node_fd_name(name, path_fd), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
}

static bool octal(char c)
{
	return c >= '0' && c <= '7';
}

/* Octal escapes of mountinfo (\040 for a blank), in place. */
static void unescape(char *s)
{
	char *to = s;

	for (; *s; s++) {
		if (s[0] == '\\' && octal(s[1]) && octal(s[2]) && octal(s[3])) {
			*to++ = (char)((s[1] - '0') * 64 + (s[2] - '0') * 8 + (s[3] - '0'));
			s += 3;
		} else {
			*to++ = *s;
		}
	}
	*to = 0;
}

/* proc(5): "36 35 98:0 /root /mount/point options ...". True, and the mount point, if the line is of that mount. */
static bool mount_point(char *line, uint64_t mount, char **point)
{
	char *save = NULL, *field = strtok_r(line, " ", &save);

	if (!field || strtoull(field, NULL, 10) != mount)
		return false;
	for (int i = 0; i < 4 && field; i++)
		field = strtok_r(NULL, " ", &save);
	if (!field)
		return false;
	unescape(field);
	*point = field;
	return true;
}

/*
 * Mount points are told from the root of the list's namespace. In a sandbox that is the share itself, else this process's. Looked at
 * before it is really opened: a device or pipe would do more than open.
 */
static int open_point(const struct mount_fds *m, const char *path, uint64_t mount)
{
	auto_close int below = open_path_below(m->root_fd, path);

	if (below >= 0 && on_mount(below, mount))
		return reopen(m, below);
	auto_close int path_fd = open_path(path);
	return path_fd >= 0 && on_mount(path_fd, mount) ? reopen(m, path_fd) : -1;
}

/* Reads mountinfo from its start, line by line, until the mount is found. fd or -1. */
static int search_mountinfo(const struct mount_fds *m, uint64_t mount)
{
	auto_free char *buf = malloc(LINE_MAX_BYTES + 1);
	size_t have = 0;
	off_t off = 0;
	bool skip = false; /* in the rest of a line that was too long */

	if (!buf || m->mountinfo_fd < 0)
		return -1;
	for (;;) {
		ssize_t n = pread(m->mountinfo_fd, buf + have, LINE_MAX_BYTES - have, off);
		char *line = buf, *end, *point;

		if (n <= 0)
			return -1;
		off += n;
		have += (size_t)n;
		buf[have] = 0;
		for (; (end = memchr(line, '\n', have - (size_t)(line - buf))); line = end + 1) {
			*end = 0;
			if (!skip && mount_point(line, mount, &point))
				return open_point(m, point, mount);
			skip = false;
		}
		have -= (size_t)(line - buf);
		memmove(buf, line, have);
		if (have == LINE_MAX_BYTES) {
			have = 0;
			skip = true;
		}
	}
}

/* A regular file comes last: held open, it could not be freed when it is deleted. */
static int open_mount(const struct mount_fds *m, const struct mount_fds_probe *probe)
{
	auto_close int fd = -1;
	int test;

	if (S_ISDIR(probe->type))
		fd = reopen(m, probe->fd);
	if (fd < 0)
		fd = search_mountinfo(m, probe->mount);
	if (fd < 0 && S_ISREG(probe->type))
		fd = reopen(m, probe->fd);
	if (fd < 0 || !on_mount(fd, probe->mount))
		return -EOPNOTSUPP;
	/* Some file systems give handles away and do not take them back. */
	test = fhandle_open(fd, probe->h);
	if (test < 0)
		return test;
	close(test);
	return steal_fd(&fd);
}

/* 1: counted; 0: not known. */
static int count_known(struct mount_fds *m, uint64_t mount)
{
	LOCK_SCOPE(&m->lock);
	struct entry *e = find(m, mount);

	if (e)
		e->users++;
	return e != NULL;
}

/* Adds a descriptor, or closes it again where another thread was first. */
static int add(struct mount_fds *m, uint64_t mount, int fd)
{
	int res = 0;

	pthread_mutex_lock(&m->lock);
	struct entry *e = find(m, mount);
	if (e) {
		e->users++;
	} else if (m->n == MOUNT_FDS_MAX) {
		res = -ENFILE;
	} else {
		m->entries[m->n++] = (struct entry){.mount = mount, .users = 1, .fd = fd};
		fd = -1;
	}
	pthread_mutex_unlock(&m->lock);
	if (fd >= 0)
		close(fd);
	return res;
}

int mount_fds_get(struct mount_fds *m, const struct mount_fds_probe *probe)
{
	int fd;

	if (probe->mount == m->root_mount || count_known(m, probe->mount))
		return 0;
	fd = open_mount(m, probe);
	return fd < 0 ? fd : add(m, probe->mount, fd);
}

void mount_fds_put(struct mount_fds *m, uint64_t mount)
{
	int fd = -1;

	if (mount == m->root_mount)
		return;
	pthread_mutex_lock(&m->lock);
	struct entry *e = find(m, mount);
	if (e && !--e->users) {
		fd = e->fd;
		*e = m->entries[--m->n];
	}
	pthread_mutex_unlock(&m->lock);
	if (fd >= 0)
		close(fd);
}

int mount_fds_fd(struct mount_fds *m, uint64_t mount)
{
	if (mount == m->root_mount)
		return m->root_fd;
	LOCK_SCOPE(&m->lock);
	const struct entry *e = find(m, mount);
	return e ? e->fd : -1;
}

bool mount_fds_own(uint64_t mount)
{
	auto_fclose FILE *f = fopen("/proc/self/mountinfo", "re");
	auto_free char *line = NULL;
	size_t size = 0;
	bool own = false;

	while (f && !own && getline(&line, &size, f) > 0)
		own = strtoull(line, NULL, 10) == mount;
	return own;
}
