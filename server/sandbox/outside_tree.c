/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Opens what the daemon is given from outside. A walk over ".." goes up through mounts until one has no parent, or the
 * walker's own root: the daemon's lies elsewhere. So a directory is the root of the only tree in a mount namespace,
 * where ".." has nowhere to go (follow_dotdot in Linux's fs/namei.c). A tree that is in no namespace would do for that,
 * but nothing is mounted into it later.
 */
#include "server/sandbox/outside_tree.h"

#include "lib/cleanup.h"
#include "server/sandbox/outside_wire.h"

#include <sched.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>

/* Opens what a descriptor with O_PATH stands for. */
static int reopen(int path_fd, int flags)
{
	char link[32];

	snprintf(link, sizeof(link), "/proc/self/fd/%d", path_fd);
	int fd = open(link, (flags & ~O_NOFOLLOW) | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/* What lies at a path: anything that opening could act on, but a block device, is refused unopened. */
static int look(const char *path, int flags, mode_t *type)
{
	auto_close int fd = open(path, O_PATH | O_CLOEXEC | (flags & (O_NOFOLLOW | O_DIRECTORY)));
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode) && !S_ISBLK(st.st_mode))
		return -EACCES;
	*type = st.st_mode & S_IFMT;
	return steal_fd(&fd);
}

/*
 * A mount namespace of this process's own, which looks like the one it had and hears of what is mounted there, but
 * nothing gets out. 0; 1 where only the first can be had, since the root is that of a chroot(2); or -errno.
 */
static int leave(int userns)
{
	if (userns >= 0 && setns(userns, CLONE_NEWUSER) < 0)
		return -errno;
	if (unshare(CLONE_NEWNS) < 0)
		return -errno;
	if (mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) == 0)
		return 0;
	return errno == EINVAL ? 1 : -errno;
}

/* The clone of what lies at path, attached nowhere. A descriptor, -ESTALE if its type is another now, or -errno. */
static int clone_path(const char *path, int flags, mode_t type)
{
	mode_t now;
	auto_close int fd = look(path, flags, &now);

	if (fd < 0)
		return fd;
	if (now != type)
		return -ESTALE;
	unsigned int how = AT_EMPTY_PATH | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | (S_ISDIR(type) ? AT_RECURSIVE : 0);
	int tree = open_tree(fd, "", how);
	return tree < 0 ? -errno : tree;
}

static int restrict_tree(int tree, struct mount_attr *attr)
{
	return mount_setattr(tree, "", AT_EMPTY_PATH | AT_RECURSIVE, attr, sizeof(*attr)) < 0 ? -errno : 0;
}

/* The file in the clone; what was opened for reading stays so, and a device cannot be opened again. */
static int open_file(int tree, int flags, struct outside_opened *o)
{
	struct mount_attr attr = { .attr_set = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV };
	auto_close int fd = reopen(tree, flags);

	if (fd < 0)
		return fd;
	if ((flags & O_PATH) || (flags & O_ACCMODE) == O_RDONLY)
		attr.attr_set |= MOUNT_ATTR_RDONLY;
	int res = restrict_tree(tree, &attr);
	if (!res)
		o->fd = steal_fd(&fd);
	return res;
}

/* Makes the tree this namespace's only one. */
static int enter(int tree, const char *path)
{
	if (move_mount(tree, "", AT_FDCWD, path, MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_SYMLINKS) < 0 || fchdir(tree) < 0 ||
	    syscall(SYS_pivot_root, ".", ".") < 0 || umount2(".", MNT_DETACH) < 0 || chdir("/") < 0)
		return -errno;
	return 0;
}

/* A root that is no mount (chroot, initramfs) cannot be replaced. A clone that stays nowhere attached is as closed. */
static int open_detached(int tree, int flags, struct outside_opened *o)
{
	auto_close int again = open_tree(tree, "", AT_EMPTY_PATH | AT_RECURSIVE | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);

	if (again < 0)
		return -errno;
	int fd = reopen(again, flags | O_DIRECTORY);
	if (fd < 0)
		return fd;
	o->fd = fd;
	o->tree = steal_fd(&again);
	o->notes |= OUTSIDE_NOTE_TREE;
	return 0;
}

static int open_dir(int tree, const char *path, int flags, bool attach, struct outside_opened *o)
{
	struct mount_attr attr = { .attr_set = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV, .propagation = MS_SLAVE };
	auto_close int proc = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
	int res = restrict_tree(tree, &attr);

	if (res || proc < 0)
		return res ? res : -errno;
	res = attach ? enter(tree, path) : -EINVAL;
	if (res == -EINVAL)
		return open_detached(tree, flags, o);
	if (res)
		return res;
	auto_close int fd = open("/", flags | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	o->tree = openat(proc, "self/mountinfo", O_RDONLY | O_CLOEXEC);
	if (o->tree < 0)
		return -errno;
	o->notes |= OUTSIDE_NOTE_TREE;
	o->fd = steal_fd(&fd);
	return 0;
}

/* The kernel, or somebody's rights, do not have what it takes. */
static bool cannot(int res)
{
	return res == -EPERM || res == -ENOSYS || res == -EINVAL;
}

int outside_tree_open(int userns, const char *path, int flags, struct outside_opened *o)
{
	mode_t type;
	auto_close int plain = look(path, flags, &type);

	*o = (struct outside_opened){ .fd = -1, .tree = -1 };
	if (plain < 0)
		return plain;
	int left = leave(userns), res;
	auto_close int tree = left < 0 ? left : clone_path(path, flags, type);
	if (tree < 0)
		res = tree;
	else
		res = S_ISDIR(type) ? open_dir(tree, path, flags, left == 0, o) : open_file(tree, flags, o);
	if (!cannot(res))
		return res;
	o->fd = reopen(plain, flags);
	o->notes = OUTSIDE_NOTE_PLAIN;
	return o->fd < 0 ? o->fd : 0;
}
