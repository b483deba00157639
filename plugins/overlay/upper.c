/* SPDX-License-Identifier: Apache-2.0 */
/* The upper directory's files: openat2 keeps names inside, /proc/self/fd leads from a descriptor to what it has open.
 */
#include "upper.h"

#include "lib/cleanup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#define TREE_DEPTH 16 /* of what ov_remove_tree takes away: only what the overlay put together itself */

int ov_open_name(const struct graft_inst *inst, int dir_fd, const char *path, int flags, mode_t mode)
{
	const bool makes = (flags & O_CREAT) || (flags & O_TMPFILE) == O_TMPFILE;
	const struct open_how how = {
		.flags = (uint64_t)(flags | O_CLOEXEC),
		.mode = makes ? mode : 0,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV,
	};
	int fd;

	/* Names are single ones, checked by the decoder; paths are put together of such names. */
	if (inst->no_openat2)
		fd = openat(dir_fd, path, flags | O_NOFOLLOW | O_CLOEXEC, mode);
	else
		fd = (int)syscall(SYS_openat2, dir_fd, path, &how, sizeof(how));
	return fd < 0 ? -errno : fd;
}

const char *ov_fd_name(char buf[OV_NAME_BUF], int fd)
{
	snprintf(buf, OV_NAME_BUF, "%d", fd);
	return buf;
}

int ov_open_again(const struct graft_inst *inst, int fd, int flags)
{
	char buf[OV_NAME_BUF];
	int again = openat(inst->proc_fd, ov_fd_name(buf, fd), flags | O_CLOEXEC);

	return again < 0 ? -errno : again;
}

int ov_stat(int fd, struct statx *stx)
{
	return statx(fd, "", AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS | STATX_BTIME, stx) < 0 ? -errno
													    : 0;
}

int ov_stat_name(int dir_fd, const char *name, struct statx *stx)
{
	int flags = AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT;

	return statx(dir_fd, name, flags, STATX_BASIC_STATS | STATX_BTIME, stx) < 0 ? -errno : 0;
}

bool ov_is_whiteout(const struct statx *stx)
{
	return S_ISCHR(stx->stx_mode) && stx->stx_rdev_major == 0 && stx->stx_rdev_minor == 0;
}

int ov_see(int dir_fd, const char *name, struct statx *stx)
{
	int res = ov_stat_name(dir_fd, name, stx);

	if (res == -ENOENT)
		return OV_ABSENT;
	if (res < 0)
		return res;
	return ov_is_whiteout(stx) ? OV_WHITEOUT : OV_OBJECT;
}

enum xattr_kind { XATTR_GET, XATTR_LIST, XATTR_SET, XATTR_REMOVE };

struct xattr_call {
	enum xattr_kind kind;
	const char *name;
	void *value;
	const void *given;
	size_t size;
	int flags;
};

static ssize_t call_path(const char *path, const struct xattr_call *c)
{
	switch (c->kind) {
	case XATTR_GET:
		return getxattr(path, c->name, c->value, c->size);
	case XATTR_LIST:
		return listxattr(path, c->value, c->size);
	case XATTR_SET:
		return setxattr(path, c->name, c->given, c->size, c->flags);
	case XATTR_REMOVE:
		return removexattr(path, c->name);
	}
	return -1;
}

/* The calls take neither O_PATH nor a directory's descriptor; each thread has a working directory of its own
 * (lib/thread.h). */
static ssize_t call_xattr(const struct graft_inst *inst, int fd, const struct xattr_call *c)
{
	auto_close int here = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	char buf[OV_NAME_BUF];

	if (here < 0 || fchdir(inst->proc_fd) < 0)
		return -errno;
	ssize_t n = call_path(ov_fd_name(buf, fd), c);
	ssize_t res = n < 0 ? -errno : n;
	return fchdir(here) < 0 ? -errno : res;
}

ssize_t ov_get_xattr(const struct graft_inst *inst, int fd, const char *name, void *value, size_t size)
{
	return call_xattr(inst, fd,
			  &(struct xattr_call){ .kind = XATTR_GET, .name = name, .value = value, .size = size });
}

ssize_t ov_list_xattr(const struct graft_inst *inst, int fd, char *names, size_t size)
{
	return call_xattr(inst, fd, &(struct xattr_call){ .kind = XATTR_LIST, .value = names, .size = size });
}

int ov_set_xattr(const struct graft_inst *inst, int fd, const char *name, const void *value, size_t size, int flags)
{
	const struct xattr_call c = { .kind = XATTR_SET, .name = name, .given = value, .size = size, .flags = flags };

	return (int)call_xattr(inst, fd, &c);
}

int ov_remove_xattr(const struct graft_inst *inst, int fd, const char *name)
{
	return (int)call_xattr(inst, fd, &(struct xattr_call){ .kind = XATTR_REMOVE, .name = name });
}

bool ov_own_xattr(const char *name)
{
	static const char *const own[] = { "trusted.overlay.", "user.overlay.", "user.fuseoverlayfs." };

	for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++) {
		if (strncmp(name, own[i], strlen(own[i])) == 0)
			return true;
	}
	return false;
}

/* Whoever wrote it: the kernel's overlayfs, as root and as a user, and fuse-overlayfs, whose name nydusd takes. */
int ov_is_opaque(const struct graft_inst *inst, int fd)
{
	static const char *const names[] = { "trusted.overlay.opaque", "user.overlay.opaque",
					     "user.fuseoverlayfs.opaque" };
	char value;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		ssize_t n = ov_get_xattr(inst, fd, names[i], &value, 1);
		if (n == 1 && value == 'y')
			return 1;
		if (n < 0 && n != -ENODATA && n != -EOPNOTSUPP && n != -ERANGE && n != -EPERM)
			return (int)n;
	}
	return 0;
}

int ov_set_opaque(const struct graft_inst *inst, int fd)
{
	return ov_set_xattr(inst, fd, inst->trusted ? "trusted.overlay.opaque" : "user.overlay.opaque", "y", 1, 0);
}

void ov_temp_name(struct graft_inst *inst, char name[OV_TEMP_NAME])
{
	uint64_t n = atomic_fetch_add_explicit(&inst->temp_count, 1, memory_order_relaxed);

	snprintf(name, OV_TEMP_NAME, "#%llx", (unsigned long long)n);
}

int ov_temp_whiteout(struct graft_inst *inst, char name[OV_TEMP_NAME])
{
	ov_temp_name(inst, name);
	return mknodat(inst->temp_fd, name, S_IFCHR, makedev(0, 0)) < 0 ? -errno : 0;
}

static void remove_below(const struct graft_inst *inst, int dir_fd, const char *name, int depth);

static void empty_dir(const struct graft_inst *inst, int dir_fd, const char *name, int depth)
{
	int fd = ov_open_name(inst, dir_fd, name, O_RDONLY | O_DIRECTORY, 0);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);

	if (!dir) {
		if (fd >= 0)
			close(fd);
		return;
	}
	for (struct dirent *d; (d = readdir(dir));) {
		if (strcmp(d->d_name, ".") != 0 && strcmp(d->d_name, "..") != 0)
			remove_below(inst, fd, d->d_name, depth + 1);
	}
	closedir(dir);
}

static void remove_below(const struct graft_inst *inst, int dir_fd, const char *name, int depth)
{
	if (unlinkat(dir_fd, name, 0) == 0 || (errno != EISDIR && errno != EPERM) || depth > TREE_DEPTH)
		return;
	if (unlinkat(dir_fd, name, AT_REMOVEDIR) == 0 || errno == ENOTDIR)
		return;
	empty_dir(inst, dir_fd, name, depth);
	unlinkat(dir_fd, name, AT_REMOVEDIR);
}

void ov_remove_tree(const struct graft_inst *inst, int dir_fd, const char *name)
{
	remove_below(inst, dir_fd, name, 0);
}
